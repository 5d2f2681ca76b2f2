//! `add`: files and directories in.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use kubelt_content::unixfs::{Metadata, Mtime, Profile};
use kubelt_node::{TreeNode, TreeUpload};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Call, Cids, KuboError,
    answer::{chunked, line, sent},
    args::Args,
    multipart::{Part, PartKind, Parts},
    tree::{Finished, Tree},
};

/// Lines of an answer made ahead of the client.
const LINES_AHEAD: usize = 64;
/// Bytes of a file between two lines about it.
const PROGRESS_BYTES: u64 = 256 * 1_024;
/// Longest target of a symbolic link that is read.
const TARGET_BYTES_MAX: usize = kubelt_content::limits::SYMLINK_TARGET_BYTES_MAX;

/// What the call wants.
#[derive(Debug)]
struct Wanted {
    profile: Profile,
    pin: bool,
    pin_name: Option<String>,
    only_hash: bool,
    wrap: bool,
    progress: bool,
    silent: bool,
    /// For everything that is added.
    metadata: Metadata,
    preserve_mode: bool,
    preserve_mtime: bool,
    cids: Cids,
}

pub(super) async fn add(call: Call, body: Body) -> Result<Response, KuboError> {
    call.count_write()?;
    let wanted = Wanted::read(&call)?;
    let keep = !wanted.only_hash;
    let upload = call.routes.rpc.tree(&call.session, &call.core, wanted.profile, keep).await?;
    let mut parts = Parts::new(&call.headers, body)?;
    let (lines, receiver) = mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        if let Err(error) = take_in(&call, &wanted, upload, &mut parts, &lines).await {
            parts.read_out().await;
            // Nobody hears it when the client is gone.
            let _gone = lines.send(Err(error)).await;
        }
    });
    Ok(chunked(sent(receiver).await?))
}

type Lines = mpsc::Sender<Result<Bytes, KuboError>>;

async fn take_in(
    call: &Call,
    wanted: &Wanted,
    mut upload: TreeUpload,
    parts: &mut Parts,
    lines: &Lines,
) -> Result<(), KuboError> {
    let mut tree = Tree::default();
    let mut count = 0_usize;
    while let Some(mut part) = parts.next().await? {
        count += 1;
        let (metadata, said) = (wanted.metadata_of(part.metadata), part.metadata);
        let path = part.path.clone();
        let node = match part.kind {
            PartKind::Directory => {
                part.all(0).await?;
                tree.directory(&path, metadata)?;
                continue;
            }
            PartKind::Symlink => {
                let target = part.all(TARGET_BYTES_MAX).await?;
                let target = std::str::from_utf8(&target)
                    .map_err(|_not_text| KuboError::failed("the target of a symbolic link is not UTF-8"))?;
                upload.symlink(target, metadata).await?
            }
            PartKind::File => {
                upload.open(metadata);
                file(&mut upload, &mut part, wanted.progress.then_some(lines)).await?
            }
        };
        tree.add(&path, node)?;
        if !wanted.silent {
            // As in Kubo, whose client says what it has of a file that stands for itself.
            let said = if wanted.wrap || path.contains('/') { Metadata::default() } else { said };
            let finished = Finished { path, node };
            tell(lines, added(&finished, &said, part_name(&finished.path, &node), wanted.cids)).await?;
        }
    }
    if count == 0 {
        return Err(KuboError::bad("argument \"path\" is required"));
    }
    if wanted.wrap {
        tree.wrap(wanted.metadata)?;
    }
    let mut directories = Vec::new();
    let roots = tree.finish(&mut upload, &mut directories).await?;
    upload.flush().await?;
    if wanted.pin {
        pin(call, wanted, &roots).await?;
    }
    drop(upload);
    for directory in directories.iter().filter(|_| !wanted.silent) {
        let none = Metadata::default();
        tell(lines, added(directory, &none, directory.path.clone(), wanted.cids)).await?;
    }
    Ok(())
}

/// Takes in a file that was begun, and tells how far it is where that is wanted.
async fn file(
    upload: &mut TreeUpload,
    part: &mut Part,
    lines: Option<&Lines>,
) -> Result<TreeNode, KuboError> {
    let (mut bytes, mut told) = (0_u64, 0);
    while let Some(piece) = part.chunk().await? {
        bytes += piece.len() as u64;
        upload.write(&piece).await?;
        if let Some(lines) = lines.filter(|_| bytes - told >= PROGRESS_BYTES) {
            told = bytes;
            tell(lines, json!({ "Name": part.path, "Bytes": bytes })).await?;
        }
    }
    if let Some(lines) = lines.filter(|_| bytes > told) {
        tell(lines, json!({ "Name": part.path, "Bytes": bytes })).await?;
    }
    Ok(upload.close().await?)
}

/// A file with no name is called by its CID.
fn part_name(path: &str, node: &TreeNode) -> String {
    if path.is_empty() { node.cid.to_string() } else { path.to_owned() }
}

async fn pin(call: &Call, wanted: &Wanted, roots: &[TreeNode]) -> Result<(), KuboError> {
    for root in roots {
        call.routes.rpc.pin(&call.session, &call.core, &root.cid, wanted.pin_name.clone()).await?;
    }
    Ok(())
}

async fn tell(lines: &Lines, value: Value) -> Result<(), KuboError> {
    lines.send(Ok(line(&value))).await.map_err(|_gone| KuboError::failed("the client is gone"))
}

fn added(finished: &Finished, said: &Metadata, name: String, cids: Cids) -> Value {
    let node = finished.node;
    let mut value = json!({ "Name": name, "Hash": cids.text(&node.cid), "Size": node.dag_size.to_string() });
    if let Some(mode) = said.mode {
        value["Mode"] = format!("0{mode:o}").into();
    }
    if let Some(mtime) = said.mtime {
        value["Mtime"] = mtime.seconds.into();
        if mtime.nanoseconds > 0 {
            value["MtimeNsecs"] = mtime.nanoseconds.into();
        }
    }
    value
}

impl Wanted {
    fn read(call: &Call) -> Result<Self, KuboError> {
        let args = &call.args;
        args.refuse(&[
            ("hash", "sha2-256"),
            ("trickle", "false"),
            ("inline", "false"),
            ("nocopy", "false"),
            ("fscache", "false"),
            ("max-file-links", "174"),
            ("max-directory-links", "0"),
            ("max-hamt-fanout", "256"),
        ])?;
        if args.get(&["to-files"]).is_some() {
            return Err(KuboError::failed("option `to-files` is not supported: there is no MFS here"));
        }
        let metadata = metadata(args)?;
        let preserve_mode = args.flag(&["preserve-mode"], false)?;
        let preserve_mtime = args.flag(&["preserve-mtime"], false)?;
        let only_hash = args.flag(&["only-hash", "n"], false)?;
        Ok(Self {
            profile: profile(args, !metadata.is_empty() || preserve_mode || preserve_mtime)?,
            pin: args.flag(&["pin"], true)? && !only_hash,
            pin_name: args.get(&["pin-name"]).map(str::to_owned),
            only_hash,
            wrap: args.flag(&["wrap-with-directory", "w"], false)?,
            progress: args.flag(&["progress", "p"], false)?,
            silent: args.flag(&["silent"], false)?,
            metadata,
            preserve_mode,
            preserve_mtime,
            cids: call.cids()?,
        })
    }

    /// What is written with something of which its sender says `said`.
    fn metadata_of(&self, said: Metadata) -> Metadata {
        Metadata {
            mode: self.metadata.mode.or(said.mode.filter(|_| self.preserve_mode)),
            mtime: self.metadata.mtime.or(said.mtime.filter(|_| self.preserve_mtime)),
        }
    }
}

/// Kubo's defaults: `unixfs-v0-2015`, and for CIDv1 what it made of that; leaves that carry metadata are nodes.
fn profile(args: &Args, with_metadata: bool) -> Result<Profile, KuboError> {
    let base = match args.number::<u64>(&["cid-version"])? {
        None | Some(0) => Profile::V0_2015,
        Some(1) => Profile::V1_LEGACY,
        Some(other) => return Err(KuboError::failed(format!("unknown CID version: {other}"))),
    };
    let raw_leaves = match args.get(&["raw-leaves"]) {
        None => base == Profile::V1_LEGACY && !with_metadata,
        Some(_) => args.flag(&["raw-leaves"], false)?,
    };
    if raw_leaves && with_metadata {
        let message = "raw-leaves can't be used with UnixFS metadata like mode or modification time";
        return Err(KuboError::failed(message));
    }
    let base = base.with_raw_leaves(raw_leaves);
    let chunker = match args.get(&["chunker", "s"]) {
        None | Some("" | "default") => return Ok(base),
        Some(chunker) => chunker,
    };
    let size = chunker.strip_prefix("size-").and_then(|size| size.parse().ok());
    size.and_then(|size| base.with_chunk_bytes(size)).ok_or_else(|| {
        let max = kubelt_content::limits::CHUNK_BYTES_MAX;
        KuboError::failed(format!("chunkers are `size-1` to `size-{max}`; others are not supported"))
    })
}

fn metadata(args: &Args) -> Result<Metadata, KuboError> {
    let mode = match args.get(&["mode"]) {
        None => None,
        Some(text) => {
            let bad = |_| KuboError::bad("option `mode` is not an octal number");
            Some(u32::from_str_radix(text, 8).map_err(bad)?)
        }
    };
    let nanoseconds = args.number::<u32>(&["mtime-nsecs"])?;
    let seconds = args.number::<i64>(&["mtime"])?;
    if (nanoseconds.is_some() && seconds.is_none()) || nanoseconds.is_some_and(|nanos| nanos >= 1_000_000_000)
    {
        return Err(KuboError::failed("option \"mtime-nsecs\" is below 1e9 and needs \"mtime\""));
    }
    // A time of 0 is none, as in Kubo.
    let seconds = seconds.filter(|seconds| *seconds != 0);
    let mtime = seconds.map(|seconds| Mtime { seconds, nanoseconds: nanoseconds.unwrap_or(0) });
    Ok(Metadata { mode: mode.filter(|mode| *mode != 0), mtime })
}
