//! A stretch of network that breaks when it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of connections once enough bytes went up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Those that are open break; later ones work.
    BreakOnce,
    /// Nothing goes up any more, and nobody is told.
    Stall,
}

/// Forwards to a node until so many bytes went up to it.
pub(crate) struct Proxy {
    pub(crate) url: String,
    tripped: Receiver<()>,
}

struct Line {
    node: String,
    fault: Fault,
    bytes_max: u64,
    bytes: AtomicU64,
    tripped: Mutex<Option<Sender<()>>>,
}

impl Proxy {
    pub(crate) fn before(node: &str, bytes_max: u64, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (tell, tripped) = channel();
        let node = node.trim_start_matches("http://").to_owned();
        let tripped_once = Mutex::new(Some(tell));
        let line = Arc::new(Line { node, fault, bytes_max, bytes: AtomicU64::new(0), tripped: tripped_once });
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), line) = (client, Arc::clone(&line)) else { return };
                thread::spawn(move || line.serve(client));
            }
        });
        Self { url, tripped }
    }

    /// Returns when the fault has come.
    pub(crate) fn wait(&self) {
        self.tripped.recv().expect("the fault comes");
    }
}

impl Line {
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut node = TcpStream::connect(&self.node).ok()?;
        let (mut down_from, mut down_to) = (node.try_clone().ok()?, client.try_clone().ok()?);
        thread::spawn(move || {
            // Either side may go away.
            drop(std::io::copy(&mut down_from, &mut down_to));
            drop(down_to.shutdown(Shutdown::Both));
        });
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
            let before = self.bytes.fetch_add(count as u64, Ordering::SeqCst);
            if before + count as u64 >= self.bytes_max {
                let first = self.tripped.lock().expect("nobody panics with it").take();
                let is_first = first.is_some();
                if let Some(tell) = first {
                    tell.send(()).expect("the test waits for it");
                }
                match self.fault {
                    Fault::BreakOnce if is_first => {
                        drop(client.shutdown(Shutdown::Both));
                        drop(node.shutdown(Shutdown::Both));
                        return None;
                    }
                    Fault::BreakOnce => {}
                    Fault::Stall => continue,
                }
            }
            node.write_all(&buffer[..count]).ok()?;
        }
    }
}
