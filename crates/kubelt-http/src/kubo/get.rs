//! `cat` and `get`: bytes of files, and trees as archives.

use std::io::Write as _;

use axum::response::Response;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use kubelt_content::{
    Cid, Codec,
    read::{FileReader, NodeKind, ReadError, stat},
    tar::{TarError, TarStream},
};
use kubelt_node::{BlockError, RpcBlocks, RpcError};

use super::{
    Call, KuboError,
    answer::{bytes, stream},
};

pub(super) async fn cat(call: &Call) -> Result<Response, KuboError> {
    let offset = call.args.number::<u64>(&["offset", "o"])?.unwrap_or(0);
    let length = call.args.number::<u64>(&["length", "l"])?;
    let paths = call.args.some("ipfs-path")?;
    let (mut skip, mut left, mut readers, mut total) = (offset, length.unwrap_or(u64::MAX), Vec::new(), 0);
    for path in paths {
        let resolved = call.resolve_block(path).await?;
        let blocks = resolved.blocks;
        let reader = open(&blocks, &resolved.cid)?;
        let size = reader.size();
        let start = skip.min(size);
        skip -= start;
        let take = left.min(size - start);
        left -= take;
        total += take;
        let reader = reader.range(start..start + take);
        readers.push((reader.map_err(|error| KuboError::failed(error.to_string()))?, blocks));
    }
    let pieces = readers.into_iter().flat_map(|(reader, blocks)| file(reader, blocks));
    Ok(bytes(stream(pieces).await?, "text/plain", Some(total)))
}

/// The file at `cid`.
fn open(blocks: &RpcBlocks, cid: &Cid) -> Result<FileReader, KuboError> {
    match FileReader::open(blocks, cid) {
        Ok(reader) => Ok(reader),
        Err(ReadError::NotAFile(_)) => {
            let is_directory =
                matches!(stat(blocks, cid).map(|node| node.kind), Ok(NodeKind::Directory { .. }));
            let what = if is_directory { "a directory" } else { "not a file" };
            Err(KuboError::failed(format!("this dag node is {what}")))
        }
        Err(error) => Err(RpcError::from(error).into()),
    }
}

fn file(mut reader: FileReader, blocks: RpcBlocks) -> impl Iterator<Item = Result<Bytes, KuboError>> {
    std::iter::from_fn(move || reader.next(&blocks).map_err(|error| RpcError::from(error).into()).transpose())
}

pub(super) async fn get(call: &Call) -> Result<Response, KuboError> {
    let path = call.args.first("ipfs-path")?;
    let archive = call.args.flag(&["archive", "a"], false)?;
    let compress = call.args.flag(&["compress", "C"], false)?;
    let level = call.args.number::<u32>(&["compression-level", "l"])?.unwrap_or(6);
    if compress && !(1..=9).contains(&level) {
        return Err(KuboError::failed("compression level must be between 1 and 9"));
    }
    let resolved = call.resolve_block(path).await?;
    let (blocks, cid) = (resolved.blocks, resolved.cid);
    if Codec::of(&cid).is_ok_and(|codec| !matches!(codec, Codec::Raw | Codec::DagPb)) {
        return Err(KuboError::failed("not a UnixFS file or directory; use `dag/get`"));
    }
    if compress && !archive {
        let reader = open(&blocks, &cid)
            .map_err(|_directory| KuboError::failed("file is not regular; set `archive`, too"))?;
        let pieces = gzip(file(reader, blocks), level);
        return Ok(bytes(stream(pieces).await?, "application/gzip", None));
    }
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let mut tar = TarStream::open(&blocks, &cid, &name).map_err(tar_error)?;
    let pieces = std::iter::from_fn(move || tar.next(&blocks).map_err(tar_error).transpose());
    if compress {
        return Ok(bytes(stream(gzip(pieces, level)).await?, "application/gzip", None));
    }
    Ok(bytes(stream(pieces).await?, "application/x-tar", None))
}

fn tar_error(error: TarError<BlockError>) -> KuboError {
    match error {
        TarError::Read(error) => RpcError::from(error).into(),
        other => KuboError::failed(other.to_string()),
    }
}

/// The pieces, compressed (RFC 1952).
fn gzip(
    mut pieces: impl Iterator<Item = Result<Bytes, KuboError>>,
    level: u32,
) -> impl Iterator<Item = Result<Bytes, KuboError>> {
    let mut encoder = Some(GzEncoder::new(Vec::new(), Compression::new(level)));
    std::iter::from_fn(move || {
        loop {
            let open = encoder.as_mut()?;
            match pieces.next() {
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(piece)) => {
                    open.write_all(&piece).expect("a vector takes every write");
                    if !open.get_ref().is_empty() {
                        return Some(Ok(std::mem::take(open.get_mut()).into()));
                    }
                }
                None => {
                    let rest = encoder.take()?.finish().expect("a vector takes every write");
                    return Some(Ok(rest.into()));
                }
            }
        }
    })
}
