use std::cmp::Ordering;
use std::time::Duration;

use ipld_core::ipld::Ipld;

use super::{
    CreateError, DATA, Generations, NewRecord, PUBLIC_KEY, Record, RecordError, SEQUENCE, SIGNATURE_V1,
    SIGNATURE_V2, TTL, VALIDITY, VALIDITY_TYPE, VALUE, ValidateError, put_bytes, signed_bytes,
};
use crate::dag_cbor;
use crate::ipns::{DataError, KeyError, SecretKey};
use crate::limits::IPNS_RECORD_BYTES_MAX;
use crate::protobuf;

const NOW: Duration = Duration::from_secs(1_800_000_000);
const END: Duration = Duration::from_secs(1_800_003_600);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn new(sequence: u64, validity_end: Duration) -> NewRecord<'static> {
    NewRecord { value: b"/ipfs/bafkqaaa", sequence, validity_end, ttl: Duration::from_secs(300) }
}

fn create(sequence: u64, end: Duration, generations: Generations) -> Record {
    Record::create(&key(1), &new(sequence, end), generations).expect("a small record")
}

#[test]
fn what_is_made_is_read_again() {
    for generations in [Generations::V1AndV2, Generations::V2] {
        let made = create(3, END, generations);
        let read = Record::decode(made.encode().clone()).expect("a record");
        assert_eq!(read, made);
        assert_eq!(read.validate(&key(1).name(), NOW), Ok(()));
        assert_eq!(read.validate(&key(2).name(), NOW), Err(ValidateError::Signature));
        assert_eq!(read.ttl(), Some(Duration::from_secs(300)));
    }
}

#[test]
fn the_size_is_limited() {
    let value = vec![b'/'; IPNS_RECORD_BYTES_MAX];
    let long = NewRecord { value: &value[..IPNS_RECORD_BYTES_MAX - 300], ..new(0, END) };
    let made = Record::create(&key(1), &long, Generations::V2).expect("below the limit");
    assert!(made.encode().len() <= IPNS_RECORD_BYTES_MAX);
    let long = NewRecord { value: &value, ..new(0, END) };
    assert!(matches!(Record::create(&key(1), &long, Generations::V2), Err(CreateError::TooLarge(_))));
    let decoded = Record::decode(vec![0; IPNS_RECORD_BYTES_MAX + 1]);
    assert!(matches!(decoded, Err(RecordError::TooLarge(size)) if size == IPNS_RECORD_BYTES_MAX + 1));
}

#[test]
fn dates_and_lifetimes_beyond_their_formats_are_refused() {
    let beyond = new(0, Duration::from_secs(253_402_300_800));
    assert_eq!(Record::create(&key(1), &beyond, Generations::V2), Err(CreateError::ValidityEnd));
    let last = new(0, Duration::new(253_402_300_799, 999_999_999));
    let last = Record::create(&key(1), &last, Generations::V2).expect("the year 9999");
    let read = Record::decode(last.encode().clone()).expect("a record");
    assert_eq!(read.validity_end(), Duration::new(253_402_300_799, 999_999_999));
    let ttl = NewRecord { ttl: Duration::MAX, ..new(0, END) };
    assert_eq!(Record::create(&key(1), &ttl, Generations::V2), Err(CreateError::Ttl));
}

#[test]
fn the_better_record_is_the_newer_one() {
    let check = |better: &Record, worse: &Record| {
        assert_eq!(better.compare(worse), Ordering::Greater);
        assert_eq!(worse.compare(better), Ordering::Less);
    };
    let old = create(1, END, Generations::V2);
    check(&create(2, NOW, Generations::V2), &old);
    check(&create(1, END + Duration::from_nanos(1), Generations::V2), &old);
    // Of two that say the same, the greater bytes: field 8 before field 1.
    check(&old, &create(1, END, Generations::V1AndV2));
    assert_eq!(old.compare(&old), Ordering::Equal);
}

/// A record field by field.
#[derive(Clone)]
struct Parts(Vec<(u64, Part)>);

#[derive(Clone)]
enum Part {
    Bytes(Vec<u8>),
    Integer(u64),
}

impl Parts {
    /// The fields of a good record of both generations.
    fn good() -> Self {
        let record = create(3, END, Generations::V1AndV2);
        Self(vec![
            (VALUE, Part::Bytes(b"/ipfs/bafkqaaa".to_vec())),
            (SIGNATURE_V1, Part::Bytes(vec![1; 64])),
            (VALIDITY_TYPE, Part::Integer(0)),
            (VALIDITY, Part::Bytes(record.data.validity.clone())),
            (SEQUENCE, Part::Integer(3)),
            (TTL, Part::Integer(300_000_000_000)),
            (SIGNATURE_V2, Part::Bytes(record.signature.to_vec())),
            (DATA, Part::Bytes(record.signed.to_vec())),
        ])
    }

    fn set(mut self, number: u64, part: Part) -> Self {
        self.0.retain(|(other, _)| *other != number);
        self.0.push((number, part));
        self
    }

    fn without(mut self, numbers: &[u64]) -> Self {
        self.0.retain(|(number, _)| !numbers.contains(number));
        self
    }

    /// Signs other data, with no first generation.
    fn signed(data: &Ipld) -> Self {
        let data = dag_cbor::encode(data).expect("a value").to_vec();
        let signature = key(1).sign(&signed_bytes(&data));
        Self(vec![(SIGNATURE_V2, Part::Bytes(signature)), (DATA, Part::Bytes(data))])
    }

    fn decode(&self) -> Result<Record, RecordError> {
        let mut out = Vec::new();
        for (number, part) in &self.0 {
            match part {
                Part::Bytes(bytes) => put_bytes(&mut out, *number, bytes),
                Part::Integer(value) => protobuf::put_integer(&mut out, *number, *value),
            }
        }
        Record::decode(out)
    }
}

#[test]
fn the_first_generation_must_agree_with_what_is_signed() {
    let good = Parts::good();
    let name = key(1).name();
    assert_eq!(good.decode().expect("a record").validate(&name, NOW), Ok(()));
    let bytes = |text: &str| Part::Bytes(text.as_bytes().to_vec());
    for (number, part, field) in [
        (VALUE, bytes("/ipfs/bafkqaab"), "value"),
        (VALIDITY_TYPE, Part::Integer(1), "validityType"),
        (VALIDITY, bytes("2100-01-01T00:00:00Z"), "validity"),
        (SEQUENCE, Part::Integer(4), "sequence"),
        (TTL, Part::Integer(1), "ttl"),
    ] {
        let differs =
            |parts: Parts| matches!(parts.decode(), Err(RecordError::Differs(found)) if found == field);
        assert!(differs(good.clone().set(number, part.clone())), "{field}");
        // Alone, with nothing else of that generation, it must agree too.
        let alone = good.clone().without(&[VALUE, SIGNATURE_V1, VALIDITY_TYPE, VALIDITY, SEQUENCE, TTL]);
        assert!(differs(alone.set(number, part)), "{field}");
        if field != "validityType" {
            assert!(differs(good.clone().without(&[number])), "{field}");
        }
    }
    // Whether its signature is right does not matter.
    let unsigned = good.without(&[SIGNATURE_V1]).decode().expect("a record");
    assert_eq!(unsigned.validate(&name, NOW), Ok(()));
}

#[test]
fn records_of_the_first_generation_alone_are_refused() {
    let good = Parts::good();
    for missing in [&[SIGNATURE_V2][..], &[DATA], &[SIGNATURE_V2, DATA]] {
        assert!(matches!(good.clone().without(missing).decode(), Err(RecordError::NoV2)));
    }
    let empty = good.set(SIGNATURE_V2, Part::Bytes(Vec::new()));
    assert!(matches!(empty.decode(), Err(RecordError::NoV2)));
    assert!(matches!(Record::decode(&b""[..]), Err(RecordError::NoV2)));
}

#[test]
fn fields_stand_once_and_have_their_type() {
    let mut twice = Parts::good();
    twice.0.push((SEQUENCE, Part::Integer(3)));
    assert!(matches!(twice.decode(), Err(RecordError::Field(SEQUENCE))));
    let other = Parts::good().set(SEQUENCE, Part::Bytes(vec![3]));
    assert!(matches!(other.decode(), Err(RecordError::Field(SEQUENCE))));
    let more = Parts::good().set(15, Part::Integer(3));
    assert!(more.decode().is_ok(), "the format grows by adding fields");
    assert!(matches!(Record::decode(&b"\x0a\x05abc"[..]), Err(RecordError::Protobuf(_))));
}

#[test]
fn the_data_has_every_field() {
    let fields = || {
        vec![
            ("Value", Ipld::Bytes(b"/ipfs/bafkqaaa".to_vec())),
            ("Validity", Ipld::Bytes(b"2099-01-02T05:04:05.5+02:00".to_vec())),
            ("ValidityType", Ipld::Integer(0)),
            ("Sequence", Ipld::Integer(1)),
            ("TTL", Ipld::Integer(1)),
            ("_more", Ipld::Bool(true)),
        ]
    };
    let map = |fields: Vec<(&str, Ipld)>| {
        Ipld::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let read = Parts::signed(&map(fields())).decode().expect("a record");
    assert_eq!(read.validate(&key(1).name(), NOW), Ok(()));
    assert_eq!(read.validity_end(), Duration::new(4_071_006_245, 500_000_000));
    let check = |name: &'static str, value: Option<Ipld>| {
        let mut fields = fields();
        fields.retain(|(other, _)| *other != name);
        fields.extend(value.map(|value| (name, value)));
        match Parts::signed(&map(fields)).decode() {
            Err(RecordError::Data(error)) => error,
            other => panic!("{name}: {other:?}"),
        }
    };
    for name in ["Value", "Validity", "ValidityType", "Sequence"] {
        assert!(matches!(check(name, None), DataError::Field(found) if found == name));
        assert!(matches!(check(name, Some(Ipld::Null)), DataError::Field(found) if found == name));
    }
    for (name, value) in [("Sequence", -1), ("TTL", -1), ("Sequence", 1 << 64)] {
        let bytes = check_integer(name, value);
        assert!(matches!(bytes, Err(RecordError::Data(_))), "{name} {value}");
    }
    assert!(matches!(check("ValidityType", Some(Ipld::Integer(1))), DataError::ValidityType(1)));
    for date in
        ["", "tomorrow", "2099-01-02", "2099-13-02T00:00:00Z", "2099-01-02T00:00:00", "2099-01-02T00:00:00Zé"]
    {
        let value = Ipld::Bytes(date.as_bytes().to_vec());
        assert!(matches!(check("Validity", Some(value)), DataError::Validity), "{date}");
    }
    assert!(matches!(
        Parts::signed(&Ipld::List(Vec::new())).decode(),
        Err(RecordError::Data(DataError::NotAMap))
    ));
    let unsorted = Parts::good().set(DATA, Part::Bytes(b"\xa2\x62bb\x00\x61a\x00".to_vec()));
    assert!(matches!(unsorted.decode(), Err(RecordError::Data(DataError::Cbor(_)))));
}

/// Integers beyond 64 bits have no dag-cbor form: nothing can be signed then.
fn check_integer(name: &str, value: i128) -> Result<Record, RecordError> {
    let map = [
        ("Value", Ipld::Bytes(b"/".to_vec())),
        ("Validity", Ipld::Bytes(b"2099-01-02T00:00:00Z".to_vec())),
        ("ValidityType", Ipld::Integer(0)),
        ("Sequence", Ipld::Integer(if name == "Sequence" { value } else { 0 })),
        ("TTL", Ipld::Integer(if name == "TTL" { value } else { 0 })),
    ];
    let map = Ipld::Map(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    if dag_cbor::encode(&map).is_err() {
        return Err(RecordError::Data(DataError::NotAMap));
    }
    Parts::signed(&map).decode()
}

#[test]
fn what_ended_before_1970_has_ended() {
    let map = [
        ("Value", Ipld::Bytes(b"/".to_vec())),
        ("Validity", Ipld::Bytes(b"1969-12-31T23:59:59.9Z".to_vec())),
        ("ValidityType", Ipld::Integer(0)),
        ("Sequence", Ipld::Integer(0)),
    ];
    let map = Ipld::Map(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let record = Parts::signed(&map).decode().expect("a record");
    assert_eq!(record.ttl(), None);
    let expired = Err(ValidateError::Expired(Duration::ZERO));
    assert_eq!(record.validate(&key(1).name(), Duration::from_nanos(1)), expired);
}

#[test]
fn a_key_in_the_record_must_be_the_names() {
    let name = key(1).name();
    let with =
        |key: &[u8]| Parts::good().set(PUBLIC_KEY, Part::Bytes(key.to_vec())).decode().expect("a record");
    assert_eq!(with(key(1).public().encode()).validate(&name, NOW), Ok(()));
    let other = key(2).public();
    assert_eq!(with(other.encode()).validate(&name, NOW), Err(ValidateError::OtherName));
    assert_eq!(with(other.encode()).validate(&other.name(), NOW), Err(ValidateError::Signature));
    assert_eq!(with(b"\x08\x01").validate(&name, NOW), Err(ValidateError::Key(KeyError::Message)));
    assert_eq!(with(b"\x08\x09\x12\x00").validate(&name, NOW), Err(ValidateError::Key(KeyError::Type(9))));
    assert_eq!(with(b"\x08\x01\x12\x00").validate(&name, NOW), Err(ValidateError::Key(KeyError::Data)));
    assert_eq!(with(&[0; 3000]).validate(&name, NOW), Err(ValidateError::Key(KeyError::TooLong(3000))));
    // A name that is a hash needs the key in the record.
    let hashed = "k2k4r8mxprvsaasm3iwjktec1qet5exr8cggisqtqum3qe3uwryb7pce".parse().expect("a name");
    assert_eq!(Parts::good().decode().expect("a record").validate(&hashed, NOW), Err(ValidateError::NoKey));
}
