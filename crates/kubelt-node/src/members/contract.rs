//! Cores of contracts: children whose holders come in by a gate that is made with them.

use std::sync::Arc;

use kubelt_content::Ipld;
use kubelt_core::{
    CoreId, MapPath, Verb,
    schema::{CORES, ChildCore, ContractName, Gate, TokenKind, Visibility},
};

use super::{MadeCore, Members, MembersError, NewCore};
use crate::{gates::kind_of, session::Session};

/// Why there is no core of a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// The parent wants none.
    #[error(
        "the template of this core has no cores of contracts; put `\"contract\": {{}}` into `config/template` for them"
    )]
    NoTemplate,
    /// Owners that are not the parent's.
    #[error("the core of a contract has the owners of the core that it lies in; name no others")]
    Owners,
    /// Nobody says what the contract is.
    #[error("chain {0} gives no answer: no upstream is set for it, none answers, or they disagree")]
    NoAnswer(u64),
    /// Who holds what of it cannot be asked.
    #[error("`{0}` is no ERC-20, ERC-721 or ERC-1155; say in the template who passes, with `if`")]
    NoTokens(ContractName),
    /// Nobody can be asked whether somebody has any token of an ERC-1155.
    #[error(
        "`{0}` has several tokens; name one, as in `{0}:7`, or say in the template who passes, with `if`"
    )]
    WhichToken(ContractName),
    /// A currency has no tokens with numbers.
    #[error("`{0}` is a currency and has no tokens with numbers; name the contract alone")]
    NoSuchToken(ContractName),
}

impl Members {
    /// Makes the core of a contract, or finds that it is there: it belongs to whoever the parent belongs to now, and
    /// whoever makes it makes the same.
    pub(super) async fn create_of_contract(
        &self,
        session: &Arc<Session>,
        from: &CoreId,
        name: &ContractName,
        new: &NewCore,
    ) -> Result<MadeCore, MembersError> {
        if !new.owners.is_empty() || new.threshold.is_some() || new.title.is_some() {
            return Err(ContractError::Owners.into());
        }
        let template = self.cores.doors.kin.template(from)?.and_then(|(_, template)| template.contract);
        let template = template.ok_or(ContractError::NoTemplate)?;
        let key = name.to_string();
        let path = ChildCore::path(&key).expect("contracts are names of cores");
        let gate_path = Gate::path(&key).expect("contracts are names of gates");
        if [&path, &gate_path].into_iter().any(|path| !session.covers(from, Verb::Put, Some(path))) {
            return Err(MembersError::Forbidden);
        }
        if let Some(made) = self.made_of_contract(from, &path)? {
            return Ok(made);
        }
        // Before others wait: a chain may take its time.
        let condition = match template.condition(name) {
            Some(condition) => condition,
            None => self.holders(name).await?,
        };
        let _one_at_a_time = self.cores.naming.lock().await;
        if let Some(made) = self.made_of_contract(from, &path)? {
            return Ok(made);
        }
        let gate = template.gate(name, condition);
        let root = self.cores.with_log(from, |log| log.root().clone()).await?;
        let genesis = name.genesis(*from, root);
        self.cores.bring(session.account(), &genesis).await?;
        let child = ChildCore { visibility: Visibility::Members, ..ChildCore::new(genesis.id()) };
        // The gate first: a core that is named can be entered.
        self.name_made(session, from, genesis, vec![(gate_path, gate), (path, child.to_ipld())]).await
    }

    /// The core of a contract that is there already.
    fn made_of_contract(&self, from: &CoreId, path: &MapPath) -> Result<Option<MadeCore>, MembersError> {
        let Some(core) = self.cores.named_core(from, path)? else { return Ok(None) };
        let is_child = self.cores.doors.kin.is_claimed(from, &core)?;
        match self.cores.genesis(&core) {
            Ok(genesis) if is_child => Ok(Some(MadeCore { core, genesis, puts: Vec::new(), is_named: true })),
            _ => Err(MembersError::NameTaken(path.below(CORES).unwrap_or_default().to_owned())),
        }
    }

    /// The condition that holders of a contract pass.
    async fn holders(&self, name: &ContractName) -> Result<Ipld, ContractError> {
        let kind = kind_of(&self.chains, name).await.ok_or(ContractError::NoAnswer(name.chain))?;
        let kind = kind.ok_or_else(|| ContractError::NoTokens(name.clone()))?;
        name.holders(kind).ok_or_else(|| match kind {
            TokenKind::Erc20 => ContractError::NoSuchToken(name.clone()),
            TokenKind::Erc721 | TokenKind::Erc1155 => ContractError::WhichToken(name.clone()),
        })
    }
}
