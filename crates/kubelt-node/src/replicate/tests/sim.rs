//! Many nodes on a network that delays, breaks and cuts, with crashes, liars and members who were removed: once all is
//! well again, all honest hosts have the same core. The seed is printed: `KUBELT_SIM_SEED` begins with it again,
//! `KUBELT_SIM_ROUNDS` makes more rounds. (What threads do when is not from the seed; what happens to whom is.)

mod dice;
mod late;
mod liar;
mod machines;
mod scale;
mod wire;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    env,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::Ipld;
use kubelt_core::{
    Act, CoreId, EoaKey, Genesis, LoginId, OpId, Principal, PublicKey, SessionKey, schema::Visibility,
};

use self::{
    dice::Dice,
    machines::{Machine, Made, Sim, host, path},
};
use super::world::wallet;
use crate::{
    Ask,
    content::{Wholeness, how_whole},
    write::content_entry,
};

/// Honest nodes that host the shared core; the first of them host the private one, too.
const HOSTS: usize = 4;
const PRIVATE_HOSTS: usize = 2;
/// A host whose bytes get damaged.
const CROOKED: usize = HOSTS;
/// Where the member who is removed goes on writing, alone.
const FORK: usize = HOSTS + 1;
/// Where the owner of the private core is signed in for a while, at a node that is no host.
const GUEST: usize = FORK + 1;
/// How far the clock of one of the hosts is ahead: further than the others take operations for.
const AHEAD_MS: u64 = 200_000;
/// What only hosts may ever see holds this.
const SECRET: &[u8] = b"for-hosts-only/";
const STEPS: usize = 60;

#[test]
#[allow(clippy::print_stdout, reason = "whoever sees it fail needs the seed")]
fn whatever_happens_honest_hosts_become_equal() {
    let read = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = read("KUBELT_SIM_SEED").unwrap_or(1_003);
    for seed in first..first + read("KUBELT_SIM_ROUNDS").unwrap_or(3) {
        println!("KUBELT_SIM_SEED={seed}");
        machines::run(|| async move {
            let mut story = Story::begin(seed).await;
            for _ in 0..STEPS {
                story.happen().await;
            }
            story.heal().await;
            story.check();
            story.tell();
        });
    }
}

/// One round.
struct Story {
    sim: Sim,
    shared: CoreId,
    private: CoreId,
    liar: PublicKey,
    spy: PublicKey,
    down: HashSet<usize>,
    /// Everything that was ever signed, by core.
    made: HashMap<CoreId, HashSet<OpId>>,
    /// What the removed member signed, oldest first, and when he was removed.
    late: Vec<Made>,
    revoked: bool,
    /// The sign-in at the guest, and what was signed in the private core since it was ended.
    login: Option<LoginId>,
    unseen: Option<Vec<OpId>>,
    /// Blocks and what is in them.
    leaves: BTreeMap<Cid, Bytes>,
    salt: u128,
    counts: BTreeMap<&'static str, u64>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut sim = Sim::new(Dice::seeded(seed), (5, 120));
        for n in 0..=GUEST {
            sim.add(if n == HOSTS - 1 { AHEAD_MS } else { 0 }).await;
        }
        let key = |n: u8| SessionKey::from_seed([n; 32]).public();
        let shared = Genesis::Shared {
            root: Principal::One(wallet(1).account()),
            parent: None,
            name: "shared".to_owned(),
            nonce: [0; 16],
        };
        let private = Genesis::Private { root: wallet(2).account() };
        let (liar, spy) = (key(200), key(201));
        let mut story = Self {
            shared: shared.id(),
            private: private.id(),
            liar,
            spy,
            down: HashSet::new(),
            made: HashMap::new(),
            late: Vec::new(),
            revoked: false,
            login: None,
            unseen: None,
            leaves: BTreeMap::new(),
            salt: 0,
            counts: BTreeMap::new(),
            sim,
        };
        for machine in &story.sim.machines[..GUEST] {
            machine.take_genesis(&story.shared, &shared.encode()).await;
        }
        for machine in &story.sim.machines[..PRIVATE_HOSTS] {
            machine.take_genesis(&story.private, &private.encode()).await;
        }
        story.found().await;
        let dice = story.sim.dice.fork();
        let target = liar::answering(story.sim.machines[0].store.clone(), shared.encode(), dice);
        story.sim.net.listen(liar, Some(target));
        story.sim.net.spy(spy);
        // The fork hears of nothing.
        story.sim.net.listen(story.sim.machines[FORK].key, None);
        story.sign_in().await;
        story
    }

    /// The owner signs in at the guest, and names a host there.
    async fn sign_in(&mut self) {
        let (guest, owner) = (&self.sim.machines[GUEST].node, wallet(2));
        let ask = Ask::of(owner.account());
        let made = guest.sessions.challenge("localhost", ask).expect("a challenge");
        let signature = owner.sign(made.message.as_bytes());
        let opened = guest.sessions.open("localhost", &made.message, &signature).await.expect("a session");
        self.login = Some(opened.session.id());
        let (remotes, core) = (guest.remotes.clone(), self.private);
        let address = machines::address(&self.sim.machines[0].key).parse().expect("an address");
        tokio::spawn(async move { remotes.add(&opened.session, core, address, false).await });
        self.sim.pass(5_000).await;
        assert!(!self.sim.machines[GUEST].ops(&self.private).is_empty(), "the guest got nothing");
    }

    /// The owner ends that sign-in at the host: nothing that is signed from then on may reach the guest.
    async fn end_session(&mut self) {
        if self.unseen.is_some() || self.down.contains(&0) {
            return;
        }
        let act = Act::Logout { login: self.login.expect("signed in") };
        let made = self.sign(0, self.private, &wallet(2), act).await;
        self.sim.machines[0].post(&made).await.expect("is taken");
        self.unseen = Some(Vec::new());
    }

    /// Names the hosts and lets members in, everywhere.
    async fn found(&mut self) {
        let mut hosts: Vec<Act> = self.sim.machines[..=CROOKED].iter().map(|m| host(&m.key)).collect();
        hosts.push(host(&self.liar));
        let can = vec!["put content/**".parse().expect("one"), "put profile/**".parse().expect("one")];
        for member in [3, 4] {
            let to = Principal::One(wallet(member).account());
            hosts.push(Act::Grant { to, role: None, can: can.clone(), wait_ms: None });
        }
        for act in hosts {
            let made = self.sign(0, self.shared, &wallet(1), act).await;
            for n in 0..GUEST {
                self.sim.machines[n].post(&made).await.expect("is taken");
            }
        }
        for n in 0..PRIVATE_HOSTS {
            let act = host(&self.sim.machines[n].key);
            let made = self.sign(0, self.private, &wallet(2), act).await;
            for n in 0..PRIVATE_HOSTS {
                self.sim.machines[n].post(&made).await.expect("is taken");
            }
        }
    }

    async fn sign(&mut self, at: usize, core: CoreId, by: &EoaKey, act: Act) -> Made {
        self.salt += 1;
        let made = self.sim.machines[at].sign(&core, by, act, self.salt.to_be_bytes()).await;
        self.made.entry(core).or_default().insert(made.signed.id());
        if let Some(unseen) = self.unseen.as_mut().filter(|_| core == self.private) {
            unseen.push(made.signed.id());
        }
        made
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Something happens, and time passes.
    async fn happen(&mut self) {
        match self.sim.dice.below(17) {
            0..=5 => self.write().await,
            6 | 7 => self.publish().await,
            8 => {
                self.count("breaks");
                self.sim.net.break_one();
            }
            9 | 10 => self.cut(),
            11 => self.crash().await,
            12 => self.restart().await,
            13 => self.lie(),
            14 => self.revoke().await,
            15 => self.end_session().await,
            _ => self.write_late().await,
        }
        self.ask_as_stranger();
        let ms = self.sim.dice.below(4_000) as u64;
        self.sim.pass(ms).await;
    }

    /// A host that is up.
    fn up(&mut self, below: usize) -> Option<usize> {
        let at = self.sim.dice.below(below);
        (!self.down.contains(&at)).then_some(at)
    }

    async fn write(&mut self) {
        let private = self.sim.dice.once_in(3);
        let Some(at) = self.up(if private { PRIVATE_HOSTS } else { HOSTS }) else { return };
        let (core, by) = match private {
            true => (self.private, wallet(2)),
            false => (self.shared, wallet([1, 3][self.sim.dice.below(2)])),
        };
        // A few paths, so that writers meet.
        let path = path(&format!("profile/p{}", self.sim.dice.below(6)));
        let value = Ipld::String(format!("{}{}", String::from_utf8_lossy(SECRET), self.salt));
        let made = self.sign(at, core, &by, Act::Put { path, value }).await;
        self.sim.machines[at].post(&made).await.expect("is taken");
        self.count("writes");
    }

    async fn publish(&mut self) {
        let Some(at) = self.up(HOSTS) else { return };
        let public = self.sim.dice.once_in(2);
        let mut leaves = Vec::new();
        for _ in 0..1 + self.sim.dice.below(12) {
            let size = 100 + self.sim.dice.below(60_000);
            let mark = if public { b"for-all/".as_slice() } else { SECRET };
            let mut leaf = [mark, &self.sim.dice.word().to_le_bytes()].concat();
            leaf.resize(size.max(leaf.len()), self.sim.dice.word().to_le_bytes()[0]);
            leaves.push(Bytes::from(leaf));
        }
        for leaf in &leaves {
            let block = kubelt_content::Block::new(kubelt_content::Codec::Raw, leaf.clone()).expect("short");
            self.leaves.insert(*block.cid(), leaf.clone());
        }
        let visibility = if public { Visibility::Public } else { Visibility::Members };
        let entry = self.sim.machines[at].store_file(&self.shared, &leaves, visibility).await;
        // Public and other content at paths of their own; some of it at many paths at once.
        let copies = if self.sim.dice.once_in(4) { 40 } else { 1 };
        let kind = if public { "open" } else { "closed" };
        for copy in 0..copies {
            let path = path(&format!("content/{kind}/{}-{copy}", self.sim.dice.below(8)));
            let act = Act::Put { path, value: entry.to_ipld() };
            let made = self.sign(at, self.shared, &wallet(3), act).await;
            self.sim.machines[at].post(&made).await.expect("is taken");
        }
        self.count("files");
    }

    fn cut(&mut self) {
        let mut sides = HashMap::new();
        if self.sim.dice.below(3) > 0 {
            self.count("cuts");
            for machine in &self.sim.machines {
                sides.insert(machine.key, self.sim.dice.below(2));
            }
        }
        self.sim.net.cut(sides);
    }

    async fn crash(&mut self) {
        let Some(at) = self.up(HOSTS) else { return };
        self.down.insert(at);
        self.sim.crash(at).await;
        self.count("crashes");
    }

    async fn restart(&mut self) {
        if let Some(at) = self.down.iter().min().copied() {
            self.down.remove(&at);
            self.sim.restart(at).await;
        }
    }

    fn lie(&mut self) {
        let once_in = 2 + self.sim.dice.below(20);
        let key = self.sim.machines[CROOKED].key;
        self.sim.net.lie(&key, Some(once_in));
        self.count("lies");
    }

    /// The member is removed; what he signs from now on must count nowhere.
    async fn revoke(&mut self) {
        let Some(at) = self.up(HOSTS).filter(|_| !self.revoked) else { return };
        let member = wallet(4).account();
        let find = |log: &kubelt_core::Log| {
            log.grants().find(|grant| grant.to.accounts().contains(&member)).map(|grant| grant.id)
        };
        let grant = self.sim.machines[at].node.cores.with_log(&self.shared, find).await.expect("reads");
        let act = Act::Revoke { grant: grant.expect("was granted"), from: None };
        let made = self.sign(at, self.shared, &wallet(1), act).await;
        self.sim.machines[at].post(&made).await.expect("is taken");
        self.revoked = true;
    }

    /// The removed member signs on the fork that he has, and hands all of it to some host.
    async fn write_late(&mut self) {
        if !self.revoked {
            return;
        }
        let path = path(&format!("profile/p{}", self.sim.dice.below(6)));
        let act = Act::Put { path, value: Ipld::String(format!("late {}", self.salt)) };
        let made = self.sign(FORK, self.shared, &wallet(4), act).await;
        self.sim.machines[FORK].post(&made).await.expect("is taken");
        self.late.push(made);
        let Some(at) = self.up(HOSTS) else { return };
        for made in &self.late {
            self.sim.machines[at].post(made).await.expect("is well-formed");
        }
        self.count("late writes");
    }

    /// A stranger asks some host for both cores, and for all that it can hear of.
    fn ask_as_stranger(&mut self) {
        let to = self.sim.machines[self.sim.dice.below(HOSTS)].key;
        let (net, spy, cores) = (self.sim.net.clone(), self.spy, [self.shared, self.private]);
        let cids: Vec<Cid> = self.leaves.keys().copied().take(200).collect();
        tokio::spawn(async move { stranger::ask(&net, spy, to, cores, cids).await });
    }

    /// Everything works again.
    async fn heal(&mut self) {
        self.sim.net.cut(HashMap::new());
        while !self.down.is_empty() {
            self.restart().await;
        }
        while !self.revoked {
            self.revoke().await;
        }
        self.write_late().await;
        self.end_session().await;
        for n in 0..4 {
            let act = Act::Put { path: path("profile/last"), value: Ipld::Integer(n) };
            let made = self.sign(0, self.private, &wallet(2), act).await;
            self.sim.machines[0].post(&made).await.expect("is taken");
        }
        let until = self.sim.elapsed_ms() + 40 * 60 * 1_000;
        while !self.is_healed() {
            assert!(self.sim.elapsed_ms() < until, "they never become equal: {}", self.difference());
            self.sim.pass(2_000).await;
        }
    }

    fn groups(&self) -> [(CoreId, &[Machine]); 2] {
        let all = &self.sim.machines;
        [(self.shared, &all[..HOSTS]), (self.private, &all[..PRIVATE_HOSTS])]
    }

    fn is_healed(&self) -> bool {
        self.groups().iter().all(|(core, hosts)| {
            let first = super::world::everything(&hosts[0].store, core);
            hosts
                .iter()
                .all(|host| super::world::everything(&host.store, core) == first && lacks(host, core) == 0)
        })
    }

    fn difference(&self) -> String {
        let tell = |core: &CoreId, host: &Machine| {
            let (heads, state, named) = super::world::everything(&host.store, core);
            let ops = host.ops(core);
            let bare = ops.iter().filter(|op| op.body.is_none()).count();
            format!(
                "\n  {} operations, {bare} without bodies, {} heads, {} paths, {} open, {} lacking",
                ops.len(),
                heads.len(),
                state.len(),
                named.len(),
                lacks(host, core)
            )
        };
        let groups = self.groups();
        groups.iter().flat_map(|(core, hosts)| hosts.iter().map(|host| tell(core, host))).collect()
    }

    fn check(&self) {
        for (core, hosts) in self.groups() {
            for host in hosts {
                for op in host.ops(&core) {
                    assert!(self.made[&core].contains(&op.id), "nobody signed {}", op.id);
                    assert!(op.body.is_some(), "{} came without its body", op.id);
                }
                // Whoever hosts one core only has nothing of the other.
                let all: Vec<CoreId> = host.store.cores(None).map(|core| core.expect("reads")).collect();
                assert!(all.contains(&core));
            }
        }
        for host in &self.sim.machines[..HOSTS] {
            for made in &self.late {
                assert_eq!(
                    host.effective(&self.shared, &made.signed.id()),
                    Some(false),
                    "a late write counts"
                );
            }
            for (cid, leaf) in &self.leaves {
                assert!(host.store.block(cid).expect("reads").is_none_or(|data| data == *leaf));
            }
        }
        for host in &self.sim.machines[PRIVATE_HOSTS..GUEST] {
            assert!(host.store.genesis(&self.private).expect("reads").is_none(), "the private core got out");
            assert!(host.ops(&self.private).is_empty());
        }
        let guest = &self.sim.machines[GUEST];
        for op in self.unseen.as_ref().expect("it was ended") {
            assert!(
                guest.effective(&self.private, op).is_none(),
                "a sign-in that was ended still brings news"
            );
        }
        let spied = self.sim.net.spied(&self.spy);
        assert!(!spied.is_empty(), "the stranger was never answered");
        assert!(!spied.windows(SECRET.len()).any(|bytes| bytes == SECRET), "a stranger got a secret");
    }

    #[allow(clippy::print_stdout, reason = "figures are for whoever reads the test's output")]
    fn tell(&self) {
        let sent = self.sim.net.sent();
        let (pieces, bytes) = sent.values().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        println!(
            "  {:?}, {} operations of the shared core, {pieces} pieces, {bytes} bytes, {} s of simulated time",
            self.counts,
            self.sim.machines[0].ops(&self.shared).len(),
            self.sim.elapsed_ms() / 1_000
        );
    }
}

/// Content entries that are not whole.
fn lacks(host: &Machine, core: &CoreId) -> usize {
    let state = host.store.state_scan(core, None, None, 10_000).expect("reads");
    let entries = state.iter().filter_map(|(_, entry)| content_entry(&entry.value));
    let whole = |cid: &Cid| how_whole(&host.store, core, cid).expect("reads") == Some(Wholeness::Whole);
    entries.filter(|entry| !whole(&entry.cid)).count()
}

mod stranger {
    use cid::Cid;
    use kubelt_core::{
        CoreId, PublicKey,
        peer::{FRAME_HEAD_BYTES, FrameHead, Hello, Kind, Open, Want},
        sync::Message,
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::wire::{End, Net};

    /// Opens both cores without a proof, asks for operations and blocks, and hears all that it is told.
    pub(super) async fn ask(net: &Net, own: PublicKey, to: PublicKey, cores: [CoreId; 2], cids: Vec<Cid>) {
        let Ok(mut end) = net.dial(own, to).await else { return };
        // The host may hang up at any time.
        speak(&mut end, cores, cids).await.ok();
    }

    async fn speak(end: &mut End, cores: [CoreId; 2], cids: Vec<Cid>) -> std::io::Result<()> {
        send(end, 0, Kind::Hello, &Hello { v: 1, nonce: [9; 32] }.encode()).await?;
        for (core, channel) in cores.into_iter().zip([1, 3]) {
            send(end, channel, Kind::Open, &Open { core, live: true, proof: None }.encode()).await?;
        }
        loop {
            let mut head = [0; FRAME_HEAD_BYTES];
            end.read_exact(&mut head).await?;
            let Ok(head) = FrameHead::decode(&head) else { return Ok(()) };
            let mut payload = vec![0; head.len];
            end.read_exact(&mut payload).await?;
            match head.kind {
                Kind::Opened => {
                    let core = cores[usize::from(head.channel == 3)];
                    let hello =
                        Message::Hello { core, heads: Vec::new(), count: 0, knows: false, wants: true };
                    send(end, head.channel, Kind::Sync, &hello.encode()).await?;
                    if !cids.is_empty() {
                        send(end, head.channel, Kind::Want, &Want { cids: cids.clone() }.encode()).await?;
                    }
                }
                Kind::Sync => {
                    if let Ok(Message::Bodies { last: true, .. }) = Message::decode(&payload) {
                        send(end, head.channel, Kind::Sync, &Message::Next.encode()).await?;
                    }
                }
                _ => {}
            }
        }
    }

    async fn send(end: &mut End, channel: u32, kind: Kind, payload: &[u8]) -> std::io::Result<()> {
        let head = FrameHead { len: payload.len(), channel, kind }.encode();
        end.write_all(&[head.as_slice(), payload].concat()).await
    }
}
