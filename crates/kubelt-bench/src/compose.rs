//! Cores inside cores, gates and host names: what they add to a read (`reads.rs`, `hosts.rs`). Content sealed and opened as a
//! stream, against the cipher alone on bytes that are in memory.

mod hosts;
mod reads;

use std::hint::black_box;
use std::io::{Read, Write, sink};

use anyhow::{Result, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use kubelt_sealed::chunks::{FileCipher, OpenReader, SealReader};
use kubelt_sealed::limits::CHUNK_BYTES;
use kubelt_sealed::{ContentKey, Entropy};

use crate::args::Args;
use crate::machine::incompressible;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure};
use crate::world::runtime;

const MIB_DEFAULT: usize = 256;
/// What a reader of the stream asks for at once.
const READ_BYTES: usize = 256 * 1024;
const OF_CIPHER_MIN: f64 = 0.7;

pub(crate) fn run(args: &Args) -> Result<()> {
    reads::run(args)?;
    sealing(args)?;
    hosts::routing(args, &runtime()?)
}

/// Sealing is to run at a fair part of the cipher's own speed.
fn sealing(args: &Args) -> Result<()> {
    let mib = args.mib.unwrap_or(MIB_DEFAULT);
    let plain = incompressible(mib * 1024 * 1024);
    let key = ContentKey::from_bytes([1; 32]);
    let mut entropy = Entropy::new(&[2; 32]);
    let mut sealed = Vec::new();
    SealReader::new(plain.as_slice(), FileCipher::new(&key, &mut entropy)).read_to_end(&mut sealed)?;
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[3; 32])?);
    let mut in_place = plain.clone();
    let bytes = plain.len() as f64;
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("AES-256-GCM alone, chunks in place", || {
                Work::timed(bytes, || {
                    for (number, chunk) in (0_u64..).zip(in_place.chunks_mut(CHUNK_BYTES)) {
                        let mut nonce = [0; 12];
                        nonce[4..].copy_from_slice(&number.to_be_bytes());
                        let nonce = Nonce::assume_unique_for_key(nonce);
                        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::empty(), chunk)?;
                        black_box(tag.as_ref());
                    }
                    Ok(())
                })
            }),
            Contender::new("sealed as a stream", || {
                let cipher = FileCipher::new(&key, &mut entropy);
                Work::timed(bytes, || drain(SealReader::new(plain.as_slice(), cipher), sealed.len()))
            }),
            Contender::new("opened as a stream", || {
                Work::timed(bytes, || {
                    drain(OpenReader::new(sealed.as_slice(), |_| Ok(key.clone()))?, plain.len())
                })
            }),
        ],
    )?;
    let title = format!("Sealed content: {mib} MiB, one thread, chunks of 64 KiB in bounded memory");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "MB", unit_size: 1e6, reference, rates: &rates });
    println!(
        "{}",
        Aim::at_least("sealing, of the cipher's speed", rates[1].median() / reference, OF_CIPHER_MIN, "")
    );
    println!(
        "{}",
        Aim::at_least("opening, of the cipher's speed", rates[2].median() / reference, OF_CIPHER_MIN, "")
    );
    Ok(())
}

/// Reads to the end, a piece at a time.
fn drain(mut from: impl Read, expected: usize) -> Result<()> {
    let (mut piece, mut read) = (vec![0; READ_BYTES], 0);
    loop {
        match from.read(&mut piece)? {
            0 => break,
            count => {
                sink().write_all(&piece[..count])?;
                read += count;
            }
        }
    }
    ensure!(read == expected, "{read} bytes came, not {expected}");
    Ok(())
}
