//! Replicas without signatures and a network between them that loses, repeats, reorders and cuts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use kubelt_core::{
    Body, Entry, Genesis, Log, LoginFacts, LoginId, MapState, OpId, Refusal, Scheme, Signed,
    log::Waiting,
    sync::{Allowed, Holdings, Message, Output, Received, Sync},
};

use crate::{dice::Dice, history::NEVER_AHEAD_MS};

/// Everybody's sign-ins: what their messages would say.
pub(crate) type Logins = HashMap<LoginId, Arc<LoginFacts>>;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) log: Log,
    pub(crate) state: MapState,
    pub(crate) entries: BTreeMap<OpId, Entry>,
    waiting: Waiting,
}

impl Peer {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        Self {
            log: Log::new(genesis.clone()),
            state: MapState::new(),
            entries: BTreeMap::new(),
            waiting: Waiting::new(),
        }
    }

    /// Takes an operation in, or parks it; then what waited for it.
    pub(crate) fn take(&mut self, entry: Entry) {
        let mut open = vec![entry];
        while let Some(entry) = open.pop() {
            if self.log.contains(&entry.id()) {
                self.late_body(&entry);
                continue;
            }
            match self.log.insert(&entry, NEVER_AHEAD_MS) {
                Ok(inserted) => {
                    self.state.enter(&entry, inserted.effective);
                    self.state.apply(&inserted.changes);
                    open.extend(self.waiting.arrived(&entry.id()));
                    self.entries.insert(entry.id(), entry);
                }
                Err(Refusal::UnknownPrev(lacks)) => assert!(self.waiting.park(entry, &lacks), "room to wait"),
                Err(other) => panic!("`{}` was well-formed elsewhere: {other}", entry.id()),
            }
        }
    }

    /// Whether operations wait for others.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn late_body(&mut self, entry: &Entry) {
        let lacks = self.entries.get(&entry.id()).is_some_and(|known| known.body().is_none());
        if let (true, Some(body)) = (lacks, entry.body()) {
            self.log
                .check_late_body(entry.header(), body)
                .expect("the body of an operation that others have");
            self.state.enter(entry, self.log.is_effective(&entry.id()));
            self.entries.insert(entry.id(), entry.clone());
        }
    }

    fn late_bodies(&mut self, bodies: &[Body]) {
        for body in bodies {
            let id = body.id();
            let lacking: Vec<Entry> = self
                .entries
                .values()
                .filter(|entry| entry.body().is_none() && entry.header().body == id)
                .cloned()
                .collect();
            for entry in lacking {
                let login = entry.login().cloned();
                let entry = Entry::new(entry.header().clone(), Some(body.clone()), login).expect("it fits");
                self.late_body(&entry);
            }
        }
    }

    fn receive(&mut self, received: Vec<Received>, logins: &Logins) {
        for Received { signed, body, .. } in received {
            let login = signed.header.login.map(|id| Arc::clone(&logins[&id]));
            self.take(Entry::new(signed.header, body, login).expect("parts fit together"));
        }
    }
}

impl Holdings for Peer {
    fn log(&self) -> &Log {
        &self.log
    }

    fn signed(&self, op: &OpId) -> Option<Vec<u8>> {
        let header = self.entries.get(op)?.header().clone();
        Some(Signed { header, scheme: Scheme::Eip191, signature: vec![0; 65], block: None }.encode())
    }

    fn login(&self, _: &LoginId) -> Option<Vec<u8>> {
        None
    }

    fn body(&self, op: &OpId) -> Option<Vec<u8>> {
        self.entries.get(op)?.body().map(Body::encode)
    }

    fn lacking(&self) -> Vec<OpId> {
        self.entries.values().filter(|entry| entry.body().is_none()).map(Entry::id).collect()
    }

    fn is_public(&self, _: &OpId) -> bool {
        false
    }
}

/// How a sync ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Finished { equal: bool },
    NotFound,
    Cut,
}

/// Lets `a` sync with `b` over a connection that breaks after `messages` messages. Every message goes through its wire
/// form. Returns how it ended for `a`, and how many messages it took.
pub(crate) fn sync(
    a: &mut Peer,
    b: &mut Peer,
    allowed: (Allowed, Allowed),
    logins: &Logins,
    messages: usize,
) -> (Ended, usize) {
    let (mut left, hello) = Sync::start(a, allowed.0);
    let mut right = Sync::answer(b.log.core(), allowed.1);
    let mut to_right = vec![hello];
    let mut ended = Ended::Cut;
    let mut used = 0;
    loop {
        let to_left = turn(&mut right, b, to_right, logins, &mut used, messages).1;
        let (outputs, answers) = turn(&mut left, a, to_left, logins, &mut used, messages);
        for output in outputs {
            match output {
                Output::Finished { equal } => ended = Ended::Finished { equal },
                Output::NotFound => ended = Ended::NotFound,
                Output::Received(_) | Output::Bodies(_) | Output::AllCame => {}
            }
        }
        if answers.is_empty() {
            assert!(ended != Ended::Cut || used >= messages, "the sync is stuck: {left:?} {right:?}");
            return (ended, used);
        }
        to_right = answers;
    }
}

fn turn(
    side: &mut Sync,
    peer: &mut Peer,
    messages: Vec<Message>,
    logins: &Logins,
    used: &mut usize,
    limit: usize,
) -> (Vec<Output>, Vec<Message>) {
    let (mut outputs, mut answers) = (Vec::new(), Vec::new());
    for message in messages {
        *used += 1;
        if *used > limit {
            break;
        }
        let message = Message::decode(&message.encode()).expect("messages read back");
        let step = side.step(message, peer).expect("both keep to the protocol");
        for output in &step.outputs {
            match output {
                Output::Received(received) => peer.receive(received.clone(), logins),
                Output::Bodies(bodies) => peer.late_bodies(bodies),
                Output::Finished { .. } | Output::NotFound | Output::AllCame => {}
            }
        }
        outputs.extend(step.outputs);
        answers.extend(step.send);
    }
    (outputs, answers)
}

/// Two different peers of several.
pub(crate) fn pair<'a>(peers: &'a mut [Peer], dice: &mut Dice) -> (&'a mut Peer, &'a mut Peer) {
    let a = dice.below(peers.len());
    let b = (a + 1 + dice.below(peers.len() - 1)) % peers.len();
    let (low, high) = (a.min(b), a.max(b));
    let (left, right) = peers.split_at_mut(high);
    let (first, second) = (&mut left[low], &mut right[0]);
    if a < b { (first, second) } else { (second, first) }
}
