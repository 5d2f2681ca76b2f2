//! A core on its way in.

use std::sync::Arc;

use bytes::Bytes;
use kubelt_content::car::CarSummary;
use kubelt_core::{Account, CoreId, Genesis, MapPath, OpId, Verb};
use kubelt_store::{CommitError, TxError};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Exchange,
    check::{CheckError, Checker, FoundLogin},
    read::{CoreFile, CoreFileError, CoreLog},
};
use crate::{
    StoreError,
    chains::Questions,
    content::{BlockSink, UploadError},
    cores::LoadError,
    parts::BringError,
    session::Session,
    write::{SignedOp, Write, WriteError},
};

/// A file being imported. Content blocks go to the core as they come; the log is judged when the file is
/// whole.
#[derive(Debug)]
pub struct CoreImport {
    exchange: Exchange,
    session: Arc<Session>,
    file: CoreFile,
    sink: Option<BlockSink>,
    /// The memory that it has taken of what imports may take together.
    held: Option<OwnedSemaphorePermit>,
}

/// A core was imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The core.
    pub core: CoreId,
    /// The account of a private core.
    pub account: Option<Account>,
    /// Operations in the file.
    pub ops: u64,
    /// Of them, those that were new here.
    pub ops_new: u64,
    /// Of them, those that count.
    pub ops_effective: u64,
    /// Blocks in the file, those of the log among them.
    pub blocks: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Paths whose content is not whole here.
    pub incomplete: Vec<MapPath>,
}

/// Why a core was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is no sound core.
    #[error(transparent)]
    File(#[from] CoreFileError),
    /// A sign-in or a signature in it is not good.
    #[error("operation `{id}` of the file is refused")]
    Check {
        /// The operation.
        id: Box<OpId>,
        /// Why.
        #[source]
        source: CheckError,
    },
    /// The blocks of content came before the genesis, or the core is not one of this account's.
    #[error("you may import only cores that you are a signer of")]
    Forbidden,
    /// Other imports hold all the memory there is for logs.
    #[error("too much is being imported at once; try again later")]
    Busy,
    /// The file begins with content, not with the log.
    #[error("content came before the core's genesis; export the core again")]
    Order,
    /// An operation was refused.
    #[error("operation {index} of the file was refused")]
    Write {
        /// Which, in the order of (`at`, id).
        index: usize,
        /// Why.
        #[source]
        source: WriteError,
    },
    /// The core could not be kept.
    #[error(transparent)]
    Bring(#[from] BringError),
    /// Content could not be stored.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Exchange {
    /// Begins to take in an exported core.
    pub fn import(&self, session: Arc<Session>) -> CoreImport {
        CoreImport { exchange: self.clone(), session, file: CoreFile::new(), sink: None, held: None }
    }

    /// Blocks are taken in only for a core that the account may import.
    async fn open_sink(&self, genesis: &Genesis, session: &Session) -> Result<BlockSink, ImportError> {
        if !self.may_import(genesis, session).await? {
            return Err(ImportError::Forbidden);
        }
        Ok(BlockSink::new(self.content.clone(), genesis.id()))
    }

    /// Whether `account` may import this core: it has a part in the core that is here, or is a signer from
    /// the beginning of one that is not. Nobody fills this node, or a core on it, with what is not theirs;
    /// and the refusal does not tell whether the core is here.
    async fn may_import(&self, genesis: &Genesis, session: &Session) -> Result<bool, ImportError> {
        let account = session.account();
        // A token for one part of a core brings no whole ones.
        let covers = |core| session.covers(core, Verb::Put, None);
        if !covers(&session.core) || (session.within.is_some() && !covers(&genesis.id())) {
            return Ok(false);
        }
        // Who began a core that is here may have been replaced since.
        match self.cores.genesis(&genesis.id()) {
            Err(LoadError::Unknown) => Ok(genesis.root().contains(account)),
            Err(error) => Err(error.into()),
            Ok(_here) => Ok(self.cores.has_part(&genesis.id(), account).await?),
        }
    }
}

impl CoreImport {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// [`ImportError`] when they are not sound; what was stored of the file can be read by nobody then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ImportError> {
        let content = self.file.push(bytes)?;
        self.hold()?;
        for block in content {
            if self.sink.is_none() {
                let genesis = self.file.genesis()?.ok_or(ImportError::Order)?;
                self.sink = Some(self.exchange.open_sink(&genesis, &self.session).await?);
            }
            if let Some(sink) = &mut self.sink {
                sink.put(block).await?;
            }
        }
        Ok(())
    }

    /// Sets aside memory for what the file has brought of the log.
    fn hold(&mut self) -> Result<(), ImportError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = (self.file.log_bytes() / 1_024).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_over| ImportError::Busy)?;
        let taken = Arc::clone(&self.exchange.import_kib).try_acquire_many_owned(more);
        let taken = taken.map_err(|_none_left| ImportError::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }

    /// Ends the file: checks the log, takes in what is new of it, and opens the content that is whole.
    ///
    /// # Errors
    /// [`ImportError`] names the first fault; operations before it stand, each of them sound by itself.
    pub async fn finish(mut self) -> Result<Imported, ImportError> {
        if let Some(sink) = &mut self.sink {
            sink.flush().await?;
        }
        let file = self.file;
        let read = tokio::task::spawn_blocking(move || read(file)).await;
        let (log, questions, summary) = read.expect("reading a file does not panic")?;
        let mut checker = Checker::new(log.manifest.core);
        checker.ask(&self.exchange.chains, questions).await;
        let checked = tokio::task::spawn_blocking(move || check(log, checker)).await;
        let (genesis, ops) = checked.expect("checking a file does not panic")?;
        let core = genesis.id();
        let account = genesis.is_private().then(|| genesis.root().accounts().first().cloned()).flatten();
        let known = self.exchange.store.genesis(&core)?.is_some();
        if !self.exchange.may_import(&genesis, &self.session).await? {
            return Err(ImportError::Forbidden);
        }
        if matches!(genesis, Genesis::Shared { .. }) {
            self.exchange.cores.bring(self.session.account(), &genesis).await?;
        } else if !known {
            let mut tx = self.exchange.store.begin();
            tx.put_core(&core, &genesis.encode())?;
            tx.commit().await?;
        }
        let count = ops.len() as u64;
        let (mut ops_new, mut ops_effective) = (0, 0);
        let writes = ops.into_iter().map(|op| Write::Op(Box::new(op))).collect();
        for (index, result) in self.exchange.cores.write_all(core, writes).await.into_iter().enumerate() {
            let written = result.map_err(|source| ImportError::Write { index, source })?;
            ops_new += u64::from(written.fresh);
            ops_effective += u64::from(written.effective);
        }
        let incomplete = self.exchange.content.settle(&core).await?;
        let (blocks, bytes) = (summary.blocks, summary.payload_bytes);
        Ok(Imported { core, account, ops: count, ops_new, ops_effective, blocks, bytes, incomplete })
    }
}

/// Ends a file; gives what is to be asked of contract wallets, too.
fn read(file: CoreFile) -> Result<(CoreLog, Questions, CarSummary), ImportError> {
    let (log, summary) = file.finish()?;
    let questions = Questions::default();
    for (signed, body) in &log.ops {
        questions.of(signed, body.as_ref(), signed.header.login.and_then(|login| log.logins.get(&login)));
    }
    Ok((log, questions, summary))
}

/// Checks every signature of a log; operations come out in the order of (`at`, id).
fn check(log: CoreLog, mut checker: Checker) -> Result<(Genesis, Vec<SignedOp>), ImportError> {
    let CoreLog { genesis, logins, ops, .. } = log;
    let mut checked = Vec::with_capacity(ops.len());
    for (signed, body) in ops {
        let id = signed.id();
        let op = checker.check(signed, body, |login| Ok(logins.get(login).cloned().map(FoundLogin::Brought)));
        checked.push(op.map_err(|source| ImportError::Check { id: Box::new(id), source })?);
    }
    checked.sort_by_key(SignedOp::at);
    Ok((genesis, checked))
}

#[cfg(test)]
mod tests;
