//! Records: what a name points to, signed.

use std::cmp::Ordering;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::data::{Data, DataError, format_date};
use super::key::{KeyError, PublicKey, SecretKey};
use super::name::Name;
use crate::limits::IPNS_RECORD_BYTES_MAX;
use crate::protobuf::{self, Field, ProtobufError, Value};

const VALUE: u64 = 1;
const SIGNATURE_V1: u64 = 2;
const VALIDITY_TYPE: u64 = 3;
const VALIDITY: u64 = 4;
const SEQUENCE: u64 = 5;
const TTL: u64 = 6;
const PUBLIC_KEY: u64 = 7;
const SIGNATURE_V2: u64 = 8;
const DATA: u64 = 9;

const SIGNED_PREFIX: &[u8] = b"ipns-signature:";

/// A record that has the right shape. Whether it is one of a name, [`Record::validate`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record as it came: what is signed and compared is bytes.
    bytes: Bytes,
    data: Data,
    /// What `signatureV2` signs, without its prefix.
    signed: Bytes,
    signature: Bytes,
    public_key: Option<Bytes>,
}

/// What a new record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// A content path: `/ipfs/…` or `/ipns/…`, with segments behind it or not.
    pub value: &'a [u8],
    /// One more than the last record of the name said.
    pub sequence: u64,
    /// Until when it is valid, since 1970 in UTC.
    pub validity_end: Duration,
    /// How long readers may go without asking again; at most 584 years.
    pub ttl: Duration,
}

/// Which readers a new record is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generations {
    /// All: with the fields and the signature of the first generation, as most publishers do.
    #[default]
    V1AndV2,
    /// Those that know the second generation, of 2021. The record has half the size.
    V2,
}

/// Why bytes are not a record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Larger than [`IPNS_RECORD_BYTES_MAX`].
    #[error("a record of `{0}` bytes is larger than the `{max}` allowed", max = IPNS_RECORD_BYTES_MAX)]
    TooLarge(usize),
    /// Not protobuf.
    #[error("the record is not protobuf")]
    Protobuf(#[from] ProtobufError),
    /// A field that stands twice or has another type.
    #[error("field `{0}` of the record is repeated or of another type")]
    Field(u64),
    /// No signature of the second generation, or nothing that it signs.
    #[error("the record has no `signatureV2` and `data`; records of the first generation are not taken")]
    NoV2,
    /// The signed part is malformed.
    #[error("the record's data is malformed")]
    Data(#[from] DataError),
    /// A field of the first generation says something else than the signed data.
    #[error("field `{0}` of the record differs from its signed data")]
    Differs(&'static str),
}

/// Why a record is not a valid one of a name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ValidateError {
    /// The key in the name or in the record is malformed.
    #[error("the public key is malformed")]
    Key(#[from] KeyError),
    /// The name is a hash, and the record does not carry the key.
    #[error("the record carries no public key, and its name holds none")]
    NoKey,
    /// The key is another than the name's.
    #[error("the record's public key belongs to another name")]
    OtherName,
    /// The signature is not one of the data by the key.
    #[error("the record's signature does not fit its data and key")]
    Signature,
    /// The record has ended.
    #[error("the record was valid until `{}` seconds after 1970", .0.as_secs())]
    Expired(Duration),
}

/// Why a record could not be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CreateError {
    /// The end lies beyond the year 9999.
    #[error("the record's end lies beyond the year 9999")]
    ValidityEnd,
    /// The lifetime of copies does not fit 64 bits of nanoseconds.
    #[error("the record's TTL is longer than 584 years")]
    Ttl,
    /// The record would be larger than [`IPNS_RECORD_BYTES_MAX`].
    #[error("the record would have `{0}` bytes, more than the `{max}` allowed", max = IPNS_RECORD_BYTES_MAX)]
    TooLarge(usize),
}

impl Record {
    /// Makes and signs a record.
    pub fn create(
        key: &SecretKey,
        new: &NewRecord<'_>,
        generations: Generations,
    ) -> Result<Self, CreateError> {
        let validity = format_date(new.validity_end).ok_or(CreateError::ValidityEnd)?;
        let ttl_ns = u64::try_from(new.ttl.as_nanos()).map_err(|_error| CreateError::Ttl)?;
        let data = Data {
            value: new.value.to_vec(),
            validity: validity.into_bytes(),
            validity_end: new.validity_end,
            sequence: new.sequence,
            ttl_ns: Some(ttl_ns),
        };
        let signed = data.encode();
        let mut out = Vec::new();
        if generations == Generations::V1AndV2 {
            let signature = key.sign(&[&data.value, &data.validity, &b"EOL"[..]].concat());
            put_bytes(&mut out, VALUE, &data.value);
            put_bytes(&mut out, SIGNATURE_V1, &signature);
            protobuf::put_integer(&mut out, VALIDITY_TYPE, 0);
            put_bytes(&mut out, VALIDITY, &data.validity);
            protobuf::put_integer(&mut out, SEQUENCE, data.sequence);
            protobuf::put_integer(&mut out, TTL, ttl_ns);
        }
        let signature = key.sign(&signed_bytes(&signed));
        put_bytes(&mut out, SIGNATURE_V2, &signature);
        put_bytes(&mut out, DATA, &signed);
        if out.len() > IPNS_RECORD_BYTES_MAX {
            return Err(CreateError::TooLarge(out.len()));
        }
        let (signed, signature) = (signed.into(), signature.into());
        Ok(Self { bytes: out.into(), data, signed, signature, public_key: None })
    }

    /// Reads a record and checks all that needs neither a name nor a clock.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, RecordError> {
        let bytes = bytes.into();
        if bytes.len() > IPNS_RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge(bytes.len()));
        }
        let fields = Fields::read(&bytes)?;
        let signature = fields.signature_v2.filter(|bytes| !bytes.is_empty()).ok_or(RecordError::NoV2)?;
        let signed = fields.data.filter(|bytes| !bytes.is_empty()).ok_or(RecordError::NoV2)?;
        let data = Data::decode(signed)?;
        fields.check_first_generation(&data)?;
        let part = |part| bytes.slice_ref(part);
        Ok(Self {
            signed: part(signed),
            signature: part(signature),
            public_key: fields.public_key.map(part),
            data,
            bytes,
        })
    }

    /// The record as it goes over the wire (`application/vnd.ipfs.ipns-record`).
    pub const fn encode(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks that the record is one of `name`, and has not ended at `now`, which is since 1970 in UTC.
    pub fn validate(&self, name: &Name, now: Duration) -> Result<(), ValidateError> {
        let key = match (&self.public_key, name.inline_key()) {
            (Some(key), _) => PublicKey::decode(key)?,
            (None, Some(key)) => key?,
            (None, None) => return Err(ValidateError::NoKey),
        };
        if key.name() != *name {
            return Err(ValidateError::OtherName);
        }
        if !key.verify(&signed_bytes(&self.signed), &self.signature) {
            return Err(ValidateError::Signature);
        }
        if now > self.data.validity_end {
            Err(ValidateError::Expired(self.data.validity_end))
        } else {
            Ok(())
        }
    }

    /// Which of two valid records of one name counts: the greater one. Sequence first, then the later end, then
    /// the greater bytes, as other implementations do, so that all nodes keep the same one.
    pub fn compare(&self, other: &Self) -> Ordering {
        let rank = |record: &Self| (record.data.sequence, record.data.validity_end);
        rank(self).cmp(&rank(other)).then_with(|| self.bytes.cmp(&other.bytes))
    }

    /// Where the name points: a content path, by intent of the publisher. Nothing has checked it.
    pub fn value(&self) -> &[u8] {
        &self.data.value
    }

    /// The version of the record, counting from 0.
    pub const fn sequence(&self) -> u64 {
        self.data.sequence
    }

    /// Until when the record is valid, since 1970 in UTC; zero for any date before.
    pub const fn validity_end(&self) -> Duration {
        self.data.validity_end
    }

    /// How long readers may go without asking again, where the record says so.
    pub fn ttl(&self) -> Option<Duration> {
        self.data.ttl_ns.map(Duration::from_nanos)
    }
}

/// The message, field by field.
#[derive(Default)]
struct Fields<'a> {
    value: Option<&'a [u8]>,
    signature_v1: Option<&'a [u8]>,
    validity_type: Option<u64>,
    validity: Option<&'a [u8]>,
    sequence: Option<u64>,
    ttl_ns: Option<u64>,
    public_key: Option<&'a [u8]>,
    signature_v2: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(mut bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut fields = Self::default();
        while let Some(Field { number, value }) = Field::take(&mut bytes)? {
            let is_first = match (number, value) {
                (VALUE, Value::Bytes(bytes)) => fields.value.replace(bytes).is_none(),
                (SIGNATURE_V1, Value::Bytes(bytes)) => fields.signature_v1.replace(bytes).is_none(),
                (VALIDITY_TYPE, Value::Integer(kind)) => fields.validity_type.replace(kind).is_none(),
                (VALIDITY, Value::Bytes(bytes)) => fields.validity.replace(bytes).is_none(),
                (SEQUENCE, Value::Integer(number)) => fields.sequence.replace(number).is_none(),
                (TTL, Value::Integer(ttl_ns)) => fields.ttl_ns.replace(ttl_ns).is_none(),
                (PUBLIC_KEY, Value::Bytes(bytes)) => fields.public_key.replace(bytes).is_none(),
                (SIGNATURE_V2, Value::Bytes(bytes)) => fields.signature_v2.replace(bytes).is_none(),
                (DATA, Value::Bytes(bytes)) => fields.data.replace(bytes).is_none(),
                // The format grows by adding fields.
                (0 | 10.., _) => true,
                _ => false,
            };
            if !is_first {
                return Err(RecordError::Field(number));
            }
        }
        fields.public_key = fields.public_key.filter(|key| !key.is_empty());
        Ok(fields)
    }

    /// What old readers would see must be what was signed. The old signature itself is not looked at.
    fn check_first_generation(&self, data: &Data) -> Result<(), RecordError> {
        let is_there = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| !bytes.is_empty());
        let has_v1 = is_there(self.value) || is_there(self.signature_v1);
        // A record for old readers has every field, of which protobuf leaves out empty ones.
        let differs_bytes = |field: Option<&[u8]>, signed: &[u8]| {
            field.or(has_v1.then_some(&[])).is_some_and(|field| field != signed)
        };
        let differs = |field: Option<u64>, signed: u64| {
            field.or(has_v1.then_some(0)).is_some_and(|field| field != signed)
        };
        let checks = [
            ("value", differs_bytes(self.value, &data.value)),
            ("validityType", differs(self.validity_type, 0)),
            ("validity", differs_bytes(self.validity, &data.validity)),
            ("sequence", differs(self.sequence, data.sequence)),
            ("ttl", differs(self.ttl_ns, data.ttl_ns.unwrap_or(0))),
        ];
        match checks.iter().find(|(_, differs)| *differs) {
            Some((name, _)) => Err(RecordError::Differs(name)),
            None => Ok(()),
        }
    }
}

fn signed_bytes(data: &[u8]) -> Vec<u8> {
    [SIGNED_PREFIX, data].concat()
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    protobuf::put_header(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
