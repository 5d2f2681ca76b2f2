use proptest::prelude::*;

use super::{Message, MessageError, Namespace, Timestamp};
use crate::{Account, Scheme, limits::SIGN_IN_MESSAGE_BYTES_MAX};

const ADDRESS: &str = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";

fn message() -> Message<'static> {
    Message {
        namespace: Namespace::Ethereum,
        scheme: None,
        domain: "kubelt.example",
        address: ADDRESS,
        statement: None,
        uri: "https://kubelt.example",
        chain_id: Some("10"),
        nonce: "12345678",
        issued_at: Timestamp::parse("2026-11-01T12:00:00Z").expect("a date"),
        expiration_time: None,
        not_before: None,
        request_id: None,
        resources: None,
    }
}

#[test]
fn absent_and_empty_are_two_texts() {
    let without = message();
    let with = Message { statement: Some(""), resources: Some(vec![]), request_id: Some(""), ..message() };
    for message in [&without, &with] {
        assert_eq!(&Message::parse(&message.build().expect("a message")).expect("reads back"), message);
    }
    assert_ne!(without.to_string(), with.to_string());
}

#[test]
fn fields_cannot_smuggle_lines() {
    let smuggled = [
        Message { statement: Some("a\n\nURI: b:c"), ..message() },
        Message { uri: "a:b\nVersion: 1", ..message() },
        Message { nonce: "12345678\nIssued At: 2026-11-01T12:00:00Z", ..message() },
        Message { request_id: Some("a\nResources:"), ..message() },
        Message { resources: Some(vec!["a:b\n- c:d"]), ..message() },
        Message { domain: "a wants you to sign in with your Ethereum account:\n", ..message() },
        Message { domain: "https://a", ..message() },
        Message { chain_id: None, ..message() },
        Message { namespace: Namespace::Key, ..message() },
    ];
    for message in smuggled {
        assert!(message.build().is_err(), "{message}");
    }
}

#[test]
fn long_messages_are_not_read() {
    let statement = "a".repeat(SIGN_IN_MESSAGE_BYTES_MAX);
    let long = Message { statement: Some(&statement), ..message() };
    assert!(matches!(long.build(), Err(MessageError::TooLong(_))));
}

#[test]
fn the_scheme_says_which_account_an_address_is() {
    let address = Account::evm_address(ADDRESS).expect("an address");
    let message = message();
    assert_eq!(message.account(Scheme::Eip191), Some(Account::Eoa(address)));
    assert_eq!(message.account(Scheme::Eip1271), Some(Account::Contract { chain: 10, address }));
    assert_eq!(message.account(Scheme::Ed25519), None);
    let far = Message { chain_id: Some("18446744073709551616"), ..message };
    assert_eq!(far.account(Scheme::Eip1271), None);
}

fn optional(text: &'static str) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::string::string_regex(text).expect("a pattern"))
}

prop_compose! {
    fn date()(ms in 0..253_402_300_799_999_u64) -> String {
        crate::rfc3339::format(ms).expect("a date")
    }
}

proptest! {
    #[test]
    fn any_message_reads_back(
        scheme in optional("[a-z][a-z0-9+.-]{0,5}"),
        domain in "([a-z0-9]{1,8}@)?([a-z0-9.-]{1,12}|\\[::1\\])(:[0-9]{0,5})?",
        statement in optional("[ !#$&-;=?-Z\\[\\]_a-z~]{0,60}"),
        uri in "[a-z][a-z0-9]{0,4}:(//[a-z]{0,5}(/[a-z0-9:@!]{0,5}){0,3}|[a-z0-9:@!]{1,5}(/[a-z]{0,5}){0,3})(\\?[a-z/?]{0,4})?(#[a-z/?]{0,4})?",
        chain_id in "[0-9]{1,20}",
        nonce in "[a-zA-Z0-9]{8,20}",
        dates in (date(), proptest::option::of(date()), proptest::option::of(date())),
        request_id in optional("[a-z0-9:@!$&'()*+,;=._~-]{0,12}"),
        resources in proptest::option::of(proptest::collection::vec("[a-z]{1,4}:[a-z0-9/]{0,9}", 0..4)),
    ) {
        let time = |text| Timestamp::parse(text).expect("a date");
        let message = Message {
            scheme: scheme.as_deref(),
            domain: &domain,
            statement: statement.as_deref(),
            uri: &uri,
            chain_id: Some(&chain_id),
            nonce: &nonce,
            issued_at: time(&dates.0),
            expiration_time: dates.1.as_deref().map(time),
            not_before: dates.2.as_deref().map(time),
            request_id: request_id.as_deref(),
            resources: resources.as_ref().map(|list| list.iter().map(String::as_str).collect()),
            ..message()
        };
        let text = message.build().expect("every field fits the grammar");
        let read = Message::parse(&text).expect("reads back");
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn what_is_read_is_written_alike(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..4)) {
        let mut text: Vec<char> = message().to_string().chars().collect();
        for (at, c) in edits {
            let at = at.index(text.len());
            text[at] = c;
        }
        let text = String::from_iter(text);
        if let Ok(read) = Message::parse(&text) {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _any = Message::parse(&text);
    }
}
