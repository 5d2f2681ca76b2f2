use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block, Codec,
    bitswap::{Message, Want, WantKind},
};
use kubelt_node::PublishedBlock;
use libp2p::PeerId;

use super::{Load, Server};
use crate::bitswap::{
    engine::{BitswapCounts, Output},
    limits::{
        LOADS_MAX, MESSAGE_BYTES_AIM, UNMET_MAX, UNMET_PER_PEER_MAX, UNSENT_BYTES_MAX, WANTS_PER_LOAD_MAX,
        WANTS_PER_PEER_MAX,
    },
};

fn cid(n: usize) -> Cid {
    *Block::new(Codec::Raw, n.to_le_bytes().to_vec().into()).expect("small").cid()
}

fn want(n: usize) -> Want {
    Want::new(cid(n), WantKind::Block, 0)
}

fn served(count: usize) -> (Server, Vec<PeerId>) {
    let mut server = Server::default();
    let peers: Vec<_> = (0..count).map(|_| PeerId::random()).collect();
    peers.iter().for_each(|peer| server.speaks(*peer));
    (server, peers)
}

/// What it does now: looks, and messages.
fn outputs(server: &mut Server) -> (Vec<Load>, Vec<(PeerId, Message)>) {
    let (mut outputs, mut loads, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    server.flush(&mut outputs);
    for output in outputs {
        match output {
            Output::Load(load) => loads.push(load),
            Output::Send(peer, message) => sent.push((peer, message)),
            other => panic!("a server does not {other:?}"),
        }
    }
    (loads, sent)
}

fn bytes(len: usize) -> PublishedBlock {
    PublishedBlock::Bytes(Bytes::from(vec![0; len]))
}

#[test]
fn peers_are_served_one_after_the_other() {
    let (mut server, peers) = served(LOADS_MAX + 2);
    let wants: Vec<_> = (0..WANTS_PER_LOAD_MAX * 3).map(want).collect();
    peers.iter().for_each(|peer| server.wants(peer, false, wants.clone()));
    let mut order = Vec::new();
    let mut running: Vec<Load> = Vec::new();
    for _ in 0..peers.len() * 3 {
        running.extend(outputs(&mut server).0);
        assert!(running.len() <= LOADS_MAX);
        let load = running.remove(0);
        assert_eq!(load.wants.len(), WANTS_PER_LOAD_MAX);
        order.push(load.peer);
        let found = vec![PublishedBlock::Missing; load.wants.len()];
        server.loaded(load, found);
    }
    let round = |n: usize| order[n * peers.len()..(n + 1) * peers.len()].to_vec();
    assert_eq!([round(0), round(1), round(2)], [peers.clone(), peers.clone(), peers.clone()]);
    assert!(outputs(&mut server).0.is_empty());
}

#[test]
fn who_takes_nothing_gets_no_more() {
    let (mut server, peers) = served(1);
    server.wants(&peers[0], false, (0..4).map(want).collect());
    // The first answer leaves the rest for the next turn, however large the blocks are.
    for n in 0..3 {
        let load = outputs(&mut server).0.pop().expect("its turn");
        assert_eq!(load.wants.len(), 4 - n);
        server.loaded(load, vec![bytes(UNSENT_BYTES_MAX / 3 + 1)]);
    }
    let (loads, sent) = outputs(&mut server);
    assert!(loads.is_empty() && sent.len() == 1);
    server.sent(&peers[0], UNSENT_BYTES_MAX / 3 + 1);
    assert_eq!(outputs(&mut server).0.len(), 1);
}

#[test]
fn answers_say_what_was_asked() {
    let (mut server, peers) = served(1);
    let quiet = Want { send_dont_have: false, ..want(3) };
    let have = Want::new(cid(1), WantKind::Have, 9);
    server.wants(&peers[0], false, vec![want(0), have, want(2), quiet, want(4)]);
    let load = outputs(&mut server).0.pop().expect("its turn");
    // The most wanted first.
    assert_eq!(load.wants[0].cid, cid(1));
    server.wants(&peers[0], false, vec![Want::cancel(cid(4))]);
    let found =
        vec![PublishedBlock::Here, bytes(1), PublishedBlock::Missing, PublishedBlock::Missing, bytes(1)];
    server.loaded(load, found);
    let (_, sent) = outputs(&mut server);
    let message = &sent[0].1;
    let presences: Vec<_> = message.presences.iter().map(|one| (one.cid, one.has)).collect();
    assert_eq!(presences, [(cid(1), true), (cid(2), false)]);
    assert_eq!(message.payloads.len(), 1);
}

#[test]
fn a_want_list_has_an_end() {
    let (mut server, peers) = served(1);
    server.wants(&peers[0], false, (0..=WANTS_PER_PEER_MAX).map(want).collect());
    let (loads, sent) = outputs(&mut server);
    assert_eq!(loads.len(), 1);
    assert_eq!(sent[0].1.presences.iter().map(|one| one.cid).collect::<Vec<_>>(), [cid(WANTS_PER_PEER_MAX)]);
    // A full list replaces what waited.
    server.wants(&peers[0], true, vec![want(7)]);
    server.loaded(loads[0].clone(), vec![bytes(1); WANTS_PER_LOAD_MAX]);
    let (loads, sent) = outputs(&mut server);
    assert!(sent.is_empty());
    assert_eq!(loads[0].wants.iter().map(|wanted| wanted.cid).collect::<Vec<_>>(), [cid(7)]);
}

#[test]
fn nothing_stays_of_who_is_gone() {
    let (mut server, peers) = served(2);
    server.wants(&peers[0], false, vec![want(0)]);
    let load = outputs(&mut server).0.pop().expect("its turn");
    server.gone(&peers[0]);
    server.speaks(peers[0]);
    server.wants(&peers[0], false, vec![want(1)]);
    let again = outputs(&mut server).0.pop().expect("its turn");
    // The look from before comes late.
    server.loaded(load, vec![bytes(1)]);
    assert_eq!(outputs(&mut server), (vec![], vec![]));
    server.loaded(again, vec![bytes(1)]);
    assert_eq!(outputs(&mut server).1.len(), 1);
    server.gone(&peers[0]);
    server.gone(&peers[1]);
    let mut counts = BitswapCounts::default();
    server.count(&mut counts);
    assert_eq!((counts.peers, server.turns.len(), server.loads), (0, 0, 0));
}

#[test]
fn who_goes_and_comes_again_has_no_more_looks_than_others() {
    let (mut server, peers) = served(1);
    let mut running = Vec::new();
    for n in 0..LOADS_MAX * 3 {
        server.wants(&peers[0], false, vec![want(n)]);
        running.extend(outputs(&mut server).0);
        server.gone(&peers[0]);
        server.speaks(peers[0]);
    }
    assert_eq!(running.len(), LOADS_MAX);
    for load in running {
        server.loaded(load, vec![PublishedBlock::Missing]);
    }
    server.wants(&peers[0], false, vec![want(0)]);
    assert_eq!((outputs(&mut server).0.len(), server.loads), (1, 1));
}

/// Answers all looks, and whatever follows from that, with "not here"; gives how many wants were looked up.
fn lacks_all(server: &mut Server) -> usize {
    let mut looked = 0;
    loop {
        let (loads, _) = outputs(server);
        if loads.is_empty() {
            return looked;
        }
        for load in loads {
            let count = load.wants.len();
            looked += count;
            server.loaded(load, vec![PublishedBlock::Missing; count]);
        }
    }
}

#[test]
fn what_is_not_here_is_looked_up_again_once_something_is_published() {
    let (mut server, peers) = served(1);
    let have = Want::new(cid(1), WantKind::Have, 0);
    server.wants(&peers[0], false, vec![want(0), have, want(2)]);
    assert_eq!(lacks_all(&mut server), 3);
    assert_eq!(server.counts.lacked, 3);
    server.wants(&peers[0], false, vec![Want::cancel(cid(2))]);
    server.published();
    let (mut loads, _) = outputs(&mut server);
    let mut load = loads.pop().expect("its turn");
    load.wants.sort_by_key(|wanted| wanted.cid == cid(1));
    assert_eq!(load.wants.iter().map(|wanted| wanted.cid).collect::<Vec<_>>(), [cid(0), cid(1)]);
    server.loaded(load, vec![PublishedBlock::Missing, PublishedBlock::Here]);
    let (_, sent) = outputs(&mut server);
    // What is still not here was said before.
    let presences = &sent[0].1.presences;
    assert_eq!(presences.iter().map(|one| (one.cid, one.has)).collect::<Vec<_>>(), [(cid(1), true)]);
    server.published();
    let load = outputs(&mut server).0.pop().expect("its turn");
    server.loaded(load, vec![bytes(1)]);
    assert_eq!(outputs(&mut server).1[0].1.payloads.len(), 1);
    server.published();
    assert!(outputs(&mut server).0.is_empty());
    assert_eq!((server.unmet, server.counts.lacked), (0, 3));
}

#[test]
fn what_is_not_here_is_remembered_within_limits() {
    let (mut server, peers) = served(UNMET_MAX / UNMET_PER_PEER_MAX + 1);
    for peer in &peers {
        server.wants(peer, false, (0..=UNMET_PER_PEER_MAX).map(want).collect());
        lacks_all(&mut server);
    }
    let of = |server: &Server, n: usize| server.peers[&peers[n]].unmet.len();
    assert_eq!((of(&server, 0), server.unmet), (UNMET_PER_PEER_MAX, UNMET_MAX));
    assert_eq!(of(&server, peers.len() - 1), 0);
    server.published();
    assert_eq!(lacks_all(&mut server), UNMET_MAX);
    server.wants(&peers[0], true, vec![]);
    peers.iter().skip(1).for_each(|peer| server.gone(peer));
    assert_eq!(server.unmet, 0);
}

#[test]
fn large_answers_go_out_in_several_messages() {
    let (mut server, peers) = served(1);
    server.wants(&peers[0], false, (0..3).map(want).collect());
    let load = outputs(&mut server).0.pop().expect("its turn");
    server.loaded(load, vec![bytes(MESSAGE_BYTES_AIM - 1), bytes(1), bytes(1)]);
    let (_, sent) = outputs(&mut server);
    let blocks: Vec<_> = sent.iter().map(|(_, message)| message.payloads.len()).collect();
    assert_eq!(blocks, [2, 1]);
}
