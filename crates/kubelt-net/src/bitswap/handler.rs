//! One connection: the peer's streams are read; of our own, each carries many messages.
//!
//! What we want goes out on one stream, in order. What the peer gets is spread over a few: Kubo checks and stores the
//! blocks of a message before it reads the next one of the same stream, but looks at streams side by side.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::{Ready, ready};
use kubelt_content::{VerifyError, bitswap::Message};
use libp2p::{
    InboundUpgrade, OutboundUpgrade, Stream, StreamProtocol,
    core::UpgradeInfo,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound, ProtocolsChange},
    },
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::{
    engine::Received,
    frames::{FrameReader, FrameWriter, ReadingRoom},
    limits::{
        GIVING_STREAMS_MAX, HANDLER_TICK, OUTBOUND_IDLE, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX,
        STREAM_FAILURES_MAX, STREAMS_MAX, WRITE_WAIT,
    },
};

/// The versions that are spoken, best first.
const PROTOCOLS: [StreamProtocol; 2] =
    [StreamProtocol::new("/ipfs/bitswap/1.2.0"), StreamProtocol::new("/ipfs/bitswap/1.1.0")];

/// Agrees on a version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions;

impl UpgradeInfo for Versions {
    type Info = StreamProtocol;
    type InfoIter = [StreamProtocol; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        PROTOCOLS
    }
}

impl<S> InboundUpgrade<S> for Versions {
    type Output = S;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<S, Self::Error>>;

    fn upgrade_inbound(self, stream: S, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl<S> OutboundUpgrade<S> for Versions {
    type Output = S;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<S, Self::Error>>;

    fn upgrade_outbound(self, stream: S, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub(crate) enum FromHandler {
    /// The peer speaks bitswap.
    Speaks,
    /// The peer does not, after all.
    Silent,
    /// Our stream broke: what waited for it is lost.
    Lost,
    /// A message.
    Received(Received),
    /// A long message is coming.
    Progress,
    /// Bytes of blocks have been written.
    Sent(usize),
    /// The peer sent what is no message.
    Nonsense,
    /// The peer opens more streams than it may.
    Flood,
}

/// One of our own streams, and what is on it.
#[derive(Debug, Default)]
struct Lane {
    state: Outbound,
    /// Bytes of blocks in the message that is being written.
    block_bytes: usize,
}

#[derive(Debug, Default)]
enum Outbound {
    #[default]
    None,
    Opening,
    Open(FrameWriter<Stream>),
    Closing(FrameWriter<Stream>),
}

/// The lane of what we want; the others are for what the peer gets.
const ASKING: usize = 0;
const LANES: usize = 1 + GIVING_STREAMS_MAX;

/// The handler of one connection.
#[derive(Debug)]
pub(crate) struct Handler {
    inbound: Vec<FrameReader<Stream>>,
    lanes: [Lane; LANES],
    /// Messages with wants.
    asking: VecDeque<Message>,
    /// Messages with blocks, or whether they are there.
    giving: VecDeque<Message>,
    queue_bytes: usize,
    failures: u32,
    speaks: bool,
    /// Whether a stream was refused since the last tick.
    is_flooded: bool,
    events: VecDeque<FromHandler>,
    all: ReadingRoom,
    own: ReadingRoom,
    clock: Interval,
}

type HandlerEvent = ConnectionHandlerEvent<Versions, usize, FromHandler>;

impl Handler {
    pub(crate) fn new(all: ReadingRoom) -> Self {
        let mut clock = interval(HANDLER_TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            inbound: Vec::new(),
            lanes: Default::default(),
            asking: VecDeque::new(),
            giving: VecDeque::new(),
            queue_bytes: 0,
            failures: 0,
            speaks: false,
            is_flooded: false,
            events: VecDeque::new(),
            all,
            own: ReadingRoom::default(),
            clock,
        }
    }

    fn speaks(&mut self) {
        if !self.speaks && self.failures < STREAM_FAILURES_MAX {
            self.speaks = true;
            self.events.push_back(FromHandler::Speaks);
        }
    }

    /// One of our streams is of no use any more, nor what was to go out: all begins anew.
    fn lose(&mut self, is_silent: bool) {
        self.lanes = Default::default();
        self.asking.clear();
        self.giving.clear();
        self.queue_bytes = 0;
        self.failures += 1;
        if is_silent || self.failures >= STREAM_FAILURES_MAX {
            self.failures = STREAM_FAILURES_MAX;
            self.speaks = false;
            self.events.push_back(FromHandler::Silent);
        } else {
            self.events.push_back(FromHandler::Lost);
        }
    }

    fn tick(&mut self, now: Instant) {
        self.inbound.retain(|reader| !reader.is_late(now));
        if std::mem::take(&mut self.is_flooded) {
            self.events.push_back(FromHandler::Flood);
        }
        let reading = self.inbound.iter_mut().filter_map(|reader| reader.has_progressed().then_some(()));
        // All of them are asked, since asking begins the count anew.
        if reading.count() > 0 {
            self.events.push_back(FromHandler::Progress);
        }
        let is_stuck = |lane: &Lane| match &lane.state {
            Outbound::Open(writer) => !writer.is_idle() && writer.still(now) > WRITE_WAIT,
            _ => false,
        };
        if self.lanes.iter().any(is_stuck) {
            return self.lose(false);
        }
        for lane in &mut self.lanes {
            lane.state = match std::mem::take(&mut lane.state) {
                Outbound::Open(writer) if writer.is_idle() && writer.still(now) > OUTBOUND_IDLE => {
                    Outbound::Closing(writer)
                }
                Outbound::Closing(writer) if writer.still(now) > OUTBOUND_IDLE + WRITE_WAIT => Outbound::None,
                other => other,
            };
        }
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<FromHandler> {
        let mut index = 0;
        while index < self.inbound.len() {
            match self.inbound[index].poll_next(cx, &self.all, &self.own, now) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(Some(frame))) => {
                    let event = read(&frame);
                    if matches!(event, FromHandler::Nonsense) {
                        self.inbound.swap_remove(index);
                    } else {
                        // The others have their turn before it.
                        let last = self.inbound.len() - 1;
                        self.inbound.swap(index, last);
                    }
                    return Some(event);
                }
                Poll::Ready(Ok(None)) => {
                    self.inbound.swap_remove(index);
                }
                Poll::Ready(Err(error)) => {
                    self.inbound.swap_remove(index);
                    if error.kind() == std::io::ErrorKind::InvalidData {
                        return Some(FromHandler::Nonsense);
                    }
                }
            }
        }
        None
    }

    fn poll_outbound(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<HandlerEvent> {
        (0..LANES).find_map(|lane| self.poll_lane(lane, cx, now))
    }

    fn poll_lane(&mut self, index: usize, cx: &mut Context<'_>, now: Instant) -> Option<HandlerEvent> {
        loop {
            let is_opening = |lane: &&Lane| matches!(lane.state, Outbound::Opening);
            let opening = self.lanes.iter().skip(ASKING + 1).filter(is_opening).count();
            let lane = self.lanes.get_mut(index)?;
            let queue = if index == ASKING { &mut self.asking } else { &mut self.giving };
            match &mut lane.state {
                // One more stream only for what the others do not take.
                Outbound::None if queue.len() <= if index == ASKING { 0 } else { opening } => return None,
                Outbound::None => {
                    lane.state = Outbound::Opening;
                    let protocol = SubstreamProtocol::new(Versions, index);
                    return Some(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
                }
                Outbound::Opening => return None,
                Outbound::Open(writer) => match writer.poll_write(cx, now) {
                    Poll::Pending => return None,
                    Poll::Ready(Err(_broken)) => self.lose(false),
                    Poll::Ready(Ok(())) => {
                        let sent = std::mem::take(&mut lane.block_bytes);
                        if let Some(message) = queue.pop_front() {
                            lane.block_bytes = blocks_len(&message);
                            self.queue_bytes = self.queue_bytes.saturating_sub(cost(&message));
                            writer.begin(now, |out| message.encode_framed(out));
                            // Two messages are written in one go before anybody hears of the first.
                        } else if !writer.is_flushed() {
                            match writer.poll_flush(cx) {
                                Poll::Ready(Err(_broken)) => self.lose(false),
                                Poll::Ready(Ok(())) => self.failures = 0,
                                Poll::Pending if sent == 0 => return None,
                                Poll::Pending => {}
                            }
                        } else if sent == 0 {
                            return None;
                        }
                        if sent > 0 {
                            return Some(ConnectionHandlerEvent::NotifyBehaviour(FromHandler::Sent(sent)));
                        }
                    }
                },
                Outbound::Closing(writer) => {
                    if writer.poll_close(cx).is_pending() {
                        return None;
                    }
                    lane.state = Outbound::None;
                }
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Message;
    type ToBehaviour = FromHandler;
    type InboundProtocol = Versions;
    type OutboundProtocol = Versions;
    type InboundOpenInfo = ();
    /// For which lane.
    type OutboundOpenInfo = usize;

    fn listen_protocol(&self) -> SubstreamProtocol<Versions> {
        SubstreamProtocol::new(Versions, ())
    }

    fn on_behaviour_event(&mut self, message: Message) {
        let cost = cost(&message);
        let is_asking = message.full || !message.wants.is_empty();
        let queue = if is_asking { &mut self.asking } else { &mut self.giving };
        if self.queue_bytes + cost > QUEUE_BYTES_MAX || queue.len() >= QUEUE_MESSAGES_MAX {
            self.lose(false);
            return;
        }
        self.queue_bytes += cost;
        queue.push_back(message);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HandlerEvent> {
        let now = Instant::now();
        while self.clock.poll_tick(cx).is_ready() {
            self.tick(now);
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if let Some(event) = self.poll_outbound(cx, now) {
            return Poll::Ready(event);
        }
        // Writing may have failed.
        let event = self.events.pop_front().or_else(|| self.poll_inbound(cx, now));
        event.map_or(Poll::Pending, |event| Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event)))
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Versions, Versions, (), usize>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                if self.inbound.len() < STREAMS_MAX {
                    self.inbound.push(FrameReader::new(stream, Instant::now()));
                } else {
                    self.is_flooded = true;
                }
                self.speaks();
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: lane,
            }) => {
                // Where all began anew meanwhile, the first to come is as good as any.
                let is_awaited = |lane: &&mut Lane| matches!(lane.state, Outbound::Opening);
                if let Some(lane) = self.lanes.get_mut(lane).filter(is_awaited) {
                    lane.state = Outbound::Open(FrameWriter::new(stream, Instant::now()));
                }
            }
            ConnectionEvent::DialUpgradeError(error) => {
                self.lose(matches!(error.error, StreamUpgradeError::NegotiationFailed));
            }
            ConnectionEvent::RemoteProtocolsChange(ProtocolsChange::Added(mut added)) => {
                let knows_one = added.any(|protocol| PROTOCOLS.contains(protocol));
                if knows_one {
                    self.speaks();
                }
            }
            _ => {}
        }
    }
}

/// What a message says, its blocks named by their bytes.
fn read(frame: &Bytes) -> FromHandler {
    let Ok(message) = Message::decode(frame) else { return FromHandler::Nonsense };
    let Message { full, wants, payloads, presences, .. } = message;
    let bytes: usize = payloads.iter().map(|payload| payload.data.len()).sum();
    let mut malformed = 0;
    let blocks: Vec<_> = payloads
        .into_iter()
        .filter_map(|mut payload| {
            // A few small blocks must not keep the memory of a large message.
            if bytes < frame.len() / 2 {
                payload.data = Bytes::copy_from_slice(&payload.data);
            }
            // Blocks that are larger than this node takes, or named as it names none, are as good as any to others:
            // whoever has this node ask for them must not have those banned who send them.
            payload
                .into_block()
                .inspect_err(|error| malformed += usize::from(*error == VerifyError::Mismatch))
                .ok()
        })
        .collect();
    FromHandler::Received(Received { full, wants, presences, blocks, malformed })
}

fn blocks_len(message: &Message) -> usize {
    message.payloads.iter().map(|payload| payload.data.len()).sum()
}

/// What a message costs while it waits; want lists are small for each entry.
fn cost(message: &Message) -> usize {
    blocks_len(message) + (message.wants.len() + message.presences.len()) * 64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kubelt_content::{
        bitswap::{Message, Payload, Prefix},
        limits::BLOCK_BYTES_MAX,
    };

    use super::{FromHandler, read};

    #[test]
    fn blocks_that_others_may_have_are_no_fault_of_who_sends_them() {
        let prefix = |version, codec, hash, digest_len| Prefix { version, codec, hash, digest_len };
        for (prefix, bytes, expected) in [
            (prefix(1, 0x55, 0x12, 32), 5, (1, 0)),
            // Larger than this node takes; sha3-256; a digest that was cut.
            (prefix(1, 0x55, 0x12, 32), BLOCK_BYTES_MAX + 1, (0, 0)),
            (prefix(1, 0x55, 0x16, 32), 5, (0, 0)),
            (prefix(1, 0x55, 0x12, 20), 5, (0, 0)),
            // A CIDv0 of something else than dag-pb.
            (prefix(0, 0x55, 0x12, 32), 5, (0, 1)),
        ] {
            let payloads = vec![Payload { prefix, data: Bytes::from(vec![7; bytes]) }];
            let mut frame = Vec::new();
            Message { payloads, ..Message::default() }.encode(&mut frame);
            let FromHandler::Received(received) = read(&frame.into()) else { panic!("it is a message") };
            assert_eq!((received.blocks.len(), received.malformed), expected, "{prefix:?}");
        }
    }
}
