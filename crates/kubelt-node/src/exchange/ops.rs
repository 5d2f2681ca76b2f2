//! The log and the state, page by page, and operations posted by clients.

use bytes::Bytes;
use kubelt_core::signature::scheme_of;
use kubelt_core::{Act, Body, CoreId, DecodeError, Hlc, Login, MapPath, OpId, Scheme, Signed, schema::Exit};
use kubelt_store::{OpRecord, OpsOrder, StateEntry};

use super::{
    Exchange,
    check::{CheckError, Checker, FoundLogin},
};
use crate::{
    StoreError,
    access::Reader,
    chains::Questions,
    content::{PREFIX, UploadError},
    cores::LoadError,
    disclosure::{Disclosure, Shown},
    names::public,
    write::{SignedOp, Write, WriteError, Written},
};

/// An operation as a reader may have it.
#[derive(Debug, Clone)]
pub struct LoggedOp {
    /// Its id.
    pub id: OpId,
    /// The signed header.
    pub signed: Signed,
    /// Its canonical bytes.
    pub signed_bytes: Bytes,
    /// The body's canonical bytes, unless withheld.
    pub body: Option<Bytes>,
    /// The login's canonical bytes.
    pub login: Option<Bytes>,
    /// The path that it writes, unless withheld.
    pub path: Option<MapPath>,
    /// Whether it counts.
    pub effective: bool,
}

/// A page of the log.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The genesis block.
    pub genesis: Bytes,
    /// The operations.
    pub ops: Vec<LoggedOp>,
    /// Where to go on, if there is more.
    pub next: Option<(Hlc, OpId)>,
}

/// A path of the state.
#[derive(Debug, Clone)]
pub struct StateRow {
    /// The path.
    pub path: MapPath,
    /// The value, as canonical dag-cbor.
    pub value: Bytes,
    /// When it was written.
    pub at: Hlc,
    /// The operation that decides it.
    pub op: OpId,
}

/// A page of the state.
#[derive(Debug, Clone)]
pub struct StatePage {
    /// Sorted by path.
    pub rows: Vec<StateRow>,
    /// Where to go on, if there is more.
    pub next: Option<MapPath>,
}

/// An operation that a client made and signed, as blocks.
#[derive(Debug, Clone)]
pub struct PostedOp {
    /// The signed header.
    pub signed: Bytes,
    /// The body.
    pub body: Bytes,
    /// The login, unless the node has it.
    pub login: Option<Bytes>,
}

/// Why a log cannot be read or posted operations were refused.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// Nothing that the reader may know of.
    #[error("there is no core here that you may read")]
    NotFound,
    /// A block of the store is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A posted operation is not good.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The operation was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was taken in, but what it names could not be opened. Posting it again tries again.
    #[error(transparent)]
    Open(#[from] UploadError),
    /// The log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Exchange {
    /// A page of the log for `reader`, behind `after`.
    ///
    /// # Errors
    /// [`OpsError::NotFound`] alike for a core that is missing and for one that shows nothing.
    pub async fn ops(
        &self,
        reader: &Reader,
        core: &CoreId,
        after: Option<(Hlc, OpId)>,
        order: OpsOrder,
        limit: usize,
    ) -> Result<LogPage, OpsError> {
        let disclosure = self.disclose(reader, core).await?;
        let genesis = self.store.genesis(core)?.ok_or(OpsError::NotFound)?;
        let mut visible = self.visible_ops(disclosure, core, after, order)?;
        let (mut ops, mut last) = (Vec::new(), None);
        while ops.len() < limit {
            let Some(op) = visible.next().transpose()? else {
                return Ok(LogPage { genesis, ops, next: None });
            };
            last = Some((op.at, op.id));
            ops.extend(self.logged(disclosure, core, op)?);
        }
        Ok(LogPage { genesis, ops, next: last.filter(|_| visible.next().is_some()) })
    }

    fn logged(
        &self,
        disclosure: Disclosure,
        core: &CoreId,
        op: OpRecord,
    ) -> Result<Option<LoggedOp>, OpsError> {
        let shown = self.shown(disclosure, core, &op)?;
        if shown == Shown::Hidden {
            return Ok(None);
        }
        let signed = Signed::decode(&op.signed)?;
        let login = signed.header.login.map(|login| self.store.login(core, &login)).transpose()?.flatten();
        let whole = shown == Shown::Whole;
        Ok(Some(LoggedOp {
            id: op.id,
            signed,
            signed_bytes: op.signed,
            body: op.body.filter(|_| whole),
            login,
            path: op.path.filter(|_| whole),
            effective: op.effective,
        }))
    }

    /// The heads and the number of operations, for readers who may know of them.
    ///
    /// # Errors
    /// [`OpsError::NotFound`] alike for a core that is missing and for one that shows nothing.
    pub async fn heads(&self, reader: &Reader, core: &CoreId) -> Result<(Vec<OpId>, u64), OpsError> {
        match self.disclose(reader, core).await? {
            // When and how often the owner of a private core writes is nobody's business.
            Disclosure::Nothing | Disclosure::Public { headers: false } => Err(OpsError::NotFound),
            _ => Ok((self.store.heads(core)?, self.store.op_count(core)?)),
        }
    }

    /// A page of the state at and below `under` for `reader`, behind `after`.
    ///
    /// # Errors
    /// [`OpsError::NotFound`] alike for a core that is missing and for one that shows nothing.
    pub async fn state(
        &self,
        reader: &Reader,
        core: &CoreId,
        under: Option<&MapPath>,
        after: Option<&MapPath>,
        limit: usize,
    ) -> Result<StatePage, OpsError> {
        let disclosure = self.disclose(reader, core).await?;
        let rows = match disclosure {
            Disclosure::Everything => self.store.state_scan(core, under, after, limit + 1)?,
            _ => self.public_state(core, under, after, limit + 1)?,
        };
        let more = rows.len() > limit;
        let row = |(path, entry): (MapPath, StateEntry)| StateRow {
            path,
            value: entry.value,
            at: entry.at,
            op: entry.id,
        };
        let rows: Vec<_> = rows.into_iter().take(limit).map(row).collect();
        let next = rows.last().filter(|_| more).map(|row| row.path.clone());
        Ok(StatePage { rows, next })
    }

    /// The public paths of the state, `count` of them at most.
    fn public_state(
        &self,
        core: &CoreId,
        under: Option<&MapPath>,
        after: Option<&MapPath>,
        count: usize,
    ) -> Result<Vec<(MapPath, StateEntry)>, StoreError> {
        let mut rows = Vec::new();
        let door = self.access.door(core, Exit::Network)?;
        for row in public(&self.store, core, door, under, after) {
            let (path, named) = row?;
            // Another operation may decide the path by now: what it says was not found to be public.
            rows.extend(
                self.store.state(core, &path)?.filter(|entry| entry.id == named.op).map(|e| (path, e)),
            );
            if rows.len() == count {
                break;
            }
        }
        Ok(rows)
    }

    async fn disclose(&self, reader: &Reader, core: &CoreId) -> Result<Disclosure, OpsError> {
        match self.disclosure(reader, core).await? {
            Disclosure::Nothing => Err(OpsError::NotFound),
            disclosure => Ok(disclosure),
        }
    }

    /// Takes in operations that clients signed, all into one core. Whoever may sign may post: an
    /// operation proves itself. Nothing is stored of one that is refused.
    ///
    /// # Errors
    /// For each operation by itself, in the order given; all of them [`OpsError::NotFound`] where neither
    /// the reader nor the maker of an operation has a part in the core, so that nobody learns whether it is here. That a
    /// contract wallet's chain gives no answer, or has not made the block final, is said to everybody: it is the chain's
    /// to say, and the same whatever is here.
    pub async fn post(
        &self,
        reader: &Reader,
        core: &CoreId,
        posted: &[PostedOp],
    ) -> Vec<Result<Written, OpsError>> {
        let insider = match reader.session() {
            Some(session) => self.cores.may_sign(core, session.account()).await.unwrap_or(false),
            None => false,
        };
        let mut checker = Checker::new(*core);
        let mut checked = Vec::with_capacity(posted.len());
        let mut decoded: Vec<_> = posted.iter().map(DecodedOp::decode).collect();
        self.ask_contracts(core, insider, &mut decoded, &mut checker).await;
        for op in decoded {
            checked.push(match op {
                // Before anything is looked at here, so that it says nothing of what is here.
                Ok(op) if !insider && self.chains.is_pending(&op.signed).await => {
                    Err(CheckError::Pending.into())
                }
                op => self.admit(core, op, insider, &mut checker).await.map(Some),
            });
        }
        let mut order: Vec<usize> = (0..posted.len()).filter(|index| checked[*index].is_ok()).collect();
        order.sort_by_key(|index| checked[*index].as_ref().ok().and_then(Option::as_ref).map(SignedOp::at));
        let writes = order
            .iter()
            .filter_map(|index| checked[*index].as_mut().ok()?.take())
            .map(|op| Write::Op(Box::new(op)))
            .collect();
        let mut results: Vec<_> = checked.into_iter().map(|result| result.err().map(Err)).collect();
        for (index, result) in order.into_iter().zip(self.cores.write_all(*core, writes).await) {
            results[index] = Some(result.map_err(OpsError::from));
        }
        for (op, result) in posted.iter().zip(&mut results) {
            if let (Some(Ok(_)), Some(path)) = (&result, content_path_of(op))
                && let Err(error) = self.content.open_at(core, &path).await
            {
                *result = Some(Err(error.into()));
            }
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or(Err(OpsError::Write(WriteError::Stopped))))
            .collect()
    }

    /// Checks an operation, and that its maker can sign anything in the core. Until that is shown, an outsider
    /// hears nothing but "not found".
    async fn admit(
        &self,
        core: &CoreId,
        posted: Result<DecodedOp, CheckError>,
        insider: bool,
        checker: &mut Checker,
    ) -> Result<SignedOp, OpsError> {
        match posted.and_then(|op| self.check(core, op, checker)) {
            Ok(op) if insider || self.cores.may_sign(core, op.by()).await? => {
                op.check_new()?;
                Ok(op)
            }
            Err(error) if insider => Err(error.into()),
            Ok(_) | Err(_) => Err(OpsError::NotFound),
        }
    }

    fn check(&self, core: &CoreId, op: DecodedOp, checker: &mut Checker) -> Result<SignedOp, CheckError> {
        let DecodedOp { signed, body, login } = op;
        checker.check(signed, Some(body), |id| match self.store.login(core, id)? {
            Some(stored) => Ok(Some(FoundLogin::Kept(Login::decode(&stored)?))),
            None => Ok(login.map(FoundLogin::Brought)),
        })
    }

    /// Asks contract wallets about the signatures of those among these whose maker has a part in the core: chains are
    /// asked for nobody else. Where no block is named, it is the last final one.
    async fn ask_contracts(
        &self,
        core: &CoreId,
        insider: bool,
        ops: &mut [Result<DecodedOp, CheckError>],
        checker: &mut Checker,
    ) {
        let questions = Questions::default();
        for op in ops.iter_mut().filter_map(|op| op.as_mut().ok()) {
            let by_contract = scheme_of(&op.signed.header.by) == Scheme::Eip1271;
            let by = &op.signed.header.by;
            if by_contract && (insider || self.cores.may_sign(core, by).await.unwrap_or(false)) {
                self.chains.pin(&mut op.signed).await;
                questions.of(&op.signed, Some(&op.body), op.login.as_ref());
            }
        }
        checker.ask(&self.chains, questions).await;
    }
}

/// The path of content that an operation writes.
fn content_path_of(posted: &PostedOp) -> Option<MapPath> {
    match Body::decode(&posted.body).ok()?.act {
        Act::Put { path, .. } if path.prefix() == PREFIX => Some(path),
        _ => None,
    }
}

/// A posted operation, decoded.
struct DecodedOp {
    signed: Signed,
    body: Body,
    login: Option<Login>,
}

impl DecodedOp {
    fn decode(posted: &PostedOp) -> Result<Self, CheckError> {
        Ok(Self {
            signed: Signed::decode(&posted.signed)?,
            body: Body::decode(&posted.body)?,
            login: posted.login.as_ref().map(|login| Login::decode(login)).transpose()?,
        })
    }
}
