//! Sealed files: whatever was changed in one, nothing comes out but a true beginning of it, and its whole only where nothing
//! was changed; what measures a file never leaves it.
#![no_main]

use std::io::Read as _;

use kubelt_sealed::chunks::{FileCipher, HEADER_BYTES, Header, OpenReader, SealReader};
use kubelt_sealed::{ContentKey, Entropy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(header) = data.first_chunk::<HEADER_BYTES>().and_then(|bytes| Header::decode(bytes).ok()) {
        assert_eq!(Some(&header.encode()), data.first_chunk());
        measure(&header, data);
    }
    let Some((plain_bytes, edits)) = data.split_first_chunk::<3>() else { return };
    // Of up to four chunks.
    let length = u32::from_be_bytes([0, plain_bytes[0] & 3, plain_bytes[1], plain_bytes[2]]) as usize;
    let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
    let key = ContentKey::from_bytes([1; 32]);
    let mut sealed = Vec::new();
    let cipher = FileCipher::new(&key, &mut Entropy::new(&[2; 32]));
    SealReader::new(plain.as_slice(), cipher).read_to_end(&mut sealed).expect("memory can be read");
    let good = sealed.clone();
    // Each edit: what to do, where, and with what.
    for edit in edits.chunks_exact(5).take(16) {
        let at = u32::from_be_bytes([0, edit[1], edit[2], edit[3]]) as usize % (sealed.len() + 1);
        match edit[0] % 4 {
            0 => sealed.truncate(at),
            1 => sealed.insert(at, edit[4]),
            2 if at < sealed.len() => sealed[at] ^= edit[4],
            // What stands behind goes before.
            _ => sealed.rotate_left(at),
        }
        if sealed.is_empty() {
            return;
        }
    }
    let mut opened = Vec::new();
    let read =
        OpenReader::new(sealed.as_slice(), |_| Ok(key)).and_then(|mut from| from.read_to_end(&mut opened));
    assert!(plain.starts_with(&opened));
    assert_eq!(read.is_ok(), sealed == good);
});

/// Any lengths and ranges.
fn measure(header: &Header, data: &[u8]) {
    let number = |at: usize| {
        let bytes = data.get(HEADER_BYTES + at * 8..).and_then(|rest| rest.first_chunk::<8>());
        u64::from_be_bytes(bytes.copied().unwrap_or_default())
    };
    let (sealed, from, to) = (number(0) >> 4, number(1), number(2));
    let places = header.places();
    let Some(plain) = places.plain_bytes(sealed) else { return };
    assert_eq!(places.sealed_bytes(plain), sealed);
    if let Some(span) = places.span(sealed, from, to) {
        assert!(span.from < span.to && span.to <= sealed && span.first <= span.last_of_file);
        assert!(span.bytes > 0 && span.bytes <= plain && from + span.bytes <= plain);
        assert!(span.skip < places.chunk_bytes() as u64);
    } else {
        assert!(from >= to || from >= plain);
    }
}
