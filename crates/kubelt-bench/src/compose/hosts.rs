//! From a host name to the core that it leads to, among many names against among few.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kubelt_content::Ipld;
use kubelt_core::{Act, CoreId, HostName};
use kubelt_node::{Looking, Reader, TxtAnswer, TxtLookup, Write, worker::Step};
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure};
use crate::world::World;

const MANY_DEFAULT: u64 = 100_000;
const FEW: u64 = 100;
/// Names that one core binds: so many are looked up.
const PER_CORE: u64 = 1_000;
/// Requests in one round.
const REQUESTS: u64 = 20_000;
const SLOWER_MAX: f64 = 1.5;

/// A DNS that says of each host which core it is meant for: the one of its number.
#[derive(Debug)]
struct Dns(Vec<CoreId>);

impl TxtLookup for Dns {
    fn txt<'a>(&'a self, name: &'a str) -> Looking<'a> {
        let number =
            name.trim_start_matches("_kubelt.h").split('.').next().and_then(|text| text.parse::<u64>().ok());
        let core = number.and_then(|number| self.0.get(usize::try_from(number / PER_CORE).ok()?));
        let records = core.map(|core| format!("core={core}").into_bytes()).into_iter().collect();
        Box::pin(async { Ok(TxtAnswer { records, ttl: None }) })
    }

    fn alias<'a>(&'a self, _: &'a str) -> Looking<'a, Option<String>> {
        Box::pin(async { Ok(None) })
    }
}

pub(super) fn routing(args: &Args, runtime: &Runtime) -> Result<()> {
    let count = args.count.unwrap_or(MANY_DEFAULT);
    let worlds = [(FEW, runtime.block_on(world(FEW))?), (count, runtime.block_on(world(count))?)];
    let ask = |(count, world): &(u64, World)| {
        runtime.block_on(async {
            for n in 0..REQUESTS {
                // Not one after the other, as they lie.
                let host = name(n.wrapping_mul(7_919) % count);
                let found = world.node.host_names.find_for(&Reader::Anonymous, &host, &[]).await?;
                ensure!(black_box(found).is_some(), "`{host}` leads nowhere");
            }
            Ok(())
        })
    };
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("among few names", || Work::timed(REQUESTS as f64, || ask(&worlds[0]))),
            Contender::new("among many names", || Work::timed(REQUESTS as f64, || ask(&worlds[1]))),
        ],
    )?;
    let title = format!("From a host name to its core: {count} names against {FEW}, one thread");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "requests", unit_size: 1.0, reference, rates: &rates });
    println!(
        "{}",
        Aim::below("many names over few, time of a request", reference / rates[1].median(), SLOWER_MAX, "x")
    );
    Ok(())
}

fn name(number: u64) -> String {
    format!("h{number}.hosts.example")
}

/// A node with so many host names, all of them proved.
async fn world(count: u64) -> Result<World> {
    let world = World::in_memory();
    let cores = count.div_ceil(PER_CORE);
    world.fill(cores).await?;
    let mut ids = Vec::new();
    for person in 0..cores {
        let session = world.sign_in(person).await?;
        ids.push(session.core);
        for number in person * PER_CORE..count.min((person + 1) * PER_CORE) {
            let path = name(number).parse::<HostName>()?.path();
            let act = Act::Put { path, value: Ipld::Map([].into()) };
            world.node.cores.write(session.core, Write::Act { session: Arc::clone(&session), act }).await?;
        }
    }
    world.node.dnslinks.look_up_by(Arc::new(Dns(ids)));
    let worker = world.node.workers.get("hosts").context("there is a worker of hosts")?;
    while worker.step().await.map_err(|error| anyhow::anyhow!("{error}"))? == Step::More {}
    Ok(world)
}
