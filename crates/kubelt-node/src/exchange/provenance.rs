//! Proofs of where content came from, put together from the log.

use std::collections::{HashSet, VecDeque};

use kubelt_core::{
    CoreId, LoginId, OpId, Signed,
    limits::PROVENANCE_OPS_MAX,
    provenance::{Proof, ProofOp},
};
use kubelt_store::OpRecord;

use super::Exchange;
use crate::{
    access::Reader,
    content::{ContentError, content_path},
    exchange::OpsError,
};

impl Exchange {
    /// The proof of what stands at exactly these segments, for whoever may read it: the `put`, what it rests on, and the
    /// sign-ins that any of them name.
    ///
    /// # Errors
    /// [`OpsError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn provenance(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
    ) -> Result<Proof, OpsError> {
        let path = content_path(segments).map_err(|_no_path| OpsError::NotFound)?;
        let id = match self.content.entry_op(reader, core, &path).await {
            Ok(id) => id.ok_or(OpsError::NotFound)?,
            Err(ContentError::Store(error)) => return Err(error.into()),
            Err(ContentError::Load(error)) => return Err(error.into()),
            Err(_) => return Err(OpsError::NotFound),
        };
        let genesis = self.store.genesis(core)?.ok_or(OpsError::NotFound)?;
        let mut gathered = Gathered::default();
        let put = gathered.take(self.store.op(core, &id)?)?;
        let mut chain = Vec::new();
        while let Some(id) = gathered.next.pop_front() {
            if id == core.as_root() || !gathered.seen.insert(id) {
                continue;
            }
            if chain.len() == PROVENANCE_OPS_MAX {
                return Err(OpsError::NotFound);
            }
            chain.push(gathered.take(self.store.op(core, &id)?)?);
        }
        let mut logins = Vec::new();
        for login in &gathered.logins {
            logins.push(self.store.login(core, login)?.ok_or(OpsError::NotFound)?.to_vec());
        }
        Ok(Proof::new(genesis.to_vec(), put, chain, logins))
    }
}

/// What is still to be looked at.
#[derive(Default)]
struct Gathered {
    next: VecDeque<OpId>,
    seen: HashSet<OpId>,
    logins: Vec<LoginId>,
}

impl Gathered {
    fn take(&mut self, op: Option<OpRecord>) -> Result<ProofOp, OpsError> {
        let op = op.ok_or(OpsError::NotFound)?;
        let header = Signed::decode(&op.signed)?.header;
        self.next.push_back(header.auth);
        self.next.extend(header.votes);
        self.logins.extend(header.login.filter(|login| !self.logins.contains(login)));
        let body = op.body.ok_or(OpsError::NotFound)?;
        Ok(ProofOp { signed: op.signed.to_vec().into(), body: body.to_vec().into() })
    }
}
