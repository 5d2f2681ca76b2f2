//! A core with a long history: reading it again, checking it again, and writing one more.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use kubelt_core::op::Signed;
use kubelt_core::signature::verify_signed;
use kubelt_core::{Genesis, Unchecked, Verdict};
use kubelt_node::{Clock, Node, OpsOrder, Reader, Session, SystemClock, exchange};
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure};
use crate::world::{World, each, runtime};

const OPS_DEFAULT: u64 = 100_000;
/// Writes handed in at once while the history is made.
const WRITING_AT_ONCE: usize = 1_000;
/// Signatures checked in one round.
const SIGNATURES: usize = 5_000;
/// Writes one after the other, and at once, in one round.
const SINGLE_WRITES: u64 = 200;
const WRITES_AT_ONCE: u64 = 5_000;
const SLOWER_MAX: f64 = 1.1;
const LONG: u64 = 1;

pub(crate) fn run(args: &Args) -> Result<()> {
    let ops = args.count.unwrap_or(OPS_DEFAULT);
    let dir = args.scratch_dir()?;
    let world = World::open(dir.path())?;
    let runtime = runtime()?;
    let long = runtime.block_on(world.sign_in(LONG))?;
    let start = Instant::now();
    write_at_once(&runtime, &world, &long, ops)?;
    let took = start.elapsed().as_secs_f64();
    println!(
        "{ops} signed operations were written, {WRITING_AT_ONCE} at once, at {:.0}/s\n",
        ops as f64 / took
    );
    read_again(args, &runtime, &world, &long, ops)?;
    write_one_more(args, &runtime, &world, &long, ops)
}

fn read_again(args: &Args, runtime: &Runtime, world: &World, long: &Arc<Session>, ops: u64) -> Result<()> {
    let file = runtime.block_on(export(&world.node, long))?;
    let signed = runtime.block_on(signatures(world, long))?;
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("Ed25519 alone, one by one, one core", || {
                Work::timed(signed.len() as f64, || check_signatures(&signed, long))
            }),
            Contender::new("everything checked, from an exported file", || {
                Work::timed(ops as f64, || {
                    let report = exchange::verify(file.as_slice(), SystemClock.now_ms())?;
                    ensure!(report.ops == ops, "{} operations of {ops}", report.ops);
                    Ok(())
                })
            }),
            Contender::new("loaded from the node's own store", || {
                let node = world.fresh_node();
                Work::timed(ops as f64, || runtime.block_on(load(&node, long)))
            }),
        ],
    )?;
    let title = format!("Replay of a core with {ops} operations, against checking signatures alone");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "ops", unit_size: 1.0, reference, rates: &rates });
    Ok(())
}

fn write_one_more(
    args: &Args,
    runtime: &Runtime,
    world: &World,
    long: &Arc<Session>,
    ops: u64,
) -> Result<()> {
    let newcomers = Cell::new(LONG);
    let newcomer = || {
        newcomers.set(newcomers.get() + 1);
        runtime.block_on(world.sign_in(newcomers.get()))
    };
    let one_by_one = |session: &Arc<Session>| {
        Work::timed(SINGLE_WRITES as f64, || runtime.block_on(each_in_turn(world, session, SINGLE_WRITES)))
    };
    let at_once = |session: &Arc<Session>| {
        Work::timed(WRITES_AT_ONCE as f64, || write_at_once(runtime, world, session, WRITES_AT_ONCE))
    };
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("one by one, new core", || one_by_one(&newcomer()?)),
            Contender::new("one by one, long core", || one_by_one(long)),
            Contender::new("1000 at once, new core", || at_once(&newcomer()?)),
            Contender::new("1000 at once, long core", || at_once(long)),
        ],
    )?;
    let singles = rates[0].median() / rates[1].median();
    let batches = rates[2].median() / rates[3].median();
    let title = format!("One more write on {ops} operations, against a core that was just created");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "writes", unit_size: 1.0, reference, rates: &rates });
    println!("{}", Aim::below("cost of one write, long over new", singles, SLOWER_MAX, "x"));
    println!("{}", Aim::below("cost of one of many, long over new", batches, SLOWER_MAX, "x"));
    Ok(())
}

fn write_at_once(runtime: &Runtime, world: &World, session: &Arc<Session>, count: u64) -> Result<()> {
    let (world, session) = (world.clone(), Arc::clone(session));
    runtime.block_on(each(count, WRITING_AT_ONCE, move |number| {
        let (world, session) = (world.clone(), Arc::clone(&session));
        async move { world.put(&session, number).await }
    }))
}

async fn each_in_turn(world: &World, session: &Arc<Session>, count: u64) -> Result<()> {
    for number in 0..count {
        world.put(session, number).await?;
    }
    Ok(())
}

/// Listing the members of a core loads its whole log, and writes nothing.
async fn load(node: &Node, session: &Session) -> Result<()> {
    let core = Genesis::Private { root: session.account().clone() }.id();
    let listed = node.members.list(session, &core).await?;
    black_box(listed);
    Ok(())
}

async fn export(node: &Node, session: &Arc<Session>) -> Result<Vec<u8>> {
    let reader = Reader::Session(Arc::clone(session));
    let mut file = Vec::new();
    for piece in node.exchange.export(&reader, &session.core).await? {
        file.extend_from_slice(&piece?);
    }
    Ok(file)
}

async fn signatures(world: &World, session: &Arc<Session>) -> Result<Vec<Signed>> {
    let reader = Reader::Session(Arc::clone(session));
    let page = world.node.exchange.ops(&reader, &session.core, None, OpsOrder::Forward, SIGNATURES).await?;
    Ok(page.ops.into_iter().map(|op| op.signed).collect())
}

fn check_signatures(signed: &[Signed], session: &Session) -> Result<()> {
    for signed in signed {
        let verdict = verify_signed(signed, None, Some(&session.login.session), &Unchecked)?;
        ensure!(verdict == Verdict::Valid, "a signature is not good");
    }
    Ok(())
}
