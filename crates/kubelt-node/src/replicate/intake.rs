//! Operations from a peer: each is checked exactly like a posted one, and written through the core's one writer.

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kubelt_core::{
    CoreId, Log, Login, LoginId, Verb,
    log::Refusal,
    sync::{Message, Output, Received, Step},
};
use tokio::task::JoinHandle;

use super::{ChannelError, PeerFault, Replication};
use crate::{
    StoreError,
    chains::Questions,
    exchange::{CheckError, Checker, FoundLogin},
    limits::INTAKE_THREADS_MAX,
    write::{SignedOp, Write, WriteError},
};

/// Who checked a window, what was good of it, and what that took.
type Checked = (Checker, Result<Vec<SignedOp>, ChannelError>, Weight);

/// How many operations a window has, and what it took to check them.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    ops: u64,
    took: Duration,
}

/// Takes the operations of one core in, window by window: the signatures of one are checked while the one before it is
/// written, since both take about as long.
#[derive(Debug)]
pub(super) struct Intake {
    replication: Replication,
    core: CoreId,
    checker: Option<Checker>,
    checking: Option<JoinHandle<Checked>>,
    writing: Option<JoinHandle<Result<u64, ChannelError>>>,
    /// Of the window that is being written.
    weight: Weight,
    /// What it took to check operations that brought nothing.
    wasted: Duration,
}

impl Intake {
    pub(super) fn new(replication: Replication, core: CoreId) -> Self {
        let (weight, wasted) = (Weight::default(), Duration::ZERO);
        Self {
            replication,
            core,
            checker: Some(Checker::new(core)),
            checking: None,
            writing: None,
            weight,
            wasted,
        }
    }

    /// Begins to take in what is good of a window, once no other is being checked; gives how many operations of
    /// windows before it were new. One that cannot be judged here yet, or whose predecessors were not taken, is left for
    /// another sync. One that an honest peer would never have taken in itself is the peer's fault.
    ///
    /// What puts is taken with its body only: a header that is here is not sent again, so whoever withholds bodies could
    /// keep them from this node for ever.
    pub(super) async fn take(&mut self, mut received: Vec<Received>) -> Result<u64, ChannelError> {
        received.retain(|op| op.body.is_some() || op.signed.header.verb != Verb::Put);
        let mut fresh = 0;
        while self.checking.is_some() {
            fresh += self.advance().await?;
        }
        if received.is_empty() {
            return Ok(fresh);
        }
        // A check that panicked leaves none.
        let mut checker = self.checker.take().unwrap_or_else(|| Checker::new(self.core));
        let (replication, core) = (self.replication.clone(), self.core);
        self.checking = Some(tokio::spawn(async move {
            let questions = Questions::default();
            received.iter().for_each(|op| questions.of(&op.signed, op.body.as_ref(), op.login.as_deref()));
            checker.ask(&replication.0.exchange.chains, questions).await;
            let checked = tokio::task::spawn_blocking(move || {
                let kept = |id: &LoginId| replication.0.store.login(&core, id);
                let (began, ops) = (Instant::now(), received.len() as u64);
                let result = check(&mut checker, kept, received);
                (checker, result, Weight { ops, took: began.elapsed() })
            });
            checked.await.expect("checking does not panic")
        }));
        Ok(fresh)
    }

    /// Whether a window is on its way in.
    pub(super) const fn is_busy(&self) -> bool {
        self.checking.is_some() || self.writing.is_some()
    }

    /// Waits for the next thing to be done with windows that are on their way in; gives how many operations were new.
    /// It may be dropped at any time.
    pub(super) async fn advance(&mut self) -> Result<u64, ChannelError> {
        if let Some(writing) = &mut self.writing {
            let written = writing.await;
            self.writing = None;
            let fresh = written.map_err(|_panicked| ChannelError::Closed)??;
            let Weight { ops, took } = std::mem::take(&mut self.weight);
            self.wasted += took.mul_f64(ops.saturating_sub(fresh) as f64 / ops.max(1) as f64);
            return Ok(fresh);
        }
        if let Some(checking) = &mut self.checking {
            let checked = checking.await;
            self.checking = None;
            let (checker, ops, weight) = checked.map_err(|_panicked| ChannelError::Closed)?;
            (self.checker, self.weight) = (Some(checker), weight);
            self.writing = Some(tokio::spawn(write(self.replication.clone(), self.core, ops?)));
        }
        Ok(0)
    }

    /// Waits until nothing is on its way in; gives how many operations were new.
    pub(super) async fn finish(&mut self) -> Result<u64, ChannelError> {
        let mut fresh = 0;
        while self.is_busy() {
            fresh += self.advance().await?;
        }
        Ok(fresh)
    }

    /// What it took to check operations that brought nothing, since this was last asked: whoever sends what cannot be
    /// taken in, for want of what it follows, is at no fault, and pays for it.
    pub(super) const fn take_wasted(&mut self) -> Duration {
        std::mem::replace(&mut self.wasted, Duration::ZERO)
    }
}

/// Whether a message rests on the log as all windows before it leave it: others may be looked at meanwhile.
pub(super) const fn rests_on_log(message: &Message) -> bool {
    !matches!(message, Message::Headers { .. } | Message::Bodies { .. } | Message::Next)
}

/// A step without the operations that are here already.
pub(super) fn without_known(mut step: Step, log: &Log) -> Step {
    for output in &mut step.outputs {
        if let Output::Received(received) = output {
            received.retain(|op| !log.contains(&op.signed.id()));
        }
    }
    step
}

async fn write(replication: Replication, core: CoreId, ops: Vec<SignedOp>) -> Result<u64, ChannelError> {
    let writes = ops.into_iter().map(|op| Write::Op(Box::new(op))).collect();
    let mut fresh = 0;
    for result in replication.0.cores.write_all(core, writes).await {
        match result {
            Ok(written) => fresh += u64::from(written.fresh),
            Err(error) => judge(error)?,
        }
    }
    Ok(fresh)
}

/// Whose fault it is that an operation was not written.
fn judge(error: WriteError) -> Result<(), ChannelError> {
    match error {
        // A date ahead of this clock, predecessors that were left out, a queue that is full, too many forks, a value that only a later
        // version knows.
        WriteError::Refused(refusal)
            if matches!(&*refusal, Refusal::Ahead { .. } | Refusal::UnknownPrev(_) | Refusal::Full) =>
        {
            Ok(())
        }
        WriteError::Schema(_) | WriteError::Forked(_) => Ok(()),
        WriteError::Refused(refusal) => Err(PeerFault::Rule(refusal.to_string()).into()),
        WriteError::Entry(error) => Err(PeerFault::Rule(error.to_string()).into()),
        error => Err(ChannelError::Write(error)),
    }
}

/// Checks sign-ins one after the other, then signatures by all threads there are. `kept` gives the blocks of sign-ins that
/// were checked before.
pub(super) fn check(
    checker: &mut Checker,
    kept: impl Fn(&LoginId) -> Result<Option<Bytes>, StoreError>,
    received: Vec<Received>,
) -> Result<Vec<SignedOp>, ChannelError> {
    let mut pending = HashSet::new();
    for op in &received {
        let Some(id) = op.signed.header.login else { continue };
        let find = || match &op.login {
            Some(login) => Ok(Some(FoundLogin::Brought(Login::clone(login)))),
            None => match kept(&id)? {
                Some(block) => Ok(Some(FoundLogin::Kept(Login::decode(&block)?))),
                None => Ok(None),
            },
        };
        match checker.know(&id, find) {
            Ok(()) => {}
            Err(CheckError::Pending) => {
                pending.insert(id);
            }
            Err(error) => return Err(fault(error)),
        }
    }
    let waits = |op: &Received| op.signed.header.login.is_some_and(|id| pending.contains(&id));
    let mut ops: Vec<Received> = received.into_iter().filter(|op| !waits(op)).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(INTAKE_THREADS_MAX);
    let piece = ops.len().div_ceil(threads).max(1);
    let checker = &*checker;
    let mut pieces: Vec<Vec<Received>> = Vec::new();
    while !ops.is_empty() {
        let rest = ops.split_off(piece.min(ops.len()));
        pieces.push(std::mem::replace(&mut ops, rest));
    }
    let verified = thread::scope(|scope| {
        let run = |piece| scope.spawn(move || verify(checker, piece));
        let running: Vec<_> = pieces.into_iter().map(run).collect();
        let join = |one: thread::ScopedJoinHandle<'_, _>| one.join().expect("checking does not panic");
        running.into_iter().map(join).collect::<Result<Vec<_>, ChannelError>>()
    })?;
    Ok(verified.into_iter().flatten().collect())
}

fn verify(checker: &Checker, ops: Vec<Received>) -> Result<Vec<SignedOp>, ChannelError> {
    let mut verified = Vec::with_capacity(ops.len());
    for Received { signed, body, .. } in ops {
        match checker.verify(signed, body) {
            Ok(op) => verified.push(op),
            Err(CheckError::Pending) => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(verified)
}

fn fault(error: CheckError) -> ChannelError {
    match error {
        CheckError::Store(error) => error.into(),
        error => PeerFault::Forged(Box::new(error)).into(),
    }
}
