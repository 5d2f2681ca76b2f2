//! A long way between two programs of one machine: bytes arrive a while after they were sent, and no more in a second than
//! the line carries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

/// What is taken off a connection at once.
const PIECE_BYTES: usize = 256 * 1024;
/// What may be on its way at once, in one direction of one connection, where the line carries any amount.
const ON_THE_WAY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// How long a byte takes.
    pub(crate) delay: Duration,
    /// Bytes a second that go through in each direction of a connection; any number where there is none.
    pub(crate) rate: Option<usize>,
}

impl Way {
    /// When bytes arrive that are sent now over a line that is taken until `free`, and until when it is taken by them.
    fn arrival(self, bytes: usize, free: Instant) -> (Instant, Instant) {
        let Some(rate) = self.rate else { return (Instant::now() + self.delay, free) };
        let sent = free.max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate as f64);
        (sent + self.delay, sent)
    }

    /// What may be on its way at once: on a line of some rate, what it carries in twice the time there and back.
    fn room(self) -> usize {
        let millis = usize::try_from(self.delay.as_millis()).unwrap_or(usize::MAX);
        let carried = |rate: usize| (rate / 1_000).saturating_mul(4 * millis);
        self.rate.map_or(ON_THE_WAY_BYTES_MAX, |rate| carried(rate).max(2 * PIECE_BYTES))
    }
}

/// A piece, when it arrives, and its place among what is on its way.
type Sent = (Instant, Vec<u8>, OwnedSemaphorePermit);

/// Takes connections from now on and hands each on to `to`; gives where. Both directions are as long a `way`.
pub(crate) async fn start(to: SocketAddr, way: Way) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Err(error) = join(near, to, way).await {
                    eprintln!("a connection with delay ended: {error:#}");
                }
            });
        }
    });
    Ok(at)
}

async fn join(near: TcpStream, to: SocketAddr, way: Way) -> Result<()> {
    let far = TcpStream::connect(to).await.context("cannot connect")?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    // One that ends leaves the other to say its last.
    tokio::spawn(carry(near_read, far_write, way));
    tokio::spawn(carry(far_read, near_write, way));
    Ok(())
}

/// Carries one direction until either end is gone.
async fn carry(read: impl AsyncRead + Unpin + Send + 'static, write: impl AsyncWrite + Unpin, way: Way) {
    let (sender, arriving) = mpsc::unbounded_channel();
    // Memory that is used again costs least of what is measured.
    let (empty, emptied) = mpsc::unbounded_channel();
    let reading = tokio::spawn(take(read, sender, emptied, way));
    give(arriving, empty, write).await;
    reading.abort();
}

async fn take(
    mut read: impl AsyncRead + Unpin,
    sent: mpsc::UnboundedSender<Sent>,
    mut emptied: mpsc::UnboundedReceiver<Vec<u8>>,
    way: Way,
) {
    let room = Arc::new(Semaphore::new(way.room()));
    let mut free = Instant::now();
    loop {
        let mut piece = emptied.try_recv().unwrap_or_else(|_none| Vec::with_capacity(PIECE_BYTES));
        piece.clear();
        let Ok(1..) = read.read_buf(&mut piece).await else { return };
        let arrives;
        (arrives, free) = way.arrival(piece.len(), free);
        let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let Ok(place) = Arc::clone(&room).acquire_many_owned(bytes).await else { return };
        if sent.send((arrives, piece, place)).is_err() {
            return;
        }
    }
}

async fn give(
    mut arriving: mpsc::UnboundedReceiver<Sent>,
    empty: mpsc::UnboundedSender<Vec<u8>>,
    mut write: impl AsyncWrite + Unpin,
) {
    while let Some((arrives, piece, _place)) = arriving.recv().await {
        sleep_until(arrives).await;
        if write.write_all(&piece).await.is_err() {
            return;
        }
        // Nothing is read any more once the other side has said its last.
        let _ = empty.send(piece);
    }
    // The other end may be gone.
    let _ = write.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::{Way, start};
    use crate::world::runtime;

    #[test]
    fn what_goes_through_comes_late_and_whole() {
        passes_in(Way { delay: Duration::from_millis(30), rate: None }, Duration::from_millis(60));
    }

    #[test]
    fn a_line_carries_so_much_a_second() {
        let rate = Some(10_000_000);
        passes_in(Way { delay: Duration::from_millis(10), rate }, Duration::from_millis(120));
    }

    /// Sends a million bytes there, and an answer back.
    fn passes_in(way: Way, least: Duration) {
        let far = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = far.local_addr().expect("it listens");
        let runtime = runtime().expect("it starts");
        let at = runtime.block_on(start(to, way)).expect("it listens");
        let began = Instant::now();
        let mut near = TcpStream::connect(at).expect("it connects");
        near.write_all(&[7; 1_000_000]).expect("it is taken");
        near.shutdown(std::net::Shutdown::Write).expect("it ends");
        let (mut end, _) = far.accept().expect("it comes through");
        let mut all = Vec::new();
        end.read_to_end(&mut all).expect("it comes through");
        end.write_all(b"answer").expect("it is taken");
        drop(end);
        let mut answer = String::new();
        near.read_to_string(&mut answer).expect("it comes back");
        assert_eq!((all.len(), answer.as_str()), (1_000_000, "answer"));
        assert!(began.elapsed() >= least);
    }
}
