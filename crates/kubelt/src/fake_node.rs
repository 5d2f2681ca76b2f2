//! A node for tests of the client's side: it answers HTTP as a test tells it to, and nothing more.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::client::NodeUrl;

/// A request as it came, its body by `Content-Length` only.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// What to answer.
pub(crate) enum Answer {
    Give {
        status: u16,
        media_type: &'static str,
        body: Vec<u8>,
    },
    /// Close the connection without a word.
    HangUp,
}

impl Answer {
    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("wire types are JSON");
        Self::Give { status: 200, media_type: "application/json", body }
    }

    pub(crate) fn problem(code: kubelt_api::Code, detail: &str) -> Self {
        let problem = kubelt_api::Problem::new(code, detail);
        let body = serde_json::to_vec(&problem).expect("wire types are JSON");
        Self::Give { status: code.status(), media_type: kubelt_api::PROBLEM_JSON, body }
    }
}

/// Listens on a free port until the test's process ends.
pub(crate) fn start(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> NodeUrl {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), answer) = (stream, Arc::clone(&answer)) else { return };
            thread::spawn(move || serve(&stream, &*answer));
        }
    });
    format!("http://{address}").parse().expect("it is the address of a node")
}

fn serve(stream: &TcpStream, answer: &(impl Fn(Request) -> Answer + ?Sized)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = String::new();
    while reader.read_line(&mut headers).ok()? > 2 {}
    let headers = headers.to_ascii_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    if let Answer::Give { status, media_type, body } = answer(Request { method, path, headers, body }) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        let mut stream = stream;
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
    Some(())
}
