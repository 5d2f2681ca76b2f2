//! Bytes over one TCP connection, hashed by whoever gets them: what nothing that moves content and checks it can beat.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::relay::{self, Way};
use crate::rounds::Work;

/// What is hashed at once: leaves of a file.
pub(crate) const PIECE_BYTES: usize = 1024 * 1024;
/// What is encrypted at once: records of TLS (RFC 8446, 5.1).
const RECORD_BYTES: usize = 16 * 1024;
const TAG_BYTES: usize = 16;

/// All of `data` from one thread to another.
#[derive(Clone, Copy)]
pub(crate) struct Transfer<'a> {
    /// Whole pieces.
    pub(crate) data: &'a [u8],
    /// Where it is written to, as well.
    pub(crate) file: Option<&'a Path>,
    /// Whether it is encrypted with AES-256-GCM on its way.
    pub(crate) sealed: bool,
    /// How far it is.
    pub(crate) way: Option<(&'a Runtime, Way)>,
}

impl Transfer<'_> {
    /// From the connection to the last byte is what `timed` does.
    pub(crate) fn run(self, timed: impl FnOnce(&dyn Fn() -> Result<()>) -> Result<Work>) -> Result<Work> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let at = listener.local_addr()?;
        let to = self.way.map(|(runtime, way)| runtime.block_on(relay::start(at, way))).transpose()?;
        let work = timed(&|| {
            std::thread::scope(|scope| {
                let sending = scope.spawn(move || self.send(TcpStream::connect(to.unwrap_or(at))?));
                self.receive(listener.accept()?.0)?;
                sending.join().expect("sending does not panic")
            })
        })?;
        if let Some(file) = self.file {
            std::fs::remove_file(file)?;
        }
        Ok(work)
    }

    fn send(self, mut stream: TcpStream) -> Result<()> {
        let key = self.sealed.then(key).transpose()?;
        let mut sent = Vec::new();
        for piece in self.data.chunks(PIECE_BYTES) {
            let Some(key) = &key else {
                stream.write_all(piece)?;
                continue;
            };
            sent.clear();
            for record in piece.chunks(RECORD_BYTES) {
                let at = sent.len();
                sent.extend_from_slice(record);
                let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut sent[at..]);
                sent.extend_from_slice(tag.ok().context("not encrypted")?.as_ref());
            }
            stream.write_all(&sent)?;
        }
        Ok(())
    }

    fn receive(self, mut stream: TcpStream) -> Result<()> {
        let key = self.sealed.then(key).transpose()?;
        let mut file = self.file.map(File::create).transpose()?;
        let mut keep = |part: &[u8]| file.as_mut().map_or(Ok(()), |file| file.write_all(part));
        let mut came = vec![0; PIECE_BYTES + PIECE_BYTES / RECORD_BYTES * TAG_BYTES];
        for piece in self.data.chunks(PIECE_BYTES) {
            let Some(key) = &key else {
                stream.read_exact(&mut came[..piece.len()])?;
                std::hint::black_box(Sha256::digest(&came[..piece.len()]));
                keep(&came[..piece.len()])?;
                continue;
            };
            let came = &mut came[..piece.len() + piece.len().div_ceil(RECORD_BYTES) * TAG_BYTES];
            stream.read_exact(came)?;
            let mut hash = Sha256::new();
            for record in came.chunks_mut(RECORD_BYTES + TAG_BYTES) {
                let opened = key.open_in_place(nonce(), Aad::empty(), record);
                let opened = opened.ok().context("not what was encrypted")?;
                hash.update(&*opened);
                keep(opened)?;
            }
            std::hint::black_box(hash.finalize());
        }
        Ok(file.map_or(Ok(()), |file| file.sync_data())?)
    }
}

fn key() -> Result<LessSafeKey> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).ok().context("a key")?))
}

/// Always the same: nobody listens, and another would cost as much.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
