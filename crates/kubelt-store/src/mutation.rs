//! What a transaction does to the index, and its bytes in a commit record.
//!
//! A commit record holds the mutations themselves, so that the index is the replay of the commit records
//! and a rebuild needs to know no rule of any table.
//!
//! ```text
//! payload  = version:u8 mutation*
//! mutation = 1 key value | 2 key | 3 key value count | 4 key count | 5 key value count
//!            put, delete, insert, remove, upsert
//! key      = len:u16 bytes      value = len:u32 bytes      count = key 4 * add:i64
//! ```

use bytes::Bytes;

/// Version of the payload of a commit record.
const VERSION: u8 = 1;

/// One change of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The key has the value.
    Put { key: Bytes, value: Value },
    /// The key is gone.
    Delete { key: Bytes },
    /// If the key is not there, it has the value, and it is counted.
    Insert { key: Bytes, value: Value, count: Count },
    /// The key has the value, and it is counted if it was not there.
    Upsert { key: Bytes, value: Value, count: Count },
    /// If the key is there, it is gone, and that is counted.
    Remove { key: Bytes, count: Count },
}

/// A value, and where it stands in the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) bytes: Bytes,
    /// In bytes from the payload's beginning; 0 before it is encoded.
    pub(crate) at: u32,
}

/// What is added to the four counters under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) key: Bytes,
    pub(crate) add: [i64; 4],
}

/// A payload that is not a list of mutations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotMutations;

/// A payload in the making.
#[derive(Debug)]
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    pub(crate) fn new() -> Self {
        Self(vec![VERSION])
    }

    /// Its size, in bytes.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it does nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.push(1);
        self.key(key);
        self.value(value);
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.0.push(2);
        self.key(key);
    }

    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8], count: &Count) {
        self.0.push(3);
        self.key(key);
        self.value(value);
        self.count(count);
    }

    pub(crate) fn upsert(&mut self, key: &[u8], value: &[u8], count: &Count) {
        self.0.push(5);
        self.key(key);
        self.value(value);
        self.count(count);
    }

    pub(crate) fn remove(&mut self, key: &[u8], count: &Count) {
        self.0.push(4);
        self.key(key);
        self.count(count);
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }

    fn key(&mut self, key: &[u8]) {
        let len = u16::try_from(key.len()).expect("transactions refuse keys over `KEY_BYTES_MAX`");
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(key);
    }

    fn value(&mut self, value: &[u8]) {
        let len = u32::try_from(value.len()).expect("transactions refuse more than `TX_BYTES_MAX`");
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(value);
    }

    fn count(&mut self, count: &Count) {
        self.key(&count.key);
        count.add.iter().for_each(|add| self.0.extend_from_slice(&add.to_le_bytes()));
    }
}

/// What a key with its value takes, at least mostly: from it a place for all of them is guessed.
const MUTATION_BYTES_TYPICAL: usize = 128;

/// Reads the payload of a commit record; keys and values share memory with it.
pub(crate) fn decode(payload: &Bytes) -> Result<Vec<Mutation>, NotMutations> {
    let mut from = Reader { payload, at: 0 };
    if from.byte()? != VERSION {
        return Err(NotMutations);
    }
    let mut mutations = Vec::with_capacity(payload.len() / MUTATION_BYTES_TYPICAL);
    while from.at < payload.len() {
        mutations.push(match from.byte()? {
            1 => Mutation::Put { key: from.key()?, value: from.value()? },
            2 => Mutation::Delete { key: from.key()? },
            3 => Mutation::Insert { key: from.key()?, value: from.value()?, count: from.count()? },
            5 => Mutation::Upsert { key: from.key()?, value: from.value()?, count: from.count()? },
            4 => Mutation::Remove { key: from.key()?, count: from.count()? },
            _ => return Err(NotMutations),
        });
    }
    Ok(mutations)
}

struct Reader<'a> {
    payload: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn bytes(&mut self, len: usize) -> Result<Bytes, NotMutations> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.payload.len()).ok_or(NotMutations)?;
        let bytes = self.payload.slice(self.at..end);
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotMutations> {
        Ok(self.bytes(N)?.as_ref().try_into().expect("as many bytes as asked for"))
    }

    fn byte(&mut self) -> Result<u8, NotMutations> {
        Ok(self.array::<1>()?[0])
    }

    fn key(&mut self) -> Result<Bytes, NotMutations> {
        let len = u16::from_le_bytes(self.array()?);
        self.bytes(len.into())
    }

    fn value(&mut self) -> Result<Value, NotMutations> {
        let len = u32::from_le_bytes(self.array()?);
        let at = u32::try_from(self.at).map_err(|_too_far| NotMutations)?;
        Ok(Value { bytes: self.bytes(len as usize)?, at })
    }

    fn count(&mut self) -> Result<Count, NotMutations> {
        let key = self.key()?;
        let mut add = [0; 4];
        for one in &mut add {
            *one = i64::from_le_bytes(self.array()?);
        }
        Ok(Count { key, add })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Count, Mutation, NotMutations, Payload, decode};

    #[test]
    fn mutations_come_back_as_they_were_written() {
        let count = Count { key: Bytes::from_static(b"U"), add: [1, -2, 3, i64::MIN] };
        let mut payload = Payload::new();
        assert!(payload.is_empty());
        payload.put(b"key", b"value");
        payload.delete(b"gone");
        payload.insert(b"new", b"", &count);
        payload.remove(b"old", &count);
        let payload = payload.finish();
        let mutations = decode(&payload).expect("what was encoded decodes");
        let Mutation::Put { key, value } = &mutations[0] else { panic!("a put, not {:?}", mutations[0]) };
        assert_eq!((key.as_ref(), value.bytes.as_ref()), (b"key".as_slice(), b"value".as_slice()));
        assert_eq!(payload[value.at as usize..][..5], *b"value");
        assert_eq!(mutations[1], Mutation::Delete { key: Bytes::from_static(b"gone") });
        assert_eq!(mutations[3], Mutation::Remove { key: Bytes::from_static(b"old"), count });
        assert_eq!(mutations.len(), 4);
    }

    #[test]
    fn a_cut_payload_is_refused() {
        let mut payload = Payload::new();
        payload.put(b"key", b"value");
        let payload = payload.finish();
        for len in (0..payload.len()).filter(|len| *len != 1) {
            assert_eq!(decode(&payload.slice(..len)), Err(NotMutations), "{len} bytes");
        }
        assert_eq!(decode(&Bytes::from_static(&[2])), Err(NotMutations));
    }
}
