//! What an operation shows of itself, to whom the log it belongs to is withheld.

use crate::{
    genesis::Genesis,
    hlc::Hlc,
    log::{
        entry::Entry,
        rules::{Refusal, check_login},
    },
    op::Act,
};

/// Whether a `put` was made by the one signer of a private or user core, as far as it shows that without its past: by
/// the account itself, or by a session that was handed the path and was in date. Whether that session was ended before
/// cannot be seen from it, nor whether a later `put` has replaced it.
///
/// # Errors
/// [`Refusal`] for whatever is not shown: in a shared core anything, since there nobody's authority stands for itself, and in
/// others what rests on a grant.
pub fn check_alone(genesis: &Genesis, entry: &Entry) -> Result<(), Refusal> {
    let header = entry.header();
    let core = genesis.id();
    if header.core != core {
        return Err(Refusal::OtherCore(header.core));
    }
    header.check_shape().map_err(|error| Refusal::Shape(error.to_string()))?;
    if header.at == Hlc::MAX {
        return Err(Refusal::Date);
    }
    let root = genesis.root();
    let is_shared = matches!(genesis, Genesis::Shared { .. });
    if is_shared || root.m() != 1 || header.auth != core.as_root() {
        return Err(Refusal::UnknownAuth(header.auth));
    }
    if !root.contains(&header.by) {
        return Err(Refusal::NotHolder { by: header.by.clone(), auth: header.auth });
    }
    let Some(act @ Act::Put { .. }) = entry.body().map(|body| &body.act) else {
        return Err(Refusal::BodyMissing(header.verb));
    };
    match entry.login() {
        Some(login) => check_login(header, Some(act), login),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::check_alone;
    use crate::{
        Ability, Account, Act, Body, CoreId, Genesis, Header, Hlc, LoginFacts, OpId, Principal,
        id::LoginId,
        log::{Entry, Refusal},
    };

    const AT_MS: u64 = 1_700_000_000_000;

    fn facts(account: &Account, abilities: &[&str]) -> Arc<LoginFacts> {
        Arc::new(LoginFacts {
            id: LoginId::of(b"a login"),
            account: account.clone(),
            abilities: abilities.iter().map(|text| text.parse::<Ability>().expect("an ability")).collect(),
            issued_ms: AT_MS - 1_000,
            from_ms: AT_MS - 1_000,
            expires_ms: AT_MS + 1_000,
            heads: Vec::new(),
        })
    }

    fn put(
        core: CoreId,
        by: &Account,
        login: Option<Arc<LoginFacts>>,
        change: impl Fn(&mut Header),
    ) -> Entry {
        let act =
            Act::Put { path: "content/page".parse().expect("a path"), value: ipld_core::ipld::Ipld::Null };
        let body = Body::new([1; 16], act);
        let mut header = Header {
            v: 1,
            core,
            // Whatever it follows is not known.
            prev: vec![OpId::from_digest([7; 32])],
            by: by.clone(),
            login: login.as_ref().map(|login| login.id),
            auth: core.as_root(),
            at: Hlc::from_ms(AT_MS),
            votes: Vec::new(),
            verb: body.act.verb(),
            body: body.id(),
        };
        change(&mut header);
        Entry::new(header, Some(body), login).expect("fits together")
    }

    #[test]
    fn a_put_of_the_one_signer_stands_for_itself_and_no_other_does() {
        let [root, other] = [1, 2].map(|n| Account::Eoa([n; 20]));
        let genesis = Genesis::Private { root: root.clone() };
        let core = genesis.id();
        let same = |_: &mut Header| {};
        let check = |entry: &Entry| check_alone(&genesis, entry);
        check(&put(core, &root, None, same)).expect("the account itself");
        check(&put(core, &root, Some(facts(&root, &["put content/**"])), same)).expect("a session of it");
        assert!(matches!(check(&put(core, &other, None, same)), Err(Refusal::NotHolder { .. })));
        let elsewhere = Genesis::Private { root: other.clone() }.id();
        assert!(matches!(check(&put(elsewhere, &root, None, same)), Err(Refusal::OtherCore(_))));
        let by_grant = put(core, &root, None, |header| header.auth = OpId::from_digest([9; 32]));
        assert!(matches!(check(&by_grant), Err(Refusal::UnknownAuth(_))));
        let of_others = put(core, &root, Some(facts(&other, &["put content/**"])), same);
        assert!(matches!(check(&of_others), Err(Refusal::LoginAccount(_))));
        let elsewhere_only = put(core, &root, Some(facts(&root, &["put content/other"])), same);
        assert!(matches!(check(&elsewhere_only), Err(Refusal::LoginAbility(_))));
        let session = || Some(facts(&root, &["put content/**"]));
        for at_ms in [AT_MS - 1_001, AT_MS + 1_000] {
            let late = put(core, &root, session(), |header| header.at = Hlc::from_ms(at_ms));
            assert!(matches!(check(&late), Err(Refusal::LoginDates)), "{at_ms}");
        }
        let bodiless = Entry::new(put(core, &root, None, same).header().clone(), None, None).expect("fits");
        assert!(matches!(check(&bodiless), Err(Refusal::BodyMissing(_))));
        let shared = Genesis::Shared {
            root: Principal::One(root.clone()),
            parent: None,
            name: "acme".to_owned(),
            nonce: [0; 16],
        };
        let of_team = put(shared.id(), &root, None, same);
        assert!(matches!(check_alone(&shared, &of_team), Err(Refusal::UnknownAuth(_))));
    }
}
