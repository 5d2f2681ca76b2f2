//! Blocks over bitswap: this node with Kubo, both ways, against Kubo with Kubo, over loopback.
//!
//! The same DAGs go all ways: Kubo makes them, and each contender pins them, until its last block is stored. Kubo is
//! asked by its command line, whose start is in its times.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kubelt_content::parse_cid;
use kubelt_net::{Net, NetConfig};
use kubelt_node::{NewPin, PinStatus};

use crate::args::Args;
use crate::kubo::{Kubo, Repository};
use crate::machine::incompressible;
use crate::report::Aim;
use crate::rounds::median;
use crate::world::{World, runtime};

const MIB: usize = 1 << 20;
const SMALL_BLOCK_BYTES: usize = 4_096;
const SMALL_BLOCKS_DEFAULT: u64 = 10_000;
/// A pin that is not whole by then never will be.
const PIN_TIME_MAX: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(2);

/// A DAG to exchange.
struct Case {
    name: String,
    bytes: usize,
    chunker: String,
}

/// Seconds of each round.
#[derive(Default)]
struct Times {
    between_kubos: Vec<f64>,
    from_kubo: Vec<f64>,
    to_kubo: Vec<f64>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let kubo = Kubo::named().context("there is nothing to compare with")?;
    let dir = args.scratch_dir()?;
    let (large, small) = (args.mib.unwrap_or(1_024), args.count.unwrap_or(SMALL_BLOCKS_DEFAULT));
    let small_bytes = usize::try_from(small).context("too many blocks")? * SMALL_BLOCK_BYTES;
    let cases = [
        Case { name: format!("{large} MiB"), bytes: large * MIB, chunker: "size-262144".to_owned() },
        Case {
            name: format!("{small} x 4 KiB"),
            bytes: small_bytes,
            chunker: format!("size-{SMALL_BLOCK_BYTES}"),
        },
    ];
    println!("Pins over bitswap, seconds (medians of {} rounds)", args.rounds);
    println!("| {:<16} | {:>12} | {:>12} | {:>12} |", "", "Kubo, Kubo", "Kubo to us", "us to Kubo");
    println!("| {:-<16} | {:->11}: | {:->11}: | {:->11}: |", "", "", "", "");
    let mut aims = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let times = measure(&kubo, &dir.path().join(number.to_string()), case, args.rounds)?;
        let Times { between_kubos, from_kubo, to_kubo } = times;
        let (kubos, ours, theirs) = (median(between_kubos), median(from_kubo), median(to_kubo));
        println!("| {:<16} | {kubos:>12.2} | {ours:>12.2} | {theirs:>12.2} |", case.name);
        aims.push(Aim::at_least("Kubo to us, times as fast as Kubo to Kubo", kubos / ours, 1.0, ""));
        aims.push(Aim::at_least("us to Kubo, times as fast as Kubo to Kubo", kubos / theirs, 1.0, ""));
    }
    println!();
    aims.iter().for_each(|aim| println!("{aim}"));
    Ok(())
}

fn measure(kubo: &Kubo, dir: &Path, case: &Case, rounds: usize) -> Result<Times> {
    std::fs::create_dir(dir)?;
    let source = dir.join("source");
    std::fs::write(&source, incompressible(case.bytes))?;
    let (giver, taker) = (kubo.repository(&dir.join("a"), None)?, kubo.repository(&dir.join("b"), None)?);
    let (_giving, _taking) = (giver.online()?, taker.online()?);
    let source = source.to_str().context("the file's path is not UTF-8")?;
    let chunker = format!("--chunker={}", case.chunker);
    let cid = giver.output(&["add", "--quieter", "--cid-version=1", "--raw-leaves", &chunker, source])?;
    let cid = cid.trim();
    let address = giver.peer_address()?;
    let runtime = runtime()?;
    let mut times = Times::default();
    for round in 0..rounds {
        times.between_kubos.push(pin_by_kubo(&taker, &address, cid)?);
        let store = dir.join(format!("store{round}"));
        let (to_us, from_us) = runtime.block_on(exchange(&store, &address, cid, &taker))?;
        times.from_kubo.push(to_us);
        times.to_kubo.push(from_us);
        std::fs::remove_dir_all(&store)?;
    }
    Ok(times)
}

/// Has Kubo pin a DAG that one peer has, and forget both again.
fn pin_by_kubo(taker: &Repository<'_>, address: &str, cid: &str) -> Result<f64> {
    taker.output(&["swarm", "connect", address])?;
    let start = Instant::now();
    taker.output(&["pin", "add", cid])?;
    let took = start.elapsed().as_secs_f64();
    taker.output(&["swarm", "disconnect", address])?;
    taker.output(&["pin", "rm", cid])?;
    taker.output(&["repo", "gc", "--quiet"])?;
    Ok(took)
}

/// A new node pins a DAG of Kubo's, and another Kubo then pins it from the node.
async fn exchange(store: &Path, address: &str, cid: &str, taker: &Repository<'_>) -> Result<(f64, f64)> {
    let world = World::open(store)?;
    let session = world.sign_in(1).await?;
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
    let key = world.node.identity.key().await?;
    let net = Net::start(key, &NetConfig { listen, ..NetConfig::default() }).await?;
    net.serve_blocks(Arc::new(world.node.content.clone()));
    world.node.fetcher.fetch_from_peers(Arc::new(net.clone()));
    net.connect(address.parse()?).await?;
    let start = Instant::now();
    let pin = NewPin::new(parse_cid(cid)?, None, Vec::new(), BTreeMap::new())?;
    let id = world.node.pins.add(&session, &session.core, pin).await?.id;
    loop {
        let pin = world.node.pins.get(&session, &session.core, &id).await?;
        if pin.status == PinStatus::Pinned {
            break;
        }
        if pin.status == PinStatus::Failed || start.elapsed() > PIN_TIME_MAX {
            bail!("the pin is {:?}: {:?}", pin.status, pin.details);
        }
        tokio::time::sleep(POLL).await;
    }
    let took = start.elapsed().as_secs_f64();
    let own = net.addresses().first().context("the node listens nowhere")?.to_string();
    let given = tokio::task::block_in_place(|| pin_by_kubo(taker, &own, cid))?;
    Ok((took, given))
}
