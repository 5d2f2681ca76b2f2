//! A generator of load: connections that stay open and ask again as soon as they are answered. It is the same for every
//! server, and takes a part of the machine that does not depend on the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Connections at once.
const CONNECTIONS: usize = 8;
const BUFFER_BYTES: usize = 256 * 1_024;

/// What was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) path: String,
    /// A further header, with its line end; empty for none.
    pub(crate) header: &'static str,
}

impl Ask {
    pub(crate) fn plain(path: impl Into<String>) -> Self {
        Self { path: path.into(), header: "" }
    }
}

/// Asks `address` for something for as long as `time` on several connections; every answer must be 200 and have
/// `body_bytes`.
pub(crate) fn load(address: &str, ask: &Ask, body_bytes: u64, time: Duration) -> Result<Load> {
    let answers = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let asking = || -> Result<()> {
            let mut connection = Connection::open(address)?;
            while began.elapsed() < time {
                connection.get(ask, body_bytes)?;
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(asking)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("asking does not panic"))
    })?;
    Ok(Load { answers: answers.into_inner(), took: began.elapsed() })
}

/// Asks once; gives the time until the whole answer was there.
pub(crate) fn once(address: &str, path: &str) -> Result<Duration> {
    let mut connection = Connection::open(address)?;
    let began = Instant::now();
    connection.ask(&Ask::plain(path))?;
    Ok(began.elapsed())
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("the server takes no connection")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), buffer: vec![0; BUFFER_BYTES] })
    }

    fn get(&mut self, ask: &Ask, body_bytes: u64) -> Result<()> {
        let found = self.ask(ask)?;
        if found != body_bytes {
            bail!("`{}` has {found} bytes where {body_bytes} were expected", ask.path);
        }
        Ok(())
    }

    /// The bytes of the answer's body, of which the answer tells the length.
    fn ask(&mut self, ask: &Ask) -> Result<u64> {
        let Ask { path, header } = ask;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{header}\r\n", self.host);
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        let (body, head_bytes) = loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            filled += read;
            let end = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                break (length(&self.buffer[..end])?, end + 4);
            }
        };
        let mut left = body.checked_sub((filled - head_bytes) as u64).context("more than was announced")?;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
            let read = self.stream.read(&mut self.buffer[..room])?;
            if read == 0 {
                bail!("the answer breaks off");
            }
            left -= read as u64;
        }
        Ok(body)
    }
}

fn length(head: &[u8]) -> Result<u64> {
    let head = std::str::from_utf8(head).context("the head is not text")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the server answers `{}`", head.lines().next().unwrap_or_default());
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.context("the answer tells no length")?.1.trim().parse()?)
}
