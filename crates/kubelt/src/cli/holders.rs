//! Who passes a gate, and the keys to seal to for them.
//!
//! Nobody can list the holders of a contract, so accounts are tried one by one: those that own a token which the gate
//! names, the members of the core, those on a list already, and whoever is named. What the node says of each is believed:
//! whoever runs it could name somebody who holds nothing.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use kubelt_api::GateTrial;
use kubelt_content::Codec;
use kubelt_core::Account;
use kubelt_core::schema::{GATES, Gate, gate::Ask};

use super::caller::Caller;
use super::recipients::{Recipient, devices_of, extend};
use super::sealing::Wanted;
use crate::client::{Client, CorePlace};

/// The published keys of all who pass a gate of the core, as far as they are found.
fn holders(
    caller: &Caller,
    (client, core): (&Client, &CorePlace),
    name: &str,
    among: &BTreeSet<String>,
) -> Result<Vec<Recipient>> {
    let mut candidates = among.clone();
    let list = client.members(core).with_context(|| {
        format!(
            "who passes the gate `{name}` is told to members of the core; sign in to it with `kubelt use`"
        )
    })?;
    candidates.extend(list.root.of);
    candidates.extend(list.members.into_iter().flat_map(|member| member.to.of));
    candidates.extend(owners(client, core, name)?);
    let mut holders = Vec::new();
    for account in candidates {
        let trial = client.check_gate(core, name, Some(&account))?;
        match trial.passes.as_str() {
            "yes" => {}
            "no" => continue,
            // Whoever is shut out for a moment would be without what is theirs.
            _ => bail!(
                "nobody knows whether {account} passes `{name}`, and so nothing was done: {}",
                why(&trial)
            ),
        }
        match account
            .parse::<Account>()
            .context("the node gave no account")
            .and_then(|of| devices_of(caller, &of))
        {
            Ok(devices) => holders.extend(
                devices.into_iter().map(|device| Recipient { gate: Some(name.to_owned()), ..device }),
            ),
            Err(error) => caller.out.warn(&format!("{account} passes `{name}` and is left out: {error:#}")),
        }
    }
    Ok(holders)
}

/// Adds the keys of all who pass the gates to those who were named.
pub(super) fn add_holders(
    caller: &Caller,
    place: (&Client, &CorePlace),
    wanted: &mut Wanted,
    mut among: BTreeSet<String>,
) -> Result<()> {
    among.extend(wanted.to.iter().filter(|to| !to.is_foreign).map(|to| to.who.clone()));
    for gate in &wanted.gates {
        let found = holders(caller, place, gate, &among)?;
        caller.out.remark(&format!("who passes `{gate}` is told by {}", caller.node));
        extend(&mut wanted.to, found);
    }
    Ok(())
}

/// Whoever owns a token that the gate names.
fn owners(client: &Client, core: &CorePlace, name: &str) -> Result<Vec<String>> {
    let path = format!("{GATES}/{name}");
    let state = client.whole_state(core, &path)?;
    let entry = state.iter().find(|entry| entry.path == path);
    let value =
        &entry.with_context(|| format!("the core has no gate `{name}`; `kubelt gate ls` lists them"))?.value;
    let gate = Gate::from_ipld(&Codec::DagJson.decode(&serde_json::to_vec(value)?)?)?;
    let tests = gate.condition.tests();
    let is_of_owner = |test: &&kubelt_core::schema::gate::Test| matches!(test.ask, Ask::Owner(_));
    if !tests.iter().any(is_of_owner) {
        return Ok(Vec::new());
    }
    let trial = client.check_gate(core, name, None)?;
    let mut owners = Vec::new();
    for (test, tested) in tests.iter().zip(&trial.tests).filter(|(test, _)| is_of_owner(test)) {
        let Some(address) = tested.found.as_deref().and_then(address) else {
            bail!(
                "nobody knows who owns token of `{}`, and so nothing was done: {}",
                tested.test,
                tested.why
            );
        };
        // A wallet of a key, or a contract's: the gate tells which.
        owners.push(Account::Eoa(address).to_string());
        owners.push(Account::Contract { chain: test.chain, address }.to_string());
    }
    Ok(owners)
}

/// The address that a word holds.
fn address(word: &str) -> Option<[u8; 20]> {
    let digits = word.strip_prefix("0x")?.strip_prefix("000000000000000000000000")?;
    hex::decode(digits).ok()?.try_into().ok()
}

fn why(trial: &GateTrial) -> String {
    let unknown = trial.tests.iter().filter(|test| test.holds == "unknown");
    unknown.map(|test| format!("{}: {}", test.test, test.why)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_word_holds_an_address_or_none() {
        let word = format!("0x{}{}", "0".repeat(24), "ab".repeat(20));
        assert_eq!(address(&word), Some([0xab; 20]));
        for other in ["0x", &word[2..], &format!("0x1{}", &word[3..]), &word[..word.len() - 2]] {
            assert_eq!(address(other), None, "{other}");
        }
    }
}
