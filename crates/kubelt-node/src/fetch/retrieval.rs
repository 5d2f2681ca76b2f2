//! Content that is elsewhere, on its way to one reader.
//!
//! Nothing of it becomes anybody's: blocks pass through the memory of the request, and stay for a while in a cache that
//! only those may use who may have the node fetch. A reader of blocks ([`Retrieval::block`]) never waits; what it
//! lacks is [`Away`], which can be waited for, and then the reader asks again. Blocks that this node has are given only
//! where the reader may see them here: what others keep private is looked for elsewhere, like what nobody has.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use kubelt_content::{Block, Cid, Codec, links, read::Blocks as _};
use kubelt_core::Account;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, interval},
};

use super::{
    FetchProgress, FetchWay, Inner,
    ahead::Ahead,
    places::{Client, Place},
    search::{Purpose, Search},
    shelf::Shelf,
    ways::Ways,
};
use crate::{
    access::Reader,
    content::{Content, ContentError},
    limits::{
        FETCH_TICK, READ_BUDGET_BYTES, READ_HELD_BYTES_MAX, READ_IDLE, READ_STARVED_IDLE, READ_WANTS_MAX,
    },
};

/// Whose a block of the cache is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Of all, where anybody may have the node fetch.
    Anybody,
    /// Of one account: what somebody reads is not to be seen by how fast others get it.
    Account(Account),
}

/// Why content could not be brought to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetrievalError {
    /// The reader has enough under way.
    #[error("the node fetches too much for you already; wait until some of it is done")]
    ClientBusy,
    /// All have.
    #[error("the node fetches too much already; try again in a moment")]
    Busy,
    /// It took too long.
    #[error("the content did not arrive in time; try again, or for a part of it")]
    Timeout,
    /// It is too much for one request.
    #[error("more than `{0}` bytes are not fetched for one request; ask for a part of it, or pin it")]
    TooMuch(u64),
}

/// Content on its way to one reader; cheap to clone. It ends with its last clone.
#[derive(Debug, Clone)]
pub struct Retrieval(Arc<Request>);

#[derive(Debug)]
struct Request {
    inner: Arc<Inner>,
    errand: Errand,
    client: Client,
    hops: usize,
    began: Instant,
    /// Where the errand is asked, once it has begun.
    asks: Mutex<Option<mpsc::UnboundedSender<Ask>>>,
}

/// What is to be brought, to whom, and within which bounds.
#[derive(Debug, Clone)]
struct Errand {
    reader: Reader,
    owner: Owner,
    /// Whether others are asked at all.
    from_others: bool,
    until: Instant,
    bytes_max: u64,
    /// Blocks that came, and may be asked for again.
    held: Arc<Mutex<Shelf<Cid>>>,
    progress: FetchProgress,
}

/// A block that is asked for; without somebody to tell, one that was had, which says where its reader is.
#[derive(Debug)]
struct Ask {
    cid: Cid,
    told: Option<oneshot::Sender<Result<(), Refused>>>,
}

/// Why a block does not come.
#[derive(Debug, Clone, Copy)]
enum Refused {
    Missing,
    Denied,
    Because(RetrievalError),
}

/// A block that is not here, and may come.
#[derive(Debug, Clone)]
pub struct Away(Box<(Retrieval, Cid)>);

/// What a retrieval is begun with.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) reader: Reader,
    pub(super) client: Client,
    pub(super) owner: Owner,
    pub(super) from_others: bool,
    pub(super) hops: usize,
    pub(super) time_max: Duration,
    pub(super) bytes_max: u64,
}

impl Retrieval {
    pub(super) fn new(inner: Arc<Inner>, begin: Begin) -> Self {
        let Begin { reader, client, owner, from_others, hops, time_max, bytes_max } = begin;
        let errand = Errand {
            reader,
            owner,
            from_others,
            until: Instant::now() + time_max,
            bytes_max,
            held: Arc::new(Mutex::new(Shelf::new(READ_HELD_BYTES_MAX))),
            progress: FetchProgress::default(),
        };
        let began = Instant::now();
        Self(Arc::new(Request { inner, errand, client, hops, began, asks: Mutex::default() }))
    }

    /// How much came, and by which ways.
    pub fn progress(&self) -> &FetchProgress {
        &self.0.errand.progress
    }

    /// How long ago it was begun.
    pub fn age(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// A block that is here already.
    pub(crate) fn block(&self, cid: &Cid) -> Result<Bytes, Away> {
        let had = self.0.errand.held.lock().get(cid);
        match had {
            Some(data) => {
                if let Some(asks) = &*self.0.asks.lock() {
                    let _over = asks.send(Ask { cid: *cid, told: None });
                }
                Ok(data)
            }
            None => Err(Away(Box::new((self.clone(), *cid)))),
        }
    }

    /// Where blocks are asked for.
    fn asks(&self) -> Result<mpsc::UnboundedSender<Ask>, RetrievalError> {
        let mut asks = self.0.asks.lock();
        if let Some(asks) = &*asks {
            return Ok(asks.clone());
        }
        let place = self.0.inner.places.take(self.0.client.clone())?;
        let (asked, asking) = mpsc::unbounded_channel();
        let bringer = Bringer::new(&self.0, place);
        tokio::spawn(bringer.run(asking));
        Ok(asks.insert(asked).clone())
    }
}

impl Away {
    /// Which block.
    pub fn cid(&self) -> Cid {
        self.0.1
    }

    /// Waits until the block is here; then whoever lacked it asks again.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] where nobody has it, [`ContentError::Retrieval`] where a limit is met.
    pub async fn arrival(self) -> Result<(), ContentError> {
        let (retrieval, cid) = *self.0;
        let (told, telling) = oneshot::channel();
        let asks = retrieval.asks()?;
        // Once its time is over it takes no more; the ask goes, and who waits for its answer hears of that.
        drop(asks.send(Ask { cid, told: Some(told) }));
        match telling.await.unwrap_or(Err(Refused::Because(RetrievalError::Timeout))) {
            Ok(()) => Ok(()),
            Err(Refused::Missing) => Err(ContentError::NotFound),
            Err(Refused::Denied) => Err(ContentError::Denied),
            Err(Refused::Because(error)) => Err(error.into()),
        }
    }
}

/// The task that brings the blocks of one retrieval.
struct Bringer {
    inner: Arc<Inner>,
    errand: Errand,
    search: Search,
    ahead: Ahead,
    waiting: HashMap<Cid, Vec<oneshot::Sender<Result<(), Refused>>>>,
    /// Bytes that came from others.
    bytes: u64,
    _place: Place,
}

impl Bringer {
    fn new(request: &Request, place: Place) -> Self {
        let (inner, errand) = (Arc::clone(&request.inner), request.errand.clone());
        let ways = if errand.from_others { inner.ways.read().clone() } else { Ways::default() };
        let purpose = Purpose {
            hosts: inner.hosts_for(&errand.reader),
            session: errand.reader.session().map(Arc::clone),
            // A reader wants a part of a DAG, as a rule.
            takes_cars: false,
            budget_bytes: READ_BUDGET_BYTES,
            hops: request.hops,
            idle: READ_IDLE,
            starved_idle: READ_STARVED_IDLE,
        };
        let search = Search::new(Arc::clone(&inner), ways, purpose);
        Self {
            inner,
            errand,
            search,
            ahead: Ahead::default(),
            waiting: HashMap::new(),
            bytes: 0,
            _place: place,
        }
    }

    async fn run(mut self, mut asking: mpsc::UnboundedReceiver<Ask>) {
        let mut clock = interval(FETCH_TICK);
        loop {
            let refused = tokio::select! {
                ask = asking.recv() => match ask {
                    Some(ask) => self.asked(ask).await,
                    // The reader is gone.
                    None => return,
                },
                (way, block) = self.search.next() => self.came(way, block),
                _ = clock.tick() => self.look_at_clock(),
                () = tokio::time::sleep_until(self.errand.until) => Err(RetrievalError::Timeout),
            };
            if let Err(error) = refused {
                asking.close();
                while let Some(Ask { cid, told }) = asking.recv().await {
                    self.waiting.entry(cid).or_default().extend(told);
                }
                return self.refuse_all(Refused::Because(error));
            }
        }
    }

    async fn asked(&mut self, ask: Ask) -> Result<(), RetrievalError> {
        let Ask { cid, told } = ask;
        let ahead = self.ahead.asked(&cid);
        if let Some(told) = told {
            self.waiting.entry(cid).or_default().push(told);
            self.search.stir();
            self.seek(cid).await?;
        }
        for cid in ahead {
            if self.search.len() < READ_WANTS_MAX {
                self.seek(cid).await?;
            }
        }
        Ok(())
    }

    /// Brings a block from where its reader may have it, nearest first.
    async fn seek(&mut self, cid: Cid) -> Result<(), RetrievalError> {
        if self.errand.held.lock().has(&cid) {
            self.answer(&cid, Ok(()));
            return Ok(());
        }
        if self.search.wants(&cid) {
            return Ok(());
        }
        if self.inner.content.denylists().now().denies_cid(&cid) {
            self.answer(&cid, Err(Refused::Denied));
            return Ok(());
        }
        let cached = self.inner.cache.lock().get(&(self.errand.owner.clone(), cid));
        if let Some(data) = cached {
            return self.came(FetchWay::Cache, Block::trusted(cid, data));
        }
        if let Some(data) = here(&self.inner.content, &self.errand.reader, &cid).await {
            return self.came(FetchWay::Local, Block::trusted(cid, data));
        }
        if self.errand.from_others {
            self.search.want(vec![cid]);
        } else {
            self.answer(&cid, Err(Refused::Missing));
        }
        Ok(())
    }

    fn came(&mut self, way: FetchWay, block: Block) -> Result<(), RetrievalError> {
        let (cid, data) = block.into_parts();
        self.search.came(&cid);
        self.errand.progress.came(way, data.len());
        self.inner.counts.came(way, data.len());
        if way.is_remote() {
            self.bytes += data.len() as u64;
            // A slice of a message would keep all of it.
            let own = Bytes::copy_from_slice(&data);
            self.inner.cache.lock().put((self.errand.owner.clone(), cid), own);
        }
        // What cannot be read has no links; whoever reads it will say so.
        let below = Codec::of(&cid).ok().and_then(|codec| links(codec, &data).ok());
        self.ahead.came(&cid, data.len(), below.unwrap_or_default());
        self.errand.held.lock().put(cid, data);
        self.answer(&cid, Ok(()));
        let bytes_max = self.errand.bytes_max;
        if self.bytes > bytes_max { Err(RetrievalError::TooMuch(bytes_max)) } else { Ok(()) }
    }

    /// Ends the waiting where nothing comes any more.
    fn look_at_clock(&mut self) -> Result<(), RetrievalError> {
        if self.waiting.is_empty() || !self.search.is_over() {
            return Ok(());
        }
        let refused = match self.search.all_starve() {
            true => Refused::Missing,
            false => Refused::Because(RetrievalError::Timeout),
        };
        self.search.give_up();
        self.refuse_all(refused);
        Ok(())
    }

    fn answer(&mut self, cid: &Cid, answer: Result<(), Refused>) {
        for told in self.waiting.remove(cid).into_iter().flatten() {
            // The reader may be gone.
            let _gone = told.send(answer);
        }
    }

    fn refuse_all(&mut self, refused: Refused) {
        for told in self.waiting.drain().flat_map(|(_, waiting)| waiting) {
            let _gone = told.send(Err(refused));
        }
    }
}

/// A block of this node that the reader may see.
async fn here(content: &Content, reader: &Reader, cid: &Cid) -> Option<Bytes> {
    let (_, within) = content.let_in(reader, cid).await.ok()??;
    content.blocks(&within).block(cid).ok()
}
