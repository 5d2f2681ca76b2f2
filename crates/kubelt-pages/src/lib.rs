//! The node's own pages, packed by `build/main.rs`: the web console if it was built before (`web/console/dist`), and the docs,
//! which are rendered from `docs/`.
//!
//! Nothing depends on this crate but the binary, so that a changed page compiles this crate and the binary alone. It
//! serves nothing: that is done by `kubelt-http`. Start at [`FILES`], then `build/site.rs`.

/// One file, as it goes out.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Where it stands below `/_/`; empty for the console's page.
    pub path: &'static str,
    /// Its media type, as `Content-Type` has it.
    pub media_type: &'static str,
    /// The hash of [`Self::plain`] in hex.
    pub hash: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// Its bytes by gzip, where these are fewer.
    pub gzip: Option<&'static [u8]>,
    /// Its bytes by Brotli, where these are fewer.
    pub brotli: Option<&'static [u8]>,
}

/// All files, in order of their paths.
pub static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(test)]
#[path = "../build/frame.rs"]
mod frame;
#[cfg(test)]
#[path = "../build/markdown.rs"]
mod markdown;
#[cfg(test)]
#[path = "../build/site.rs"]
mod site;
#[cfg(test)]
mod tests;
