use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block, Codec,
    bitswap::{Message, Presence, Want, WantKind},
};
use libp2p::PeerId;
use proptest::{
    collection::vec,
    prelude::{any, prop_assert, prop_assert_eq, proptest},
};

use super::{Asked, Client, Output, SessionId};
use crate::bitswap::limits::{
    BLOCKS_PER_PEER_MAX, NUDGE_MS, RECENT_MAX, SCORE_BANNED, SCORE_REFUSED, SEEK_AGAIN_MS, SEEK_MS,
    SEEKS_ALONE_MAX, STALL_MS,
};

const SESSION: SessionId = SessionId(0);
const BUDGET: usize = 16 << 20;

fn block(n: usize) -> Block {
    Block::new(Codec::Raw, n.to_le_bytes().to_vec().into()).expect("small")
}

fn cid(n: usize) -> Cid {
    *block(n).cid()
}

/// A client under test, and what it does.
struct Bench {
    client: Client,
    now_ms: u64,
    peers: Vec<PeerId>,
}

#[derive(Debug, Default, PartialEq)]
struct Done {
    sent: BTreeMap<PeerId, Vec<Want>>,
    blocks: Vec<(SessionId, Cid)>,
    starved: Vec<Cid>,
    banned: Vec<PeerId>,
}

impl Done {
    /// What a peer was asked for, by kind, without cancels.
    fn asked(&self, peer: PeerId, kind: WantKind) -> Vec<Cid> {
        let wants = self.sent.get(&peer).into_iter().flatten();
        wants.filter(|want| !want.cancel && want.kind == kind).map(|want| want.cid).collect()
    }

    fn cancelled(&self, peer: PeerId) -> Vec<Cid> {
        let wants = self.sent.get(&peer).into_iter().flatten();
        wants.filter(|want| want.cancel).map(|want| want.cid).collect()
    }
}

impl Bench {
    /// With this many peers, and a session.
    fn new(peers: usize) -> Self {
        let mut client = Client::default();
        let peers: Vec<_> = (0..peers).map(|_| PeerId::random()).collect();
        peers.iter().for_each(|peer| client.speaks(0, *peer));
        client.open(SESSION, BUDGET);
        Self { client, now_ms: 0, peers }
    }

    fn done(&mut self) -> Done {
        let mut outputs = Vec::new();
        self.client.flush(&mut outputs);
        let mut done = Done::default();
        for output in outputs {
            match output {
                Output::Send(peer, Message { wants, .. }) => done.sent.entry(peer).or_default().extend(wants),
                Output::Block(session, _, cid, _) => done.blocks.push((session, cid)),
                Output::Starved(_, cid) => done.starved.push(cid),
                Output::Ban(peer) => done.banned.push(peer),
                other @ Output::Load(_) => panic!("a client does not {other:?}"),
            }
        }
        done
    }

    fn want(&mut self, numbers: std::ops::Range<usize>) -> Done {
        self.client.want(self.now_ms, SESSION, numbers.map(cid).collect());
        self.done()
    }

    fn says(&mut self, peer: usize, n: usize, has: bool) -> Done {
        let presences = vec![Presence { cid: cid(n), has }];
        self.client.received(self.now_ms, &self.peers[peer], presences, Vec::new(), 0);
        self.done()
    }

    fn sends(&mut self, peer: usize, n: usize) -> Done {
        self.client.received(self.now_ms, &self.peers[peer], Vec::new(), vec![block(n)], 0);
        self.done()
    }

    /// The first peer says that it has all blocks for which everybody was asked; gives for what it is asked then.
    fn has_the_first(&mut self) -> Vec<Cid> {
        let peer = self.peers[0];
        (0..SEEKS_ALONE_MAX).flat_map(|n| self.says(0, n, true).asked(peer, WantKind::Block)).collect()
    }

    fn wait(&mut self, ms: u64) -> Done {
        self.now_ms += ms;
        self.client.tick(self.now_ms);
        self.done()
    }
}

#[test]
fn everybody_is_asked_for_the_first_blocks_and_one_for_the_others() {
    let mut bench = Bench::new(3);
    let (a, b) = (bench.peers[0], bench.peers[1]);
    let done = bench.want(0..100);
    for peer in &bench.peers {
        let expected: Vec<_> = (0..SEEKS_ALONE_MAX).map(cid).collect();
        assert_eq!(done.asked(*peer, WantKind::Have), expected);
    }
    // Who has one is asked for it and for all that nobody was asked for.
    let done = bench.says(0, 3, true);
    let asked = done.asked(a, WantKind::Block);
    assert_eq!(asked.len(), 1 + 63);
    assert_eq!((asked[0], done.sent.len()), (cid(3), 1));
    let done = bench.sends(0, 3);
    assert_eq!(done.blocks, [(SESSION, cid(3))]);
    assert_eq!((done.cancelled(a), done.cancelled(b)), (vec![], vec![cid(3)]));
    // Who lacks a block is not asked again: others are, whether they have it.
    let done = bench.says(0, 20, false);
    assert!(!done.asked(a, WantKind::Block).contains(&cid(20)));
    assert_eq!(done.asked(b, WantKind::Have), [cid(20)]);
}

#[test]
fn nobody_is_asked_for_everything_where_nobody_has_the_first_blocks() {
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    let mut done = bench.want(0..50);
    for n in 0..SEEKS_ALONE_MAX {
        assert_eq!(done.asked(peer, WantKind::Have).len(), if n == 0 { SEEKS_ALONE_MAX } else { 1 });
        done = bench.says(0, n, false);
        if n + 1 == SEEKS_ALONE_MAX {
            break;
        }
        // Those that starved make room for further ones.
    }
    let asked: usize = bench.client.sources[&peer].asked.len();
    assert!(asked < 50, "{asked} were asked for");
}

#[test]
fn what_nobody_has_starves_until_somebody_comes() {
    let mut bench = Bench::new(0);
    assert_eq!(bench.want(0..3).starved, [cid(0), cid(1), cid(2)]);
    let peer = PeerId::random();
    bench.peers.push(peer);
    bench.client.speaks(0, peer);
    assert_eq!(bench.done().asked(peer, WantKind::Have).len(), 3);
    // It does not answer.
    assert_eq!(bench.wait(SEEK_MS - 1).starved, []);
    assert_eq!(bench.wait(1).starved.len(), 3);
    // After a while all are asked again.
    assert_eq!(bench.wait(SEEK_AGAIN_MS - 1), Done::default());
    assert_eq!(bench.wait(1).asked(peer, WantKind::Have).len(), 3);
    let done = bench.says(0, 1, true);
    assert_eq!(done.asked(peer, WantKind::Block), [cid(1)]);
}

#[test]
fn who_stalls_is_left_for_others() {
    let mut bench = Bench::new(2);
    let (a, b) = (bench.peers[0], bench.peers[1]);
    bench.want(0..1);
    let asked = bench.says(0, 0, true).asked(a, WantKind::Block);
    assert_eq!(asked, [cid(0)]);
    bench.says(1, 0, true);
    assert_eq!(bench.wait(NUDGE_MS - 1), Done::default());
    // It is asked once more.
    assert_eq!(bench.wait(1).asked(a, WantKind::Block), [cid(0)]);
    assert_eq!(bench.wait(STALL_MS - NUDGE_MS - 1), Done::default());
    // Bytes of a message that is on its way count.
    bench.client.progress(bench.now_ms, &a);
    assert_eq!(bench.wait(1), Done::default());
    let done = bench.wait(STALL_MS);
    assert_eq!(done.cancelled(a), [cid(0)]);
    assert_eq!(done.asked(b, WantKind::Block), [cid(0)]);
    assert_eq!(bench.client.counts().stalls, 1);
    assert!(bench.client.ledgers()[&a].score < 0);
    // What it sends late is welcome still.
    assert_eq!(bench.sends(0, 0).blocks, [(SESSION, cid(0))]);
    let late = bench.sends(1, 0);
    assert_eq!((late, bench.client.counts().duplicates), (Done::default(), 1));
}

#[test]
fn who_was_asked_is_not_banned_for_sending_late_however_much_came_since() {
    let mut bench = Bench::new(2);
    bench.want(0..60);
    assert_eq!(bench.has_the_first().len(), 60);
    bench.wait(NUDGE_MS);
    bench.wait(STALL_MS - NUDGE_MS);
    bench.says(1, 0, true);
    (0..60).for_each(|n| drop(bench.sends(1, n)));
    for n in 1_000..1_000 + RECENT_MAX {
        bench.client.recent.insert(cid(n));
    }
    for n in 0..60 {
        assert_eq!(bench.sends(0, n), Done::default());
    }
    assert_eq!((bench.client.counts().duplicates, bench.client.counts().refused), (60, 0));
    // Once more than it was asked for, it is nothing that anybody wants.
    bench.sends(0, 0);
    assert_eq!(bench.client.counts().refused, 1);
}

#[test]
fn forged_blocks_are_refused_and_their_sender_banned() {
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    bench.want(0..1);
    bench.says(0, 0, true);
    let needed = usize::try_from(SCORE_BANNED / SCORE_REFUSED).expect("positive");
    for n in 1..=needed {
        let done = bench.sends(0, n);
        assert!(done.blocks.is_empty());
        assert_eq!(done.banned, if n == needed { vec![peer] } else { vec![] });
    }
    assert_eq!(bench.client.counts().refused, needed as u64);
    // It is not asked any more, and coming again does not help it.
    bench.client.gone(0, &peer);
    assert_eq!(bench.done().starved, [cid(0)]);
    bench.client.speaks(0, peer);
    assert!(bench.done().sent.is_empty());
}

#[test]
fn the_word_of_who_is_banned_counts_for_nothing() {
    let mut bench = Bench::new(1);
    bench.want(0..1);
    (1..=5).for_each(|n| drop(bench.sends(0, n)));
    let done = bench.says(0, 0, true);
    assert_eq!((done.starved, done.sent.len()), (vec![cid(0)], 0));
}

#[test]
fn announcing_what_one_lacks_costs() {
    let mut bench = Bench::new(1);
    bench.want(0..1);
    bench.says(0, 0, true);
    let done = bench.says(0, 0, false);
    assert_eq!(done.starved, [cid(0)]);
    assert!(bench.client.ledgers()[&bench.peers[0]].score < 0);
}

#[test]
fn no_more_is_asked_for_than_is_taken() {
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    bench.want(0..10_000);
    let mut waiting: Vec<Cid> = bench.says(0, 0, true).asked(peer, WantKind::Block);
    assert_eq!(waiting.len(), BUDGET / (256 << 10));
    // Blocks turn out to be small: as many as a peer may be asked for.
    let by_cid: HashMap<Cid, usize> = (0..10_000).map(|n| (cid(n), n)).collect();
    let mut got = 0;
    while let Some(cid) = waiting.pop() {
        let done = bench.sends(0, by_cid[&cid]);
        got += done.blocks.len();
        waiting.extend(done.asked(peer, WantKind::Block));
        assert!(waiting.len() <= BLOCKS_PER_PEER_MAX);
    }
    // All but those that it was asked about and has not answered.
    assert_eq!(got, 10_000 - (SEEKS_ALONE_MAX - 1));
    // Large ones that nobody takes stop it.
    let mut bench = Bench::new(1);
    bench.want(0..100);
    bench.says(0, 0, true);
    bench.client.sessions.get_mut(&SESSION).expect("open").unconsumed_bytes = BUDGET;
    for n in 0..64 {
        assert!(bench.sends(0, n).asked(bench.peers[0], WantKind::Block).is_empty());
    }
    bench.client.consumed(0, SESSION, BUDGET);
    assert!(!bench.done().asked(bench.peers[0], WantKind::Block).is_empty());
}

#[test]
fn two_sessions_share_one_block() {
    let mut bench = Bench::new(1);
    let (peer, other) = (bench.peers[0], SessionId(1));
    bench.want(0..1);
    bench.says(0, 0, true);
    bench.client.open(other, BUDGET);
    bench.client.want(0, other, vec![cid(0)]);
    assert_eq!(bench.done(), Done::default());
    // The one that asked goes: the other goes on.
    bench.client.close(0, SESSION);
    assert_eq!(bench.done(), Done::default());
    assert_eq!(bench.sends(0, 0).blocks, [(other, cid(0))]);
    bench.client.want(0, other, vec![cid(1)]);
    assert_eq!(bench.done().asked(peer, WantKind::Block), [cid(1)]);
    bench.client.close(0, other);
    assert_eq!(bench.done().cancelled(peer), [cid(1)]);
    assert!(bench.client.wants.is_empty() && bench.client.sources[&peer].asked.is_empty());
}

#[test]
fn what_is_remembered_has_an_end() {
    let mut bench = Bench::new(1);
    for n in 0..RECENT_MAX + 10 {
        bench.client.recent.insert(cid(n));
    }
    assert!(!bench.client.recent.contains(&cid(9)));
    assert!(bench.client.recent.contains(&cid(10)));
}

proptest! {
    /// Whatever peers say and however they come and go: books balance, and each block comes once.
    #[test]
    fn books_balance(steps in vec((0_usize..3, 0_usize..12, 0_u8..12, any::<bool>()), 1..200)) {
        let mut bench = Bench::new(3);
        let others: Vec<_> = (1..3).map(SessionId).collect();
        others.iter().for_each(|id| bench.client.open(*id, BUDGET));
        let mut got: HashSet<(SessionId, Cid)> = HashSet::new();
        let mut wanted: HashSet<(SessionId, Cid)> = HashSet::new();
        for (peer, n, kind, has) in steps {
            let (id, session) = (bench.peers[peer], SessionId(peer as u64));
            let now_ms = bench.now_ms;
            match kind {
                0..=2 => {
                    bench.client.want(now_ms, session, vec![cid(n)]);
                    wanted.insert((session, cid(n)));
                    got.remove(&(session, cid(n)));
                }
                3 | 4 => bench.client.received(now_ms, &id, vec![Presence { cid: cid(n), has }], Vec::new(), 0),
                5 | 6 => bench.client.received(now_ms, &id, Vec::new(), vec![block(n)], 0),
                7 => bench.client.gone(now_ms, &id),
                8 => bench.client.speaks(now_ms, id),
                9 => {
                    bench.client.forget(now_ms, session, &[cid(n)]);
                    wanted.remove(&(session, cid(n)));
                }
                10 => {
                    bench.now_ms += STALL_MS / 3;
                    bench.client.tick(bench.now_ms);
                }
                _ => bench.client.hint(now_ms, session, vec![id]),
            }
            for block in bench.done().blocks {
                prop_assert!(wanted.contains(&block), "not wanted");
                prop_assert!(got.insert(block), "came twice");
                wanted.remove(&block);
            }
            check_books(&bench.client)?;
            let books: BTreeSet<_> = wanted.iter().map(|(_, cid)| *cid).collect();
            let kept: BTreeSet<_> = bench.client.wants.keys().copied().collect();
            prop_assert_eq!(kept, books);
        }
    }
}

fn check_books(client: &Client) -> Result<(), proptest::test_runner::TestCaseError> {
    use super::{Asked, State};
    for (peer, source) in &client.sources {
        let blocks = source.asked.values().filter(|asked| asked.is_block()).count();
        prop_assert_eq!(source.blocks_asked, blocks);
        for cid in source.asked.keys() {
            prop_assert!(client.wants[cid].asked.contains(peer));
        }
    }
    let mut live: HashMap<SessionId, usize> = HashMap::new();
    for (cid, wish) in &client.wants {
        let driver = wish.sessions[0];
        let session = &client.sessions[&driver];
        match wish.state {
            State::Asked(peer) => {
                *live.entry(driver).or_default() += 1;
                prop_assert!(client.sources[&peer].asked[cid].is_block());
            }
            State::Waiting => prop_assert!(session.waiting.contains(cid)),
            State::Sought { .. } => {
                prop_assert!(session.seeking.contains(cid));
                let asked = |peer| client.sources.get(peer).is_some_and(|one| one.asked[cid] == Asked::Have);
                prop_assert!(wish.asked.iter().any(asked), "nobody is awaited");
            }
            State::Starved { .. } => prop_assert!(session.starved.contains(cid)),
        }
    }
    for (id, session) in &client.sessions {
        prop_assert_eq!(session.live, live.get(id).copied().unwrap_or_default());
    }
    Ok(())
}

#[test]
fn bytes_are_shared_between_sessions() {
    let mut bench = Bench::new(1);
    bench.want(0..1);
    bench.client.received(0, &bench.peers[0], Vec::new(), vec![block(0)], 0);
    let mut outputs = Vec::new();
    bench.client.flush(&mut outputs);
    let expected: Bytes = block(0).data().clone();
    assert!(outputs.iter().any(|output| matches!(output, Output::Block(_, _, _, data) if *data == expected)));
}

#[test]
fn who_is_asked_for_all_that_it_may_be_is_asked_for_many_at_once_again() {
    const COUNT: usize = 3_000;
    let numbers: HashMap<Cid, usize> = (0..COUNT).map(|n| (cid(n), n)).collect();
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    bench.want(0..COUNT);
    let mut asked: VecDeque<Cid> = bench.has_the_first().into();
    let (mut came, mut messages) = (0, 0);
    while let Some(next) = asked.pop_front() {
        let done = bench.sends(0, numbers[&next]);
        came += done.blocks.len();
        let more = done.asked(peer, WantKind::Block);
        messages += usize::from(!more.is_empty());
        asked.extend(more);
    }
    assert_eq!(came, COUNT);
    assert!(messages < 50, "{messages} messages asked for {COUNT} blocks");
}

#[test]
fn who_stalled_once_is_asked_for_all_again_as_soon_as_it_answers() {
    const COUNT: usize = 60;
    let mut bench = Bench::new(1);
    let peer = bench.peers[0];
    bench.want(0..COUNT);
    assert_eq!(bench.has_the_first().len(), COUNT);
    bench.wait(NUDGE_MS);
    let stalled = bench.wait(STALL_MS - NUDGE_MS);
    assert_eq!((stalled.cancelled(peer).len(), stalled.starved.len()), (COUNT, COUNT));
    // It is tried with one block, now and then.
    assert_eq!(bench.wait(SEEK_MS - 1), Done::default());
    for _ in 0..2 {
        let tried = bench.wait(if bench.now_ms == STALL_MS + SEEK_MS - 1 { 1 } else { SEEK_MS });
        assert_eq!(tried.sent[&peer].len(), 1);
        assert_eq!(tried.asked(peer, WantKind::Have).len(), 1);
    }
    let tried =
        *bench.client.sources[&peer].asked.iter().find(|(_, asked)| **asked == Asked::Have).expect("it").0;
    let number = (0..COUNT).find(|n| cid(*n) == tried).expect("one of them");
    assert_eq!(bench.says(0, number, true).asked(peer, WantKind::Block).len(), COUNT);
    let came: usize = (0..COUNT).map(|n| bench.sends(0, n).blocks.len()).sum();
    assert_eq!((came, bench.client.wants.len()), (COUNT, 0));
}
