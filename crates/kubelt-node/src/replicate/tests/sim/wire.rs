//! The network of a simulation: byte streams that take their time, break, stand still, or lie, as dice say.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use kubelt_core::PublicKey;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::dice::Dice;
use crate::{DialError, Dialer, Dialling, NodeAddress, PeerStream, Replication};

/// Bytes of one direction that are on their way or unread.
const IN_FLIGHT_BYTES_MAX: usize = 256 * 1_024;
const PIECE_BYTES_MAX: usize = 16 * 1_024;

/// The network; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Net(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now_ms: u64,
    dice: Dice,
    delay_ms: (usize, usize),
    wires: Vec<Wire>,
    targets: HashMap<PublicKey, Target>,
    /// Who is on which side of a cut; everybody on side 0 where there is none.
    sides: HashMap<PublicKey, usize>,
    activity: u64,
    /// Nodes that read or wrote since this was last asked.
    active: BTreeSet<PublicKey>,
    /// Pieces and bytes that each node has sent.
    sent: HashMap<PublicKey, (u64, u64)>,
    /// All that was sent to a spy.
    spied: HashMap<PublicKey, Vec<u8>>,
}

/// Who answers at a key.
#[derive(Clone)]
pub(super) enum Target {
    Node(Replication),
    Liar(Arc<dyn Fn(End) + Send + Sync>),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target")
    }
}

#[derive(Debug)]
struct Wire {
    from: PublicKey,
    to: PublicKey,
    flight: VecDeque<(u64, Vec<u8>)>,
    inbox: VecDeque<u8>,
    waiting_bytes: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The writer is gone: what is on its way arrives, then the stream ends.
    closed: bool,
    broken: bool,
    /// One byte in one of so many pieces is changed.
    lies: Option<usize>,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    net: Net,
    out: usize,
    inward: usize,
}

impl Net {
    pub(super) fn new(dice: Dice, delay_ms: (usize, usize)) -> Self {
        Self(Arc::new(Mutex::new(State {
            now_ms: 0,
            dice,
            delay_ms,
            wires: Vec::new(),
            targets: HashMap::new(),
            sides: HashMap::new(),
            activity: 0,
            active: BTreeSet::new(),
            sent: HashMap::new(),
            spied: HashMap::new(),
        })))
    }

    /// Lets a key be answered for; without a target nobody is there.
    pub(super) fn listen(&self, key: PublicKey, target: Option<Target>) {
        let mut state = self.0.lock();
        match target {
            Some(target) => drop(state.targets.insert(key, target)),
            None => drop(state.targets.remove(&key)),
        }
    }

    pub(super) fn spy(&self, key: PublicKey) {
        self.0.lock().spied.insert(key, Vec::new());
    }

    pub(super) fn spied(&self, key: &PublicKey) -> Vec<u8> {
        self.0.lock().spied.get(key).cloned().unwrap_or_default()
    }

    /// Cuts the network into sides; connections between them stand still, and none is made.
    pub(super) fn cut(&self, sides: HashMap<PublicKey, usize>) {
        self.0.lock().sides = sides;
    }

    pub(super) fn activity(&self) -> u64 {
        self.0.lock().activity
    }

    pub(super) fn take_active(&self) -> BTreeSet<PublicKey> {
        std::mem::take(&mut self.0.lock().active)
    }

    pub(super) fn sent(&self) -> HashMap<PublicKey, (u64, u64)> {
        self.0.lock().sent.clone()
    }

    /// Breaks some connections: those of a node, or any one.
    pub(super) fn break_of(&self, key: &PublicKey) {
        let mut state = self.0.lock();
        for wire in state.wires.iter_mut().filter(|wire| wire.from == *key || wire.to == *key) {
            wire.break_off();
        }
    }

    pub(super) fn break_one(&self) {
        let state = &mut *self.0.lock();
        if state.wires.is_empty() {
            return;
        }
        let one = state.dice.below(state.wires.len() / 2) * 2;
        state.wires[one].break_off();
        state.wires[one + 1].break_off();
    }

    /// Makes the bytes of a node lie.
    pub(super) fn lie(&self, key: &PublicKey, once_in: Option<usize>) {
        let mut state = self.0.lock();
        for wire in state.wires.iter_mut().filter(|wire| wire.from == *key) {
            wire.lies = once_in;
        }
    }

    /// Time goes on: what is due arrives.
    pub(super) fn tick(&self, ms: u64) {
        let state = &mut *self.0.lock();
        state.now_ms += ms;
        let side = |key: &PublicKey| state.sides.get(key).copied().unwrap_or(0);
        for wire in &mut state.wires {
            if side(&wire.from) != side(&wire.to) {
                continue;
            }
            while wire.flight.front().is_some_and(|(due, _)| *due <= state.now_ms) {
                let Some((_, piece)) = wire.flight.pop_front() else { break };
                if let Some(spied) = state.spied.get_mut(&wire.to) {
                    spied.extend_from_slice(&piece);
                }
                wire.inbox.extend(piece);
                state.activity += 1;
                wake(&mut wire.reader);
            }
            if wire.closed && wire.flight.is_empty() {
                wake(&mut wire.reader);
            }
        }
    }

    /// When the next bytes arrive, in milliseconds from now.
    pub(super) fn next_in_ms(&self) -> Option<u64> {
        let state = self.0.lock();
        let side = |key: &PublicKey| state.sides.get(key).copied().unwrap_or(0);
        let open = state.wires.iter().filter(|wire| side(&wire.from) == side(&wire.to));
        let due = open.filter_map(|wire| wire.flight.front().map(|(due, _)| *due)).min();
        due.map(|due| due.saturating_sub(state.now_ms))
    }

    fn connect(&self, from: PublicKey, to: PublicKey) -> Option<(End, End, Target)> {
        let state = &mut *self.0.lock();
        let side = |key: &PublicKey| state.sides.get(key).copied().unwrap_or(0);
        let target = state.targets.get(&to).filter(|_| side(&from) == side(&to))?.clone();
        let first = state.wires.len();
        for (from, to) in [(from, to), (to, from)] {
            state.wires.push(Wire {
                from,
                to,
                flight: VecDeque::new(),
                inbox: VecDeque::new(),
                waiting_bytes: 0,
                reader: None,
                writer: None,
                closed: false,
                broken: false,
                lies: None,
            });
        }
        let here = End { net: self.clone(), out: first, inward: first + 1 };
        let there = End { net: self.clone(), out: first + 1, inward: first };
        Some((here, there, target))
    }

    /// Dials as a node does.
    pub(super) async fn dial(&self, from: PublicKey, to: PublicKey) -> Result<End, DialError> {
        let delay = {
            let state = &mut *self.0.lock();
            let (low, high) = state.delay_ms;
            low + state.dice.below(high - low + 1)
        };
        tokio::time::sleep(Duration::from_millis(delay as u64)).await;
        let Some((here, there, target)) = self.connect(from, to) else {
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Err(DialError("nobody answers".to_owned()));
        };
        match target {
            Target::Node(replication) => {
                tokio::spawn(async move { replication.accept(there, from).await });
            }
            Target::Liar(answer) => answer(there),
        }
        Ok(here)
    }
}

/// The way to others of one node, as long as it lives.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) net: Net,
    pub(super) own: PublicKey,
    pub(super) alive: Arc<std::sync::atomic::AtomicBool>,
}

impl Dialer for Way {
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(async move {
            if !self.alive.load(std::sync::atomic::Ordering::Relaxed) {
                // What is left of a node that was switched off does nothing more.
                std::future::pending::<()>().await;
            }
            let end = self.net.dial(self.own, address.peer).await?;
            Ok(Box::new(end) as Box<dyn PeerStream>)
        })
    }

    fn reached_at(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Wire {
    fn break_off(&mut self) {
        self.broken = true;
        self.flight.clear();
        self.inbox.clear();
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn reset() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.net.0.lock();
        let wire = &mut state.wires[self.inward];
        if wire.broken {
            return Poll::Ready(Err(reset()));
        }
        if wire.inbox.is_empty() {
            if wire.closed && wire.flight.is_empty() {
                return Poll::Ready(Ok(()));
            }
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(wire.inbox.len());
        let (first, second) = wire.inbox.as_slices();
        let head = count.min(first.len());
        buf.put_slice(&first[..head]);
        buf.put_slice(&second[..count - head]);
        wire.inbox.drain(..count);
        wire.waiting_bytes -= count;
        wake(&mut wire.writer);
        let to = wire.to;
        state.activity += 1;
        state.active.insert(to);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let state = &mut *self.net.0.lock();
        let wire = &mut state.wires[self.out];
        if wire.broken || wire.closed {
            return Poll::Ready(Err(reset()));
        }
        if wire.waiting_bytes >= IN_FLIGHT_BYTES_MAX {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = data.len().min(PIECE_BYTES_MAX);
        let mut piece = data[..count].to_vec();
        if let Some(once_in) = wire.lies
            && state.dice.below(once_in) == 0
        {
            let at = state.dice.below(count);
            piece[at] ^= 1 << state.dice.below(8);
        }
        let (low, high) = state.delay_ms;
        // In order on one connection; connections overtake each other.
        let due = state.now_ms + (low + state.dice.below(high - low + 1)) as u64;
        let due = wire.flight.back().map_or(due, |(last, _)| due.max(*last));
        wire.waiting_bytes += count;
        wire.flight.push_back((due, piece));
        let from = wire.from;
        state.activity += 1;
        state.active.insert(from);
        let sent = state.sent.entry(from).or_default();
        *sent = (sent.0 + 1, sent.1 + count as u64);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.0.lock().wires[self.out].closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let state = &mut *self.net.0.lock();
        state.wires[self.out].closed = true;
        if state.wires[self.out].flight.is_empty() {
            wake(&mut state.wires[self.out].reader);
        }
        // Nobody reads any more.
        state.wires[self.inward].broken = true;
        wake(&mut state.wires[self.inward].writer);
        state.activity += 1;
    }
}
