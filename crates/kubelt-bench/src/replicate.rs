//! A core from one node to a new one over loopback: content against plain TCP with SHA-256, and a long log.

use std::io::{Read, Write};
use std::net::{TcpListener as StdListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kubelt_core::schema::Visibility;
use kubelt_net::{Direct, NodeDialer, direct_address};
use kubelt_node::{NodeAddress, Target, content_path};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::machine::incompressible;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Rates, Work, measure, median};
use crate::world::{World, each, runtime};

const MIB_DEFAULT: usize = 1_024;
const OPS_DEFAULT: u64 = 100_000;
const PERSON: u64 = 1;
/// Pieces of the plain transfer: leaves of a file.
const PIECE_BYTES: usize = 1024 * 1024;
const CPU_SHARE_MIN: f64 = 0.8;
const OPS_SECONDS_MAX: f64 = 5.0;
const WRITERS: usize = 256;

pub(crate) fn run(args: &Args) -> Result<()> {
    let mib = args.mib.unwrap_or(MIB_DEFAULT);
    let ops = args.count.unwrap_or(OPS_DEFAULT);
    let dir = args.scratch_dir()?;
    let runtime = runtime()?;
    let data = incompressible(mib * 1024 * 1024);
    let (content, address) = runtime.block_on(source(&dir.path().join("content")))?;
    runtime.block_on(publish(&content, &data))?;
    let (plain_cpu, disk_cpu, own_cpu) = <(Cpu, Cpu, Cpu)>::default();
    let amount = data.len() as f64;
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("plain TCP + SHA-256", || plain_cpu.during(|| plain(&data, None))),
            Contender::new("the same, and to a file", || {
                disk_cpu.during(|| plain(&data, Some(&dir.path().join("plain"))))
            }),
            Contender::new("replication to a new node", || {
                own_cpu.during(|| {
                    let took = arrive(&runtime, &dir.path().join("new"), &address)?;
                    Ok(Work { amount, took })
                })
            }),
        ],
    )?;
    let title = format!("{mib} MiB from node to node over loopback, against plain TCP and SHA-256");
    println!("{}", Table { title, unit: "MB", unit_size: 1e6, reference: rates[0].median(), rates: &rates });
    let per_cpu = |name, cpu: Cpu| {
        let per_second = cpu.0.into_inner().into_iter().map(|seconds| amount / seconds).collect();
        Rates { name, per_second }
    };
    let rates = [
        per_cpu("plain TCP + SHA-256", plain_cpu),
        per_cpu("the same, and to a file", disk_cpu),
        per_cpu("replication to a new node", own_cpu),
    ];
    let title = "The same for each second of processor time, both ends together".to_owned();
    println!("{}", Table { title, unit: "MB", unit_size: 1e6, reference: rates[0].median(), rates: &rates });
    let share = |of: usize| rates[2].median() / rates[of].median();
    println!("{}", Aim::at_least("processor time, of plain TCP + SHA-256", share(0), CPU_SHARE_MIN, ""));
    println!("{}", Aim::at_least("processor time, of the same to a file", share(1), CPU_SHARE_MIN, ""));
    drop(content);

    let (log, address) = runtime.block_on(source(&dir.path().join("log")))?;
    runtime.block_on(write_log(&log, ops))?;
    let mut took = Vec::new();
    for _ in 0..args.rounds {
        took.push(arrive(&runtime, &dir.path().join("new"), &address)?.as_secs_f64());
    }
    println!("A core of {ops} operations arrives at a new node");
    println!("{}", Aim::below("seconds, signatures checked", median(took), OPS_SECONDS_MAX, "s"));
    Ok(())
}

/// Processor time of each round, in seconds.
#[derive(Default)]
struct Cpu(std::cell::RefCell<Vec<f64>>);

impl Cpu {
    fn during(&self, work: impl FnOnce() -> Result<Work>) -> Result<Work> {
        let before = cpu_seconds()?;
        let work = work()?;
        self.0.borrow_mut().push(cpu_seconds()? - before);
        Ok(work)
    }
}

/// What this process has used of the processors, itself and in the system.
fn cpu_seconds() -> Result<f64> {
    /// What Linux counts in, whatever its own ticks are (`USER_HZ`).
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").context("processor time is read from /proc")?;
    let after_name = stat.rsplit_once(')').context("a line of /proc/self/stat")?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>());
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}

/// A node that listens for others, and where.
async fn source(dir: &Path) -> Result<(World, NodeAddress)> {
    let world = World::open(dir)?;
    let key = world.node.identity.key().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = direct_address(listener.local_addr()?, &key.public()).context("an Ed25519 key")?;
    tokio::spawn(Direct::new(key)?.serve(listener, world.node.replication.clone()));
    Ok((world, address.parse()?))
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

/// How long it takes from the connection until a new node has all of the core.
fn arrive(runtime: &Runtime, dir: &Path, address: &NodeAddress) -> Result<Duration> {
    let took = runtime.block_on(async {
        let world = World::open(dir)?;
        let key = world.node.identity.key().await?;
        world.node.remotes.dial_by(Arc::new(NodeDialer::new(Direct::new(key)?, Vec::new())));
        let session = world.sign_in(PERSON).await?;
        let start = Instant::now();
        let mut remote = world.node.remotes.add(&session, session.core, address.clone(), false).await?;
        while !remote.exchanged.settled {
            remote = world.node.remotes.sync(&session, session.core, &address.peer).await?;
        }
        let took = start.elapsed();
        ensure!(remote.exchanged.equal && remote.exchanged.incomplete == 0, "{remote:?}");
        world.node.remotes.remove(&session, session.core, &address.peer).await?;
        anyhow::Ok(took)
    })?;
    std::fs::remove_dir_all(dir).context("cannot remove the new node")?;
    Ok(took)
}

/// All bytes over a connection, hashed by whoever gets them; written to a file, too, where there is one.
fn plain(data: &[u8], file: Option<&Path>) -> Result<Work> {
    let listener = StdListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    let work = Work::timed(data.len() as f64, || {
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || -> Result<()> {
                let mut stream = TcpStream::connect(to)?;
                Ok(data.chunks(PIECE_BYTES).try_for_each(|piece| stream.write_all(piece))?)
            });
            let (mut stream, _) = listener.accept()?;
            let mut file = file.map(std::fs::File::create).transpose()?;
            let mut piece = vec![0; PIECE_BYTES];
            let mut left = data.len();
            while left > 0 {
                let len = left.min(PIECE_BYTES);
                stream.read_exact(&mut piece[..len])?;
                std::hint::black_box(Sha256::digest(&piece[..len]));
                if let Some(file) = &mut file {
                    file.write_all(&piece[..len])?;
                }
                left -= len;
            }
            if let Some(file) = &file {
                file.sync_data()?;
            }
            sending.join().expect("sending does not panic")
        })
    })?;
    if let Some(file) = file {
        std::fs::remove_file(file)?;
    }
    Ok(work)
}
