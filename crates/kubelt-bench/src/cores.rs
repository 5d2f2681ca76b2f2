//! Reading from a node with many cores, against one with few.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kubelt_node::{Cores, Found, Reader};

use crate::args::Args;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure, median};
use crate::world::{World, greeting, greeting_path, runtime, wallet};

const FEW: u64 = 100;
const MANY_DEFAULT: u64 = 100_000;
/// Reads in one round.
const READS: usize = 20_000;
/// Cores whose addresses are made ready; strides spread them over all.
const READERS: u64 = 5_000;
const SLOWER_MAX: f64 = 2.0;
/// Ten times the cores may cost one more level of the index.
const TENFOLD_SLOWER_MAX: f64 = 1.5;

pub(crate) fn run(args: &Args) -> Result<()> {
    let many = args.count.unwrap_or(MANY_DEFAULT);
    let dir = args.scratch_dir()?;
    let runtime = runtime()?;
    let fill = |name: &str, cores: u64| -> Result<World> {
        let start = Instant::now();
        let world = World::open(&dir.path().join(name))?;
        runtime.block_on(world.fill(cores))?;
        let rate = cores as f64 / start.elapsed().as_secs_f64();
        println!("{cores} cores were signed in to and given a file each, at {rate:.0}/s");
        Ok(world)
    };
    let some = (many / 10).max(FEW);
    let worlds = [(fill("few", FEW)?, FEW), (fill("some", some)?, some), (fill("many", many)?, many)];
    println!();
    let latencies: [RefCell<Latencies>; 3] = std::array::from_fn(|_| RefCell::default());
    let read = |index: usize| {
        let (world, cores) = &worlds[index];
        let addresses: Vec<_> = spread(*cores).map(|person| (person, address(person))).collect();
        let latencies = &latencies[index];
        let runtime = &runtime;
        move || {
            let mut took = Vec::with_capacity(READS);
            let work =
                Work::timed(READS as f64, || runtime.block_on(read_all(world, &addresses, &mut took)))?;
            latencies.borrow_mut().add(took);
            Ok(work)
        }
    };
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("few cores: all in memory", read(0)),
            Contender::new("a tenth of many cores", read(1)),
            Contender::new("many cores", read(2)),
        ],
    )?;
    let title =
        format!("Resolve and read of a public file, one after the other: {FEW}, {some} and {many} cores");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "reads", unit_size: 1.0, reference, rates: &rates });
    println!(
        "| {:<12} | {:>8} | {:>8} |\n| {:-<12} | {:->7}: | {:->7}: |",
        "cores", "p50 µs", "p99 µs", "", "", ""
    );
    let [few, tenth, all] = latencies.map(RefCell::into_inner);
    for (latencies, (_, cores)) in [&few, &tenth, &all].into_iter().zip(&worlds) {
        println!("| {cores:<12} | {:>8.1} | {:>8.1} |", latencies.p50(), latencies.p99());
    }
    println!();
    println!("{}", Aim::below("p50, many over a tenth", all.p50() / tenth.p50(), TENFOLD_SLOWER_MAX, "x"));
    println!("{}", Aim::below("p99, many over a tenth", all.p99() / tenth.p99(), TENFOLD_SLOWER_MAX, "x"));
    println!("{}", Aim::below("p50, many over few", all.p50() / few.p50(), SLOWER_MAX, "x"));
    println!("{}", Aim::below("p99, many over few", all.p99() / few.p99(), SLOWER_MAX, "x"));
    Ok(())
}

/// Percentiles of each round, in microseconds.
#[derive(Default)]
struct Latencies {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Latencies {
    fn add(&mut self, mut took: Vec<Duration>) {
        took.sort();
        let at = |part: usize| took[took.len() * part / 100].as_secs_f64() * 1e6;
        self.p50.push(at(50));
        self.p99.push(at(99));
    }

    fn p50(&self) -> f64 {
        median(self.p50.clone())
    }

    fn p99(&self) -> f64 {
        median(self.p99.clone())
    }
}

/// Some of the people of a world, in an order that has nothing to do with how they were stored.
fn spread(cores: u64) -> impl Iterator<Item = u64> {
    let count = cores.min(READERS);
    (0..count).map(move |index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % cores)
}

fn address(person: u64) -> String {
    wallet(person).account().to_string()
}

async fn read_all(world: &World, addresses: &[(u64, String)], took: &mut Vec<Duration>) -> Result<()> {
    let path = greeting_path();
    for (person, address) in addresses.iter().cycle().take(READS) {
        let start = Instant::now();
        let read = read_one(world, address, &path).await?;
        took.push(start.elapsed());
        ensure!(read == greeting(*person).as_bytes(), "person {person} has another greeting");
    }
    Ok(())
}

/// What a request for `/@address/path` costs a node behind its HTTP edge.
async fn read_one(world: &World, address: &str, path: &[String]) -> Result<Vec<u8>> {
    let core = Cores::resolve(&[address.to_owned()]);
    let found = world.node.content.find(&Reader::Anonymous, &core, path).await?;
    let Found::File(file) = found else { anyhow::bail!("not a file") };
    let mut bytes = Vec::new();
    for piece in world.node.content.read(&file, 0..file.size)? {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}
