//! Two nodes as processes: one serves what a core of the other has published, and has nothing else of it.

use crate::cli::{Node, Person, noise};

const LISTENS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

/// Asks a node for a path until it answers so.
fn until(node: &Node, path: &str, expected: (u16, &str)) {
    loop {
        let (status, body) = node.fetch(path);
        let body = if status == 200 { body.as_str() } else { "" };
        if (status, body) == expected {
            return;
        }
    }
}

#[test]
fn a_mirror_serves_what_is_published_for_as_long_as_it_is() {
    let (mut origin, mut mirror) = (Node::start_with(LISTENS), Node::start());
    let mut ann = Person::signed_in(&origin.url);
    ann.write("site/index.html", "<p>hello");
    ann.write("site/big.bin", noise(2));
    let published = ann.json(&["publish", "site", "--to", "@me/site", "--public"]);
    ann.write("note.txt", "one");
    ann.run(&["put", "@me/note.txt", "note.txt", "--public"]);
    ann.write("secret.txt", "nobody's business");
    ann.run(&["put", "@me/secret.txt", "secret.txt"]);
    let core = ann.json(&["whoami"])["core"]["core"].as_str().expect("it has an id").to_owned();

    let mut bob = Person::signed_in(&mirror.url);
    let (named, at) = (format!("@{core}"), |path: &str| format!("/@{core}/{path}"));
    assert_eq!(mirror.fetch(&at("note.txt")).0, 404);
    let added = bob.json(&["mirror", "add", &named, "--from", &origin.replicates()]);
    assert_eq!(
        (&added["settled"], &added["paths"], &added["lacking"]),
        (&true.into(), &2.into(), &0.into()),
        "{added}"
    );
    assert_eq!(mirror.fetch(&at("site/index.html")), (200, "<p>hello".to_owned()));
    assert_eq!(mirror.fetch(&at("note.txt")), (200, "one".to_owned()));
    let cid = published["cid"].as_str().expect("it names what it published");
    assert_eq!(mirror.fetch(&format!("/ipfs/{cid}/index.html")), (200, "<p>hello".to_owned()));
    bob.run(&["get", &format!("{named}/site/big.bin"), "-o", "copy.bin"]);
    assert_eq!(bob.read("copy.bin"), noise(2));
    assert_eq!(mirror.fetch(&at("secret.txt")).0, 404);
    for closed in ["-/ops", "-/heads", "-/car"] {
        assert_eq!(mirror.fetch(&at(closed)).0, 404, "{closed}");
    }

    // A change, what becomes private, and what is cleared.
    ann.write("note.txt", "two");
    ann.run(&["put", "@me/note.txt", "note.txt", "--public"]);
    until(&mirror, &at("note.txt"), (200, "two"));
    ann.write("note.txt", "nobody's business either");
    ann.run(&["put", "@me/note.txt", "note.txt"]);
    until(&mirror, &at("note.txt"), (404, ""));
    ann.run(&["put", "@me/other.txt", "secret.txt", "--public"]);
    until(&mirror, &at("other.txt"), (200, "nobody's business"));
    ann.run(&["rm", "@me/other.txt"]);
    until(&mirror, &at("other.txt"), (404, ""));

    // The origin is gone, and the mirror was started again.
    origin.kill();
    mirror.kill();
    mirror.restart();
    assert_eq!(mirror.fetch(&at("site/index.html")), (200, "<p>hello".to_owned()));
    bob.stays_signed_in_at(&mirror.url);
    let listed = bob.run(&["mirror", "ls"]);
    assert!(listed.contains("away since before the node was started"), "{listed}");
    assert!(listed.contains(&core) && listed.contains("1 path"), "{listed}");

    // It is back, with something new.
    origin.restart();
    ann.stays_signed_in_at(&origin.url);
    ann.write("late.txt", "late");
    ann.run(&["put", "@me/late.txt", "late.txt", "--public"]);
    bob.json(&["mirror", "add", &named, "--from", &origin.replicates()]);
    until(&mirror, &at("late.txt"), (200, "late"));

    // It is gone again.
    origin.kill();
    let listed = loop {
        let listed = bob.run(&["mirror", "ls"]);
        if listed.contains("away") {
            break listed;
        }
    };
    assert!(listed.contains("away since 20"), "{listed}");

    bob.run(&["mirror", "rm", &named]);
    assert_eq!(mirror.fetch(&at("site/index.html")).0, 404);
    assert_eq!(mirror.fetch(&format!("/ipfs/{cid}/index.html")).0, 404);
    assert_eq!(bob.json(&["mirror", "ls"])["mirrors"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_cannot_be_mirrored_is_told_and_not_added() {
    let (origin, mirror) = (Node::start_with(LISTENS), Node::start());
    let (ann, bob) = (Person::signed_in(&origin.url), Person::signed_in(&mirror.url));
    let core = ann.json(&["whoami"])["core"]["core"].as_str().expect("it has an id").to_owned();
    let named = format!("@{core}");
    let address = origin.replicates();
    // A core that publishes nothing answers like one that is not there.
    let nobody = "@0x00000000000000000000000000000000000000aa";
    let nothing = bob.fails(&["mirror", "add", &named, "--from", &address]);
    assert_eq!(nothing, bob.fails(&["mirror", "add", nobody, "--from", &address]));
    assert!(nothing.contains("the peer has no such core, or nothing of it is public"), "{nothing}");
    for (args, why) in [
        (vec!["mirror", "add", &named, "--from", "/ip4/127.0.0.1/tcp/1"], "not the address of a node"),
        (vec!["mirror", "add", &named, "--from", &address, "--every", "31d"], "every 30 days at least"),
        (vec!["mirror", "rm", &named], "no such mirror"),
    ] {
        let said = bob.fails(&args);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    assert_eq!(bob.json(&["mirror", "ls"])["mirrors"].as_array().map(Vec::len), Some(0));
}
