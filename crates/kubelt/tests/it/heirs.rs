//! An heir named, claiming and refused, by the command line at two nodes.

use serde_json::Value;

use crate::cli::{Node, Person};

const LISTENS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

fn signing<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--passphrase-file", "right"]].concat()
}

fn account(person: &Person) -> String {
    person.json(&["whoami"])["account"].as_str().expect("it has one").to_owned()
}

fn stderr(person: &Person, args: &[&str]) -> String {
    let output = person.output(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).expect("it prints UTF-8")
}

#[test]
fn an_heir_claims_at_another_node_and_is_refused() {
    let (home, away) = (Node::start_with(LISTENS), Node::start());
    let (owner, heir) = (Person::signed_in(&home.url), Person::signed_in(&away.url));
    let (of, to) = (account(&owner), account(&heir));
    owner.write("will.txt", "to my heirs");
    owner.run(&["put", "@me/will.txt", "will.txt", "--private"]);
    assert!(owner.run(&["heir", "ls"]).contains("has no heirs"));
    for wait in ["6d", "36526d"] {
        let short = owner.fails(&signing(&["heir", "set", &to, "--wait", wait]));
        assert!(short.contains("7 days at least"), "{short}");
    }
    let named = owner.run(&signing(&["heir", "set", &to, "--wait", "30d"]));
    assert!(named.contains("30 days after it claims it"), "{named}");
    assert!(owner.run(&["heir", "ls"]).contains("would wait 30 days"));
    assert!(owner.fails(&signing(&["heir", "refuse"])).contains("nobody claims"));

    // The owner's core comes to the heir's node; the heir is nothing there but heir.
    let mut visiting = owner;
    visiting.go_to(&away);
    visiting.run(&signing(&["login", "--wallet", "main", "--from", &home.replicates()]));
    let place = format!("@{of}");
    let told = heir.run(&["heir", "ls"]);
    assert!(told.contains(&format!("you are heir to {place}: has not claimed")), "{told}");
    heir.run(&signing(&["use", &place]));
    assert!(heir.fails(&["get", &format!("{place}/will.txt")]).contains("nothing here"));
    assert!(heir.fails(&["core", "show", &place]).contains("nothing here"));
    let said = stderr(&heir, &signing(&["heir", "claim", &place]));
    assert!(
        said.contains(&format!("signing: Claim the core of {of} as its heir. It opens to me 30 days")),
        "{said}"
    );
    assert!(heir.fails(&signing(&["heir", "claim", &place])).contains("the wait is not over"));
    assert!(heir.fails(&["core", "export", &place, "-o", "core.car"]).contains("nothing here"));

    // Back at the first node, where the owner is told.
    visiting.run(&["remote", "sync", "@me"]);
    visiting.go_to(&home);
    let warned = stderr(&visiting, &signing(&["login", "--wallet", "main"]));
    assert!(warned.contains(&to) && warned.contains("claims the core since"), "{warned}");
    for command in [&["heir", "ls"][..], &["whoami"], &["core", "show"]] {
        let shown = visiting.run(command);
        assert!(shown.contains("unless refused"), "{shown}");
    }
    let shown: Value = visiting.json(&["core", "show"]);
    assert_eq!(
        (&shown["heirs"][0]["account"], &shown["heirs"][0]["open"]),
        (&to.as_str().into(), &false.into())
    );
    visiting.run(&signing(&["heir", "refuse"]));
    assert!(visiting.run(&["heir", "ls"]).contains("has no heirs"));
    visiting.go_to(&away);
    visiting.run(&["remote", "sync", "@me"]);
    assert!(!heir.run(&["heir", "ls"]).contains("you are heir"));
    assert!(heir.fails(&signing(&["heir", "claim", &place])).contains("nothing here"));
    let stranger = heir.fails(&signing(&["heir", "renounce", &place]));
    assert!(stranger.contains("nothing here"), "{stranger}");
}
