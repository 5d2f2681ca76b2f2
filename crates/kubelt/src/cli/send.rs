//! `kubelt send`: content of one core handed to another, with the proof of where it came from.

use std::io;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use kubelt_api::{Code, ContentReceipt};
use kubelt_content::unixfs::Profile;
use kubelt_core::provenance::{Proof, Provenance};

use super::caller::Caller;
use super::publish::VisibilityArgs;
use super::sealing::{Put, encryption_of};
use super::target::CoreTarget;
use super::verify;
use crate::client::{Client, CorePlace, Link, Sending};
use crate::scratch_file::ScratchFile;
use crate::upload::{RetryPolicy, Upload};

/// What is appended to a path for the proof of what stands there.
pub(super) const PROOF_SUFFIX: &str = ".proof";
/// The media type of proofs.
const PROOF_TYPE: &str = "application/vnd.ipld.dag-cbor";

/// It arrives as it is, block by block: plain or sealed, under the same CID. Beside it, at the same path with `.proof` at its
/// end, stands who put it where it came from. `kubelt verify` checks both.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// What to send: a path that you may read
    #[arg(value_name = "@CORE/PATH")]
    source: CoreTarget,
    /// Where to: a path that you may write; below it, under the same name, if it ends with `/`
    #[arg(long, value_name = "@OTHER/PATH")]
    to: CoreTarget,
    #[command(flatten)]
    visibility: VisibilityArgs,
}

impl SendArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let from = self.source.path.trim_end_matches('/');
        let name = from.rsplit('/').next().unwrap_or_default();
        let to = match self.to.path.as_str() {
            "" => name.to_owned(),
            path if path.ends_with('/') => format!("{path}{name}"),
            path => path.to_owned(),
        };
        let (client, source) = caller.reach(&self.source)?;
        let (_, target) = caller.reach(&self.to)?;
        client.sessions()?;
        let bytes = client
            .proof(&source, from)
            .with_context(|| format!("nothing at exactly {} can be sent", self.source))?;
        let shown =
            Proof::decode(&bytes)?.check().context("the node's proof of where it came from does not pass")?;
        let visibility = self.visibility.get();
        bring(caller, &client, (&source, from), &target)?;
        let cid = shown.entry.cid.to_string();
        let receipt = match client.sealed(&source, from) {
            Ok(view) => {
                ensure!(view.cid == cid, "somebody changed it meanwhile; run the same command again");
                let put = Put { cid: &cid, media_type: &view.media_type, visibility };
                let sealed = put.send(caller, (&client, &target), &to, &encryption_of(&view)?, None)?;
                // Others were asked to agree.
                let Some(receipt) = sealed else { return Ok(()) };
                receipt
            }
            Err(error) if error.code() == Some(Code::NotFound) => {
                let link = Link { cid: &cid, partial: false };
                client.link(&target, &to, visibility, Some(&shown.entry.media_type), &link)?
            }
            Err(error) => return Err(error.into()),
        };
        let proof = Sending {
            reader: bytes.as_slice(),
            bytes: Some(bytes.len() as u64),
            media_type: Some(PROOF_TYPE.to_owned()),
        };
        client.put_stream(&target, &format!("{to}{PROOF_SUFFIX}"), visibility, proof)?;
        tell(caller, &receipt, &shown)
    }
}

/// Brings every block of it into the other core, each checked on the way.
fn bring(
    caller: &Caller,
    client: &Client,
    (source, path): (&CorePlace, &str),
    target: &CorePlace,
) -> Result<()> {
    let mut file = ScratchFile::new(&caller.config.scratch()).context("cannot write what is to be sent")?;
    let download = client.published_car(source, path)?;
    io::copy(&mut { download.body }, &mut file).context("the download was cut short")?;
    let progress = caller.out.progress("sending", None);
    let (profile, retry) = (Profile::default(), RetryPolicy::default());
    let sent = Upload { client, core: target, profile, retry, progress: &progress }.run_car(file.path());
    progress.finish();
    sent?;
    Ok(())
}

fn tell(caller: &Caller, receipt: &ContentReceipt, shown: &Provenance) -> Result<()> {
    let value = serde_json::json!({
        "cid": receipt.cid, "path": receipt.path, "op": receipt.op, "from": verify::provenance_view(shown),
    });
    caller.out.result(&value, || {
        format!("{} ({})\n{}", receipt.path, receipt.cid, verify::provenance_words(shown))
    })?;
    Ok(())
}
