//! Receipts: whether a stranger can fetch what is published at a path now, for each way out, and if not, at which step
//! it fails.
//!
//! Each way is tried from outside, as far as that can be: the public URL of the node is asked as anybody, peers are
//! asked by a stranger whom nobody knows, the DHT and names are asked of others and not of what this node keeps. What
//! this node knows to be closed, by visibility, by the core's exposure or by the operator's denylist, is not tried:
//! nobody outside is told of a CID that is not public.
//!
//! A receipt is for the core's own people. Whoever else asks hears what is said where there is nothing.

mod door;
mod ways;

use std::{sync::Arc, time::Duration};

use cid::Cid;
use kubelt_core::{
    CoreId,
    schema::{Exit, Visibility},
};
use parking_lot::RwLock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

pub use door::{DoorAnswer, DoorError, Nearness, PublicDoor};

use crate::{
    access::{Access, Reader},
    content::{Content, ContentError, OwnEntry},
    ipns::Ipns,
    limits::{RECEIPTS_MAX, WAY_TIME_MAX},
    remote_pins::RemotePins,
    remotes::Remotes,
    routing::Peers,
    session::Session,
};

/// Makes receipts; cheap to clone.
#[derive(Debug, Clone)]
pub struct Receipts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    content: Content,
    access: Arc<Access>,
    ipns: Ipns,
    peers: Peers,
    remotes: Remotes,
    remote_pins: RemotePins,
    door: RwLock<Option<Arc<dyn PublicDoor>>>,
    making: Arc<Semaphore>,
}

/// What was published, and who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The core.
    pub core: CoreId,
    /// The path below `content/`.
    pub path: String,
    /// What it leads to.
    pub cid: Cid,
    /// Who may read it.
    pub visibility: Visibility,
}

/// A way on which content leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WayKind {
    /// By the core's path, over HTTP.
    HttpPath,
    /// By its CID, over HTTP.
    HttpCid,
    /// From this node, block by block.
    Peer,
    /// From another node that holds the core.
    Host,
    /// Found in the DHT.
    Dht,
    /// By the core's name.
    Ipns,
    /// From a pinning service.
    Pinning,
}

impl WayKind {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpPath => "http-path",
            Self::HttpCid => "http-cid",
            Self::Peer => "peer",
            Self::Host => "host",
            Self::Dht => "dht",
            Self::Ipns => "ipns",
            Self::Pinning => "pinning",
        }
    }

    /// The exit of the core by which it goes.
    const fn exit(self) -> Exit {
        match self {
            Self::HttpPath => Exit::Http,
            _ => Exit::Ipfs,
        }
    }
}

/// The step at which a way fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailingStep {
    /// The core's settings close it.
    Exposure,
    /// The operator serves it to nobody.
    Denylist,
    /// Nobody has set it up.
    Setup,
    /// No address is known under which strangers come.
    Address,
    /// Nobody was reached there.
    Connection,
    /// It was reached, and gave something else.
    Answer,
    /// The other node does not have all of it.
    Copy,
    /// Others have not heard of it.
    Announcement,
    /// It could not be tried in time, or at all.
    Trial,
}

impl FailingStep {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exposure => "exposure",
            Self::Denylist => "denylist",
            Self::Setup => "setup",
            Self::Address => "address",
            Self::Connection => "connection",
            Self::Answer => "answer",
            Self::Copy => "copy",
            Self::Announcement => "announcement",
            Self::Trial => "trial",
        }
    }
}

/// What came of trying a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Which way.
    pub kind: WayKind,
    /// Where it leads: a URL, a node, a name, a service.
    pub at: Option<String>,
    /// Whether a stranger gets the content.
    pub outcome: Result<Open, Shut>,
}

/// A way that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// For whom.
    pub nearness: Nearness,
    /// What was seen.
    pub detail: String,
}

/// A way that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// Where it fails.
    pub step: FailingStep,
    /// What was seen there.
    pub why: String,
    /// What opens it.
    pub remedy: Option<String>,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Nothing there, or nothing that whoever asks may know of.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Enough are being made.
    #[error("{RECEIPTS_MAX} receipts are being made; ask again in a moment")]
    Busy,
}

/// What all trials of one receipt need.
#[derive(Debug, Clone)]
struct Trial {
    inner: Arc<Inner>,
    session: Arc<Session>,
    core: CoreId,
    segments: Arc<[String]>,
    entry: Arc<OwnEntry>,
    ways: mpsc::Sender<Way>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Receipts {
    pub(crate) fn new(
        content: &Content,
        access: &Arc<Access>,
        ipns: &Ipns,
        peers: &Peers,
        remotes: &Remotes,
        remote_pins: &RemotePins,
    ) -> Self {
        Self(Arc::new(Inner {
            content: content.clone(),
            access: Arc::clone(access),
            ipns: ipns.clone(),
            peers: peers.clone(),
            remotes: remotes.clone(),
            remote_pins: remote_pins.clone(),
            door: RwLock::default(),
            making: Arc::new(Semaphore::new(RECEIPTS_MAX)),
        }))
    }

    /// From now on strangers come in over HTTP by this door.
    pub fn come_in_by(&self, door: Arc<dyn PublicDoor>) {
        *self.0.door.write() = Some(door);
    }

    /// Begins to try the ways out of what stands at `segments`; what comes of each is told when it is known, and the
    /// channel ends behind the last. Of what is not public no way is tried.
    ///
    /// # Errors
    /// [`ReceiptError::Content`] alike for what is missing and for who is none of the core's own people.
    pub async fn make(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        segments: &[String],
    ) -> Result<(Published, mpsc::Receiver<Way>), ReceiptError> {
        let reader = Reader::Session(Arc::clone(session));
        let entry = self.0.content.own_entry(&reader, &core, segments).await?;
        let place = Arc::clone(&self.0.making).try_acquire_owned().map_err(|_full| ReceiptError::Busy)?;
        let visibility = entry.named.visibility;
        let published = Published { core, path: segments.join("/"), cid: entry.cid, visibility };
        let (ways, told) = mpsc::channel(8);
        if visibility == Visibility::Public {
            let trial = Trial {
                inner: Arc::clone(&self.0),
                session: Arc::clone(session),
                core,
                segments: segments.into(),
                entry: Arc::new(entry),
                ways,
                _place: Arc::new(place),
            };
            trial.begin();
        }
        Ok((published, told))
    }
}

impl Trial {
    /// Tries every way at the same time.
    fn begin(&self) {
        for kind in [WayKind::HttpPath, WayKind::HttpCid, WayKind::Peer, WayKind::Dht, WayKind::Ipns] {
            self.spawn(kind, None, move |trial| Box::pin(async move { trial.one(kind).await }));
        }
        let trial = self.clone();
        tokio::spawn(async move {
            trial.begin_hosts().await;
            trial.begin_services().await;
        });
    }

    /// Tries one way in a task of its own, for a bounded time, unless it is known to be closed.
    fn spawn(
        &self,
        kind: WayKind,
        at: Option<String>,
        run: impl FnOnce(Self) -> ways::Trying + Send + 'static,
    ) {
        let trial = self.clone();
        tokio::spawn(async move {
            let way = match trial.closed(kind) {
                Some(shut) => Way { kind, at, outcome: Err(shut) },
                None => match timeout(WAY_TIME_MAX, run(trial.clone())).await {
                    Ok((found, outcome)) => Way { kind, at: found.or(at), outcome },
                    Err(_late) => Way { kind, at, outcome: Err(late(WAY_TIME_MAX)) },
                },
            };
            // Whoever asked may be gone.
            let _ = trial.ways.send(way).await;
        });
    }

    /// Why a way is closed, as far as this node decides that.
    fn closed(&self, kind: WayKind) -> Option<Shut> {
        if self.entry.is_denied {
            return Some(Shut {
                step: FailingStep::Denylist,
                why: "the operator of this node serves it to nobody".to_owned(),
                remedy: None,
            });
        }
        let exit = kind.exit();
        let closed_by = match self.inner.access.closed_by(&self.core, &self.entry.path, exit) {
            Ok(closed_by) => closed_by?,
            Err(error) => return Some(ways::untried(&error)),
        };
        let (exit, (core, setting)) = (exit.as_str(), closed_by);
        if core != self.core {
            return Some(Shut {
                step: FailingStep::Exposure,
                why: format!("`{setting}` of the core above, @{core}, lets nobody through to this one"),
                remedy: Some(
                    "ask those whom that core belongs to; it must name this one, and be open".to_owned(),
                ),
            });
        }
        Some(Shut {
            step: FailingStep::Exposure,
            why: format!("`{setting}` closes the exit `{exit}`"),
            remedy: Some(format!(
                "`kubelt config` shows what is set; let `{setting}` say `\"{exit}\": true`"
            )),
        })
    }
}

fn late(after: Duration) -> Shut {
    Shut {
        step: FailingStep::Trial,
        why: format!("nothing was heard within {} s", after.as_secs()),
        remedy: None,
    }
}
