//! The steps.

use std::{collections::HashSet, fmt};

use negentropy::{Id, Negentropy, NegentropyStorageVector};
use serde_bytes::ByteBuf;

use crate::{
    codec::DecodeError,
    id::{CoreId, OpId},
    limits::{SYNC_IDS_MAX, SYNC_RECON_BYTES_MAX, SYNC_RECON_ROUNDS_MAX, SYNC_WINDOWS_AHEAD_MAX},
    log::Log,
    op::Body,
    sync::{
        Allowed, Holdings, Message,
        window::{Incoming, Outgoing, Received},
    },
};

/// Why a sync is broken off; the peer does not keep to the protocol.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// It speaks of another core.
    #[error("the peer speaks of core `{0}`")]
    OtherCore(CoreId),
    /// A message where it cannot stand.
    #[error("`{0}` was not expected here")]
    Unexpected(&'static str),
    /// A window that is too large.
    #[error("a window is over its limits")]
    Window,
    /// A block in a message is not one.
    #[error("a block is malformed")]
    Block(#[source] DecodeError),
    /// The set reconciliation failed or does not end.
    #[error("the set reconciliation failed: {0}")]
    Recon(String),
}

/// What a step asks the caller to do, in this order, before the next step.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Check these operations and take them in, in this order.
    Received(Vec<Received>),
    /// Bodies that were asked for: check each against the operation that lacks it.
    Bodies(Vec<Body>),
    /// All that the peer gives has come.
    AllCame,
    /// The peer has no such core, or none to show.
    NotFound,
    /// The sync is over. The heads may still differ where operations were written meanwhile, are held, or
    /// were refused.
    Finished {
        /// Whether both sides have the same heads now.
        equal: bool,
    },
}

/// What a step gives.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Step {
    /// Messages to send, in this order.
    pub send: Vec<Message>,
    /// What to do.
    pub outputs: Vec<Output>,
}

/// One side of a sync of one core.
pub struct Sync {
    core: CoreId,
    allowed: Allowed,
    role: Role,
    phase: Phase,
    /// The initiator's reconciliation. The responder makes its own anew for each step: it holds the whole set.
    recon: Option<Recon>,
    recon_rounds: usize,
    wanted: HashSet<OpId>,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Windows that may be sent before the peer asks for more.
    credit: usize,
    sent: bool,
    peer_sent: bool,
    /// Whether the initiator may ask for more than its heads say.
    asks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Initiator,
    Responder,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Greeting,
    Reconciling,
    Exchanging,
    Closing,
    Over,
}

struct Recon {
    set: Negentropy<'static, NegentropyStorageVector>,
    have: Vec<Id>,
    need: Vec<Id>,
}

impl fmt::Debug for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sync")
            .field("core", &self.core)
            .field("role", &self.role)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Sync {
    /// Begins a sync: the side, and its first message. `allowed` is what the peer may get from here.
    pub fn start(from: &dyn Holdings, allowed: Allowed) -> (Self, Message) {
        let log = from.log();
        let wants = !from.lacking().is_empty();
        let sync = Self { asks: wants, ..Self::new(log.core(), allowed, Role::Initiator) };
        (sync, hello(log, false, wants))
    }

    /// Begins a sync of a core that has no operation here. Its genesis may come while the message is on its way.
    pub fn start_empty(core: CoreId) -> (Self, Message) {
        let hello = Message::Hello { core, heads: Vec::new(), count: 0, knows: false, wants: false };
        (Self::new(core, Allowed::Nothing, Role::Initiator), hello)
    }

    /// Awaits a sync of a core that is here. For a core that is not, answer [`Message::NotFound`].
    pub fn answer(core: CoreId, allowed: Allowed) -> Self {
        Self::new(core, allowed, Role::Responder)
    }

    /// Whether the sync has ended.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Takes the peer's next message.
    ///
    /// # Errors
    /// [`SyncError`] when the peer does not keep to the protocol; the sync is over then.
    pub fn step(&mut self, message: Message, from: &dyn Holdings) -> Result<Step, SyncError> {
        let mut step = Step::default();
        let result = self.take(message, from, &mut step);
        if result.is_err() {
            self.phase = Phase::Over;
        }
        result.map(|()| step)
    }

    fn new(core: CoreId, allowed: Allowed, role: Role) -> Self {
        Self {
            core,
            allowed,
            role,
            phase: Phase::Greeting,
            recon: None,
            recon_rounds: 0,
            wanted: HashSet::new(),
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            credit: SYNC_WINDOWS_AHEAD_MAX,
            sent: false,
            peer_sent: false,
            asks: false,
        }
    }

    fn take(&mut self, message: Message, from: &dyn Holdings, step: &mut Step) -> Result<(), SyncError> {
        match (self.role, self.phase, message) {
            (_, Phase::Greeting, Message::Hello { core, .. } | Message::NotFound { core })
                if core != self.core =>
            {
                return Err(SyncError::OtherCore(core));
            }
            (Role::Responder, Phase::Greeting, Message::Hello { heads, count, wants, .. }) => {
                self.greet(&heads, count, wants, from, step);
            }
            (Role::Initiator, Phase::Greeting, Message::Hello { heads, knows, .. }) => {
                return self.plan(&heads, knows, from, step);
            }
            (Role::Initiator, Phase::Greeting, Message::NotFound { .. }) => {
                self.phase = Phase::Over;
                step.outputs.push(Output::NotFound);
            }
            (Role::Responder, Phase::Exchanging | Phase::Reconciling, Message::Recon { bytes })
                if !self.peer_sent =>
            {
                return self.reconcile(&bytes, from, step);
            }
            (Role::Initiator, Phase::Reconciling, Message::Recon { bytes }) => {
                return self.reconcile(&bytes, from, step);
            }
            (
                Role::Responder,
                Phase::Exchanging | Phase::Reconciling,
                Message::Want { ops, bodies, more },
            ) if !self.peer_sent => {
                self.wanted.extend(ops.iter().filter(|op| from.log().contains(op)));
                self.outgoing.bodies(bodies.into_iter().filter(|op| from.log().contains(op)));
                if !more {
                    self.queue_wanted(from.log());
                }
            }
            (_, Phase::Exchanging | Phase::Reconciling, Message::Headers { ops, logins })
                if !self.peer_sent =>
            {
                self.incoming.headers(&ops, &logins)?;
            }
            (_, Phase::Exchanging | Phase::Reconciling, Message::Bodies { bodies, last })
                if !self.peer_sent =>
            {
                if let Some(window) = self.incoming.bodies(&bodies, last)? {
                    step.outputs.push(Output::Received(window.received));
                    step.outputs.push(Output::Bodies(window.bodies));
                    step.send.push(Message::Next);
                }
            }
            (_, Phase::Exchanging | Phase::Closing, Message::Next) => {
                self.credit = (self.credit + 1).min(SYNC_WINDOWS_AHEAD_MAX);
            }
            (_, Phase::Exchanging | Phase::Reconciling, Message::Sent) if !self.peer_sent => {
                self.peer_sent = true;
                step.outputs.push(Output::AllCame);
            }
            (_, _, Message::Done { heads }) => return self.close(&heads, from, step),
            (_, _, other) => return Err(SyncError::Unexpected(name(&other))),
        }
        self.proceed(from, step);
        Ok(())
    }

    /// The responder's answer to the first message.
    fn greet(&mut self, heads: &[OpId], count: u64, wants: bool, from: &dyn Holdings, step: &mut Step) {
        if self.allowed == Allowed::Nothing {
            self.phase = Phase::Over;
            step.send.push(Message::NotFound { core: self.core });
            step.outputs.push(Output::Finished { equal: false });
            return;
        }
        let log = from.log();
        let own = shown(log);
        if own == heads && count == log.len() as u64 && !wants {
            self.phase = Phase::Over;
            step.send.push(Message::Done { heads: own });
            step.outputs.push(Output::Finished { equal: true });
            return;
        }
        let knows = heads.len() < SYNC_IDS_MAX && heads.iter().all(|head| log.contains(head));
        step.send.push(hello(log, knows, false));
        self.phase = Phase::Exchanging;
        self.asks = wants || !knows;
        if knows {
            self.outgoing.ops(log.missing(heads));
        }
    }

    /// The initiator's decision.
    fn plan(
        &mut self,
        heads: &[OpId],
        knows: bool,
        from: &dyn Holdings,
        step: &mut Step,
    ) -> Result<(), SyncError> {
        let log = from.log();
        if knows {
            self.phase = Phase::Exchanging;
            if self.asks {
                self.ask(Vec::new(), from, step);
            }
        } else if heads.len() < SYNC_IDS_MAX && heads.iter().all(|head| log.contains(head)) {
            self.phase = Phase::Exchanging;
            self.offer(log.missing(heads));
            self.ask(Vec::new(), from, step);
        } else {
            self.phase = Phase::Reconciling;
            let mut recon = Recon::of(log)?;
            let first = recon.set.initiate().map_err(failed)?;
            self.recon = Some(recon);
            step.send.push(Message::Recon { bytes: ByteBuf::from(first) });
        }
        self.proceed(from, step);
        Ok(())
    }

    fn reconcile(&mut self, bytes: &[u8], from: &dyn Holdings, step: &mut Step) -> Result<(), SyncError> {
        self.recon_rounds += 1;
        if self.recon_rounds > SYNC_RECON_ROUNDS_MAX {
            return Err(SyncError::Recon("it does not end".to_owned()));
        }
        let mut recon = match self.recon.take() {
            Some(recon) => recon,
            None => Recon::of(from.log())?,
        };
        if self.role == Role::Responder {
            let answer = recon.set.reconcile(bytes).map_err(failed)?;
            step.send.push(Message::Recon { bytes: ByteBuf::from(answer) });
            return Ok(());
        }
        let answer = recon.set.reconcile_with_ids(bytes, &mut recon.have, &mut recon.need).map_err(failed)?;
        if let Some(answer) = answer {
            step.send.push(Message::Recon { bytes: ByteBuf::from(answer) });
            self.recon = Some(recon);
            return Ok(());
        }
        self.phase = Phase::Exchanging;
        let log = from.log();
        let ids = |ids: Vec<Id>| ids.into_iter().map(|id| OpId::from_digest(*id)).collect::<HashSet<_>>();
        self.offer(in_order(log, &ids(recon.have)));
        self.ask(ids(recon.need).into_iter().collect(), from, step);
        self.proceed(from, step);
        Ok(())
    }

    /// Asks for operations, and for the bodies that are lacking here.
    fn ask(&mut self, mut ops: Vec<OpId>, from: &dyn Holdings, step: &mut Step) {
        self.asks = true;
        ops.sort_unstable();
        let bodies = from.lacking();
        let parts = ops.chunks(SYNC_IDS_MAX).map(|ops| (ops.to_vec(), Vec::new()));
        let wants: Vec<_> =
            parts.chain(bodies.chunks(SYNC_IDS_MAX).map(|bodies| (Vec::new(), bodies.to_vec()))).collect();
        let count = wants.len();
        for (i, (ops, bodies)) in wants.into_iter().enumerate() {
            step.send.push(Message::Want { ops, bodies, more: i + 1 < count });
        }
    }

    fn offer(&mut self, ops: Vec<OpId>) {
        if self.allowed != Allowed::Nothing {
            self.outgoing.ops(ops);
        }
    }

    fn queue_wanted(&mut self, log: &Log) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|op| !self.outgoing.was_asked(op));
        if wanted.is_empty() {
            return;
        }
        self.outgoing.asked(in_order(log, &wanted));
    }

    /// Sends what may be sent now.
    fn proceed(&mut self, from: &dyn Holdings, step: &mut Step) {
        if self.phase != Phase::Exchanging {
            return;
        }
        while self.credit > 0 && !self.outgoing.is_empty() {
            self.credit -= 1;
            step.send.extend(self.outgoing.window(from, self.allowed));
        }
        let turn = self.role == Role::Initiator || self.peer_sent || !self.asks;
        if !self.sent && turn && self.outgoing.is_empty() {
            self.sent = true;
            step.send.push(Message::Sent);
        }
        if self.sent && self.peer_sent {
            self.phase = Phase::Closing;
            if self.role == Role::Initiator {
                step.send.push(Message::Done { heads: shown(from.log()) });
            }
        }
    }

    fn close(&mut self, heads: &[OpId], from: &dyn Holdings, step: &mut Step) -> Result<(), SyncError> {
        let answered = self.role == Role::Initiator && self.phase == Phase::Greeting;
        if self.phase != Phase::Closing && !answered {
            return Err(SyncError::Unexpected("done"));
        }
        self.phase = Phase::Over;
        let own = shown(from.log());
        let equal = own == heads;
        if self.role == Role::Responder {
            step.send.push(Message::Done { heads: own });
        }
        step.outputs.push(Output::Finished { equal });
        Ok(())
    }
}

impl Recon {
    fn of(log: &Log) -> Result<Self, SyncError> {
        let mut items = NegentropyStorageVector::with_capacity(log.len());
        for (id, at, _, _) in log.ops() {
            items.insert(at.bits(), Id::from_byte_array(*id.digest())).map_err(failed)?;
        }
        items.seal().map_err(failed)?;
        let set = Negentropy::owned(items, SYNC_RECON_BYTES_MAX as u64).map_err(failed)?;
        Ok(Self { set, have: Vec::new(), need: Vec::new() })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn failed(error: negentropy::Error) -> SyncError {
    SyncError::Recon(error.to_string())
}

/// Those of `ids` that are here, each after everything it follows.
fn in_order(log: &Log, ids: &HashSet<OpId>) -> Vec<OpId> {
    log.ops().map(|(id, _, _, _)| id).filter(|id| ids.contains(id)).collect()
}

/// The heads as a message shows them.
fn shown(log: &Log) -> Vec<OpId> {
    let mut heads = log.heads();
    heads.sort_unstable();
    heads.truncate(SYNC_IDS_MAX);
    heads
}

fn hello(log: &Log, knows: bool, wants: bool) -> Message {
    Message::Hello { core: log.core(), heads: shown(log), count: log.len() as u64, knows, wants }
}

const fn name(message: &Message) -> &'static str {
    match message {
        Message::Hello { .. } => "hello",
        Message::NotFound { .. } => "not-found",
        Message::Recon { .. } => "recon",
        Message::Want { .. } => "want",
        Message::Headers { .. } => "headers",
        Message::Bodies { .. } => "bodies",
        Message::Next => "next",
        Message::Sent => "sent",
        Message::Done { .. } => "done",
    }
}
