//! A node in this process over a store on disk, and people who sign in to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use kubelt_content::Ipld;
use kubelt_core::schema::Visibility;
use kubelt_core::{Act, EoaKey, MapPath};
use kubelt_node::{Node, Session, SystemClock, Target, Write, content_path};
use kubelt_store::{Options, Store};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const ORIGIN: &str = "localhost";
/// Work in flight while a world is filled, so that its commits share syncs.
const FILLING_AT_ONCE: usize = 256;

/// A node and its store.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) node: Node,
}

impl World {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let store = Store::open(dir, Options::default()).context("the store does not open")?;
        Ok(Self { node: Node::new(store.clone(), Arc::new(SystemClock)), store })
    }

    /// A node that keeps everything in memory.
    pub(crate) fn in_memory() -> Self {
        let store = Store::memory(Options::default());
        Self { node: Node::new(store.clone(), Arc::new(SystemClock)), store }
    }

    /// Another node over the same store, which has read nothing yet.
    pub(crate) fn fresh_node(&self) -> Node {
        Node::new(self.store.clone(), Arc::new(SystemClock))
    }

    /// Opens a session of a person; the first one creates their core.
    pub(crate) async fn sign_in(&self, person: u64) -> Result<Arc<Session>> {
        let key = wallet(person);
        let ask = kubelt_node::Ask::of(key.account());
        let challenge = self.node.sessions.challenge(ORIGIN, ask)?;
        let signature = key.sign(challenge.message.as_bytes());
        Ok(self.node.sessions.open(ORIGIN, &challenge.message, &signature).await?.session)
    }

    /// Puts a small value at a path that depends on `number`: one signed, durable operation.
    pub(crate) async fn put(&self, session: &Arc<Session>, number: u64) -> Result<()> {
        let path = MapPath::new(format!("config/bench/{}", number % 1_000))?;
        let value = Ipld::String(format!("a value of ordinary length, written as number {number:>16}"));
        let act = Act::Put { path, value };
        self.node.cores.write(session.core, Write::Act { session: Arc::clone(session), act }).await?;
        Ok(())
    }

    /// Creates the cores of the first `count` people, each with a public file at [`greeting_path`].
    pub(crate) async fn fill(&self, count: u64) -> Result<()> {
        let world = self.clone();
        each(count, FILLING_AT_ONCE, move |person| {
            let world = world.clone();
            async move {
                let session = world.sign_in(person).await?;
                let target = Target {
                    path: content_path(&greeting_path())?,
                    visibility: Visibility::Public,
                    partial: false,
                    media_type: None,
                };
                let core = session.core;
                let mut upload = world.node.content.upload(session, core, target).await;
                upload.write(Bytes::from(greeting(person))).await?;
                upload.finish().await?;
                Ok(())
            }
        })
        .await
    }
}

/// Where each core of a filled world has its file.
pub(crate) fn greeting_path() -> Vec<String> {
    vec!["site".to_owned(), "hello.txt".to_owned()]
}

/// What is in it.
pub(crate) fn greeting(person: u64) -> String {
    format!("person {person} says hello; ").repeat(16)
}

/// The wallet of a person.
pub(crate) fn wallet(person: u64) -> EoaKey {
    let mut secret = [1; 32];
    secret[24..].copy_from_slice(&person.to_be_bytes());
    EoaKey::from_secret(&secret).expect("far below the order of the curve")
}

/// A runtime as a node has it.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("the runtime does not start")
}

/// Does `job` for each number below `count`, `at_once` of them at a time.
pub(crate) async fn each<F, Done>(count: u64, at_once: usize, job: F) -> Result<()>
where
    F: Fn(u64) -> Done + Clone + Send + 'static,
    Done: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (job, next) = (job.clone(), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    number if number < count => job(number).await?,
                    _ => return Ok::<_, anyhow::Error>(()),
                }
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.context("a worker panicked")??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{World, each, runtime, wallet};
    use kubelt_core::Genesis;

    #[test]
    fn each_number_is_done_once_and_a_failure_is_heard() {
        let sum = Arc::new(AtomicU64::new(0));
        let runtime = runtime().expect("it starts");
        let counted = Arc::clone(&sum);
        runtime
            .block_on(each(101, 8, move |number| {
                let sum = Arc::clone(&counted);
                async move {
                    sum.fetch_add(number, Ordering::Relaxed);
                    Ok(())
                }
            }))
            .expect("nothing fails");
        assert_eq!(sum.load(Ordering::Relaxed), 5_050);
        assert!(runtime.block_on(each(3, 2, |_| async { anyhow::bail!("no") })).is_err());
    }

    #[test]
    fn a_filled_world_has_the_cores_of_its_people() {
        let dir = tempfile::TempDir::new().expect("a temporary directory can be made");
        let world = World::open(dir.path()).expect("it opens");
        runtime().expect("it starts").block_on(world.fill(5)).expect("it fills");
        assert_eq!(world.store.stats().expect("it has figures").cores, 5);
        let core = Genesis::Private { root: wallet(4).account() }.id();
        assert!(world.store.genesis(&core).expect("it reads").is_some());
    }
}
