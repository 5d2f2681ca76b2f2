//! Records exchanged with the reference implementation (`spec/vectors/ipns.json`).

use std::time::Duration;

use kubelt_content::ipns::{Generations, Name, NewRecord, Record, SecretKey, ValidateError};
use serde_json::Value;

/// Somewhere in the year 2050.
const NOW: Duration = Duration::from_secs(2_530_000_000);

#[test]
fn records_of_the_reference_are_valid() {
    for vector in vectors() {
        let (title, record) = (text(&vector, "title"), record(&vector));
        let name = Name::parse(text(&vector, "name")).expect(title);
        assert_eq!(record.validate(&name, NOW), Ok(()), "{title}");
        assert_eq!(record.value(), text(&vector, "value").as_bytes(), "{title}");
        assert_eq!(record.sequence(), number(&vector, "sequence"), "{title}");
        assert_eq!(record.ttl(), Some(Duration::from_nanos(number(&vector, "ttl"))), "{title}");
        let end = record.validity_end();
        assert_eq!(record.validate(&name, end), Ok(()), "{title}");
        let late = record.validate(&name, end + Duration::from_nanos(1));
        assert_eq!(late, Err(ValidateError::Expired(end)), "{title}");
    }
}

#[test]
fn names_have_the_texts_of_the_reference() {
    for vector in vectors() {
        let name = Name::parse(text(&vector, "name")).expect("a name");
        assert_eq!(Name::parse(text(&vector, "peerId")), Ok(name));
        assert_eq!(name.to_string(), text(&vector, "name"));
        assert_eq!(name.to_peer_id(), text(&vector, "peerId"));
        assert_eq!(Name::from_routing_key(&name.routing_key()), Ok(name));
    }
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let mut seen = 0;
    for vector in vectors() {
        let Some(seed) = vector["seed"].as_str() else { continue };
        let seed = hex::decode(seed).expect("hex").try_into().expect("32 bytes");
        let theirs = record(&vector);
        let new = NewRecord {
            value: text(&vector, "value").as_bytes(),
            sequence: number(&vector, "sequence"),
            validity_end: theirs.validity_end(),
            ttl: Duration::from_nanos(number(&vector, "ttl")),
        };
        let has_v1 = theirs.encode().first() == Some(&0x0a);
        let generations = if has_v1 { Generations::V1AndV2 } else { Generations::V2 };
        let ours = Record::create(&SecretKey::from_seed(&seed), &new, generations).expect("a small record");
        assert_eq!(hex::encode(ours.encode()), hex::encode(theirs.encode()), "{}", text(&vector, "title"));
        assert_eq!(ours, theirs);
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn a_record_with_one_bit_changed_is_refused() {
    for vector in vectors() {
        let name = Name::parse(text(&vector, "name")).expect("a name");
        let good = record(&vector);
        for position in 0..good.encode().len() {
            let mut bytes = good.encode().to_vec();
            bytes[position] ^= 1 << (position % 8);
            let Ok(changed) = Record::decode(bytes) else { continue };
            // The signature of the first generation is not looked at, and fields that are not known are skipped:
            // what counts is that nothing else is said.
            if changed.validate(&name, NOW).is_ok() {
                let said =
                    |record: &Record| (record.value().to_vec(), record.sequence(), record.validity_end());
                assert_eq!(said(&changed), said(&good), "{} at {position}", text(&vector, "title"));
            }
        }
    }
}

fn record(vector: &Value) -> Record {
    let bytes = hex::decode(text(vector, "record")).expect("hex");
    Record::decode(bytes).expect("a record of the reference is one")
}

fn vectors() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../../spec/vectors/ipns.json"))
        .expect("the vectors are JSON");
    all["records"].as_array().expect("a list").clone()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().expect("a text")
}

fn number(vector: &Value, field: &str) -> u64 {
    text(vector, field).parse().expect("a number")
}
