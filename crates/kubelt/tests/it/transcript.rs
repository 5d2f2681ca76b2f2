//! What a person does on the first day.

use std::fs;

use serde_json::Value;

use crate::cli::{Node, Person, noise};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {value}"))
}

/// A site of real kinds of files.
fn site(person: &Person) {
    person.write("site/index.html", "<!doctype html><h1>here</h1>");
    person.write("site/style.css", "h1 { color: teal }");
    person.write("site/data/list.json", "[1, 2, 3]");
    person.write("site/video.mp4", noise(5));
    person.write("site/empty", "");
    person.write("site/.well-known/thing", "hidden");
    #[cfg(unix)]
    std::os::unix::fs::symlink("data/list.json", person.dir().join("site/latest"))
        .expect("links can be made");
}

#[test]
fn a_wallet_opens_its_core_and_publishes_what_anybody_can_check() {
    let node = Node::start();
    let ann = Person::at(&node.url);
    site(&ann);
    let wallet = ann.json(&["wallet", "new", "main", "--passphrase-file", "right"]);
    let begun = ann.sign_in();
    assert_eq!(begun["created"], true);
    assert_eq!(begun["account"], wallet["account"]);
    assert_eq!(ann.sign_in()["created"], false);
    assert_eq!(ann.json(&["session", "list"])["sessions"].as_array().map(Vec::len), Some(1));

    let published = ann.json(&["publish", "./site", "--to", "@me/site", "--public"]);
    let (cid, place) = (text(&published, "cid"), text(&begun, "path"));
    assert_eq!(text(&published, "url"), format!("{}{place}/site/", node.url));
    assert_eq!((&published["files"], &published["blocks_known"]), (&6.into(), &0.into()));

    // Anybody reads it: by the path, by the hash, and with another tool.
    let page = "<!doctype html><h1>here</h1>";
    assert_eq!(node.fetch(&format!("{place}/site/index.html")), (200, page.to_owned()));
    assert_eq!(node.fetch(&format!("{place}/site/")), (200, page.to_owned()));
    assert_eq!(node.fetch(&format!("/ipfs/{cid}/data/list.json")), (200, "[1, 2, 3]".to_owned()));
    let bob = Person::at(&node.url);
    assert_eq!(bob.run(&["get", &format!("{cid}/style.css")]), "h1 { color: teal }");
    assert_eq!(bob.run(&["get", &format!("{place}/site/index.html"), "--range", "0-8"]), "<!doctype");
    let fetched = bob.json(&["get", &format!("{place}/site"), "-o", "copy"]);
    assert_eq!(fetched["fetched"]["verified"], 6);
    assert_eq!(bob.read("copy/video.mp4"), ann.read("site/video.mp4"));
    assert_eq!(bob.read("copy/.well-known/thing"), b"hidden");
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(bob.dir().join("copy/latest")).expect("it is a link").to_str(),
        Some("data/list.json")
    );

    // By its CID: every block is checked on the way.
    let fetched = bob.json(&["get", cid, "-o", "by-cid"]);
    assert_eq!((&fetched["fetched"]["files"], &fetched["fetched"]["verified"]), (&6.into(), &6.into()));
    assert_eq!(bob.read("by-cid/video.mp4"), ann.read("site/video.mp4"));
    assert_eq!(bob.read("by-cid/data/list.json"), b"[1, 2, 3]");
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(bob.dir().join("by-cid/latest")).expect("it is a link").to_str(),
        Some("data/list.json")
    );
    bob.run(&["get", &format!("{cid}/data"), "-o", "below"]);
    assert_eq!(bob.read("below/list.json"), b"[1, 2, 3]");
    assert!(bob.fails(&["get", cid]).contains("-o DIR"));

    let usage = ann.json(&["usage"]);
    assert_eq!(usage["content"]["loose_blocks"], 0);
    assert_eq!(usage["content"]["kept_bytes"], usage["usage"]["block_bytes"]);
    assert!(ann.run(&["usage", "@me"]).contains("kept by paths"));
    assert!(bob.fails(&["usage", place]).contains("sign in"));

    let listed = ann.json(&["ls", "@me/site"]);
    let names: Vec<&str> =
        listed["entries"].as_array().expect("a list").iter().map(|entry| text(entry, "name")).collect();
    assert_eq!(names, [".well-known", "data", "empty", "index.html", "latest", "style.css", "video.mp4"]);
    let removed = ann.run(&["rm", "@me/site"]);
    assert!(removed.contains("queued to be freed"), "{removed}");
    assert!(ann.run(&["versions", "@me/site"]).contains("no longer held"));
    assert_eq!(node.fetch(&format!("{place}/site/index.html")).0, 404);
    assert_eq!(node.fetch(&format!("/ipfs/{cid}/style.css")).0, 404);
    let versions = ann.json(&["versions", "@me/site"]);
    assert_eq!(versions["versions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_private_is_there_for_its_owner_only() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    ann.write("secret.txt", "nobody else reads this");
    let put = ann.json(&["put", "@me/notes/", "secret.txt", "--private"]);
    assert_eq!((text(&put, "path"), text(&put, "visibility")), ("notes/secret.txt", "private"));
    assert!(put["ipfs_url"].is_null());
    assert_eq!(ann.run(&["get", "@me/notes/secret.txt"]), "nobody else reads this");
    assert_eq!(ann.run(&["get", text(&put, "cid")]), "nobody else reads this");

    let me = ann.json(&["whoami"]);
    let place = format!("/@{}", text(&me, "account"));
    let (secret, missing) = (format!("{place}/notes/secret.txt"), format!("{place}/notes/nothing.txt"));
    assert_eq!(node.fetch(&secret).0, 404);
    assert_eq!(node.fetch(&format!("/ipfs/{}", text(&put, "cid"))).0, 404);
    let eve = Person::signed_in(&node.url);
    assert_eq!(eve.fails(&["get", &secret]), eve.fails(&["get", &missing]));
    assert_eq!(eve.fails(&["versions", &secret]), eve.fails(&["versions", &missing]));
    assert_eq!(eve.fails(&["rm", &secret]), eve.fails(&["rm", &missing]));
}

#[test]
fn a_media_type_that_is_given_is_kept() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    ann.write("notes", "# notes");
    ann.run(&["put", "@me/notes", "notes", "--type", "text/markdown"]);
    assert!(ann.pipe(&["put", "@me/piped", "-", "--type", "text/markdown"], b"# notes").status.success());
    let listed = ann.json(&["ls", "@me"]);
    let types: Vec<&str> =
        listed["entries"].as_array().expect("a list").iter().map(|entry| text(entry, "media_type")).collect();
    assert_eq!(types, ["text/markdown", "text/markdown"]);
}

#[test]
fn stdin_goes_in_one_stream() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let bytes = noise(3);
    let output = ann.pipe(&["put", "@me/dump.bin", "-", "--json"], &bytes);
    assert!(output.status.success(), "{output:?}");
    let put: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(put["size"], bytes.len());
    let got = ann.json(&["get", "@me/dump.bin", "-o", "dump.bin"]);
    assert_eq!((&got["verified"], &got["cid"]), (&true.into(), &put["cid"]));
    assert_eq!(ann.read("dump.bin"), bytes);
}

#[test]
fn a_core_moves_to_another_node_in_one_file() {
    let (mut old, new) = (Node::start(), Node::start());
    let ann = Person::signed_in(&old.url);
    site(&ann);
    ann.run(&["publish", "site", "--to", "@me/site", "--public"]);
    ann.write("secret.txt", "private");
    ann.run(&["put", "@me/secret.txt", "secret.txt"]);
    let log = ann.json(&["log", "@me"]);
    assert_eq!(log["ops"].as_array().map(Vec::len), Some(2));
    let me = ann.json(&["whoami"]);
    ann.run(&["core", "export", "@me", "-o", "me.car"]);

    let verified = ann.json(&["verify", "me.car"]);
    assert_eq!(verified["core"], me["core"]["core"]);
    assert_eq!((&verified["ops_effective"], &verified["partial"]), (&2.into(), &false.into()));
    let mut car = ann.read("me.car");
    let middle = car.len() / 2;
    car[middle] ^= 1;
    ann.write("altered.car", &car);
    ann.write("short.car", &car[..middle]);
    assert!(ann.fails(&["verify", "altered.car"]).contains("does not pass"));
    assert!(ann.fails(&["verify", "short.car"]).contains("does not pass"));

    old.kill();
    let ann = ann.moved_to(&new.url);
    ann.sign_in();
    assert!(ann.fails(&["core", "import", "altered.car"]).ends_with("(bad-car)"));
    assert!(ann.fails(&["core", "import", "short.car"]).ends_with("(bad-car)"));
    assert_eq!(ann.json(&["log", "@me"])["ops"].as_array().map(Vec::len), Some(0));
    let imported = ann.json(&["core", "import", "me.car"]);
    assert_eq!((&imported["core"], &imported["ops_new"]), (&me["core"]["core"], &2.into()));
    assert_eq!(ann.run(&["get", "@me/secret.txt"]), "private");
    ann.run(&["get", "@me/site/video.mp4", "-o", "video.mp4"]);
    assert_eq!(ann.read("video.mp4"), ann.read("site/video.mp4"));
    assert_eq!(ann.json(&["log", "@me"])["ops"], log["ops"]);
}

#[test]
fn the_doctor_looks_at_everything() {
    let mut node = Node::start();
    let ann = Person::signed_in(&node.url);
    ann.write("a.txt", "a");
    ann.run(&["put", "@me/a.txt", "a.txt"]);
    let data = node.data_dir();
    let doctor = |more: &[&str]| {
        let data = data.to_str().expect("UTF-8");
        let found = ann.json(&[&["doctor", "--data-dir", data], more].concat());
        let findings = found["findings"].as_array().expect("a list").clone();
        findings
            .into_iter()
            .map(|finding| format!("{} {}", text(&finding, "what"), text(&finding, "state")))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(doctor(&[]), "store note, node well, session well, wallets well");
    node.kill();
    let after = doctor(&["--rebuild-index"]);
    assert_eq!(after, "index well, store well, node note, session note, wallets well");
}

#[test]
fn a_token_is_shown_once_and_pins() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let wallet = ["--wallet", "main", "--passphrase-file", "right"];
    let made = ann.json(&[&["token", "new", "--for", "pins", "--expires", "30d"][..], &wallet].concat());
    assert_eq!(made["abilities"], serde_json::json!(["put content/pins/**", "read content/pins/**"]));
    let endpoint = format!("{}/-/pins", text(&made, "path"));
    assert_eq!(text(&made, "endpoint"), format!("{}{}/-", node.url, text(&made, "path")));
    let pins = || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.get(format!("{}{endpoint}", node.url));
        let answer = request.header("authorization", format!("Bearer {}", text(&made, "token"))).call();
        answer.expect("the node answers").status().as_u16()
    };
    assert_eq!(pins(), 200);
    let listed = ann.run(&["token", "list"]);
    assert!(listed.contains("put content/pins/**") && !listed.contains(text(&made, "token")));
    ann.run(&["token", "end", text(&made, "id")]);
    assert_eq!(pins(), 401);
    assert!(ann.json(&["token", "list"])["sessions"].as_array().is_some_and(Vec::is_empty));
    let long = [&["token", "new", "--for", "read", "--expires", "400d"][..], &wallet].concat();
    assert!(ann.fails(&long).contains("over the"));
}

#[test]
fn one_node_is_the_pinning_service_of_another() {
    let service = Node::start();
    let node = Node::start_with("[pinning]\nallow_local = true");
    let (ann, bob) = (Person::signed_in(&node.url), Person::signed_in(&service.url));
    ann.write("site/index.html", "delivered");
    ann.run(&["publish", "site", "--to", "@me/site", "--public"]);
    // The service has the blocks already: Bob has uploaded the same site for himself.
    bob.write("site/index.html", "delivered");
    bob.run(&["publish", "site", "--to", "@me/mine"]);
    let wallet = ["--wallet", "main", "--passphrase-file", "right"];
    let made = bob.json(&[&["token", "new", "--for", "pins"][..], &wallet].concat());
    ann.write("token", text(&made, "token"));
    let endpoint = text(&made, "endpoint");
    ann.run(&[
        "remote-pin",
        "add",
        "@me/site",
        "--service",
        "bob",
        "--endpoint",
        endpoint,
        "--token-file",
        "token",
    ]);
    let shown = || ann.json(&["remote-pin", "list"])["services"][0].clone();
    let started = std::time::Instant::now();
    let state = loop {
        let state = shown();
        let pin = &state["pins"][0];
        if pin["status"] == "pinned" || started.elapsed().as_secs() > 60 {
            break state;
        }
    };
    assert_eq!(state["pins"][0]["status"], "pinned", "{state}");
    let listed = ann.run(&["remote-pin", "list"]);
    assert!(listed.contains("site") && !listed.contains(text(&made, "token")), "{listed}");
    ann.run(&["remote-pin", "remove", "bob"]);
    assert!(ann.json(&["remote-pin", "list"])["services"].as_array().is_some_and(Vec::is_empty));
}
