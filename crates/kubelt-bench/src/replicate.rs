//! A core from one node to a new one over loopback: content against plain TCP with SHA-256, and a long log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kubelt_core::schema::Visibility;
use kubelt_net::{DhtMode, Direct, Net, NetConfig, NodeDialer, direct_address};
use kubelt_node::{NodeAddress, Target, content_path};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::cpu::Cpu;
use crate::machine::incompressible;
use crate::relay::{self, Way};
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure, median};
use crate::transfer::{PIECE_BYTES, Transfer};
use crate::world::{World, each, runtime};

const MIB_DEFAULT: usize = 1_024;
const OPS_DEFAULT: u64 = 100_000;
const PERSON: u64 = 1;
const CPU_SHARE_MIN: f64 = 0.8;
/// To a node that is 40 ms away, there and back,
const FAR_WAY: Way = Way { delay: Duration::from_millis(20), rate: None };
/// and that over a line of 1 Gbit/s.
const LINE_WAY: Way = Way { rate: Some(125_000_000), ..FAR_WAY };
const FAR_SHARE_MIN: f64 = 0.7;
const OPS_SECONDS_MAX: f64 = 5.0;
const WRITERS: usize = 256;

/// Contenders of the table, in its order.
const PLAIN: usize = 0;
const TO_FILE: usize = 1;
const SEALED: usize = 2;
const PLAIN_FAR: usize = 3;
const DIRECT: usize = 4;
const STREAM: usize = 5;
const FAR: usize = 6;
const TO_MEMORY: usize = 7;
const PLAIN_LINE: usize = 8;
const LINE: usize = 9;

pub(crate) fn run(args: &Args) -> Result<()> {
    let ops = args.count.unwrap_or(OPS_DEFAULT);
    let dir = args.scratch_dir()?;
    let runtime = runtime()?;
    measure_content(args, &runtime, dir.path())?;
    let log = runtime.block_on(Source::start(&dir.path().join("log")))?;
    runtime.block_on(write_log(&log.world, ops))?;
    let mut took = Vec::new();
    for _ in 0..args.rounds {
        let work = arrive(&runtime, dir.path(), &log.direct, Sink::Disk, |work| Work::timed(1.0, work))?;
        took.push(work.took.as_secs_f64());
    }
    println!("A core of {ops} operations arrives at a new node");
    println!("{}", Aim::below("seconds, signatures checked", median(took), OPS_SECONDS_MAX, "s"));
    Ok(())
}

fn measure_content(args: &Args, runtime: &Runtime, dir: &Path) -> Result<()> {
    let mib = args.mib.unwrap_or(MIB_DEFAULT);
    let data = incompressible(mib * 1024 * 1024);
    let from = runtime.block_on(Source::start(&dir.join("content")))?;
    runtime.block_on(publish(&from.world, &data))?;
    let cpu: [Cpu; 10] = Default::default();
    let amount = data.len() as f64;
    let file = dir.join("plain");
    let arrives = |of: usize, address: &NodeAddress, sink: Sink| {
        arrive(runtime, dir, address, sink, |work| cpu[of].timed(amount, work))
    };
    let plain = Transfer { data: &data, file: None, sealed: false, way: None };
    let to_file = Transfer { file: Some(&file), ..plain };
    let sends = |of: usize, transfer: Transfer<'_>| transfer.run(|work| cpu[of].timed(amount, work));
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("plain TCP + SHA-256", || sends(PLAIN, plain)),
            Contender::new("the same, and to a file", || sends(TO_FILE, to_file)),
            Contender::new("the same, and encrypted", || sends(SEALED, Transfer { sealed: true, ..to_file })),
            Contender::new("plain TCP + SHA-256, 40 ms away", || {
                sends(PLAIN_FAR, Transfer { way: Some((runtime, FAR_WAY)), ..plain })
            }),
            Contender::new("replication to a new node", || arrives(DIRECT, &from.direct, Sink::Disk)),
            Contender::new("the same over a libp2p stream", || arrives(STREAM, &from.stream, Sink::Disk)),
            Contender::new("replication to one 40 ms away", || arrives(FAR, &from.far, Sink::Disk)),
            Contender::new("replication to a node in memory", || {
                arrives(TO_MEMORY, &from.direct, Sink::Memory)
            }),
            Contender::new("plain TCP + SHA-256, 40 ms, 1 Gbit/s", || {
                sends(PLAIN_LINE, Transfer { way: Some((runtime, LINE_WAY)), ..plain })
            }),
            Contender::new("replication, 40 ms, 1 Gbit/s", || arrives(LINE, &from.line, Sink::Disk)),
        ],
    )?;
    let title = format!("{mib} MiB from node to node over loopback, against plain TCP and SHA-256");
    println!(
        "{}",
        Table { title, unit: "MB", unit_size: 1e6, reference: rates[PLAIN].median(), rates: &rates }
    );
    let share = |of: usize, against: usize| rates[of].median() / rates[against].median();
    println!("{}", Aim::at_least("at 40 ms, of plain TCP there", share(FAR, PLAIN_FAR), FAR_SHARE_MIN, ""));
    let line = Aim::at_least("the same over 1 Gbit/s", share(LINE, PLAIN_LINE), FAR_SHARE_MIN, "");
    println!("{line}");
    println!("{}\n", Aim::at_least("directly, of a libp2p stream", share(DIRECT, STREAM), 1.0, ""));
    let rates: Vec<_> = rates.iter().zip(cpu).map(|(rates, cpu)| cpu.rates(rates.name, amount)).collect();
    let title = "The same for each second of processor time, both ends together, and the delay's".to_owned();
    println!(
        "{}",
        Table { title, unit: "MB", unit_size: 1e6, reference: rates[PLAIN].median(), rates: &rates }
    );
    let share = |of: usize, against: usize| rates[of].median() / rates[against].median();
    let aim = |what, of, against| println!("{}", Aim::at_least(what, share(of, against), CPU_SHARE_MIN, ""));
    aim("processor time, of plain TCP + SHA-256", DIRECT, PLAIN);
    aim("processor time in memory, of plain TCP + SHA-256", TO_MEMORY, PLAIN);
    aim("processor time, of the same to a file", DIRECT, TO_FILE);
    aim("processor time, of the same to a file, encrypted", DIRECT, SEALED);
    Ok(())
}

/// A node that others reach.
struct Source {
    world: World,
    /// By TLS over TCP,
    direct: NodeAddress,
    /// the same, a long way off,
    far: NodeAddress,
    /// that over a line that is not boundless,
    line: NodeAddress,
    /// and by libp2p.
    stream: NodeAddress,
    _net: Net,
}

impl Source {
    async fn start(dir: &Path) -> Result<Self> {
        let world = World::open(dir)?;
        let key = world.node.identity.key().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        let address = |at| direct_address(at, &key.public()).context("an Ed25519 key");
        let direct = address(at)?.parse()?;
        let far = address(relay::start(at, FAR_WAY).await?)?.parse()?;
        let line = address(relay::start(at, LINE_WAY).await?)?.parse()?;
        tokio::spawn(Direct::new(key)?.serve(listener, world.node.replication.clone()));
        let listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
        let net = Net::start(key, &NetConfig { listen, ..quiet() }).await?;
        net.serve_replication(world.node.replication.clone());
        let stream = net.addresses().first().context("the node listens nowhere")?.to_string().parse()?;
        Ok(Self { world, direct, far, line, stream, _net: net })
    }
}

/// Nobody but who is named. Nodes in memory hold much, and it is nobody's fault here.
fn quiet() -> NetConfig {
    NetConfig { dht: DhtMode::Off, memory_bytes_max: Some(u64::MAX), ..NetConfig::default() }
}

/// Where a new node keeps what comes.
#[derive(Debug, Clone, Copy)]
enum Sink {
    Disk,
    Memory,
}

async fn publish(world: &World, data: &[u8]) -> Result<()> {
    let session = world.sign_in(PERSON).await?;
    let path = content_path(&["large".to_owned()])?;
    let target = Target { path, visibility: Visibility::Private, partial: false, media_type: None };
    let core = session.core;
    let mut upload = world.node.content.upload(session, core, target).await;
    for piece in data.chunks(PIECE_BYTES) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await?;
    Ok(())
}

async fn write_log(world: &World, ops: u64) -> Result<()> {
    let session = world.sign_in(PERSON).await?;
    let world = world.clone();
    each(ops, WRITERS, move |number| {
        let (world, session) = (world.clone(), Arc::clone(&session));
        async move { world.put(&session, number).await }
    })
    .await
}

/// Lets a new node connect and get all of the core, which is what `timed` does.
fn arrive(
    runtime: &Runtime,
    dir: &Path,
    address: &NodeAddress,
    sink: Sink,
    timed: impl FnOnce(&dyn Fn() -> Result<()>) -> Result<Work>,
) -> Result<Work> {
    // A place of its own each time: the last node may still be writing when its own is removed.
    let new = tempfile::tempdir_in(dir)?;
    let (world, session) = runtime.block_on(async {
        let world = match sink {
            Sink::Disk => World::open(new.path())?,
            Sink::Memory => World::in_memory(),
        };
        let key = world.node.identity.key().await?;
        let net = Net::start(key, &quiet()).await?;
        world.node.remotes.dial_by(Arc::new(NodeDialer::new(Direct::new(key)?, Vec::new()).with_net(net)));
        let session = world.sign_in(PERSON).await?;
        Ok::<_, anyhow::Error>((world, session))
    })?;
    let remotes = &world.node.remotes;
    let work = timed(&|| {
        runtime.block_on(async {
            let mut remote = remotes.add(&session, session.core, address.clone(), false).await?;
            while !remote.exchanged.settled {
                remote = remotes.sync(&session, session.core, &address.peer).await?;
            }
            ensure!(remote.exchanged.equal && remote.exchanged.incomplete == 0, "{remote:?}");
            Ok(())
        })
    })?;
    runtime.block_on(remotes.remove(&session, session.core, &address.peer))?;
    Ok(work)
}
