//! Proxies in front of the node: whose word is taken for who asks, and requests that a proxy could have read otherwise.

use std::net::SocketAddr;

use kubelt_http::RateLimits;
use kubelt_store::Quota;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::TestNode;

/// A node that listens; all that it answers to these bytes, until it closes.
async fn talk(node: &TestNode, bytes: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(kubelt_http::serve(listener, None, node.router(), async {
        let _stopped = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.expect("the node listens");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A connection that the node has closed with bytes unread may end with a reset.
    let _reset = stream.read_to_end(&mut answer).await;
    stop.send(()).expect("it serves");
    serving.await.expect("no panic").expect("an orderly end");
    String::from_utf8_lossy(&answer).into_owned()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

/// What somebody hides behind a request, to have it answered as one of its own.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_request_that_names_two_hosts_is_refused_and_its_connection_closed() {
    let node = TestNode::new();
    for head in [
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: other.example\r\n",
        "GET http://localhost/healthz HTTP/1.1\r\nHost: other.example\r\n",
        "GET http://other.example/healthz HTTP/1.1\r\nHost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nX: y\r\n",
    ] {
        let answer = talk(&node, &format!("{head}\r\n{HIDDEN}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
        assert_eq!(answers(&answer), 1, "{head}: nothing behind it is read: {answer}");
    }
    let fine = "GET http://localhost:80/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(talk(&node, fine).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn nothing_is_read_behind_a_request_whose_end_is_in_doubt() {
    let node = TestNode::new();
    let post = "POST /-/session/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for (framing, body) in [
        // Two lengths: whoever goes by the first sees another end than who goes by the second.
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "2;\r\n{}XX0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "),
        ("Content-Length: +2\r\n", "{}"),
        ("Content-Length: 2, 3\r\n", "{} "),
        ("Content-Length : 2\r\n", "{}"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    ] {
        let answer = talk(&node, &format!("{post}{framing}\r\n{body}{HIDDEN}")).await;
        assert!(answers(&answer) <= 1, "{framing:?} {body:?}: {answer}");
        assert!(!answer.contains("HTTP/1.1 2"), "{framing:?} {body:?}: {answer}");
    }
    // HTTP/1.0 has no chunks.
    let old = "POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(answers(&talk(&node, &format!("{old}{HIDDEN}")).await) <= 1);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart() {
    let rates = RateLimits { requests_per_second: 1, ..RateLimits::default() };
    let node = TestNode::with(Quota::UNLIMITED, rates);
    let ask = async |client: &str| {
        let headers = [("x-forwarded-for", client)];
        node.call("GET", "/healthz", None, &headers, axum::body::Body::empty()).await.status.as_u16()
    };
    assert_eq!((ask("203.0.113.1").await, ask("203.0.113.2").await), (200, 200));
    assert_eq!(ask("203.0.113.1").await, 429);
    // What a client writes before the proxy does changes nothing.
    assert_eq!(ask("198.51.100.7, 203.0.113.1").await, 429);
    assert_eq!(ask("203.0.113.3").await, 200);
}
