//! A core on its way out, block by block.

use std::collections::{HashMap, HashSet, VecDeque, hash_map::Entry as Slot};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block,
    car::CarWriter,
    read::{ReadError, Walk, WalkError, WalkLimits},
};
use kubelt_core::{CoreId, LoginId, Signed, codec, schema::ContentEntry};
use kubelt_store::{OpRecord, OpsOrder};

use super::{Manifest, ManifestOp, ManifestPage};
use crate::{
    access::Reader,
    blocks::{BlockError, Within},
    collect::Lease,
    content::{Wholeness, how_whole},
    cores::LoadError,
    disclosure::{Disclosure, Shown, VisibleOps},
    exchange::Exchange,
    limits::{DAG_BLOCKS_MAX, MANIFEST_PAGE_OPS},
};

/// Operations made ready at once.
const OPS_AT_ONCE: usize = 256;

/// Why a core was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing that the reader may know of.
    #[error("there is no core here that you may export")]
    NotFound,
    /// The log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] crate::StoreError),
    /// Content that was linked cannot be walked.
    #[error("the content of the core is damaged; run `kubelt doctor`")]
    Content,
}

/// The pieces of a CAR, one after the other. Holds ids, and one block at a time.
#[derive(Debug)]
pub struct CoreExport {
    exchange: Exchange,
    core: CoreId,
    disclosure: Disclosure,
    car: CarWriter,
    ready: VecDeque<Bytes>,
    step: Step,
    logins: HashSet<LoginId>,
    roots: Vec<Cid>,
    /// Whether blocks may be missing below some root.
    partial: bool,
    /// What keeps the collector from blocks that are still to be read.
    _lease: Lease,
}

#[derive(Debug)]
enum Step {
    Ops(VisibleOps),
    Content(Box<Walk>),
    Done,
}

impl Exchange {
    /// Opens the export of a core for `reader`: all of it for the core's people, the public part for others.
    ///
    /// # Errors
    /// [`ExportError::NotFound`] alike for a core that is missing and for one that shows nothing.
    pub async fn export(&self, reader: &Reader, core: &CoreId) -> Result<CoreExport, ExportError> {
        let disclosure = self.disclosure(reader, core).await?;
        if disclosure == Disclosure::Nothing {
            return Err(ExportError::NotFound);
        }
        let heads = match disclosure {
            Disclosure::Public { headers: false } => Vec::new(),
            _ => self.store.heads(core)?,
        };
        let (exchange, core) = (self.clone(), *core);
        let opened =
            tokio::task::spawn_blocking(move || CoreExport::open(exchange, core, disclosure, heads)).await;
        opened.expect("opening an export does not panic")
    }
}

impl CoreExport {
    fn open(
        exchange: Exchange,
        core: CoreId,
        disclosure: Disclosure,
        heads: Vec<kubelt_core::OpId>,
    ) -> Result<Self, ExportError> {
        let lease = exchange.content.leases.hold(core, &exchange.content.stamps);
        let mut pages = Vec::new();
        let mut page = ManifestPage::default();
        let mut logins = HashMap::new();
        for op in exchange.visible_ops(disclosure, &core, None, OpsOrder::Forward)? {
            let op = op?;
            let Some(listed) = list(&exchange, disclosure, &core, &op, &mut logins)? else { continue };
            page.ops.push(listed);
            if page.ops.len() == MANIFEST_PAGE_OPS {
                pages.push(page_block(&std::mem::take(&mut page)));
            }
        }
        if !page.ops.is_empty() {
            pages.push(page_block(&page));
        }
        let partial = disclosure != Disclosure::Everything;
        let links = pages.iter().map(|page| *page.cid()).collect();
        let manifest = log_block(&codec::encode(&Manifest::new(core, heads, partial, links)));
        let genesis = exchange.store.genesis(&core)?.ok_or(ExportError::NotFound)?;
        let ops = exchange.visible_ops(disclosure, &core, None, OpsOrder::Forward)?;
        let (car, header) = CarWriter::v1(&[*manifest.cid()]);
        let mut export = Self {
            exchange,
            core,
            disclosure,
            car,
            ready: VecDeque::from([header]),
            step: Step::Ops(ops),
            logins: HashSet::new(),
            roots: Vec::new(),
            partial: false,
            _lease: lease,
        };
        export.emit(&manifest);
        for page in &pages {
            export.emit(page);
        }
        export.emit(&log_block(&genesis));
        Ok(export)
    }

    fn emit(&mut self, block: &Block) {
        self.ready.extend(self.car.section(block));
    }

    /// Makes the next pieces.
    fn advance(&mut self) -> Result<(), ExportError> {
        match &mut self.step {
            Step::Done => Ok(()),
            Step::Ops(ops) => {
                let page: Vec<_> = ops.take(OPS_AT_ONCE).collect();
                self.emit_ops(page)
            }
            Step::Content(walk) => {
                let blocks = self.exchange.content.blocks(&Within::partial(self.core));
                match walk.next(&blocks) {
                    Ok(Some(visit)) => self.emit(&Block::trusted(visit.cid, visit.data)),
                    Ok(None) => self.step = Step::Done,
                    Err(WalkError::Read(ReadError::Source(BlockError::Missing(_)))) if self.partial => {}
                    Err(WalkError::Read(ReadError::Source(BlockError::Denied(_)))) => {}
                    Err(error) => {
                        tracing::error!(%error, core = %self.core, "content of an export cannot be walked");
                        return Err(ExportError::Content);
                    }
                }
                Ok(())
            }
        }
    }

    fn emit_ops(&mut self, page: Vec<Result<OpRecord, crate::StoreError>>) -> Result<(), ExportError> {
        if page.is_empty() {
            let limits = WalkLimits { blocks_max: DAG_BLOCKS_MAX, ..WalkLimits::default() };
            self.step = Step::Content(Box::new(Walk::new(std::mem::take(&mut self.roots), limits)));
            return Ok(());
        }
        for op in page {
            let op = op?;
            let shown = self.exchange.shown(self.disclosure, &self.core, &op)?;
            if shown == Shown::Hidden {
                continue;
            }
            let header = Signed::decode(&op.signed).ok().map(|signed| signed.header);
            if let Some(login) = header.and_then(|header| header.login)
                && self.logins.insert(login)
                && let Some(bytes) = self.exchange.store.login(&self.core, &login)?
            {
                self.emit(&log_block(&bytes));
            }
            self.emit(&log_block(&op.signed));
            if shown == Shown::Whole
                && let Some(body) = &op.body
            {
                self.emit(&log_block(body));
                self.note_root(body)?;
            }
        }
        Ok(())
    }

    /// Notes content that a body names, as far as it is here.
    fn note_root(&mut self, body: &Bytes) -> Result<(), ExportError> {
        let Ok(body) = kubelt_core::Body::decode(body) else { return Ok(()) };
        let kubelt_core::Act::Put { value, .. } = &body.act else { return Ok(()) };
        let Ok(entry) = ContentEntry::from_ipld(value) else { return Ok(()) };
        let here = how_whole(&self.exchange.store, &self.core, &entry.cid)?;
        if here == Some(Wholeness::Whole) || (here == Some(Wholeness::Partial) && entry.partial) {
            self.roots.push(entry.cid);
            self.partial |= here == Some(Wholeness::Partial);
        }
        Ok(())
    }
}

impl Iterator for CoreExport {
    type Item = Result<Bytes, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if matches!(self.step, Step::Done) {
                return None;
            }
            if let Err(error) = self.advance() {
                self.step = Step::Done;
                return Some(Err(error));
            }
        }
    }
}

/// What the manifest says of an operation; none where the reader gets nothing of it.
fn list(
    exchange: &Exchange,
    disclosure: Disclosure,
    core: &CoreId,
    op: &OpRecord,
    logins: &mut HashMap<LoginId, Cid>,
) -> Result<Option<ManifestOp>, ExportError> {
    let shown = exchange.shown(disclosure, core, op)?;
    if shown == Shown::Hidden {
        return Ok(None);
    }
    let damaged = || LoadError::Damaged { core: *core, op: op.id };
    let header = Signed::decode(&op.signed).map_err(|_cause| damaged())?.header;
    let login = match header.login {
        None => None,
        Some(id) => Some(match logins.entry(id) {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => {
                let block = exchange.store.login(core, &id)?.ok_or_else(damaged)?;
                *slot.insert(codec::cid_of(&block))
            }
        }),
    };
    let body = (shown == Shown::Whole && op.body.is_some()).then_some(header.body);
    Ok(Some(ManifestOp { signed: codec::cid_of(&op.signed), body, login }))
}

fn page_block(page: &ManifestPage) -> Block {
    log_block(&codec::encode(page))
}

/// A dag-cbor block of the log, whose bytes this node has made or checked.
fn log_block(bytes: &[u8]) -> Block {
    Block::trusted(codec::cid_of(bytes), Bytes::copy_from_slice(bytes))
}
