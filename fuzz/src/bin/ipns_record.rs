//! IPNS: records and names that are read say the same when they are read again, and only what is signed counts.
#![no_main]

use std::time::Duration;

use kubelt_content::ipns::{Generations, Name, NewRecord, PublicKey, Record, SecretKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = Record::decode(data.to_vec()) {
        assert_eq!(record.encode(), data);
        let key = SecretKey::from_seed(&[7; 32]);
        let valid = record.validate(&key.name(), Duration::ZERO).is_ok();
        // What it says can be said again by whoever holds a key; dates have a limit.
        let new = NewRecord {
            value: record.value(),
            sequence: record.sequence(),
            validity_end: record.validity_end(),
            ttl: record.ttl().unwrap_or_default(),
        };
        for generations in [Generations::V1AndV2, Generations::V2] {
            let Ok(own) = Record::create(&key, &new, generations) else { continue };
            assert_eq!(own.validate(&key.name(), Duration::ZERO), Ok(()));
            let read = Record::decode(own.encode().clone()).expect("what was made is read");
            assert_eq!((read.value(), read.sequence()), (record.value(), record.sequence()));
            assert!(!valid || read.compare(&record) == own.compare(&record));
        }
    }
    if let Ok(key) = PublicKey::decode(data) {
        assert_eq!(key.encode(), data);
        let name = key.name();
        assert_eq!(Name::from_routing_key(&name.routing_key()), Ok(name));
        assert!(!key.verify(b"message", data));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(name) = Name::parse(text)
    {
        assert_eq!(Name::parse(&name.to_string()), Ok(name));
        assert_eq!(Name::parse(&name.to_peer_id()), Ok(name));
    }
});
