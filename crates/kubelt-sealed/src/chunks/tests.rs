use std::io::{self, Cursor, Read};

use proptest::prelude::*;
use serde_json::Value;

use super::{ChunkError, FileCipher, HEADER_BYTES, Header, OpenReader, SealReader, TAG_BYTES};
use crate::ContentKey;
use crate::limits::{CHUNK_LOG2_MAX, CHUNK_LOG2_MIN};

/// Small chunks, so that tests have many.
const LOG2: u8 = CHUNK_LOG2_MIN;
const CHUNK: usize = 1 << LOG2;
const SEALED: usize = CHUNK + TAG_BYTES;

fn key(n: u8) -> ContentKey {
    ContentKey::from_bytes([n; 32])
}

fn plain(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 7 % 251).expect("below 256")).collect()
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    let cipher = FileCipher::with(&key(1), LOG2, [2; 16]);
    SealReader::new(plain, cipher).read_to_end(&mut sealed).expect("memory can be read");
    sealed
}

/// What comes out before the fault, and the fault.
fn opened(sealed: &[u8]) -> (Vec<u8>, Option<ChunkError>) {
    let mut plain = Vec::new();
    let read = OpenReader::new(sealed, |_| Ok(key(1))).and_then(|mut reader| reader.read_to_end(&mut plain));
    (plain, read.err().map(fault))
}

fn fault(error: io::Error) -> ChunkError {
    let inner = error.into_inner().expect("has a cause");
    *inner.downcast::<ChunkError>().expect("is one of ours")
}

const SIZES: [usize; 7] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5];

#[test]
fn files_of_all_sizes_come_back() {
    for size in SIZES {
        let (plain, places) = (plain(size), FileCipher::with(&key(1), LOG2, [2; 16]).header().places());
        let sealed = sealed(&plain);
        assert_eq!(places.sealed_bytes(size as u64), sealed.len() as u64, "{size}");
        assert_eq!(places.plain_bytes(sealed.len() as u64), Some(size as u64), "{size}");
        assert_eq!(opened(&sealed), (plain, None), "{size}");
    }
}

#[test]
fn lengths_that_no_file_has_are_told() {
    let places = FileCipher::with(&key(1), LOG2, [2; 16]).header().places();
    for over in
        (0..HEADER_BYTES + TAG_BYTES).chain([HEADER_BYTES + SEALED + 1, HEADER_BYTES + SEALED + TAG_BYTES])
    {
        assert_eq!(places.plain_bytes(over as u64), None, "{over}");
    }
}

#[test]
fn every_place_to_cut_a_file_off_is_found() {
    let plain = plain(2 * CHUNK + 9);
    let sealed = sealed(&plain);
    let near = |at: usize| [at.wrapping_sub(1), at, at + 1];
    let cuts = [0, HEADER_BYTES, HEADER_BYTES + SEALED, HEADER_BYTES + 2 * SEALED, sealed.len() - TAG_BYTES];
    for cut in cuts.into_iter().flat_map(near).chain([sealed.len() - 1]).filter(|cut| *cut < sealed.len()) {
        let (given, fault) = opened(&sealed[..cut]);
        assert!(fault.is_some(), "cut at {cut}");
        assert!(plain.starts_with(&given) && given.len() % CHUNK == 0, "whole chunks of a true beginning");
    }
    for more in [1, TAG_BYTES, SEALED] {
        let longer = [sealed.as_slice(), &vec![0; more]].concat();
        assert!(opened(&longer).1.is_some(), "{more} bytes more");
    }
}

#[test]
fn chunks_open_at_their_own_place_alone() {
    let file = sealed(&plain(3 * CHUNK));
    let chunk = |n: usize| HEADER_BYTES + n * SEALED..HEADER_BYTES + (n + 1) * SEALED;
    let made = |order: &[usize]| {
        let chunks = order.iter().map(|n| &file[chunk(*n)]);
        [&file[..HEADER_BYTES]].into_iter().chain(chunks).flatten().copied().collect::<Vec<u8>>()
    };
    assert_eq!(opened(&made(&[0, 1, 2])).1, None);
    for (order, at) in [
        (&[1, 0, 2][..], 0),
        (&[0, 2, 1], 1),
        (&[0, 0, 2], 1),
        (&[0, 2], 1),
        (&[0, 1], 1),
        (&[1, 2], 0),
        (&[0, 1, 2, 2], 2),
        (&[0, 1, 1, 2], 2),
        (&[2], 0),
    ] {
        assert_eq!(opened(&made(order)).1, Some(ChunkError::Chunk(at)), "{order:?}");
    }
}

#[test]
fn an_empty_chunk_ends_an_empty_file_only() {
    let mut file = sealed(&plain(CHUNK));
    let cipher = FileCipher::with(&key(1), LOG2, [2; 16]);
    let mut first = plain(CHUNK);
    cipher.seal(0, false, &mut first);
    let mut empty = Vec::new();
    cipher.seal(1, true, &mut empty);
    file.truncate(HEADER_BYTES);
    let file = [file, first, empty].concat();
    assert_eq!(opened(&file), (plain(CHUNK), Some(ChunkError::Truncated)));
}

#[test]
fn headers_that_no_version_writes_are_refused() {
    let good = *FileCipher::with(&key(1), LOG2, [2; 16]).header();
    assert_eq!(Header::decode(&good.encode()), Ok(good));
    let changed = |at: usize, to: u8| {
        let mut bytes = good.encode();
        bytes[at] = to;
        Header::decode(&bytes)
    };
    for at in (0..9).chain(10..16) {
        assert_eq!(changed(at, 7), Err(ChunkError::Header), "byte {at}");
    }
    for log2 in [0, CHUNK_LOG2_MIN - 1, CHUNK_LOG2_MAX + 1, 64, 255] {
        assert_eq!(changed(9, log2), Err(ChunkError::ChunkSize(log2)));
    }
    let mut file = sealed(b"text");
    for at in [9, 16, 31, 32, 63] {
        let mut other = file.clone();
        other[at] ^= 1;
        assert_eq!(opened(&other), (Vec::new(), Some(ChunkError::Key)), "byte {at}");
    }
    file[40] ^= 1;
    assert_eq!(opened(&file), (Vec::new(), Some(ChunkError::Key)));
    let header = Header::decode(&sealed(b"text")[..HEADER_BYTES].try_into().expect("64 bytes")).expect("one");
    assert_eq!(FileCipher::open(&key(2), header).err(), Some(ChunkError::Key), "another key");
}

/// What a range reads, from the bytes that its span names alone.
fn part(sealed: &[u8], from: u64, to: u64) -> Option<(Vec<u8>, Option<ChunkError>)> {
    let header = Header::decode(sealed[..HEADER_BYTES].try_into().expect("64 bytes")).expect("a header");
    let span = header.places().span(sealed.len() as u64, from, to)?;
    let place = |at: u64| usize::try_from(at).expect("a small file");
    let bytes = Cursor::new(&sealed[place(span.from)..place(span.to)]);
    let mut plain = Vec::new();
    let cipher = FileCipher::open(&key(1), header).expect("the key");
    let read = OpenReader::part(bytes, cipher, &span).read_to_end(&mut plain);
    Some((plain, read.err().map(fault)))
}

#[test]
fn ranges_of_a_file_cut_off_are_not_opened_at_its_end() {
    let file = sealed(&plain(3 * CHUNK));
    let cut = &file[..HEADER_BYTES + 2 * SEALED];
    let at = 2 * CHUNK as u64;
    assert_eq!(part(cut, at - 1, at), Some((Vec::new(), Some(ChunkError::Chunk(1)))));
    assert_eq!(part(cut, 0, 5), Some((plain(5), None)), "what is true is given");
}

proptest! {
    #[test]
    fn any_range_is_read(size in 0..4 * CHUNK, from in 0..5 * CHUNK, length in 0..3 * CHUNK) {
        let plain = plain(size);
        let found = part(&sealed(&plain), from as u64, (from + length) as u64);
        let expected = plain.get(from..(from + length).min(size)).filter(|range| !range.is_empty());
        prop_assert_eq!(found, expected.map(|range| (range.to_vec(), None)));
    }

    #[test]
    fn a_changed_bit_is_found(size in 0..2 * CHUNK, at in any::<usize>(), bit in 0..8) {
        let mut file = sealed(&plain(size));
        let at = at % file.len();
        file[at] ^= 1_u8 << bit;
        let (given, fault) = opened(&file);
        prop_assert!(fault.is_some() && plain(size).starts_with(&given));
    }
}

#[test]
fn files_are_those_of_the_specification() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../spec/vectors/sealed/chunks.json")).expect("JSON");
    for vector in vectors["vectors"].as_array().expect("a list") {
        let bytes = |name: &str| hex::decode(vector[name].as_str().expect("text")).expect("hex");
        let key = ContentKey::from_bytes(bytes("content_key").try_into().expect("32 bytes"));
        let log2 = u8::try_from(vector["chunk_log2"].as_u64().expect("a number")).expect("small");
        let cipher = FileCipher::with(&key, log2, bytes("salt").try_into().expect("16 bytes"));
        let plain = [bytes("plain").as_slice()]
            .concat()
            .repeat(usize::try_from(vector["repeated"].as_u64().expect("a number")).expect("small"));
        let mut sealed = Vec::new();
        SealReader::new(plain.as_slice(), cipher).read_to_end(&mut sealed).expect("memory can be read");
        let header = hex::encode(&sealed[..HEADER_BYTES]);
        assert_eq!(header, vector["header"].as_str().expect("text"), "{}", vector["name"]);
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&sealed));
        assert_eq!(hash, vector["sha256"].as_str().expect("text"), "{}", vector["name"]);
        assert_eq!(sealed.len() as u64, vector["bytes"].as_u64().expect("a number"));
        let mut opened = Vec::new();
        OpenReader::new(sealed.as_slice(), |_| Ok(key))
            .and_then(|mut r| r.read_to_end(&mut opened))
            .expect("opens");
        assert_eq!(opened, plain);
    }
}
