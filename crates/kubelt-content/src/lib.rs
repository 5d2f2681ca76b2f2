//! Content-addressed data: blocks named by their hash, and what is built of them.
//!
//! What it is: CIDs and blocks ([`Block`], [`verify`]), the IPLD codecs ([`Codec`], [`links`]), UnixFS
//! files and directories in both directions ([`unixfs`], [`read`]), CAR files ([`car`]), messages of bitswap
//! ([`bitswap`]), names that are keys ([`ipns`]), and what sites and operators write down ([`redirects`], [`denylist`]). All of it is values: callers bring blocks through the small trait [`read::Blocks`] and take new
//! ones through a closure. The limits of everything are in [`limits`].
//!
//! What it is not: a store, a network or a cache, and it holds no opinion on who may read what.
//!
//! Where to start: `unixfs/profile.rs` decides which CIDs come out; `unixfs/file.rs` and
//! `unixfs/directory.rs` write; `read/file.rs` and `read/listing.rs` read.

pub mod bitswap;
pub mod car;
pub mod dag_pb;
pub mod denylist;
pub mod ipns;
pub mod limits;
pub mod read;
pub mod redirects;
pub mod tar;
pub mod unixfs;

mod block;
mod cid_text;
mod codec;
mod dag_cbor;
mod json;
mod protobuf;
mod varint;

pub use block::{
    Block, BlockTooLarge, CHECKED_TOGETHER_MIN, HASH_BLAKE3, HASH_IDENTITY, HASH_SHA2_256, HASH_SHA2_512,
    VerifyError, check_all, inline_content, verify,
};
pub use cid::Cid;
pub use cid_text::{CidBase, CidBytesError, CidTextError, cid_from_bytes, format_cid, parse_cid};
pub use codec::{Codec, CodecError, UnknownCodec, links};
pub use dag_cbor::CborError;
pub use ipld_core::ipld::Ipld;
pub use json::JsonError;
pub use protobuf::ProtobufError;
pub use varint::VarintError;
