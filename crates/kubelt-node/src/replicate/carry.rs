//! Cores that others bring to this node, and how far cores are over channels that others have opened.
//!
//! Nobody fills this node with cores: a core that is not here is taken only from nodes that the operator names, by asking
//! them for it in turn, and only where they let this node have all of it, which they do where its map names this node.

use kubelt_core::{CoreId, PublicKey};
use tokio::sync::watch;

use super::{Exchanged, Link, Replication};
use crate::limits::{CARRIED_FOR_MAX, CARRYING_MAX};

impl Replication {
    /// From now on these nodes may bring cores here.
    pub fn carry_for(&self, nodes: impl IntoIterator<Item = PublicKey>) {
        *self.0.carried_for.write() = nodes.into_iter().take(CARRIED_FOR_MAX).collect();
    }

    /// Asks a peer for a core that it has asked for and gets nothing of, where it may bring cores here. To the peer it is
    /// said that the core is not here in any case.
    pub(super) fn take_what_is_brought(&self, link: &Link, core: CoreId) {
        if !self.0.carried_for.read().contains(link.peer()) {
            return;
        }
        {
            let mut carrying = self.0.carrying.lock();
            if carrying.len() >= CARRYING_MAX || !carrying.insert(core) {
                return;
            }
        }
        let (this, link) = (self.clone(), link.clone());
        tokio::spawn(async move {
            match link.carry(&this, core).await {
                Ok(()) => tracing::info!(%core, peer = %link.peer(), "a core was brought here"),
                Err(error) => {
                    tracing::debug!(%core, peer = %link.peer(), %error, "a core was not brought here");
                    if let super::ChannelError::Peer(fault) = &error {
                        this.strike(link.peer(), fault);
                        link.end();
                    }
                }
            }
            this.0.carrying.lock().remove(&core);
        });
    }

    /// Whether no core is being brought here.
    #[cfg(test)]
    pub(crate) fn is_carrying_nothing(&self) -> bool {
        self.0.carrying.lock().is_empty()
    }

    /// Remembers how far a core is over a channel that a peer has opened, for as long as it is open.
    pub(super) fn note_answered(
        &self,
        core: CoreId,
        peer: &PublicKey,
        exchanged: watch::Receiver<Exchanged>,
    ) {
        self.0.answered.lock().insert((core, *peer), exchanged);
    }

    /// Forgets that once it is closed, unless the peer has opened another since.
    pub(super) fn forget_answered(
        &self,
        core: CoreId,
        peer: &PublicKey,
        exchanged: &watch::Receiver<Exchanged>,
    ) {
        let mut answered = self.0.answered.lock();
        if answered.get(&(core, *peer)).is_some_and(|noted| noted.same_channel(exchanged)) {
            answered.remove(&(core, *peer));
        }
    }

    /// How far a core is over the channel that a peer has opened, where there is one.
    pub(crate) fn answered(&self, core: &CoreId, peer: &PublicKey) -> Option<Exchanged> {
        let answered = self.0.answered.lock();
        answered.get(&(*core, *peer)).map(|exchanged| exchanged.borrow().clone())
    }
}
