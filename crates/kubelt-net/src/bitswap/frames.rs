//! Messages on streams: their length as a varint, then their bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use kubelt_content::limits::BITSWAP_MESSAGE_BYTES_MAX;
use tokio::time::Instant;

use super::limits::{
    BYTES_PER_SECOND_MIN, INBOUND_IDLE, MESSAGE_WAIT, READING_BYTES_ALL_MAX, READING_BYTES_MAX,
    SMALL_MESSAGE_BYTES,
};

/// Bytes that are read at once where no long message is expected.
const SCRATCH_BYTES: usize = 4 << 10;
/// A varint of a length within the limit has at most so many bytes.
const LENGTH_BYTES_MAX: usize = 4;

/// Bytes of long messages that may be read at once: by one connection, and by all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadingRoom(Arc<AtomicUsize>);

/// A part of the room, until it is dropped.
#[derive(Debug)]
struct Place {
    all: ReadingRoom,
    own: ReadingRoom,
    bytes: usize,
}

impl ReadingRoom {
    fn enter(&self, own: &Self, bytes: usize) -> Option<Place> {
        let fits = |room: &Self, max: usize| room.0.load(Ordering::Relaxed) + bytes <= max;
        // Connections that ask at the same moment may be one message over it, each.
        if !fits(self, READING_BYTES_ALL_MAX) || !fits(own, READING_BYTES_MAX) {
            return None;
        }
        for room in [self, own] {
            room.0.fetch_add(bytes, Ordering::Relaxed);
        }
        Some(Place { all: self.clone(), own: own.clone(), bytes })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for room in [&self.all, &self.own] {
            room.0.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// A stream of the peer's, read.
#[derive(Debug)]
pub(crate) struct FrameReader<S> {
    stream: S,
    scratch: Box<[u8; SCRATCH_BYTES]>,
    start: usize,
    end: usize,
    frame: Option<Frame>,
    /// When the last message was whole, or the stream began.
    idle_since: Instant,
    progress: usize,
}

#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    filled: usize,
    began: Instant,
    _place: Option<Place>,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    pub(crate) fn new(stream: S, now: Instant) -> Self {
        let scratch = Box::new([0; SCRATCH_BYTES]);
        Self { stream, scratch, start: 0, end: 0, frame: None, idle_since: now, progress: 0 }
    }

    /// Whether it takes longer than it may.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        match &self.frame {
            // By what has come, and not by what is to come: a length costs nothing, and takes the room of others.
            Some(frame) => {
                let seconds = (frame.filled / BYTES_PER_SECOND_MIN) as u64;
                now > frame.began + MESSAGE_WAIT + std::time::Duration::from_secs(seconds)
            }
            // A length that began must end, too.
            None if self.start < self.end => now > self.idle_since + INBOUND_IDLE.min(MESSAGE_WAIT * 2),
            None => now > self.idle_since + INBOUND_IDLE,
        }
    }

    /// Whether bytes of a long message came since this was asked last.
    pub(crate) fn has_progressed(&mut self) -> bool {
        std::mem::take(&mut self.progress) >= SMALL_MESSAGE_BYTES
    }

    /// The next message; none at the end of the stream.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        all: &ReadingRoom,
        own: &ReadingRoom,
        now: Instant,
    ) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            if let Some(frame) = &mut self.frame {
                let buffered = (self.end - self.start).min(frame.bytes.len() - frame.filled);
                frame.bytes[frame.filled..frame.filled + buffered]
                    .copy_from_slice(&self.scratch[self.start..self.start + buffered]);
                frame.filled += buffered;
                self.start += buffered;
                if frame.filled == frame.bytes.len() {
                    self.idle_since = now;
                    let frame = self.frame.take().map(|frame| frame.bytes).unwrap_or_default();
                    return Poll::Ready(Ok(Some(frame.into())));
                }
                let room = &mut frame.bytes[frame.filled..];
                match ready!(Pin::new(&mut self.stream).poll_read(cx, room))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    read => {
                        frame.filled += read;
                        self.progress += read;
                    }
                }
                continue;
            }
            if let Some((length, used)) = take_length(&self.scratch[self.start..self.end])? {
                let place = match length {
                    0..=SMALL_MESSAGE_BYTES => None,
                    // Tried again when another message is whole, or at the next tick.
                    _ => match all.enter(own, length) {
                        Some(place) => Some(place),
                        None => return Poll::Pending,
                    },
                };
                self.start += used;
                self.frame = Some(Frame { bytes: vec![0; length], filled: 0, began: now, _place: place });
                continue;
            }
            self.scratch.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut self.scratch[self.end..]))? {
                0 if self.end == 0 => return Poll::Ready(Ok(None)),
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => self.end += read,
            }
        }
    }
}

/// The length of a message and the bytes it takes, once they are all there.
fn take_length(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let refused = || io::Error::new(io::ErrorKind::InvalidData, "a message is longer than any may be");
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if index >= LENGTH_BYTES_MAX {
            return Err(refused());
        }
        length |= usize::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return if length <= BITSWAP_MESSAGE_BYTES_MAX {
                Ok(Some((length, index + 1)))
            } else {
                Err(refused())
            };
        }
    }
    Ok(None)
}

/// A stream of our own, written.
#[derive(Debug)]
pub(crate) struct FrameWriter<S> {
    stream: S,
    bytes: Vec<u8>,
    written: usize,
    is_flushed: bool,
    /// When the peer took something last, or there was nothing to take.
    moved: Instant,
}

impl<S: AsyncWrite + Unpin> FrameWriter<S> {
    pub(crate) const fn new(stream: S, now: Instant) -> Self {
        Self { stream, bytes: Vec::new(), written: 0, is_flushed: true, moved: now }
    }

    /// Takes a message to write, by `encode`; it must be idle.
    pub(crate) fn begin(&mut self, now: Instant, encode: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        encode(&mut self.bytes);
        self.written = 0;
        self.is_flushed = false;
        self.moved = now;
    }

    /// Whether nothing is left of the message.
    pub(crate) const fn is_idle(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// How long the peer has taken nothing, or was given nothing.
    pub(crate) fn still(&self, now: Instant) -> std::time::Duration {
        now.saturating_duration_since(self.moved)
    }

    /// Whether something was written that may not have left yet.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// Writes what there is.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.bytes[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
            self.moved = now;
        }
        Poll::Ready(Ok(()))
    }

    /// Makes it leave.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    /// Ends the stream.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use futures::AsyncRead;
    use tokio::time::Instant;

    use super::{FrameReader, ReadingRoom};
    use crate::bitswap::limits::{BYTES_PER_SECOND_MIN, MESSAGE_WAIT};

    /// The peer's end of a stream: gives what was put there, and waits.
    struct Peer(Vec<u8>);

    impl AsyncRead for Peer {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let count = self.0.len().min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
        }
    }

    /// Reads what is there; gives whether the stream is late then.
    fn is_late(reader: &mut FrameReader<Peer>, room: &ReadingRoom, now: Instant) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let read = reader.poll_next(&mut cx, room, &ReadingRoom::default(), now);
        assert!(read.is_pending(), "{read:?}");
        reader.is_late(now)
    }

    /// The length of the longest message.
    const LONGEST: [u8; 4] = [0x80, 0x80, 0x80, 0x02];

    #[test]
    fn a_length_alone_does_not_keep_the_room_of_others() {
        let (room, mut now) = (ReadingRoom::default(), Instant::now());
        let mut silent = FrameReader::new(Peer(LONGEST.to_vec()), now);
        let mut slow = FrameReader::new(Peer(LONGEST.to_vec()), now);
        assert!(!is_late(&mut silent, &room, now) && !is_late(&mut slow, &room, now));
        for _ in 0..MESSAGE_WAIT.as_secs() + 5 {
            slow.stream.0.extend([0; BYTES_PER_SECOND_MIN]);
            now += Duration::from_secs(1);
            assert!(!is_late(&mut slow, &room, now), "it sends as much as it must");
        }
        assert!(is_late(&mut silent, &room, now));
        now += MESSAGE_WAIT * 2;
        assert!(is_late(&mut slow, &room, now), "it has stopped");
    }
}
