//! The signed part of a record: a map in dag-cbor.

use std::collections::BTreeMap;
use std::time::Duration;

use ipld_core::ipld::Ipld;
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::dag_cbor::{self, CborError};

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) value: Vec<u8>,
    pub(super) validity: Vec<u8>,
    pub(super) validity_end: Duration,
    pub(super) sequence: u64,
    pub(super) ttl_ns: Option<u64>,
}

/// Why the signed part of a record was refused.
#[derive(Debug, Error)]
pub enum DataError {
    /// Not dag-cbor.
    #[error("the data is not deterministic dag-cbor")]
    Cbor(#[source] CborError),
    /// Not a map.
    #[error("the data is not a map")]
    NotAMap,
    /// A field that is missing or of another type.
    #[error("field `{0}` of the data is missing or of another type")]
    Field(&'static str),
    /// A way to expire that is not known.
    #[error("validity type `{0}` is unknown; only `0`, an end, exists")]
    ValidityType(u64),
    /// An end that is no date.
    #[error("the end of validity is not a date as `2030-01-02T03:04:05.000000006Z`")]
    Validity,
}

impl Data {
    /// Reads the map; fields that are not known are left alone.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DataError> {
        let Ipld::Map(map) = dag_cbor::decode(bytes).map_err(DataError::Cbor)? else {
            return Err(DataError::NotAMap);
        };
        let value = bytes_field(&map, "Value")?.to_vec();
        let validity = bytes_field(&map, "Validity")?.to_vec();
        match integer_field(&map, "ValidityType")?.ok_or(DataError::Field("ValidityType"))? {
            0 => {}
            other => return Err(DataError::ValidityType(other)),
        }
        let validity_end = parse_date(&validity).ok_or(DataError::Validity)?;
        let sequence = integer_field(&map, "Sequence")?.ok_or(DataError::Field("Sequence"))?;
        let ttl_ns = integer_field(&map, "TTL")?;
        Ok(Self { value, validity, validity_end, sequence, ttl_ns })
    }

    /// The map in its one form.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut map = BTreeMap::from([
            ("Value".to_owned(), Ipld::Bytes(self.value.clone())),
            ("Validity".to_owned(), Ipld::Bytes(self.validity.clone())),
            ("ValidityType".to_owned(), Ipld::Integer(0)),
            ("Sequence".to_owned(), Ipld::Integer(self.sequence.into())),
        ]);
        if let Some(ttl_ns) = self.ttl_ns {
            map.insert("TTL".to_owned(), Ipld::Integer(ttl_ns.into()));
        }
        dag_cbor::encode(&Ipld::Map(map)).expect("a map of bytes and integers has a dag-cbor form").to_vec()
    }
}

/// The text of a time since 1970, in UTC with nanoseconds; `None` beyond the year 9999.
pub(super) fn format_date(since_1970: Duration) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(since_1970.as_secs()).ok()?).ok()?;
    let seconds = time.format(&Rfc3339).ok()?;
    Some(format!("{}.{:09}Z", seconds.strip_suffix('Z')?, since_1970.subsec_nanos()))
}

/// Any date before 1970 is zero: what ended then has ended.
fn parse_date(text: &[u8]) -> Option<Duration> {
    let text =
        std::str::from_utf8(text).ok().filter(|text| text.is_ascii() && text.len() <= DATE_BYTES_MAX)?;
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let seconds = u64::try_from(time.unix_timestamp()).unwrap_or(0);
    Some(Duration::new(seconds, if time.unix_timestamp() < 0 { 0 } else { time.nanosecond() }))
}

/// A date with nine digits of a second and an offset has 35.
const DATE_BYTES_MAX: usize = 64;

fn bytes_field<'a>(map: &'a BTreeMap<String, Ipld>, name: &'static str) -> Result<&'a [u8], DataError> {
    match map.get(name) {
        Some(Ipld::Bytes(bytes)) => Ok(bytes),
        _ => Err(DataError::Field(name)),
    }
}

fn integer_field(map: &BTreeMap<String, Ipld>, name: &'static str) -> Result<Option<u64>, DataError> {
    match map.get(name) {
        None => Ok(None),
        Some(Ipld::Integer(value)) => {
            u64::try_from(*value).map(Some).map_err(|_error| DataError::Field(name))
        }
        Some(_) => Err(DataError::Field(name)),
    }
}
