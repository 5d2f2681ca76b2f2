//! Messages of bitswap 1.2, as bytes (Bitswap specification, "Bitswap 1.2.0: Wire Format").
//!
//! A message carries changes of a want list, blocks, and whether blocks are there. Only the message is here: what
//! is framed, sent and answered is for whoever speaks the protocol.

use bytes::Bytes;
use cid::{Cid, Version};
use thiserror::Error;

use crate::{
    Block, Codec, HASH_BLAKE3, HASH_SHA2_256, HASH_SHA2_512, VerifyError, cid_from_bytes,
    limits::{BITSWAP_BLOCKS_MAX, BITSWAP_ENTRIES_MAX},
    protobuf::{Field, ProtobufError, Value, bytes_len, put_header, put_integer},
    varint,
};

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether the wants are all that the sender wants, and not a change.
    pub full: bool,
    /// What the sender wants, or does not want any more.
    pub wants: Vec<Want>,
    /// Blocks, none of them verified yet.
    pub payloads: Vec<Payload>,
    /// Which blocks the sender has, or has not.
    pub presences: Vec<Presence>,
    /// Bytes that wait at the sender to be sent.
    pub pending_bytes: i32,
}

/// An entry of a want list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Of which block.
    pub cid: Cid,
    /// The larger, the sooner.
    pub priority: i32,
    /// It is wanted no more.
    pub cancel: bool,
    /// The block itself, or whether it is there.
    pub kind: WantKind,
    /// Whether it shall be said that the block is not there.
    pub send_dont_have: bool,
}

/// What is wanted of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantKind {
    /// The block.
    Block,
    /// Whether it is there.
    Have,
}

/// Whether a block is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The block.
    pub cid: Cid,
    /// Whether the sender has it.
    pub has: bool,
}

/// The bytes of a block, and how its CID is made of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// How its CID is made.
    pub prefix: Prefix,
    /// Its bytes.
    pub data: Bytes,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({:?}, {} bytes)", self.prefix, self.data.len())
    }
}

/// A CID without its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// 0 or 1.
    pub version: u64,
    /// Code of the codec.
    pub codec: u64,
    /// Code of the hash function.
    pub hash: u64,
    /// Bytes of the digest.
    pub digest_len: u64,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageError {
    /// No protobuf.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// A field of another type.
    #[error("field `{0}` has another type")]
    Field(u64),
    /// No CID where one belongs.
    #[error("an entry names no CID")]
    Cid,
    /// A prefix that is none.
    #[error("the prefix of a block is malformed")]
    Prefix,
    /// More entries or blocks than a message may have.
    #[error("the message has too many entries")]
    TooMany,
}

impl Payload {
    /// A block as it travels.
    pub fn of(cid: &Cid, data: Bytes) -> Self {
        let version = u64::from(cid.version() == Version::V1);
        let digest_len = u64::from(cid.hash().size());
        let prefix = Prefix { version, codec: cid.codec(), hash: cid.hash().code(), digest_len };
        Self { prefix, data }
    }

    /// The block that these bytes are, whichever was asked for: its CID is made of them.
    ///
    /// # Errors
    /// [`VerifyError`] where the hash function is not known, or the digest has another length than it gives.
    pub fn into_block(self) -> Result<Block, VerifyError> {
        let Prefix { version, codec, hash, digest_len } = self.prefix;
        let expected = match hash {
            HASH_SHA2_256 | HASH_BLAKE3 => 32,
            HASH_SHA2_512 => 64,
            other => return Err(VerifyError::UnknownHash(other)),
        };
        if digest_len != expected {
            let length = usize::try_from(digest_len).unwrap_or(usize::MAX);
            return Err(VerifyError::DigestLength { code: hash, length });
        }
        let block = Block::with_hash(codec, hash, self.data)?;
        if version == 1 {
            return Ok(block);
        }
        let (cid, data) = block.into_parts();
        // A CIDv0 is dag-pb and sha2-256: other prefixes of version 0 name nothing.
        let cid = Cid::new_v0(*cid.hash()).map_err(|_error| VerifyError::Mismatch)?;
        if codec == Codec::DagPb.code() { Ok(Block::trusted(cid, data)) } else { Err(VerifyError::Mismatch) }
    }

    /// Bytes that it takes in a message.
    pub const fn encoded_len(&self) -> usize {
        let data = bytes_len(self.data.len());
        let inner = bytes_len(self.prefix.encoded_len()) + data;
        bytes_len(inner)
    }
}

impl Prefix {
    const fn encoded_len(self) -> usize {
        varint::len(self.version)
            + varint::len(self.codec)
            + varint::len(self.hash)
            + varint::len(self.digest_len)
    }

    fn encode(self, out: &mut Vec<u8>) {
        for part in [self.version, self.codec, self.hash, self.digest_len] {
            varint::put(out, part);
        }
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, MessageError> {
        let mut part = || varint::take(&mut bytes).map_err(|_malformed| MessageError::Prefix);
        let prefix = Self { version: part()?, codec: part()?, hash: part()?, digest_len: part()? };
        if bytes.is_empty() && prefix.version <= 1 { Ok(prefix) } else { Err(MessageError::Prefix) }
    }
}

impl Message {
    /// Whether it says nothing. An empty full want list says something.
    pub const fn is_empty(&self) -> bool {
        !self.full && self.wants.is_empty() && self.payloads.is_empty() && self.presences.is_empty()
    }

    /// Reads a message. Blocks are slices of `frame`, which lives as long as one of them.
    ///
    /// # Errors
    /// [`MessageError`] for what is no message, and for one over a limit.
    pub fn decode(frame: &Bytes) -> Result<Self, MessageError> {
        let mut message = Self::default();
        let mut rest: &[u8] = frame;
        while let Some(field) = Field::take(&mut rest)? {
            match field.number {
                1 => message.take_wants(bytes(&field)?)?,
                2 => {
                    // Bitswap 1.0.0: a block under a CIDv0.
                    let prefix = Prefix {
                        version: 0,
                        codec: Codec::DagPb.code(),
                        hash: HASH_SHA2_256,
                        digest_len: 32,
                    };
                    message.take_payload(prefix, frame.slice_ref(bytes(&field)?))?;
                }
                3 => {
                    let mut inner = bytes(&field)?;
                    let (mut prefix, mut data) = (None, Bytes::new());
                    while let Some(field) = Field::take(&mut inner)? {
                        match field.number {
                            1 => prefix = Some(Prefix::decode(bytes(&field)?)?),
                            2 => data = frame.slice_ref(bytes(&field)?),
                            _ => {}
                        }
                    }
                    message.take_payload(prefix.ok_or(MessageError::Prefix)?, data)?;
                }
                4 => {
                    let presence = take_presence(bytes(&field)?)?;
                    if message.presences.len() >= BITSWAP_ENTRIES_MAX {
                        return Err(MessageError::TooMany);
                    }
                    message.presences.push(presence);
                }
                5 => message.pending_bytes = signed(integer(&field)?),
                _ => {}
            }
        }
        Ok(message)
    }

    fn take_wants(&mut self, mut list: &[u8]) -> Result<(), MessageError> {
        while let Some(field) = Field::take(&mut list)? {
            match field.number {
                1 => {
                    if self.wants.len() >= BITSWAP_ENTRIES_MAX {
                        return Err(MessageError::TooMany);
                    }
                    self.wants.push(take_want(bytes(&field)?)?);
                }
                2 => self.full = integer(&field)? != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn take_payload(&mut self, prefix: Prefix, data: Bytes) -> Result<(), MessageError> {
        if self.payloads.len() >= BITSWAP_BLOCKS_MAX {
            return Err(MessageError::TooMany);
        }
        self.payloads.push(Payload { prefix, data });
        Ok(())
    }

    /// Bytes that it takes, and those of its want list.
    fn lengths(&self) -> (usize, usize) {
        let list: usize = self.wants.iter().map(|want| bytes_len(want.inner_len())).sum();
        let list = list + if self.full { 2 } else { 0 };
        let wants = if list == 0 { 0 } else { bytes_len(list) };
        let blocks: usize = self.payloads.iter().map(Payload::encoded_len).sum();
        let presences: usize = self.presences.iter().map(|one| bytes_len(one.inner_len())).sum();
        let pending = if self.pending_bytes == 0 { 0 } else { 1 + varint::len(unsigned(self.pending_bytes)) };
        (wants + blocks + presences + pending, list)
    }

    /// Bytes that it takes.
    pub fn encoded_len(&self) -> usize {
        self.lengths().0
    }

    /// Appends the message, its length before it as on a stream.
    pub fn encode_framed(&self, out: &mut Vec<u8>) {
        let (length, _) = self.lengths();
        out.reserve(length + varint::len(length as u64));
        varint::put(out, length as u64);
        self.encode(out);
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (_, list) = self.lengths();
        if list > 0 {
            put_header(out, 1, list);
            for want in &self.wants {
                put_header(out, 1, want.inner_len());
                want.encode(out);
            }
            if self.full {
                put_integer(out, 2, 1);
            }
        }
        for Payload { prefix, data } in &self.payloads {
            let prefix_len = prefix.encoded_len();
            put_header(out, 3, bytes_len(prefix_len) + bytes_len(data.len()));
            put_header(out, 1, prefix_len);
            prefix.encode(out);
            put_header(out, 2, data.len());
            out.extend_from_slice(data);
        }
        for presence in &self.presences {
            put_header(out, 4, presence.inner_len());
            let cid = presence.cid.to_bytes();
            put_header(out, 1, cid.len());
            out.extend_from_slice(&cid);
            if !presence.has {
                put_integer(out, 2, 1);
            }
        }
        if self.pending_bytes != 0 {
            put_integer(out, 5, unsigned(self.pending_bytes));
        }
    }
}

impl Want {
    /// The want of a block, or the question for it.
    pub const fn new(cid: Cid, kind: WantKind, priority: i32) -> Self {
        Self { cid, priority, cancel: false, kind, send_dont_have: true }
    }

    /// That a block is wanted no more.
    pub const fn cancel(cid: Cid) -> Self {
        Self { cid, priority: 0, cancel: true, kind: WantKind::Block, send_dont_have: false }
    }

    fn inner_len(&self) -> usize {
        let flag = |set: bool| if set { 2 } else { 0 };
        let priority = if self.priority == 0 { 0 } else { 1 + varint::len(unsigned(self.priority)) };
        bytes_len(self.cid.encoded_len())
            + priority
            + flag(self.cancel)
            + flag(self.kind == WantKind::Have)
            + flag(self.send_dont_have)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let cid = self.cid.to_bytes();
        put_header(out, 1, cid.len());
        out.extend_from_slice(&cid);
        if self.priority != 0 {
            put_integer(out, 2, unsigned(self.priority));
        }
        for (number, set) in [(3, self.cancel), (4, self.kind == WantKind::Have), (5, self.send_dont_have)] {
            if set {
                put_integer(out, number, 1);
            }
        }
    }
}

impl Presence {
    fn inner_len(&self) -> usize {
        bytes_len(self.cid.encoded_len()) + if self.has { 0 } else { 2 }
    }
}

fn take_want(mut inner: &[u8]) -> Result<Want, MessageError> {
    let (mut cid, mut want) = (None, Want::new(Cid::default(), WantKind::Block, 0));
    want.send_dont_have = false;
    while let Some(field) = Field::take(&mut inner)? {
        match field.number {
            1 => cid = Some(cid_from_bytes(bytes(&field)?).map_err(|_no_cid| MessageError::Cid)?),
            2 => want.priority = signed(integer(&field)?),
            3 => want.cancel = integer(&field)? != 0,
            // What later versions may want is taken for the block, as protobuf's default.
            4 => want.kind = if integer(&field)? == 1 { WantKind::Have } else { WantKind::Block },
            5 => want.send_dont_have = integer(&field)? != 0,
            _ => {}
        }
    }
    want.cid = cid.ok_or(MessageError::Cid)?;
    Ok(want)
}

fn take_presence(mut inner: &[u8]) -> Result<Presence, MessageError> {
    let (mut cid, mut has) = (None, true);
    while let Some(field) = Field::take(&mut inner)? {
        match field.number {
            1 => cid = Some(cid_from_bytes(bytes(&field)?).map_err(|_no_cid| MessageError::Cid)?),
            2 => has = integer(&field)? == 0,
            _ => {}
        }
    }
    Ok(Presence { cid: cid.ok_or(MessageError::Cid)?, has })
}

const fn bytes<'a>(field: &Field<'a>) -> Result<&'a [u8], MessageError> {
    match field.value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(MessageError::Field(field.number)),
    }
}

const fn integer(field: &Field<'_>) -> Result<u64, MessageError> {
    match field.value {
        Value::Integer(integer) => Ok(integer),
        _ => Err(MessageError::Field(field.number)),
    }
}

/// An `int32`, of which protobuf writes 64 bits, and reads the lower 32.
fn signed(integer: u64) -> i32 {
    let low = u32::try_from(integer & u64::from(u32::MAX)).expect("32 bits are kept");
    low.cast_signed()
}

fn unsigned(integer: i32) -> u64 {
    i64::from(integer).cast_unsigned()
}

#[cfg(test)]
mod tests;
