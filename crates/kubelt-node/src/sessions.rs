//! Sign-in and sessions: who are you.
//!
//! A challenge is a message made by this node and good once; the answer must be that very message, so that
//! what was shown to the wallet is what is granted. The sign-in opens the account's private core, which is
//! created where this node does not hold it yet.

mod end;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kubelt_core::{
    Ability, Account, Act, CheckedLogin, CoreId, Header, Login, LoginError, OpId, PublicKey, SignIn,
    SignInError as MessageError, Signed, Verb,
    limits::{ABILITIES_MAX, SIGN_IN_HEADS_MAX, SIGN_IN_MESSAGE_BYTES_MAX},
    session::life_ms_max,
    signature::scheme_by,
    webauthn::{challenge_for, challenge_of},
};
use kubelt_store::{CommitError, Store, TxError};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    StoreError,
    chains::Chains,
    challenge::{Challenges, Pending, Purpose},
    clock::Clock,
    cores::{Cores, LoadError},
    gates::{Barred, Trials},
    limits::{HELD_SESSION_LIFE, SESSION_LIFE, SESSIONS_PER_ACCOUNT_MAX},
    session::{Session, SessionRecord, Token},
    session_table::SessionTable,
    users::{Admission, Asks, home},
    write::{Write, WriteError},
};

pub use end::{EndError, Ended};

/// Sign-in and sessions; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    store: Store,
    cores: Cores,
    chains: Chains,
    gates: Trials,
    clock: Arc<dyn Clock>,
    table: SessionTable,
    challenges: Arc<Challenges>,
    /// Held while the sessions of an account are counted and one is added; accounts share a few of them.
    opening: Arc<[Mutex<()>; OPENING_LOCKS]>,
}

/// Locks that accounts share while they open sessions.
const OPENING_LOCKS: usize = 64;

/// What a sign-in asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who signs in.
    pub account: Account,
    /// What the session may do in the account's private core; all that a session ever may when absent.
    pub abilities: Option<Vec<Ability>>,
    /// The client's session key; the node holds one when absent.
    pub session_key: Option<PublicKey>,
    /// What the session may do in other cores: shared ones in which the account has a part.
    pub cores: BTreeMap<CoreId, Vec<Ability>>,
    /// Heads of the private core that the wallet's side knows.
    pub heads: Vec<OpId>,
    /// How long the session lives, in milliseconds; what is usual for such a one when absent.
    pub life_ms: Option<u64>,
    /// The core that it signs in through: the session is at home in the account's own core there then, and reaches
    /// nothing that does not lie in that one.
    pub within: Option<CoreId>,
}

impl Ask {
    /// A usual sign-in of an account to its private core.
    pub const fn of(account: Account) -> Self {
        Self {
            account,
            abilities: None,
            session_key: None,
            cores: BTreeMap::new(),
            heads: Vec::new(),
            life_ms: None,
            within: None,
        }
    }
}

/// A message to sign.
#[derive(Debug, Clone)]
pub struct MadeChallenge {
    /// The exact text.
    pub message: String,
    /// Its nonce.
    pub nonce: String,
    /// When it stops being good, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The challenge to give a passkey, where one is to sign.
    pub passkey: Option<[u8; 32]>,
}

/// A session has begun.
#[derive(Debug)]
pub struct OpenedSession {
    /// The session.
    pub session: Arc<Session>,
    /// Its bearer token, told only once.
    pub token: String,
    /// Whether the core that it is at home in was created by this sign-in.
    pub created: bool,
    /// What the user is asked to grant, where the sign-in went through another core.
    pub asks: Option<Asks>,
}

/// Why there is no challenge.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// The abilities, heads or origin do not make a message.
    #[error("no sign-in message can be made of this")]
    Message(#[from] MessageError),
    /// The message would be refused when it comes back.
    #[error(transparent)]
    Refused(#[from] LoginError),
    /// A contract account of a chain that this node asks nobody about.
    #[error(
        "this node asks nobody about chain {0}, so contract accounts of it cannot sign in; its operator names upstreams under `[chains.{0}]`"
    )]
    Chain(u64),
    /// The core that the sign-in is to go through admits nobody.
    #[error("there is no core here that you can sign in through by this name")]
    NotAdmitted,
    /// A core that does not lie in the one that the sign-in goes through.
    #[error("core `{0}` does not lie in the one that you sign in through")]
    OutOfScope(CoreId),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// Why a sign-in is refused.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The message is none that this node gave out and still waits for.
    #[error("this message was not given out here, has been used, or is too old; ask for a new challenge")]
    Challenge,
    /// The message differs from the one given out.
    #[error("the message is not, byte for byte, the one that was given out; sign that one")]
    Altered,
    /// The message was given out under another origin.
    #[error("the message was given out for `{0}`; answer there")]
    Origin(String),
    /// The login breaks a rule or its signature is wrong.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// A contract wallet's signature that cannot be checked now.
    #[error(
        "the contract's chain gives no answer at the moment; the message stays good, so send the same signature again in a while"
    )]
    Pending,
    /// The core that the sign-in goes through has its users pass a gate.
    #[error(transparent)]
    Barred(#[from] Barred),
    /// The core that the sign-in goes through admits nobody any more.
    #[error("the core that you sign in through admits nobody any more")]
    NotAdmitted,
    /// What the core begins with could not be written.
    #[error("the core could not be begun; sign in again")]
    Begin(#[source] WriteError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Too many sessions.
    #[error("the account has {SESSIONS_PER_ACCOUNT_MAX} sessions on this node; end one of them first")]
    TooMany,
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The session could not be put into a transaction.
    #[error("the session could not be stored")]
    Tx(#[from] TxError),
    /// The store could not be written.
    #[error("the session could not be stored")]
    Commit(#[from] CommitError),
}

/// All that a session may ever be handed in its account's own core.
fn all_abilities() -> Vec<Ability> {
    let mut abilities: Vec<_> =
        Verb::ALL.into_iter().filter(|verb| verb.session_may()).map(Ability::everywhere).collect();
    abilities.sort();
    abilities
}

impl Sessions {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        chains: Chains,
        gates: Trials,
        clock: Arc<dyn Clock>,
        table: SessionTable,
    ) -> Self {
        Self {
            store,
            cores,
            chains,
            gates,
            clock,
            table,
            challenges: Arc::default(),
            opening: Arc::new(std::array::from_fn(|_| Mutex::default())),
        }
    }

    /// Makes a sign-in message as [`Sessions::challenge`] does, once it is known that the core which it is to go through
    /// admits users and holds the other cores that it is for.
    ///
    /// # Errors
    /// [`ChallengeError`], alike for a core that admits nobody and for one that is not here.
    pub async fn challenge_within(&self, origin: &str, ask: Ask) -> Result<MadeChallenge, ChallengeError> {
        if let Some(parent) = ask.within {
            self.cores.admission(&parent).await?.ok_or(ChallengeError::NotAdmitted)?;
            for core in ask.cores.keys() {
                if *core != parent && !self.cores.doors.kin.is_within(core, &parent)? {
                    return Err(ChallengeError::OutOfScope(*core));
                }
            }
        }
        self.challenge(origin, ask)
    }

    /// The core that a sign-in on a host goes through which leads to `host`: that one, or one below it.
    ///
    /// # Errors
    /// [`ChallengeError::OutOfScope`] for any other.
    pub fn within_host(&self, host: CoreId, asked: Option<CoreId>) -> Result<CoreId, ChallengeError> {
        match asked {
            Some(core) if core != host && !self.cores.doors.kin.is_within(&core, &host)? => {
                Err(ChallengeError::OutOfScope(core))
            }
            asked => Ok(asked.unwrap_or(host)),
        }
    }

    /// Makes a sign-in message for `origin`, the host that the request was sent to.
    ///
    /// # Errors
    /// [`ChallengeError`] when what is asked for cannot be granted to any session.
    pub fn challenge(&self, origin: &str, ask: Ask) -> Result<MadeChallenge, ChallengeError> {
        if let Account::Contract { chain, .. } = ask.account
            && !self.chains.knows(chain)
        {
            return Err(ChallengeError::Chain(chain));
        }
        let now_ms = self.clock.now_ms();
        let core = home(ask.account.clone(), ask.within).id();
        let token = Token::generate();
        let held = ask.session_key.is_none();
        let nonce = Challenges::nonce();
        let usual = if held { HELD_SESSION_LIFE } else { SESSION_LIFE };
        let life_ms = ask.life_ms.unwrap_or_else(|| u64::try_from(usual.as_millis()).expect("days fit"));
        let mut abilities = ask.cores;
        abilities.insert(core, ask.abilities.unwrap_or_else(all_abilities));
        abilities.values_mut().for_each(|abilities| {
            abilities.sort();
            abilities.dedup();
        });
        abilities.retain(|_, abilities| !abilities.is_empty());
        let count = abilities.values().map(Vec::len).sum();
        if count > ABILITIES_MAX {
            return Err(LoginError::Abilities(count).into());
        }
        if let Some(ability) = abilities.values().flatten().find(|ability| !ability.verb.session_may()) {
            return Err(LoginError::Ability(ability.clone()).into());
        }
        let max_ms = life_ms_max(abilities.values().flatten(), held);
        if life_ms == 0 || life_ms > max_ms {
            return Err(LoginError::Life { life_ms, max_ms }.into());
        }
        let heads: BTreeSet<OpId> = ask.heads.into_iter().collect();
        if heads.len() > SIGN_IN_HEADS_MAX {
            return Err(LoginError::Heads(heads.len()).into());
        }
        let message = SignIn {
            scheme: None,
            domain: origin.to_owned(),
            account: ask.account.clone(),
            chain_id: 1,
            session: ask.session_key.unwrap_or_else(|| token.session_key().public()),
            nonce: nonce.clone(),
            issued_at_ms: now_ms,
            expires_ms: now_ms + life_ms,
            abilities,
            heads: if heads.is_empty() { BTreeMap::new() } else { BTreeMap::from([(core, heads)]) },
            held_by_node: held,
        }
        .message()?;
        if message.len() > SIGN_IN_MESSAGE_BYTES_MAX {
            return Err(LoginError::TooLong(message.len()).into());
        }
        let purpose = Purpose::SignIn { token, held, within: ask.within };
        Ok(self.remember(origin, ask.account, message, nonce, purpose, now_ms))
    }

    /// What a session of `account` is handed in another core, unless its sign-in asks for something else: what the
    /// account may there, as far as whoever asks may know that, and otherwise all that a session ever may.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn usual_abilities(
        &self,
        asking: Option<&Session>,
        account: &Account,
        core: &CoreId,
    ) -> Result<Vec<Ability>, LoadError> {
        let own = asking.is_some_and(|session| session.account() == account && session.speaks_for_account());
        if own && self.cores.has_part(core, account).await? {
            let usable = self.cores.with_log(core, |log| log.session_abilities(account)).await?;
            if !usable.is_empty() {
                return Ok(usable);
            }
        }
        Ok(all_abilities())
    }

    fn remember(
        &self,
        origin: &str,
        account: Account,
        message: String,
        nonce: String,
        purpose: Purpose,
        now_ms: u64,
    ) -> MadeChallenge {
        let expires_ms = Challenges::expiry(&account, now_ms);
        let passkey = match &purpose {
            _ if !account.is_passkey() => None,
            Purpose::SignIn { .. } => Some(challenge_of(message.as_bytes())),
            Purpose::End { header, body, .. } => challenge_for(header, Some(body)).ok(),
        };
        let pending =
            Pending { account, origin: origin.to_owned(), message: digest(&message), expires_ms, purpose };
        self.challenges.put(nonce.clone(), pending, now_ms);
        MadeChallenge { message, nonce, expires_ms, passkey }
    }

    /// Opens a session with a signed message.
    ///
    /// # Errors
    /// [`SignInError`] when the message is not the one given out, or its signature is wrong. The
    /// challenge is used up then, unless the signature is [`SignInError::Pending`].
    pub async fn open(
        &self,
        origin: &str,
        message: &str,
        signature: &[u8],
    ) -> Result<OpenedSession, SignInError> {
        let nonce = kubelt_core::siwe::Message::parse(message).map_err(LoginError::Message)?.nonce.to_owned();
        let now_ms = self.clock.now_ms();
        let pending = self.challenges.take(&nonce, now_ms).ok_or(SignInError::Challenge)?;
        let Purpose::SignIn { token, held, within } = &pending.purpose else {
            return Err(SignInError::Challenge);
        };
        let (token, held, within) = (token.clone(), *held, *within);
        if pending.message != digest(message) {
            return Err(SignInError::Altered);
        }
        if pending.origin != origin {
            return Err(SignInError::Origin(pending.origin));
        }
        let block = self.chains.block_for(&pending.account).await;
        if block.is_none() && matches!(pending.account, Account::Contract { .. }) {
            self.challenges.put(nonce, pending, now_ms);
            return Err(SignInError::Pending);
        }
        let scheme = scheme_by(&pending.account, signature);
        let login = Login::new(message.to_owned(), scheme, signature.to_vec(), block);
        let outcome = self.chains.settle(|contracts| CheckedLogin::check(&login, contracts)).await?;
        let Some(checked) = outcome.valid() else {
            self.challenges.put(nonce, pending, now_ms);
            return Err(SignInError::Pending);
        };
        let admission = match &within {
            Some(parent) => Some(self.admit(parent, &checked.account).await?),
            None => None,
        };
        let genesis = home(checked.account.clone(), within);
        let core = genesis.id();
        let counting = self.opening[usize::from(core.digest()[0]) % OPENING_LOCKS].lock().await;
        self.check_room(&checked.account, now_ms)?;
        let created = self.store.genesis(&core)?.is_none();
        let record = SessionRecord {
            v: 1,
            login: checked.id,
            core,
            account: checked.account.clone(),
            created_ms: now_ms,
            expires_ms: checked.expires_ms,
            held_by_node: held,
            within,
        };
        let mut tx = self.store.begin();
        tx.put_core(&core, &genesis.encode())?;
        if let Some(admission) = admission.as_ref().filter(|_| created) {
            tx.set_quota(&core, Some(admission.quota(self.store.quota(&core)?)))?;
        }
        tx.put_login(&core, &checked.id, &login.encode())?;
        self.table.insert(&mut tx, &token, &record)?;
        tx.commit().await?;
        drop(counting);
        let session = self.table.get(&token)?.unwrap_or_else(|| {
            // Ended by another session in this very moment: the token is told, and opens nothing.
            Arc::new(Session {
                login: Arc::new(checked),
                core,
                within,
                created_ms: now_ms,
                token_hash: token.hash(),
                key: held.then(|| token.session_key()),
            })
        });
        let asks = match admission {
            Some(admission) => self.begin_user(&session, &admission).await?,
            None => None,
        };
        Ok(OpenedSession { session, token: token.text(), created, asks })
    }

    /// Admits an account that has signed to its own core in another one.
    async fn admit(&self, parent: &CoreId, account: &Account) -> Result<Admission, SignInError> {
        let admission = self.cores.admission(parent).await?.ok_or(SignInError::NotAdmitted)?;
        if let Some(gate) = admission.gate() {
            self.gates.guard(parent, gate, account).await??;
        }
        Ok(admission)
    }

    /// Gives a user's core the settings that its parent's template presets, where it holds nothing yet and the node can
    /// sign for the user. Gives what the user is asked to grant.
    async fn begin_user(
        &self,
        session: &Arc<Session>,
        admission: &Admission,
    ) -> Result<Option<Asks>, SignInError> {
        let is_new = session.key.is_some() && self.store.heads(&session.core)?.is_empty();
        for (path, value) in admission.template.settings().filter(|_| is_new) {
            let act = Act::Put { path, value: value.clone() };
            let write = Write::Act { session: Arc::clone(session), act };
            self.cores.write(session.core, write).await.map_err(SignInError::Begin)?;
        }
        Ok(self.cores.asked(&session.core, admission).await?)
    }

    /// Checks that the account may have one more session; expired ones give way.
    fn check_room(&self, account: &Account, now_ms: u64) -> Result<(), SignInError> {
        let sessions = self.table.of(account)?;
        let (ended, standing): (Vec<_>, Vec<_>) =
            sessions.into_iter().partition(|(_, record)| record.expires_ms <= now_ms);
        if !ended.is_empty() {
            let mut tx = self.store.begin();
            for (_, record) in &ended {
                self.table.remove(&mut tx, account, &record.login)?;
            }
            // Clearing away is a courtesy: a failure leaves rows that open nothing.
            drop(tx.commit());
        }
        if standing.len() >= SESSIONS_PER_ACCOUNT_MAX { Err(SignInError::TooMany) } else { Ok(()) }
    }

    /// The session of a bearer token, where it stands.
    ///
    /// # Errors
    /// Only when the store fails.
    pub fn authenticate(&self, token: &str) -> Result<Option<Arc<Session>>, StoreError> {
        let Some(token) = Token::parse(token) else { return Ok(None) };
        let session = self.table.get(&token)?;
        Ok(session.filter(|session| session.login.valid_at(self.clock.now_ms())))
    }

    /// Resolves when the session has ended, or its time is over.
    pub async fn over(&self, session: &Session) {
        let left_ms = session.expires_ms().saturating_sub(self.clock.now_ms());
        let _over = timeout(Duration::from_millis(left_ms), self.table.ended(session)).await;
    }
}

fn digest(message: &str) -> [u8; 32] {
    Sha256::digest(message).into()
}

impl Session {
    /// Whether another session of the account is its business: one that signed in through a core knows only its like.
    fn reaches(&self, record: &SessionRecord) -> bool {
        self.within.is_none() || record.core == self.core
    }

    /// A new header's author, where the node can sign for this session.
    pub(crate) fn sign(&self, header: Header) -> Option<Signed> {
        self.key.as_ref().map(|key| key.sign_header(header))
    }
}
