//! Whole replicas with real keys: wallets, sign-ins, sessions, checkpoints, syncs, and bytes that were changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ipld_core::ipld::Ipld;
use kubelt_core::{
    Ability, Account, Act, Body, Checkpoint, CoreId, EoaKey, Genesis, Intent, Login, MapPath, OpId,
    Principal, Replica, Scheme, SessionKey, SignIn, Signed, Unchecked, Verb,
    checkpoint::CheckpointError,
    limits::CLOCK_AHEAD_MS_MAX,
    replica::{TakeError, Taken},
    sync::{Allowed, Holdings, Message, Output, Received, Sync, SyncError},
    verify::{Problem, verify},
};

const NOW_MS: u64 = 1_800_000_000_000;

/// A wallet with a session, and the replica that they write to.
struct Author {
    wallet: EoaKey,
    session: SessionKey,
    login: Login,
    replica: Replica,
    now_ms: u64,
    salt: u128,
}

impl Author {
    fn new(genesis: Genesis, seed: u8) -> Self {
        let wallet = EoaKey::from_secret(&[seed; 32]).expect("a fixed key");
        let session = SessionKey::from_seed([seed; 32]);
        let login = sign_in(&wallet, &session, genesis.id(), BTreeSet::new());
        let mut replica = Replica::new(genesis);
        assert!(replica.take_login(&login, &Unchecked).expect("a good login"));
        Self { wallet, session, login, replica, now_ms: NOW_MS, salt: 0 }
    }

    fn private(seed: u8) -> Self {
        let wallet = EoaKey::from_secret(&[seed; 32]).expect("a fixed key");
        Self::new(Genesis::Private { root: wallet.account() }, seed)
    }

    /// By the session.
    fn put(&mut self, path: &str, value: i128) -> OpId {
        self.act(Act::Put { path: path.parse().expect("a path"), value: Ipld::Integer(value) }, true)
    }

    fn act(&mut self, act: Act, by_session: bool) -> OpId {
        self.now_ms += 1_000;
        self.salt += 1;
        let login = by_session.then(|| self.replica.login_facts(&self.login.id())).flatten();
        let intent = Intent::new(self.wallet.account(), login, act);
        let (header, body) =
            self.replica.log().draft(intent, self.salt.to_be_bytes(), self.now_ms).expect("may");
        let signed = match by_session {
            true => self.session.sign_header(header),
            false => self.wallet.sign_op(header, &body).expect("has words"),
        };
        let id = signed.id();
        let received = Received { signed, login: None, body: Some(body) };
        assert_eq!(self.replica.take(received, self.now_ms, &Unchecked).expect("good"), Taken::In);
        id
    }

    fn export(&self) -> Vec<(Signed, Option<Body>)> {
        use kubelt_core::sync::Holdings;
        let blocks = |id: OpId| {
            let signed = Signed::decode(&self.replica.signed(&id)?).expect("a block");
            Some((signed, self.replica.entry(&id)?.body().cloned()))
        };
        self.replica.log().ops().filter_map(|(id, _, _, _)| blocks(id)).collect()
    }
}

fn sign_in(wallet: &EoaKey, session: &SessionKey, core: CoreId, heads: BTreeSet<OpId>) -> Login {
    let heads = if heads.is_empty() { BTreeMap::new() } else { BTreeMap::from([(core, heads)]) };
    let sign_in = SignIn {
        scheme: None,
        domain: "127.0.0.1:4747".to_owned(),
        account: wallet.account(),
        chain_id: 1,
        session: session.public(),
        nonce: "abcdefgh12345678".to_owned(),
        issued_at_ms: NOW_MS,
        expires_ms: NOW_MS + 86_400_000,
        abilities: BTreeMap::from([(core, vec![Ability::everywhere(Verb::Put)])]),
        heads,
        held_by_node: false,
    };
    let message = sign_in.message().expect("good fields");
    let signature = wallet.sign(message.as_bytes()).to_vec();
    Login::new(message, Scheme::Eip191, signature, None)
}

fn path(text: &str) -> MapPath {
    text.parse().expect("a path")
}

#[test]
fn a_whole_core_checks_out_in_any_order() {
    let mut author = Author::private(1);
    for n in 0..5 {
        author.put(&format!("content/{n}"), n);
    }
    let checkpoint = Checkpoint::now(&author.replica).expect("all bodies are here");
    author.act(Act::Seal { state: Some(checkpoint.id()) }, false);
    author.put("content/0", 9);
    let mut ops = author.export();
    ops.reverse();
    let genesis = author.replica.log().genesis().clone();
    let (report, replica) =
        verify(genesis.clone(), [author.login.clone()], ops.clone(), author.now_ms, &Unchecked);
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!((report.ops, report.effective, report.void, report.withheld), (7, 7, 0, 0));
    assert_eq!(report.heads, author.replica.log().heads());
    assert!(replica.state() == author.replica.state());

    let (report, _) = verify(genesis.clone(), [], ops.clone(), author.now_ms, &Unchecked);
    assert!(matches!(report.problems.first(), Some(Problem::Op(_, TakeError::UnknownLogin(_)))));

    let lost = ops.pop().expect("seven");
    let (report, _) = verify(genesis, [author.login.clone()], ops, author.now_ms, &Unchecked);
    assert_eq!((report.ops, report.waiting), (0, 6), "without `{}`", lost.0.id());
}

#[test]
fn every_changed_byte_is_refused() {
    let mut author = Author::private(2);
    author.put("content/a", 1);
    author.act(Act::Seal { state: None }, false);
    let genesis = author.replica.log().genesis().clone();
    for (signed, body) in author.export() {
        let body = body.expect("here");
        for (at, bit) in (0..signed.encode().len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
            let mut bytes = signed.encode();
            bytes[at] ^= bit;
            let Ok(changed) = Signed::decode(&bytes) else { continue };
            refused(&genesis, &author.login, changed, body.clone());
        }
        for at in 0..body.encode().len() {
            let mut bytes = body.encode();
            bytes[at] ^= 1;
            let Ok(changed) = Body::decode(&bytes) else { continue };
            refused(&genesis, &author.login, signed.clone(), changed);
        }
    }
    for at in 0..author.login.encode().len() {
        let mut bytes = author.login.encode();
        bytes[at] ^= 1;
        let Ok(changed) = Login::decode(&bytes) else { continue };
        assert!(Replica::new(genesis.clone()).take_login(&changed, &Unchecked).is_err(), "byte {at}");
    }
}

fn refused(genesis: &Genesis, login: &Login, signed: Signed, body: Body) {
    let mut replica = Replica::new(genesis.clone());
    replica.take_login(login, &Unchecked).expect("a good login");
    let received = Received { signed, login: None, body: Some(body) };
    assert!(replica.take(received, u64::MAX >> 16, &Unchecked).is_err());
    assert!(replica.log().is_empty());
}

#[test]
fn a_session_does_what_it_was_handed_in_its_time_and_no_more() {
    let mut author = Author::private(3);
    let core = author.replica.log().core();
    let session = author.replica.login_facts(&author.login.id());
    let by = author.wallet.account();
    let seal = Intent::new(by.clone(), session.clone(), Act::Seal { state: None });
    assert!(author.replica.log().draft(seal, [0; 16], NOW_MS).is_err());
    let put = Act::Put { path: path("content/a"), value: Ipld::Null };
    let late = Intent::new(by, session, put);
    assert!(author.replica.log().draft(late, [0; 16], NOW_MS + 86_400_000).is_err());
    let first = author.put("content/a", 1);
    author.act(Act::Logout { login: author.login.id() }, true);
    assert!(author.replica.log().is_effective(&first));
    let again = Intent::new(
        author.wallet.account(),
        author.replica.login_facts(&author.login.id()),
        Act::Put { path: path("content/a"), value: Ipld::Null },
    );
    assert!(author.replica.log().draft(again, [1; 16], author.now_ms).is_err());
    assert_eq!(author.replica.log().core(), core);
}

#[test]
fn what_is_dated_ahead_is_held_and_not_refused() {
    let mut author = Author::private(4);
    author.put("content/a", 1);
    let (signed, body) = author.export().remove(0);
    let at_ms = signed.header.at.ms();
    let mut replica = Replica::new(author.replica.log().genesis().clone());
    let received = Received { signed, login: Some(Arc::new(author.login.clone())), body };
    let early_ms = at_ms - CLOCK_AHEAD_MS_MAX;
    assert_eq!(replica.take(received, early_ms - 1, &Unchecked).expect("held"), Taken::Waits);
    assert_eq!(replica.waiting().next_due_ms(), Some(early_ms));
    replica.tick(early_ms - 1);
    assert!(replica.log().is_empty());
    replica.tick(early_ms);
    assert_eq!(replica.log().len(), 1);
    assert!(replica.state() == author.replica.state());
}

#[test]
fn a_checkpoint_is_what_the_seals_past_adds_up_to() {
    let mut author = Author::private(6);
    author.put("content/a", 1);
    author.put("content/b", 2);
    author.act(Act::Put { path: path("content/b"), value: Ipld::Null }, true);
    let checkpoint = Checkpoint::now(&author.replica).expect("all bodies are here");
    let seal = author.act(Act::Seal { state: Some(checkpoint.id()) }, false);
    author.put("content/a", 3);
    assert_eq!(Checkpoint::verify(&author.replica, &seal).expect("good"), checkpoint);
    let bytes = checkpoint.encode().expect("small");
    assert_eq!(Checkpoint::decode(&bytes).expect("a checkpoint"), checkpoint);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(
            Checkpoint::decode(&changed).is_ok_and(|other| other.id() != checkpoint.id())
                || Checkpoint::decode(&changed).is_err()
        );
    }
    let begun = checkpoint.state();
    assert_eq!(begun.get(&path("content/a")).as_deref(), Some(&Ipld::Integer(1)));
    assert_eq!(begun.get(&path("content/b")), None);
    assert!(begun.winner(&path("content/b")).is_some(), "a cleared path goes on deciding");

    let lie = author.act(Act::Seal { state: Some(checkpoint.id()) }, false);
    assert!(matches!(Checkpoint::verify(&author.replica, &lie), Err(CheckpointError::Differs { .. })));
    let (report, _) = verify(
        author.replica.log().genesis().clone(),
        [author.login.clone()],
        author.export(),
        author.now_ms,
        &Unchecked,
    );
    assert!(matches!(report.problems[..], [Problem::Checkpoint(CheckpointError::Differs { .. })]));
}

/// Lets one replica sync with another until it is over; gives what `from` was told in the end.
fn sync(from: &mut Replica, to: &mut Replica, allowed: (Allowed, Allowed), now_ms: u64) -> Output {
    let (mut left, hello) = Sync::start(from, allowed.0);
    let mut right = Sync::answer(to.log().core(), allowed.1);
    let mut to_right = vec![hello];
    let mut end = None;
    while !to_right.is_empty() {
        let mut to_left = Vec::new();
        for message in to_right.drain(..) {
            let step = right.step(message, to).expect("keeps to the protocol");
            to_left.extend(step.send);
            take(to, step.outputs, now_ms);
        }
        for message in to_left {
            let step = left.step(message, from).expect("keeps to the protocol");
            to_right.extend(step.send);
            end = take(from, step.outputs, now_ms).or(end);
        }
    }
    end.expect("it ended")
}

fn take(replica: &mut Replica, outputs: Vec<Output>, now_ms: u64) -> Option<Output> {
    let mut end = None;
    for output in outputs {
        match output {
            Output::Received(ops) => {
                for received in ops {
                    replica.take(received, now_ms, &Unchecked).expect("good operations");
                }
            }
            Output::Bodies(bodies) => {
                bodies.into_iter().for_each(|body| replica.take_body(body).expect("good bodies"));
            }
            Output::AllCame => {}
            over => end = Some(over),
        }
    }
    end
}

#[test]
fn a_reader_gets_what_is_public_and_a_host_gets_the_rest() {
    let mut author = Author::private(7);
    let public = author.put("content/public", 1);
    let secret = author.put("content/secret", 2);
    let mut reader = Replica::new(author.replica.log().genesis().clone());
    author.replica.show(public);
    let open = Allowed::PublicOnly;
    let ended = sync(&mut reader, &mut author.replica, (Allowed::Full, open), author.now_ms);
    assert_eq!(ended, Output::Finished { equal: true });
    assert_eq!(reader.log().heads(), author.replica.log().heads());
    assert!(reader.state().get(&path("content/public")).is_some());
    assert!(reader.entry(&secret).is_some_and(|entry| entry.body().is_none()));
    assert_eq!(reader.state().get(&path("content/secret")), None);
    assert!(matches!(Checkpoint::now(&reader), Err(CheckpointError::BodyMissing(op)) if op == secret));

    // Asking again as a reader changes nothing; as a host it brings the rest.
    sync(&mut reader, &mut author.replica, (Allowed::Full, open), author.now_ms);
    assert_eq!(reader.state().get(&path("content/secret")), None);
    sync(&mut reader, &mut author.replica, (Allowed::Full, Allowed::Full), author.now_ms);
    assert_eq!(reader.state().get(&path("content/secret")).as_deref(), Some(&Ipld::Integer(2)));
    assert!(reader.state() == author.replica.state());
}

#[test]
fn a_core_that_a_peer_may_not_know_of_is_not_found() {
    let mut author = Author::private(8);
    author.put("content/a", 1);
    let core = author.replica.log().core();
    let mut stranger = Replica::new(author.replica.log().genesis().clone());
    let ended = sync(&mut stranger, &mut author.replica, (Allowed::Full, Allowed::Nothing), author.now_ms);
    assert_eq!(ended, Output::NotFound);
    assert!(stranger.log().is_empty());
    let (_, hello) = Sync::start(&stranger, Allowed::Full);
    let answer = Sync::answer(core, Allowed::Nothing).step(hello, &author.replica).expect("an answer");
    assert_eq!(answer.send, vec![Message::NotFound { core }]);
}

#[test]
fn many_operations_go_over_in_bounded_windows_both_ways() {
    let mut author = Author::private(9);
    author.put("content/a", 0);
    let mut other = Author::private(9);
    sync(&mut other.replica, &mut author.replica, (Allowed::Full, Allowed::Full), author.now_ms);
    for n in 0..60 {
        let value = Ipld::Bytes(vec![7; 30_000]);
        let path = path(&format!("content/{n}"));
        let side = if n % 3 == 0 { &mut other } else { &mut author };
        side.salt += 1_000;
        side.act(Act::Put { path, value }, true);
    }
    let ended = sync(&mut other.replica, &mut author.replica, (Allowed::Full, Allowed::Full), author.now_ms);
    assert_eq!(ended, Output::Finished { equal: true });
    assert_eq!(author.replica.log().heads().len(), 2);
    assert!(author.replica.state() == other.replica.state());
}

#[test]
fn all_of_a_core_comes_with_the_first_answer_to_whoever_has_nothing() {
    let mut author = Author::private(9);
    for n in 0..10 {
        author.put(&format!("content/{n}"), n);
    }
    let core = author.replica.log().core();
    let (mut left, hello) = Sync::start_empty(core);
    let mut other = Replica::new(author.replica.log().genesis().clone());
    assert_eq!(hello, Sync::start(&other, Allowed::Full).1);
    let answer = Sync::answer(core, Allowed::Full).step(hello, &author.replica).expect("an answer");
    assert_eq!(answer.send.last(), Some(&Message::Sent));
    let mut came = false;
    for message in answer.send {
        let outputs = left.step(message, &other).expect("keeps to the protocol").outputs;
        came |= outputs.contains(&Output::AllCame);
        take(&mut other, outputs, author.now_ms);
    }
    assert!(came && other.state() == author.replica.state());
}

#[test]
fn who_lacks_bodies_asks_for_them_though_its_heads_are_known() {
    let mut author = Author::private(9);
    let op = author.put("content/a", 1);
    let mut other = Replica::new(author.replica.log().genesis().clone());
    sync(&mut other, &mut author.replica, (Allowed::Full, Allowed::PublicOnly), author.now_ms);
    assert!(other.entry(&op).is_some_and(|entry| entry.body().is_none()));
    author.put("content/b", 2);
    let (_, hello) = Sync::start(&other, Allowed::Full);
    assert!(matches!(hello, Message::Hello { wants: true, .. }));
    let core = author.replica.log().core();
    let answer = Sync::answer(core, Allowed::Full).step(hello, &author.replica).expect("an answer");
    assert!(!answer.send.contains(&Message::Sent), "more may be asked for");
    sync(&mut other, &mut author.replica, (Allowed::Full, Allowed::Full), author.now_ms);
    assert!(other.state() == author.replica.state());
}

/// A side that was asked for its core by somebody whose heads it does not know.
fn asked(author: &Author) -> Sync {
    let core = author.replica.log().core();
    let mut side = Sync::answer(core, Allowed::Full);
    let hello =
        Message::Hello { core, heads: vec![OpId::from_digest([9; 32])], count: 1, knows: false, wants: true };
    side.step(hello, &author.replica).expect("keeps to the protocol");
    side
}

#[test]
fn what_is_asked_for_again_and_again_is_sent_once() {
    let mut author = Author::private(11);
    let ops: Vec<OpId> = (0..20).map(|n| author.put(&format!("content/{n}"), n)).collect();
    let mut side = asked(&author);
    let (mut headers, mut bodies) = (0, 0);
    let mut messages = Vec::new();
    for more in [true, false, true, false, false] {
        for _ in 0..100 {
            messages.push(Message::Want { ops: ops.clone(), bodies: ops.clone(), more });
        }
    }
    messages.extend(vec![Message::Next; 1_000]);
    for message in messages {
        for sent in side.step(message, &author.replica).expect("keeps to the protocol").send {
            match sent {
                Message::Headers { ops, .. } => headers += ops.len(),
                Message::Bodies { bodies: some, .. } => bodies += some.len(),
                _ => {}
            }
        }
    }
    // A body that is asked for comes with its operation, too.
    assert_eq!((headers, bodies), (ops.len(), 2 * ops.len()));
}

#[test]
fn sign_ins_that_no_operation_names_are_not_kept() {
    let mut author = Author::private(12);
    let op = author.put("content/a", 1);
    let (signed, body) = (author.replica.signed(&op).expect("is here"), author.replica.body(&op));
    let login = author.login.encode();
    let told = |first: Vec<Vec<u8>>| {
        let mut side = asked(&author);
        let mut received = Vec::new();
        let blocks = |blocks: &[Vec<u8>]| blocks.iter().cloned().map(Into::into).collect::<Vec<_>>();
        for ops in [first, vec![signed.clone()]] {
            let logins = if received.is_empty() { vec![login.clone()] } else { Vec::new() };
            let headers = Message::Headers { ops: blocks(&ops), logins: blocks(&logins) };
            side.step(headers, &author.replica).expect("keeps to the protocol");
            let bodies = Message::Bodies { bodies: blocks(body.as_slice()), last: true };
            let step = side.step(bodies, &author.replica).expect("keeps to the protocol");
            received.push(step.outputs.into_iter().find_map(|output| match output {
                Output::Received(received) => Some(received),
                _ => None,
            }));
        }
        let last = received.pop().flatten().and_then(|mut last| last.pop());
        last.expect("an operation").login.is_some()
    };
    assert!(told(vec![signed.clone()]), "one that was named counts from then on");
    assert!(!told(Vec::new()), "one that was not is forgotten");
}

#[test]
fn a_peer_that_breaks_the_protocol_is_dropped() {
    let mut author = Author::private(10);
    author.put("content/a", 1);
    let core = author.replica.log().core();
    let hello = || Sync::start(&Replica::new(author.replica.log().genesis().clone()), Allowed::Full).1;
    let check = |messages: Vec<Message>| {
        let mut side = Sync::answer(core, Allowed::Full);
        let mut last = Ok(());
        for message in messages {
            last = side.step(message, &author.replica).map(drop);
        }
        assert!(side.is_over());
        last.expect_err("breaks the protocol")
    };
    let stranger = Genesis::Private { root: Account::Eoa([9; 20]) }.id();
    assert!(matches!(check(vec![Message::NotFound { core: stranger }]), SyncError::OtherCore(_)));
    assert!(matches!(check(vec![Message::Next]), SyncError::Unexpected("next")));
    assert!(matches!(check(vec![hello(), hello()]), SyncError::Unexpected("hello")));
    assert!(matches!(check(vec![hello(), Message::Done { heads: vec![] }]), SyncError::Unexpected("done")));
    let bodies = Message::Bodies { bodies: vec![], last: true };
    assert!(matches!(check(vec![hello(), bodies]), SyncError::Unexpected("bodies")));
    let junk = Message::Headers { ops: vec![vec![0].into()], logins: vec![] };
    assert!(matches!(check(vec![hello(), junk]), SyncError::Block(_)));
    let recon = Message::Recon { bytes: vec![0x61, 1, 2, 3].into() };
    assert!(matches!(check(vec![hello(), recon]), SyncError::Recon(_)));
}

#[test]
fn a_shared_core_with_members_checks_out_without_trust() {
    let root = EoaKey::from_secret(&[11; 32]).expect("a fixed key").account();
    let genesis =
        Genesis::Shared { root: Principal::One(root), parent: None, name: "team".to_owned(), nonce: [3; 16] };
    let (mut admin, mut member) = (Author::new(genesis.clone(), 11), Author::new(genesis.clone(), 12));
    let grant = admin.act(
        Act::Grant {
            to: Principal::One(member.wallet.account()),
            role: Some("writer".to_owned()),
            can: vec!["put content/**".parse().expect("an ability")],
            wait_ms: None,
        },
        false,
    );
    sync(&mut member.replica, &mut admin.replica, (Allowed::Full, Allowed::Full), NOW_MS + 60_000);
    member.put("content/a", 1);
    admin.act(Act::Revoke { grant, from: None }, false);
    member.put("content/b", 2);
    sync(&mut member.replica, &mut admin.replica, (Allowed::Full, Allowed::Full), NOW_MS + 60_000);
    assert!(member.replica.state() == admin.replica.state());
    let logins = [admin.login.clone(), member.login.clone()];
    let (report, _) = verify(genesis, logins, admin.export(), NOW_MS + 60_000, &Unchecked);
    assert!(report.is_clean(), "{:?}", report.problems);
    // What the member wrote was not known to the revocation.
    assert_eq!((report.ops, report.effective, report.void), (4, 2, 2));
}
