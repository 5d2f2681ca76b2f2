//! Operations from a peer: each is checked exactly like a posted one, and written through the core's one writer.

use std::{collections::HashSet, thread};

use kubelt_core::{Act, Body, CoreId, Login, MapPath, Verb, log::Refusal, sync::Received};

use super::{ChannelError, PeerFault, Replication};
use crate::{
    chains::Questions,
    content::PREFIX,
    exchange::{CheckError, Checker, FoundLogin},
    limits::INTAKE_THREADS_MAX,
    write::{SignedOp, Write, WriteError},
};

/// Takes the operations of one core in.
#[derive(Debug)]
pub(super) struct Intake {
    replication: Replication,
    core: CoreId,
    checker: Option<Checker>,
}

/// What has come of a window.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Operations that were new.
    pub(super) fresh: u64,
    /// Paths of content of operations that were not here before.
    pub(super) paths: Vec<MapPath>,
}

impl Intake {
    pub(super) fn new(replication: Replication, core: CoreId) -> Self {
        Self { replication, core, checker: Some(Checker::new(core)) }
    }

    /// Takes in what is good of a window; gives how many operations were new. One that cannot be judged here yet, or
    /// whose predecessors were not taken, is left for another sync. One that an honest peer would never have taken in
    /// itself is the peer's fault.
    ///
    /// What puts is taken with its body only: a header that is here is not sent again, so whoever withholds bodies could
    /// keep them from this node for ever.
    pub(super) async fn take(&mut self, mut received: Vec<Received>) -> Result<Taken, ChannelError> {
        received.retain(|op| op.body.is_some() || op.signed.header.verb != Verb::Put);
        let inner = &self.replication.0;
        let ids: Vec<_> = received.iter().map(|op| op.signed.id()).collect();
        let known = |log: &kubelt_core::Log| ids.iter().map(|id| log.contains(id)).collect::<Vec<_>>();
        let known = inner.cores.with_log(&self.core, known).await?;
        let unknown: Vec<_> =
            received.into_iter().zip(known).filter(|(_, known)| !known).map(|(op, _)| op).collect();
        if unknown.is_empty() {
            return Ok(Taken::default());
        }
        let content = |op: &Received| match op.body.as_ref().map(|Body { act, .. }| act) {
            Some(Act::Put { path, .. }) if path.prefix() == PREFIX => Some(path.clone()),
            _ => None,
        };
        let paths = unknown.iter().filter_map(content).collect();
        // A check that panicked leaves none.
        let mut checker = self.checker.take().unwrap_or_else(|| Checker::new(self.core));
        let questions = Questions::default();
        unknown.iter().for_each(|op| questions.of(&op.signed, op.body.as_ref(), op.login.as_deref()));
        checker.ask(&inner.exchange.chains, questions).await;
        let (store, core) = (inner.store.clone(), self.core);
        let checked = tokio::task::spawn_blocking(move || {
            let result = check(&mut checker, &store, &core, unknown);
            (checker, result)
        });
        let (checker, result) = checked.await.map_err(|_panicked| ChannelError::Closed)?;
        self.checker = Some(checker);
        let writes: Vec<_> = result?.into_iter().map(|op| Write::Op(Box::new(op))).collect();
        let mut fresh = 0;
        for result in inner.cores.write_all(self.core, writes).await {
            match result {
                Ok(written) => fresh += u64::from(written.fresh),
                Err(error) => judge(error)?,
            }
        }
        Ok(Taken { fresh, paths })
    }
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

/// Checks sign-ins one after the other, then signatures by all threads there are.
fn check(
    checker: &mut Checker,
    store: &kubelt_store::Store,
    core: &CoreId,
    received: Vec<Received>,
) -> Result<Vec<SignedOp>, ChannelError> {
    let mut pending = HashSet::new();
    for op in &received {
        let Some(id) = op.signed.header.login else { continue };
        let find = || match &op.login {
            Some(login) => Ok(Some(FoundLogin::Brought(Login::clone(login)))),
            None => match store.login(core, &id)? {
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
