//! Logs read from the store.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use kubelt_core::{
    Body, CheckedLogin, CoreId, Genesis, Log, Login, LoginId, OpId, Signed, Unchecked,
    log::{Entry, LoginFacts},
};
use kubelt_store::{OpsOrder, Store};

use crate::StoreError;

/// Why a core's log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The core is not on this node.
    #[error("the core is not on this node")]
    Unknown,
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// What the store holds is no log.
    #[error("operation `{op}` of core `{core}` cannot be read; run `kubelt doctor`")]
    Damaged {
        /// The core.
        core: CoreId,
        /// The operation.
        op: OpId,
    },
}

/// Reads a core's operations from the store. They were checked when they were taken in.
pub(super) fn read_log(store: &Store, core: CoreId, genesis: Genesis) -> Result<Log, LoadError> {
    let mut logins: HashMap<LoginId, Arc<LoginFacts>> = HashMap::new();
    let mut entries = Vec::new();
    for op in store.ops(&core, None, OpsOrder::Forward) {
        let op = op?;
        let damaged = || LoadError::Damaged { core, op: op.id };
        let signed = Signed::decode(&op.signed).map_err(|_cause| damaged())?;
        let body = op.body.as_ref().map(|body| Body::decode(body)).transpose().map_err(|_cause| damaged())?;
        let login = match signed.header.login {
            None => None,
            Some(id) => Some(match logins.get(&id) {
                Some(facts) => Arc::clone(facts),
                None => {
                    let facts = read_login(store, &core, &id)?.ok_or_else(damaged)?;
                    logins.insert(id, Arc::clone(&facts));
                    facts
                }
            }),
        };
        entries.push(Entry::stored(op.id, signed.header, body, login));
    }
    Log::load(genesis, entries).map_err(|(op, _refusal)| LoadError::Damaged { core, op })
}

/// What the log says of operations, and the store does not.
pub(super) fn effects_owed(
    store: &Store,
    core: &CoreId,
    log: &Log,
) -> Result<BTreeMap<OpId, bool>, StoreError> {
    let mut owed = BTreeMap::new();
    for op in store.ops(core, None, OpsOrder::Forward) {
        let op = op?;
        let effective = log.is_effective(&op.id);
        if op.effective != effective {
            owed.insert(op.id, effective);
        }
    }
    Ok(owed)
}

/// The facts of a login that the store holds.
fn read_login(store: &Store, core: &CoreId, id: &LoginId) -> Result<Option<Arc<LoginFacts>>, StoreError> {
    Ok(store.login(core, id)?.and_then(|block| login_facts(&block, core)))
}

/// The facts of a login that was stored: its signature was judged then.
pub(crate) fn login_facts(block: &[u8], core: &CoreId) -> Option<Arc<LoginFacts>> {
    let login = Login::decode(block).ok()?;
    let checked = CheckedLogin::check(&login, &Unchecked).ok()?.kept();
    Some(Arc::new(LoginFacts::of(&checked, core)))
}
