use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use kubelt_node::{PinningClient as _, RemoteCall, RemoteError, RemoteService};

use super::HttpPinning;

/// Answers one request with these bytes, then nothing; gives where it is.
fn misbehaving(answer: Vec<u8>, then_hang: bool) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody dials");
        let mut head = [0; 4_096];
        drop(stream.read(&mut head));
        // The client may have had enough before the end.
        drop(stream.write_all(&answer));
        if then_hang {
            drop(stream.read_to_end(&mut Vec::new()));
        }
    });
    (url, serving)
}

fn ask(endpoint: &str, allow_local: bool) -> Result<(), RemoteError> {
    let client = HttpPinning::with_time(allow_local, Duration::from_millis(300));
    let service = RemoteService { endpoint: endpoint.to_owned(), token: "t".to_owned() };
    client.call(&service, &RemoteCall::Status { id: "a/b".to_owned() }).map(drop)
}

fn failure(answer: &str, then_hang: bool) -> String {
    let (url, serving) = misbehaving(answer.as_bytes().to_vec(), then_hang);
    let error = ask(&url, true).expect_err("no good answer").to_string();
    serving.join().expect("it serves");
    error
}

#[test]
fn services_that_misbehave_cost_little() {
    assert!(failure("", true).contains("timeout"), "it hangs");
    assert!(failure("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", false).contains("500"));
    assert!(
        failure("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", false)
            .contains("something else than a pin")
    );
    assert!(failure("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", false).contains("no such pin"));
    let away = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert!(failure(away, false).contains("302"));
    let huge = format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{}", " ".repeat(4 << 20));
    assert!(failure(&huge, false).starts_with("no answer"));
    let said = r#"{"error":{"reason":"NO","details":"no room"}}"#;
    let refused = format!("HTTP/1.1 409 No\r\ncontent-length: {}\r\n\r\n{said}", said.len());
    assert_eq!(failure(&refused, false), "the service answers 409: no room");
}

#[test]
fn local_targets_are_not_dialled_unless_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    listener.set_nonblocking(true).expect("it can");
    for endpoint in [
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("http://127.0.0.1:{port}"),
    ] {
        assert!(matches!(ask(&endpoint, false), Err(RemoteError::Failed(_))), "{endpoint}");
    }
    assert!(listener.accept().is_err(), "nobody dialled");
}
