//! A core brought from another node by the word of somebody who has a part in it.
//!
//! Its log is first looked at in memory, as if nothing of it were here: so nothing is stored for an account that turns
//! out to have no part in it, and whether the core was here before shows neither to that account nor to the other node.

use std::{collections::BTreeSet, sync::Arc};

use kubelt_core::{CoreId, Genesis, Log, Verb, sync::Received};
use tokio::time::timeout;

use super::{Members, MembersError};
use crate::{
    chains::Questions,
    exchange::{CheckError, Checker, FoundLogin},
    limits::JOIN_TIME,
    remotes::{NodeAddress, Remote},
    replicate::{ChannelError, Peeked},
    session::Session,
    write::{SignedOp, Write, WriteError},
};

/// Why a core did not come from another node.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The sign-in does not name the core.
    #[error("this session may not bring the core here; sign in anew and name the core")]
    Session,
    /// The other node is not reached.
    #[error("{0}")]
    Unreached(String),
    /// It has no such core, or none for this account.
    #[error(
        "the other node has no such core for you: the invite is another account's, it was taken back, or your role does not let you hold a copy. then sign in at a node that has the core"
    )]
    NotFound,
    /// It does not keep to the protocol, or the connection broke.
    #[error("the core did not come: {0}")]
    Broken(String),
    /// Too many cores are on their way.
    #[error("other cores are being brought here; try again in a moment")]
    Busy,
    /// It took too long.
    #[error("the other node took over {} seconds; try again", JOIN_TIME.as_secs())]
    Late,
}

impl Members {
    /// Brings a core here from the node at `from`, and goes on exchanging it.
    pub(super) async fn join(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        from: NodeAddress,
    ) -> Result<Remote, MembersError> {
        if session.key.is_none() {
            return Err(WriteError::ClientKey.into());
        }
        if !session.covers(&core, Verb::Replicate, None) {
            return Err(JoinError::Session.into());
        }
        let (genesis, ops) = {
            let _turn = self.joins.try_acquire().map_err(|_none_left| JoinError::Busy)?;
            let peeked = timeout(JOIN_TIME, self.peek(session, core, &from)).await;
            let peeked = peeked.map_err(|_late| JoinError::Late)??;
            let (account, now_ms) = (session.account().clone(), self.clock.now_ms());
            let mut checker = Checker::new(core);
            let questions = Questions::default();
            let ask = |op: &Received| questions.of(&op.signed, op.body.as_ref(), op.login.as_deref());
            peeked.ops.iter().for_each(ask);
            checker.ask(&self.chains, questions).await;
            let checked = tokio::task::spawn_blocking(move || check(checker, peeked, now_ms)).await;
            let (log, ops) = checked.map_err(|panicked| JoinError::Broken(panicked.to_string()))??;
            if !log.has_part(&account) || log.may(&account, Verb::Replicate, None).is_none() {
                return Err(JoinError::NotFound.into());
            }
            (log.genesis().clone(), ops)
        };
        self.cores.bring(session.account(), &genesis).await?;
        let writes = ops.into_iter().map(|op| Write::Op(Box::new(op))).collect();
        for result in self.cores.write_all(core, writes).await {
            match result {
                // Dated ahead of this clock, or after something that is: it comes again.
                Ok(_) | Err(WriteError::Refused(_) | WriteError::Schema(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.remotes.add(session, core, from, true).await?)
    }

    async fn peek(
        &self,
        session: &Session,
        core: CoreId,
        from: &NodeAddress,
    ) -> Result<Peeked, MembersError> {
        let addresses = BTreeSet::from([from.text.clone()]);
        let link =
            self.remotes.link(&core, &from.peer, &addresses, false).await.map_err(JoinError::Unreached)?;
        let replication = self.remotes.replication();
        match link.peek(replication, core, session).await {
            Ok(peeked) => Ok(peeked),
            Err(ChannelError::NotFound) => Err(JoinError::NotFound.into()),
            Err(error) => {
                if let ChannelError::Peer(fault) = &error {
                    replication.strike(&from.peer, fault);
                    link.end();
                }
                Err(JoinError::Broken(error.to_string()).into())
            }
        }
    }
}

/// Checks every signature, and judges the log.
fn check(mut checker: Checker, peeked: Peeked, now_ms: u64) -> Result<(Log, Vec<SignedOp>), JoinError> {
    let broken = |error: CheckError| JoinError::Broken(error.to_string());
    let Peeked { genesis, ops } = peeked;
    let mut checked = Vec::with_capacity(ops.len());
    for Received { signed, login, body } in ops {
        let brought = login.map(|login| FoundLogin::Brought((*login).clone()));
        match checker.check(signed, body, |_id| Ok(brought)) {
            Ok(op) => checked.push(op),
            Err(CheckError::Pending) => {}
            Err(error) => return Err(broken(error)),
        }
    }
    let mut log = Log::new(Genesis::clone(&genesis));
    let entries: Vec<_> = checked.iter().filter_map(|op| op.entry().ok()).collect();
    drop(log.insert_many(&entries, now_ms));
    // What puts is taken with its body or not at all, as in any exchange.
    checked.retain(SignedOp::is_whole);
    Ok((log, checked))
}
