use std::fs;

use kubelt_core::Account;
use tempfile::TempDir;

use super::passphrase::PassphraseError;
use super::secret_storage::{ScryptCost, SecretStorage};
use super::{
    KeyError, NAME_BYTES_MAX, Passphrase, SecretStorageError, Wallet, WalletName, Wallets, WalletsError,
};

/// Vectors of the format's definition. They carry no address.
const VECTOR_PBKDF2: &str = r#"{
  "crypto": {
    "cipher": "aes-128-ctr",
    "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    "kdf": "pbkdf2",
    "kdfparams": {
      "c": 262144,
      "dklen": 32,
      "prf": "hmac-sha256",
      "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
    },
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
  },
  "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  "version": 3
}"#;
const VECTOR_SCRYPT: &str = r#"{
  "crypto": {
    "cipher": "aes-128-ctr",
    "cipherparams": { "iv": "83dbcc02d8ccb40e466191a123791e0e" },
    "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    "kdf": "scrypt",
    "kdfparams": {
      "dklen": 32,
      "n": 262144,
      "p": 8,
      "r": 1,
      "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
    },
    "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
  },
  "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  "version": 3
}"#;
const VECTOR_PASSPHRASE: &str = "testpassword";
const VECTOR_KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

/// A key with a published address and signature.
const SIGNING_KEY: &str = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
const SIGNING_ADDRESS: &str = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23";
const SIGNATURE_OF_SOME_DATA: &str = "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
                                      6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a029\
                                      1c";

struct Fixture {
    dir: TempDir,
    wallets: Wallets,
}

fn fixture() -> Fixture {
    let dir = TempDir::new().expect("a temporary directory can be made");
    let wallets = Wallets { dir: dir.path().join("wallets"), cost: ScryptCost::WEAK };
    Fixture { dir, wallets }
}

fn name(text: &str) -> WalletName {
    text.parse().expect("a good name")
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).expect("not empty")
}

/// The error and all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[track_caller]
fn check_vector(json: &str) {
    let keystore = SecretStorage::from_json(json.as_bytes()).expect("the vector is well-formed");
    let wallet = keystore.open(&passphrase(VECTOR_PASSPHRASE)).expect("the vector opens");
    assert_eq!(hex::encode(wallet.secret()), VECTOR_KEY);
}

#[test]
fn opens_the_published_scrypt_vector() {
    check_vector(VECTOR_SCRYPT);
    check_vector(&VECTOR_SCRYPT.replace("\"crypto\"", "\"Crypto\""));
}

#[test]
fn opens_the_published_pbkdf2_vector() {
    check_vector(VECTOR_PBKDF2);
}

#[track_caller]
fn check_hostile(from: &str, to: &str, expected: &str) {
    for vector in [VECTOR_SCRYPT, VECTOR_PBKDF2] {
        if !vector.contains(from) {
            continue;
        }
        let json = vector.replace(from, to);
        let outcome =
            SecretStorage::from_json(json.as_bytes()).and_then(|keystore| keystore.open(&passphrase("any")));
        let error = chain(&outcome.expect_err("a hostile file opens nothing"));
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn hostile_parameters_cost_nothing() {
    let bounds = "parameters of `scrypt` are out of bounds";
    for n in ["0", "1", "3", "262143", "8388608", "9223372036854775808", "18446744073709551615"] {
        check_hostile("\"n\": 262144", &format!("\"n\": {n}"), bounds);
    }
    for r in ["0", "17", "4294967295"] {
        check_hostile("\"r\": 1", &format!("\"r\": {r}"), bounds);
    }
    for p in ["0", "65", "4294967295"] {
        check_hostile("\"p\": 8", &format!("\"p\": {p}"), bounds);
    }
    for dklen in ["0", "16", "31", "33", "18446744073709551615"] {
        check_hostile("\"dklen\": 32", &format!("\"dklen\": {dklen}"), "are out of bounds");
    }
    for c in ["0", "10000001", "4294967295"] {
        check_hostile("\"c\": 262144", &format!("\"c\": {c}"), "parameters of `pbkdf2` are out of bounds");
    }
    check_hostile("\"n\": 262144", "\"n\": -1", "not a Web3 Secret Storage file");
    check_hostile("\"salt\": \"", &format!("\"salt\": \"{}", "00".repeat(1_024)), "`salt` is not hex");
}

#[test]
fn other_formats_are_refused_by_name() {
    check_hostile("\"version\": 3", "\"version\": 1", "version 1; only version 3");
    check_hostile("aes-128-ctr", "aes-256-gcm", "`aes-256-gcm`; only `aes-128-ctr`");
    check_hostile("hmac-sha256", "hmac-sha1", "`hmac-sha1`; only `aes-128-ctr` and `hmac-sha256`");
    check_hostile("\"scrypt\"", "\"argon2\"", "unknown variant `argon2`");
    check_hostile("\"iv\": \"83", "\"iv\": \"", "`iv` is not hex of the right length");
    check_hostile(
        "\"ciphertext\": \"",
        "\"ciphertext\": \"00",
        "`ciphertext` is not hex of the right length",
    );
    check_hostile("\"mac\": \"2", "\"mac\": \"x", "`mac` is not hex of the right length");
}

#[test]
fn a_new_wallet_opens_with_its_passphrase_only() {
    let Fixture { wallets, dir: _dir } = fixture();
    let made = wallets.create(&name("main"), &passphrase("correct horse")).expect("the name is free");
    let opened = wallets.open(&name("main"), &passphrase("correct horse")).expect("it was just made");
    assert_eq!(opened.secret(), made.secret());
    assert_eq!(wallets.address(&name("main")).expect("the file is there"), Some(made.address()));

    let error = wallets.open(&name("main"), &passphrase("correct horsf")).expect_err("another passphrase");
    assert!(
        matches!(error, WalletsError::Keystore { source: SecretStorageError::Passphrase, .. }),
        "{error}"
    );
    let other = wallets.create(&name("other"), &passphrase("correct horse")).expect("the name is free");
    assert_ne!(other.secret(), made.secret());
}

#[test]
fn passphrases_are_stretched_as_other_wallets_do() {
    let dir = TempDir::new().expect("a temporary directory can be made");
    let wallets = Wallets::new(dir.path());
    wallets.create(&name("main"), &passphrase("p")).expect("the name is free");
    let json = fs::read_to_string(wallets.path(&name("main"))).expect("it was just made");
    let json: serde_json::Value = serde_json::from_str(&json).expect("what we write is JSON");
    let params = &json["crypto"]["kdfparams"];
    assert_eq!((&params["n"], &params["r"], &params["p"]), (&131_072.into(), &8.into(), &1.into()));
    assert_eq!((&json["version"], &json["crypto"]["cipher"]), (&3.into(), &"aes-128-ctr".into()));
    wallets.open(&name("main"), &passphrase("p")).expect("it was just made");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_wallet() {
    use std::os::unix::fs::PermissionsExt;

    let Fixture { wallets, dir } = fixture();
    wallets.create(&name("main"), &passphrase("p")).expect("the name is free");
    let mode = |path| fs::metadata(path).expect("it was just made").permissions().mode() & 0o777;
    assert_eq!(mode(wallets.path(&name("main"))), 0o600);
    assert_eq!(mode(dir.path().join("wallets")), 0o700);
}

#[test]
fn a_wallet_is_never_overwritten_and_leaves_nothing_behind() {
    let Fixture { wallets, dir } = fixture();
    let made = wallets.create(&name("main"), &passphrase("p")).expect("the name is free");
    let again =
        wallets.import_key(&name("main"), SIGNING_KEY, &passphrase("p")).expect_err("the name is taken");
    assert_eq!(again.to_string(), "there is a wallet `main` already; choose another name");
    let opened = wallets.open(&name("main"), &passphrase("p")).expect("it is still there");
    assert_eq!(opened.address(), made.address());
    let files = fs::read_dir(dir.path().join("wallets")).expect("the directory is there").count();
    assert_eq!(files, 1);
}

#[test]
fn a_missing_wallet_says_how_to_make_one() {
    let Fixture { wallets, dir: _dir } = fixture();
    let error = wallets.open(&name("main"), &passphrase("p")).expect_err("there is none");
    assert_eq!(error.to_string(), "there is no wallet `main`; make it with `kubelt wallet new main`");
    assert_eq!(wallets.names().expect("no directory is no error"), []);
}

#[test]
fn wallets_are_listed_in_order() {
    let Fixture { wallets, dir } = fixture();
    for wallet in ["b", "a-2", "c_3"] {
        wallets.create(&name(wallet), &passphrase("p")).expect("the name is free");
    }
    fs::write(dir.path().join("wallets/README.txt"), "not a wallet").expect("the directory is writable");
    assert_eq!(wallets.names().expect("the directory is there"), ["a-2", "b", "c_3"].map(name));
}

#[test]
fn names_cannot_leave_the_directory() {
    let long = "a".repeat(NAME_BYTES_MAX + 1);
    for bad in ["", ".", "..", "../main", "a/b", "a\\b", "-a", "_a", ".a", "Main", "a b", "a\0", "é", &long]
    {
        assert!(bad.parse::<WalletName>().is_err(), "{bad:?}");
    }
    assert!("a".repeat(NAME_BYTES_MAX).parse::<WalletName>().is_ok());
}

#[test]
fn a_truncated_file_never_opens() {
    let Fixture { wallets, dir: _dir } = fixture();
    wallets.create(&name("main"), &passphrase("p")).expect("the name is free");
    let path = wallets.path(&name("main"));
    let whole = fs::read(&path).expect("it was just made");
    // The last byte is a line feed.
    for length in 0..whole.len() - 1 {
        fs::write(&path, &whole[..length]).expect("the file is writable");
        let error = wallets.open(&name("main"), &passphrase("p")).expect_err("half a file opens nothing");
        assert!(chain(&error).contains("not a Web3 Secret Storage file"), "{length}: {}", chain(&error));
    }
}

#[test]
fn a_changed_byte_gives_an_error_or_the_same_key() {
    let wallet: Wallet = SIGNING_KEY.parse().expect("a good key");
    let keystore =
        SecretStorage::seal(&wallet, &passphrase("p"), ScryptCost::WEAK).expect("there is randomness");
    let whole = keystore.to_json().into_bytes();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        match SecretStorage::from_json(&changed).and_then(|keystore| keystore.open(&passphrase("p"))) {
            Ok(opened) => assert_eq!(opened.address(), wallet.address(), "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    // What may change: white space, the name and value of `id`.
    assert!(refused > 350 && refused < whole.len(), "{refused} of {} changes were refused", whole.len());
}

#[test]
fn a_changed_counter_is_found_although_the_checksum_misses_it() {
    let Fixture { wallets, dir: _dir } = fixture();
    wallets.create(&name("main"), &passphrase("p")).expect("the name is free");
    let path = wallets.path(&name("main"));
    let json = fs::read_to_string(&path).expect("it was just made");
    let at = json.find("\"iv\": \"").expect("the member is there") + 7;
    let flipped = if json.as_bytes()[at] == b'0' { "1" } else { "0" };
    fs::write(&path, [&json[..at], flipped, &json[at + 1..]].concat()).expect("the file is writable");
    let error = wallets.open(&name("main"), &passphrase("p")).expect_err("the key is another");
    assert!(matches!(error, WalletsError::Keystore { source: SecretStorageError::Altered, .. }), "{error}");
}

#[test]
fn an_imported_keystore_keeps_what_it_holds_and_gains_an_address() {
    let Fixture { wallets, dir } = fixture();
    let file = dir.path().join("theirs.json");
    let with_more =
        VECTOR_SCRYPT.replace("\"version\"", "\"x-theirs\": { \"mnemonic\": [1, 2] }, \"version\"");
    fs::write(&file, with_more).expect("the directory is writable");

    let wrong = wallets.import_keystore(&name("theirs"), &file, &passphrase("wrong"));
    assert!(chain(&wrong.expect_err("another passphrase")).contains("the passphrase is wrong"));
    assert_eq!(wallets.names().expect("no directory is no error"), []);

    let imported =
        wallets.import_keystore(&name("theirs"), &file, &passphrase(VECTOR_PASSPHRASE)).expect("it opens");
    let json = fs::read_to_string(wallets.path(&name("theirs"))).expect("it was just made");
    let json: serde_json::Value = serde_json::from_str(&json).expect("what we write is JSON");
    assert_eq!(json["x-theirs"]["mnemonic"], serde_json::json!([1, 2]));
    assert_eq!(json["id"], "3198bc9c-6672-5ab3-d995-4942343ae5b6");
    assert_eq!(json["address"], hex::encode(imported.address()));
    let opened = wallets.open(&name("theirs"), &passphrase(VECTOR_PASSPHRASE)).expect("it opens again");
    assert_eq!(hex::encode(opened.secret()), VECTOR_KEY);
}

#[test]
fn an_endless_file_is_not_read() {
    let Fixture { wallets, dir } = fixture();
    let file = dir.path().join("huge.json");
    fs::write(&file, vec![b' '; 70_000]).expect("the directory is writable");
    let error = wallets.import_keystore(&name("huge"), &file, &passphrase("p")).expect_err("no keystore");
    assert!(chain(&error).contains("over 65536 bytes long"), "{}", chain(&error));
}

#[test]
fn private_keys_are_read_from_hex() {
    for text in
        [SIGNING_KEY, &SIGNING_KEY[2..], &format!("  {SIGNING_KEY}\n"), &SIGNING_KEY[2..].to_uppercase()]
    {
        let wallet: Wallet = text.parse().expect("a good key");
        assert_eq!(wallet.account(), SIGNING_ADDRESS.parse::<Account>().expect("a good address"));
    }
}

#[test]
fn what_is_no_private_key_is_refused_without_being_repeated() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for (text, expected) in [
        ("", KeyError::Form),
        ("0x", KeyError::Form),
        (&SIGNING_KEY[..65], KeyError::Form),
        (&format!("{SIGNING_KEY}00"), KeyError::Form),
        (&SIGNING_KEY.replace('4', "g"), KeyError::Form),
        (&"00".repeat(32), KeyError::Range),
        (order, KeyError::Range),
    ] {
        let error = text.parse::<Wallet>().expect_err("no key");
        assert_eq!(error, expected);
        assert!(text.len() < 4 || !error.to_string().contains(&text[2..]));
    }
}

#[test]
fn signs_as_published() {
    let wallet: Wallet = SIGNING_KEY.parse().expect("a good key");
    assert_eq!(hex::encode(wallet.sign_personal(b"Some data")), SIGNATURE_OF_SOME_DATA);
}

#[test]
fn secrets_are_not_shown() {
    let wallet: Wallet = SIGNING_KEY.parse().expect("a good key");
    assert_eq!(format!("{wallet:?}"), format!("Wallet {{ account: {SIGNING_ADDRESS}, .. }}"));
    assert_eq!(format!("{:?}", passphrase("secret")), "Passphrase(…)");
}

#[test]
fn a_passphrase_file_gives_its_first_line() {
    let dir = TempDir::new().expect("a temporary directory can be made");
    let file = dir.path().join("passphrase");
    for (text, expected) in [("p q", "p q"), ("p\n", "p"), ("p\r\nnext\n", "p"), (" p ", " p ")] {
        fs::write(&file, text).expect("the directory is writable");
        let read = Passphrase::ask(Some(&file), "").expect("the file is there");
        assert_eq!(read.as_bytes(), expected.as_bytes());
        let read = Passphrase::ask_new(Some(&file)).expect("the file is there");
        assert_eq!(read.as_bytes(), expected.as_bytes());
    }
    fs::write(&file, "\nlater").expect("the directory is writable");
    assert!(matches!(Passphrase::ask(Some(&file), ""), Err(PassphraseError::Empty)));
    let missing = Passphrase::ask(Some(&dir.path().join("gone")), "").expect_err("there is no file");
    assert!(missing.to_string().starts_with("cannot read the passphrase file"));
}
