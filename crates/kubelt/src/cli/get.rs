//! `kubelt get`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use kubelt_api::Code;
use kubelt_content::parse_cid;

use super::caller::Caller;
use super::target::{CoreTarget, ReadTarget};
use crate::client::{Client, ClientError, CorePlace, Download, gateway_path};
use crate::download::{Directory, Fetched, Tree, Verdict, save};
use crate::output::{bytes_text, count_text};

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// `@me/path`, `@0x…/path`, a CID, or `CID/path`
    #[arg(value_name = "WHAT")]
    target: ReadTarget,
    /// Where to write it; `-`, and nothing when the output is piped, writes to stdout
    #[arg(short, long, value_name = "FILE_OR_DIR")]
    output: Option<PathBuf>,
    /// Only these bytes, such as `0-99`, `100-` or `-100`
    #[arg(long, value_name = "FROM-TO", allow_hyphen_values = true)]
    range: Option<String>,
}

impl GetArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match &self.target {
            ReadTarget::Cid { cid, path } => {
                let client = caller.client()?;
                // The node may have to look for it among others.
                let looking = caller.out.progress("looking for it", None);
                let found = client.gateway(&gateway_path(cid, path), self.range.as_deref());
                looking.finish();
                let download = match found {
                    // Only directories are sent on, to the address with a slash.
                    Err(ClientError::Moved { .. }) => return self.tree(caller, &client, cid, path),
                    result => result?,
                };
                // The node's word for what a path below a CID leads to is as good as its bytes.
                let named = path.is_empty().then_some(cid.as_str());
                let name = if path.is_empty() { cid } else { path };
                self.file(caller, download, named, name)
            }
            ReadTarget::Core(target) => {
                let (client, core) = caller.reach(target)?;
                let path = target.path.trim_end_matches('/');
                match self.open(&client, &core, path)? {
                    Some(download) => self.file(caller, download, None, path),
                    None => self.directory(caller, target, &client, &core, path),
                }
            }
        }
    }

    /// Nothing where there is a directory.
    fn open(&self, client: &Client, core: &CorePlace, path: &str) -> Result<Option<Download>, ClientError> {
        if path.is_empty() {
            return Ok(None);
        }
        match client.content(core, path, self.range.as_deref()) {
            Err(error) if error.code() == Some(Code::Conflict) => Ok(None),
            result => result.map(Some),
        }
    }

    fn file(&self, caller: &Caller, download: Download, cid: Option<&str>, name: &str) -> Result<()> {
        let to = self.destination(&download, name)?;
        let progress = caller.out.progress("getting", download.bytes);
        let (partial, ways) = (download.partial, download.ways.clone());
        let named = cid.map(str::to_owned).or_else(|| download.cid.clone());
        let result = save(download, cid, &to, &progress);
        progress.finish();
        let (bytes, verdict) = result?;
        let verified = verdict == Verdict::Verified;
        if !verified && !partial {
            let cid = named.as_deref().unwrap_or("no CID");
            caller.out.warn(&format!("unverified: the node says that this is {cid}, which was made in a way that cannot be repeated here"));
        }
        if to == Path::new("-") {
            return Ok(());
        }
        let value = serde_json::json!({
            "file": to, "bytes": bytes, "cid": named, "partial": partial, "verified": verified, "ways": ways,
        });
        caller.out.result(&value, || {
            let mark = if verified { ", verified" } else { "" };
            format!("{} ({}{mark}{})", to.display(), bytes_text(bytes), by(&ways))
        })?;
        Ok(())
    }

    /// Where a file goes that nobody gave a place.
    fn destination(&self, download: &Download, name: &str) -> Result<PathBuf> {
        let stdout = || PathBuf::from("-");
        match &self.output {
            Some(output) if output.is_dir() => Ok(output.join(name.rsplit('/').next().unwrap_or(name))),
            Some(output) => Ok(output.clone()),
            None if !io::stdout().is_terminal() => Ok(stdout()),
            None => {
                let kind = download.media_type.as_deref().unwrap_or_default();
                let is_text =
                    kind.starts_with("text/") || kind.contains("json") || kind.contains("javascript");
                if !is_text {
                    bail!("this is no text ({kind}); name a file with `-o FILE`, or `-o -` for the terminal");
                }
                Ok(stdout())
            }
        }
    }

    fn directory(
        &self,
        caller: &Caller,
        target: &CoreTarget,
        client: &Client,
        core: &CorePlace,
        path: &str,
    ) -> Result<()> {
        let list = format!(", or list it with `kubelt ls {target}`");
        let to = self.destination_of_directory(&target.to_string(), &list)?;
        let listing = client.whole_listing(core, path)?;
        let progress = caller.out.progress("getting", Some(0));
        let fetched = Directory { client, core, progress: &progress }.save(path, &listing, to);
        progress.finish();
        Self::tell(caller, to, &fetched?)
    }

    /// A directory by its CID.
    fn tree(&self, caller: &Caller, client: &Client, cid: &str, path: &str) -> Result<()> {
        let name = gateway_path(cid, path);
        let to = self.destination_of_directory(&name, "")?;
        let root = parse_cid(cid)?;
        let progress = caller.out.progress("getting", Some(0));
        let fetched = Tree::new(client, &progress).save(&root, path, to);
        progress.finish();
        Self::tell(caller, to, &fetched?)
    }

    fn destination_of_directory(&self, name: &str, or: &str) -> Result<&Path> {
        if self.range.is_some() {
            bail!("`{name}` is a directory, and a directory has no range of bytes");
        }
        match self.output.as_deref().filter(|to| *to != Path::new("-")) {
            Some(to) => Ok(to),
            None => bail!("`{name}` is a directory; name one to write it to with `-o DIR`{or}"),
        }
    }

    /// What was fetched of a directory.
    fn tell(caller: &Caller, to: &Path, fetched: &Fetched) -> Result<()> {
        for link in &fetched.left_out {
            caller.out.warn(&format!("`{link}` is a symbolic link out of the directory and was left out"));
        }
        let value = serde_json::json!({ "directory": to, "fetched": fetched });
        caller.out.result(&value, || {
            let (files, bytes) = (count_text(fetched.files, "file"), bytes_text(fetched.bytes));
            let verified = match fetched.verified {
                count if count == fetched.files => "all verified".to_owned(),
                count => format!("{count} verified"),
            };
            format!("{} ({files}, {bytes}, {verified}{})", to.display(), by(&fetched.ways))
        })?;
        Ok(())
    }
}

/// By which ways the node has fetched it, in words; nothing where it had it.
fn by(ways: &[String]) -> String {
    if ways.is_empty() { String::new() } else { format!(", fetched by {}", ways.join(" and ")) }
}
