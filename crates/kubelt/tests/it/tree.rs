//! Cores inside cores by the command line, on two nodes.

use serde_json::Value;

use crate::cli::{Node, Person};

const SETTINGS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

/// A command that signs with the wallet of whoever is signed in.
fn signing<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--passphrase-file", "right"]].concat()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {value}")).to_owned()
}

#[test]
fn a_tree_of_cores_is_made_published_closed_and_opened_again() {
    let node = Node::start();
    let (ann, eve) = (Person::signed_in(&node.url), Person::signed_in(&node.url));
    let acme = text(&ann.json(&signing(&["core", "create", "@me/acme"])), "core");
    let widget = text(&ann.json(&signing(&["core", "create", "@acme/@widget", "--name", "Widgets"])), "core");
    let part = text(&ann.json(&signing(&["core", "create", "@acme/@widget/@part"])), "core");
    assert!(ann.fails(&signing(&["core", "create", "@acme/@widget"])).contains("choose another one"));
    assert!(ann.fails(&signing(&["core", "create", "@acme/widget"])).contains("kubelt core create"));
    assert!(eve.fails(&signing(&["core", "create", &format!("@{acme}/@mine")])).contains("kubelt use"));

    ann.write("page.html", "<p>three deep");
    ann.run(&["put", "@acme/@widget/@part/site/page.html", "page.html", "--public"]);
    assert_eq!(ann.run(&["get", "@acme/@widget/@part/site/page.html"]), "<p>three deep");
    let ls = ann.run(&["core", "ls", "@acme"]);
    assert!(ls.contains("@widget  root  in use") && ls.contains(&widget), "{ls}");
    let tree = ann.run(&["core", "tree"]);
    assert!(tree.contains(&format!("  @acme  root  {acme}\n    @widget  root  {widget}\n")), "{tree}");

    // Anybody reads it down the tree and by its own id; nobody may write it.
    let below = format!("@{acme}/@widget/@part/site/page.html");
    let own = format!("@{part}/site/page.html");
    for target in [&below, &own] {
        assert_eq!(eve.run(&["get", target]), "<p>three deep");
        assert_eq!(node.fetch(&format!("/{target}")), (200, "<p>three deep".to_owned()));
        eve.write("x", "x");
        assert!(eve.fails(&["put", target, "x", "--public"]).contains("nothing here that you may use"));
    }
    let tree = eve.run(&["core", "tree", &format!("@{acme}/@widget")]);
    assert!(tree.contains(&format!("  @part  {part}")), "{tree}");

    // Closing the outermost core closes the innermost, by any way in.
    ann.run(&["config", "@acme", "exposure", "{\"http\": false}"]);
    for target in [&below, &own] {
        assert_eq!(node.fetch(&format!("/{target}")).0, 404);
    }
    ann.run(&["config", "@acme", "exposure", "--unset"]);
    assert_eq!(node.fetch(&format!("/{own}")).0, 200);
}

#[test]
fn a_tree_travels_to_a_second_node_and_keeps_its_doors() {
    let (home, away) = (Node::start_with(SETTINGS), Node::start());
    let ann = Person::signed_in(&home.url);
    let acme = text(&ann.json(&signing(&["core", "create", "@me/acme"])), "core");
    let widget = text(&ann.json(&signing(&["core", "create", "@acme/@widget"])), "core");
    ann.write("page.html", "<p>two deep");
    ann.run(&["put", "@acme/@widget/page.html", "page.html", "--public"]);

    let ann = ann.moved_to(&away.url);
    ann.sign_in();
    let ids = [format!("@{acme}"), format!("@{widget}")];
    let bring = |core: &str| ann.run(&signing(&["invite", "accept", core, "--from", &home.replicates()]));
    // The child alone: nobody here can tell whether its parent names it, so it lets no strangers in.
    bring(&widget);
    let page = format!("/@{widget}/page.html");
    assert_eq!(ann.run(&["get", &format!("{}/page.html", ids[1])]), "<p>two deep");
    assert_eq!(away.fetch(&page).0, 404);
    bring(&acme);
    for path in [page.as_str(), &format!("/@{acme}/@widget/page.html")] {
        assert_eq!(away.fetch(path), (200, "<p>two deep".to_owned()));
    }
    // What closes the parent on one node closes the child on the other.
    ann.run(&["config", &ids[0], "exposure", "{\"http\": false}"]);
    ann.run(&["remote", "sync", &ids[0]]);
    assert_eq!((away.fetch(&page).0, home.fetch(&page).0), (404, 404));
}

#[test]
fn a_user_signs_in_through_a_core_and_grants_what_it_asks_for() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let acme = text(&ann.json(&signing(&["core", "create", "@me/acme"])), "core");
    let bob = Person::signed_in(&node.url);
    let within = format!("@{acme}");
    let enter = ["login", "--wallet", "main", "--passphrase-file", "right", "--in", &within];
    assert!(bob.fails(&enter).contains("no core here that you can sign in through"));
    ann.run(&["config", "@acme", "template", r#"{"user": {"asks": ["read content/shared/**"]}}"#]);
    let begun = bob.json(&enter);
    assert_eq!((&begun["created"], &begun["granted"]), (&true.into(), &false.into()));
    bob.write("note.txt", "for you");
    bob.run(&["put", "@me/shared/note.txt", "note.txt", "--members"]);
    let user = text(&begun, "core");
    let note = format!("@{user}/shared/note.txt");
    ann.run(&signing(&["use", "@acme", &format!("@{user}")]));
    assert!(ann.fails(&["get", &note]).contains("nothing here"));
    let agreed = bob.json(&[&enter[..], &["--agree"]].concat());
    assert_eq!((&agreed["created"], &agreed["granted"]), (&false.into(), &true.into()), "{agreed}");
    assert_eq!(ann.run(&["get", &note]), "for you");
    assert!(bob.run(&["member", "ls", "@me"]).contains("parent: read"));
    assert!(bob.fails(&["invite", "ls"]).contains("this session may not do that"));
}

#[test]
fn a_tree_in_a_file_is_shown_made_and_then_as_it_is() {
    let node = Node::start();
    let (ann, bob) = (Person::signed_in(&node.url), Person::signed_in(&node.url));
    ann.json(&signing(&["core", "create", "@me/acme"]));
    let file = |visibility: &str| {
        let bob = bob.json(&["whoami"])["account"].as_str().expect("it has one").to_owned();
        ann.write(
            "acme.toml",
            format!(
                "core = '@acme'\n[config]\nexposure = {{ ipfs = false }}\n[cores.widget]\ntitle = 'Widgets'\n\
                 {visibility}[cores.widget.members.{bob}]\nrole = 'designer'\n[cores.widget.cores.part]\n"
            ),
        );
    };
    file("");
    let dry = ann.json(&["apply", "acme.toml", "--dry-run"]);
    assert_eq!((dry["changes"].as_array().map(Vec::len), &dry["applied"]), (Some(4), &false.into()), "{dry}");
    assert!(ann.fails(&["apply", "acme.toml"]).contains("--yes"));
    assert!(!ann.run(&["core", "tree"]).contains("@widget"), "nothing was made");
    let made = ann.json(&signing(&["apply", "acme.toml", "--yes"]));
    assert_eq!(made["applied"], true, "{made}");
    assert!(ann.run(&["core", "tree"]).contains("      @part"));
    assert!(ann.run(&["member", "ls", "@acme/@widget"]).contains("designer"));
    assert!(ann.run(&["apply", "acme.toml", "--dry-run"]).contains("nothing to do"));
    file("visibility = 'members'\n");
    let changed = ann.run(&["apply", "acme.toml", "--dry-run"]);
    assert_eq!(changed, "~ @acme/@widget is passed to by: members\n");
    ann.run(&signing(&["apply", "acme.toml", "--yes"]));
    assert!(ann.run(&["apply", "acme.toml", "--dry-run"]).contains("nothing to do"));
    ann.write("bad.toml", "core = '@acme'\n\n[cores.'a b']\n");
    assert!(ann.fails(&["apply", "bad.toml", "--yes"]).contains("line 3"));
}

#[test]
fn gates_in_a_file_are_shown_with_their_tests_and_set_once() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    ann.json(&signing(&["core", "create", "@me/acme"]));
    let contract = "0x00000000000000000000000000000000000000c0";
    let file = |min: &str| {
        let gate = format!(
            "opens = ['cores/club', 'content/vip/**']\nif.any = [{{ erc721 = {{ chain = 1, contract = '{contract}' }} }},\n  \
             {{ erc20 = {{ chain = 5, contract = '{contract}', min = '{min}' }} }}]\n"
        );
        ann.write(
            "acme.toml",
            format!("core = '@acme'\n[gates.holders]\n{gate}[cores.club]\nvisibility = 'members'\n"),
        );
    };
    file("7");
    let dry = ann.run(&["apply", "acme.toml", "--dry-run"]);
    for said in
        ["+ @acme gate holders  opens cores/club, content/vip/**", "any of:", "at least 7 of", "on chain 5"]
    {
        assert!(dry.contains(said), "{said}: {dry}");
    }
    assert!(ann.run(&["gate", "ls", "@acme"]).contains("no gates"));
    ann.run(&signing(&["apply", "acme.toml", "--yes"]));
    assert!(ann.run(&["gate", "ls", "@acme"]).contains("at least 7 of"));
    assert!(ann.run(&["apply", "acme.toml", "--dry-run"]).contains("nothing to do"));
    file("8");
    let changed = ann.run(&["apply", "acme.toml", "--dry-run"]);
    assert!(
        changed.starts_with("~ @acme gate holders") && changed.contains("instead of holders"),
        "{changed}"
    );
    assert!(changed.contains("at least 8 of") && changed.contains("at least 7 of"), "{changed}");
    file("0");
    assert!(ann.fails(&["apply", "acme.toml", "--yes"]).contains("line 2"), "everybody has nothing");
    assert!(ann.run(&["gate", "ls", "@acme"]).contains("at least 7 of"), "nothing was changed");
}
