//! The protobuf message inside the dag-pb node of a UnixFS entry (UnixFS specification, "PBNode.Data").

use thiserror::Error;

use crate::limits::LINKS_PER_BLOCK_MAX;
use crate::protobuf::{self, Field, ProtobufError, Value};
use crate::varint;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Part of a file, as old writers made it.
    Raw,
    /// A directory in one block.
    Directory,
    /// A file or a part of one.
    File,
    /// Never used; refused when read as an entry.
    Metadata,
    /// A symbolic link.
    Symlink,
    /// A directory over several blocks, or a part of one.
    HamtShard,
}

/// Permissions and time of modification; written only when asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Unix permission bits.
    pub mode: Option<u32>,
    /// Time of modification.
    pub mtime: Option<Mtime>,
}

/// A time as UnixFS writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtime {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// The message; `data` borrows from its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// What the node is.
    pub kind: Kind,
    /// Bytes of a file, target of a symbolic link, bit field of a shard.
    pub data: Option<&'a [u8]>,
    /// Bytes of the file below this node.
    pub file_size: Option<u64>,
    /// Bytes of the file below each link.
    pub block_sizes: Vec<u64>,
    /// Multihash code of the hash of a shard.
    pub hash_type: Option<u64>,
    /// Slots of a shard.
    pub fanout: Option<u64>,
    /// Permissions and time.
    pub metadata: Metadata,
}

/// Why bytes are not UnixFS data.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DataError {
    /// Not protobuf.
    #[error("the protobuf is malformed")]
    Protobuf(#[from] ProtobufError),
    /// A field that is unknown, repeated, out of order or of another type.
    #[error("field `{0}` is unknown, repeated, out of order or of another type")]
    Field(u64),
    /// No type, or one that does not exist.
    #[error("the type of the node is missing or unknown")]
    Kind,
    /// A time whose parts are missing or out of range.
    #[error("the time of modification is malformed")]
    Mtime,
    /// More block sizes than a block has links.
    #[error("the node has more than `{max}` block sizes", max = LINKS_PER_BLOCK_MAX)]
    TooManyBlockSizes,
}

impl<'a> Data<'a> {
    /// Data with nothing but a kind.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            data: None,
            file_size: None,
            block_sizes: Vec::new(),
            hash_type: None,
            fanout: None,
            metadata: Metadata { mode: None, mtime: None },
        }
    }

    /// Reads data; fields must stand in the order of their numbers, each at most once.
    pub fn decode(mut bytes: &'a [u8]) -> Result<Self, DataError> {
        let mut out = Self::new(Kind::Raw);
        let mut kind = None;
        let mut last = 0;
        while let Some(Field { number, value }) = Field::take(&mut bytes)? {
            if number < last || (number == last && number != BLOCK_SIZES) {
                return Err(DataError::Field(number));
            }
            last = number;
            match (number, value) {
                (KIND, Value::Integer(code)) => kind = Some(Kind::from_code(code).ok_or(DataError::Kind)?),
                (DATA, Value::Bytes(data)) => out.data = Some(data),
                (FILE_SIZE, Value::Integer(size)) => out.file_size = Some(size),
                (BLOCK_SIZES, Value::Integer(size)) => out.block_sizes.push(size),
                (BLOCK_SIZES, Value::Bytes(packed)) => take_packed(packed, &mut out.block_sizes)?,
                (HASH_TYPE, Value::Integer(code)) => out.hash_type = Some(code),
                (FANOUT, Value::Integer(fanout)) => out.fanout = Some(fanout),
                (MODE, Value::Integer(mode)) => {
                    out.metadata.mode = Some(u32::try_from(mode).map_err(|_error| DataError::Field(MODE))?);
                }
                (MTIME, Value::Bytes(mtime)) => out.metadata.mtime = Some(Mtime::decode(mtime)?),
                _ => return Err(DataError::Field(number)),
            }
            if out.block_sizes.len() > LINKS_PER_BLOCK_MAX {
                return Err(DataError::TooManyBlockSizes);
            }
        }
        out.kind = kind.ok_or(DataError::Kind)?;
        Ok(out)
    }

    /// Bytes that [`Data::put`] appends.
    pub(crate) fn encoded_len(&self) -> usize {
        let integer = |value: Option<u64>| value.map_or(0, |value| 1 + varint::len(value));
        integer(Some(self.kind.code()))
            + self.data.map_or(0, |data| protobuf::bytes_len(data.len()))
            + integer(self.file_size)
            + self.block_sizes.iter().map(|&size| integer(Some(size))).sum::<usize>()
            + integer(self.hash_type)
            + integer(self.fanout)
            + integer(self.metadata.mode.map(u64::from))
            + self.metadata.mtime.map_or(0, |mtime| protobuf::bytes_len(mtime.encoded_len()))
    }

    /// Appends the message.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        protobuf::put_integer(out, KIND, self.kind.code());
        if let Some(data) = self.data {
            protobuf::put_header(out, DATA, data.len());
            out.extend_from_slice(data);
        }
        if let Some(size) = self.file_size {
            protobuf::put_integer(out, FILE_SIZE, size);
        }
        for &size in &self.block_sizes {
            protobuf::put_integer(out, BLOCK_SIZES, size);
        }
        if let Some(code) = self.hash_type {
            protobuf::put_integer(out, HASH_TYPE, code);
        }
        if let Some(fanout) = self.fanout {
            protobuf::put_integer(out, FANOUT, fanout);
        }
        if let Some(mode) = self.metadata.mode {
            protobuf::put_integer(out, MODE, u64::from(mode));
        }
        if let Some(mtime) = self.metadata.mtime {
            protobuf::put_header(out, MTIME, mtime.encoded_len());
            mtime.put(out);
        }
    }

    /// The message alone.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.put(&mut out);
        out
    }
}

impl Kind {
    const fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Raw),
            1 => Some(Self::Directory),
            2 => Some(Self::File),
            3 => Some(Self::Metadata),
            4 => Some(Self::Symlink),
            5 => Some(Self::HamtShard),
            _ => None,
        }
    }

    const fn code(self) -> u64 {
        match self {
            Self::Raw => 0,
            Self::Directory => 1,
            Self::File => 2,
            Self::Metadata => 3,
            Self::Symlink => 4,
            Self::HamtShard => 5,
        }
    }
}

impl Metadata {
    /// Neither permissions nor time.
    pub const fn is_empty(&self) -> bool {
        self.mode.is_none() && self.mtime.is_none()
    }
}

impl Mtime {
    fn decode(mut bytes: &[u8]) -> Result<Self, DataError> {
        let (mut seconds, mut nanoseconds) = (None, None);
        while let Some(Field { number, value }) = Field::take(&mut bytes)? {
            match (number, value) {
                (1, Value::Integer(value)) if seconds.is_none() && nanoseconds.is_none() => {
                    seconds = Some(value.cast_signed());
                }
                // Zero nanoseconds are not written (UnixFS specification, "mtime").
                (2, Value::Fixed32(value @ 1..=999_999_999)) if nanoseconds.is_none() => {
                    nanoseconds = Some(value);
                }
                _ => return Err(DataError::Mtime),
            }
        }
        Ok(Self { seconds: seconds.ok_or(DataError::Mtime)?, nanoseconds: nanoseconds.unwrap_or(0) })
    }

    const fn encoded_len(self) -> usize {
        1 + varint::len(self.seconds.cast_unsigned()) + if self.nanoseconds == 0 { 0 } else { 5 }
    }

    fn put(self, out: &mut Vec<u8>) {
        protobuf::put_integer(out, 1, self.seconds.cast_unsigned());
        if self.nanoseconds != 0 {
            protobuf::put_fixed32(out, 2, self.nanoseconds);
        }
    }
}

const KIND: u64 = 1;
const DATA: u64 = 2;
const FILE_SIZE: u64 = 3;
const BLOCK_SIZES: u64 = 4;
const HASH_TYPE: u64 = 5;
const FANOUT: u64 = 6;
const MODE: u64 = 7;
const MTIME: u64 = 8;

/// Some writers pack repeated integers; protobuf readers take both forms.
fn take_packed(mut packed: &[u8], out: &mut Vec<u64>) -> Result<(), DataError> {
    while !packed.is_empty() {
        if out.len() == LINKS_PER_BLOCK_MAX {
            return Err(DataError::TooManyBlockSizes);
        }
        out.push(varint::take(&mut packed).map_err(ProtobufError::from)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
