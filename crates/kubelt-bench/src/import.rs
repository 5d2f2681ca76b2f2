//! A large file into a store on disk, against what the processor and the disk allow, and against Kubo.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use kubelt_core::schema::Visibility;
use kubelt_node::{Target, content_path};

use crate::args::Args;
use crate::http;
use crate::kubo::Kubo;
use crate::machine::{copy_and_sync, incompressible, sha256_on_all_cores};
use crate::process::{RunningNode, again, memory_of};
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure};
use crate::world::{World, runtime};

/// The task of the process that imports and does nothing else.
pub(crate) const CHILD: &str = "import-one-file";

const MIB_DEFAULT: usize = 1_024;
/// What a server reads from a connection at once.
const READ_BYTES: usize = 128 * 1_024;
const SHARE_MIN: f64 = 0.9;
/// How often as fast as `ipfs add` an import is to be.
const TIMES_KUBO_MIN: f64 = 3.0;
/// Ways to add by Kubo, what is said of each against an import, and the profile: the second cuts files as imports do.
const BY_KUBO: [(&str, &str, Option<&str>); 2] = [
    ("ipfs add, its defaults", "import, HTTP PUT, of `ipfs add`", None),
    ("ipfs add, our profile", "import, HTTP PUT, of `ipfs add` cutting alike", Some("unixfs-v1-2025")),
];
const PEAK_BYTES_MAX: f64 = 100e6;
/// Before each contender that writes. Virtual machines give free memory back to their host after some seconds
/// and get it again slowly: without a rest a fast one writes into memory that the one before it has left warm,
/// and a slow one does not.
const REST: Duration = Duration::from_secs(4);
const PERSON: u64 = 1;

pub(crate) fn run(args: &Args) -> Result<()> {
    let mib = args.mib.unwrap_or(MIB_DEFAULT);
    let dir = args.scratch_dir()?;
    let (source, store) = (dir.path().join("source"), dir.path().join("store"));
    let data = incompressible(mib * 1024 * 1024);
    std::fs::write(&source, &data).context("cannot write the file to import")?;
    File::open(&source)?.sync_all()?;

    let (peak, peak_http) = (Cell::new(0.0_f64), Cell::new(0.0_f64));
    let kubo = Kubo::named();
    let mut contenders = vec![
        Contender::new("SHA-256 on all cores", || sha256_on_all_cores(&data)),
        Contender::new("dd of the file with fdatasync", || {
            sleep(REST);
            copy_and_sync(dir.path(), &source)
        }),
        Contender::new("import, in process", || {
            let (took, bytes) = import_in_child(&source, &store)?;
            peak.set(peak.get().max(bytes));
            Ok(Work { amount: data.len() as f64, took })
        }),
        Contender::new("import, HTTP PUT over loopback", || {
            let (took, bytes) = import_over_http(&source, &store)?;
            peak_http.set(peak_http.get().max(bytes));
            Ok(Work { amount: data.len() as f64, took })
        }),
    ];
    if let Some(kubo) = &kubo {
        for (name, _, profile) in BY_KUBO {
            let (source, store) = (&source, &store);
            let amount = data.len() as f64;
            contenders.push(Contender::new(name, move || {
                sleep(REST);
                let took = kubo.repository(store, profile)?.add(source)?;
                remove(store)?;
                Ok(Work { amount, took })
            }));
        }
    }
    let rates = measure(args.rounds, &mut contenders)?;
    drop(contenders);
    let slower = rates[0].median().min(rates[1].median());
    let title = format!("Import of {mib} MiB, against the slower of the first two");
    println!("{}", Table { title, unit: "MB", unit_size: 1e6, reference: slower, rates: &rates });
    println!(
        "{}",
        Aim::at_least("import, in process, of the limit", rates[2].median() / slower, SHARE_MIN, "")
    );
    println!(
        "{}",
        Aim::at_least("import, HTTP PUT, of the limit", rates[3].median() / slower, SHARE_MIN, "")
    );
    if let [_, _, _, ours, theirs @ ..] = &rates[..] {
        for (theirs, (_, times, _)) in theirs.iter().zip(BY_KUBO) {
            println!("{}", Aim::at_least(times, ours.median() / theirs.median(), TIMES_KUBO_MIN, ""));
        }
    }
    println!("{}", Aim::below("peak memory, in process", peak.get() / 1e6, PEAK_BYTES_MAX / 1e6, "MB"));
    println!(
        "{}",
        Aim::below("peak memory, node over HTTP", peak_http.get() / 1e6, PEAK_BYTES_MAX / 1e6, "MB")
    );
    Ok(())
}

/// Imports in a process of its own; gives the time it took from the first byte until all was durable, and the
/// most memory that the process had.
fn import_in_child(source: &Path, store: &Path) -> Result<(Duration, f64)> {
    sleep(REST);
    let output = again(CHILD)?.arg(source).arg(store).stderr(Stdio::inherit()).output()?;
    remove(store)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [seconds, bytes] if output.status.success() => Ok((Duration::from_secs_f64(seconds), bytes)),
        _ => bail!("the importing process failed: {text}"),
    }
}

/// What the process of [`import_in_child`] does: prints seconds and bytes.
pub(crate) fn child(mut words: impl Iterator<Item = String>) -> Result<()> {
    let (Some(source), Some(store)) = (words.next(), words.next()) else { bail!("needs a file and a store") };
    let world = World::open(store.as_ref())?;
    let took = runtime()?.block_on(import(&world, source.as_ref()))?;
    println!("{} {}", took.as_secs_f64(), memory_of("self")?.peak);
    Ok(())
}

async fn import(world: &World, source: &Path) -> Result<Duration> {
    let session = world.sign_in(PERSON).await?;
    let target = Target {
        path: content_path(&["video.mp4".to_owned()])?,
        visibility: Visibility::Public,
        partial: false,
        media_type: None,
    };
    let core = session.core;
    let mut file = File::open(source).context("the file cannot be read")?;
    let start = Instant::now();
    let mut upload = world.node.content.upload(session, core, target).await;
    loop {
        let mut piece = BytesMut::zeroed(READ_BYTES);
        let read = file.read(&mut piece).context("the file cannot be read")?;
        if read == 0 {
            break;
        }
        piece.truncate(read);
        upload.write(piece.freeze()).await?;
    }
    upload.finish().await?;
    Ok(start.elapsed())
}

fn import_over_http(source: &Path, store: &Path) -> Result<(Duration, f64)> {
    sleep(REST);
    let node = RunningNode::start(store)?;
    let token = http::sign_in(&node.address, PERSON)?;
    let start = Instant::now();
    http::put(&node.address, PERSON, &token, "video.mp4", source)?;
    let took = start.elapsed();
    let peak = node.memory()?.peak;
    drop(node);
    remove(store)?;
    Ok((took, peak))
}

fn remove(store: &Path) -> Result<()> {
    std::fs::remove_dir_all(store).context("cannot remove what was imported")
}
