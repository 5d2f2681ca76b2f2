//! Cores of several people on two nodes: each role and each action, on the node that made the change and on a replica.

use std::{collections::BTreeMap, sync::Arc};

use kubelt_content::Ipld;
use kubelt_core::{
    Ability, Account, CoreId, EoaKey, Principal, Role, Verb, log::DraftError, schema::Visibility,
};

use super::world::{Fleet, Person, Place, body, wallet};
use crate::{
    Ask, Disclosure, Drafted, MadeCore, MembersError, NewCore, Reader, Target, Wish, WriteError, Written,
    content_path,
    exchange::{OpsError, PostedOp},
    replicate::Link,
};

/// Somebody with a wallet, signed in at a node to their own core and to a shared one.
pub(super) struct Seat {
    pub(super) person: Person,
    key: EoaKey,
    pub(super) core: CoreId,
}

impl Seat {
    pub(super) async fn at(place: &Place, key: &EoaKey, core: CoreId) -> Self {
        let all = Verb::ALL.into_iter().filter(|verb| verb.session_may()).map(Ability::everywhere).collect();
        let ask = Ask { cores: BTreeMap::from([(core, all)]), ..Ask::of(key.account()) };
        Self { person: place.sign_in_with(key, ask).await, key: key.clone(), core }
    }

    fn account(&self) -> Account {
        self.key.account()
    }

    async fn draft(&self, wish: Wish) -> Result<Vec<Drafted>, MembersError> {
        self.person.node.members.draft(&self.person.session, &self.core, wish).await
    }

    /// Has an act drafted, signs it with the wallet, and posts it.
    pub(super) async fn act(&self, wish: Wish) -> Result<Vec<Written>, MembersError> {
        let drafts = self.draft(wish).await?;
        let posted: Vec<PostedOp> = drafts
            .into_iter()
            .map(|Drafted { header, body, .. }| PostedOp {
                signed: self.key.sign_op(header, &body).expect("has words").encode().into(),
                body: body.encode().into(),
                login: None,
            })
            .collect();
        let reader = Reader::Session(Arc::clone(&self.person.session));
        let results = self.person.node.exchange.post(&reader, &self.core, &posted).await;
        results
            .into_iter()
            .map(|result| match result {
                Ok(written) => Ok(written),
                Err(OpsError::Write(error)) => Err(error.into()),
                Err(other) => panic!("{other}"),
            })
            .collect()
    }

    pub(super) async fn grant(&self, to: &EoaKey, role: &str, can: &[&str]) {
        let (role, can) = kubelt_core::role::choose(Some(role), can).expect("a role");
        self.act(Wish::Grant { to: vec![to.account()], m: None, role, can }).await.expect("may grant");
    }

    pub(super) async fn put(&self, path: &str, visibility: Visibility) -> bool {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let path = content_path(&segments).expect("a path");
        let (content, session) = (&self.person.node.content, &self.person.session);
        if content.may_write(session, &self.core, &path).await.is_err() {
            return false;
        }
        let target = Target { path, visibility, partial: false, media_type: None };
        let mut upload = content.upload(Arc::clone(session), self.core, target).await;
        upload.write(body("file", 100)).await.expect("is taken");
        upload.finish().await.expect("is stored");
        true
    }

    pub(super) async fn reads(&self, path: &str) -> bool {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let reader = Reader::Session(Arc::clone(&self.person.session));
        self.person.node.content.find(&reader, &self.core, &segments).await.is_ok()
    }

    pub(super) async fn set(&self, path: &str, value: Ipld) -> bool {
        let path = path.parse().expect("a path");
        self.person.node.exchange.set(&self.person.session, &self.core, path, value).await.is_ok()
    }

    /// Everything that this seat can do, tried, in the order of [`ACTIONS`]; `mark` keeps the tries of nodes apart.
    async fn tries(&self, mark: &str, below: &[Account]) -> [bool; ACTIONS.len()] {
        let text = |text: &str| Ipld::String(text.to_owned());
        let reader = Reader::Session(Arc::clone(&self.person.session));
        let everything =
            self.person.node.exchange.disclosure(&reader, &self.core).await.expect("can be told");
        let grant = Wish::Grant {
            to: vec![wallet(99).account()],
            m: None,
            role: None,
            can: vec!["read content/**".parse().expect("an ability")],
        };
        let remove = Wish::Remove { account: below[0].clone() };
        let rotate = Wish::Rotate { owners: vec![self.account()], m: None };
        [
            self.reads("site/members").await,
            self.reads("secret").await,
            self.put(&format!("site/{mark}"), Visibility::Members).await,
            self.put(&format!("contract/{mark}"), Visibility::Members).await,
            self.put(&format!("press/{mark}"), Visibility::Members).await,
            self.set(&format!("profile/{mark}"), text(mark)).await,
            self.set(&format!("config/{mark}"), text(mark)).await,
            self.set(&format!("docs/{mark}"), Ipld::Map(BTreeMap::new())).await,
            everything == Disclosure::Everything,
            self.person.node.members.list(&self.person.session, &self.core).await.is_ok(),
            self.draft(grant).await.is_ok(),
            self.draft(remove).await.is_ok(),
            self.draft(rotate).await.is_ok(),
            self.draft(Wish::Seal).await.is_ok(),
            self.draft(Wish::Resign).await.is_ok(),
            self.draft(Wish::Logout { login: self.person.session.id() }).await.is_ok(),
        ]
    }
}

const ACTIONS: [&str; 16] = [
    "read-members",
    "read-private",
    "put-site",
    "put-contract",
    "put-press",
    "put-profile",
    "put-config",
    "put-docs",
    "replicate",
    "list",
    "grant",
    "remove",
    "rotate",
    "seal",
    "resign",
    "logout",
];

/// Each role, and what it may.
const TABLE: [(&str, &[&str]); 8] = [
    (
        "root",
        &[
            "read-members",
            "read-private",
            "put-site",
            "put-contract",
            "put-press",
            "put-profile",
            "put-config",
            "put-docs",
            "replicate",
            "list",
            "grant",
            "remove",
            "rotate",
            "seal",
            "logout",
        ],
    ),
    (
        "owner",
        &[
            "read-members",
            "read-private",
            "put-site",
            "put-contract",
            "put-press",
            "put-profile",
            "put-config",
            "put-docs",
            "replicate",
            "list",
            "grant",
            "seal",
            "resign",
            "logout",
        ],
    ),
    (
        "developer",
        &[
            "read-members",
            "read-private",
            "put-site",
            "put-contract",
            "put-press",
            "put-docs",
            "replicate",
            "list",
            "resign",
            "logout",
        ],
    ),
    (
        "designer",
        &[
            "read-members",
            "read-private",
            "put-site",
            "put-contract",
            "put-press",
            "put-profile",
            "put-docs",
            "replicate",
            "list",
            "resign",
            "logout",
        ],
    ),
    ("contract", &["read-members", "put-contract", "list", "resign", "logout"]),
    ("reader", &["read-members", "list", "resign", "logout"]),
    ("press", &["put-press", "list", "resign", "logout"]),
    ("stranger", &[]),
];

/// Brings a core's log and content from one node to the other, and the other way, by the root's word.
pub(super) async fn sync(fleet: &Fleet, root: &Seat, from: &str) {
    let link = fleet.connect("b", from).await;
    trust(root, &link);
    root.person.pull_as(&link, root.core, Some(&*root.person.session)).await.expect("is exchanged");
}

fn trust(root: &Seat, link: &Link) {
    let login = Arc::clone(&root.person.session.login);
    root.person.node.replication.trust(root.core, *link.peer(), login);
}

/// A shared core that was made at `a`, its root there, and its root at `b`, where it was brought.
pub(super) async fn shared(fleet: &Fleet) -> (Seat, Seat) {
    let key = wallet(1);
    let maker = fleet.at("a").sign_in(&key).await;
    let (members, session) = (&maker.node.members, &maker.session);
    let made = members.create(session, &session.core, NewCore::named("acme")).await;
    let core = made.expect("is made").core;
    let root = Seat::at(fleet.at("a"), &key, core).await;
    let path = "profile/name".parse().expect("a path");
    root.act(Wish::Put { path, value: Ipld::String("Acme".to_owned()) }).await.expect("begins");
    let there = Seat::at(fleet.at("b"), &key, core).await;
    sync(fleet, &there, "a").await;
    (root, there)
}

#[tokio::test]
async fn each_role_may_what_it_may_on_the_node_that_made_it_and_on_a_replica() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (root, root_there) = Box::pin(shared(&fleet)).await;
    let core = root.core;
    assert!(root.put("site/members", Visibility::Members).await);
    assert!(root.put("secret", Visibility::Private).await);
    let keys: Vec<EoaKey> = (1..=8).map(wallet).collect();
    for ((role, _), key) in TABLE.iter().zip(&keys) {
        match *role {
            "root" | "stranger" => {}
            "press" => root.grant(key, role, &["put content/press/**"]).await,
            role => root.grant(key, role, &[]).await,
        }
    }
    sync(&fleet, &root_there, "a").await;
    let below = [keys[5].account()];
    for node in ["a", "b"] {
        for ((role, may), key) in TABLE.iter().zip(&keys) {
            let seat = Seat::at(fleet.at(node), key, core).await;
            let tried = seat.tries(&format!("{role}-{node}"), &below).await;
            for (action, done) in ACTIONS.iter().zip(tried) {
                // A reader can take back what it has itself: that is to resign.
                let own = *role == "reader" && *action == "remove";
                assert_eq!(done, may.contains(action) || own, "{role} {action} at {node}");
            }
        }
    }
    sync(&fleet, &root_there, "a").await;
    fleet.assert_equal(&core, &["a", "b"]);
    let log = |log: &kubelt_core::Log| log.ops().all(|(_, _, _, effective)| effective);
    assert!(root.person.node.cores.with_log(&core, log).await.expect("reads"), "all that was done counts");
}

#[tokio::test]
async fn who_is_removed_loses_it_on_both_nodes_and_its_fork_counts_for_nothing() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (root, root_there) = Box::pin(shared(&fleet)).await;
    let (core, key) = (root.core, wallet(2));
    root.grant(&key, "developer", &[]).await;
    sync(&fleet, &root_there, "a").await;
    let there = Seat::at(fleet.at("b"), &key, core).await;
    assert!(there.put("site/before", Visibility::Members).await);
    sync(&fleet, &root_there, "a").await;

    // Removed at one node, and still writing at the other, which has not heard of it.
    root.act(Wish::Remove { account: key.account() }).await.expect("removes");
    assert!(there.put("site/after", Visibility::Members).await);
    let here = Seat::at(fleet.at("a"), &key, core).await;
    assert!(!here.put("site/here", Visibility::Members).await);
    assert!(!here.reads("site/before").await);
    sync(&fleet, &root_there, "a").await;
    fleet.assert_equal(&core, &["a", "b"]);
    for (node, seat) in [("a", &root), ("b", &root_there)] {
        assert!(seat.reads("site/before").await, "{node}");
        assert!(!seat.reads("site/after").await, "{node}: the fork counts");
        let removed = Seat::at(fleet.at(node), &key, core).await;
        assert!(!removed.reads("site/before").await, "{node}");
        assert!(matches!(removed.draft(Wish::Resign).await, Err(MembersError::NotFound)), "{node}");
    }
}

#[tokio::test]
async fn owners_cannot_remove_each_other_and_of_two_rotations_at_once_one_stands_everywhere() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (root, root_there) = Box::pin(shared(&fleet)).await;
    let (core, ann, bob) = (root.core, wallet(2), wallet(3));
    for owner in [&ann, &bob] {
        root.grant(owner, "owner", &[]).await;
    }
    sync(&fleet, &root_there, "a").await;
    let (ann_here, bob_there) =
        (Seat::at(fleet.at("a"), &ann, core).await, Seat::at(fleet.at("b"), &bob, core).await);
    for (seat, other) in [(&ann_here, &bob), (&bob_there, &ann)] {
        let refused = seat.draft(Wish::Remove { account: other.account() }).await;
        let why = |error: &WriteError| {
            matches!(error, WriteError::Draft(error)
                if matches!(**error, DraftError::Refused(_) | DraftError::NoAuthority { .. }))
        };
        assert!(matches!(&refused, Err(MembersError::Write(error)) if why(error)), "{refused:?}");
        let refused = seat.draft(Wish::Rotate { owners: vec![seat.account()], m: None }).await;
        assert!(matches!(refused, Err(MembersError::RootOnly)), "{refused:?}");
    }
    // A root of two, any of whom may act alone: each puts the other out, at once, on nodes that do not hear each other.
    let both = vec![ann.account(), bob.account()];
    root.act(Wish::Rotate { owners: both, m: None }).await.expect("is handed over");
    let refused = root.draft(Wish::Rotate { owners: vec![root.account()], m: None }).await;
    assert!(matches!(refused, Err(MembersError::NotFound)), "who handed over has no part left: {refused:?}");
    sync(&fleet, &bob_there, "a").await;
    let alone = |key: &EoaKey| Wish::Rotate { owners: vec![key.account()], m: None };
    ann_here.act(alone(&ann)).await.expect("is of the root");
    fleet.clock.tick(5);
    bob_there.act(alone(&bob)).await.expect("is of the root");
    // Whoever of them is asked for the word, both nodes end with the same root.
    sync(&fleet, &bob_there, "a").await;
    fleet.assert_equal(&core, &["a", "b"]);
    let root_of = async |place: &Place| {
        place.node.cores.with_log(&core, |log| log.root().clone()).await.expect("reads")
    };
    assert_eq!(root_of(fleet.at("a")).await, Principal::One(ann.account()), "the earlier one stands");
    assert_eq!(root_of(fleet.at("b")).await, Principal::One(ann.account()));
}

#[tokio::test]
async fn a_threshold_fits_its_group_and_one_of_it_does_nothing_alone() {
    let fleet = Fleet::new(&["a"]).await;
    let key = wallet(1);
    let maker = fleet.at("a").sign_in(&key).await;
    let (node, session) = (&maker.node, &maker.session);
    let create = async |m| {
        let owners = vec![wallet(2).account(), wallet(2).account(), wallet(3).account()];
        let new = NewCore { owners, threshold: Some(m), ..NewCore::named("acme") };
        node.members.create(session, &session.core, new).await
    };
    for m in [0, 4] {
        let refused = create(m).await;
        assert!(matches!(refused, Err(MembersError::Principal(_))), "{m}: {refused:?}");
    }
    let MadeCore { core, genesis, .. } = create(3).await.expect("is made");
    assert_eq!((genesis.root().m(), genesis.root().accounts().len()), (3, 3));
    let again = create(1).await;
    assert!(matches!(again, Err(MembersError::NameTaken(_))), "{again:?}");
    let seat = Seat::at(fleet.at("a"), &key, core).await;
    let path = "profile/name".parse().expect("a path");
    let alone = seat.draft(Wish::Put { path, value: Ipld::String("Acme".to_owned()) }).await;
    assert!(matches!(alone, Err(MembersError::Write(WriteError::Draft(_)))), "{alone:?}");
    let list = seat.person.node.members.list(&seat.person.session, &core).await.expect("is of the root");
    assert!(!list.begun && list.members.is_empty());
}

#[test]
fn the_table_names_every_ready_made_role() {
    for role in kubelt_core::role::ROLES {
        assert!(TABLE.iter().any(|(name, _)| *name == role.name), "{}", role.name);
    }
    assert!(Role::named("press").is_none());
}

#[tokio::test]
async fn a_live_channel_of_a_shared_core_ends_with_a_logout_in_the_own_core() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (root, ann) = (wallet(1), wallet(2));
    let maker = fleet.at("a").sign_in(&root).await;
    let (members, session) = (&maker.node.members, &maker.session);
    let made = members.create(session, &session.core, NewCore::named("acme")).await;
    let core = made.expect("is made").core;
    let root = Seat::at(fleet.at("a"), &root, core).await;
    root.grant(&ann, "developer", &[]).await;
    // Ann shows her sign-in of one node to the other; at that one, where her own core is too, it ends.
    let away = Seat::at(fleet.at("b"), &ann, core).await;
    let home = fleet.at("a").sign_in(&ann).await;
    let link = fleet.connect("b", "a").await;
    let (mut status, task) = away.person.live_as(&link, core);
    status.wait_for(|now| now.settled).await.expect("it goes on");
    let listed = home.node.sessions.list(&home.session).await.expect("lists");
    assert_eq!(listed.len(), 1, "a sign-in that has done nothing is known to its node alone");
    let act = kubelt_core::Act::Logout { login: away.person.session.id() };
    let write = crate::Write::Act { session: Arc::clone(&home.session), act };
    home.node.cores.write(home.session.core, write).await.expect("is written");
    // Nothing changes in the shared core itself.
    let ended = task.await.expect("ends");
    assert!(matches!(ended, Err(crate::ChannelError::NotFound)), "{ended:?}");
}

#[tokio::test]
async fn sessions_of_other_nodes_are_listed_and_ended_where_the_core_is() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let key = wallet(1);
    let (a, b) = (fleet.at("a").sign_in(&key).await, fleet.at("b").sign_in(&key).await);
    b.profile("written there").await;
    let link = fleet.connect("b", "a").await;
    b.pull(&link, false).await.expect("is exchanged");
    let listed = a.node.sessions.list(&a.session).await.expect("lists");
    let other = listed.iter().find(|info| info.id == b.session.id()).expect("it has acted");
    assert!(other.elsewhere && !other.current && !other.abilities.is_empty());
    let token = fleet.at("b").node.sessions.list(&b.session).await.expect("lists");
    assert!(token.iter().any(|info| info.id == b.session.id() && !info.elsewhere));
    let unknown = kubelt_core::LoginId::of(b"no such sign-in");
    let refused = a.node.sessions.end(&a.session, unknown).await;
    assert!(matches!(refused, Err(crate::EndError::NotFound)), "{refused:?}");
    a.node.sessions.end(&a.session, b.session.id()).await.expect("is ended");
    let listed = a.node.sessions.list(&a.session).await.expect("lists");
    assert_eq!(listed.len(), 1, "what has ended is not shown");
    // The other node hears of it and lets the token in no more.
    let late = fleet.at("b").sign_in(&key).await;
    late.pull(&link, false).await.expect("is exchanged");
    let standing = late.node.sessions.list(&late.session).await.expect("lists");
    assert!(standing.iter().all(|info| info.id != b.session.id()), "{standing:?}");

    // By the wallet alone, a session of which this node has never heard: its id is enough.
    let origin = "localhost";
    let made =
        a.node.sessions.end_challenge(origin, key.account(), late.session.id(), None).expect("a challenge");
    let ended = a.node.sessions.end_signed(origin, &made.nonce, &key.sign(made.message.as_bytes())).await;
    assert!(ended.expect("is ended").more.is_empty());
    fleet.at("b").sign_in(&key).await.pull(&link, false).await.expect("is exchanged");
    let gone = late.node.sessions.list(&late.session).await.expect("lists");
    assert!(gone.iter().all(|info| info.id != late.session.id()));
    // Who never signed in here has nothing to end here.
    let stranger = wallet(9);
    let made = a.node.sessions.end_challenge(origin, stranger.account(), unknown, None).expect("a challenge");
    let refused =
        a.node.sessions.end_signed(origin, &made.nonce, &stranger.sign(made.message.as_bytes())).await;
    assert!(matches!(refused, Err(crate::EndError::NotFound)), "{refused:?}");
}
