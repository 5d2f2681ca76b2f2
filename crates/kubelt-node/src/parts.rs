//! Which cores an account has to do with on this node: those that gave it a part or named it heir, and shared ones that
//! it brought.
//!
//! Both are indexes over what the logs say, kept by the transactions that change it, so that nobody has to look through
//! all cores to learn which ones wait for an account. A row is a hint: whether the part is in force is asked of the log.

use kubelt_core::{Account, CoreId, Genesis};
use kubelt_store::{CommitError, Store, Tx, TxError};

use crate::{
    StoreError,
    cores::Cores,
    limits::{CORES_BROUGHT_MAX, PARTS_READ_MAX},
    session_table::account_key,
};

/// By account and core: the core has given the account a part, now or earlier.
const PARTS: &str = "part";
/// By core: an heir was named in it, now or earlier.
const HEIRS: &str = "heirs";
/// By account and core: the account brought the core to this node.
const BROUGHT: &str = "brought";

/// Notes in a transaction that a core gives these accounts a part.
pub(crate) fn note(tx: &mut Tx, core: &CoreId, accounts: &[Account]) -> Result<(), TxError> {
    accounts.iter().try_for_each(|account| tx.put_meta(PARTS, &row_key(account, core), Some(&[])))
}

/// Notes in a transaction that a private core names these accounts as heirs.
pub(crate) fn note_heirs(tx: &mut Tx, core: &CoreId, accounts: &[Account]) -> Result<(), TxError> {
    tx.put_meta(HEIRS, core.digest(), Some(&[]))?;
    note(tx, core, accounts)
}

/// Whether an heir was ever named in a core.
pub(crate) fn has_had_heirs(store: &Store, core: &CoreId) -> Result<bool, StoreError> {
    Ok(store.meta(HEIRS, core.digest())?.is_some())
}

/// Cores that gave an account a part, in no order; not more than [`PARTS_READ_MAX`] of them.
pub(crate) fn of(store: &Store, account: &Account) -> Result<Vec<CoreId>, StoreError> {
    read(store, PARTS, account, PARTS_READ_MAX)
}

fn read(store: &Store, table: &str, account: &Account, count: usize) -> Result<Vec<CoreId>, StoreError> {
    let rows = store.meta_scan(table, &account_key(account), None).take(count);
    let core = |(key, _): (bytes::Bytes, bytes::Bytes)| {
        let digest = key.get(32..).and_then(|digest| digest.try_into().ok());
        digest.map(CoreId::from_digest)
    };
    rows.filter_map(|row| row.map(core).transpose()).collect()
}

fn row_key(account: &Account, core: &CoreId) -> Vec<u8> {
    [&account_key(account)[..], core.digest()].concat()
}

/// Why a core was not brought to this node.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// The account has brought too many.
    #[error("your account has brought {CORES_BROUGHT_MAX} shared cores to this node, as many as it may")]
    TooMany,
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Cores {
    /// Keeps the genesis of a core of several signers that `account` brings to this node, where it is not here yet; says
    /// whether it was new. Each core has a quota of its own, so an account may bring so many and no more.
    pub(crate) async fn bring(&self, account: &Account, genesis: &Genesis) -> Result<bool, BringError> {
        let core = genesis.id();
        let _one_at_a_time = self.bringing.lock().await;
        if self.store.genesis(&core)?.is_some() {
            return Ok(false);
        }
        if read(&self.store, BROUGHT, account, CORES_BROUGHT_MAX)?.len() >= CORES_BROUGHT_MAX {
            return Err(BringError::TooMany);
        }
        let mut tx = self.store.begin();
        tx.put_core(&core, &genesis.encode())?;
        tx.put_meta(BROUGHT, &row_key(account, &core), Some(&[]))?;
        note(&mut tx, &core, genesis.root().accounts())?;
        tx.commit().await?;
        Ok(true)
    }
}
