//! `kubelt publish` and `kubelt put`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use kubelt_api::{Asked, Code, ContentReceipt, Receipt, Visibility};
use kubelt_content::unixfs::Profile;
use serde::Serialize;

use super::caller::Caller;
use super::receipt;
use super::request::ask;
use super::signing::Shared;
use super::target::CoreTarget;
use crate::client::{Client, CorePlace, Link, Sending, gateway_path};
use crate::output::{bytes_text, count_text, rate_text};
use crate::upload::{Hidden, RetryPolicy, Tree, Upload, Uploaded};

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// A file, or a directory that is taken with everything in it
    #[arg(value_name = "FILE_OR_DIR")]
    source: PathBuf,
    /// Where to put it; a file goes into a path that ends with `/`
    #[arg(long, value_name = "@CORE/PATH")]
    to: CoreTarget,
    #[command(flatten)]
    visibility: VisibilityArgs,
    /// How files are cut into blocks: unixfs-v1-2025, unixfs-v1-legacy or unixfs-v0-2015
    #[arg(long, value_name = "NAME", default_value = Profile::V1_2025.name())]
    profile: Profile,
    /// Do not try at the end on which ways strangers can fetch it
    #[arg(long)]
    no_receipt: bool,
    /// Leave out files and directories whose names begin with a dot
    #[arg(long)]
    no_hidden: bool,
}

#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// Where to put it; a file goes into a path that ends with `/`
    #[arg(value_name = "@CORE/PATH")]
    to: CoreTarget,
    /// The file; `-` reads stdin
    #[arg(value_name = "FILE")]
    source: PathBuf,
    #[command(flatten)]
    visibility: VisibilityArgs,
    /// The media type; without it, the name in the path decides
    #[arg(long = "type", value_name = "MEDIA_TYPE")]
    media_type: Option<String>,
}

/// Who may read it.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct VisibilityArgs {
    /// Everybody may read it
    #[arg(long)]
    public: bool,
    /// Members of the core may read it
    #[arg(long)]
    members: bool,
    /// Only you may read it (the default)
    #[arg(long)]
    private: bool,
}

/// What was published, and where it is.
#[derive(Debug, Serialize)]
struct Published {
    #[serde(flatten)]
    receipt: ContentReceipt,
    visibility: Visibility,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipfs_url: Option<String>,
    files: u64,
    bytes: u64,
    blocks: u64,
    blocks_known: u64,
    bytes_sent: u64,
    milliseconds: u64,
    /// On which ways strangers can fetch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Receipt>,
}

impl VisibilityArgs {
    pub(super) const fn get(&self) -> Visibility {
        match self {
            Self { public: true, .. } => Visibility::Public,
            Self { members: true, .. } => Visibility::Members,
            _ => Visibility::Private,
        }
    }
}

impl PublishArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let hidden = if self.no_hidden { Hidden::LeftOut } else { Hidden::Taken };
        let tree = Tree::scan(&self.source, hidden)?;
        let Self { source, to, visibility, profile, no_receipt, .. } = self;
        let (visibility, is_tried) = (visibility.get(), !no_receipt);
        let publishing =
            Publishing { source: &source, to: &to, visibility, profile, media_type: None, is_tried };
        publishing.run(caller, &tree)
    }
}

impl PutArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        if self.source == Path::new("-") {
            return self.put_stdin(caller);
        }
        let tree = Tree::scan(&self.source, Hidden::Taken)?;
        if tree.is_directory() {
            let (source, to) = (self.source.display(), &self.to);
            bail!("`{source}` is a directory; put it there with `kubelt publish {source} --to {to}`");
        }
        let Self { to, source, visibility, media_type } = &self;
        let (visibility, media_type) = (visibility.get(), media_type.as_deref());
        let profile = Profile::V1_2025;
        let is_tried = false;
        Publishing { source, to, visibility, profile, media_type, is_tried }.run(caller, &tree)
    }

    /// What comes from a pipe cannot be read again, so it goes in one stream.
    fn put_stdin(self, caller: &Caller) -> Result<()> {
        let path = path_for(&self.to, None)?;
        let visibility = self.visibility.get();
        let (client, core) = caller.reach(&self.to)?;
        let progress = caller.out.progress("putting", None);
        let reader = progress.reading(io::stdin().lock());
        let sending = Sending { reader, bytes: None, media_type: self.media_type };
        let receipt = client.put_stream(&core, &path, visibility, sending);
        progress.finish();
        let receipt = receipt?;
        let url = format!("{}{}", client.node(), core.published(&receipt.path));
        let value = serde_json::json!({
            "cid": receipt.cid, "size": receipt.size, "path": receipt.path, "op": receipt.op,
            "visibility": visibility, "url": url,
        });
        caller.out.result(&value, || format!("{url}\n{} ({})", receipt.cid, bytes_text(receipt.size)))?;
        Ok(())
    }
}

/// What goes where, and how.
struct Publishing<'a> {
    source: &'a Path,
    to: &'a CoreTarget,
    visibility: Visibility,
    profile: Profile,
    media_type: Option<&'a str>,
    /// Whether it is tried at the end on which ways strangers can fetch it.
    is_tried: bool,
}

impl Publishing<'_> {
    fn run(self, caller: &Caller, tree: &Tree) -> Result<()> {
        let Self { source, to, visibility, profile, media_type, is_tried } = self;
        let path = path_for(to, (!tree.is_directory()).then_some(source))?;
        let (client, core) = caller.reach(to)?;
        // A session that is of no use should show before anything is sent.
        client.sessions()?;
        let started = Instant::now();
        let progress = caller.out.progress("publishing", Some(tree.bytes()));
        let retry = RetryPolicy::default();
        let upload = Upload { client: &client, core: &core, profile, retry, progress: &progress };
        let uploaded = upload.run(tree);
        progress.finish();
        let uploaded = uploaded?;
        let linked = retry.run(
            |error| caller.out.remark(&format!("trying again: {error}")),
            || {
                let link = Link { cid: &uploaded.cid, partial: false };
                client.link(&core, &path, visibility, media_type, &link)
            },
        );
        let receipt = match linked {
            Err(error) if error.code() == Some(Code::VotesNeeded) => {
                let (cid, media_type) = (uploaded.cid, media_type.map(str::to_owned));
                let shared = Shared { client, place: core, id: caller.core_id(to)? };
                return ask(caller, &shared, Asked::Publish { path, cid, visibility, media_type });
            }
            receipt => receipt?,
        };
        let time = started.elapsed();
        let mut published = Published::new(&client, &core, receipt, visibility, tree, &uploaded, time);
        let is_tried = is_tried && visibility == Visibility::Public;
        if !caller.out.is_json() {
            caller.out.result(&published, || published.in_words(time))?;
        }
        if is_tried {
            // It is published in any case.
            match receipt::watch(caller, &client, &core, &path) {
                Ok(receipt) => published.reach = Some(receipt),
                Err(error) => caller.out.remark(&format!("there is no receipt: {error:#}")),
            }
        }
        if caller.out.is_json() {
            caller.out.result(&published, String::new)?;
        }
        Ok(())
    }
}

impl Published {
    fn new(
        client: &Client,
        core: &CorePlace,
        receipt: ContentReceipt,
        visibility: Visibility,
        tree: &Tree,
        uploaded: &Uploaded,
        time: std::time::Duration,
    ) -> Self {
        let node = client.node();
        let slash = if tree.is_directory() { "/" } else { "" };
        Self {
            url: format!("{node}{}{slash}", core.published(&receipt.path)),
            ipfs_url: (visibility == Visibility::Public)
                .then(|| format!("{node}{}{slash}", gateway_path(&receipt.cid, ""))),
            receipt,
            visibility,
            files: tree.file_count(),
            bytes: tree.bytes(),
            blocks: uploaded.blocks,
            blocks_known: uploaded.blocks_known,
            bytes_sent: uploaded.bytes_sent,
            milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            reach: None,
        }
    }

    fn in_words(&self, time: std::time::Duration) -> String {
        let mut lines = vec![self.url.clone()];
        lines.extend(self.ipfs_url.clone());
        lines.push(self.receipt.cid.clone());
        let (files, bytes) = (count_text(self.files, "file"), bytes_text(self.bytes));
        let (blocks, known) = (count_text(self.blocks, "block"), count_text(self.blocks_known, "block"));
        let rate = rate_text(self.bytes, time);
        let seconds = time.as_secs_f64();
        lines.push(format!("{files}, {bytes} in {seconds:.1} s {rate}").trim_end().to_owned());
        lines.push(match self.blocks_known {
            0 => format!("{blocks}, none of them there before"),
            known if known == self.blocks => format!("{blocks}, all of them there before"),
            _ => format!("{blocks}, {known} of them there before; sent {}", bytes_text(self.bytes_sent)),
        });
        if self.visibility == Visibility::Private {
            lines.push("only you can read it; `--public` opens it to everybody".to_owned());
        }
        lines.join("\n")
    }
}

/// The path to write; a file without a name in the path keeps its own.
pub(super) fn path_for(to: &CoreTarget, file: Option<&Path>) -> Result<String> {
    let name = file.and_then(Path::file_name).and_then(|name| name.to_str());
    match (to.path.as_str(), name) {
        ("", Some(name)) => Ok(name.to_owned()),
        ("", None) => bail!("name a path in the core, such as `{to}/site`"),
        (path, Some(name)) if path.ends_with('/') => Ok(format!("{path}{name}")),
        (path, _) => Ok(path.trim_end_matches('/').to_owned()),
    }
}
