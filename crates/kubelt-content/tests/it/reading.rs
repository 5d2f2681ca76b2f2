//! What was written is read back, whatever range, order or page is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use kubelt_content::read::{
    Blocks, FileReader, Listing, MissingBlock, NodeKind, ReadError, Scope, ScopedBlocks, Walk, WalkError,
    WalkLimits, follow, resolve, stat,
};
use kubelt_content::tar::{TarError, TarStream};
use kubelt_content::unixfs::{DirectoryBuilder, FileBuilder, FileRoot, Importer, Profile};
use kubelt_content::{Block, Cid};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::Index;

use crate::recipes::Stream;

type Memory = BTreeMap<Cid, Bytes>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_of_a_file_is_that_slice(
        profile in profiles(),
        size in 0_usize..1_500_000,
        (first, second) in any::<(Index, Index)>(),
        pieces in 1_usize..400_000,
    ) {
        let data = Stream::new().take(1_500_000).slice(..size);
        let (blocks, root) = import(profile, &data, pieces);
        prop_assert_eq!(root.size, size as u64);
        let (a, b) = (first.index(size + 1), second.index(size + 1));
        let (start, end) = (a.min(b), a.max(b));
        prop_assert_eq!(read(&blocks, &root.cid, start as u64, end as u64), &data[start..end]);
        prop_assert_eq!(read(&blocks, &root.cid, 0, size as u64), &data[..]);
    }

    #[test]
    fn any_range_of_a_deep_file_is_that_slice(start in 0_u64..DEEP, length in 0_u64..600_000) {
        let (blocks, root, chunk) = deep_file();
        let end = (start + length).min(DEEP);
        let found = read(&blocks, &root.cid, start, end);
        prop_assert_eq!(found.len() as u64, end - start);
        for (index, byte) in found.iter().enumerate() {
            let at = usize::try_from(start).expect("fits") + index;
            prop_assert!(*byte == chunk[at % chunk.len()], "byte {at}");
        }
    }

    #[test]
    fn a_directory_does_not_depend_on_the_order_of_its_entries(
        profile in profiles(),
        names in proptest::collection::btree_set("[a-z0-9 é日.-]{3,80}", 0..200),
        long in 0_usize..6,
        seed in any::<u32>(),
    ) {
        let mut names: Vec<String> = names.into_iter().collect();
        // A few thousand more make some of them HAMTs.
        names.extend((0..long * 1_000).map(|index| format!("{index:070}")));
        let (blocks, root) = directory(profile, &names);
        let mut shuffled = names.clone();
        shuffle(&mut shuffled, seed);
        prop_assert_eq!(directory(profile, &shuffled).1, root);

        let listed = list(&blocks, Listing::open(&blocks, &root).expect("opens"));
        let sorted: BTreeSet<&String> = listed.iter().collect();
        prop_assert_eq!(sorted, names.iter().collect::<BTreeSet<_>>());
        prop_assert_eq!(listed.len(), names.len());
        for name in names.iter().take(50) {
            prop_assert_eq!(resolve(&blocks, &root, [name]).expect("is there").cid, file_of(profile, name));
        }
    }
}

#[test]
fn pages_of_a_listing_go_on_where_the_last_one_ended() {
    for count in [0, 1, 40, 5_000] {
        let names: Vec<String> = (0..count).map(|index| format!("{index:060}")).collect();
        let (blocks, root) = directory(Profile::V1_2025, &names);
        let is_sharded = matches!(
            stat(&blocks, &root).expect("is a directory").kind,
            NodeKind::Directory { sharded: true }
        );
        assert_eq!(is_sharded, count == 5_000);
        let all = list(&blocks, Listing::open(&blocks, &root).expect("opens"));
        for (index, name) in all.iter().enumerate().step_by(37) {
            let rest = list(&blocks, Listing::after(&blocks, &root, name).expect("is there"));
            assert_eq!(rest, all[index + 1..]);
        }
        assert!(Listing::after(&blocks, &root, "absent").is_err());
    }
}

#[test]
fn a_range_asks_only_for_its_own_blocks() {
    let (blocks, root, chunk) = deep_file();
    let counting = Counting { blocks: &blocks, asked: std::cell::Cell::new(0) };
    let middle = DEEP / 2;
    let mut reader =
        FileReader::open(&counting, &root.cid).expect("opens").range(middle..middle + 10).expect("inside");
    let found = reader.next(&counting).expect("reads").expect("ten bytes");
    let at = usize::try_from(middle).expect("fits") % chunk.len();
    assert_eq!(found, chunk[at..at + 10]);
    assert_eq!(reader.next(&counting).expect("ends"), None);
    // The root, a node and a leaf.
    assert_eq!(counting.asked.get(), 3);
}

#[test]
fn slices_of_a_file_are_slices_of_its_blocks() {
    let data = Stream::new().take(1_000_000);
    let (blocks, root) = import(Profile::V0_2015, &data, 77_777);
    let mut reader = FileReader::open(&blocks, &root.cid).expect("opens");
    while let Some(slice) = reader.next(&blocks).expect("reads") {
        let is_inside = |block: &Bytes| block.as_ptr_range().contains(&slice.as_ptr());
        assert!(blocks.values().any(is_inside), "a slice was copied");
    }
}

#[test]
fn what_is_there_only_later_is_read_all_the_same() {
    let (mut blocks, file) = import(Profile::V1_LEGACY, &Stream::new().take(1_000_000), 1 << 20);
    let mut builder = DirectoryBuilder::new(Profile::V1_LEGACY);
    for index in 0..9_000 {
        builder.add(format!("twice {index}"), file.cid, file.dag_size).expect("a good name");
    }
    let large = builder.finish(&mut keep(&mut blocks)).expect("distinct");
    let mut builder = DirectoryBuilder::new(Profile::V1_LEGACY);
    builder.add("a file", file.cid, file.dag_size).expect("a good name");
    builder.add("large", large.cid, large.dag_size).expect("a good name");
    let root = builder.finish(&mut keep(&mut blocks)).expect("distinct").cid;

    let shy = Shy::new(&blocks);
    let mut reader = shy.ask(|shy| FileReader::open(shy, &file.cid));
    let mut plain = FileReader::open(&blocks, &file.cid).expect("opens");
    while let Some(slice) = plain.next(&blocks).expect("reads") {
        assert_eq!(shy.ask(|shy| reader.next(shy)), Some(slice));
    }
    assert_eq!(shy.ask(|shy| reader.next(shy)), None);

    let shy = Shy::new(&blocks);
    let mut listing = shy.ask(|shy| Listing::open(shy, &large.cid));
    let names = std::iter::from_fn(|| shy.ask(|shy| listing.next(shy)).map(|entry| entry.name));
    let names: Vec<String> = names.collect();
    assert_eq!(names, list(&blocks, Listing::open(&blocks, &large.cid).expect("opens")));

    let shy = Shy::new(&blocks);
    let mut tar = shy.ask(|shy| match TarStream::open(shy, &root, "root") {
        Err(TarError::Read(error)) => Err(error),
        opened => Ok(opened.expect("it can be packed")),
    });
    let mut plain = TarStream::open(&blocks, &root, "root").expect("opens");
    for _ in 0..500 {
        let piece = shy.ask(|shy| match tar.next(shy) {
            Err(TarError::Read(error)) => Err(error),
            piece => Ok(piece.expect("it can be packed")),
        });
        assert_eq!(piece, plain.next(&blocks).expect("packs"));
    }

    for duplicates in [false, true] {
        let shy = Shy::new(&blocks);
        let way = shy.ask(|shy| follow(shy, &root, &["large"]));
        let scoped = || ScopedBlocks::new(&way, Scope::All, duplicates, WalkLimits::default());
        let (mut late, mut plain) = (scoped(), scoped());
        for _ in 0..2_000 {
            let block = shy.ask(|shy| match late.next(shy) {
                Err(WalkError::Read(error)) => Err(error),
                block => Ok(block.expect("it is well formed")),
            });
            assert_eq!(block, plain.next(&blocks).expect("walks"));
        }
    }
}

#[test]
fn a_walk_visits_every_block_once() {
    let (mut blocks, file) = import(Profile::V1_LEGACY, &Stream::new().take(1_000_000), 1 << 20);
    let mut builder = DirectoryBuilder::new(Profile::V1_LEGACY);
    for index in 0..9_000 {
        builder.add(format!("twice {index}"), file.cid, file.dag_size).expect("a good name");
    }
    let root = builder.finish(&mut keep(&mut blocks)).expect("distinct");
    let mut visited = Vec::new();
    let mut walk = Walk::new([root.cid], WalkLimits::default());
    while let Some(visit) = walk.next(&blocks).expect("walks") {
        assert_eq!(blocks[&visit.cid], visit.data);
        visited.push(visit.cid);
    }
    assert_eq!(visited[0], root.cid);
    assert_eq!(visited.len(), blocks.len());
    assert_eq!(visited.into_iter().collect::<BTreeSet<_>>(), blocks.keys().copied().collect());
}

#[test]
fn a_walk_ends_at_its_limits() {
    let (blocks, root, _) = deep_file();
    let walk = |limits| {
        let mut walk = Walk::new([root.cid], limits);
        while let Some(_visit) = walk.next(&blocks)? {}
        Ok::<usize, WalkError<_>>(walk.visited())
    };
    let depth = |depth_max| WalkLimits { depth_max, ..WalkLimits::default() };
    assert_eq!(walk(depth(3)).expect("a root, nodes, leaves"), blocks.len());
    assert!(matches!(walk(depth(2)), Err(WalkError::TooDeep(2))));
    let count = |blocks_max| WalkLimits { blocks_max, ..WalkLimits::default() };
    assert_eq!(walk(count(blocks.len())).expect("as many as there are"), blocks.len());
    assert!(matches!(walk(count(blocks.len() - 1)), Err(WalkError::TooManyBlocks(_))));
}

/// 1,000 chunks, all the same, in a DAG of three levels.
const DEEP: u64 = 1_000 * 256 * 1024;

fn deep_file() -> (Memory, FileRoot, Bytes) {
    let profile = Profile::V1_LEGACY;
    let chunk = Stream::new().take(profile.chunk_bytes());
    let (block, leaf) = profile.leaf(chunk.clone());
    let mut blocks = Memory::from([block.into_parts()]);
    let mut builder = FileBuilder::new(profile);
    for _ in 0..1_000 {
        builder.push(&leaf, &mut keep(&mut blocks)).expect("kept");
    }
    let root = builder.finish(&mut keep(&mut blocks)).expect("kept");
    assert_eq!(root.size, DEEP);
    (blocks, root, chunk)
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::V1_2025), Just(Profile::V1_LEGACY), Just(Profile::V0_2015)]
}

fn import(profile: Profile, data: &[u8], pieces: usize) -> (Memory, FileRoot) {
    let mut blocks = Memory::new();
    let mut importer = Importer::new(profile);
    for piece in data.chunks(pieces) {
        importer.write(piece, &mut keep(&mut blocks)).expect("kept");
    }
    let root = importer.finish(&mut keep(&mut blocks)).expect("kept");
    (blocks, root)
}

fn directory(profile: Profile, names: &[String]) -> (Memory, Cid) {
    let mut blocks = Memory::new();
    let mut builder = DirectoryBuilder::new(profile);
    for name in names {
        let (block, leaf) = profile.leaf(Bytes::copy_from_slice(name.as_bytes()));
        keep(&mut blocks)(block).expect("kept");
        builder.add(name, leaf.cid, leaf.dag_size).expect("a good name");
    }
    let root = builder.finish(&mut keep(&mut blocks)).expect("distinct names");
    (blocks, root.cid)
}

fn file_of(profile: Profile, name: &str) -> Cid {
    profile.leaf(Bytes::copy_from_slice(name.as_bytes())).1.cid
}

fn read(blocks: &Memory, cid: &Cid, start: u64, end: u64) -> Bytes {
    let mut reader = FileReader::open(blocks, cid).expect("opens").range(start..end).expect("inside");
    let mut out = BytesMut::new();
    while let Some(slice) = reader.next(blocks).expect("reads") {
        assert!(!slice.is_empty());
        out.extend_from_slice(&slice);
    }
    out.freeze()
}

fn list(blocks: &Memory, mut listing: Listing) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(entry) = listing.next(blocks).expect("lists") {
        names.push(entry.name);
    }
    names
}

fn shuffle(names: &mut [String], mut seed: u32) {
    for index in (1..names.len()).rev() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        names.swap(index, (seed >> 8) as usize % (index + 1));
    }
}

fn keep(blocks: &mut Memory) -> impl FnMut(Block) -> Result<(), Infallible> + '_ {
    |block| {
        let (cid, data) = block.into_parts();
        blocks.insert(cid, data);
        Ok(())
    }
}

/// Has a block only once it was asked for in vain.
struct Shy<'a> {
    blocks: &'a Memory,
    asked: std::cell::RefCell<BTreeSet<Cid>>,
}

impl<'a> Shy<'a> {
    fn new(blocks: &'a Memory) -> Self {
        Self { blocks, asked: std::cell::RefCell::default() }
    }

    /// Does something again and again until all the blocks are there that it needs.
    #[track_caller]
    fn ask<T>(&self, mut what: impl FnMut(&Self) -> Result<T, ReadError<MissingBlock>>) -> T {
        for _ in 0..10_000 {
            match what(self) {
                Err(error) if error.is_of_source() => {}
                done => return done.expect("nothing else is wrong"),
            }
        }
        panic!("it does not go on");
    }
}

impl Blocks for Shy<'_> {
    type Error = MissingBlock;

    fn block(&self, cid: &Cid) -> Result<Bytes, MissingBlock> {
        if self.asked.borrow_mut().insert(*cid) {
            return Err(MissingBlock(*cid));
        }
        self.blocks.block(cid)
    }
}

/// Counts how many blocks are asked for.
struct Counting<'a> {
    blocks: &'a Memory,
    asked: std::cell::Cell<usize>,
}

impl Blocks for Counting<'_> {
    type Error = <Memory as Blocks>::Error;

    fn block(&self, cid: &Cid) -> Result<Bytes, Self::Error> {
        self.asked.set(self.asked.get() + 1);
        self.blocks.block(cid)
    }
}
