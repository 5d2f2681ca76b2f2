//! Reading an exported core's file: which block is what.
//!
//! The manifest says it before the blocks come, so that a file is sorted as it streams by: blocks of the
//! log are gathered (they are small and counted), content is handed on at once.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block,
    car::{CarDecoder, CarError, CarEvent, CarSummary},
};
use kubelt_core::{Body, CoreId, DecodeError, Genesis, Login, LoginId, Signed};

use super::{Manifest, ManifestError, ManifestPage};
use crate::limits::{CAR, IMPORT_ENTRY_BYTES, IMPORT_LOG_BYTES_MAX, IMPORT_OPS_MAX};

/// Why a file is not an exported core, or not a sound one.
#[derive(Debug, thiserror::Error)]
pub enum CoreFileError {
    /// The CAR is malformed, truncated, or a block does not match its CID.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The manifest is missing or malformed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The CAR has not the one root that such files have.
    #[error("an exported core has one root, its manifest; this CAR has {0}")]
    Roots(usize),
    /// Too large for one import.
    #[error(
        "the log in this file is over the limits of {IMPORT_OPS_MAX} operations and {IMPORT_LOG_BYTES_MAX} bytes"
    )]
    TooLarge,
    /// A block that the manifest lists is not in the file.
    #[error("block `{0}` is listed in the manifest but is not in the file")]
    Missing(Box<Cid>),
    /// A block of the log is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The genesis is not the core's.
    #[error("the genesis in the file is not that of the core it names")]
    Genesis,
}

/// A file being read.
#[derive(Debug)]
pub(crate) struct CoreFile {
    decoder: CarDecoder,
    root: Option<Cid>,
    manifest: Option<Manifest>,
    pages: HashMap<Cid, Option<ManifestPage>>,
    /// Blocks of the log that the manifest lists, filled as they come.
    log: HashMap<Cid, Option<Bytes>>,
    log_bytes: usize,
    ops: usize,
}

/// The log of a file: its blocks match their CIDs, and nothing more is known of them.
#[derive(Debug)]
pub(crate) struct CoreLog {
    pub(crate) manifest: Manifest,
    pub(crate) genesis: Genesis,
    pub(crate) logins: HashMap<LoginId, Login>,
    pub(crate) ops: Vec<(Signed, Option<Body>)>,
}

impl CoreFile {
    pub(crate) fn new() -> Self {
        Self {
            decoder: CarDecoder::new(CAR),
            root: None,
            manifest: None,
            pages: HashMap::new(),
            log: HashMap::new(),
            log_bytes: 0,
            ops: 0,
        }
    }

    /// Takes the next bytes of the file; gives the content blocks among them.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<Vec<Block>, CoreFileError> {
        self.decoder.push(bytes);
        let mut content = Vec::new();
        while let Some(event) = self.decoder.next_event()? {
            match event {
                CarEvent::Header { roots, .. } => match roots.as_slice() {
                    [root] => self.root = Some(*root),
                    other => return Err(CoreFileError::Roots(other.len())),
                },
                CarEvent::Block(block) => content.extend(self.sort(block)?),
            }
        }
        Ok(content)
    }

    /// The core that the file holds, once its manifest has come.
    pub(crate) fn core(&self) -> Option<CoreId> {
        self.manifest.as_ref().map(|manifest| manifest.core)
    }

    /// The genesis, once it has come.
    pub(crate) fn genesis(&self) -> Result<Option<Genesis>, CoreFileError> {
        let Some(core) = self.core() else { return Ok(None) };
        let Some(Some(bytes)) = self.log.get(&core.cid()) else { return Ok(None) };
        let genesis = Genesis::decode(bytes)?;
        if genesis.id() == core { Ok(Some(genesis)) } else { Err(CoreFileError::Genesis) }
    }

    /// Bytes of memory that the log takes as far as it is listed or gathered.
    pub(crate) fn log_bytes(&self) -> usize {
        self.log_bytes
    }

    fn sort(&mut self, block: Block) -> Result<Option<Block>, CoreFileError> {
        let cid = *block.cid();
        let Some(manifest) = &self.manifest else {
            if Some(cid) != self.root {
                return Err(ManifestError::Kind.into());
            }
            let manifest = Manifest::decode(block.data())?;
            self.pages = manifest.pages.iter().map(|page| (*page, None)).collect();
            self.log.insert(manifest.core.cid(), None);
            self.manifest = Some(manifest);
            return Ok(None);
        };
        if let Some(page) = self.pages.get_mut(&cid) {
            let decoded = ManifestPage::decode(block.data())?;
            self.ops += decoded.ops.len();
            if self.ops > IMPORT_OPS_MAX || manifest.pages.len() > IMPORT_OPS_MAX {
                return Err(CoreFileError::TooLarge);
            }
            for op in &decoded.ops {
                self.log_bytes += IMPORT_ENTRY_BYTES;
                for cid in op.blocks() {
                    self.log_bytes += IMPORT_ENTRY_BYTES;
                    self.log.entry(cid).or_default();
                }
            }
            if self.log_bytes > IMPORT_LOG_BYTES_MAX {
                return Err(CoreFileError::TooLarge);
            }
            *page = Some(decoded);
            return Ok(None);
        }
        if let Some(slot) = self.log.get_mut(&cid) {
            if slot.is_none() {
                self.log_bytes += block.data().len();
                if self.log_bytes > IMPORT_LOG_BYTES_MAX {
                    return Err(CoreFileError::TooLarge);
                }
                *slot = Some(block.data().clone());
            }
            return Ok(None);
        }
        Ok(Some(block))
    }

    /// Ends the file: all that the manifest lists must be there.
    pub(crate) fn finish(self) -> Result<(CoreLog, CarSummary), CoreFileError> {
        let Self { decoder, manifest, pages, log, .. } = self;
        let summary = decoder.finish()?;
        let manifest = manifest.ok_or(ManifestError::Kind)?;
        let missing = |cid: Cid| CoreFileError::Missing(Box::new(cid));
        let block = |cid: Cid| log.get(&cid).and_then(Option::as_ref).ok_or_else(|| missing(cid));
        let genesis = Genesis::decode(block(manifest.core.cid())?)?;
        if genesis.id() != manifest.core {
            return Err(CoreFileError::Genesis);
        }
        let (mut logins, mut ops) = (HashMap::new(), Vec::new());
        let mut read_logins = HashSet::new();
        for page in &manifest.pages {
            for op in &pages.get(page).and_then(Option::as_ref).ok_or_else(|| missing(*page))?.ops {
                let body = op
                    .body
                    .map(|body| Ok::<_, CoreFileError>(Body::decode(block(body.cid())?)?))
                    .transpose()?;
                ops.push((Signed::decode(block(op.signed)?)?, body));
                if let Some(cid) = op.login
                    && read_logins.insert(cid)
                {
                    let login = Login::decode(block(cid)?)?;
                    logins.insert(login.id(), login);
                }
            }
        }
        Ok((CoreLog { manifest, genesis, logins, ops }, summary))
    }
}
