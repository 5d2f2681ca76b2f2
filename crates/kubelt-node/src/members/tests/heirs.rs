//! Heirs of private cores on one node and on two: named, claiming, refused in time and too late, and what each sees.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use kubelt_content::Ipld;
use kubelt_core::{
    Act, Body, CoreId, EoaKey, Header, Hlc, MapPath, OpId, Principal, limits::HEIR_WAIT_MS_MIN, role::HEIR,
    schema::Visibility,
};
use kubelt_store::{OpsOrder, Options, Store};

use super::{MembersError, NewCore, Wish, act, connect, post, sign_in, wallet};
use crate::{Clock, Disclosure, Heir, Node, Reader, Session, Target, limits::HEIR_WAIT_MS_MAX};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const WAIT_MS: u64 = 30 * DAY_MS;
const START_MS: u64 = 1_800_000_000_000;

/// A clock that is set by hand.
#[derive(Debug)]
struct Hand(AtomicU64);

impl Hand {
    fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An owner with a private file, an heir with a wait of 30 days, and the node that both use.
struct World {
    node: Node,
    clock: Arc<Hand>,
    owner: EoaKey,
    heir: EoaKey,
    core: CoreId,
}

fn node(clock: &Arc<Hand>) -> Node {
    Node::new(Store::memory(Options::default()), clock.clone())
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(Hand(AtomicU64::new(START_MS)));
        let node = node(&clock);
        let (owner, heir) = (wallet(1), wallet(2));
        let session = sign_in(&node, &owner, None).await;
        let core = session.core;
        let target = Target {
            path: "content/will.txt".parse().expect("a path"),
            visibility: Visibility::Private,
            partial: false,
            media_type: None,
        };
        let mut upload = node.content.upload(Arc::clone(&session), core, target).await;
        upload.write(b"to my heirs".as_slice().into()).await.expect("is taken");
        upload.finish().await.expect("is stored");
        node.members.create(&session, &core, NewCore::named("acme")).await.expect("is made");
        act(&node, &session, &owner, &core, named(&heir)).await;
        Self { node, clock, owner, heir, core }
    }

    async fn owner(&self) -> Arc<Session> {
        sign_in(&self.node, &self.owner, None).await
    }

    /// The heir, signed in to the core, too.
    async fn heir(&self) -> Arc<Session> {
        sign_in(&self.node, &self.heir, Some(self.core)).await
    }

    async fn claim(&self) {
        act(&self.node, &self.heir().await, &self.heir, &self.core, Wish::Claim).await;
    }

    async fn refused(&self, session: &Session, wish: Wish) -> MembersError {
        self.node.members.draft(session, &self.core, wish).await.expect_err("is refused")
    }

    async fn the_heir(&self) -> Heir {
        let heirs = self.node.cores.heirs(&self.core).await.expect("reads");
        let [heir] = heirs.as_slice() else { panic!("one heir: {heirs:?}") };
        heir.clone()
    }
}

fn named(heir: &EoaKey) -> Wish {
    Wish::Heir { account: heir.account(), wait_ms: WAIT_MS }
}

async fn reads(node: &Node, session: &Arc<Session>, core: &CoreId) -> bool {
    let path = ["will.txt".to_owned()];
    node.content.find(&Reader::Session(Arc::clone(session)), core, &path).await.is_ok()
}

/// Whether anything at all of the core shows to a session.
async fn sees_anything(node: &Node, session: &Arc<Session>, core: &CoreId) -> bool {
    let reader = Reader::Session(Arc::clone(session));
    let path: MapPath = "config/versions".parse().expect("a path");
    let shows = [
        reads(node, session, core).await,
        node.content.may_write(session, core, &path).await.is_ok(),
        node.exchange.disclosure(&reader, core).await.expect("reads") != Disclosure::Nothing,
        node.exchange.export(&reader, core).await.is_ok(),
        node.exchange.ops(&reader, core, None, OpsOrder::Forward, 10).await.is_ok(),
        node.exchange.heads(&reader, core).await.is_ok(),
        node.exchange.state(&reader, core, None, None, 10).await.is_ok(),
        node.exchange.summary(&reader, core).await.expect("reads").is_some(),
        node.members.list(session, core).await.is_ok(),
        !node.members.names(&reader, core).await.expect("lists").is_empty(),
        node.requests.list(session, core).await.is_ok(),
        node.remotes.list(session, core).await.is_ok(),
        node.members.accept(session, *core, None, None).await.is_ok(),
    ];
    shows.contains(&true)
}

#[tokio::test]
async fn an_heir_waits_outside_and_then_has_the_core() {
    let world = World::new().await;
    let World { node, clock, core, .. } = &world;
    let heir = world.heir().await;
    let told = node.members.heir_to(&heir).await.expect("lists");
    assert_eq!((told.len(), told[0].core, told[0].wait_ms, told[0].claimed_ms), (1, *core, WAIT_MS, None));
    assert!(!sees_anything(node, &heir, core).await);
    world.claim().await;
    assert!(!sees_anything(node, &heir, core).await, "claiming opens nothing");
    let standing = world.the_heir().await;
    let owner = world.owner().await;
    assert_eq!(standing.due_ms.map(|due_ms| due_ms - WAIT_MS), standing.claimed_ms);
    assert_eq!(node.members.heirs(&owner, core).await.expect("is told")[0].due_ms, standing.due_ms);
    let early = world.refused(&heir, Wish::Claim).await;
    assert!(matches!(early, MembersError::Waits { due_ms } if Some(due_ms) == standing.due_ms), "{early}");
    clock.pass(WAIT_MS);
    world.claim().await;
    let heir = world.heir().await;
    assert!(matches!(world.refused(&heir, Wish::Claim).await, MembersError::Inherited));
    assert!(reads(node, &heir, core).await);
    let reader = Reader::Session(Arc::clone(&heir));
    assert!(node.exchange.export(&reader, core).await.is_ok_and(|mut car| car.all(|piece| piece.is_ok())));
    let path: MapPath = "profile/name".parse().expect("a path");
    let put = Act::Put { path: path.clone(), value: Ipld::String("in memory of".to_owned()) };
    let written = node.cores.write(*core, crate::Write::Act { session: Arc::clone(&heir), act: put }).await;
    assert!(written.is_ok_and(|written| written.effective));
    assert_eq!(node.members.names(&reader, core).await.expect("reads the map").len(), 1);
    // The heir names the core in its own, and the owner is still there.
    assert_eq!(
        node.members.accept(&heir, *core, Some("estate".to_owned()), None).await.expect("may").roles,
        ["heir"]
    );
    assert!(reads(node, &world.owner().await, core).await);
    // Nobody else gets in by naming the core, the heir's own heirs among them.
    let stranger = sign_in(node, &wallet(3), Some(*core)).await;
    assert!(!sees_anything(node, &stranger, core).await);
    assert!(node.members.heirs(&stranger, core).await.is_err());
    let below = world.refused(&heir, named(&wallet(3))).await;
    assert!(matches!(below, MembersError::Write(_)), "{below}");
}

#[tokio::test]
async fn an_owner_refuses_in_time() {
    let world = World::new().await;
    let World { node, clock, core, .. } = &world;
    let owner = world.owner().await;
    let nothing = world.refused(&owner, Wish::Refuse { account: None }).await;
    assert!(matches!(nothing, MembersError::NoClaim), "{nothing}");
    world.claim().await;
    clock.pass(WAIT_MS - DAY_MS);
    act(node, &world.owner().await, &world.owner, core, Wish::Refuse { account: None }).await;
    clock.pass(2 * DAY_MS);
    let heir = world.heir().await;
    assert!(matches!(world.refused(&heir, Wish::Claim).await, MembersError::NotFound));
    assert!(node.members.heir_to(&heir).await.expect("lists").is_empty());
    assert!(!sees_anything(node, &heir, core).await);
    let owner = world.owner().await;
    let gone = world.refused(&owner, Wish::Refuse { account: Some(world.heir.account()) }).await;
    assert!(matches!(gone, MembersError::NoHeir(_)), "{gone}");
    // Named anew, they wait anew.
    act(node, &world.owner().await, &world.owner, core, named(&world.heir)).await;
    world.claim().await;
    assert!(!reads(node, &world.heir().await, core).await);
}

#[tokio::test]
async fn an_owner_who_refuses_too_late_shuts_the_door_and_keeps_what_was_done() {
    let world = World::new().await;
    let World { node, clock, core, .. } = &world;
    world.claim().await;
    clock.pass(WAIT_MS);
    world.claim().await;
    let heir = world.heir().await;
    let put =
        Act::Put { path: "profile/name".parse().expect("a path"), value: Ipld::String("new".to_owned()) };
    let written = node.cores.write(*core, crate::Write::Act { session: Arc::clone(&heir), act: put }).await;
    let written = written.expect("may").id;
    act(node, &world.owner().await, &world.owner, core, Wish::Refuse { account: None }).await;
    assert!(!reads(node, &heir, core).await && !sees_anything(node, &heir, core).await);
    let counts = node.cores.with_log(core, |log| log.is_effective(&written)).await;
    assert!(counts.expect("reads"), "what the owner knew of stays, for the owner to change");
}

#[tokio::test]
async fn an_heir_can_decline_and_a_replaced_grant_begins_anew() {
    let world = World::new().await;
    let World { node, clock, core, .. } = &world;
    world.claim().await;
    // Named again with another wait: what was claimed is gone.
    act(node, &world.owner().await, &world.owner, core, named(&world.heir)).await;
    assert_eq!(world.the_heir().await.claimed_ms, None);
    clock.pass(WAIT_MS);
    world.claim().await;
    assert!(!world.the_heir().await.is_over);
    act(node, &world.heir().await, &world.heir, core, Wish::Resign).await;
    assert!(node.cores.heirs(core).await.expect("reads").is_empty());
}

#[tokio::test]
async fn heirs_are_named_with_waits_in_private_cores_by_their_owners() {
    let world = World::new().await;
    let World { node, core, .. } = &world;
    let owner = world.owner().await;
    let wish = |account, wait_ms| Wish::Heir { account, wait_ms };
    for wait_ms in [0, HEIR_WAIT_MS_MIN - 1, HEIR_WAIT_MS_MAX + 1, u64::MAX] {
        let refused = world.refused(&owner, wish(wallet(3).account(), wait_ms)).await;
        assert!(matches!(refused, MembersError::HeirWait), "{refused}");
    }
    for wait_ms in [HEIR_WAIT_MS_MIN, HEIR_WAIT_MS_MAX] {
        let drafted = node.members.draft(&owner, core, wish(wallet(3).account(), wait_ms)).await;
        assert_eq!(drafted.expect("may").len(), 1);
    }
    let own = world.refused(&owner, wish(world.owner.account(), WAIT_MS)).await;
    assert!(matches!(own, MembersError::OwnHeir), "{own}");
    let shared = node.members.names(&Reader::Session(Arc::clone(&owner)), core).await.expect("lists")[0].core;
    let session = sign_in(node, &world.owner, Some(shared)).await;
    let refused = node.members.draft(&session, &shared, wish(wallet(3).account(), WAIT_MS)).await;
    assert!(matches!(refused, Err(MembersError::NotPrivate)), "{refused:?}");
    // Who is no heir finds nothing to claim, here and where there is no core.
    let stranger = sign_in(node, &wallet(3), Some(*core)).await;
    for core in [*core, shared, CoreId::of(b"no such core")] {
        for wish in [Wish::Claim, Wish::Resign, named(&wallet(3))] {
            let refused = node.members.draft(&stranger, &core, wish).await;
            assert!(matches!(refused, Err(MembersError::NotFound)), "{refused:?}");
        }
    }
}

/// An operation that is dated and placed by whoever makes it.
fn made(
    key: &EoaKey,
    core: &CoreId,
    auth: OpId,
    prev: OpId,
    at_ms: u64,
    act: Act,
) -> (kubelt_core::Signed, Body) {
    let body = Body::new(crate::clock::random(), act);
    let header = Header {
        v: 1,
        core: *core,
        prev: vec![prev],
        by: key.account(),
        login: None,
        auth,
        at: Hlc::from_ms(at_ms),
        votes: Vec::new(),
        verb: body.act.verb(),
        body: body.id(),
    };
    (key.sign_op(header, &body).expect("has words"), body)
}

#[tokio::test]
async fn an_heir_brings_the_core_to_a_node_of_its_own_once_it_is_open() {
    let world = World::new().await;
    let World { node: home, clock, core, .. } = &world;
    let away = node(clock);
    let address = connect(home, &away).await;
    world.claim().await;
    let heir = sign_in(&away, &world.heir, Some(*core)).await;
    let early = away.members.accept(&heir, *core, Some("estate".to_owned()), Some(address.clone())).await;
    assert!(matches!(early, Err(MembersError::Join(_))), "{early:?}");
    assert!(away.cores.genesis(core).is_err(), "nothing of it came");
    clock.pass(WAIT_MS);
    world.claim().await;
    let heir = sign_in(&away, &world.heir, Some(*core)).await;
    let accepted = away.members.accept(&heir, *core, Some("estate".to_owned()), Some(address)).await;
    assert_eq!(accepted.expect("is open to the heir").roles, ["heir"]);
    assert!(reads(&away, &heir, core).await);
    let stranger = sign_in(&away, &wallet(3), Some(*core)).await;
    assert!(!sees_anything(&away, &stranger, core).await);
}

/// Carries all of the core from one node to another, as its owner can: in a file.
async fn carry(world: &World, from: &Node, to: &Node) {
    let reader = Reader::Session(sign_in(from, &world.owner, None).await);
    let export = from.exchange.export(&reader, &world.core).await.expect("is the owner's");
    let mut import = to.exchange.import(sign_in(to, &world.owner, None).await);
    for piece in export {
        import.write(piece.expect("reads")).await.expect("is sound");
    }
    import.finish().await.expect("is sound");
}

#[tokio::test]
async fn a_claim_at_one_node_shows_at_the_other() {
    let world = World::new().await;
    let World { node: home, clock, core, .. } = &world;
    let away = node(clock);
    let address = connect(home, &away).await;
    let owner = sign_in(&away, &world.owner, None).await;
    away.remotes.add(&owner, *core, address.clone(), true).await.expect("is exchanged");
    act(&away, &sign_in(&away, &world.heir, None).await, &world.heir, core, Wish::Claim).await;
    away.remotes.sync(&owner, *core, &address.peer).await.expect("is exchanged");
    let heirs = async |node: &Node| node.cores.heirs(core).await.expect("reads");
    assert_eq!(heirs(home).await[0].claimed_ms, heirs(&away).await[0].claimed_ms);
    assert!(heirs(home).await[0].claimed_ms.is_some());
}

#[tokio::test]
async fn two_nodes_come_to_the_same_verdict_on_claims_ends_and_refusals() {
    let world = World::new().await;
    let World { node: home, clock, core, .. } = &world;
    let away = node(clock);
    carry(&world, home, &away).await;
    let heirs = async |node: &Node| node.cores.heirs(core).await.expect("reads");
    // Claimed at the other node; the owner hears of it at this one.
    act(&away, &sign_in(&away, &world.heir, None).await, &world.heir, core, Wish::Claim).await;
    assert_eq!(heirs(home).await[0].claimed_ms, None);
    carry(&world, &away, home).await;
    assert_eq!(heirs(home).await[0].claimed_ms, heirs(&away).await[0].claimed_ms);
    assert!(heirs(home).await[0].claimed_ms.is_some());
    // Refused here, while the heir ends the wait there: the refusal wins once the two meet.
    clock.pass(WAIT_MS);
    act(home, &world.owner().await, &world.owner, core, Wish::Refuse { account: None }).await;
    let heir = sign_in(&away, &world.heir, Some(*core)).await;
    act(&away, &heir, &world.heir, core, Wish::Claim).await;
    assert!(reads(&away, &heir, core).await, "nobody there has heard of it");
    carry(&world, &away, home).await;
    carry(&world, home, &away).await;
    assert!(!reads(&away, &heir, core).await && !sees_anything(&away, &heir, core).await);
    for node in [home, &away] {
        assert!(heirs(node).await.is_empty());
    }
}

#[tokio::test]
async fn a_claim_is_not_dated_back_behind_a_sign_of_life_on_either_node() {
    let world = World::new().await;
    let World { node: home, clock, core, heir, .. } = &world;
    let away = node(clock);
    carry(&world, home, &away).await;
    let grant = world.the_heir().await.grant;
    clock.pass(WAIT_MS + 2 * DAY_MS);
    // The owner signs in here and seals; the other node has not heard of it when the heir writes an old date.
    act(home, &world.owner().await, &world.owner, core, Wish::Seal).await;
    let claim = || Act::Claim { of: world.owner.account(), wait_ms: WAIT_MS };
    let (first, body) = made(heir, core, grant, grant, START_MS + DAY_MS, claim());
    let session = sign_in(&away, heir, Some(*core)).await;
    let first_id = post(&away, &session, core, first.clone(), &body).await.expect("is taken").id;
    let (second, end) = made(heir, core, grant, first_id, clock.now_ms(), claim());
    post(&away, &session, core, second.clone(), &end).await.expect("is taken");
    assert!(reads(&away, &session, core).await, "as far as that node can tell");
    carry(&world, home, &away).await;
    assert!(!reads(&away, &session, core).await);
    carry(&world, &away, home).await;
    for node in [home, &away] {
        let voided = node.cores.with_log(core, |log| !log.is_effective(&first_id)).await;
        assert!(voided.expect("reads"));
        let heirs = node.cores.heirs(core).await.expect("reads");
        assert!(!heirs[0].is_over && heirs[0].claimed_ms == Some(second.header.at.ms()), "{heirs:?}");
    }
    // Replayed, it changes nothing; in another core it is none.
    let again = post(home, &sign_in(home, heir, Some(*core)).await, core, first, &body).await;
    assert!(again.is_ok_and(|written| !written.fresh && !written.effective));
    let other = sign_in(home, heir, None).await;
    let elsewhere = post(home, &other, &other.core, second, &end).await;
    assert!(elsewhere.is_err());
}

#[tokio::test]
async fn the_rules_alone_keep_a_private_core_to_its_owner_and_heirs() {
    let world = World::new().await;
    let World { node, core, owner, .. } = &world;
    let session = world.owner().await;
    let grant = |role: Option<&str>, wait_ms| Act::Grant {
        to: Principal::One(wallet(3).account()),
        role: role.map(str::to_owned),
        can: HEIR.abilities(),
        wait_ms,
    };
    let head = node.exchange.heads(&Reader::Session(Arc::clone(&session)), core).await.expect("reads").0[0];
    for act in [
        grant(Some(HEIR.name), Some(HEIR_WAIT_MS_MIN - 1)),
        grant(Some(HEIR.name), None),
        grant(Some("owner"), Some(HEIR_WAIT_MS_MIN)),
        grant(None, Some(HEIR_WAIT_MS_MIN)),
    ] {
        let (signed, body) = made(owner, core, core.as_root(), head, START_MS + 60_000, act);
        assert!(post(node, &session, core, signed, &body).await.is_err());
    }
}
