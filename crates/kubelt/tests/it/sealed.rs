//! Sealed content: encrypted by one command line, opened by another; the node between them has ciphertext.

use std::fs;

use kubelt_sealed::{DeviceSecret, PublicKey, jwk};
use serde_json::{Value, json};

use crate::cli::{Node, Person, noise};

fn with_key<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--passphrase-file", "right"]].concat()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {value}")).to_owned()
}

fn account(person: &Person) -> String {
    text(&person.json(&["whoami"]), "account")
}

/// Somebody with a device.
fn with_device(node: &Node, device: &str) -> Person {
    let person = Person::signed_in(&node.url);
    person.run(&with_key(&["key", "new", device]));
    person
}

/// Another device of the same person, signed in.
fn second_device(node: &Node, person: &Person) -> Person {
    let other = Person::at(&node.url);
    let wallet = person.read("config/wallets/main.json");
    other.write("wallet.json", wallet);
    other.run(&["wallet", "import", "main", "--keystore", "wallet.json", "--passphrase-file", "right"]);
    other.sign_in();
    other
}

#[test]
fn what_is_sealed_opens_for_those_it_is_sealed_to() {
    let node = Node::start();
    let (ann, bob, eve) =
        (with_device(&node, "laptop"), with_device(&node, "phone"), with_device(&node, "pc"));
    let plain = noise(2);
    ann.write("film.bin", &plain);
    let bobs = account(&bob);
    let sealed = ann.json(&["seal", "film.bin", "--to", &bobs, "--as", "@me/box/film.bin", "--public"]);
    assert_eq!(
        (text(&sealed, "form"), sealed["to"].as_array().map(Vec::len)),
        ("chunks".to_owned(), Some(2))
    );
    let place = format!("@{}/box/film.bin", account(&ann));

    // Whoever fetches it has ciphertext.
    eve.run(&["get", &text(&sealed, "cid"), "-o", "stolen"]);
    let stolen = eve.read("stolen");
    assert!(stolen.starts_with(b"kbsealed") && stolen.len() > plain.len());
    assert!(!stolen.windows(64).any(|window| window == &plain[..64]), "nothing of it is in the clear");
    let said = eve.fails(&with_key(&["open", &place, "-o", "film.bin"]));
    assert!(said.contains("none of which is on this machine"), "{said}");
    let said = eve.fails(&with_key(&["open", "stolen", "-o", "film.bin"]));
    assert!(said.contains("only a JWE"), "{said}");

    for person in [&bob, &ann] {
        person.run(&with_key(&["open", &place, "-o", "opened"]));
        assert!(person.read("opened") == plain);
        let part = person.output(&with_key(&["open", &place, "--range", "1500000-1500009"]));
        assert_eq!(part.stdout, &plain[1_500_000..1_500_010]);
    }
    assert!(
        bob.fails(&["open", &place, "-o", "x", "--passphrase-file", "wrong"]).contains("passphrase is wrong")
    );
    assert!(bob.fails(&with_key(&["open", &place, "--range", "9000000-"])).contains("no such bytes"));
    assert!(!bob.dir().join("x").exists());

    // Empty files, and what comes through a pipe.
    let piped = ann.pipe(&["seal", "-", "--to", &bobs, "--as", "@me/box/note", "--public"], b"");
    assert!(piped.status.success(), "{piped:?}");
    bob.run(&with_key(&["open", &format!("@{}/box/note", account(&ann)), "-o", "empty"]));
    assert_eq!(bob.read("empty"), b"");
    let scratch = fs::read_dir(ann.dir().join("config/scratch")).expect("it was made").count();
    assert_eq!(scratch, 0, "nothing is left behind");
}

#[test]
fn grants_are_listed_added_and_taken_back_by_another_key() {
    let node = Node::start();
    let (ann, bob, cid) =
        (with_device(&node, "laptop"), with_device(&node, "phone"), with_device(&node, "pc"));
    ann.run(&["config", "@me", "versions", r#"{"keep": "all"}"#]);
    ann.write("plan.txt", "the plan");
    let (bobs, cids) = (account(&bob), account(&cid));
    let first = ann.json(&["seal", "plan.txt", "--to", &bobs, "--public"]);
    let place = format!("@{}/plan.txt", account(&ann));
    let open = |person: &Person| person.output(&with_key(&["open", &place, "-o", "-"]));
    assert!(ann.run(&["grant", "ls", "@me/plan.txt"]).contains("phone"));
    assert!(ann.run(&["grant", "ls", "@me"]).contains("2 keys"));

    // Added: the same ciphertext, one wrap more.
    assert!(!open(&cid).status.success());
    let added = ann.json(&with_key(&["grant", "add", "@me/plan.txt", "--to", &cids]));
    assert_eq!((&added["rekeyed"], text(&added, "cid")), (&false.into(), text(&first, "cid")));
    assert_eq!(open(&cid).stdout, b"the plan");
    assert!(ann.fails(&with_key(&["grant", "add", "@me/plan.txt", "--to", &cids])).contains("already"));

    // Taken back: other ciphertext, and the old one is gone though all versions are kept.
    let removed = ann.json(&with_key(&["grant", "rm", "@me/plan.txt", "--to", &bobs]));
    assert_eq!(removed["rekeyed"], true);
    assert_ne!(text(&removed, "cid"), text(&first, "cid"));
    assert!(!open(&bob).status.success());
    assert_eq!((open(&cid).stdout, open(&ann).stdout), (b"the plan".to_vec(), b"the plan".to_vec()));
    assert_eq!(node.fetch(&format!("/ipfs/{}", text(&first, "cid"))).0, 404);
    let versions = ann.json(&["versions", "@me/plan.txt"]);
    let held: Vec<bool> =
        versions["versions"].as_array().expect("a list").iter().map(|v| v["held"] == true).collect();
    assert_eq!(held, [true, false, false], "{versions}");
    assert!(ann.fails(&with_key(&["grant", "rm", "@me/plan.txt", "--to", &bobs])).contains("none of them"));

    // A device that came later, and one that was lost.
    let tablet = second_device(&node, &ann);
    tablet.run(&with_key(&["key", "new", "tablet"]));
    assert!(tablet.fails(&with_key(&["key", "new", "laptop"])).contains("another device `laptop`"));
    assert!(!open(&tablet).status.success());
    assert_eq!(ann.json(&with_key(&["grant", "refresh", "@me/plan.txt"]))["rekeyed"], false);
    assert_eq!(open(&tablet).stdout, b"the plan");
    tablet.run(&["key", "rm", "laptop"]);
    assert_eq!(tablet.json(&with_key(&["grant", "refresh", "@me/plan.txt"]))["rekeyed"], true);
    assert!(!open(&ann).status.success());
    assert_eq!(open(&tablet).stdout, b"the plan");
    let listed = tablet.run(&["key", "ls"]);
    assert!(
        listed.contains("tablet") && listed.contains("on this device") && !listed.contains("laptop"),
        "{listed}"
    );
}

#[test]
fn a_published_set_of_keys_gets_a_standard_message() {
    let node = Node::start();
    let ann = with_device(&node, "laptop");
    let theirs = DeviceSecret::from_bytes([7; 32]);
    let x = hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    let y = hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    let curve = PublicKey::p256(&x, &y).expect("the generator");
    let set = json!({ "keys": [jwk::to_jwk(&theirs.public(), Some("books")), jwk::to_jwk(&curve, Some("spare")),
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "signs", "use": "sig" }] });
    ann.write("jwks.json", set.to_string());
    ann.run(&["put", "@me/jwks.json", "jwks.json", "--public"]);
    let url = format!("jwks:{}/@{}/jwks.json", node.url, account(&ann));
    ann.write("iban.txt", "DE89 3704 0044 0532 0130 00");
    let sealed = ann.json(&["seal", "iban.txt", "--to", &url, "--public"]);
    assert_eq!((text(&sealed, "form"), sealed["to"].as_array().map(Vec::len)), ("jwe".to_owned(), Some(3)));
    let (status, message) = node.fetch(&format!("/ipfs/{}", text(&sealed, "cid")));
    assert_eq!(status, 200);
    let message = kubelt_sealed::jwe::Jwe::read(message.as_bytes()).expect("a JWE");
    let opened = message.open(&message.content_key(&theirs).expect("ours")).expect("whole");
    assert_eq!(opened.as_slice(), b"DE89 3704 0044 0532 0130 00");
    for what in [text(&sealed, "cid"), "@me/iban.txt".to_owned()] {
        assert_eq!(ann.output(&with_key(&["open", &what])).stdout, b"DE89 3704 0044 0532 0130 00", "{what}");
    }
    // One key of the set is taken away, then a file in chunks becomes a message for a newcomer.
    ann.run(&with_key(&["grant", "rm", "@me/iban.txt", "--to", &format!("{url}#spare")]));
    let listed = ann.run(&["grant", "ls", "@me/iban.txt"]);
    assert!(listed.contains("books") && !listed.contains("spare"), "{listed}");
    ann.run(&["seal", "iban.txt", "--to", "@me", "--as", "@me/own"]);
    let added = ann.json(&with_key(&["grant", "add", "@me/own", "--to", &format!("{url}#books")]));
    assert_eq!(added["rekeyed"], true);
    assert_eq!(ann.output(&with_key(&["open", "@me/own"])).stdout, b"DE89 3704 0044 0532 0130 00");
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_sealed() {
    let node = Node::start();
    let (ann, bob) = (with_device(&node, "laptop"), Person::signed_in(&node.url));
    ann.write("a.txt", "a");
    let seal = |to: &str| ann.fails(&["seal", "a.txt", "--to", to]);
    assert!(seal(&account(&bob)).contains("has published no key"));
    assert!(seal("jwks:http://example.org/jwks").contains("fetched by https"));
    assert!(seal("jwks:missing.json").contains("missing.json"));
    let secret = DeviceSecret::from_bytes([7; 32]);
    let good = Value::Object(jwk::to_jwk(&secret.public(), Some("one")));
    let mut leaked = good.clone();
    leaked["d"] = json!("AAAA");
    let mut small = good.clone();
    small["x"] = json!("A".repeat(43));
    let mut other = good.clone();
    other["alg"] = json!("ECDH-ES+C20PKW");
    for (set, said) in [
        (json!({ "keys": [leaked] }), "private parts"),
        (json!({ "keys": [small] }), "small order"),
        (json!({ "keys": [other] }), "ECDH-ES+C20PKW"),
        (json!({ "keys": [{ "kty": "EC", "crv": "P-384" }] }), "P-384"),
    ] {
        ann.write("set.json", set.to_string());
        assert!(seal("jwks:set.json").contains(said), "{said}: {}", seal("jwks:set.json"));
    }
    let many: Vec<Value> = (0..65_u8)
        .map(|n| Value::Object(jwk::to_jwk(&DeviceSecret::from_bytes([n + 9; 32]).public(), None)))
        .collect();
    ann.write("set.json", json!({ "keys": many }).to_string());
    assert!(seal("jwks:set.json").contains("66 keys are over the 64"));
    ann.write("large.bin", noise(17));
    ann.write("set.json", json!({ "keys": [good] }).to_string());
    assert!(ann.fails(&["seal", "large.bin", "--to", "jwks:set.json"]).contains("16777216 bytes at most"));
    assert!(ann.fails(&["open", "@me/a.txt", "-o", "x"]).contains("no sealed content"));
    assert!(ann.fails(&["ls", "@me"]).contains("nothing here"), "nothing was put there");
}

#[test]
fn what_is_handed_on_says_where_it_came_from() {
    let node = Node::start();
    let (ann, bob) = (with_device(&node, "laptop"), with_device(&node, "phone"));
    let bobs = account(&bob);
    ann.write("note.txt", "a note");
    ann.run(&["put", "@me/out/note.txt", "note.txt", "--public"]);
    ann.run(&["seal", "note.txt", "--to", &bobs, "--as", "@me/out/sealed", "--public"]);
    let anns = account(&ann);
    for name in ["note.txt", "sealed"] {
        let source = format!("@{anns}/out/{name}");
        let sent = bob.json(&["send", &source, "--to", "@me/inbox/"]);
        assert_eq!((text(&sent, "path"), text(&sent["from"], "by")), (format!("inbox/{name}"), anns.clone()));
        let place = format!("@me/inbox/{name}");
        let proof = format!("{name}.proof");
        let verified = bob.json(&["verify", &place, "--save", &proof]);
        assert_eq!(
            (text(&verified["here"], "by"), text(&verified["from"], "by")),
            (bobs.clone(), anns.clone())
        );
        assert_eq!(text(&verified["from"], "path"), format!("content/out/{name}"));
        assert_eq!(verified["from"]["session_held_by_node"], true);
    }
    assert_eq!(bob.run(&["get", "@me/inbox/note.txt"]), "a note");
    assert_eq!(bob.output(&with_key(&["open", "@me/inbox/sealed"])).stdout, b"a note");
    assert_eq!(
        ann.output(&with_key(&["open", &format!("@{bobs}/inbox/sealed")])).status.code(),
        Some(1),
        "private there"
    );

    // Offline, and of the very bytes.
    bob.run(&["get", "@me/inbox/note.txt.proof", "-o", "from.proof"]);
    let nowhere = bob.moved_to("http://127.0.0.1:1");
    let shown = nowhere.json(&["verify", "from.proof"]);
    assert_eq!((text(&shown, "by"), text(&shown, "cid")), (anns, text(&shown, "cid")));
    nowhere.write("note.txt", "a note");
    nowhere.run(&["verify", "from.proof", "--content", "note.txt"]);
    nowhere.write("note.txt", "another");
    assert!(nowhere.fails(&["verify", "from.proof", "--content", "note.txt"]).contains("not the content"));
    let mut forged = nowhere.read("from.proof");
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    nowhere.write("forged.proof", forged);
    assert_eq!(nowhere.output(&["verify", "forged.proof"]).status.code(), Some(1));
}

fn hex(text: &str) -> [u8; 32] {
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex");
    std::array::from_fn(byte)
}
