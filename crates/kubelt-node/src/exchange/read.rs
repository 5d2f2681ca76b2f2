//! Reading an exported core's file: which block is what.
//!
//! The manifest says it before the blocks come, so that a file is sorted as it streams by: blocks of the
//! log are gathered (they are small and counted), content is handed on at once.

use std::collections::{HashMap, hash_map::Entry as Slot};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block,
    car::{CarDecoder, CarError, CarEvent, CarSummary},
};
use kubelt_core::{
    Body, CheckedLogin, CoreId, DecodeError, Genesis, Login, LoginError, LoginId, SignatureError, Signed,
    Unchecked, Verdict,
    log::{EntryError, LoginFacts},
    signature::verify_signed,
};
use std::sync::Arc;

use super::{Manifest, ManifestError, ManifestOp, ManifestPage};
use crate::{
    limits::{CAR, IMPORT_LOG_BYTES_MAX, IMPORT_OPS_MAX},
    write::SignedOp,
};

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
    /// A sign-in is not good.
    #[error("sign-in `{id}` in the file is not good")]
    Login {
        /// Its id.
        id: LoginId,
        /// Why.
        #[source]
        source: LoginError,
    },
    /// A signature is wrong.
    #[error("the signature of operation `{id}` is refused")]
    Signature {
        /// The operation.
        id: Box<kubelt_core::OpId>,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// A signature cannot be checked without a chain.
    #[error("operation `{0}` was signed by a contract account, which cannot be checked here yet")]
    Pending(Box<kubelt_core::OpId>),
    /// Parts that do not belong together.
    #[error(transparent)]
    Entry(#[from] EntryError),
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

/// The log of a file, its signatures checked.
#[derive(Debug)]
pub(crate) struct CoreLog {
    pub(crate) manifest: Manifest,
    pub(crate) genesis: Genesis,
    /// In the order of (`at`, id).
    pub(crate) ops: Vec<SignedOp>,
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
                for cid in op.blocks() {
                    self.log.entry(cid).or_default();
                }
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

    /// Ends the file: all that the manifest lists must be there, and every signature good.
    pub(crate) fn finish(self) -> Result<(CoreLog, CarSummary), CoreFileError> {
        let Self { decoder, manifest, pages, log, .. } = self;
        let summary = decoder.finish()?;
        let manifest = manifest.ok_or(ManifestError::Kind)?;
        let core = manifest.core;
        let block = |cid: Cid| match log.get(&cid) {
            Some(Some(bytes)) => Ok(bytes),
            _ => Err(CoreFileError::Missing(Box::new(cid))),
        };
        let genesis = Genesis::decode(block(core.cid())?)?;
        if genesis.id() != core {
            return Err(CoreFileError::Genesis);
        }
        let mut logins = HashMap::new();
        let mut ops = Vec::new();
        for page in &manifest.pages {
            let page = pages
                .get(page)
                .and_then(Option::as_ref)
                .ok_or_else(|| CoreFileError::Missing(Box::new(*page)))?;
            for op in &page.ops {
                ops.push(check(&core, op, &block, &mut logins)?);
            }
        }
        ops.sort_by_key(SignedOp::at);
        Ok((CoreLog { manifest, genesis, ops }, summary))
    }
}

type KnownLogin = (CheckedLogin, Arc<LoginFacts>, Login);
type Logins = HashMap<LoginId, KnownLogin>;

/// Puts an operation together and checks its signature and its login.
fn check<'a>(
    core: &CoreId,
    listed: &ManifestOp,
    block: &impl Fn(Cid) -> Result<&'a Bytes, CoreFileError>,
    logins: &mut Logins,
) -> Result<SignedOp, CoreFileError> {
    let signed = Signed::decode(block(listed.signed)?)?;
    let body =
        listed.body.map(|body| Ok::<_, CoreFileError>(Body::decode(block(body.cid())?)?)).transpose()?;
    let login = match signed.header.login {
        None => None,
        Some(id) => Some(match logins.entry(id) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(check_login(core, id, &signed, block(id.cid())?)?),
        }),
    };
    let login = login.as_deref();
    let key = login.map(|(checked, _, _)| &checked.session);
    match verify_signed(&signed, key, &Unchecked) {
        Ok(Verdict::Valid) => {}
        Ok(Verdict::Pending) => return Err(CoreFileError::Pending(Box::new(signed.id()))),
        Err(source) => return Err(CoreFileError::Signature { id: Box::new(signed.id()), source }),
    }
    let facts = login.map(|(_, facts, _)| Arc::clone(facts));
    let login = login.map(|(_, _, login)| login.clone());
    Ok(SignedOp::verified(signed, body, facts, login))
}

fn check_login(
    core: &CoreId,
    id: LoginId,
    signed: &Signed,
    bytes: &[u8],
) -> Result<KnownLogin, CoreFileError> {
    let login = Login::decode(bytes)?;
    let outcome =
        CheckedLogin::check(&login, &Unchecked).map_err(|source| CoreFileError::Login { id, source })?;
    let checked = outcome.valid().ok_or_else(|| CoreFileError::Pending(Box::new(signed.id())))?;
    let facts = Arc::new(LoginFacts::of(&checked, core));
    Ok((checked, facts, login))
}

impl ManifestOp {
    /// The CIDs of its blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Cid> {
        let body = self.body.map(|body| body.cid());
        let login = self.login.map(|login| login.cid());
        [Some(self.signed), body, login].into_iter().flatten()
    }
}
