//! Durable signed writes, against the bare group commit of the same store engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kubelt_node::Session;
use kubelt_store::Store;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::report::Table;
use crate::rounds::{Contender, Work, measure};
use crate::world::{World, runtime};

const CLIENTS: [usize; 3] = [1, 8, 64];
/// How long clients write in one round.
const SPAN: Duration = Duration::from_millis(700);
/// Writes by which the size of one is measured.
const SAMPLE: u64 = 200;

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = args.scratch_dir()?;
    let world = World::open(&dir.path().join("node"))?;
    let bare = World::open(&dir.path().join("bare"))?;
    let runtime = runtime()?;
    let sessions = runtime.block_on(async {
        let mut sessions = Vec::new();
        for person in 0..CLIENTS[2] as u64 {
            sessions.push(world.sign_in(person).await?);
        }
        Ok::<_, anyhow::Error>(sessions)
    })?;
    let bytes = runtime.block_on(bytes_of_a_write(&world, &sessions[0]))?;
    for clients in CLIENTS {
        let rates = measure(
            args.rounds,
            &mut [
                Contender::new("bare group commit of the store", || {
                    bare_commits(&runtime, &bare.store, clients, bytes)
                }),
                Contender::new("signed writes, all to one core", || {
                    signed_writes(&runtime, &world, clients, |_client| Arc::clone(&sessions[0]))
                }),
                Contender::new("signed writes, a core for each client", || {
                    signed_writes(&runtime, &world, clients, |client| Arc::clone(&sessions[client]))
                }),
            ],
        )?;
        let title = format!("Durable writes of {bytes} bytes, clients: {clients}");
        let reference = rates[0].median();
        println!("{}", Table { title, unit: "writes", unit_size: 1.0, reference, rates: &rates });
    }
    Ok(())
}

/// What one signed write takes in the segments.
async fn bytes_of_a_write(world: &World, session: &Arc<Session>) -> Result<usize> {
    let before = world.store.stats()?.segment_bytes;
    for number in 0..SAMPLE {
        world.put(session, number).await?;
    }
    let bytes = (world.store.stats()?.segment_bytes - before) / SAMPLE;
    usize::try_from(bytes).context("a write is small")
}

fn signed_writes(
    runtime: &Runtime,
    world: &World,
    clients: usize,
    session_of: impl Fn(usize) -> Arc<Session>,
) -> Result<Work> {
    let clients = (0..clients).map(|client| {
        let (world, session, first) = (world.clone(), session_of(client), client as u64 * 1_000);
        move |number| {
            let (world, session) = (world.clone(), Arc::clone(&session));
            async move { world.put(&session, first + number).await }
        }
    });
    for_a_while(runtime, clients)
}

fn bare_commits(runtime: &Runtime, store: &Store, clients: usize, bytes: usize) -> Result<Work> {
    let value: Arc<[u8]> = vec![7; bytes].into();
    let clients = (0..clients).map(|client| {
        let (store, value) = (store.clone(), Arc::clone(&value));
        move |number: u64| {
            let mut tx = store.begin();
            let key = [client.to_be_bytes(), number.to_be_bytes()].concat();
            let put = tx.put_meta("bench", &key, Some(&value));
            async move {
                put?;
                Ok(tx.commit().await?)
            }
        }
    });
    for_a_while(runtime, clients)
}

/// Lets each client write one thing after the other until the time is over.
fn for_a_while<C, Done>(runtime: &Runtime, clients: impl Iterator<Item = C>) -> Result<Work>
where
    C: Fn(u64) -> Done + Send + 'static,
    Done: Future<Output = Result<()>> + Send,
{
    let start = Instant::now();
    let done = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for client in clients {
            tasks.spawn(async move {
                let mut number = 0;
                while start.elapsed() < SPAN {
                    client(number).await?;
                    number += 1;
                }
                Ok::<_, anyhow::Error>(number)
            });
        }
        let mut done = 0;
        while let Some(number) = tasks.join_next().await {
            done += number.context("a client panicked")??;
        }
        Ok::<_, anyhow::Error>(done)
    })?;
    Ok(Work { amount: done as f64, took: start.elapsed() })
}
