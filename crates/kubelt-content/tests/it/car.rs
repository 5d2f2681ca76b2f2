//! CAR in both directions, whatever the pieces.

use std::collections::BTreeMap;

use bytes::Bytes;
use kubelt_content::car::{
    CarDecoder, CarError, CarEvent, CarLimits, CarSummary, CarWriter, PayloadLength, section_len,
};
use kubelt_content::read::{FileReader, Listing, NodeKind, Walk, WalkLimits, stat};
use kubelt_content::{Block, Cid, Codec};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

const LIMITS: CarLimits = CarLimits { blocks_max: 1_000, payload_bytes_max: 10_000_000 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_pieces_do_not_matter(
        blocks in blocks(),
        cuts in proptest::collection::vec(1_usize..400, 1..40),
        version in 1_u8..3,
        trailer in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut car = write(version, &blocks);
        if version == 2 {
            // What stands behind the payload, be it an index, is passed over.
            car.extend_from_slice(&trailer);
        }
        let (events, summary) = decode(pieces(&car, &cuts), LIMITS).expect("a good CAR");
        let mut events = events.into_iter();
        let roots = blocks.iter().take(2).map(|block| *block.cid()).collect();
        prop_assert_eq!(events.next(), Some(CarEvent::Header { version, roots }));
        prop_assert_eq!(events.collect::<Vec<_>>(), blocks.iter().cloned().map(CarEvent::Block).collect::<Vec<_>>());
        prop_assert_eq!(summary.blocks, blocks.len() as u64);
    }

    #[test]
    fn a_cut_car_is_never_taken_for_a_whole_one(blocks in blocks(), version in 1_u8..3, at in any::<proptest::sample::Index>()) {
        let car = write(version, &blocks);
        let cut = at.index(car.len());
        match decode([Bytes::copy_from_slice(&car[..cut])], LIMITS) {
            Err(CarError::Truncated(_)) => {}
            // A CARv1 does not say how long it is: one that ends between sections is a shorter one.
            Ok((events, _)) => prop_assert!(version == 1 && write(1, &collect(&events)).len() <= cut),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_changed_byte_never_gives_a_block_that_does_not_match(
        blocks in blocks(),
        version in 1_u8..3,
        at in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut car = write(version, &blocks);
        let at = at.index(car.len());
        car[at] ^= 1 << bit;
        if let Ok((events, _)) = decode([Bytes::from(car)], LIMITS) {
            for block in collect(&events) {
                prop_assert!(kubelt_content::verify(block.cid(), block.data()).is_ok());
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), cuts in proptest::collection::vec(1_usize..50, 1..10)) {
        let whole = decode([Bytes::from(bytes.clone())], LIMITS).map_err(|error| error.to_string());
        let cut = decode(pieces(&bytes, &cuts), LIMITS).map_err(|error| error.to_string());
        prop_assert_eq!(whole, cut);
    }
}

#[test]
fn the_fixtures_of_the_specifications_are_read() {
    let mut checked = 0;
    for case in fixtures() {
        let Some(expected) = case["blocks"].as_array() else { continue };
        let (events, _) = decode([bytes(&case)], LIMITS).expect("a good CAR");
        let version = u8::try_from(case["version"].as_u64().expect("a version")).expect("1 or 2");
        let Some(CarEvent::Header { version: found, roots }) = events.first() else { panic!("no header") };
        assert_eq!(*found, version);
        assert_eq!(texts(roots.iter()), *case["roots"].as_array().expect("roots"));
        let blocks = collect(&events);
        assert_eq!(texts(blocks.iter().map(Block::cid)), *expected);
        if version == 1 {
            assert_eq!(rewrite(roots, &blocks), bytes(&case), "written as it was read");
        }
        checked += 1;
    }
    assert_eq!(checked, 2);
}

/// Files and HAMTs that other software made are walked, listed and read.
#[test]
fn foreign_content_is_read() {
    let mut files = 0;
    for case in fixtures().iter().filter(|case| case.get("blocks").is_none()) {
        let (events, _) = decode([bytes(case)], LIMITS).expect("a good CAR");
        let blocks: BTreeMap<Cid, Bytes> = collect(&events).into_iter().map(Block::into_parts).collect();
        let Some(CarEvent::Header { roots, .. }) = events.first() else { panic!("no header") };
        let mut walk = Walk::new(roots.iter().copied(), WalkLimits::default());
        while let Ok(Some(visit)) = walk.next(&blocks) {
            files += read_node(&blocks, &visit.cid);
        }
    }
    assert!(files > 5, "only {files} files were read");
}

#[test]
fn limits_are_kept() {
    let blocks: Vec<Block> = (0_u8..10).map(|byte| block(&[byte; 100])).collect();
    let car = Bytes::from(write(1, &blocks));
    let few = CarLimits { blocks_max: 9, ..LIMITS };
    assert!(matches!(decode([car.clone()], few), Err(CarError::TooMuch("blocks"))));
    let short = CarLimits { payload_bytes_max: car.len() as u64 - 1, ..LIMITS };
    assert!(matches!(decode([car.clone()], short), Err(CarError::TooMuch("bytes"))));
    let enough = CarLimits { blocks_max: 10, payload_bytes_max: car.len() as u64 };
    let (_, summary) = decode([car.clone()], enough).expect("fits exactly");
    assert_eq!(summary, CarSummary { blocks: 10, payload_bytes: car.len() as u64 });
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_held() {
    let header = Bytes::from(write(1, &[]));
    // A section of 4 GiB: refused by its length, not waited for.
    let huge = [header.clone(), Bytes::from_static(&[0x80, 0x80, 0x80, 0x80, 0x10])];
    assert!(matches!(decode(huge, LIMITS), Err(CarError::SectionLength { length: 0x1_0000_0000, .. })));
    let empty = [header.clone(), Bytes::from_static(&[0])];
    assert!(matches!(decode(empty, LIMITS), Err(CarError::SectionLength { length: 0, .. })));
    let long = [header.clone(), Bytes::from_static(&[0x81, 0x00])];
    assert!(matches!(decode(long, LIMITS), Err(CarError::Length { .. })));
    let no_cid = [header, Bytes::from_static(&[3, 1, 2, 3])];
    assert!(matches!(decode(no_cid, LIMITS), Err(CarError::Cid(_))));
    let huge_header = [Bytes::from_static(&[0xff, 0xff, 0xff, 0x7f])];
    assert!(matches!(decode(huge_header, LIMITS), Err(CarError::HeaderLength(_))));
    assert!(matches!(decode([], LIMITS), Err(CarError::Truncated(0))));
}

#[test]
fn a_block_under_a_foreign_name_is_refused_and_ends_the_car() {
    let (good, other) = (block(b"good"), block(b"other"));
    let lie = Block::trusted(*good.cid(), other.data().clone());
    let car = Bytes::from(write(1, &[good, lie, other]));
    let mut decoder = CarDecoder::new(LIMITS);
    decoder.push(car);
    assert!(matches!(decoder.next_event(), Ok(Some(CarEvent::Header { .. }))));
    assert!(matches!(decoder.next_event(), Ok(Some(CarEvent::Block(_)))));
    assert!(matches!(decoder.next_event(), Err(CarError::Block { .. })));
    assert!(matches!(decoder.next_event(), Err(CarError::Refused)));
    assert!(matches!(decoder.finish(), Err(CarError::Refused)));
}

#[test]
fn a_carv2_must_hold_what_its_header_says() {
    let only = block(b"only");
    let (mut writer, _) = CarWriter::v2(&[], section_len(only.cid(), 4) + 1);
    drop(writer.section(&only));
    let written = writer.payload_bytes();
    assert_eq!(writer.finish(), Err(PayloadLength { promised: written + 1, written }));
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let data = proptest::collection::vec(any::<u8>(), 0..500);
    proptest::collection::vec(data.prop_map(|data| block(&data)), 0..12)
}

fn block(data: &[u8]) -> Block {
    Block::new(Codec::Raw, Bytes::copy_from_slice(data)).expect("small")
}

fn write(version: u8, blocks: &[Block]) -> Vec<u8> {
    let roots: Vec<Cid> = blocks.iter().take(2).map(|block| *block.cid()).collect();
    let sections = blocks.iter().map(|block| section_len(block.cid(), block.data().len() as u64)).sum();
    let (mut writer, first) =
        if version == 1 { CarWriter::v1(&roots) } else { CarWriter::v2(&roots, sections) };
    let mut out = first.to_vec();
    for block in blocks {
        writer.section(block).iter().for_each(|piece| out.extend_from_slice(piece));
    }
    writer.finish().expect("as long as promised");
    out
}

fn rewrite(roots: &[Cid], blocks: &[Block]) -> Bytes {
    let (mut writer, first) = CarWriter::v1(roots);
    let mut out = first.to_vec();
    for block in blocks {
        writer.section(block).iter().for_each(|piece| out.extend_from_slice(piece));
    }
    Bytes::from(out)
}

fn decode(
    pieces: impl IntoIterator<Item = Bytes>,
    limits: CarLimits,
) -> Result<(Vec<CarEvent>, CarSummary), CarError> {
    let mut decoder = CarDecoder::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(event) = decoder.next_event()? {
            events.push(event);
        }
    }
    decoder.finish().map(|summary| (events, summary))
}

fn pieces(car: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut rest = car;
    for &cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, tail) = rest.split_at(cut.min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = tail;
    }
    pieces
}

fn collect(events: &[CarEvent]) -> Vec<Block> {
    let blocks = events.iter().filter_map(|event| match event {
        CarEvent::Block(block) => Some(block.clone()),
        CarEvent::Header { .. } => None,
    });
    blocks.collect()
}

fn texts<'a>(cids: impl Iterator<Item = &'a Cid>) -> Vec<Value> {
    cids.map(|cid| Value::String(cid.to_string())).collect()
}

/// Reads a file or lists a directory to the end, if that is what the node is; gives how many files.
fn read_node(blocks: &BTreeMap<Cid, Bytes>, cid: &Cid) -> usize {
    match stat(blocks, cid).expect("a node of UnixFS").kind {
        NodeKind::File { size } => {
            let mut reader = FileReader::open(blocks, cid).expect("opens");
            let mut read = 0;
            while let Ok(Some(slice)) = reader.next(blocks) {
                read += slice.len() as u64;
            }
            // The fixtures leave out parts of some files.
            usize::from(read == size)
        }
        NodeKind::Directory { .. } => {
            let mut listing = Listing::open(blocks, cid).expect("opens");
            while let Ok(Some(entry)) = listing.next(blocks) {
                assert!(!entry.is_dots());
            }
            0
        }
        NodeKind::Symlink { .. } => 0,
    }
}

fn fixtures() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../../spec/vectors/car.json")).expect("the vectors are JSON")
}

fn bytes(case: &Value) -> Bytes {
    Bytes::from(hex::decode(case["hex"].as_str().expect("a text")).expect("hexadecimal"))
}
