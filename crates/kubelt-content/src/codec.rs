//! The IPLD codecs that this crate reads and writes, and the links inside a block.

use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;
use thiserror::Error;

use crate::dag_cbor::{self, CborError};
use crate::dag_pb::{self, PbError};
use crate::{json, limits};

/// A codec by its multicodec code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// Bytes with no inner structure, `0x55`.
    Raw,
    /// The protobuf nodes of UnixFS, `0x70`.
    DagPb,
    /// Deterministic CBOR with links, `0x71`.
    DagCbor,
    /// JSON with links, `0x0129`.
    DagJson,
    /// JSON, `0x0200`.
    Json,
    /// CBOR without links, `0x51`; of its many forms only those of dag-cbor are decoded.
    Cbor,
}

/// The codec of a CID is none that this crate knows.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("codec `0x{0:x}` is not one of raw, dag-pb, dag-cbor, dag-json, json and cbor")]
pub struct UnknownCodec(pub u64);

/// Why the content of a block was refused by its codec.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The block is larger than every transport takes.
    #[error("the block has `{0}` bytes, more than the `{max}` allowed", max = limits::BLOCK_BYTES_MAX)]
    TooLarge(usize),
    /// Not dag-pb.
    #[error("the block is not strict dag-pb")]
    DagPb(#[source] PbError),
    /// Not dag-cbor.
    #[error("the block is not deterministic dag-cbor")]
    DagCbor(#[source] CborError),
    /// Not dag-json or json.
    #[error("the block is not valid JSON of its kind")]
    Json(#[source] json::JsonError),
    /// The value has a shape that the codec cannot carry.
    #[error("the value has no form in codec `{0:?}`; use dag-cbor")]
    NoForm(Codec),
}

impl Codec {
    /// The codec of `cid`.
    pub const fn of(cid: &Cid) -> Result<Self, UnknownCodec> {
        Self::from_code(cid.codec())
    }

    /// The codec with this multicodec code.
    pub const fn from_code(code: u64) -> Result<Self, UnknownCodec> {
        match code {
            0x55 => Ok(Self::Raw),
            0x70 => Ok(Self::DagPb),
            0x71 => Ok(Self::DagCbor),
            0x0129 => Ok(Self::DagJson),
            0x0200 => Ok(Self::Json),
            0x51 => Ok(Self::Cbor),
            other => Err(UnknownCodec(other)),
        }
    }

    /// The multicodec code.
    pub const fn code(self) -> u64 {
        match self {
            Self::Raw => 0x55,
            Self::DagPb => 0x70,
            Self::DagCbor => 0x71,
            Self::DagJson => 0x0129,
            Self::Json => 0x0200,
            Self::Cbor => 0x51,
        }
    }

    /// The name in the multicodec table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::DagPb => "dag-pb",
            Self::DagCbor => "dag-cbor",
            Self::DagJson => "dag-json",
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }

    /// Decodes a block into the IPLD data model.
    pub fn decode(self, data: &[u8]) -> Result<Ipld, CodecError> {
        check_size(data)?;
        match self {
            Self::Raw => Ok(Ipld::Bytes(data.to_vec())),
            Self::DagPb => dag_pb::PbNode::decode(data).map(|node| node.to_ipld()).map_err(CodecError::DagPb),
            Self::DagCbor | Self::Cbor => dag_cbor::decode(data).map_err(CodecError::DagCbor),
            Self::DagJson => json::decode_dag(data).map_err(CodecError::Json),
            Self::Json => json::decode_plain(data).map_err(CodecError::Json),
        }
    }

    /// Encodes a value of the IPLD data model; the one canonical form of it where the codec has one.
    pub fn encode(self, value: &Ipld) -> Result<Bytes, CodecError> {
        let bytes = match self {
            Self::Raw => match value {
                Ipld::Bytes(bytes) => Bytes::copy_from_slice(bytes),
                _ => return Err(CodecError::NoForm(self)),
            },
            Self::DagPb => dag_pb::encode_ipld(value).ok_or(CodecError::NoForm(self))?,
            Self::DagCbor | Self::Cbor => dag_cbor::encode(value).map_err(CodecError::DagCbor)?,
            Self::DagJson => json::encode_dag(value).map_err(CodecError::Json)?,
            Self::Json => json::encode_plain(value).map_err(CodecError::Json)?,
        };
        check_size(&bytes)?;
        Ok(bytes)
    }
}

/// The links of a block in the order in which they are written, repeated ones included.
///
/// At most [`limits::LINKS_PER_BLOCK_MAX`] links and [`limits::IPLD_DEPTH_MAX`] levels.
pub fn links(codec: Codec, data: &[u8]) -> Result<Vec<Cid>, CodecError> {
    check_size(data)?;
    match codec {
        Codec::Raw | Codec::Json | Codec::Cbor => Ok(Vec::new()),
        Codec::DagPb => dag_pb::links(data).map_err(CodecError::DagPb),
        Codec::DagCbor => dag_cbor::links(data).map_err(CodecError::DagCbor),
        Codec::DagJson => json::links(data).map_err(CodecError::Json),
    }
}

fn check_size(data: &[u8]) -> Result<(), CodecError> {
    if data.len() > limits::BLOCK_BYTES_MAX { Err(CodecError::TooLarge(data.len())) } else { Ok(()) }
}
