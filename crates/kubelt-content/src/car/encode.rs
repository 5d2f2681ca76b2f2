//! A CAR as bytes to send.

use bytes::Bytes;
use cid::Cid;
use thiserror::Error;

use super::header::{V2, V2_PAYLOAD_OFFSET, V2_PRAGMA, encode_v1};
use crate::block::Block;
use crate::varint;

/// Gives the bytes of a CAR piece by piece; the data of blocks is passed on, not copied.
#[derive(Debug)]
pub struct CarWriter {
    written: u64,
    promised: Option<u64>,
}

/// The payload of a CARv2 has another length than its header says.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the payload has `{written}` bytes where the header says `{promised}`; the CAR is not valid")]
pub struct PayloadLength {
    /// What the header says.
    pub promised: u64,
    /// What was written.
    pub written: u64,
}

impl CarWriter {
    /// A CARv1 and its first bytes.
    pub fn v1(roots: &[Cid]) -> (Self, Bytes) {
        let mut out = Vec::new();
        put_header(&mut out, roots);
        (Self { written: out.len() as u64, promised: None }, Bytes::from(out))
    }

    /// A CARv2 without an index and its first bytes.
    ///
    /// `sections_bytes` is the sum of [`section_len`] over the blocks that will be written.
    pub fn v2(roots: &[Cid], sections_bytes: u64) -> (Self, Bytes) {
        let mut payload = Vec::new();
        put_header(&mut payload, roots);
        let data_size = payload.len() as u64 + sections_bytes;
        let header = V2 { data_offset: V2_PAYLOAD_OFFSET, data_size, index_offset: 0 };
        let mut out = Vec::with_capacity(V2_PRAGMA.len() + header.encode().len() + payload.len());
        out.extend_from_slice(&V2_PRAGMA);
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(&payload);
        (Self { written: payload.len() as u64, promised: Some(data_size) }, Bytes::from(out))
    }

    /// The two pieces of a section: length with CID, and the data as it is.
    pub fn section(&mut self, block: &Block) -> [Bytes; 2] {
        let (cid, data) = (block.cid(), block.data());
        let length = (cid.encoded_len() + data.len()) as u64;
        let mut prefix = Vec::with_capacity(varint::len(length) + cid.encoded_len());
        varint::put(&mut prefix, length);
        cid.write_bytes(&mut prefix).expect("a vector takes every write");
        self.written += section_len(cid, data.len() as u64);
        [Bytes::from(prefix), data.clone()]
    }

    /// Bytes of the CARv1, or of the payload of the CARv2, so far.
    pub const fn payload_bytes(&self) -> u64 {
        self.written
    }

    /// Checks at the end that a CARv2 holds what its header says.
    pub fn finish(self) -> Result<(), PayloadLength> {
        match self.promised {
            Some(promised) if promised != self.written => {
                Err(PayloadLength { promised, written: self.written })
            }
            _ => Ok(()),
        }
    }
}

/// Bytes that a block of `data_len` bytes takes in a CAR.
pub fn section_len(cid: &Cid, data_len: u64) -> u64 {
    let length = cid.encoded_len() as u64 + data_len;
    varint::len(length) as u64 + length
}

fn put_header(out: &mut Vec<u8>, roots: &[Cid]) {
    let header = encode_v1(roots);
    varint::put(out, header.len() as u64);
    out.extend_from_slice(&header);
}
