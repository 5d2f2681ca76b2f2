use std::collections::{BTreeMap, BTreeSet};

use super::{CheckedLogin, LoginError, Outcome};
use crate::{
    Ability, Account, ContractQuestion, ContractSignatures, ContractVerdict, CoreId, EoaKey, Genesis, Login,
    MapPath, OpId, Scheme, SessionKey, SignIn, SignatureError, Unchecked, Verb,
    limits::{BLOCK_DISTANCE_MS_MAX, CONTENT_LOGIN_LIFE_MS_MAX, HELD_LOGIN_LIFE_MS_MAX, LOGIN_LIFE_MS_MAX},
    login::BlockRef,
};

const NOW_MS: u64 = 1_790_000_000_123;

fn wallet() -> EoaKey {
    EoaKey::from_secret(&[7; 32]).expect("a secret key")
}

fn core() -> CoreId {
    Genesis::Private { root: wallet().account() }.id()
}

fn path(text: &str) -> MapPath {
    text.parse().expect("a path")
}

fn sign_in(account: Account) -> SignIn {
    let abilities = ["put content/**", "read content/a b's/**", "call functions/mint"];
    let abilities: Vec<Ability> = abilities.iter().map(|text| text.parse().expect("an ability")).collect();
    SignIn {
        scheme: None,
        domain: "127.0.0.1:4747".to_owned(),
        account,
        chain_id: 1,
        session: SessionKey::from_seed([1; 32]).public(),
        nonce: "8RkbRRBJdO8jrS6z".to_owned(),
        issued_at_ms: NOW_MS,
        expires_ms: NOW_MS + LOGIN_LIFE_MS_MAX,
        abilities: BTreeMap::from([(core(), abilities)]),
        heads: BTreeMap::from([(core(), BTreeSet::from([OpId::of(b"one"), OpId::of(b"two")]))]),
        held_by_node: false,
    }
}

fn signed(message: String) -> Login {
    let signature = wallet().sign(message.as_bytes()).to_vec();
    Login::new(message, Scheme::Eip191, signature, None)
}

fn message(change: impl FnOnce(&mut SignIn)) -> String {
    let mut sign_in = sign_in(wallet().account());
    change(&mut sign_in);
    sign_in.message().expect("a message")
}

fn refused(message: String) -> LoginError {
    CheckedLogin::check(&signed(message), &Unchecked).expect_err("refused")
}

#[test]
fn what_was_asked_is_what_is_read() {
    let asked = sign_in(wallet().account());
    let login = signed(asked.message().expect("a message"));
    let read = CheckedLogin::check(&login, &Unchecked).expect("taken").valid().expect("valid");
    let mut abilities = asked.abilities.clone();
    abilities.values_mut().for_each(|abilities| abilities.sort());
    assert_eq!(read.id, login.id());
    assert_eq!(read.account, wallet().account());
    assert_eq!(read.session, asked.session);
    assert_eq!(read.abilities, abilities);
    assert_eq!(read.heads, asked.heads);
    assert_eq!((read.issued_at_ms, read.not_before_ms, read.expires_ms), (NOW_MS, NOW_MS, asked.expires_ms));
    assert_eq!((read.domain.as_str(), read.nonce.as_str()), ("127.0.0.1:4747", "8RkbRRBJdO8jrS6z"));
    assert!(!read.held_by_node);
}

#[test]
fn a_session_may_what_it_was_handed_and_no_more() {
    let login = signed(message(|_| ()));
    let login = CheckedLogin::check(&login, &Unchecked).expect("taken").valid().expect("valid");
    assert!(login.covers(&core(), Verb::Put, Some(&path("content/site/index.html"))));
    assert!(login.covers(&core(), Verb::Read, Some(&path("content/a b's/c"))));
    assert!(login.covers(&core(), Verb::Call, Some(&path("functions/mint"))));
    assert!(!login.covers(&core(), Verb::Put, Some(&path("config/network"))));
    assert!(!login.covers(&core(), Verb::Put, None));
    assert!(!login.covers(&core(), Verb::Grant, Some(&path("content/site"))));
    assert!(!login.covers(&CoreId::of(b"another"), Verb::Put, Some(&path("content/site"))));
    assert!(login.valid_at(NOW_MS) && login.valid_at(NOW_MS + LOGIN_LIFE_MS_MAX - 1));
    assert!(!login.valid_at(NOW_MS - 1) && !login.valid_at(NOW_MS + LOGIN_LIFE_MS_MAX));
}

#[test]
fn lives_are_limited_and_shorter_where_the_node_holds_the_key() {
    let over = message(|sign_in| sign_in.expires_ms += 1);
    assert_eq!(refused(over), LoginError::Life { life_ms: LOGIN_LIFE_MS_MAX + 1, max_ms: LOGIN_LIFE_MS_MAX });
    let held = |life_ms| {
        message(|sign_in| {
            sign_in.held_by_node = true;
            sign_in.expires_ms = NOW_MS + life_ms;
        })
    };
    assert!(held(1).contains("'key': 'held-by-node' for 'kubelt:session'."));
    let login = CheckedLogin::check(&signed(held(HELD_LOGIN_LIFE_MS_MAX)), &Unchecked).expect("taken");
    assert!(login.valid().expect("valid").held_by_node);
    assert!(matches!(refused(held(HELD_LOGIN_LIFE_MS_MAX + 1)), LoginError::Life { .. }));
}

#[test]
fn only_what_is_for_content_alone_lives_long() {
    let of = |abilities: &[&str], life_ms| {
        let abilities = abilities.iter().map(|text| text.parse().expect("an ability")).collect();
        let text = message(|sign_in| {
            sign_in.held_by_node = true;
            sign_in.abilities = BTreeMap::from([(core(), abilities)]);
            sign_in.expires_ms = NOW_MS + life_ms;
        });
        CheckedLogin::check(&signed(text), &Unchecked).map(|_taken| ())
    };
    let narrow = ["put content/pins/**", "read content/pins/**", "put content/x"];
    assert_eq!(of(&narrow, CONTENT_LOGIN_LIFE_MS_MAX), Ok(()));
    assert!(matches!(of(&narrow, CONTENT_LOGIN_LIFE_MS_MAX + 1), Err(LoginError::Life { .. })));
    for wide in ["put **", "read **", "put config/**", "call functions/x", "logout **", "read contents/**"] {
        let taken = of(&["put content/pins/**", wide], HELD_LOGIN_LIFE_MS_MAX + 1);
        assert!(matches!(taken, Err(LoginError::Life { .. })), "{wide}");
    }
}

#[test]
fn every_rule_of_the_message_is_kept() {
    let good = message(|_| ());
    let without = |from: &str| {
        let start = good.find(from).expect("present");
        let end = good[start..].find('\n').map_or(good.len(), |at| start + at + 1);
        format!("{}{}", &good[..start], &good[end..])
    };
    assert_eq!(refused(without("Expiration Time")), LoginError::NoExpiry);
    assert!(matches!(refused(without("Nonce")), LoginError::Message(_)));
    assert!(matches!(
        refused(good.replace("URI: did:key:z", "URI: https://example.org/")),
        LoginError::Session(_)
    ));
    assert!(matches!(refused(good.replace("?head=", "?tail=")), LoginError::Head(_)));
    assert!(matches!(refused(good.replace("'put'", "'get'")), LoginError::Recap(_)));
    assert!(matches!(refused(format!("{good}\n- https://example.org")), LoginError::RecapPlace));
    assert_eq!(refused(message(|sign_in| sign_in.expires_ms = NOW_MS)), LoginError::Dates);
    let grant: Ability = "grant **".parse().expect("an ability");
    let handing = message(|sign_in| {
        sign_in.abilities.insert(core(), vec![grant.clone()]);
    });
    assert_eq!(refused(handing), LoginError::Ability(grant));
    let many = message(|sign_in| {
        let heads = (0..65_u8).map(|n| OpId::from_digest([n; 32])).collect();
        sign_in.heads.insert(core(), heads);
    });
    assert_eq!(refused(many), LoginError::Heads(65));
}

#[test]
fn a_changed_byte_is_never_taken() {
    let login = signed(message(|_| ()));
    let bytes = login.message.as_bytes();
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).expect("still ASCII");
        let login = Login { message: changed, ..login.clone() };
        assert!(CheckedLogin::check(&login, &Unchecked).is_err(), "byte {at}");
    }
    for at in 0..65 {
        let mut login = login.clone();
        login.signature[at] ^= 1;
        assert!(CheckedLogin::check(&login, &Unchecked).is_err(), "signature byte {at}");
    }
}

#[test]
fn a_login_has_one_spelling() {
    let login = signed(message(|_| ()));
    let mut other = login.clone();
    other.signature[64] -= 27;
    let v = other.signature[64];
    assert_eq!(CheckedLogin::check(&other, &Unchecked), Err(LoginError::RecoveryByte(v)));
    let written = Login::new(other.message, other.scheme, other.signature, None);
    assert_eq!(written.id(), login.id());
}

#[test]
fn keys_and_solana_accounts_sign_in_too() {
    let key = SessionKey::from_seed([9; 32]);
    let crate::PublicKey::Ed25519(bytes) = key.public() else { panic!("an Ed25519 key") };
    let solana = Account::Solana { cluster: "EtWTRABZaYq6iMfeYKouRu166VU2xqa1".to_owned(), key: bytes };
    for account in [key.account(), solana] {
        let text = sign_in(account.clone()).message().expect("a message");
        let login = Login::new(text.clone(), Scheme::Ed25519, key.sign(text.as_bytes()).to_vec(), None);
        let read = CheckedLogin::check(&login, &Unchecked).expect("taken").valid().expect("valid");
        assert_eq!(read.account, account);
    }
}

/// A chain with one contract that accepts one signature.
struct Chain;

impl ContractSignatures for Chain {
    fn check(&self, asked: &ContractQuestion) -> ContractVerdict {
        assert_eq!(asked.block.chain, 10);
        match &asked.signature[..] {
            b"yes" => ContractVerdict::Valid { block_ms: asked.block.number },
            _ => ContractVerdict::Invalid,
        }
    }
}

#[test]
fn a_contract_wallet_waits_for_the_chain() {
    let account = Account::Contract { chain: 10, address: wallet().address() };
    let text = sign_in(account.clone()).message().expect("a message");
    // The chain's blocks have their date for a number.
    let at = |chain, number| Some(BlockRef { chain, number, hash: [5; 32] });
    let block = |chain| at(chain, NOW_MS);
    let login =
        |signature: &[u8], block| Login::new(text.clone(), Scheme::Eip1271, signature.to_vec(), block);
    let waiting = CheckedLogin::check(&login(b"yes", block(10)), &Unchecked).expect("taken");
    assert!(matches!(&waiting, Outcome::Pending(login) if login.account == account));
    assert_eq!(waiting.valid(), None);
    assert!(CheckedLogin::check(&login(b"yes", block(10)), &Chain).expect("taken").valid().is_some());
    let refused = |login, error| {
        assert_eq!(CheckedLogin::check(&login, &Chain), Err(LoginError::Signature(error)));
    };
    refused(login(b"no", block(10)), SignatureError::ContractRefused(Box::new(account)));
    refused(login(b"yes", None), SignatureError::BlockMissing);
    for edge in [NOW_MS - BLOCK_DISTANCE_MS_MAX, NOW_MS + BLOCK_DISTANCE_MS_MAX] {
        assert!(CheckedLogin::check(&login(b"yes", at(10, edge)), &Chain).expect("taken").valid().is_some());
    }
    let distance_ms = BLOCK_DISTANCE_MS_MAX + 1;
    for beyond in [NOW_MS - distance_ms, NOW_MS + distance_ms] {
        refused(login(b"yes", at(10, beyond)), SignatureError::BlockDistance { distance_ms });
    }
    refused(login(b"yes", block(1)), SignatureError::BlockChain { account: 10, block: 1 });
}
