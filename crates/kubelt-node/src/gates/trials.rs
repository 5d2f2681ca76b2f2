//! Trials at gates: who is tried, what was found, and for how long that holds.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use kubelt_core::{
    Account, CoreId, MapPath, Verb,
    schema::{Gate, gate::Outcome},
};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::{GateTable, Trial, Unasked};
use crate::{
    Reader, StoreError,
    chains::Chains,
    clock::Clock,
    limits::{
        GATE_TRIALS_KEPT_MAX, GATE_TRIALS_PER_ACCOUNT_MAX, GATE_TRIALS_PER_MINUTE_MAX, GATE_UNKNOWN_KEPT_MS,
    },
    session::Session,
};

/// Tries accounts at gates; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Trials {
    pub(super) table: GateTable,
    chains: Chains,
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    trials: HashMap<TrialOf, Arc<Running>>,
    /// The minute of the counts below.
    minute: u64,
    begun: usize,
    begun_by: HashMap<Account, usize>,
}

/// Whose trial at which gate, as the gate stands: one that changes is another, and the same one of two cores is one.
type TrialOf = (Arc<Gate>, Account);

/// A trial that several may wait for.
#[derive(Debug, Default)]
struct Running {
    trial: OnceCell<Arc<Trial>>,
    until_ms: OnceLock<u64>,
}

impl Trials {
    pub(crate) fn new(table: GateTable, chains: Chains, clock: Arc<dyn Clock>) -> Self {
        Self { table, chains, clock, kept: Arc::default() }
    }

    /// Whether a session tells who somebody is to this core: it is a whole sign-in of the account, or one that was made
    /// for reading here. A token for some other core's content is not.
    fn speaks(session: &Session, core: &CoreId, path: &MapPath) -> bool {
        session.is_whole_in(&session.core) || session.covers(core, Verb::Read, Some(path))
    }

    /// Whether a gate of the core opens `path` to `reader`.
    pub(crate) async fn lets_in(
        &self,
        reader: &Reader,
        core: &CoreId,
        path: &MapPath,
    ) -> Result<bool, StoreError> {
        let Reader::Session(session) = reader else { return Ok(false) };
        let gates = self.table.of(core)?;
        let opening = gates.iter().filter(|named| named.gate.opens(path));
        for named in opening {
            if Self::speaks(session, core, path) && self.try_at(&named.gate, session.account()).await.passes()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether any gate of the core lets `reader` in, to any content that it opens.
    pub(crate) async fn lets_in_anywhere(&self, reader: &Reader, core: &CoreId) -> Result<bool, StoreError> {
        let Reader::Session(session) = reader else { return Ok(false) };
        if !session.is_whole_in(&session.core) {
            return Ok(false);
        }
        for named in self.table.of(core)?.iter().filter(|named| named.gate.opens_content()) {
            if self.try_at(&named.gate, session.account()).await.passes() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How an account fares at a gate.
    pub(crate) async fn try_at(&self, gate: &Arc<Gate>, account: &Account) -> Arc<Trial> {
        let now_ms = self.clock.now_ms();
        let Some(running) = self.running(gate, account, now_ms) else {
            return Arc::new(Trial::unasked(gate, account, now_ms, Unasked::TooOften));
        };
        let trial = running.trial.get_or_init(async || {
            let trial = Trial::hold(&self.chains, gate, account, now_ms).await;
            let keep_ms = match trial.outcome {
                Outcome::Unknown => GATE_UNKNOWN_KEPT_MS,
                Outcome::Yes | Outcome::No => gate.keep_s * 1_000,
            };
            running.until_ms.get_or_init(|| now_ms + keep_ms);
            Arc::new(trial)
        });
        Arc::clone(trial.await)
    }

    /// The trial that holds, or is being held, or a new one; none where too many were begun.
    fn running(&self, gate: &Arc<Gate>, account: &Account, now_ms: u64) -> Option<Arc<Running>> {
        let of = (Arc::clone(gate), account.clone());
        let kept = &mut *self.kept.lock();
        if let Some(running) = kept.trials.get(&of)
            && running.until_ms.get().is_none_or(|until_ms| now_ms < *until_ms)
        {
            return Some(Arc::clone(running));
        }
        if !kept.may_begin(account, now_ms / 60_000) {
            return None;
        }
        if kept.trials.len() >= GATE_TRIALS_KEPT_MAX {
            kept.trials.retain(|_, running| running.until_ms.get().is_none_or(|until| now_ms < *until));
            if kept.trials.len() >= GATE_TRIALS_KEPT_MAX {
                kept.trials.clear();
            }
        }
        let running = Arc::<Running>::default();
        kept.trials.insert(of, Arc::clone(&running));
        Some(running)
    }
}

impl Kept {
    /// Counts one more trial, where there may be one.
    fn may_begin(&mut self, account: &Account, minute: u64) -> bool {
        if self.minute != minute {
            self.minute = minute;
            self.begun = 0;
            self.begun_by.clear();
        }
        if self.begun >= GATE_TRIALS_PER_MINUTE_MAX {
            return false;
        }
        let by = self.begun_by.entry(account.clone()).or_default();
        if *by >= GATE_TRIALS_PER_ACCOUNT_MAX {
            return false;
        }
        *by += 1;
        self.begun += 1;
        true
    }
}
