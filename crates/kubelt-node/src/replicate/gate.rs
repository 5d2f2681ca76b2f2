//! What one peer may have of one core, asked again whenever the core changes.

use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use kubelt_core::{
    Act, Body, CheckedLogin, ContractSignatures, CoreId, Genesis, Log, OpId, PublicKey, Verb,
    log::LoginFacts,
    peer::Proof,
    schema::{Exit, Host, Visibility},
    sync::Allowed,
};

use super::{Replication, link::Link};
use crate::{
    Reader, StoreError,
    cores::LoadError,
    disclosure::Disclosure,
    limits::{NAMES_PER_ROOT_MAX, ROOTS_PER_BLOCK_MAX},
    names,
};

/// Why a peer may have what it may have.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// It has shown a sign-in.
    Login(Arc<CheckedLogin>),
    /// Nobody in particular.
    Stranger,
}

/// A decision, for one channel.
#[derive(Debug)]
pub(super) struct Gate {
    replication: Replication,
    core: CoreId,
    pub(super) allowed: Allowed,
    /// When it ends, in milliseconds since the Unix epoch.
    until_ms: u64,
}

impl Replication {
    /// Decides what `peer` may have of `core`.
    pub(super) async fn gate(
        &self,
        core: CoreId,
        peer: &PublicKey,
        standing: &Standing,
    ) -> Result<Gate, LoadError> {
        let gate = |allowed, until_ms| Gate { replication: self.clone(), core, allowed, until_ms };
        match self.0.cores.genesis(&core) {
            Ok(_) => {}
            Err(LoadError::Unknown) => return Ok(gate(Allowed::Nothing, u64::MAX)),
            Err(error) => return Err(error),
        }
        if self.is_host(&core, peer)? {
            return Ok(gate(Allowed::Full, u64::MAX));
        }
        if let Standing::Login(login) = standing
            && self.login_stands(&core, login).await?
        {
            return Ok(gate(Allowed::Full, login.expires_ms));
        }
        if let Some(until_ms) = self.trusted_until(&core, peer).await? {
            return Ok(gate(Allowed::Full, until_ms));
        }
        Ok(gate(self.public_part(&core).await?, u64::MAX))
    }

    /// Decides what anybody may have of `core` who mirrors it: the blocks of what is published. Who asks does not matter.
    pub(super) async fn public_gate(&self, core: CoreId) -> Result<Gate, LoadError> {
        let disclosure = self.0.exchange.disclosure(&Reader::Anonymous, &core).await?;
        let allowed = match disclosure {
            Disclosure::Public { .. } => Allowed::PublicOnly,
            Disclosure::Nothing | Disclosure::Everything => Allowed::Nothing,
        };
        Ok(Gate { replication: self.clone(), core, allowed, until_ms: u64::MAX })
    }

    /// How a peer stands that came with this proof. A proof that is none is passed over: its bearer is a stranger.
    pub(super) async fn standing(&self, core: CoreId, link: &Link, proof: Option<&Proof>) -> Standing {
        let Some(proof) = proof else { return Standing::Stranger };
        let peer = link.peer();
        let (own, nonce, now_ms) = (link.own(), link.own_nonce(), self.0.clock.now_ms());
        let check =
            |contracts: &dyn ContractSignatures| proof.check(core, peer, own, nonce, now_ms, contracts);
        match self.0.exchange.chains.settle(check).await {
            Ok(login) => Standing::Login(Arc::new(login)),
            Err(error) => {
                tracing::debug!(%core, %peer, error = &error as &dyn std::error::Error, "a proof was refused");
                Standing::Stranger
            }
        }
    }

    /// Whether the core's own map names this node key as one of its hosts.
    pub(crate) fn is_host(&self, core: &CoreId, peer: &PublicKey) -> Result<bool, StoreError> {
        let entry = self.0.store.state(core, &Host::path(peer))?;
        Ok(entry.is_some_and(|entry| super::read_host(&Host::path(peer), &entry.value).is_some()))
    }

    /// Whether the peer is named as a host of the core, or was added as a remote here by somebody whose sign-in may stand.
    pub(super) fn is_known(&self, core: &CoreId, peer: &PublicKey) -> Result<bool, StoreError> {
        Ok(self.is_host(core, peer)? || self.0.trusted.lock().contains_key(&(*core, *peer)))
    }

    /// Whether this node gives all of the core to the peer without being shown anything.
    pub(crate) async fn gives_all(&self, core: &CoreId, peer: &PublicKey) -> Result<bool, LoadError> {
        Ok(self.is_host(core, peer)? || self.trusted_until(core, peer).await?.is_some())
    }

    /// Until when the peer has the core by the word of somebody who has added it here.
    async fn trusted_until(&self, core: &CoreId, peer: &PublicKey) -> Result<Option<u64>, LoadError> {
        let logins = self.0.trusted.lock().get(&(*core, *peer)).cloned().unwrap_or_default();
        let mut until_ms = None;
        for login in logins {
            if until_ms < Some(login.expires_ms) && self.login_stands(core, &login).await? {
                until_ms = Some(login.expires_ms);
            }
        }
        Ok(until_ms)
    }

    /// Whether the sign-in counts now, was not ended, and its account may replicate the core.
    async fn login_stands(&self, core: &CoreId, login: &CheckedLogin) -> Result<bool, LoadError> {
        if !login.valid_at(self.0.clock.now_ms()) || !login.covers(core, Verb::Replicate, None) {
            return Ok(false);
        }
        // First, since it loads no log for somebody who cannot have a part: how long that takes would tell of the core.
        if !self.0.cores.may(core, &login.account, Verb::Replicate, None).await? {
            return Ok(false);
        }
        // A logout stands in the account's own core, which may be another one: its end is to be heard, too.
        let own = Genesis::Private { root: login.account.clone() }.id();
        self.0.cores.changes().follow(own, *core);
        let facts = LoginFacts::of(login, core);
        let stands = |log: &Log| log.login_stands(&facts, &login.account);
        if !self.0.cores.with_log(core, stands).await? {
            return Ok(false);
        }
        let facts = LoginFacts::of(login, &own);
        match self.0.cores.with_log(&own, |log| log.login_stands(&facts, &login.account)).await {
            Err(LoadError::Unknown) => Ok(true),
            stands => stands,
        }
    }

    /// What strangers may have: of a shared core its headers, its authority and the bodies of public puts. What a
    /// private core shows are single paths that make no log, so it is not replicated to strangers: its headers would
    /// tell when its owner does anything.
    async fn public_part(&self, core: &CoreId) -> Result<Allowed, LoadError> {
        let disclosure = self.0.exchange.disclosure(&Reader::Anonymous, core).await?;
        if disclosure != (Disclosure::Public { headers: true }) {
            return Ok(Allowed::Nothing);
        }
        Ok(Allowed::PublicOnly)
    }

    /// Whether anybody may have the body of an operation: it has decided what a public path opens now, and that path
    /// is open to the network.
    pub(super) fn is_public_op(&self, core: &CoreId, op: &OpId, body: &[u8]) -> Result<bool, StoreError> {
        let Ok(Body { act: Act::Put { path, .. }, .. }) = Body::decode(body) else { return Ok(false) };
        let Some(named) = names::named(&self.0.store, core, &path)? else { return Ok(false) };
        let public = named.op == *op && named.visibility == Visibility::Public;
        Ok(public && self.0.access.door(core, Exit::Network)?.is_open(&path))
    }

    /// Whether anybody may have a block by a public path of this core that is open to the network.
    fn is_public_block(&self, core: &CoreId, cid: &Cid) -> Result<bool, StoreError> {
        let store = &self.0.store;
        let door = self.0.access.door(core, Exit::Network)?;
        for root in store.roots_of(cid).take(ROOTS_PER_BLOCK_MAX) {
            for named in store.names_in(core, &root?).take(NAMES_PER_ROOT_MAX) {
                let (path, byte) = named?;
                let public = names::read_byte(byte).is_some_and(|(seen, _)| seen == Visibility::Public);
                if public && door.is_open(&path) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Gate {
    /// Whether the peer may have anything.
    pub(super) fn is_open(&self) -> bool {
        self.allowed != Allowed::Nothing && !self.has_run_out()
    }

    /// Whether its time is over.
    pub(super) fn has_run_out(&self) -> bool {
        self.replication.0.clock.now_ms() >= self.until_ms
    }

    /// Whether the peer may have everything.
    pub(super) fn is_full(&self) -> bool {
        self.allowed == Allowed::Full && self.is_open()
    }

    /// A block that the peer asks for; none where it is not here, not of this core, not for this peer, or denied.
    pub(super) fn block(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        let inner = &self.replication.0;
        if !self.is_open() || inner.content.denylists().now().denies_cid(cid) {
            return Ok(None);
        }
        let may = match self.allowed {
            Allowed::Full => true,
            Allowed::PublicOnly => self.replication.is_public_block(&self.core, cid)?,
            Allowed::Nothing => false,
        };
        if !may || !inner.store.possesses(&self.core, cid)? {
            return Ok(None);
        }
        inner.store.block(cid)
    }
}
