//! A whole core as one CAR file: export, import, and a check that needs no node.
//!
//! The CAR's one root is a manifest: the genesis, the heads, and pages that list every operation as links
//! to its signed header, its body (absent where withheld) and its login. Manifest and pages come first, then
//! genesis, logins, headers and bodies in the order of (`at`, id), then the blocks of the content. All of it
//! is dag-cbor and content blocks, so any IPLD tool can read it, and everything is checked by its hash.

mod check;
mod export;
mod import;
mod keys;
mod manifest;
mod on_chain;
mod ops;
mod provenance;
mod read;
mod set;
mod verify;

use std::sync::Arc;

use kubelt_store::Store;
use tokio::sync::Semaphore;

pub use check::CheckError;
pub(crate) use check::{Checker, FoundLogin};
pub use export::{CoreExport, ExportError};
pub use import::{CoreImport, ImportError, Imported};
pub use keys::PublishedKey;
pub use manifest::{Manifest, ManifestError, ManifestOp, ManifestPage};
pub use on_chain::{ChainAnswers, OnChain, WalletSigned};
pub use ops::{LogPage, LoggedOp, OpsError, PostedOp, StatePage, StateRow};
pub use read::CoreFileError;
pub use verify::{Ask, VerifyError, VerifyReport, verify, verify_on_chain};

use crate::{access::Access, chains::Chains, content::Content, cores::Cores, limits::IMPORTS_KIB_MAX};

/// What readers may have of cores' logs, and whole cores in and out; cheap to clone.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(crate) store: Store,
    pub(crate) cores: Cores,
    pub(crate) content: Content,
    pub(crate) access: Arc<Access>,
    pub(crate) chains: Chains,
    /// KiB of logs that imports may still hold in memory.
    pub(crate) import_kib: Arc<Semaphore>,
}

impl Exchange {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        content: Content,
        access: Arc<Access>,
        chains: Chains,
    ) -> Self {
        let import_kib = Arc::new(Semaphore::new(IMPORTS_KIB_MAX));
        Self { store, cores, content, access, chains, import_kib }
    }
}
