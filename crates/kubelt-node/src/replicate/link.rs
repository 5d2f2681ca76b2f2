//! One connection with one peer: frames in and out, and a task for each channel.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use bytes::{BufMut as _, Bytes, BytesMut};
use kubelt_core::{
    CoreId, PublicKey,
    peer::{FRAME_HEAD_BYTES, FrameHead, Hello, Kind, PEER_VERSION},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::timeout,
};

use super::{
    LinkError, PeerFault, Replication,
    effort::Asker,
    open,
    outbox::{Next, Outbox},
};
use crate::{
    clock::random,
    limits::{
        PEER_BUFFER_BYTES, PEER_CHANNELS_MAX, PEER_CHANNELS_OF_CORE_MAX, PEER_FRAME_TIME, PEER_HELLO_TIME,
        PEER_IDLE_MAX, PEER_IN_KIB_MAX, PEER_INCOMING_MAX, PEER_PING_EVERY, PEER_SILENCE_MAX, PEER_STALL_MAX,
        PEER_SYNCS_MAX,
    },
};

/// How often in a row a connection must be found without channels.
const IDLE_LOOKS: u32 = 4;

/// A connection with a peer whose node key is proven; cheap to clone.
#[derive(Debug, Clone)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    peer: PublicKey,
    own: PublicKey,
    /// What each side said first.
    own_nonce: [u8; 32],
    peer_nonce: [u8; 32],
    /// The version that both speak.
    version: u8,
    out: Outbox,
    channels: Mutex<Option<HashMap<u32, mpsc::Sender<Incoming>>>>,
    next_channel: AtomicU32,
    /// Channels that the peer has opened, by core, the oldest first.
    answered: Mutex<HashMap<CoreId, VecDeque<u32>>>,
    /// Places for syncs that the peer begins.
    syncs: Arc<Semaphore>,
    /// Channels over which the peer may have all of a core.
    full: AtomicUsize,
    ended: watch::Sender<bool>,
}

/// A frame of a channel.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
    /// Its place among what this connection may hold in memory.
    pub(super) _room: OwnedSemaphorePermit,
}

/// Which side of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It dialled.
    Dialled,
    /// It was dialled.
    Accepted,
}

impl Side {
    /// The remainder by two of the channels that this side opens.
    const fn parity(self) -> u32 {
        match self {
            Self::Dialled => 1,
            Self::Accepted => 0,
        }
    }
}

impl Link {
    /// Greets the peer on a fresh connection. What is to be done from then on is in the future, which ends with the
    /// connection.
    pub(super) async fn greet<S>(
        replication: &Replication,
        stream: S,
        own: PublicKey,
        peer: PublicKey,
        side: Side,
    ) -> Result<(Self, impl Future<Output = Result<(), LinkError>> + Send + use<S>), LinkError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, mut write) = tokio::io::split(stream);
        let mut read = BufReader::with_capacity(PEER_BUFFER_BYTES, read);
        let own_nonce = random();
        let hello = Hello { v: PEER_VERSION, nonce: own_nonce }.encode();
        let head = FrameHead { len: hello.len(), channel: 0, kind: Kind::Hello }.encode();
        let greeting = async {
            write.write_all(&[head.as_slice(), &hello].concat()).await?;
            write.flush().await?;
            let head = read_head(&mut read).await?.ok_or(LinkError::Closed)?;
            if head.kind != Kind::Hello {
                return Err(PeerFault::Unexpected(head.kind).into());
            }
            Ok(Hello::decode(&read_payload(&mut read, head.len).await?).map_err(PeerFault::Message)?)
        };
        let theirs: Result<Hello, LinkError> =
            timeout(PEER_HELLO_TIME, greeting).await.map_err(|_late| PeerFault::Silent)?;
        let theirs = theirs?;
        let first = if side == Side::Dialled { 1 } else { 2 };
        let link = Self(Arc::new(Inner {
            peer,
            own,
            own_nonce,
            peer_nonce: theirs.nonce,
            version: theirs.v.min(PEER_VERSION),
            out: Outbox::default(),
            channels: Mutex::new(Some(HashMap::new())),
            next_channel: AtomicU32::new(first),
            answered: Mutex::default(),
            syncs: Arc::new(Semaphore::new(PEER_SYNCS_MAX)),
            full: AtomicUsize::new(0),
            ended: watch::Sender::new(false),
        }));
        let running = run(link.clone(), replication.clone(), read, write, side);
        Ok((link, running))
    }

    /// The peer.
    pub fn peer(&self) -> &PublicKey {
        &self.0.peer
    }

    /// This node, as the peer knows it.
    pub(super) fn own(&self) -> &PublicKey {
        &self.0.own
    }

    /// What proofs for this node must name on this connection.
    pub(super) fn own_nonce(&self) -> &[u8; 32] {
        &self.0.own_nonce
    }

    /// What proofs for the peer must name.
    pub(super) fn peer_nonce(&self) -> &[u8; 32] {
        &self.0.peer_nonce
    }

    /// The version of the protocol that both sides speak.
    pub(super) fn version(&self) -> u8 {
        self.0.version
    }

    pub(super) fn out(&self) -> &Outbox {
        &self.0.out
    }

    /// Whether the connection is over.
    pub fn is_over(&self) -> bool {
        *self.0.ended.borrow()
    }

    /// Ends the connection.
    pub fn end(&self) {
        self.0.ended.send_replace(true);
    }

    /// A new channel; none once the connection is over, or while it has as many as the peer would take.
    pub(super) fn channel(&self) -> Option<(u32, mpsc::Receiver<Incoming>)> {
        let mut channels = self.0.channels.lock();
        let channels = channels.as_mut().filter(|channels| channels.len() < PEER_CHANNELS_MAX)?;
        let id = self.0.next_channel.fetch_add(2, Ordering::Relaxed);
        let (sender, incoming) = mpsc::channel(PEER_INCOMING_MAX);
        channels.insert(id, sender);
        Some((id, incoming))
    }

    /// Notes that the peer has opened a channel for a core. Where it has many for that one, the oldest ends.
    pub(super) fn answers(&self, core: CoreId, channel: u32) {
        let oldest = {
            let mut answered = self.0.answered.lock();
            let channels = answered.entry(core).or_default();
            channels.push_back(channel);
            (channels.len() > PEER_CHANNELS_OF_CORE_MAX).then(|| channels.pop_front()).flatten()
        };
        if let Some(oldest) = oldest {
            self.out().say(oldest, Kind::Close, &[]);
            self.close(oldest);
        }
    }

    /// Forgets a channel that [`Link::answers`] has noted.
    pub(super) fn answered(&self, core: &CoreId, channel: u32) {
        let mut answered = self.0.answered.lock();
        if let Some(channels) = answered.get_mut(core) {
            channels.retain(|known| *known != channel);
            if channels.is_empty() {
                answered.remove(core);
            }
        }
    }

    /// Places for syncs that the peer begins.
    pub(super) fn syncs(&self) -> &Arc<Semaphore> {
        &self.0.syncs
    }

    /// Notes that the peer may have all of a core, until what this gives is dropped.
    pub(super) fn give_all(&self) -> GivesAll {
        self.0.full.fetch_add(1, Ordering::Relaxed);
        GivesAll(self.clone())
    }

    /// Whether the peer may have all of some core.
    pub(super) fn gives_all(&self) -> bool {
        self.0.full.load(Ordering::Relaxed) > 0
    }

    /// Whether no core is on its way over it.
    pub(super) fn is_idle(&self) -> bool {
        self.0.channels.lock().as_ref().is_none_or(HashMap::is_empty)
    }

    /// Waits until nobody has wanted a core over it for a while.
    async fn idles(&self) {
        let mut looks = 0;
        while looks < IDLE_LOOKS {
            tokio::time::sleep(PEER_IDLE_MAX / IDLE_LOOKS).await;
            looks = if self.is_idle() { looks + 1 } else { 0 };
        }
    }

    /// Forgets a channel.
    pub(super) fn close(&self, channel: u32) {
        if let Some(channels) = &mut *self.0.channels.lock() {
            channels.remove(&channel);
        }
        self.0.out.close(channel);
    }
}

/// A channel over which the peer may have all of a core.
#[derive(Debug)]
pub(super) struct GivesAll(Link);

impl Drop for GivesAll {
    fn drop(&mut self) {
        self.0.0.full.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn run<R, W>(
    link: Link,
    replication: Replication,
    read: R,
    write: W,
    side: Side,
) -> Result<(), LinkError>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut ended = link.0.ended.subscribe();
    // Two tasks: one encrypts while the other decrypts.
    let mut reading = tokio::spawn(read_all(link.clone(), replication.clone(), read, side));
    let mut writing = tokio::spawn(write_all(link.clone(), replication.clone(), write));
    let result = tokio::select! {
        result = &mut reading => result.unwrap_or(Err(LinkError::Closed)),
        result = &mut writing => result.unwrap_or(Err(LinkError::Closed)),
        () = link.out().overflow() => Err(PeerFault::Deaf.into()),
        _ = ended.wait_for(|ended| *ended) => Ok(()),
        () = link.idles(), if side == Side::Accepted => Ok(()),
    };
    reading.abort();
    writing.abort();
    link.end();
    *link.0.channels.lock() = None;
    if let Err(LinkError::Peer(fault)) = &result {
        replication.strike(&link.0.peer, fault);
    }
    result
}

async fn read_all<R>(link: Link, replication: Replication, mut read: R, side: Side) -> Result<(), LinkError>
where
    R: AsyncRead + Unpin,
{
    let room = Arc::new(Semaphore::new(PEER_IN_KIB_MAX as usize));
    loop {
        let head =
            timeout(PEER_SILENCE_MAX, read_head(&mut read)).await.map_err(|_late| PeerFault::Silent)??;
        let Some(head) = head else { return Ok(()) };
        let kib = u32::try_from(head.len / 1_024 + 1).unwrap_or(u32::MAX).min(PEER_IN_KIB_MAX);
        let taken = Arc::clone(&room).acquire_many_owned(kib).await.map_err(|_closed| LinkError::Closed)?;
        let payload = timeout(PEER_FRAME_TIME, read_payload(&mut read, head.len))
            .await
            .map_err(|_late| PeerFault::Silent)??;
        match head.kind {
            Kind::Hello => return Err(PeerFault::Unexpected(Kind::Hello).into()),
            Kind::Ping => link.out().pong(),
            Kind::Pong => {}
            Kind::Open | Kind::Follow => {
                let incoming = accept_channel(&link, head.channel, side)?;
                open::answer(&replication, &link, head.channel, incoming, head.kind, payload);
            }
            kind => {
                let channel = link.0.channels.lock().as_ref().and_then(|all| all.get(&head.channel).cloned());
                // What comes for a channel that was closed a moment ago is dropped.
                if let Some(channel) = channel {
                    let _ = channel.send(Incoming { kind, payload, _room: taken }).await;
                }
            }
        }
    }
}

/// A channel that the peer opens.
fn accept_channel(link: &Link, id: u32, side: Side) -> Result<mpsc::Receiver<Incoming>, LinkError> {
    let mut channels = link.0.channels.lock();
    let channels = channels.as_mut().ok_or(LinkError::Closed)?;
    if id % 2 == side.parity() || channels.contains_key(&id) || channels.len() >= PEER_CHANNELS_MAX {
        return Err(PeerFault::Channel(id).into());
    }
    let (sender, incoming) = mpsc::channel(PEER_INCOMING_MAX);
    channels.insert(id, sender);
    Ok(incoming)
}

async fn read_head<R: AsyncRead + Unpin>(read: &mut R) -> Result<Option<FrameHead>, LinkError> {
    let mut bytes = [0; FRAME_HEAD_BYTES];
    match read.read(&mut bytes[..1]).await? {
        0 => return Ok(None),
        _ => read.read_exact(&mut bytes[1..]).await?,
    };
    Ok(Some(FrameHead::decode(&bytes).map_err(PeerFault::Frame)?))
}

async fn read_payload<R: AsyncRead + Unpin>(read: &mut R, len: usize) -> Result<Bytes, LinkError> {
    let mut payload = BytesMut::with_capacity(len);
    while payload.len() < len {
        let rest = len - payload.len();
        if read.read_buf(&mut (&mut payload).limit(rest)).await? == 0 {
            return Err(LinkError::Closed);
        }
    }
    Ok(payload.freeze())
}

async fn write_all<W>(link: Link, replication: Replication, write: W) -> Result<(), LinkError>
where
    W: AsyncWrite + Unpin,
{
    let mut writer = Writer { write, buffer: BytesMut::with_capacity(2 * PEER_BUFFER_BYTES) };
    let out = link.out();
    loop {
        while let Some(next) = out.next() {
            match next {
                Next::Frame(frame) => writer.put(&frame).await?,
                Next::Block { channel, gate, cid } => {
                    let asker = Asker { peer: link.peer(), is_stranger: !gate.is_full() };
                    // Nobody takes a long wait for the end of the connection.
                    while timeout(PEER_PING_EVERY, replication.0.efforts.turn(asker)).await.is_err() {
                        writer.put(&FrameHead { len: 0, channel: 0, kind: Kind::Ping }.encode()).await?;
                        writer.flush().await?;
                    }
                    let began = std::time::Instant::now();
                    let data = gate.block(&cid).map_err(LinkError::Store)?;
                    let gave = data.as_ref().map_or(0, Bytes::len);
                    replication.0.efforts.put_down(asker, began.elapsed(), gave);
                    let name = cid.to_bytes();
                    let (kind, data) = match data {
                        Some(data) => (Kind::Block, data),
                        None => (Kind::NotHere, Bytes::new()),
                    };
                    let head = FrameHead { len: name.len() + data.len(), channel, kind };
                    writer.put(&head.encode()).await?;
                    writer.put(&name).await?;
                    writer.put(&data).await?;
                }
            }
        }
        writer.flush().await?;
        if timeout(PEER_PING_EVERY, out.filled()).await.is_err() {
            out.say(0, Kind::Ping, &[]);
        }
    }
}

/// Small pieces are gathered, large ones written from where they are.
struct Writer<W> {
    write: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn put(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let is_large = bytes.len() > PEER_BUFFER_BYTES;
        // What was gathered before goes first, however little it is.
        if is_large || self.buffer.len() + bytes.len() > 2 * PEER_BUFFER_BYTES {
            self.empty().await?;
        }
        if is_large {
            return stalls(self.write.write_all(bytes)).await;
        }
        self.buffer.put_slice(bytes);
        Ok(())
    }

    async fn empty(&mut self) -> Result<(), LinkError> {
        stalls(self.write.write_all(&self.buffer)).await?;
        self.buffer.clear();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        self.empty().await?;
        stalls(self.write.flush()).await
    }
}

async fn stalls(writing: impl Future<Output = std::io::Result<()>>) -> Result<(), LinkError> {
    timeout(PEER_STALL_MAX, writing)
        .await
        .map_err(|_late| LinkError::from(PeerFault::Stalled))?
        .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{PEER_BUFFER_BYTES, Writer};

    #[tokio::test]
    async fn pieces_of_every_size_are_written_in_order() {
        let half = PEER_BUFFER_BYTES / 2;
        let sizes = [1, half, PEER_BUFFER_BYTES + 1, half, PEER_BUFFER_BYTES, 3 * PEER_BUFFER_BYTES, 9];
        let mut writer = Writer { write: Vec::new(), buffer: BytesMut::new() };
        let mut whole = Vec::new();
        for (size, fill) in sizes.into_iter().zip(1..) {
            let piece = vec![fill; size];
            writer.put(&piece).await.expect("is written");
            whole.extend(piece);
        }
        writer.flush().await.expect("is written");
        assert!(writer.write == whole, "pieces were written out of order");
    }
}
