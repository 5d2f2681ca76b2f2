//! The values of the index's rows, each with a version byte.

use bytes::Bytes;
use kubelt_core::{MapPath, OpId, Verb};

use crate::segment::record::Pointer;

/// How the index holds a value: tag 0 and the bytes, or tag 1 and a pointer into the segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Inline(Bytes),
    At(Pointer),
}

impl Stored {
    pub(crate) fn inline(bytes: &[u8]) -> Bytes {
        [&[0], bytes].concat().into()
    }

    pub(crate) fn at(pointer: Pointer) -> Bytes {
        [[1].as_slice(), &pointer.encode()].concat().into()
    }

    pub(crate) fn decode(row: &Bytes) -> Option<Self> {
        match row.first()? {
            0 => Some(Self::Inline(row.slice(1..))),
            1 => Pointer::decode(&row[1..]).map(Self::At),
            _ => None,
        }
    }
}

/// Where a block lies: the pointer covers the record's payload, the data begins `skip` bytes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) payload: Pointer,
    pub(crate) skip: u8,
}

impl Location {
    pub(crate) const fn data_len(&self) -> u32 {
        self.payload.len.saturating_sub(self.skip as u32)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [[1, self.skip].as_slice(), &self.payload.encode()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let [1, skip, pointer @ ..] = bytes else { return None };
        let payload = Pointer::decode(pointer)?;
        (u32::from(*skip) <= payload.len).then_some(Self { payload, skip: *skip })
    }
}

/// Four counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters(pub(crate) [u64; 4]);

impl Counters {
    const VERSION: u8 = 1;

    /// The counters of a row of the index; all zero where there is none.
    pub(crate) fn of_row(row: Option<&Bytes>) -> Self {
        let inline = row.and_then(Stored::decode).and_then(|stored| match stored {
            Stored::Inline(bytes) => Self::decode(&bytes),
            Stored::At(_) => None,
        });
        inline.unwrap_or_default()
    }

    pub(crate) fn add(self, add: [i64; 4]) -> Self {
        Self(std::array::from_fn(|i| self.0[i].saturating_add_signed(add[i])))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        self.0.iter().for_each(|counter| bytes.extend_from_slice(&counter.to_le_bytes()));
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&Self::VERSION, rest) = bytes.split_first()? else { return None };
        let rest: &[u8; 32] = rest.try_into().ok()?;
        Some(Self(std::array::from_fn(|n| u64::from_le_bytes(std::array::from_fn(|i| rest[n * 8 + i])))))
    }
}

/// The row of a possession: `len:u32 stamp:u64`.
pub(crate) fn encode_possession(len: u32, stamp: u64) -> Vec<u8> {
    [len.to_le_bytes().as_slice(), &stamp.to_le_bytes()].concat()
}

/// Size of the block in bytes, and the stamp.
pub(crate) fn decode_possession(row: &[u8]) -> Option<(u32, u64)> {
    let (len, stamp) = row.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*len), u64::from_le_bytes(stamp.try_into().ok()?)))
}

/// The row of an operation: `1 verb_len verb signed`.
pub(crate) fn encode_op(verb: Verb, signed: &[u8]) -> Vec<u8> {
    let verb = verb.as_str().as_bytes();
    [&[1, u8::try_from(verb.len()).expect("verbs are short words")], verb, signed].concat()
}

pub(crate) fn decode_op(row: &Bytes) -> Option<(Verb, Bytes)> {
    let [1, len, ..] = row.as_ref() else { return None };
    let signed_at = 2 + usize::from(*len);
    let verb = std::str::from_utf8(row.get(2..signed_at)?).ok()?.parse().ok()?;
    Some((verb, row.slice(signed_at..)))
}

/// The row of a body: `1 path_len:u16 path body`; a length of 0 says that it puts nothing.
pub(crate) fn encode_body(path: Option<&MapPath>, body: &[u8]) -> Vec<u8> {
    let path = path.map_or("", MapPath::as_str);
    let len = u16::try_from(path.len()).expect("a map path is under 64 KiB");
    [[1].as_slice(), &len.to_le_bytes(), path.as_bytes(), body].concat()
}

pub(crate) fn decode_body(row: &Bytes) -> Option<(Option<MapPath>, Bytes)> {
    let [1, low, high, ..] = row.as_ref() else { return None };
    let body_at = 3 + usize::from(u16::from_le_bytes([*low, *high]));
    let path = std::str::from_utf8(row.get(3..body_at)?).ok()?;
    let path = if path.is_empty() { None } else { Some(MapPath::new(path).ok()?) };
    Some((path, row.slice(body_at..)))
}

/// The row of a put: `1 cleared value`.
pub(crate) fn encode_put(cleared: bool, value: &[u8]) -> Vec<u8> {
    [&[1, u8::from(cleared)], value].concat()
}

pub(crate) fn decode_put(row: &Bytes) -> Option<(bool, Bytes)> {
    match row.as_ref() {
        [1, cleared @ (0 | 1), ..] => Some((*cleared == 1, row.slice(2..))),
        _ => None,
    }
}

/// The row of heads: `1 id*`.
pub(crate) fn encode_heads(heads: &[OpId]) -> Vec<u8> {
    let mut bytes = vec![1];
    heads.iter().for_each(|head| bytes.extend_from_slice(head.digest()));
    bytes
}

pub(crate) fn decode_heads(row: &[u8]) -> Option<Vec<OpId>> {
    let (&1, ids) = row.split_first()? else { return None };
    let (ids, []) = ids.as_chunks::<32>() else { return None };
    Some(ids.iter().map(|id| OpId::from_digest(*id)).collect())
}
