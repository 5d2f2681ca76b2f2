//! Where content came from: the operation that put it at a path, with everything that shows who signed it and by which
//! authority, to be checked by anybody, without a node.
//!
//! A proof says that this account, in this core, at this date, put this content at this path, and was allowed to. It does not say
//! that nothing came later: a revocation, a newer version, a replaced root. Only the whole log tells ([`crate::verify`]).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    ability::{Ability, Verb},
    account::{Account, Principal},
    codec::{self, DecodeError},
    genesis::Genesis,
    id::{CoreId, LoginId, OpId},
    limits::{PROVENANCE_BYTES_MAX, PROVENANCE_OPS_MAX},
    log::{Entry, EntryError, LoginFacts},
    login::Login,
    op::{Act, Body, Header, Signed},
    path::MapPath,
    schema::{ContentEntry, SchemaError},
    session::{CheckedLogin, LoginError, Outcome},
    signature::{Unchecked, Verdict, verify_signed},
    words,
};

const KIND: &str = "kubelt-proof";

/// A proof of provenance, as it travels: dag-cbor of blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    v: u8,
    kind: String,
    genesis: ByteBuf,
    /// The `put`.
    put: ProofOp,
    /// The grants, rotations and votes that it rests on.
    chain: Vec<ProofOp>,
    /// The sign-ins that any of them name.
    logins: Vec<ByteBuf>,
}

/// An operation as blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofOp {
    /// The signed header.
    pub signed: ByteBuf,
    /// The body.
    pub body: ByteBuf,
}

/// What a proof shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Provenance {
    /// The core that the content was put in.
    pub core: CoreId,
    /// How that core began.
    pub genesis: Genesis,
    /// The operation.
    pub op: OpId,
    /// Who acted.
    pub by: Account,
    /// When, as its maker says (RFC 3339).
    pub at: String,
    /// Where it was put.
    pub path: MapPath,
    /// What.
    pub entry: ContentEntry,
    /// Whose site was signed in to, where a session's key signed.
    pub session: Option<SignedInAt>,
    /// By which authority, from the one that it acts by up to one that the root gave; empty where the root acted.
    pub chain: Vec<Authority>,
    /// Others who agreed, where several had to.
    pub voters: Vec<Account>,
    /// Contract wallets whose signature only their chain can answer for: theirs was not checked.
    pub unchecked: Vec<Account>,
}

/// A session that signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedInAt {
    /// The authority of the site that asked for the sign-in.
    pub domain: String,
    /// Whether a node holds the session's key, and so could have written this itself.
    pub held_by_node: bool,
}

/// A grant or a rotation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authority {
    /// The operation.
    pub id: OpId,
    /// Who gave it.
    pub by: Account,
    /// The role's name, of a grant that has one.
    pub role: Option<String>,
}

/// Why a proof shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// A block is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Another kind of block, or a later version.
    #[error("this is no proof of provenance of a known version")]
    Kind,
    /// Too many operations.
    #[error("a proof rests on {PROVENANCE_OPS_MAX} operations at most")]
    TooMany,
    /// A sign-in is not good.
    #[error("a sign-in of the proof is refused")]
    Login(#[from] LoginError),
    /// An operation is not good.
    #[error("operation `{id}` of the proof is refused")]
    Op {
        /// Which.
        id: OpId,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// The operation is none that puts content.
    #[error("operation `{0}` puts no content anywhere")]
    NotContent(OpId),
    /// The entry is malformed.
    #[error("the entry of the proof is malformed")]
    Entry(#[from] SchemaError),
    /// Something that it rests on was left out.
    #[error("`{0}`, which the proof rests on, is not in it")]
    Missing(OpId),
    /// The authority that is named does not allow the act.
    #[error("operation `{id}` is not allowed: {why}")]
    NotAllowed {
        /// The operation.
        id: OpId,
        /// Why not.
        why: &'static str,
    },
}

impl Proof {
    /// Puts blocks together; nothing is checked.
    pub fn new(genesis: Vec<u8>, put: ProofOp, chain: Vec<ProofOp>, logins: Vec<Vec<u8>>) -> Self {
        let logins = logins.into_iter().map(ByteBuf::from).collect();
        Self { v: 1, kind: KIND.to_owned(), genesis: genesis.into(), put, chain, logins }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// [`ProvenanceError`] when it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProvenanceError> {
        let proof: Self = codec::decode(bytes, PROVENANCE_BYTES_MAX, "proof")?;
        if proof.v != 1 || proof.kind != KIND {
            return Err(ProvenanceError::Kind);
        }
        if proof.chain.len() > PROVENANCE_OPS_MAX || proof.logins.len() > PROVENANCE_OPS_MAX {
            return Err(ProvenanceError::TooMany);
        }
        Ok(proof)
    }

    /// Checks every signature, sign-in and authority; gives what is shown.
    ///
    /// # Errors
    /// [`ProvenanceError`] names the first fault.
    pub fn check(&self) -> Result<Provenance, ProvenanceError> {
        let genesis = Genesis::decode(&self.genesis)?;
        let mut case = Case::of(genesis);
        for login in &self.logins {
            case.take_login(&Login::decode(login)?)?;
        }
        for op in &self.chain {
            let entry = case.take(op)?;
            case.ops.insert(entry.id(), entry);
        }
        let put = case.take(&self.put)?;
        let (header, id) = (put.header(), put.id());
        let Some(Act::Put { path, value }) = put.body().map(|body| &body.act) else {
            return Err(ProvenanceError::NotContent(id));
        };
        if path.prefix() != "content" {
            return Err(ProvenanceError::NotContent(id));
        }
        let entry = ContentEntry::from_ipld(value)?;
        let (chain, voters) = case.trace(&put)?;
        let session = header.login.and_then(|login| case.logins.get(&login));
        Ok(Provenance {
            core: case.core,
            op: id,
            by: header.by.clone(),
            at: words::date(header.at),
            path: path.clone(),
            entry,
            session: session
                .map(|login| SignedInAt { domain: login.domain.clone(), held_by_node: login.held_by_node }),
            chain,
            voters,
            genesis: case.genesis,
            unchecked: case.unchecked,
        })
    }
}

/// What was found to be signed so far.
struct Case {
    core: CoreId,
    root: Principal,
    genesis: Genesis,
    logins: HashMap<LoginId, CheckedLogin>,
    ops: HashMap<OpId, Entry>,
    unchecked: Vec<Account>,
}

impl Case {
    fn of(genesis: Genesis) -> Self {
        let (core, root) = (genesis.id(), genesis.root());
        Self { core, root, genesis, logins: HashMap::new(), ops: HashMap::new(), unchecked: Vec::new() }
    }

    fn take_login(&mut self, login: &Login) -> Result<(), ProvenanceError> {
        let checked = match CheckedLogin::check(login, &Unchecked)? {
            Outcome::Valid(login) => login,
            Outcome::Pending(login) => {
                self.unchecked.push(login.account.clone());
                login
            }
        };
        self.logins.insert(checked.id, checked);
        Ok(())
    }

    /// Checks the signature of an operation, and that its parts belong together.
    fn take(&mut self, op: &ProofOp) -> Result<Entry, ProvenanceError> {
        let (signed, body) = (Signed::decode(&op.signed)?, Body::decode(&op.body)?);
        let id = signed.id();
        let refused = |source| ProvenanceError::Op { id, source };
        let login = signed.header.login.and_then(|login| self.logins.get(&login));
        let facts = login.map(|login| Arc::new(LoginFacts::of(login, &self.core)));
        let session = login.map(|login| &login.session);
        let verdict = verify_signed(&signed, Some(&body), session, &Unchecked);
        if verdict.map_err(|error| refused(error.into()))? == Verdict::Pending {
            self.unchecked.push(signed.header.by.clone());
        }
        let is_ours = signed.header.core == self.core;
        let entry = Entry::new(signed.header, Some(body), facts).map_err(refused)?;
        if is_ours {
            Ok(entry)
        } else {
            Err(ProvenanceError::NotAllowed { id, why: "it belongs to another core" })
        }
    }

    /// The authorities that an operation hangs on, up to the root, and who agreed to it.
    fn trace(&self, op: &Entry) -> Result<(Vec<Authority>, Vec<Account>), ProvenanceError> {
        let (mut chain, voters) = (Vec::new(), self.allow(op)?);
        let mut at = op;
        while at.header().auth != self.core.as_root() {
            let id = at.header().auth;
            // Each was made before what hangs on it, so that this ends.
            at = self.ops.get(&id).ok_or(ProvenanceError::Missing(id))?;
            self.allow(at)?;
            let role = match at.body().map(|body| &body.act) {
                Some(Act::Grant { role, .. }) => role.clone(),
                _ => None,
            };
            chain.push(Authority { id, by: at.header().by.clone(), role });
        }
        Ok((chain, voters))
    }

    /// Whether an operation may be, by the authority that it names; gives those who agreed to it.
    fn allow(&self, op: &Entry) -> Result<Vec<Account>, ProvenanceError> {
        let (id, header) = (op.id(), op.header());
        let refuse = |why| Err(ProvenanceError::NotAllowed { id, why });
        let Some(body) = op.body() else { return refuse("its body is missing") };
        let (to, can) = self.authority(id, header)?;
        if !to.contains(&header.by) {
            return refuse("its authority was given to somebody else");
        }
        let allows = |verb, path: Option<&MapPath>| {
            can.is_none_or(|can| can.iter().any(|ability: &Ability| ability.allows(verb, path)))
        };
        let covers = |wanted: &Ability| can.is_none_or(|can| can.iter().any(|own| own.covers(wanted)));
        let may = match &body.act {
            Act::Put { path, .. } => allows(Verb::Put, Some(path)),
            Act::Grant { can: given, wait_ms: None, .. } => {
                allows(Verb::Grant, None) && given.iter().all(covers) && !self.genesis.is_private()
            }
            Act::Rotate { .. } => can.is_none() && matches!(self.genesis, Genesis::Shared { .. }),
            _ => false,
        };
        if !may {
            return refuse(
                "its authority does not allow it, or waits for something that a proof cannot show",
            );
        }
        check_session(op, &body.act).map_err(|why| ProvenanceError::NotAllowed { id, why })?;
        let voters = self.voters(header, body, to);
        if voters.len() + 1 < to.m() {
            return refuse("too few agree to it");
        }
        Ok(voters)
    }

    /// Who may act by the authority of a header, and what; nothing listed is everything.
    fn authority(
        &self,
        id: OpId,
        header: &Header,
    ) -> Result<(&Principal, Option<&[Ability]>), ProvenanceError> {
        if header.auth == self.core.as_root() {
            return Ok((&self.root, None));
        }
        let auth = self.ops.get(&header.auth).ok_or(ProvenanceError::Missing(header.auth))?;
        let refuse = |why| Err(ProvenanceError::NotAllowed { id, why });
        if auth.header().at >= header.at {
            return refuse("its authority is not older than it is");
        }
        match auth.body().map(|body| &body.act) {
            Some(Act::Grant { to, can, .. }) => Ok((to, Some(can))),
            Some(Act::Rotate { root }) => Ok((root, None)),
            _ => refuse("its authority is none"),
        }
    }

    /// Other holders of the same authority who voted for exactly this, in the words that it makes.
    fn voters(&self, header: &Header, body: &Body, to: &Principal) -> Vec<Account> {
        let (proposal, shown) = (header.proposal(), words::shown(&header.by, body).ok());
        let agrees = |vote: &&Entry| {
            let Some(Act::Vote { proposal: on, approve: true, shown: seen, expires, .. }) =
                vote.body().map(|body| &body.act)
            else {
                return false;
            };
            let by_right = vote.header().auth == header.auth && to.contains(&vote.header().by);
            let signed = vote.header().login.is_none()
                || header.verb.session_may()
                    && vote.body().is_some_and(|body| check_session(vote, &body.act).is_ok());
            let in_time = *expires > header.at && vote.header().at < header.at;
            *on == proposal && shown == Some(**seen) && by_right && signed && in_time
        };
        let votes = header.votes.iter().filter_map(|id| self.ops.get(id)).filter(agrees);
        let voters: HashSet<&Account> =
            votes.map(|vote| &vote.header().by).filter(|by| **by != header.by).collect();
        voters.into_iter().cloned().collect()
    }
}

/// Whether the session that signed was handed this, by the one who acts, and in time.
fn check_session(op: &Entry, act: &Act) -> Result<(), &'static str> {
    let Some(login) = op.login() else { return Ok(()) };
    let at = op.header().at.ms();
    if login.account != op.header().by {
        return Err("its sign-in is another account's");
    }
    if !login.allows(act) {
        return Err("its sign-in does not cover it");
    }
    if at < login.from_ms || at >= login.expires_ms {
        return Err("its sign-in was out of date");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
