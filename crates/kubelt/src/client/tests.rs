use std::net::TcpListener;

use kubelt_api::{Code, Health};

use super::{Client, ClientError, CorePlace};
use crate::fake_node::{self, Answer};

fn message(error: &ClientError) -> String {
    format!("{:#}", anyhow::anyhow!(error.to_string()))
}

#[test]
fn nobody_there_says_how_to_start_a_node() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let error = Client::new(url.parse().expect("a URL"), None).health().expect_err("nobody listens");
    assert!(error.is_passing());
    let expected = format!(
        "no node at {url}: start one with `cargo xtask up` or `kubelt node`, or name another with `--node`"
    );
    assert_eq!(message(&error), expected);
}

#[test]
fn problems_are_told_in_the_nodes_own_words() {
    let node = fake_node::start(|request| match request.path.as_str() {
        "/-/session" => Answer::problem(Code::Unauthorized, "the session has ended"),
        _ => Answer::problem(Code::NotFound, "there is nothing here"),
    });
    let client = Client::new(node, None);
    let error = client.sessions().expect_err("a problem");
    assert_eq!(
        message(&error),
        "the session has ended; sign in with `kubelt login --wallet NAME` (unauthorized)"
    );
    let error = client.remove(&CorePlace::given("/@0xab"), "a").expect_err("a problem");
    assert_eq!(message(&error), "there is nothing here (not-found)");
    assert_eq!((error.code(), error.is_passing()), (Some(Code::NotFound), false));
}

#[test]
fn what_is_no_node_is_not_taken_for_one() {
    let node = fake_node::start(|_request| Answer::Give {
        status: 404,
        media_type: "text/html",
        body: b"<h1>not here</h1>".to_vec(),
    });
    let expected = format!("{node} answers with status 404 and no problem document; is it a kubelt node?");
    let error = Client::new(node, None).health().expect_err("no node");
    assert_eq!(message(&error), expected);
    let node = fake_node::start(|_request| Answer::Give {
        status: 200,
        media_type: "text/html",
        body: b"<h1>welcome</h1>".to_vec(),
    });
    assert!(matches!(Client::new(node, None).health(), Err(ClientError::Unreadable { .. })));
}

#[test]
fn a_connection_that_breaks_may_do_better_later() {
    let node = fake_node::start(|_request| Answer::HangUp);
    let error = Client::new(node, None).health().expect_err("nothing came");
    assert!(error.is_passing(), "{error:?}");
}

#[test]
fn requests_carry_the_session_and_nothing_else_does() {
    let node = fake_node::start(|request| {
        let status =
            if request.headers.contains("authorization: bearer secret\r\n") { "with" } else { "without" };
        Answer::json(&Health { status: status.to_owned(), store: request.method })
    });
    let health = |token: Option<&str>| {
        Client::new(node.clone(), token.map(str::to_owned)).health().expect("it answers").status
    };
    assert_eq!(health(Some("secret")), "with");
    assert_eq!(health(None), "without");
}
