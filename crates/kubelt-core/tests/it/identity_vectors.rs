//! Vectors of `spec/vectors`: sign-in messages, ReCaps, addresses, keys. `spec/vectors/README.md` has the sources.

use std::collections::BTreeMap;

use kubelt_core::{
    Account, PublicKey, Scheme, SessionKey, Verdict,
    recap::{Recap, RecapError},
    signature::verify,
    siwe::{Message, Namespace, Timestamp},
};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Vectors<T> {
    cases: T,
}

#[derive(Deserialize)]
struct Taken {
    fields: Fields,
    message: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    scheme: Option<String>,
    domain: String,
    address: String,
    statement: Option<String>,
    uri: String,
    version: String,
    chain_id: serde_json::Value,
    nonce: String,
    issued_at: String,
    expiration_time: Option<String>,
    not_before: Option<String>,
    request_id: Option<String>,
    resources: Option<Vec<String>>,
}

impl Fields {
    fn message<'a>(&'a self, namespace: Namespace, chain_id: &'a str) -> Message<'a> {
        assert_eq!(self.version, "1");
        let time = |text: &'a String| Timestamp::parse(text).expect("a date");
        Message {
            namespace,
            scheme: self.scheme.as_deref(),
            domain: &self.domain,
            address: &self.address,
            statement: self.statement.as_deref(),
            uri: &self.uri,
            chain_id: Some(chain_id),
            nonce: &self.nonce,
            issued_at: time(&self.issued_at),
            expiration_time: self.expiration_time.as_ref().map(time),
            not_before: self.not_before.as_ref().map(time),
            request_id: self.request_id.as_deref(),
            resources: self.resources.as_ref().map(|list| list.iter().map(String::as_str).collect()),
        }
    }
}

fn cases<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str::<Vectors<T>>(json).expect("vectors").cases
}

fn check_taken(name: &str, case: &Taken, namespace: Namespace, scheme: Scheme) -> Account {
    let chain_id = case.fields.chain_id.to_string();
    let expected = case.fields.message(namespace, chain_id.trim_matches('"'));
    let read = Message::parse(&case.message).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(read, expected, "{name}");
    assert_eq!(expected.build().as_ref(), Ok(&case.message), "{name}");
    let account = read.account(scheme).expect("an account");
    let signature = hex::decode(case.signature.trim_start_matches("0x")).expect("hex");
    let check = |message: &[u8], signature: &[u8]| verify(&account, scheme, message, signature);
    assert_eq!(check(case.message.as_bytes(), &signature), Ok(Verdict::Valid), "{name}");
    let mut other = case.message.clone().into_bytes();
    for at in (0..other.len()).step_by(11) {
        other[at] ^= 1;
        assert!(check(&other, &signature).is_err(), "{name}: byte {at}");
        other[at] ^= 1;
    }
    account
}

#[test]
fn siwe_messages_of_another_implementation_are_taken() {
    let taken: BTreeMap<String, Taken> = cases(include_str!("../../../../spec/vectors/siwe/taken.json"));
    assert_eq!(taken.len(), 20);
    for (name, case) in &taken {
        let account = check_taken(name, case, Namespace::Ethereum, Scheme::Eip191);
        assert_eq!(account.checksummed().as_ref(), Some(&case.fields.address), "{name}");
    }
}

#[test]
fn broken_messages_are_refused() {
    let refused: BTreeMap<String, String> = cases(include_str!("../../../../spec/vectors/siwe/refused.json"));
    assert!(refused.len() >= 70, "{}", refused.len());
    for (name, message) in &refused {
        assert!(Message::parse(message).is_err(), "{name}");
    }
}

#[test]
fn solana_messages_of_another_implementation_are_taken() {
    let taken: BTreeMap<String, Taken> = cases(include_str!("../../../../spec/vectors/siwe/solana.json"));
    assert_eq!(taken.len(), 5);
    for (name, case) in &taken {
        let account = check_taken(name, case, Namespace::Solana, Scheme::Ed25519);
        let Account::Solana { cluster, .. } = account else { panic!("{name}: {account}") };
        assert_eq!(cluster.len(), 32, "{name}");
    }
}

#[derive(Deserialize)]
struct RecapCase {
    statement: String,
    resource: String,
    details: serde_json::Value,
}

#[test]
fn recaps_of_another_implementation_read_back() {
    let recaps: BTreeMap<String, RecapCase> = cases(include_str!("../../../../spec/vectors/siwe/recap.json"));
    assert_eq!(recaps.len(), 5);
    for (name, case) in &recaps {
        let recap: Recap = case.resource.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(recap.to_uri(), case.resource, "{name}");
        assert_eq!(recap.check_statement(Some(&case.statement)), Ok(()), "{name}");
        let targets = case.details["att"].as_object().expect("targets");
        for target in targets.keys() {
            assert!(recap.statement().contains(&format!(" for '{target}'.")), "{name}: {target}");
        }
        let cut = &case.statement[..case.statement.len() - 1];
        assert!(matches!(recap.check_statement(Some(cut)), Err(RecapError::Statement(_))), "{name}");
    }
}

#[test]
fn addresses_of_eip_55() {
    let addresses: Vec<String> = cases(include_str!("../../../../spec/vectors/eip55.json"));
    assert_eq!(addresses.len(), 8);
    for address in &addresses {
        let account: Account = address.parse().expect("an address");
        assert_eq!(account.checksummed().as_ref(), Some(address));
        assert_eq!(account.to_string(), address.to_lowercase());
        assert_eq!(address.to_lowercase().parse::<Account>().as_ref(), Ok(&account));
        let flipped: String = flip_one_letter(address);
        let one_case = !flipped[2..].contains(|c: char| c.is_ascii_uppercase())
            || !flipped[2..].contains(|c: char| c.is_ascii_lowercase());
        assert_eq!(flipped.parse::<Account>().is_ok(), one_case, "{flipped}");
    }
}

fn flip_one_letter(address: &str) -> String {
    let at = address.rfind(|c: char| c.is_ascii_alphabetic()).expect("a letter");
    let mut bytes = address.as_bytes().to_vec();
    bytes[at] ^= 0x20;
    String::from_utf8(bytes).expect("ASCII")
}

#[derive(Deserialize)]
struct DidKeys {
    ed25519: Vec<Seeded>,
    p256: Vec<String>,
    refused: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Seeded {
    did: String,
    seed: String,
}

#[test]
fn keys_of_the_did_key_specification() {
    let keys: DidKeys =
        serde_json::from_str(include_str!("../../../../spec/vectors/did-key.json")).expect("vectors");
    assert_eq!((keys.ed25519.len(), keys.p256.len()), (3, 2));
    for Seeded { did, seed } in &keys.ed25519 {
        let seed = hex::decode(seed).expect("hex").try_into().expect("32 bytes");
        assert_eq!(SessionKey::from_seed(seed).public().to_string(), *did);
        assert!(matches!(did.parse(), Ok(PublicKey::Ed25519(_))), "{did}");
    }
    for did in &keys.p256 {
        let key: PublicKey = did.parse().expect("a key");
        assert!(matches!(key, PublicKey::P256(_)), "{did}");
        assert_eq!(key.to_string(), *did);
    }
    for (why, did) in &keys.refused {
        assert!(did.parse::<PublicKey>().is_err(), "{why}");
    }
}
