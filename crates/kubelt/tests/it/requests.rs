//! Two of three, with three wallets on two nodes: a deployment, and a new member.

use serde_json::{Value, json};

use crate::cli::{Node, Person};

const LISTENS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

fn signing<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--passphrase-file", "right"]].concat()
}

fn account(person: &Person) -> String {
    text(&person.json(&["whoami"]), "account")
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {value}")).to_owned()
}

/// The one request that waits.
fn waiting(person: &Person, core: &str) -> Value {
    let list = person.json(&["request", "ls", core]);
    let requests = list["requests"].as_array().expect("a list");
    assert_eq!(requests.len(), 1, "{list}");
    requests[0].clone()
}

/// Three owners, of whom two must agree; the third is at a node of their own.
fn acme() -> (Node, Node, [Person; 3], String) {
    let (home, away) = (Node::start_with(LISTENS), Node::start());
    let people = [Person::signed_in(&home.url), Person::signed_in(&home.url), Person::signed_in(&away.url)];
    let [ann, bob, cid] = &people;
    let (two, three) = (account(bob), account(cid));
    let made = ann.json(&signing(&[
        "core",
        "create",
        "@me/acme",
        "--owner",
        &two,
        "--owner",
        &three,
        "--threshold",
        "2",
    ]));
    let core = text(&made, "core");
    (home, away, people, core)
}

#[test]
fn two_of_three_deploy_on_two_nodes() {
    let (home, away, [ann, bob, cid], core) = acme();
    ann.write("index.html", "<p>new");
    let told = ann.run(&["put", "@acme/site/index.html", "index.html", "--public"]);
    assert!(told.contains("nothing is done yet") && told.contains("1 of 2 agree, of 3 who may"), "{told}");
    assert_eq!(home.fetch(&format!("/@{core}/site/index.html")).0, 404);

    // Cid's node has never seen the core. What is asked for comes with it.
    let from = home.replicates();
    cid.run(&signing(&["invite", "accept", &core, "--as", "acme", "--from", &from]));
    let request = waiting(&cid, "@acme");
    let what = text(&request, "what");
    assert!(what.starts_with("Publish at \"content/site/index.html\" the content bafk"), "{what}");
    assert!(what.contains("visible to everybody") && what.contains(&account(&ann)), "{what}");
    let id = text(&request, "id");
    assert!(ann.fails(&["request", "finish", "@acme", &id]).contains("1 of 2 agree; 1 more must"));
    assert!(ann.fails(&signing(&["request", "approve", "@acme", &id])).contains("your own request"));
    assert!(cid.fails(&["request", "finish", "@acme", &id]).contains("made the request"));

    // The wallet signs typed data that says what it agrees to; ann's node has her session, cid's has not.
    let told = cid.run(&signing(&["request", "approve", "@acme", &id]));
    assert!(told.contains("it is done once a node has this"), "{told}");
    // When the vote comes to ann's node, that does it by itself.
    cid.run(&["remote", "sync", "@acme"]);
    until(|| home.fetch(&format!("/@{core}/site/index.html")) == (200, "<p>new".to_owned()));
    until(|| away.fetch(&format!("/@{core}/site/index.html")) == (200, "<p>new".to_owned()));
    until(|| cid.run(&["request", "ls", "@acme"]).contains("nothing waits"));

    // Bob is at ann's node: with his vote it is done by her open session.
    bob.run(&signing(&["invite", "accept", &core, "--as", "acme"]));
    ann.write("index.html", "<p>newer");
    ann.run(&["put", "@acme/site/index.html", "index.html", "--public"]);
    let id = text(&waiting(&bob, "@acme"), "id");
    let told = bob.run(&signing(&["request", "approve", "@acme", &id[id.len() - 8..]]));
    assert!(told.contains("it is done"), "{told}");
    assert_eq!(home.fetch(&format!("/@{core}/site/index.html")), (200, "<p>newer".to_owned()));

    // Clearing it takes two, too.
    let told = ann.run(&["rm", "@acme/site/index.html"]);
    assert!(told.contains("Clear") && told.contains("nothing is done yet"), "{told}");
    let id = text(&waiting(&bob, "@acme"), "id");
    bob.run(&signing(&["request", "approve", "@acme", &id]));
    assert_eq!(home.fetch(&format!("/@{core}/site/index.html")).0, 404);
}

#[test]
fn what_is_sealed_in_a_core_of_several_waits_for_the_others_and_so_do_its_grants() {
    let node = Node::start();
    let (ann, bob) = (Person::signed_in(&node.url), Person::signed_in(&node.url));
    for (person, device) in [(&ann, "laptop"), (&bob, "phone")] {
        person.run(&signing(&["key", "new", device]));
    }
    let bobs = account(&bob);
    let made = ann.json(&signing(&["core", "create", "@me/acme", "--owner", &bobs, "--threshold", "2"]));
    bob.run(&signing(&["invite", "accept", &text(&made, "core"), "--as", "acme"]));
    let agreed = || bob.run(&signing(&["request", "approve", "@acme", &text(&waiting(&bob, "@acme"), "id")]));
    ann.write("plan.txt", "the plan");
    let told = ann.run(&["seal", "plan.txt", "--to", "@me", "--as", "@acme/box/plan", "--members"]);
    assert!(told.contains("nothing is done yet") && told.contains("content/box/plan"), "{told}");
    assert!(ann.fails(&signing(&["open", "@acme/box/plan", "-o", "-"])).contains("no sealed content"));
    assert!(agreed().contains("it is done"));
    let opens = |person: &Person| person.output(&signing(&["open", "@acme/box/plan", "-o", "-"])).stdout;
    assert_eq!((opens(&ann), opens(&bob)), (b"the plan".to_vec(), Vec::new()));

    // Wrapped for one more, and sealed anew without: both wait, and until then it opens as before.
    let told = ann.run(&signing(&["grant", "add", "@acme/box/plan", "--to", &bobs]));
    assert!(told.contains("nothing is done yet"), "{told}");
    assert_eq!(opens(&bob), b"");
    agreed();
    assert_eq!(opens(&bob), b"the plan");
    ann.run(&signing(&["grant", "rm", "@acme/box/plan", "--to", &bobs]));
    assert_eq!(opens(&bob), b"the plan");
    agreed();
    assert_eq!((opens(&ann), opens(&bob)), (b"the plan".to_vec(), Vec::new()));
}

/// Tries again until it is so; each try asks a node, which takes a while.
fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
    }
    panic!("it did not come to be so");
}

#[test]
fn a_person_approves_what_a_program_asked_for_like_anything_else() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let ask = |message: &str| ann.rpc("personal_sign", &json!([message, account(&ann)]));
    assert!(ann.run(&["request", "ls", "@me"]).contains("nothing waits"));
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask("hello there"));
        until(|| !ann.run(&["request", "ls", "@me"]).contains("nothing waits"));
        let request = waiting(&ann, "@me");
        assert_eq!(
            (text(&request, "kind"), text(&request, "method")),
            ("sign".to_owned(), "personal_sign".to_owned())
        );
        let id = text(&request, "id");
        let told = ann.run(&["request", "show", "@me", &id]);
        assert!(told.contains("sign the message") && told.contains("hello there"), "{told}");
        assert!(ann.fails(&["request", "withdraw", "@me", &id]).contains("a program asked for this"));
        assert!(ann.fails(&["request", "approve", "@me", &id, "--result", "0x12"]).contains("signature"));
        let told = ann.run(&signing(&["request", "approve", "@me", &id]));
        assert!(told.contains("the program has what it asked for"), "{told}");
        asking.join().expect("is answered")
    });
    assert_eq!(text(&answer, "result").len(), 132, "{answer}");
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask("not this"));
        until(|| !ann.run(&["request", "ls", "@me"]).contains("nothing waits"));
        ann.run(&signing(&["request", "reject", "@me", &text(&waiting(&ann, "@me"), "id")]));
        asking.join().expect("is answered")
    });
    assert_eq!(answer["error"]["code"], 4_001);
}

#[test]
fn what_wallets_must_sign_waits_for_the_wallet_of_who_asked() {
    let (_home, _away, [ann, bob, _cid], core) = acme();
    let stranger = Person::signed_in(&_home.url);
    let told = ann.run(&signing(&["member", "invite", "@acme", &account(&stranger), "reader"]));
    assert!(told.contains("the role \"reader\"") && told.contains("nothing is done yet"), "{told}");
    bob.run(&signing(&["invite", "accept", &core, "--as", "acme"]));
    let id = text(&waiting(&bob, "@acme"), "id");
    let told = bob.run(&signing(&["request", "approve", "@acme", &id]));
    assert!(told.contains("has to finish it"), "{told}");
    let told = ann.run(&signing(&["request", "finish", "@acme", &id]));
    assert!(told.contains("it is done"), "{told}");
    assert!(ann.run(&["member", "ls", "@acme"]).contains(&account(&stranger)));
    assert!(ann.run(&["request", "ls", "@acme"]).contains("nothing waits"));

    // Rejected by so many that there will never be enough; withdrawn.
    ann.run(&signing(&["member", "invite", "@acme", &account(&stranger), "owner"]));
    let id = text(&waiting(&ann, "@acme"), "id");
    let told = bob.run(&signing(&["request", "reject", "@acme", &id]));
    assert!(told.contains("1 of 2 agree"), "{told}");
    assert!(ann.run(&["request", "show", "@acme", &id]).contains("is against it"));
    ann.run(&["request", "withdraw", "@acme", &id]);
    assert!(bob.run(&["request", "ls", "@acme"]).contains("nothing waits"));
    // Who has no part in the core is told nothing.
    assert!(stranger.fails(&["request", "ls", &format!("@{core}")]).contains("does not cover"));
}
