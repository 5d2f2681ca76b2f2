//! Content from a node into files, checked against its CID.

mod cid_check;
mod destination;

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};

use kubelt_api::{Listing, ListingKind};

use cid_check::CidCheck;
pub(crate) use cid_check::Verdict;
pub(crate) use destination::Destination;

use crate::client::{Client, ClientError, CorePlace, Download};
use crate::limits::{COPY_BYTES, DIRECTORY_DEPTH_MAX};
use crate::output::Progress;

/// Why content was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The connection was lost.
    #[error("the download was cut short; run the same command again")]
    CutShort(#[source] io::Error),
    /// The file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The bytes are not those of the CID.
    #[error("the bytes that came are not those of {cid}; nothing was kept")]
    Mismatch { cid: String },
    /// A name that would lead out of the directory.
    #[error(
        "the node lists an entry named `{0}`, which cannot be a file's name here; nothing of it was written"
    )]
    Name(String),
    /// Too deep.
    #[error("`{0}` lies deeper than {DIRECTORY_DEPTH_MAX} directories")]
    TooDeep(String),
}

/// What was fetched.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Fetched {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Files whose bytes were rebuilt to the CID that names them.
    pub(crate) verified: u64,
    /// Paths of symbolic links, which are not followed.
    pub(crate) left_out: Vec<String>,
}

/// Copies a download to `to` and checks it on the way; `cid` names it where the caller knows better than the node.
pub(crate) fn save(
    download: Download,
    cid: Option<&str>,
    to: &Path,
    progress: &Progress,
) -> Result<(u64, Verdict), DownloadError> {
    let failed = |source| DownloadError::Write { path: to.to_owned(), source };
    let cid = cid.map(str::to_owned).or(download.cid);
    let mut check = CidCheck::new(cid.as_deref().filter(|_| !download.partial));
    let mut destination = Destination::open(to).map_err(failed)?;
    let mut body = progress.reading(download.body);
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let count = body.read(&mut buffer).map_err(DownloadError::CutShort)?;
        if count == 0 {
            break;
        }
        check.update(&buffer[..count]);
        destination.write_all(&buffer[..count]).map_err(failed)?;
        bytes += count as u64;
    }
    let verdict = check.finish();
    if verdict == Verdict::Mismatch {
        return Err(DownloadError::Mismatch { cid: cid.unwrap_or_default() });
    }
    destination.keep().map_err(failed)?;
    Ok((bytes, verdict))
}

/// Fetches everything below a path of a core into a directory.
#[derive(Debug)]
pub(crate) struct Directory<'a> {
    pub(crate) client: &'a Client,
    pub(crate) core: &'a CorePlace,
    pub(crate) progress: &'a Progress,
}

impl Directory<'_> {
    /// Fetches `listing`, which lists `path`, into `to`.
    pub(crate) fn save(&self, path: &str, listing: &Listing, to: &Path) -> Result<Fetched, DownloadError> {
        let mut fetched = Fetched::default();
        self.level(path, listing, to, &mut fetched, 0)?;
        Ok(fetched)
    }

    fn level(
        &self,
        path: &str,
        listing: &Listing,
        to: &Path,
        fetched: &mut Fetched,
        depth: usize,
    ) -> Result<(), DownloadError> {
        if depth == DIRECTORY_DEPTH_MAX {
            return Err(DownloadError::TooDeep(path.to_owned()));
        }
        make_directory(to).map_err(|source| DownloadError::Write { path: to.to_owned(), source })?;
        for entry in &listing.entries {
            if !is_plain_name(&entry.name) {
                return Err(DownloadError::Name(entry.name.clone()));
            }
            let path = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
            let to = to.join(&entry.name);
            match entry.kind {
                ListingKind::Directory => {
                    let below = self.client.whole_listing(self.core, &path)?;
                    self.level(&path, &below, &to, fetched, depth + 1)?;
                }
                ListingKind::File => {
                    let download = self.client.content(self.core, &path, None)?;
                    self.progress.more(download.bytes.unwrap_or(0));
                    let (bytes, verdict) = save(download, entry.cid.as_deref(), &to, self.progress)?;
                    fetched.files += 1;
                    fetched.bytes += bytes;
                    fetched.verified += u64::from(verdict == Verdict::Verified);
                }
                ListingKind::Symlink => fetched.left_out.push(path),
            }
        }
        Ok(())
    }
}

/// Makes a directory where there is none; a symbolic link to one is none.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(path)?.is_dir() =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether a name is one step down, and nothing else, on this system.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
        && !name.contains(['\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::is_plain_name;

    #[test]
    fn names_cannot_lead_out_of_their_directory() {
        for name in ["index.html", ".hidden", "a b", "ü", "..."] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", ".", "..", "/", "a/b", "../a", "/etc/passwd", "a/", "a\\b", "a\0"] {
            assert!(!is_plain_name(name), "{name}");
        }
    }
}
