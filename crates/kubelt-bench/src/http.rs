//! As much of an HTTP client as costs nothing beside the server that is measured.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::world::wallet;

/// Signs a person in; gives the bearer token.
pub(crate) fn sign_in(address: &str, person: u64) -> Result<String> {
    let key = wallet(person);
    let ask = json!({ "account": key.account().to_string() });
    let challenge = post(address, "/-/session/challenge", &ask)?;
    let message = challenge["message"].as_str().context("a challenge without a message")?;
    let signature: String = key.sign(message.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = json!({ "message": message, "signature": format!("0x{signature}") });
    let session = post(address, "/-/session", &answer)?;
    Ok(session["token"].as_str().context("a session without a token")?.to_owned())
}

/// Puts a file at `path` of the person's core, with its query; the kernel moves its bytes. Gives the receipt.
pub(crate) fn put(address: &str, person: u64, token: &str, path: &str, source: &Path) -> Result<Value> {
    let mut file = File::open(source).context("the file cannot be read")?;
    let len = file.metadata()?.len();
    let head = format!(
        "PUT /@{}/-/content/{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-length: {len}\r\nconnection: close\r\n\r\n",
        wallet(person).account()
    );
    let mut stream = TcpStream::connect(address).context("the node takes no connection")?;
    stream.write_all(head.as_bytes())?;
    io::copy(&mut file, &mut stream).context("the node does not take the file")?;
    answer(&mut stream)
}

/// Uploads a CAR into the person's core.
pub(crate) fn post_car(address: &str, person: u64, token: &str, car: &[u8]) -> Result<Value> {
    let mut stream = TcpStream::connect(address).context("the node takes no connection")?;
    write!(
        stream,
        "POST /@{}/-/car HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/vnd.ipld.car\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        wallet(person).account(),
        car.len()
    )?;
    stream.write_all(car).context("the node does not take the CAR")?;
    answer(&mut stream)
}

/// Gives a path of the person's core content that was uploaded, for everybody.
pub(crate) fn link(address: &str, person: u64, token: &str, path: &str, cid: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(address).context("the node takes no connection")?;
    write!(
        stream,
        "PUT /@{}/-/content/{path}?cid={cid}&visibility=public HTTP/1.1\r\nhost: {address}\r\n\
         authorization: Bearer {token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        wallet(person).account()
    )?;
    answer(&mut stream)
}

fn post(address: &str, path: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).context("the node takes no connection")?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> Result<Value> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the node does not answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the node's answer breaks off")?;
    if !head.starts_with("HTTP/1.1 20") {
        bail!("the node refuses: {answer}");
    }
    serde_json::from_str(body).context("the node answers no JSON")
}
