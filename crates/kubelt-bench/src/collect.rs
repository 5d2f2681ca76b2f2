//! A large DAG unpublished: how soon its bytes are free, and what writers feel of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use kubelt_content::car::CarWriter;
use kubelt_content::{Block, Cid, Codec, Ipld};
use kubelt_core::codec;
use kubelt_core::schema::Visibility;
use kubelt_node::{Session, Target, content_path};
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::machine::incompressible;
use crate::report::Aim;
use crate::world::{World, runtime};

const BLOCKS_DEFAULT: u64 = 1_000_000;
const BLOCK_BYTES: usize = 1_024;
/// Links of an inner block.
const FAN_OUT: u64 = 1_000;
/// Of the bytes that the DAG took on disk, so many may be left when it counts as gone.
const LEFT_MAX: f64 = 0.05;
const FREE_SECONDS_MAX: f64 = 60.0;
const P99_RATIO_MAX: f64 = 2.0;
/// How long writers are measured without the collector.
const ALONE: Duration = Duration::from_secs(5);
/// How long the bytes may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(600);
const PERSON: u64 = 1;

pub(crate) fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(BLOCKS_DEFAULT);
    let dir = args.scratch_dir()?;
    let world = World::open(dir.path())?;
    let runtime = runtime()?;
    let session = runtime.block_on(world.sign_in(PERSON))?;
    let before = world.store.stats()?.segment_bytes;
    let start = Instant::now();
    runtime.block_on(publish(&world, &session, count))?;
    let full = world.store.stats()?;
    let taken = full.segment_bytes - before;
    println!(
        "{} blocks took {:.0} MB on disk, published in {:.1} s\n",
        full.blocks,
        taken as f64 / 1e6,
        start.elapsed().as_secs_f64()
    );
    let alone = writers(&runtime, &world, &session, |began, _writes| Ok(began.elapsed() < ALONE))?;
    // Writers go on writing while bytes are freed: theirs are not counted.
    let write_bytes = (world.store.stats()?.segment_bytes - full.segment_bytes) / alone.len().max(1) as u64;
    let before = before + world.store.stats()?.segment_bytes - full.segment_bytes;
    runtime.block_on(async {
        world.node.workers.start().await;
        world.node.content.remove(&session, &session.core, content_path(&path())?).await?;
        anyhow::Ok(())
    })?;
    let start = Instant::now();
    let (mut forgotten, mut freed) = (None, None);
    let beside = writers(&runtime, &world, &session, |_began, writes| {
        let stats = world.store.stats()?;
        let took = start.elapsed();
        if stats.blocks == 0 {
            forgotten.get_or_insert(took);
        }
        let left = stats.segment_bytes.saturating_sub(before + write_bytes * writes);
        if left as f64 <= taken as f64 * LEFT_MAX {
            freed.get_or_insert(took);
        }
        ensure!(took < PATIENCE, "{stats:?} is left after {PATIENCE:?}");
        Ok(freed.is_none())
    })?;
    runtime.block_on(world.node.workers.stop());
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "writers alone:      p50 {:.2} ms, p99 {:.2} ms, {} writes",
        ms(at(&alone, 50)),
        ms(at(&alone, 99)),
        alone.len()
    );
    println!(
        "with the collector: p50 {:.2} ms, p99 {:.2} ms, {} writes",
        ms(at(&beside, 50)),
        ms(at(&beside, 99)),
        beside.len()
    );
    let seconds = |time: Option<Duration>| time.unwrap_or(PATIENCE).as_secs_f64();
    println!("blocks forgotten after {:.1} s", seconds(forgotten));
    println!("{}", Aim::below("bytes free on disk after", seconds(freed), FREE_SECONDS_MAX, "s"));
    let ratio = ms(at(&beside, 99)) / ms(at(&alone, 99));
    println!("{}", Aim::below("p99 of writers, with the collector to without", ratio, P99_RATIO_MAX, ""));
    Ok(())
}

fn path() -> Vec<String> {
    vec!["large".to_owned()]
}

/// Uploads a DAG of `count` leaves and publishes it.
async fn publish(world: &World, session: &Arc<Session>, count: u64) -> Result<()> {
    let mut upload = world.node.content.upload_car(session.core).await;
    let (mut car, header) = CarWriter::v1(&[session.core.cid()]);
    upload.write(header).await?;
    let noise = incompressible(BLOCK_BYTES);
    let (mut links, mut inner): (Vec<Ipld>, Vec<Ipld>) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut data = noise.clone();
        data[..8].copy_from_slice(&n.to_le_bytes());
        let leaf = Block::new(Codec::Raw, data.into())?;
        links.push(Ipld::Link(*leaf.cid()));
        for piece in car.section(&leaf) {
            upload.write(piece).await?;
        }
        if links.len() as u64 == FAN_OUT || n + 1 == count {
            let node = node(std::mem::take(&mut links))?;
            inner.push(Ipld::Link(*node.cid()));
            for piece in car.section(&node) {
                upload.write(piece).await?;
            }
        }
    }
    let root = node(inner)?;
    for piece in car.section(&root) {
        upload.write(piece).await?;
    }
    let cid: Cid = *root.cid();
    upload.finish().await?;
    let target = Target {
        path: content_path(&path())?,
        visibility: Visibility::Public,
        partial: false,
        media_type: None,
    };
    world.node.content.link(session, &session.core, target, cid).await?;
    Ok(())
}

fn node(links: Vec<Ipld>) -> Result<Block> {
    Ok(Block::new(Codec::DagCbor, Bytes::from(codec::encode(&Ipld::List(links))))?)
}

/// Durable writes one after the other as long as `go_on` says; how long each took, sorted.
fn writers(
    runtime: &Runtime,
    world: &World,
    session: &Arc<Session>,
    mut go_on: impl FnMut(Instant, u64) -> Result<bool>,
) -> Result<Vec<Duration>> {
    let began = Instant::now();
    let mut took = Vec::new();
    while go_on(began, took.len() as u64)? {
        for _ in 0..20 {
            let start = Instant::now();
            runtime.block_on(world.put(session, took.len() as u64))?;
            took.push(start.elapsed());
        }
    }
    took.sort();
    Ok(took)
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}
