use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::{Data, DataError, Kind, Metadata, Mtime};
use crate::limits::LINKS_PER_BLOCK_MAX;

#[test]
fn known_messages() {
    assert_eq!(Data::new(Kind::Directory).encode(), [8, 1]);
    let mut empty_file = Data::new(Kind::File);
    empty_file.file_size = Some(0);
    assert_eq!(empty_file.encode(), [8, 2, 0x18, 0]);
}

#[test]
fn loose_messages_are_refused() {
    for (bytes, expected) in [
        (&[][..], DataError::Kind),
        (&[8, 6], DataError::Kind),
        (&[0x18, 0], DataError::Kind),
        (&[8, 2, 8, 2], DataError::Field(1)),
        (&[0x18, 0, 8, 2], DataError::Field(1)),
        (&[8, 2, 0x1a, 0], DataError::Field(3)),
        (&[8, 2, 0x48, 0], DataError::Field(9)),
        (&[8, 2, 0x38, 0x80, 0x80, 0x80, 0x80, 0x10], DataError::Field(7)),
        // Times without seconds, with no nanoseconds written, or too many.
        (&[8, 2, 0x42, 0], DataError::Mtime),
        (&[8, 2, 0x42, 7, 8, 1, 0x15, 0, 0, 0, 0], DataError::Mtime),
        (&[8, 2, 0x42, 7, 8, 1, 0x15, 0, 0xca, 0x9a, 0x3b], DataError::Mtime),
    ] {
        assert_eq!(Data::decode(bytes), Err(expected), "{bytes:02x?}");
    }
}

#[test]
fn packed_block_sizes_are_read() {
    let packed = Data::decode(&[8, 2, 0x18, 3, 0x22, 2, 1, 2]).expect("packed");
    let single = Data::decode(&[8, 2, 0x18, 3, 0x20, 1, 0x20, 2]).expect("one by one");
    assert_eq!(packed, single);
    let bomb = [&[8, 2, 0x22, 0x81, 0x80, 4][..], &vec![1; LINKS_PER_BLOCK_MAX + 1]].concat();
    assert_eq!(Data::decode(&bomb), Err(DataError::TooManyBlockSizes));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        kind in prop_oneof![Just(Kind::File), Just(Kind::Directory), Just(Kind::Symlink), Just(Kind::HamtShard)],
        data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
        numbers in any::<[Option<u64>; 3]>(),
        block_sizes in proptest::collection::vec(any::<u64>(), 0..20),
        mode in any::<Option<u32>>(),
        mtime in proptest::option::of((any::<i64>(), 0_u32..1_000_000_000)),
    ) {
        let mtime = mtime.map(|(seconds, nanoseconds)| Mtime { seconds, nanoseconds });
        let [file_size, hash_type, fanout] = numbers;
        let metadata = Metadata { mode, mtime };
        let message = Data { kind, data: data.as_deref(), file_size, block_sizes, hash_type, fanout, metadata };
        let bytes = message.encode();
        prop_assert_eq!(bytes.len(), message.encoded_len());
        prop_assert_eq!(Data::decode(&bytes), Ok(message));
    }

    #[test]
    fn any_bytes_are_refused_or_read_back(parts in nearly_messages()) {
        if let Ok(message) = Data::decode(&parts) {
            let again = message.encode();
            prop_assert_eq!(Data::decode(&again), Ok(message));
        }
    }
}

fn nearly_messages() -> impl Strategy<Value = Vec<u8>> {
    let part = (0_u8..9, any::<u8>()).prop_map(|(field, byte)| match field {
        0 => vec![byte],
        2 | 8 => vec![field << 3 | 2, 2, 8, byte],
        field => vec![field << 3, byte & 0x7f],
    });
    proptest::collection::vec(part, 0..6).prop_map(|mut parts| {
        parts.sort();
        parts.concat()
    })
}
