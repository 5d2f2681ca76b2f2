//! A long way between two programs of one machine: bytes arrive a while after they were sent, however many they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

/// What is taken off a connection at once.
const PIECE_BYTES: usize = 256 * 1024;
/// What may be on its way at once, in one direction of one connection.
const ON_THE_WAY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A piece, when it arrives, and its place among what is on its way.
type Sent = (Instant, Bytes, OwnedSemaphorePermit);

/// Takes connections from now on and hands each on to `to`; gives where. What goes through takes `delay` in each
/// direction.
pub(crate) async fn start(to: SocketAddr, delay: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Err(error) = join(near, to, delay).await {
                    eprintln!("a connection with delay ended: {error:#}");
                }
            });
        }
    });
    Ok(at)
}

async fn join(near: TcpStream, to: SocketAddr, delay: Duration) -> Result<()> {
    let far = TcpStream::connect(to).await.context("cannot connect")?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    // One that ends leaves the other to say its last.
    tokio::spawn(carry(near_read, far_write, delay));
    tokio::spawn(carry(far_read, near_write, delay));
    Ok(())
}

/// Carries one direction until either end is gone.
async fn carry(
    read: impl AsyncRead + Unpin + Send + 'static,
    write: impl AsyncWrite + Unpin,
    delay: Duration,
) {
    let (sender, arriving) = mpsc::unbounded_channel();
    let reading = tokio::spawn(take(read, sender, delay));
    give(arriving, write).await;
    reading.abort();
}

async fn take(mut read: impl AsyncRead + Unpin, sent: mpsc::UnboundedSender<Sent>, delay: Duration) {
    let room = Arc::new(Semaphore::new(ON_THE_WAY_BYTES_MAX));
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let Ok(1..) = read.read_buf(&mut piece).await else { return };
        let arrives = Instant::now() + delay;
        let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let Ok(place) = Arc::clone(&room).acquire_many_owned(bytes).await else { return };
        if sent.send((arrives, piece.freeze(), place)).is_err() {
            return;
        }
    }
}

async fn give(mut arriving: mpsc::UnboundedReceiver<Sent>, mut write: impl AsyncWrite + Unpin) {
    while let Some((arrives, piece, _place)) = arriving.recv().await {
        sleep_until(arrives).await;
        if write.write_all(&piece).await.is_err() {
            return;
        }
    }
    // The other end may be gone.
    let _ = write.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::start;
    use crate::world::runtime;

    #[test]
    fn what_goes_through_comes_late_and_whole() {
        let delay = Duration::from_millis(30);
        let far = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = far.local_addr().expect("it listens");
        let runtime = runtime().expect("it starts");
        let at = runtime.block_on(start(to, delay)).expect("it listens");
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
        assert!(began.elapsed() >= 2 * delay);
    }
}
