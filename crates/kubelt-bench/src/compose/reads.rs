//! Reads of one small file: through the cores above it and by its core's id; by a holder through a gate and by anybody.
//!
//! A read is what a node does for a request below HTTP: find the core of the address, judge the reader, find the file, and
//! read its bytes. Answers that the HTTP edge keeps in memory would hide all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use kubelt_content::Ipld;
use kubelt_core::schema::{BlockTag, Visibility};
use kubelt_core::{Ability, Act, BlockRef, CoreId, Verb};
use kubelt_node::{
    Ask, Asking, ChainPort, ContractAnswers, ContractCall, Found, NewCore, Reader, Session, Target, Write,
    content_path,
};

use crate::args::Args;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure};
use crate::world::{World, runtime, wallet};

/// Cores from the first name of the address to the last.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const READS_DEFAULT: u64 = 20_000;
const HOPS_US_MAX: f64 = 1_000.0;
/// A gate's answer is in memory: as many reads as of what is public, but for the noise of the machine.
const GATED_MIN: f64 = 0.9;
const PAGE: &str = "hello from below";
const HOLDER: u64 = 2;

pub(super) fn run(args: &Args) -> Result<()> {
    let dir = args.scratch_dir()?;
    let runtime = runtime()?;
    let scene = runtime.block_on(Scene::new(dir.path()))?;
    let reads = args.count.unwrap_or(READS_DEFAULT);
    let (by_id, by_names) = (vec![scene.inner.to_string()], scene.names());
    let mut took: [Vec<Duration>; 4] = Default::default();
    let [direct, through, open, gated] = &mut took;
    let nobody = Reader::Anonymous;
    let read = |reader: &Reader, names: &[String], path: &str, took: &mut Vec<Duration>| {
        Work::timed(reads as f64, || runtime.block_on(scene.reads(reads, reader, names, path, took)))
    };
    let outer = vec![scene.outer.to_string()];
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("by the core's id", || read(&nobody, &by_id, "page", direct)),
            Contender::new("through five cores", || read(&nobody, &by_names, "page", through)),
            Contender::new("what is public, by a stranger", || read(&nobody, &outer, "open", open)),
            Contender::new("behind a gate, by a holder", || read(&scene.holder, &outer, "vip", gated)),
        ],
    )?;
    let title = format!("Reads of a small file, one after the other: {reads} each");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "reads", unit_size: 1.0, reference, rates: &rates });
    let mut added = |of: usize| micros(through, of) - micros(direct, of);
    for (what, of) in [("five hops add, at the median", 50), ("five hops add, at the 99th percentile", 99)] {
        println!("{}", Aim::below(what, added(of), HOPS_US_MAX, "µs"));
    }
    let ratio = rates[3].median() / rates[2].median();
    println!("{}", Aim::at_least("a gate answered from memory, of a public read", ratio, GATED_MIN, ""));
    println!();
    Ok(())
}

/// How long one read takes, in microseconds, where so many of a hundred are no slower.
fn micros(took: &mut [Duration], of: usize) -> f64 {
    took.sort_unstable();
    took[(took.len() - 1) * of / 100].as_secs_f64() * 1e6
}

/// A tree of cores with a page at its end, a gated path, and somebody who passes the gate.
struct Scene {
    world: World,
    outer: CoreId,
    inner: CoreId,
    holder: Reader,
}

impl Scene {
    async fn new(dir: &std::path::Path) -> Result<Self> {
        let world = World::open(dir)?;
        world.node.chains.ask_by(Arc::new(Rich) as Arc<dyn ChainPort>);
        let mut session = world.sign_in(1).await?;
        let mut cores = Vec::new();
        let mut from = session.core;
        for name in NAMES {
            let made = world.node.members.create(&session, &from, NewCore::named(name)).await?;
            ensure!(made.is_named, "`{name}` is named at once");
            cores.push(made.core);
            session = sign_in(&world, &cores).await?;
            from = made.core;
            begin(&world, &session, made.core).await?;
        }
        let [outer, .., inner] = cores.as_slice() else { bail!("there are several cores") };
        let scene = Self {
            outer: *outer,
            inner: *inner,
            holder: Reader::Session(world.sign_in(HOLDER).await?),
            world,
        };
        for (core, path, visibility) in [
            (*inner, "page", Visibility::Public),
            (*outer, "open", Visibility::Public),
            (*outer, "vip", Visibility::Members),
        ] {
            scene.publish(&session, core, path, visibility).await?;
        }
        let test =
            [("chain", Ipld::Integer(1)), ("contract", Ipld::String(format!("0x{}", "c0".repeat(20))))];
        let test = test.map(|(field, value)| (field.to_owned(), value)).into();
        let condition = Ipld::Map(BTreeMap::from([("erc721".to_owned(), Ipld::Map(test))]));
        let opens = Ipld::List(vec![Ipld::String("content/vip".to_owned())]);
        let gate = [("if", condition), ("opens", opens), ("keep", Ipld::Integer(3_600))];
        let gate = Ipld::Map(gate.map(|(field, value)| (field.to_owned(), value)).into());
        let act = Act::Put { path: "gates/holders".parse()?, value: gate };
        scene.world.node.cores.write(*outer, Write::Act { session, act }).await?;
        Ok(scene)
    }

    /// The address of the innermost core.
    fn names(&self) -> Vec<String> {
        let below = NAMES[1..].iter().map(|name| (*name).to_owned());
        std::iter::once(self.outer.to_string()).chain(below).collect()
    }

    async fn publish(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        path: &str,
        visibility: Visibility,
    ) -> Result<()> {
        let path = content_path(&[path.to_owned()])?;
        let target = Target { path, visibility, partial: false, media_type: None };
        let mut upload = self.world.node.content.upload(Arc::clone(session), core, target).await;
        upload.write(Bytes::from_static(PAGE.as_bytes())).await?;
        upload.finish().await?;
        Ok(())
    }

    async fn reads(
        &self,
        count: u64,
        reader: &Reader,
        names: &[String],
        path: &str,
        took: &mut Vec<Duration>,
    ) -> Result<()> {
        let (node, path) = (&self.world.node, [path.to_owned()]);
        for _ in 0..count {
            let began = Instant::now();
            let core = node.cores.resolve_for(reader, names).await?;
            let Found::File(file) = node.content.find(reader, &core, &path).await? else { bail!("a file") };
            let bytes = node.content.block(&file.cid, &file.within)?;
            took.push(began.elapsed());
            ensure!(bytes == PAGE.as_bytes(), "the page is read");
        }
        Ok(())
    }
}

/// Signs the first person in to several cores.
async fn sign_in(world: &World, cores: &[CoreId]) -> Result<Arc<Session>> {
    let all = || Verb::ALL.into_iter().filter(|verb| verb.session_may()).map(Ability::everywhere).collect();
    let key = wallet(1);
    let ask = Ask { cores: cores.iter().map(|core| (*core, all())).collect(), ..Ask::of(key.account()) };
    let challenge = world.node.sessions.challenge("localhost", ask)?;
    let signature = key.sign(challenge.message.as_bytes());
    Ok(world.node.sessions.open("localhost", &challenge.message, &signature).await?.session)
}

/// A shared core is dead until its root has signed something itself.
async fn begin(world: &World, session: &Arc<Session>, core: CoreId) -> Result<()> {
    let wish = kubelt_node::Wish::Put { path: "profile/name".parse()?, value: Ipld::String("x".to_owned()) };
    let mut posted = Vec::new();
    for drafted in world.node.members.draft(session, &core, wish).await? {
        let signed = wallet(1).sign_op(drafted.header, &drafted.body).context("it has words")?;
        let body = drafted.body.encode().into();
        posted.push(kubelt_node::exchange::PostedOp { signed: signed.encode().into(), body, login: None });
    }
    let reader = Reader::Session(Arc::clone(session));
    for written in world.node.exchange.post(&reader, &core, &posted).await {
        written?;
    }
    Ok(())
}

/// A chain on which everybody has everything.
#[derive(Debug)]
struct Rich;

impl ChainPort for Rich {
    fn knows(&self, _: u64) -> bool {
        true
    }

    fn known(&self) -> Vec<u64> {
        vec![1]
    }

    fn call<'a>(
        &'a self,
        chain: u64,
        _: BlockTag,
        calls: &'a [ContractCall],
    ) -> Asking<'a, Option<ContractAnswers>> {
        let (words, block) = (vec![Some([1; 32]); calls.len()], BlockRef { chain, number: 1, hash: [1; 32] });
        Box::pin(async move { Some(ContractAnswers { block, words }) })
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::args::Args;

    #[test]
    fn a_few_reads_of_each_kind_are_done() {
        let dir = tempfile::TempDir::new().expect("a temporary directory can be made");
        let args = Args { mib: None, count: Some(3), rounds: 1, dir: dir.path().to_owned() };
        run(&args).expect("all are read");
    }
}
