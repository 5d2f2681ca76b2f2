//! One DAG on its way here.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use kubelt_content::{Block, Cid, Codec, inline_content, links, read::Blocks as _};
use kubelt_core::CoreId;
use tokio::time::{Instant, interval};

use super::{
    Fetched, Inner, Ways, hosts,
    progress::{FetchProgress, FetchWay},
    search::{Purpose, Search},
};
use crate::{
    StoreError,
    access::Reader,
    content::{BlockSink, UploadError},
    limits::{
        DAG_BLOCKS_MAX, FETCH_BUDGET_BYTES, FETCH_IDLE, FETCH_LOOK_BLOCKS, FETCH_STARVED_IDLE, FETCH_TICK,
        FETCH_TIME_MAX, FETCH_WANTS_MAX,
    },
};

pub(super) struct Dag<'a> {
    inner: &'a Inner,
    core: CoreId,
    reader: &'a Reader,
    progress: &'a FetchProgress,
    sink: BlockSink,
    search: Search,
    /// Links that were not looked at, the next one last.
    frontier: Vec<Cid>,
    seen: HashSet<Cid>,
    until: Instant,
    denied: usize,
}

impl<'a> Dag<'a> {
    pub(super) fn new(
        inner: &'a Arc<Inner>,
        ways: Ways,
        core: &CoreId,
        reader: &'a Reader,
        progress: &'a FetchProgress,
    ) -> Result<Self, StoreError> {
        let purpose = Purpose {
            hosts: hosts::hosts_of(&inner.store, core)?,
            session: reader.session().map(Arc::clone),
            takes_cars: true,
            budget_bytes: FETCH_BUDGET_BYTES,
            hops: 0,
            idle: FETCH_IDLE,
            starved_idle: FETCH_STARVED_IDLE,
        };
        Ok(Self {
            inner,
            core: *core,
            reader,
            progress,
            sink: BlockSink::new(inner.content.clone(), *core),
            search: Search::new(Arc::clone(inner), ways, purpose),
            frontier: Vec::new(),
            seen: HashSet::new(),
            until: Instant::now() + FETCH_TIME_MAX,
            denied: 0,
        })
    }

    pub(super) async fn bring(
        mut self,
        root: &Cid,
        is_wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Fetched, UploadError> {
        self.push([*root]);
        let mut clock = interval(FETCH_TICK);
        let fetched = loop {
            if self.seen.len() > DAG_BLOCKS_MAX {
                break Fetched::TooLarge;
            }
            self.look_around().await?;
            if self.search.len() == 0 {
                break if self.denied == 0 { Fetched::Whole } else { Fetched::Missing(self.denied) };
            }
            self.progress.wants(self.search.len());
            tokio::select! {
                (way, block) = self.search.next() => self.came(way, block).await?,
                _ = clock.tick() => {
                    if !is_wanted() {
                        break Fetched::Stopped;
                    }
                    if self.search.is_over() || self.until < Instant::now() {
                        break Fetched::Missing(self.search.len());
                    }
                }
            }
        };
        self.progress.wants(0);
        self.sink.flush().await?;
        Ok(fetched)
    }

    fn push(&mut self, links: impl IntoIterator<Item = Cid>) {
        let at = self.frontier.len();
        let denylist = self.inner.content.denylists().now();
        for cid in links {
            if !self.seen.insert(cid) {
                continue;
            }
            // What the operator does not serve is not brought here either.
            if denylist.denies_cid(&cid) {
                self.denied += 1;
            } else {
                self.frontier.push(cid);
            }
        }
        // The first link is looked at first.
        self.frontier[at..].reverse();
    }

    fn follow(&mut self, cid: &Cid, data: &[u8]) {
        // What cannot be read has no links; that is told when all of it is here.
        let found = Codec::of(cid).ok().and_then(|codec| links(codec, data).ok());
        self.push(found.unwrap_or_default());
    }

    /// Takes what the core has, or its reader may see here, and wants the rest.
    async fn look_around(&mut self) -> Result<(), UploadError> {
        // Many at once: each look costs a turn of another thread.
        if self.search.len() > FETCH_WANTS_MAX / 2 {
            return Ok(());
        }
        while self.search.len() < FETCH_WANTS_MAX && !self.frontier.is_empty() {
            let from = self.frontier.len().saturating_sub(FETCH_LOOK_BLOCKS);
            let mut cids = self.frontier.split_off(from);
            cids.reverse();
            let (store, core) = (self.inner.store.clone(), self.core);
            let looked = tokio::task::spawn_blocking(move || {
                let look = |cid: Cid| Ok((cid, possessed(&store, &core, &cid)?));
                cids.into_iter().map(look).collect::<Result<Vec<_>, StoreError>>()
            });
            let mut missing = Vec::new();
            for (cid, had) in looked.await.expect("looking for blocks does not panic")? {
                match had {
                    Some(data) => self.follow(&cid, &data),
                    None if !self.take_here(&cid).await? => missing.push(cid),
                    None => {}
                }
            }
            self.search.want(missing);
        }
        Ok(())
    }

    /// Takes a block that the reader may see on this node.
    async fn take_here(&mut self, cid: &Cid) -> Result<bool, UploadError> {
        let Ok(Some((_, within))) = self.inner.content.let_in(self.reader, cid).await else {
            return Ok(false);
        };
        let Ok(data) = self.inner.content.blocks(&within).block(cid) else { return Ok(false) };
        self.came(FetchWay::Local, Block::trusted(*cid, data)).await?;
        Ok(true)
    }

    async fn came(&mut self, way: FetchWay, block: Block) -> Result<(), UploadError> {
        self.progress.came(way, block.data().len());
        self.inner.counts.came(way, block.data().len());
        self.follow(block.cid(), block.data());
        self.sink.put(block).await
    }
}

/// The bytes of a block that the core has; none of a leaf's, of which no links are needed.
fn possessed(store: &kubelt_store::Store, core: &CoreId, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
    if let Some(content) = inline_content(cid) {
        return Ok(Some(Bytes::copy_from_slice(content)));
    }
    if !store.possesses(core, cid)? {
        return Ok(None);
    }
    if cid.codec() == Codec::Raw.code() {
        return Ok(Some(Bytes::new()).filter(|_| store.has_block(cid).unwrap_or_default()));
    }
    store.block(cid)
}
