//! Checking a whole core that somebody handed over, with no trust in them.

use std::collections::HashMap;

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    genesis::Genesis,
    id::{BodyId, OpId},
    login::Login,
    op::{Body, Signed},
    replica::{Replica, TakeError, Taken},
    signature::ContractSignatures,
    sync::Received,
};

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// Operations that are well-formed and signed.
    pub ops: usize,
    /// Those of them that count.
    pub effective: usize,
    /// Those of them that do not.
    pub void: usize,
    /// Operations that wait: what they follow was not handed over, or their date has not come.
    pub waiting: usize,
    /// Operations whose body was not handed over.
    pub withheld: usize,
    /// The heads, by (`at`, id).
    pub heads: Vec<OpId>,
    /// The id of the state as a checkpoint block: equal for everybody with the same operations.
    pub state: BodyId,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// Something wrong with what was handed over.
#[derive(Debug)]
pub enum Problem {
    /// A login that is not good.
    Login(crate::id::LoginId, crate::session::LoginError),
    /// An operation that is not good.
    Op(OpId, TakeError),
    /// An operation that follows others that were not handed over, or that is dated in the future.
    Waits(OpId),
    /// A contract wallet's signature that only its chain can answer for.
    Pending(OpId),
    /// A seal that names a state other than its past adds up to.
    Checkpoint(CheckpointError),
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks logins and operations of one core, given in any order, at `now_ms` milliseconds since the Unix epoch. Gives
/// the replica that they make up, too.
pub fn verify(
    genesis: Genesis,
    logins: impl IntoIterator<Item = Login>,
    ops: impl IntoIterator<Item = (Signed, Option<Body>)>,
    now_ms: u64,
    contracts: &dyn ContractSignatures,
) -> (Report, Replica) {
    let mut replica = Replica::new(genesis);
    let mut problems = Vec::new();
    for login in logins {
        if let Err(error) = replica.take_login(&login, contracts) {
            problems.push(Problem::Login(login.id(), error));
        }
    }
    // By (`at`, id), so that parents come first and nothing needs to wait for long.
    let mut ops: Vec<(OpId, Signed, Option<Body>)> =
        ops.into_iter().map(|(signed, body)| (signed.id(), signed, body)).collect();
    ops.sort_by_key(|(id, signed, _)| (signed.header.at, *id));
    for (id, signed, body) in ops {
        match replica.take(Received { signed, login: None, body }, now_ms, contracts) {
            Ok(Taken::In | Taken::Known) => {}
            Ok(Taken::Waits | Taken::Dropped) => problems.push(Problem::Waits(id)),
            Ok(Taken::Pending) => problems.push(Problem::Pending(id)),
            Err(error) => problems.push(Problem::Op(id, error)),
        }
    }
    for (seal, _) in replica.log().checkpoints() {
        match Checkpoint::verify(&replica, &seal) {
            Ok(_) | Err(CheckpointError::BodyMissing(_)) => {}
            Err(error) => problems.push(Problem::Checkpoint(error)),
        }
    }
    let mut standing: HashMap<bool, usize> = HashMap::new();
    for (_, _, _, effective) in replica.log().ops() {
        *standing.entry(effective).or_default() += 1;
    }
    let count = |effective| standing.get(&effective).copied().unwrap_or(0);
    let report = Report {
        ops: replica.log().len(),
        effective: count(true),
        void: count(false),
        waiting: replica.waiting().len(),
        withheld: replica.entries().filter(|entry| entry.body().is_none()).count(),
        heads: replica.log().heads(),
        state: Checkpoint::of(replica.log().core(), replica.state()).id(),
        problems,
    };
    (report, replica)
}
