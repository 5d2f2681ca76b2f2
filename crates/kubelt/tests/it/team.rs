//! Three wallets and a shared core on two nodes: made, joined, used, left and handed over.

use serde_json::Value;

use crate::cli::{Node, Person};

const LISTENS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

/// A command that signs with the wallet of whoever is signed in.
fn signing<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--passphrase-file", "right"]].concat()
}

fn account(person: &Person) -> String {
    person.json(&["whoami"])["account"].as_str().expect("it has one").to_owned()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {value}")).to_owned()
}

#[test]
fn three_people_share_a_core_on_two_nodes() {
    let (home, away) = (Node::start_with(LISTENS), Node::start());
    let (ann, bob, cid) =
        (Person::signed_in(&home.url), Person::signed_in(&away.url), Person::signed_in(&home.url));
    let made = ann.json(&signing(&["core", "create", "@me/acme", "--name", "Acme Corp"]));
    let core = text(&made, "core");
    assert_eq!((&made["begun"], text(&made, "path")), (&true.into(), format!("/@{core}")));
    assert!(ann.run(&["core", "ls"]).contains("@acme  root  in use"));
    assert!(ann.fails(&signing(&["core", "create", "@me/acme"])).contains("choose another one"));
    ann.write("plan.txt", "for members");
    ann.run(&["put", "@acme/site/plan.txt", "plan.txt", "--members"]);

    let invite = ann.json(&signing(&["member", "invite", "@acme", &account(&bob), "developer"]));
    let link = text(&invite, "link");
    let invite = ann.json(&signing(&[
        "member",
        "invite",
        "@acme",
        &account(&cid),
        "press",
        "--can",
        "put content/press/**",
        "--can",
        "read content/**",
    ]));
    let members = ann.run(&["member", "ls", "@acme"]);
    assert!(
        members.contains("root: may everything")
            && members
                .contains("press: read at \"content\" and below it; write at \"content/press\" and below it"),
        "{members}"
    );
    assert!(ann.run(&["invite", "ls", "@acme"]).contains(&link));

    // Bob's node has never seen the core; the link says where it is.
    assert!(bob.run(&["invite", "ls"]).contains("no invites"));
    let accepted = bob.json(&signing(&["invite", "accept", &link]));
    assert_eq!((text(&accepted, "name"), &accepted["known"]), ("acme-corp".to_owned(), &false.into()));
    assert_eq!(bob.run(&["get", "@acme-corp/site/plan.txt"]), "for members");
    bob.write("page.html", "<p>by bob");
    bob.run(&["put", "@acme-corp/site/page.html", "page.html", "--members"]);
    bob.run(&["remote", "sync", "@acme-corp"]);
    assert_eq!(ann.run(&["get", "@acme/site/page.html"]), "<p>by bob");
    assert_eq!(bob.json(&signing(&["invite", "accept", &link]))["known"], true);
    assert!(bob.run(&["whoami"]).contains("also as @acme-corp"));

    // Cid is at the node of the core, and needs no link.
    assert!(cid.run(&["invite", "ls"]).contains("Acme Corp  press"));
    assert!(
        cid.fails(&signing(&[
            "invite",
            "accept",
            &link.replace(&core, &text(&cid.json(&["whoami"])["core"], "core"))
        ]))
        .contains("nothing here that you may use")
    );
    cid.run(&signing(&["invite", "accept", &text(&invite, "link"), "--as", "job"]));
    cid.write("news.txt", "news");
    cid.run(&["put", "@job/press/news.txt", "news.txt", "--members"]);
    assert!(cid.fails(&["put", "@job/site/news.txt", "news.txt"]).contains("may not write"));
    let stranger = Person::signed_in(&home.url);
    assert!(
        stranger
            .fails(&signing(&["invite", "accept", &text(&invite, "link")]))
            .contains("nothing here that you may use")
    );
    assert_eq!(home.fetch(&format!("/@{core}/press/news.txt")).0, 404);

    // Left, removed, handed over.
    cid.run(&signing(&["member", "resign", "@job"]));
    assert!(cid.fails(&["get", "@job/press/news.txt"]).contains("nothing here"));
    ann.run(&signing(&["member", "rm", "@acme", &account(&bob)]));
    assert!(ann.json(&["member", "ls", "@acme"])["members"].as_array().is_some_and(Vec::is_empty));
    let (one, two) = (account(&ann), account(&cid));
    assert!(
        bob.fails(&signing(&["core", "rotate", "@acme-corp", "--owner", &one])).contains("only the root")
    );
    ann.run(&signing(&["core", "rotate", "@acme", "--owner", &one, "--owner", &two, "--threshold", "2"]));
    assert_eq!(ann.json(&["member", "ls", "@acme"])["root"]["m"], 2);
    let alone = ann.run(&signing(&["member", "invite", "@acme", &account(&bob), "reader"]));
    assert!(alone.contains("1 of 2 agree") && alone.contains("nothing is done yet"), "{alone}");

    // Back to one's own core.
    ann.run(&signing(&["use", "@me"]));
    assert!(ann.fails(&["member", "ls", "@acme"]).contains("kubelt use @acme"));
    let listed = ann.json(&["session", "ls"]);
    assert_eq!(
        listed["sessions"].as_array().map(Vec::len),
        Some(1),
        "the sessions before were ended: {listed}"
    );
    assert!(ann.run(&["role", "ls"]).contains("contract   outside help"));
}

#[test]
fn a_core_of_several_is_dead_until_enough_of_them_have_signed() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let other = "0x00000000000000000000000000000000000000aa";
    let told = ann.run(&signing(&["core", "create", "@me/dao", "--owner", other, "--threshold", "2"]));
    assert!(told.contains("dead until 2 of its 2 owners have signed"), "{told}");
    assert!(ann.run(&["member", "ls", "@dao"]).contains("the core is dead"));
    let too_many =
        ann.fails(&signing(&["core", "create", "@me/other", "--owner", other, "--threshold", "3"]));
    assert!(too_many.contains("does not fit 2 accounts"), "{too_many}");
    assert!(ann.fails(&signing(&["core", "create", "@me/a.b"])).contains("no name for a core"));
    assert!(
        ann.fails(&signing(&["member", "invite", "@dao", "ann.eth", "reader"])).contains("write the address")
    );
    assert!(ann.fails(&["member", "ls", "@nothing"]).contains("names no core `nothing`"));
}
