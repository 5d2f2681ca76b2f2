//! Acts of authority, drafted for an account that signs them itself.

use std::sync::Arc;

use kubelt_content::Ipld;
use kubelt_core::{
    Ability, Account, Act, Body, CoreId, Header, Log, LoginId, MapPath, OpId, Principal, Signed,
    log::{DraftError, Intent},
    schema,
};

use super::{Members, MembersError, create::principal, heirs};
use crate::{clock::random, session::Session, write::WriteError};

/// What somebody wants to do, in people's words.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Put a value, in the account's own name; null clears.
    Put {
        /// Where.
        path: MapPath,
        /// What.
        value: Ipld,
    },
    /// Give somebody a part.
    Grant {
        /// To whom: one account, or several of whom `m` must agree.
        to: Vec<Account>,
        /// How many of them must agree.
        m: Option<u8>,
        /// The name of the role.
        role: Option<String>,
        /// What it allows.
        can: Vec<Ability>,
    },
    /// Take one grant back.
    Revoke {
        /// The grant.
        grant: OpId,
    },
    /// Take back all that one account was granted alone.
    Remove {
        /// Who.
        account: Account,
    },
    /// Give up all that one was granted alone.
    Resign,
    /// Hand the core over.
    Rotate {
        /// To whom.
        owners: Vec<Account>,
        /// How many of them must agree.
        m: Option<u8>,
    },
    /// End a sign-in of one's own.
    Logout {
        /// The sign-in.
        login: LoginId,
    },
    /// Date all that is known, which closes sign-ins that have expired.
    Seal,
    /// Name an heir of a private core.
    Heir {
        /// Who.
        account: Account,
        /// How long it must wait, in milliseconds.
        wait_ms: u64,
    },
    /// Take back what one heir was named to, or all that heirs claim now.
    Refuse {
        /// Which; all who claim the core when absent.
        account: Option<Account>,
    },
    /// Claim the core as its heir.
    Claim,
}

/// An operation that waits for its signature.
#[derive(Debug, Clone)]
pub struct Drafted {
    /// The header, which is what the signature binds.
    pub header: Header,
    /// The body.
    pub body: Body,
    /// The text to sign, where it is not signed as typed data.
    pub text: String,
}

impl Members {
    /// Drafts the operations that a wish takes, for the session's account to sign: one, but for wishes about several
    /// grants. Nothing is stored; what is signed is posted like any operation.
    ///
    /// # Errors
    /// [`MembersError::NotFound`] for who has no part in the core, otherwise why the account may not.
    pub async fn draft(
        &self,
        session: &Session,
        core: &CoreId,
        wish: Wish,
    ) -> Result<Vec<Drafted>, MembersError> {
        self.check_wish(session, core, &wish).await?;
        if matches!(wish, Wish::Claim) {
            return self.draft_claim(session, core).await;
        }
        let (account, now_ms) = (session.account().clone(), self.clock.now_ms());
        self.cores.with_log(core, |log| drafts(log, &account, wish, now_ms)).await?
    }

    /// The acts that a wish takes, for those who must ask others first.
    ///
    /// # Errors
    /// As [`Members::draft`].
    pub async fn acts(&self, session: &Session, core: &CoreId, wish: Wish) -> Result<Vec<Act>, MembersError> {
        self.check_wish(session, core, &wish).await?;
        self.cores.with_log(core, |log| acts(log, session.account(), wish)).await?
    }

    async fn check_wish(&self, session: &Session, core: &CoreId, wish: &Wish) -> Result<(), MembersError> {
        // Who waits to inherit a core has no part in it, and can claim it or renounce it.
        let as_heir = matches!(wish, Wish::Claim | Wish::Resign)
            && session.speaks_for_account()
            && self.cores.may_sign(core, session.account()).await?;
        if !as_heir {
            self.check(session, core).await?;
        }
        if let Wish::Put { path, value } = wish {
            schema::check_new(path, value).map_err(|error| WriteError::Schema(Arc::new(error)))?;
        }
        Ok(())
    }
}

fn drafts(log: &Log, by: &Account, wish: Wish, now_ms: u64) -> Result<Vec<Drafted>, MembersError> {
    acts(log, by, wish)?.into_iter().map(|act| draft(log, by, act, None, now_ms)).collect()
}

fn acts(log: &Log, by: &Account, wish: Wish) -> Result<Vec<Act>, MembersError> {
    Ok(match wish {
        Wish::Put { path, value } => vec![Act::Put { path, value }],
        Wish::Grant { to, m, role, can } => {
            vec![Act::Grant { to: principal(to, m)?, role, can, wait_ms: None }]
        }
        Wish::Revoke { grant } => vec![Act::Revoke { grant, from: None }],
        Wish::Remove { account } => revoke_all(log, &account)?,
        Wish::Resign => revoke_all(log, by)?,
        Wish::Rotate { .. } if !log.root().contains(by) => return Err(MembersError::RootOnly),
        Wish::Rotate { owners, m } => vec![Act::Rotate { root: principal(owners, m)? }],
        Wish::Logout { login } => vec![Act::Logout { login }],
        Wish::Seal => vec![Act::Seal { state: None }],
        Wish::Heir { account, wait_ms } => heirs::name(log, &account, wait_ms)?,
        Wish::Refuse { account } => heirs::refuse(log, account.as_ref())?,
        Wish::Claim => vec![log.heir_by(by).ok_or(MembersError::NotFound)?.claim()],
    })
}

/// Revocations of all that an account holds alone.
fn revoke_all(log: &Log, account: &Account) -> Result<Vec<Act>, MembersError> {
    let own = Principal::One(account.clone());
    let grants = log.grants_to(account).filter(|grant| *grant.to == own);
    let acts: Vec<Act> = grants.map(|grant| Act::Revoke { grant: grant.id, from: None }).collect();
    match (acts.is_empty(), log.root().contains(account)) {
        (false, _) => Ok(acts),
        (true, true) => Err(MembersError::OfRoot(account.to_string())),
        (true, false) => Err(MembersError::NoMember(account.to_string())),
    }
}

/// By an authority, or by the best there is.
pub(super) fn draft(
    log: &Log,
    by: &Account,
    act: Act,
    auth: Option<OpId>,
    now_ms: u64,
) -> Result<Drafted, MembersError> {
    let refuse = |error: DraftError| MembersError::Write(WriteError::Draft(Arc::new(error)));
    let intent = Intent { auth, ..Intent::new(by.clone(), None, act) };
    let (header, body) = log.draft(intent, random(), now_ms).map_err(refuse)?;
    let text = Signed::signing_text(&header, Some(&body))?;
    Ok(Drafted { header, body, text })
}
