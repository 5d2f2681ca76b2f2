//! Many readers of a large file who hardly read: what they cost a node in memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::RunningNode;
use crate::report::Aim;

const READERS: usize = 1_000;
/// What each of them reads at once, so often, in bytes.
const SIP_BYTES: usize = 16 * 1_024;
const SIPS: usize = 8;
const MORE_MB_MAX: f64 = 256.0;
/// How long a reader waits for its bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens connections that ask for `path`, takes a sip from each in turn, and looks at the node's memory in between.
pub(crate) fn measure(node: &RunningNode, path: &str) -> Result<()> {
    let idle = node.memory()?;
    let began = Instant::now();
    let mut readers = (0..READERS).map(|_| ask(&node.address, path)).collect::<Result<Vec<_>>>()?;
    let (mut own, mut all) = (idle.own, idle.now);
    let mut sip = vec![0; SIP_BYTES];
    for _ in 0..SIPS {
        for reader in &mut readers {
            reader.read_exact(&mut sip).context("a slow reader was cut off")?;
        }
        let memory = node.memory()?;
        own = own.max(memory.own);
        all = all.max(memory.now);
    }
    let answered = sip.iter().any(|byte| *byte != 0);
    if !answered {
        bail!("slow readers got nothing");
    }
    println!(
        "1,000 slow readers of a file of 1 GiB, for {:.0} s: {:.0} MB of the node's own memory (idle: {:.0}), {:.0} MB \
         with what it shares with the page cache (idle: {:.0})",
        began.elapsed().as_secs_f64(),
        own / 1e6,
        idle.own / 1e6,
        all / 1e6,
        idle.now / 1e6,
    );
    println!("{}", Aim::below("memory of 1,000 slow readers", (all - idle.now) / 1e6, MORE_MB_MAX, "MB"));
    println!();
    Ok(())
}

fn ask(address: &str, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("the node takes no connection")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    Ok(stream)
}
