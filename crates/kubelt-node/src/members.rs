//! Cores of several people: made, joined and left; who has which part in them, and the acts that change that.
//!
//! There is no table of members: a member is whoever a grant in force names ([`Members::list`]). An invite is such a
//! grant, bound to an account, so it opens nothing for anybody else, however often its link is used. What changes
//! authority is signed by the account itself, never by a session: this node drafts the operation
//! ([`Members::draft`]), the client signs it and posts it like any other.
//!
//! A person's private core names the shared cores they have a part in (`cores/<name>`): it is the list of identities
//! that they can wear. A shared core names its children there.

mod contract;
mod create;
mod draft;
mod heirs;
mod invite;
mod join;
mod list;

use std::sync::Arc;

use kubelt_content::Ipld;
use kubelt_core::{
    Act, CoreId, Genesis, MapPath, Verb,
    account::PrincipalError,
    limits::CORES_ABOVE_MAX,
    schema::{CORES, ChildCore},
    words::WordsError,
};
use kubelt_store::Store;
use tokio::sync::Semaphore;

pub use contract::ContractError;
pub use create::{MadeCore, NewCore};
pub use draft::{Drafted, Wish};
pub use heirs::Heir;
pub use invite::{Accepted, Invite};
pub use join::JoinError;
pub use list::{Member, MemberList, NamedCore};

use crate::{
    StoreError,
    chains::Chains,
    clock::Clock,
    cores::{Cores, LoadError},
    gates::{Barred, Trials},
    identity::IdentityError,
    limits::{CORE_NAMES_READ_MAX, JOINS_MAX},
    parts::BringError,
    remotes::{RemoteNodeError, Remotes},
    session::Session,
    write::{Write, WriteError},
};

/// The members of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Members {
    store: Store,
    cores: Cores,
    chains: Chains,
    gates: Trials,
    clock: Arc<dyn Clock>,
    remotes: Remotes,
    joins: Arc<Semaphore>,
}

/// Why something about members was not done.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// Nothing that this session may know of.
    #[error("there is no core here that you have a part in")]
    NotFound,
    /// The session was not handed what this needs.
    #[error("this session may not do that; sign in anew")]
    Forbidden,
    /// A name that cannot stand in an address.
    #[error("`{0}` is no name for a core; take 1 to 64 letters, digits, `-` or `_`, and no address")]
    Name(String),
    /// A core of a contract that cannot be.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The parent has it guarded by a gate.
    #[error(transparent)]
    Barred(#[from] Barred),
    /// The name is given.
    #[error("another core has the name `{0}` there already; choose another one")]
    NameTaken(String),
    /// A threshold that does not fit its accounts, or too many of these.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// The core that it was to lie in lies as deep as a core may.
    #[error("the core lies under {CORES_ABOVE_MAX} others already, so none can lie in it")]
    TooDeep,
    /// A root for which passkeys alone could act.
    #[error(
        "passkeys alone cannot be the root of a shared core; name other owners, or have more of them agree"
    )]
    Passkeys,
    /// The title is none.
    #[error("a core's name has 1 to 64 bytes, without control characters")]
    Title,
    /// Whoever is to be removed has no grant of their own.
    #[error("`{0}` has no part of its own in this core")]
    NoMember(String),
    /// Whoever is to be removed, or wants to resign, is of the root.
    #[error("`{0}` is of the core's root; the root is handed over as a whole, with `rotate`")]
    OfRoot(String),
    /// Only the root may hand the core over.
    #[error("only the root of this core may replace it; you are none of it")]
    RootOnly,
    /// Heirs are of private cores.
    #[error("heirs are named in private cores; a shared core has other owners")]
    NotPrivate,
    /// The owner as heir.
    #[error("the core is yours already; name somebody else as its heir")]
    OwnHeir,
    /// A wait that no heir can have.
    #[error("an heir waits 7 days at least and 100 years at most")]
    HeirWait,
    /// Whoever is to be heir no more is none.
    #[error("`{0}` is no heir of this core")]
    NoHeir(String),
    /// Nothing is to be refused.
    #[error("nobody claims this core")]
    NoClaim,
    /// The heir's wait runs.
    #[error("the wait is not over; claim the core again at {}", when(*.due_ms))]
    Waits {
        /// When it can be ended, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
    /// The heir has ended the wait.
    #[error("the core is open to you already; sign in to it")]
    Inherited,
    /// Nobody would read what is to be signed.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The operation cannot be made or was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The core could not be kept here.
    #[error(transparent)]
    Bring(#[from] BringError),
    /// The core did not come from the other node.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The exchange with the other node does not go on.
    #[error(transparent)]
    Remote(#[from] RemoteNodeError),
    /// The node has no key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// A date, as people read it.
fn when(ms: u64) -> String {
    kubelt_core::words::date(kubelt_core::Hlc::from_ms(ms))
}

impl Members {
    pub(crate) fn new(
        store: &Store,
        cores: &Cores,
        chains: &Chains,
        gates: &Trials,
        clock: &Arc<dyn Clock>,
        remotes: &Remotes,
    ) -> Self {
        Self {
            store: store.clone(),
            cores: cores.clone(),
            chains: chains.clone(),
            gates: gates.clone(),
            clock: Arc::clone(clock),
            remotes: remotes.clone(),
            joins: Arc::new(Semaphore::new(JOINS_MAX)),
        }
    }

    /// Lets through whoever signed in to the core as a whole and has a part in it. To everybody else there is no core.
    async fn check(&self, session: &Session, core: &CoreId) -> Result<(), MembersError> {
        if session.is_whole_in(core) && self.cores.has_part(core, session.account()).await? {
            Ok(())
        } else {
            Err(MembersError::NotFound)
        }
    }

    /// The cores that a core's map names, by path. The caller has looked who asks.
    fn named(&self, core: &CoreId) -> Result<Vec<(String, CoreId)>, StoreError> {
        let base: MapPath = CORES.parse().expect("a constant path");
        let mut named = Vec::new();
        for (path, _) in self.store.state_scan(core, Some(&base), None, CORE_NAMES_READ_MAX)? {
            if let (Some(name), Some(child)) = (path.below(CORES), self.cores.named_core(core, &path)?) {
                named.push((name.to_owned(), child));
            }
        }
        Ok(named)
    }

    /// The path of a name in the core `from`, which the session must be able to write, and the name be free or be this
    /// core's already.
    fn free_path(
        &self,
        session: &Session,
        from: &CoreId,
        name: &str,
        core: Option<&CoreId>,
    ) -> Result<MapPath, MembersError> {
        let short = || name.chars().take(64).collect();
        let path = ChildCore::path(name).ok_or_else(|| MembersError::Name(short()))?;
        if !session.covers(from, Verb::Put, Some(&path)) {
            return Err(MembersError::Forbidden);
        }
        match self.cores.named_core(from, &path)? {
            Some(named) if Some(&named) != core => Err(MembersError::NameTaken(name.to_owned())),
            _ => Ok(path),
        }
    }

    /// Puts into the core `from` what names others there, and says whether that is done. A client that holds its session's
    /// key puts it itself: only it can sign.
    async fn enter(
        &self,
        session: &Arc<Session>,
        from: &CoreId,
        puts: Vec<(MapPath, Ipld)>,
    ) -> Result<bool, MembersError> {
        if session.key.is_none() {
            return Ok(false);
        }
        let write =
            |(path, value)| Write::Act { session: Arc::clone(session), act: Act::Put { path, value } };
        let writes = puts.into_iter().map(write).collect();
        for written in self.cores.write_all(*from, writes).await {
            written?;
        }
        Ok(true)
    }

    /// What its makers call a shared core.
    fn title(&self, core: &CoreId) -> Result<Option<String>, LoadError> {
        match self.cores.genesis(core) {
            Ok(Genesis::Shared { name, .. }) => Ok(Some(name)),
            Ok(_) | Err(LoadError::Unknown) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
