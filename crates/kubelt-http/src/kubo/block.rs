//! `block/…`: single blocks.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use kubelt_content::{
    Block, Cid, Codec, HASH_BLAKE3, HASH_SHA2_256, HASH_SHA2_512, limits::BLOCK_BYTES_MAX, parse_cid,
};
use serde_json::json;

use super::{
    Call, KuboError,
    answer::{bytes, lines, one},
    multipart::Parts,
};

pub(super) async fn get(call: &Call) -> Result<Response, KuboError> {
    let block = call.resolve_block(call.args.first("cid")?).await?.block()?;
    let length = block.len() as u64;
    Ok(bytes(Body::from(block), "application/octet-stream", Some(length)))
}

pub(super) async fn stat(call: &Call) -> Result<Response, KuboError> {
    let resolved = call.resolve_block(call.args.first("cid")?).await?;
    let size = resolved.block()?.len();
    Ok(one(&json!({ "Key": call.cids()?.text(&resolved.cid), "Size": size })))
}

pub(super) async fn put(call: &Call, body: Body) -> Result<Response, KuboError> {
    call.count_write()?;
    let wanted = Wanted::read(call)?;
    let (pin, cids) = (call.args.flag(&["pin"], false)?, call.cids()?);
    let mut parts = Parts::new(&call.headers, body)?;
    let mut answers = Vec::new();
    while let Some(part) = parts.next().await? {
        let block = wanted.block(part.all(BLOCK_BYTES_MAX).await?)?;
        let (cid, size) = (*block.cid(), block.data().len());
        call.routes.rpc.put(&call.session, &call.core, vec![block]).await?;
        if pin {
            call.routes.rpc.pin(&call.session, &call.core, &cid, None).await?;
        }
        answers.push(json!({ "Key": cids.text(&cid), "Size": size }));
    }
    if answers.is_empty() {
        return Err(KuboError::bad("argument \"data\" is required"));
    }
    Ok(lines(&answers))
}

pub(super) async fn rm(call: &Call) -> Result<Response, KuboError> {
    call.count_write()?;
    let (force, quiet) = (call.args.flag(&["force", "f"], false)?, call.args.flag(&["quiet", "q"], false)?);
    let mut answers = Vec::new();
    for text in call.args.some("cid")? {
        let cid = parse_cid(text).map_err(|error| KuboError::failed(format!("invalid CID: {error}")))?;
        let hash = call.cids()?.text(&cid);
        match call.routes.rpc.remove(&call.session, &call.core, &cid).await {
            Ok(()) if quiet => {}
            Ok(()) => answers.push(json!({ "Hash": hash })),
            Err(kubelt_node::RpcError::Missing(_)) if force => {}
            Err(error) => answers.push(json!({ "Hash": hash, "Error": KuboError::from(error).message() })),
        }
    }
    Ok(lines(&answers))
}

/// How a block is named.
#[derive(Debug)]
struct Wanted {
    codec: u64,
    hash: u64,
    v0: bool,
}

impl Wanted {
    fn read(call: &Call) -> Result<Self, KuboError> {
        let hash = hash(call.args.get(&["mhtype", "hash"]))?;
        let codec = match call.args.get(&["format", "f"]) {
            Some("v0") => return Ok(Self { codec: Codec::DagPb.code(), hash: HASH_SHA2_256, v0: true }),
            Some(format) => format,
            None => call.args.get(&["cid-codec"]).unwrap_or("raw"),
        };
        Ok(Self { codec: self::codec(codec)?.code(), hash, v0: false })
    }

    fn block(&self, data: Bytes) -> Result<Block, KuboError> {
        let block = Block::with_hash(self.codec, self.hash, data);
        let block = block.map_err(|error| KuboError::failed(error.to_string()))?;
        if !self.v0 {
            return Ok(block);
        }
        let (cid, data) = block.into_parts();
        let cid = Cid::new_v0(*cid.hash()).expect("a CIDv0 is dag-pb and sha2-256");
        Ok(Block::trusted(cid, data))
    }
}

/// A codec by its name; `protobuf` and `cbor` are what Kubo called them once.
pub(super) fn codec(name: &str) -> Result<Codec, KuboError> {
    let all = [Codec::Raw, Codec::DagPb, Codec::DagCbor, Codec::DagJson, Codec::Json];
    match name {
        "protobuf" => Ok(Codec::DagPb),
        "cbor" => Ok(Codec::DagCbor),
        name => all.into_iter().find(|codec| codec.name() == name).ok_or_else(|| {
            KuboError::failed("codecs are `raw`, `dag-pb`, `dag-cbor`, `dag-json` and `json`")
        }),
    }
}

/// A hash function by its name.
pub(super) fn hash(name: Option<&str>) -> Result<u64, KuboError> {
    match name.unwrap_or("sha2-256") {
        "sha2-256" => Ok(HASH_SHA2_256),
        "sha2-512" => Ok(HASH_SHA2_512),
        "blake3" => Ok(HASH_BLAKE3),
        _ => Err(KuboError::failed("hash functions are `sha2-256`, `sha2-512` and `blake3`")),
    }
}
