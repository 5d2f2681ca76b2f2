//! A program that acts by a token from a file, with no session and no wallet.

use crate::cli::{Node, Person};

#[test]
fn a_token_from_a_file_acts_at_its_path_alone() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let wallet = ["--wallet", "main", "--passphrase-file", "right"];
    let made = ann.json(&[&["token", "new", "--for", "publish", "--path", "site"][..], &wallet].concat());
    let place = made["path"].as_str().expect("where the core is").trim_start_matches('/').to_owned();

    let job = Person::at(&node.url);
    job.write("token", made["token"].as_str().expect("the token"));
    job.write("page.html", "from CI");
    let put = |to: &str| ["put", to, "page.html", "--public", "--with-token", "token"].map(str::to_owned);
    let run = |args: [String; 6]| job.run(&args.each_ref().map(String::as_str));
    let fails = |args: [String; 6]| job.fails(&args.each_ref().map(String::as_str));

    run(put(&format!("{place}/site/index.html")));
    assert_eq!(node.fetch(&format!("/{place}/site/index.html")), (200, "from CI".to_owned()));
    assert!(fails(put(&format!("{place}/other"))).contains("you may not write at `content/other`"));
    assert!(fails(put("@me/site/index.html")).contains("a token has no `@me`"));

    // What is wrong with the file is said before anything is done.
    job.write("token", "\n");
    assert!(fails(put(&format!("{place}/site/a"))).contains("`token` holds no token"));
    std::fs::remove_file(job.dir().join("token")).expect("it is there");
    assert!(fails(put(&format!("{place}/site/a"))).contains("the token `token` cannot be read"));

    // Where a token is given, a session is not used in its place.
    ann.write("token", "kb1_nothing");
    ann.write("page.html", "by nobody");
    let refused = ann.fails(&["put", &format!("{place}/site/a"), "page.html", "--with-token", "token"]);
    assert!(refused.contains("sign in"), "{refused}");
}
