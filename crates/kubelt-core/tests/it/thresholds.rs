//! Two of three: what the signers were shown is what happens, on every replica, whoever tries what.

use ipld_core::ipld::Ipld;
use kubelt_core::{
    Account, Act, Body, BodyId, CoreId, EoaKey, Genesis, Header, Hlc, Intent, OpId, Principal, Refusal,
    Replica, Signed, Unchecked,
    log::{DraftError, EntryError},
    replica::{TakeError, Taken},
    schema::Request,
    sync::Received,
    words,
};

const NOW_MS: u64 = 1_800_000_000_000;
const HOUR_MS: u64 = 3_600_000;

/// A core of three wallets, any two of which decide, on two replicas.
struct World {
    wallets: Vec<EoaKey>,
    replicas: [Replica; 2],
    salt: u128,
    now_ms: u64,
}

struct Op {
    signed: Signed,
    body: Body,
}

impl World {
    fn new(nonce: u8) -> Self {
        let wallets: Vec<EoaKey> =
            (1..=3).map(|n| EoaKey::from_secret(&[n; 32]).expect("a secret key")).collect();
        let root = Principal::threshold(2, wallets.iter().map(EoaKey::account).collect()).expect("fits");
        let genesis = Genesis::Shared { root, parent: None, name: "acme".to_owned(), nonce: [nonce; 16] };
        let replicas = [Replica::new(genesis.clone()), Replica::new(genesis)];
        Self { wallets, replicas, salt: 0, now_ms: NOW_MS }
    }

    fn core(&self) -> CoreId {
        self.replicas[0].log().core()
    }

    fn account(&self, who: usize) -> Account {
        self.wallets[who].account()
    }

    /// What `who` wants, with nobody's votes: refused as long as nobody agrees.
    fn proposal(&mut self, who: usize, act: Act) -> (Header, Body) {
        self.salt += 1;
        let body = Body::new(self.salt.to_be_bytes(), act);
        let header = Header {
            v: 1,
            core: self.core(),
            prev: Vec::new(),
            by: self.account(who),
            login: None,
            auth: self.core().as_root(),
            at: Hlc::from_ms(self.now_ms),
            votes: Vec::new(),
            verb: body.act.verb(),
            body: body.id(),
        };
        (header, body)
    }

    /// The operation of a proposal, after all that is known, with these votes.
    fn finish(&mut self, header: &Header, body: &Body, votes: Vec<OpId>) -> Op {
        self.now_ms += 1_000;
        let heads = self.replicas[0].log().heads();
        let header = Header { prev: heads, votes, at: Hlc::from_ms(self.now_ms), ..header.clone() };
        let who = self.wallets.iter().find(|wallet| wallet.account() == header.by).expect("one of us");
        let signed = match header.is_shown() {
            true => who.sign_typed(header, body).expect("has words"),
            false => who.sign_op(header, body).expect("needs no words"),
        };
        Op { signed, body: body.clone() }
    }

    /// `who` approves a proposal, having been shown these words.
    fn vote(&mut self, who: usize, proposal: BodyId, shown: [u8; 32], expires_ms: u64) -> Op {
        self.now_ms += 1_000;
        self.salt += 1;
        let expires = Hlc::from_ms(expires_ms);
        let act = Act::Vote { proposal, approve: true, shown: shown.into(), what: None, expires };
        let intent = Intent::new(self.account(who), None, act);
        let drafted = self.replicas[0].log().draft(intent, self.salt.to_be_bytes(), self.now_ms);
        let (header, body) = drafted.expect("a member may vote");
        let signed = self.wallets[who].sign_typed(header, &body).expect("is typed data");
        Op { signed, body }
    }

    /// Both replicas come to the same verdict.
    fn take(&mut self, op: &Op) -> Result<OpId, String> {
        let now_ms = self.now_ms;
        let verdicts = self.replicas.each_mut().map(|replica| {
            let (signed, body) = (op.signed.clone(), Some(op.body.clone()));
            match replica.take(Received { signed, login: None, body }, now_ms, &Unchecked) {
                Ok(Taken::In | Taken::Known) => Ok(op.signed.id()),
                Ok(other) => panic!("`{other:?}`"),
                Err(TakeError::Rule(refusal)) => Err(format!("{refusal:?}")),
                Err(TakeError::Entry(EntryError::Signature(error))) => Err(format!("{error:?}")),
                Err(other) => panic!("{other}"),
            }
        });
        let [one, two] = verdicts;
        assert_eq!(one, two);
        assert!(self.replicas[0].state() == self.replicas[1].state());
        one
    }

    fn expect(&mut self, op: &Op) -> OpId {
        self.take(op).expect("is taken")
    }

    fn value(&self, path: &str) -> Option<Ipld> {
        let path = path.parse().expect("a path");
        let winner = self.replicas[0].state().winners().find(|(at, _)| **at == path);
        winner.map(|(_, winner)| (*winner.value).clone())
    }
}

fn put(path: &str, value: &str) -> Act {
    Act::Put { path: path.parse().expect("a path"), value: Ipld::String(value.to_owned()) }
}

fn shown(header: &Header, body: &Body) -> [u8; 32] {
    words::shown(&header.by, body).expect("has words")
}

#[test]
fn two_of_three_deploy_and_hand_over_by_typed_data() {
    let mut world = World::new(1);
    let (header, body) = world.proposal(0, put("config/site", "new"));
    let alone = world.finish(&header, &body, vec![]);
    assert_eq!(world.take(&alone), Err(format!("{:?}", Refusal::Quorum { have: 1, need: 2 })));
    let vote = world.vote(1, header.proposal(), shown(&header, &body), NOW_MS + HOUR_MS);
    let vote = world.expect(&vote);
    let op = world.finish(&header, &body, vec![vote]);
    world.expect(&op);
    assert_eq!(world.value("config/site"), Some(Ipld::String("new".to_owned())));

    let root = Principal::One(world.account(2));
    let (header, body) = world.proposal(1, Act::Rotate { root: root.clone() });
    let vote = world.vote(2, header.proposal(), shown(&header, &body), NOW_MS + HOUR_MS);
    let vote = world.expect(&vote);
    let op = world.finish(&header, &body, vec![vote]);
    world.expect(&op);
    assert_eq!(world.replicas[1].log().root(), &root);
}

#[test]
fn a_vote_on_other_words_never_counts() {
    let mut world = World::new(1);
    let (harmless, harmless_body) = world.proposal(0, put("config/site", "harmless"));
    for act in [put("config/site", "evil"), Act::Rotate { root: Principal::One(world.account(0)) }] {
        let (evil, evil_body) = world.proposal(0, act);
        // The wallet shows the harmless words beside the hash of the other proposal.
        let vote = world.vote(1, evil.proposal(), shown(&harmless, &harmless_body), NOW_MS + HOUR_MS);
        let vote = world.expect(&vote);
        let op = world.finish(&evil, &evil_body, vec![vote]);
        assert_eq!(world.take(&op), Err(format!("{:?}", Refusal::OtherWords(vote))));
        assert_eq!(world.take(&op), Err(format!("{:?}", Refusal::OtherWords(vote))), "on every try");
        // Nor for what the words say: it is another proposal.
        let op = world.finish(&harmless, &harmless_body, vec![vote]);
        assert_eq!(world.take(&op), Err(format!("{:?}", Refusal::Quorum { have: 1, need: 2 })));
    }
    assert_eq!(world.value("config/site"), None);
}

#[test]
fn a_withheld_body_makes_no_vote_count() {
    let mut world = World::new(1);
    let (harmless, harmless_body) = world.proposal(0, put("config/site", "harmless"));
    let (evil, evil_body) = world.proposal(0, put("config/site", "evil"));
    let vote = world.vote(1, evil.proposal(), shown(&harmless, &harmless_body), NOW_MS + HOUR_MS);
    let vote = world.expect(&vote);
    let op = world.finish(&evil, &evil_body, vec![vote]);
    let now_ms = world.now_ms;
    let replica = &mut world.replicas[0];
    let header_alone = Received { signed: op.signed.clone(), login: None, body: None };
    // Without its body nobody can tell, and no path changes.
    assert_eq!(replica.take(header_alone, now_ms, &Unchecked).expect("is taken"), Taken::In);
    assert_eq!(replica.state().winners().count(), 0);
    let refused = replica.take_body(op.body.clone());
    assert!(matches!(refused, Err(TakeError::Rule(Refusal::OtherWords(id))) if id == vote), "{refused:?}");
    assert_eq!(replica.state().winners().count(), 0);
}

#[test]
fn a_vote_is_for_one_act_of_one_core() {
    let mut world = World::new(1);
    let (first, first_body) = world.proposal(0, put("config/site", "one"));
    let vote = world.vote(1, first.proposal(), shown(&first, &first_body), NOW_MS + HOUR_MS);
    let id = world.expect(&vote);
    // The same act again, the same act of somebody else.
    let quorum = Err(format!("{:?}", Refusal::Quorum { have: 1, need: 2 }));
    for who in [0, 2] {
        let (again, again_body) = world.proposal(who, put("config/site", "one"));
        let op = world.finish(&again, &again_body, vec![id]);
        assert_eq!(world.take(&op), quorum);
    }
    let stolen = Header { by: world.account(2), ..first.clone() };
    let op = world.finish(&stolen, &first_body, vec![id]);
    assert_eq!(world.take(&op), quorum);
    // Another core of the same three.
    let mut other = World::new(2);
    assert_eq!(other.take(&vote), Err(format!("{:?}", Refusal::OtherCore(world.core()))));
    let mut moved = vote.signed.clone();
    (moved.header.core, moved.header.auth) = (other.core(), other.core().as_root());
    let refused = other.take(&Op { signed: moved, body: vote.body.clone() }).expect_err("is refused");
    assert!(refused.starts_with("OtherAddress") || refused.starts_with("Mismatch"), "{refused}");
    let (header, body) = other.proposal(0, put("config/site", "one"));
    let op = other.finish(&header, &body, vec![id]);
    assert_eq!(other.take(&op), Err(format!("{:?}", Refusal::NotAVote(id))));
}

#[test]
fn voters_are_counted_once_and_only_while_their_votes_last() {
    let mut world = World::new(1);
    let (header, body) = world.proposal(0, put("config/site", "one"));
    let quorum = Err(format!("{:?}", Refusal::Quorum { have: 1, need: 2 }));
    // One's own votes, a stranger's, an expired one.
    let own = world.vote(0, header.proposal(), shown(&header, &body), NOW_MS + HOUR_MS);
    let own_again = world.vote(0, header.proposal(), shown(&header, &body), NOW_MS + HOUR_MS);
    let (own, own_again) = (world.expect(&own), world.expect(&own_again));
    let mut votes = vec![own, own_again];
    votes.sort_unstable();
    let op = world.finish(&header, &body, votes);
    assert_eq!(world.take(&op), quorum);
    let short = world.vote(1, header.proposal(), shown(&header, &body), NOW_MS + 10_000);
    let short = world.expect(&short);
    world.now_ms = NOW_MS + 10_000;
    let op = world.finish(&header, &body, vec![short]);
    assert_eq!(world.take(&op), quorum);
    // The same vote with its signature spelled otherwise is the same vote.
    let vote = world.vote(2, header.proposal(), shown(&header, &body), NOW_MS + HOUR_MS);
    let id = world.expect(&vote);
    let mut spelled = vote.signed.clone();
    spelled.signature[64] -= 27;
    assert_eq!(world.take(&Op { signed: spelled.clone(), body: vote.body.clone() }), Ok(id));
    let mut votes = vec![id, own];
    votes.sort_unstable();
    let op = world.finish(&header, &body, votes);
    world.expect(&op);
}

#[test]
fn a_threshold_fits_its_group() {
    let of: Vec<Account> = (1..=3).map(|n| Account::Eoa([n; 20])).collect();
    for m in [0, 4, 255] {
        assert!(Principal::threshold(m, of.clone()).is_err(), "{m} of 3");
    }
    let twice = vec![of[0].clone(), of[0].clone(), of[1].clone()];
    assert!(Principal::threshold(2, twice).is_err(), "one account twice");
    // Nor does a block of one decode.
    let good = Body::new([0; 16], Act::Rotate { root: Principal::threshold(3, of).expect("fits") }).encode();
    assert!(Body::decode(&good).is_ok());
    let at = good.windows(3).position(|bytes| bytes == b"am\x03").expect("`m` is 3");
    let mut bad = good;
    bad[at + 2] = 4;
    assert!(Body::decode(&bad).is_err());
}

#[test]
fn everybody_files_requests_of_their_own_and_nobody_elses() {
    let mut world = World::new(1);
    let (header, body) = world.proposal(0, put("config/site", "one"));
    let request = Request {
        auth: header.auth,
        body: body.clone(),
        expires_ms: NOW_MS + HOUR_MS,
        title: Some("A new site".to_owned()),
    };
    assert_eq!(request.proposal(header.core, &header.by), header.proposal());
    let path = Request::path(&header.by, &header.proposal());
    let file = Act::Put { path: path.clone(), value: request.to_ipld() };
    let (filing, filing_body) = world.proposal(0, file.clone());
    let op = world.finish(&filing, &filing_body, vec![]);
    world.expect(&op);
    assert_eq!(world.value(path.as_str()), Some(request.to_ipld()));
    // Another member cannot clear or replace it alone, and a stranger has no part in it.
    for act in [Act::Put { path: path.clone(), value: Ipld::Null }, file] {
        let (header, body) = world.proposal(1, act);
        let op = world.finish(&header, &body, vec![]);
        assert_eq!(world.take(&op), Err(format!("{:?}", Refusal::Quorum { have: 1, need: 2 })));
    }
    // A request cites no votes, or votes could be used up unseen.
    let vote = world.vote(1, header.proposal(), shown(&header, &body), NOW_MS + HOUR_MS);
    let vote = world.expect(&vote);
    let (clearing, clearing_body) = world.proposal(0, Act::Put { path: path.clone(), value: Ipld::Null });
    let op = world.finish(&clearing, &clearing_body, vec![vote]);
    assert!(world.take(&op).is_err_and(|refusal| refusal.contains("cites no votes")));
    let op = world.finish(&clearing, &clearing_body, vec![]);
    world.expect(&op);
    assert_eq!(world.value(path.as_str()), Some(Ipld::Null));
}

#[test]
fn a_revocation_names_whom_it_takes_from() {
    let root = EoaKey::from_secret(&[1; 32]).expect("a secret key");
    let genesis = Genesis::Shared {
        root: Principal::One(root.account()),
        parent: None,
        name: "acme".to_owned(),
        nonce: [0; 16],
    };
    let mut replica = Replica::new(genesis);
    let member = Account::Eoa([2; 20]);
    let grant = Act::Grant {
        to: Principal::One(member.clone()),
        role: Some("developer".to_owned()),
        can: vec!["put content/**".parse().expect("an ability")],
        wait_ms: None,
    };
    let draft =
        |replica: &Replica, act| replica.log().draft(Intent::new(root.account(), None, act), [7; 16], NOW_MS);
    let (header, body) = draft(&replica, grant).expect("may");
    let grant = header.id();
    let signed = root.sign_typed(header, &body).expect("has words");
    replica.take(Received { signed, login: None, body: Some(body) }, NOW_MS, &Unchecked).expect("is taken");
    let (_, body) = draft(&replica, Act::Revoke { grant, from: None }).expect("may");
    let words = words::of_act(&body.act).expect("has words");
    assert!(words.starts_with(&format!("Take back from {member} the role \"developer\"")), "{words}");
    let Act::Revoke { from: Some(holder), .. } = body.act else { panic!("it is filled in") };
    for other in [
        kubelt_core::Holder { to: Principal::One(Account::Eoa([3; 20])), ..holder.clone() },
        kubelt_core::Holder { role: None, ..holder },
    ] {
        let refused = draft(&replica, Act::Revoke { grant, from: Some(other) });
        assert_eq!(refused.err(), Some(DraftError::Refused(Refusal::OtherHolder(grant))));
    }
}
