use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use proptest::prelude::*;

use super::{WordsError, is_line, of_act, of_proposal, shown};
use crate::{
    Account, Act, Body, BodyId, ContentEntry, Hlc, Holder, LoginId, OpId, Principal, Visibility,
    limits::{ABILITIES_MAX, WORDS_BYTES_MAX, WORDS_VALUE_BYTES_MAX},
};

const ID: &str = "bafyreid4n4fncoixkj4mpqh6cvdqdq7n7fyd5ylmxo4n3u5mkwd5t3y5la";

fn account(n: u8) -> Account {
    Account::Eoa([n; 20])
}

fn hex(n: u8) -> String {
    account(n).to_string()
}

fn put(path: &str, value: Ipld) -> Act {
    Act::Put { path: path.parse().expect("a path"), value }
}

fn check(act: &Act, expected: &str) {
    let words = of_act(act).expect("has words");
    assert_eq!(words, expected);
    assert!(is_line(&words));
}

#[test]
fn puts_say_what_stands_where_and_who_sees_it() {
    let id: BodyId = BodyId::of(b"site");
    let mut entry = ContentEntry::new(id.cid(), 12_345, "text/html", Visibility::Public);
    check(
        &put("content/site", entry.to_ipld()),
        &format!(
            "Publish at \"content/site\" the content {id} (12345 bytes, \"text/html\"), visible to everybody."
        ),
    );
    entry.visibility = Visibility::Private;
    entry.partial = true;
    entry.metadata = BTreeMap::from([("note".to_owned(), Ipld::String("a\nb".to_owned()))]);
    check(
        &put("content/site", entry.to_ipld()),
        &format!(
            "Publish at \"content/site\" the content {id} (12345 bytes, \"text/html\"), visible to its owners alone, \
             though parts of it may be missing, with the notes {{\"note\": \"a\\u{{a}}b\"}}."
        ),
    );
    check(&put("content/site", Ipld::Null), "Clear \"content/site\": nothing is there any more.");
    let closed = Ipld::Map(BTreeMap::from([("http".to_owned(), Ipld::Bool(false))]));
    check(&put("config/exposure", closed), "Set \"config/exposure\" to {\"http\": false}.");
    let list = Ipld::List(vec![
        Ipld::Integer(-1),
        Ipld::Float(0.5),
        Ipld::Bytes(vec![1, 255]),
        Ipld::Link(id.cid()),
    ]);
    check(&put("keys/a", list), &format!("Set \"keys/a\" to [-1, 0.5, 0x01ff, {id}]."));
}

#[test]
fn a_long_value_is_named_by_its_hash() {
    let text = |len| put("profile/name", Ipld::String("x".repeat(len)));
    assert!(of_act(&text(WORDS_VALUE_BYTES_MAX - 2)).expect("short").contains("\"xxx"));
    let long = of_act(&text(WORDS_VALUE_BYTES_MAX + 1)).expect("long");
    assert!(long.starts_with("Set \"profile/name\" to a value of 516 bytes with the CID bafyrei"), "{long}");
    let other = of_act(&put("profile/name", Ipld::String("y".repeat(WORDS_VALUE_BYTES_MAX + 1))));
    assert_ne!(Ok(long), other, "by another hash");
}

#[test]
fn grants_say_to_whom_and_what_for() {
    let can = ["read **", "put content/site/**", "put config/a", "grant **"];
    let can = can.map(|text| text.parse().expect("an ability")).to_vec();
    let one = Act::Grant {
        to: Principal::One(account(1)),
        role: Some("developer".to_owned()),
        can: can.clone(),
        wait_ms: None,
    };
    let rights = "read everything; write at \"content/site\" and below it; write at \"config/a\" alone; hand on what they may";
    check(&one, &format!("Give {} the role \"developer\": {rights}.", hex(1)));
    let to = Principal::threshold(2, vec![account(1), account(2), account(3)]).expect("fits");
    let several = Act::Grant { to: to.clone(), role: None, can, wait_ms: Some(8 * 24 * 60 * 60 * 1_000) };
    let together = format!("any 2 of these 3 together ({}, {}, {})", hex(1), hex(2), hex(3));
    check(
        &several,
        &format!(
            "Give {together} these rights: {rights}. It counts only after a wait of 8 days (691200000 ms) in which it can be taken back."
        ),
    );
    check(
        &Act::Rotate { root: to.clone() },
        &format!("Hand this core over: from now on it is owned by {together}, and by nobody else."),
    );
    let grant: OpId = ID.parse().expect("an id");
    check(
        &Act::Revoke { grant, from: Some(Holder { to, role: Some("a\" b".to_owned()) }) },
        &format!(
            "Take back from {together} the role \"a\\\" b\" what the grant {ID} gave, and everything that hangs on it."
        ),
    );
    check(
        &Act::Revoke { grant, from: None },
        &format!("Take back the grant {ID}, and everything that hangs on it."),
    );
}

#[test]
fn the_other_acts_have_words_too() {
    let login = LoginId::of(b"login");
    check(&Act::Logout { login }, &format!("End the sign-in {login}."));
    check(&Act::Seal { state: None }, "Confirm that everything known of this core up to now was there.");
    check(
        &Act::Claim { of: account(1), wait_ms: 30 * 24 * 60 * 60 * 1_000 },
        &format!(
            "Claim the core of {} as its heir. It opens to me 30 days (2592000000 ms) after my first claim, unless that is refused before.",
            hex(1)
        ),
    );
    let state = BodyId::of(b"state");
    check(
        &Act::Seal { state: Some(state) },
        &format!("Confirm that everything known of this core up to now adds up to the state {state}."),
    );
    let body = Body::new([9; 16], Act::Seal { state: None });
    let what = of_proposal(&account(2), &body).expect("has words");
    assert_eq!(
        what,
        format!(
            "Confirm that everything known of this core up to now was there. Proposed by {}, code b4a23d75a5b4b9aad7c90270a2b3ba48.",
            hex(2)
        )
    );
    let proposal = BodyId::of(b"proposal");
    let vote = |what: Option<String>, approve| Act::Vote {
        proposal,
        approve,
        shown: shown(&account(2), &body).expect("has words").into(),
        what,
        expires: Hlc::from_ms(1_800_000_000_000),
    };
    check(
        &vote(Some(what.clone()), true),
        &format!("Approve until 2027-01-15T08:00:00.000Z the request {proposal}: {what}"),
    );
    assert!(of_act(&vote(Some(what), false)).expect("has words").starts_with("Reject until "));
    assert_eq!(of_act(&vote(None, true)), Err(WordsError::VoteWords));
}

#[test]
fn words_end_where_nobody_would_read_on() {
    let can = |len: usize| {
        let path = |n| format!("put content/{n:0>len$}/**").parse().expect("an ability");
        (0..ABILITIES_MAX).map(path).collect::<Vec<_>>()
    };
    let act = |len| Act::Grant { to: Principal::One(account(1)), role: None, can: can(len), wait_ms: None };
    let words = of_act(&act(80)).expect("is short enough");
    assert!(words.len() <= WORDS_BYTES_MAX && words.len() > 7_000);
    assert!(matches!(of_act(&act(110)), Err(WordsError::TooLong(bytes)) if bytes > WORDS_BYTES_MAX));
}

#[test]
fn a_vote_must_carry_the_words_of_its_hash() {
    let body = |what: &str, shown: [u8; 32]| {
        let vote = Act::Vote {
            proposal: BodyId::of(b"proposal"),
            approve: true,
            shown: shown.into(),
            what: Some(what.to_owned()),
            expires: Hlc::from_ms(1),
        };
        Body::decode(&Body::new([0; 16], vote).encode()).is_ok()
    };
    assert!(body("Clear \"a\".", super::hash("Clear \"a\".")));
    assert!(!body("Clear \"a\".", super::hash("Clear \"b\".")));
    for bad in ["", "a\nb", "a\u{202e}b", &"a".repeat(WORDS_BYTES_MAX + 1)] {
        assert!(!body(bad, super::hash(bad)), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever somebody chose stays inside its quotes, and in one line; two acts never read the same.
    #[test]
    fn nothing_breaks_out_of_its_quotes(
        one in "[a-z\"\\.\u{200b}-\u{2030}é]{1,20}", two in "[a-z\"\\.\u{200b}-\u{2030}é]{1,20}", role in any::<String>(), text in any::<String>(),
    ) {
        let path = |text: &str| format!("content/{text}").parse::<crate::MapPath>();
        let put = |text: &str, value: &str| path(text).map(|path| Act::Put { path, value: Ipld::String(value.to_owned()) });
        let words = of_act(&put("a", &text).expect("a path")).expect("short");
        prop_assert!(is_line(&words), "{}", words);
        let grant = Act::Grant { to: Principal::One(account(1)), role: Some(role.clone()), can: vec!["put **".parse().expect("an ability")], wait_ms: None };
        if let Ok(words) = of_act(&grant) {
            prop_assert!(is_line(&words));
            // Without escaped quotes there are only those around the role.
            prop_assert_eq!(words.replace("\\\\", "").replace("\\\"", "").matches('"').count(), 2);
        }
        if let (Ok(one), Ok(two)) = (put(&one, "x"), put(&two, "x")) {
            prop_assert_eq!(of_act(&one) == of_act(&two), one == two);
        }
    }
}
