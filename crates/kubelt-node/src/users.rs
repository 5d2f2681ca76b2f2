//! Accounts that sign in through a core: each gets a core of its own there, made from the template of that core.
//!
//! A user's core is private to that user, as a private core is: by its genesis it has one root. What the parent gets in
//! it is what the user's own wallet grants. The template says what it asks for ([`Admission::asks`]), and can only ask
//! for what whoever put the template may do in the parent now.

use kubelt_core::{
    Ability, Account, CoreId, Genesis, Log, Principal, Signed,
    schema::{Exit, UserTemplate},
};
use kubelt_store::Quota;

use crate::{
    cores::{Cores, LoadError},
    kin::template_path,
};

/// What becomes of accounts that sign in through a core.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pub(crate) template: UserTemplate,
    /// Whom users are asked to grant something to: the root of the parent.
    to: Principal,
    /// What they are asked for.
    asks: Vec<Ability>,
}

/// What a user is asked to grant, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// The root of the parent.
    pub to: Principal,
    /// What it is asked for, sorted.
    pub can: Vec<Ability>,
}

impl Cores {
    /// What becomes of accounts that sign in through `parent`; none where that admits nobody, or lets strangers in no
    /// more than one that is not here. Whether an account passes the gate ([`Admission::gate`]) is asked once it has shown
    /// that it is that account: nobody else is told, or has chains asked in its name.
    pub(crate) async fn admission(&self, parent: &CoreId) -> Result<Option<Admission>, LoadError> {
        let Some((op, template)) = self.doors.kin.template(parent)? else { return Ok(None) };
        let Some(template) = template.user else { return Ok(None) };
        let is_deep =
            self.doors.kin.depth(parent)?.is_none_or(|depth| depth == kubelt_core::limits::CORES_ABOVE_MAX);
        if is_deep || !self.doors.of(parent, Exit::Http)?.is_open(&template_path()) {
            return Ok(None);
        }
        let author = self.store.op(parent, &op)?.and_then(|op| Signed::decode(&op.signed).ok());
        let Some(author) = author.map(|signed| signed.header.by) else { return Ok(None) };
        let wanted = template.asks.clone();
        let narrow = |log: &Log| {
            let asks = wanted.into_iter().filter(|ability| may(log, &author, ability)).collect();
            (log.root().clone(), asks)
        };
        let (to, asks) = self.with_log(parent, narrow).await?;
        Ok(Some(Admission { template, to, asks }))
    }

    /// What the user of a core is still asked to grant.
    pub(crate) async fn asked(
        &self,
        user: &CoreId,
        admission: &Admission,
    ) -> Result<Option<Asks>, LoadError> {
        let Admission { to, asks, .. } = admission;
        let open = |log: &Log| {
            let mine = || log.grants().filter(|grant| grant.to == to);
            let given =
                |ability: &Ability| mine().any(|grant| grant.can.iter().any(|own| own.covers(ability)));
            asks.iter().filter(|ability| !given(ability)).cloned().collect::<Vec<_>>()
        };
        let can = self.with_log(user, open).await?;
        Ok((!can.is_empty()).then(|| Asks { to: to.clone(), can }))
    }
}

/// Whether an account may do all of this in a core, now.
fn may(log: &Log, account: &Account, ability: &Ability) -> bool {
    log.root().contains(account)
        || log.grants_of(account).any(|grant| grant.can.iter().any(|own| own.covers(ability)))
}

impl Admission {
    /// The gate of the parent that its users pass, where there is one.
    pub(crate) fn gate(&self) -> Option<&str> {
        self.template.gate.as_deref()
    }

    /// What a user's core may use, where the node would let it use `most`.
    pub(crate) fn quota(&self, most: Quota) -> Quota {
        let least = |most: u64, asked: Option<u64>| asked.map_or(most, |asked| asked.min(most));
        Quota {
            ops: least(most.ops, self.template.ops_max),
            op_bytes: most.op_bytes,
            blocks: least(most.blocks, self.template.blocks_max),
            block_bytes: least(most.block_bytes, self.template.block_bytes_max),
        }
    }
}

/// The core that an account signs in to: its private one, or its own in the core that it signs in through.
pub(crate) fn home(root: Account, within: Option<CoreId>) -> Genesis {
    match within {
        Some(parent) => Genesis::User { root, parent },
        None => Genesis::Private { root },
    }
}
