use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubelt_api::{CarReceipt, Code, Possession, PossessionRequest};
use kubelt_content::car::{CarDecoder, CarEvent, CarLimits};
use kubelt_content::unixfs::{DirectoryBuilder, Importer, Metadata, Profile, symlink};
use kubelt_content::{Block, Cid};

use super::{Hidden, RetryPolicy, Tree, Upload, UploadError, Uploaded};
use crate::client::{Client, CorePlace};
use crate::fake_node::{self, Answer, Request};
use crate::output::Progress;

/// The possession of one core, and what became of the CARs that came.
#[derive(Default)]
struct Core {
    cids: Mutex<HashSet<String>>,
    cars: AtomicU64,
    /// CARs after which every further one is answered so.
    refuse_after: Option<(u64, fn() -> Answer)>,
}

impl Core {
    fn answer(&self, request: &Request) -> Answer {
        let cids = || self.cids.lock().expect("no test panics with it");
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/@0xab/-/possession") => {
                let asked: PossessionRequest = serde_json::from_slice(&request.body).expect("it is one");
                let known = cids();
                let missing = asked.cids.into_iter().filter(|cid| !known.contains(cid)).collect();
                Answer::json(&Possession { missing })
            }
            ("POST", "/@0xab/-/car") => {
                let count = self.cars.fetch_add(1, Ordering::SeqCst);
                if let Some((after, refusal)) = self.refuse_after
                    && count >= after
                {
                    return refusal();
                }
                let blocks = car_blocks(&request.body);
                let bytes = request.body.len() as u64;
                let receipt = CarReceipt {
                    roots: Vec::new(),
                    blocks: blocks.len() as u64,
                    bytes,
                    published: Vec::new(),
                };
                cids().extend(blocks);
                Answer::json(&receipt)
            }
            (_, path) => panic!("`{path}` is not asked for by an upload"),
        }
    }
}

/// The CIDs of a CAR whose blocks all match.
fn car_blocks(car: &[u8]) -> Vec<String> {
    let mut decoder = CarDecoder::new(CarLimits { blocks_max: 10_000, payload_bytes_max: 64 << 20 });
    decoder.push(car.to_vec());
    let mut cids = Vec::new();
    while let Some(event) = decoder.next_event().expect("the CAR is good") {
        if let CarEvent::Block(block) = event {
            cids.push(block.cid().to_string());
        }
    }
    decoder.finish().expect("the CAR is whole");
    cids
}

fn upload(core: &Arc<Core>, path: &Path, profile: Profile) -> Result<Uploaded, UploadError> {
    let core = Arc::clone(core);
    let node = fake_node::start(move |request| core.answer(&request));
    let tree = Tree::scan(path, Hidden::Taken).expect("it can be scanned");
    run(&Client::new(node, None), &tree, profile)
}

fn run(client: &Client, tree: &Tree, profile: Profile) -> Result<Uploaded, UploadError> {
    let retry = RetryPolicy { pause_first: Duration::ZERO, pause_max: Duration::ZERO, tries_max: 3 };
    let core = CorePlace::given("/@0xab");
    Upload { client, core: &core, profile, retry, progress: &Progress::hidden() }.run(tree)
}

/// 20 MiB of which no block is like another, an empty file, directories, a link.
fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let mut big = Vec::new();
    for n in 0..80_u8 {
        big.resize(big.len() + (256 << 10), n);
    }
    fs::create_dir_all(dir.path().join("sub/deeper")).expect("it can be made");
    fs::write(dir.path().join("big.bin"), big).expect("it can be written");
    fs::write(dir.path().join("empty"), "").expect("it can be written");
    fs::write(dir.path().join("sub/a.txt"), "a").expect("it can be written");
    #[cfg(unix)]
    std::os::unix::fs::symlink("sub/a.txt", dir.path().join("link")).expect("links can be made");
    dir
}

/// The CID of a directory, built on one thread by the plain importer.
fn expected(path: &Path, profile: Profile, cids: &mut HashSet<String>) -> (Cid, u64) {
    let mut sink = |block: Block| {
        cids.insert(block.cid().to_string());
        Ok::<(), std::convert::Infallible>(())
    };
    let metadata = fs::symlink_metadata(path).expect("it is there");
    if metadata.is_symlink() {
        let target = fs::read_link(path).expect("it is a link");
        let block =
            symlink(profile, target.to_str().expect("UTF-8"), Metadata::default()).expect("it is short");
        let (cid, bytes) = (*block.cid(), block.data().len() as u64);
        let Ok(()) = sink(block);
        return (cid, bytes);
    }
    if metadata.is_file() {
        let mut importer = Importer::new(profile);
        let Ok(()) = importer.write(&fs::read(path).expect("it can be read"), &mut sink);
        let Ok(root) = importer.finish(&mut sink);
        return (root.cid, root.dag_size);
    }
    let mut builder = DirectoryBuilder::new(profile);
    for entry in fs::read_dir(path).expect("it can be read") {
        let entry = entry.expect("it can be read");
        let (cid, bytes) = expected(&entry.path(), profile, cids);
        builder.add(entry.file_name().to_str().expect("UTF-8"), cid, bytes).expect("names are good");
    }
    let root = builder
        .finish(&mut |block: Block| {
            cids.insert(block.cid().to_string());
            Ok::<(), std::convert::Infallible>(())
        })
        .expect("no name stands twice");
    (root.cid, root.dag_size)
}

#[test]
fn directories_arrive_whole_under_every_profile() {
    let site = site();
    for profile in Profile::ALL {
        let core = Arc::<Core>::default();
        let uploaded = upload(&core, site.path(), profile).expect("the node takes it");
        let mut cids = HashSet::new();
        let (cid, _) = expected(site.path(), profile, &mut cids);
        assert_eq!(uploaded.cid, cid.to_string());
        assert_eq!(*core.cids.lock().expect("no test panics with it"), cids);
        assert_eq!((uploaded.blocks, uploaded.blocks_known), (cids.len() as u64, 0));
        assert!(core.cars.load(Ordering::SeqCst) > 1, "more than one batch");
    }
}

#[test]
fn what_is_there_is_not_sent_again() {
    let site = site();
    let core = Arc::<Core>::default();
    let first = upload(&core, site.path(), Profile::V1_2025).expect("the node takes it");
    let cars = core.cars.load(Ordering::SeqCst);
    let second = upload(&core, site.path(), Profile::V1_2025).expect("the node takes it");
    assert_eq!(second, Uploaded { blocks_known: first.blocks, bytes_sent: 0, ..first.clone() });
    assert_eq!(core.cars.load(Ordering::SeqCst), cars);
    fs::write(site.path().join("sub/a.txt"), "b").expect("it can be written");
    let third = upload(&core, site.path(), Profile::V1_2025).expect("the node takes it");
    assert_eq!(third.blocks - third.blocks_known, 3, "the file, its directory, and the one above");
}

#[test]
fn an_upload_that_broke_off_goes_on_where_it_was() {
    let site = site();
    for refusal in [|| Answer::HangUp, || Answer::problem(Code::Unavailable, "the disk is full")] {
        let broken = Arc::new(Core { refuse_after: Some((2, refusal)), ..Core::default() });
        upload(&broken, site.path(), Profile::V1_2025).expect_err("the node gives up");
        let there = broken.cids.lock().expect("no test panics with it").clone();
        assert!(!there.is_empty());
        let core = Arc::new(Core { cids: Mutex::new(there.clone()), ..Core::default() });
        let uploaded = upload(&core, site.path(), Profile::V1_2025).expect("the node takes it");
        assert_eq!(uploaded.blocks_known, there.len() as u64);
    }
}

#[test]
fn a_lost_connection_is_tried_again() {
    let site = site();
    let core = Arc::<Core>::default();
    let (node_core, requests) = (Arc::clone(&core), AtomicU64::new(0));
    let node = fake_node::start(move |request| match requests.fetch_add(1, Ordering::SeqCst) {
        1 | 3 => Answer::HangUp,
        _ => node_core.answer(&request),
    });
    let tree = Tree::scan(site.path(), Hidden::Taken).expect("it can be scanned");
    let uploaded = run(&Client::new(node, None), &tree, Profile::V1_2025).expect("it is tried again");
    let mut cids = HashSet::new();
    assert_eq!(uploaded.cid, expected(site.path(), Profile::V1_2025, &mut cids).0.to_string());
    assert_eq!(*core.cids.lock().expect("no test panics with it"), cids);
}

#[test]
fn a_refusal_ends_the_upload_at_once() {
    let site = site();
    let refusal = || Answer::problem(Code::QuotaExceeded, "the core is full");
    let core = Arc::new(Core { refuse_after: Some((0, refusal)), ..Core::default() });
    let error = upload(&core, site.path(), Profile::V1_2025).expect_err("the node refuses");
    assert_eq!(error.to_string(), "the core is full (quota-exceeded)");
    assert!(core.cars.load(Ordering::SeqCst) <= 3, "one for each sender at most");
}

#[test]
fn a_file_that_changes_meanwhile_is_not_published() {
    let site = site();
    let tree = Tree::scan(site.path(), Hidden::Taken).expect("it can be scanned");
    fs::write(site.path().join("big.bin"), "short").expect("it can be written");
    let core = Core::default();
    let node = fake_node::start(move |request| core.answer(&request));
    let error = run(&Client::new(node, None), &tree, Profile::V1_2025).expect_err("it changed");
    assert!(matches!(error, UploadError::Changed { path } if path.ends_with("big.bin")));
}
