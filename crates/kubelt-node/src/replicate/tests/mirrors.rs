//! Nodes that mirror what a core has published.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Block, Codec, Ipld, denylist::Denylist, read::FileReader};
use kubelt_core::{
    Body, CoreId, Genesis, Login, LoginId, OpId, Signed,
    peer::{FOLLOW_VERSION, FrameHead, Hello, Kind, Opened},
    schema::{Exit, ExposureRule, Host, Visibility},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};

use super::{
    super::{Wanted, effort::Asker, fetch::Fetch, link::Incoming, outbox::Outbox},
    members::{Seat, shared, sync},
    world::{Fleet, Person, Place, body, wallet},
};
use crate::{
    ChannelError, Found, Link, Mirrored, NewCore, Node, PeerFault, Reader, Wish,
    content::PREFIX,
    exchange::{Checker, FoundLogin},
    limits::mirrors::{FOLLOW_SILENCE_MAX, PUBLISHED_PAUSE, PUBLISHED_REST_MAX},
    write::{SignedOp, content_entry},
};

/// What a stranger reads at a path of a core.
pub(super) async fn reads(node: &Node, core: &CoreId, path: &str) -> Option<Bytes> {
    let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    match node.content.find(&Reader::Anonymous, core, &segments).await.ok()? {
        Found::File(file) => Some(bytes_of(node, &file.within, &file.cid)),
        Found::Directory { .. } => None,
        other => panic!("{other:?}"),
    }
}

async fn reads_cid(node: &Node, cid: &Cid) -> Option<Bytes> {
    match node.content.find_cid(&Reader::Anonymous, None, cid, &[]).await.ok()? {
        Found::File(file) => Some(bytes_of(node, &file.within, &file.cid)),
        other => panic!("{other:?}"),
    }
}

fn bytes_of(node: &Node, within: &crate::Within, cid: &Cid) -> Bytes {
    let blocks = node.content.blocks(within);
    let mut reading = FileReader::open(&blocks, cid).expect("a file");
    let mut bytes = Vec::new();
    while let Some(piece) = reading.next(&blocks).expect("is whole") {
        bytes.extend_from_slice(&piece);
    }
    bytes.into()
}

/// The root at a path, as the core's map has it.
pub(super) fn root(person: &Person, path: &str) -> Cid {
    let path = format!("{PREFIX}/{path}").parse().expect("a path");
    let state = person.store.state(&person.session.core, &path).expect("reads").expect("is there");
    content_entry(&state.value).expect("content").cid
}

type Following = (watch::Receiver<Mirrored>, JoinHandle<Result<(), ChannelError>>);

fn follow(place: &Place, link: &Link, core: CoreId, live: bool) -> Following {
    let status = watch::Sender::new(Mirrored::default());
    let heard = status.subscribe();
    let (node, link) = (place.node.clone(), link.clone());
    let task = tokio::spawn(async move {
        link.follow(&node.replication, node.mirrors.shelves(), core, live, &status).await
    });
    (heard, task)
}

async fn follow_once(fleet: &Fleet, at: &str, from: &str, core: CoreId) -> Result<Mirrored, ChannelError> {
    let link = fleet.connect(at, from).await;
    let (status, task) = follow(fleet.at(at), &link, core, false);
    task.await.expect("does not panic")?;
    Ok(status.borrow().clone())
}

/// Waits until a mirror serves this at a path, or nothing.
pub(super) async fn hears(
    place: &Place,
    status: &mut watch::Receiver<Mirrored>,
    core: &CoreId,
    path: &str,
    now: Option<Bytes>,
) {
    while reads(&place.node, core, path).await != now {
        status.changed().await.expect("it goes on");
    }
}

async fn hide(person: &Person, path: &str, rule: ExposureRule) {
    person.set(&format!("config/exposure/{path}"), rule.to_ipld()).await;
}

/// That nothing of a core is here but what a mirror has.
fn assert_only_mirrored(place: &Place, core: &CoreId) {
    assert!(place.store.genesis(core).expect("reads").is_none(), "it is taken for a core of this node");
    assert_eq!(place.store.cores(None).count(), 0);
    assert!(place.store.heads(core).expect("reads").is_empty());
}

#[tokio::test]
async fn of_a_private_core_what_is_public_is_mirrored_and_nothing_else() {
    let fleet = Fleet::new(&["a", "b", "c"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let core = a.session.core;
    a.put("site/large", body("large", 3_000_000), Visibility::Public).await;
    a.put("site/small", body("small", 10), Visibility::Public).await;
    for (path, visibility) in [("secret", Visibility::Private), ("team", Visibility::Members)] {
        a.put(path, body(path, 5_000), visibility).await;
    }
    let status = follow_once(&fleet, "b", "a", core).await.expect("is mirrored");
    assert!(status.settled && status.paths == 2 && status.lacking == 0, "{status:?}");
    let b = fleet.at("b");
    for (path, name, size) in [("site/large", "large", 3_000_000), ("site/small", "small", 10)] {
        assert_eq!(reads(&b.node, &core, path).await, Some(body(name, size)));
        assert_eq!(reads_cid(&b.node, &root(&a, path)).await, Some(body(name, size)));
    }
    for path in ["secret", "team"] {
        assert_eq!(reads(&b.node, &core, path).await, None);
        assert!(!b.store.has_block(&root(&a, path)).expect("reads"), "{path} has reached the mirror");
    }
    let listed = b.node.content.list(&Reader::Anonymous, &core, &["site".to_owned()], None, 10).await;
    let names: Vec<_> = listed.expect("lists").entries.into_iter().map(|child| child.name).collect();
    assert_eq!(names, ["large", "small"]);
    // It is no core of that node: nobody gets it from there as one, whole or as a mirror.
    assert_only_mirrored(b, &core);
    let ended = follow_once(&fleet, "c", "b", core).await;
    assert!(matches!(ended, Err(ChannelError::NothingPublished)), "{ended:?}");
    let stranger = fleet.at("c").sign_in(&wallet(1)).await;
    let ended = stranger.pull(&fleet.connect("c", "b").await, false).await;
    assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
    // A second look brings nothing that is here.
    let again = follow_once(&fleet, "b", "a", core).await.expect("is mirrored");
    assert_eq!((again.blocks, again.ops, again.paths), (0, 0, 2));
}

#[tokio::test]
async fn changes_come_live_and_what_is_closed_goes_at_once() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let (core, b) = (a.session.core, fleet.at("b"));
    a.put("page", body("one", 400_000), Visibility::Public).await;
    a.put("other", body("other", 100), Visibility::Public).await;
    let link = fleet.connect("b", "a").await;
    let (mut status, _task) = follow(b, &link, core, true);
    hears(b, &mut status, &core, "page", Some(body("one", 400_000))).await;
    a.put("page", body("two", 400_000), Visibility::Public).await;
    hears(b, &mut status, &core, "page", Some(body("two", 400_000))).await;
    let one = root(&a, "page");
    // It becomes private: the body of the new operation never comes.
    a.put("page", body("three", 400_000), Visibility::Private).await;
    hears(b, &mut status, &core, "page", None).await;
    assert!(reads_cid(&b.node, &one).await.is_none(), "it is served by its CID still");
    assert!(!b.store.has_block(&root(&a, "page")).expect("reads"));
    a.put("page", body("four", 400_000), Visibility::Public).await;
    hears(b, &mut status, &core, "page", Some(body("four", 400_000))).await;
    // Any exit that is closed closes the mirror.
    for exit in Exit::ALL {
        hide(&a, "page", ExposureRule::new([(exit, false)])).await;
        hears(b, &mut status, &core, "page", None).await;
        hide(&a, "page", ExposureRule::new([(exit, true)])).await;
        hears(b, &mut status, &core, "page", Some(body("four", 400_000))).await;
    }
    a.set("content/page", Ipld::Null).await;
    hears(b, &mut status, &core, "page", None).await;
    assert_eq!(reads(&b.node, &core, "other").await, Some(body("other", 100)));
}

#[tokio::test]
async fn a_core_that_publishes_nothing_any_more_looks_like_none_and_is_dropped() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let core = a.session.core;
    a.put("page", body("page", 1_000), Visibility::Public).await;
    let link = fleet.connect("b", "a").await;
    let (mut status, task) = follow(fleet.at("b"), &link, core, true);
    status.wait_for(|status| status.settled).await.expect("it goes on");
    a.put("page", body("page", 1_000), Visibility::Private).await;
    let ended = task.await.expect("does not panic");
    assert!(matches!(ended, Err(ChannelError::NothingPublished)), "{ended:?}");
    for nothing in [core, Genesis::Private { root: wallet(9).account() }.id()] {
        let ended = follow_once(&fleet, "b", "a", nothing).await;
        assert!(matches!(ended, Err(ChannelError::NothingPublished)), "{ended:?}");
    }
    assert_eq!(PUBLISHED_PAUSE.as_millis(), 200, "the docs say so");
}

#[tokio::test]
async fn what_is_mirrored_stays_without_its_origin_and_over_a_restart() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let core = a.session.core;
    a.put("page", body("page", 600_000), Visibility::Public).await;
    let link = fleet.connect("b", "a").await;
    let (mut status, task) = follow(fleet.at("b"), &link, core, true);
    status.wait_for(|status| status.settled).await.expect("it goes on");
    link.end();
    let ended = task.await.expect("does not panic");
    assert!(matches!(ended, Err(ChannelError::Closed)), "{ended:?}");
    let b = fleet.at("b");
    assert_eq!(reads(&b.node, &core, "page").await, Some(body("page", 600_000)));
    let clock = Arc::clone(&fleet.clock) as Arc<dyn crate::Clock>;
    let again = Node::new(b.store.clone(), clock);
    assert_eq!(reads(&again, &core, "page").await, Some(body("page", 600_000)));
    // Forgotten, it is gone, and its blocks are let go.
    b.node.mirrors.shelves().clear(&core).await.expect("is cleared");
    assert_eq!(reads(&b.node, &core, "page").await, None);
    assert!(reads_cid(&b.node, &root(&a, "page")).await.is_none());
    for table in ["mirrored", "mirrored-entry", "mirrored-op", "mirrored-login", "named", "public"] {
        assert_eq!(b.store.meta_scan(table, &[], None).count(), 0, "{table}");
    }
}

#[tokio::test]
async fn a_node_that_becomes_a_host_serves_the_core_itself() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let core = a.session.core;
    a.put("page", body("page", 1_000), Visibility::Public).await;
    a.put("secret", body("secret", 1_000), Visibility::Private).await;
    follow_once(&fleet, "b", "a", core).await.expect("is mirrored");
    let b = fleet.at("b").sign_in(&wallet(1)).await;
    b.pull(&fleet.connect("b", "a").await, false).await.expect("is exchanged");
    fleet.assert_equal(&core, &["a", "b"]);
    assert_eq!(b.read("secret").await, Some(body("secret", 1_000)));
    // What the mirror has is not looked at any more.
    b.put("page", body("page", 1_000), Visibility::Private).await;
    assert_eq!(reads(&b.node, &core, "page").await, None);
}

#[tokio::test]
async fn what_is_over_the_quota_is_left_out_and_told() {
    let fleet = Fleet::with_quota(&["a", "b"], 1_000_000).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    fleet.at("a").unlimited(&a.session.core).await;
    a.put("large", body("large", 3_000_000), Visibility::Public).await;
    a.put("small", body("small", 300_000), Visibility::Public).await;
    let status = follow_once(&fleet, "b", "a", a.session.core).await.expect("is mirrored");
    assert_eq!((status.paths, status.lacking, status.over_quota), (1, 1, 1), "{status:?}");
    let b = fleet.at("b");
    assert_eq!(reads(&b.node, &a.session.core, "small").await, Some(body("small", 300_000)));
    assert_eq!(reads(&b.node, &a.session.core, "large").await, None);
    assert_only_mirrored(b, &a.session.core);
}

/// Somebody named as host gets as a mirror what mirrors get.
#[tokio::test]
async fn who_asks_does_not_matter() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let key = fleet.at("b").node.identity.key().await.expect("a key").public();
    let host = Host { peer: key, addresses: Default::default(), spare: false };
    a.set(Host::path(&key).as_str(), host.to_ipld()).await;
    a.put("secret", body("secret", 10), Visibility::Private).await;
    let ended = follow_once(&fleet, "b", "a", a.session.core).await;
    assert!(matches!(ended, Err(ChannelError::NothingPublished)), "{ended:?}");
}

/// The blocks of an operation that a node has, checked.
fn checked(place: &Place, core: &CoreId, op: &OpId) -> SignedOp {
    let record = place.store.op(core, op).expect("reads").expect("is there");
    let body = record.body.map(|body| Body::decode(&body).expect("a body"));
    let signed = Signed::decode(&record.signed).expect("an operation");
    let find = |id: &LoginId| {
        let block = place.store.login(core, id)?.expect("is kept");
        Ok(Some(FoundLogin::Kept(Login::decode(&block)?)))
    };
    Checker::new(*core).check(signed, body, find).expect("is good")
}

fn op_at(place: &Place, core: &CoreId, path: &str) -> OpId {
    let path = format!("{PREFIX}/{path}").parse().expect("a path");
    place.store.versions(core, &path, 1).expect("reads").first().expect("was put").id
}

#[tokio::test]
async fn a_shared_core_is_mirrored_by_its_log_and_who_was_removed_has_no_say() {
    let fleet = Fleet::new(&["a", "b", "m"]).await;
    let (root, root_there) = Box::pin(shared(&fleet)).await;
    let (core, key, mirror) = (root.core, wallet(2), fleet.at("m"));
    root.grant(&key, "developer", &[]).await;
    sync(&fleet, &root_there, "a").await;
    let there = Seat::at(fleet.at("b"), &key, core).await;
    assert!(there.put("site/before", Visibility::Public).await);
    sync(&fleet, &root_there, "a").await;
    let link = fleet.connect("m", "a").await;
    let (mut status, _task) = follow(mirror, &link, core, true);
    let file = || Some(body("file", 100));
    hears(mirror, &mut status, &core, "site/before", file()).await;
    assert_only_mirrored(mirror, &core);

    // A public path is replaced by a put whose body is withheld: its header says nothing of the path.
    assert!(root.put("site/page", Visibility::Public).await);
    hears(mirror, &mut status, &core, "site/page", file()).await;
    assert!(root.put("site/page", Visibility::Private).await);
    hears(mirror, &mut status, &core, "site/page", None).await;
    let hidden = fleet.at("a").store.op(&core, &op_at(fleet.at("a"), &core, "site/page"));
    let hidden = hidden.expect("reads").expect("is there").body.expect("it has one");
    for table in ["mirrored-op", "mirrored-entry"] {
        for row in mirror.store.meta_scan(table, &[], None) {
            let (_, row) = row.expect("reads");
            assert!(!row.windows(hidden.len()).any(|part| part == &hidden[..]), "the body is in {table}");
        }
    }

    // Removed at one node, and publishing at another that has not heard of it.
    root.act(Wish::Remove { account: key.account() }).await.expect("removes");
    assert!(there.put("site/after", Visibility::Public).await);
    sync(&fleet, &root_there, "a").await;
    assert!(root.put("site/last", Visibility::Public).await);
    hears(mirror, &mut status, &core, "site/last", file()).await;
    assert_eq!(reads(&mirror.node, &core, "site/before").await, file(), "it was made before");
    assert_eq!(reads(&mirror.node, &core, "site/after").await, None);
    // Nor does a source that shows it all the same make the mirror serve it.
    let genesis = fleet.at("a").node.cores.genesis(&core).expect("is here");
    let mut shelf = mirror.node.mirrors.shelves().load(genesis).await.expect("loads");
    let [before, after] = ["site/before", "site/after"].map(|path| op_at(fleet.at("a"), &core, path));
    assert!(shelf.log().is_some_and(|log| log.contains(&after)), "the log has come with it");
    let [again, late] = [before, after].map(|op| checked(fleet.at("a"), &core, &op));
    shelf.take_shown(vec![again, late]).await.expect("are judged");
    assert!(shelf.holds(&before) && !shelf.holds(&after));
}

#[tokio::test]
async fn a_core_above_that_closes_closes_the_mirror_of_its_child() {
    let fleet = Fleet::new(&["a", "b", "m"]).await;
    let (root, _) = Box::pin(shared(&fleet)).await;
    let (mirror, members) = (fleet.at("m"), &root.person.node.members);
    let new = NewCore { is_child: true, ..NewCore::named("widget") };
    let made = members.create(&root.person.session, &root.core, new).await.expect("is made");
    let child = Seat::at(fleet.at("a"), &wallet(1), made.core).await;
    let name = "profile/name".parse().expect("a path");
    child.act(Wish::Put { path: name, value: Ipld::String("Widget".to_owned()) }).await.expect("begins");
    assert!(child.put("page", Visibility::Public).await);
    let link = fleet.connect("m", "a").await;
    let (mut status, task) = follow(mirror, &link, child.core, true);
    hears(mirror, &mut status, &child.core, "page", Some(body("file", 100))).await;
    // Nothing is written to the child itself.
    let rule = ExposureRule::new([(Exit::Http, false)]).to_ipld();
    let path = "config/exposure".parse().expect("a path");
    root.act(Wish::Put { path, value: rule }).await.expect("may");
    let ended = task.await.expect("does not panic");
    assert!(matches!(ended, Err(ChannelError::NothingPublished)), "{ended:?}");
}

fn deny(place: &Place, roots: &[Cid]) {
    let mut list = Denylist::default();
    for root in roots {
        assert!(list.read(&format!("/ipfs/{root}\n")).expect("is a list").is_empty());
    }
    place.node.content.denylists().set(list);
}

#[tokio::test]
async fn what_either_side_denies_is_neither_brought_nor_served() {
    let fleet = Fleet::new(&["a", "m"]).await;
    let (a, mirror) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("m"));
    let core = a.session.core;
    for path in ["kept", "there", "here"] {
        a.put(path, body(path, 1_000), Visibility::Public).await;
    }
    let [kept, there, here] = ["kept", "there", "here"].map(|path| root(&a, path));
    deny(fleet.at("a"), &[there]);
    deny(mirror, &[here]);
    let link = fleet.connect("m", "a").await;
    let (mut status, _task) = follow(mirror, &link, core, true);
    let settled = status.wait_for(|status| status.settled).await.expect("it goes on").clone();
    assert_eq!((settled.paths, settled.lacking), (1, 1), "{settled:?}");
    for root in [there, here] {
        assert!(!mirror.store.has_block(&root).expect("reads"), "what is denied was brought");
    }
    // Rules come and go.
    deny(fleet.at("a"), &[]);
    hears(mirror, &mut status, &core, "there", Some(body("there", 1_000))).await;
    deny(mirror, &[here, kept]);
    assert_eq!(reads(&mirror.node, &core, "kept").await, None);
    assert!(reads_cid(&mirror.node, &kept).await.is_none());
    deny(mirror, &[]);
    assert_eq!(reads(&mirror.node, &core, "kept").await, Some(body("kept", 1_000)));
    deny(fleet.at("a"), &[there]);
    hears(mirror, &mut status, &core, "there", None).await;
    hears(mirror, &mut status, &core, "here", Some(body("here", 1_000))).await;
    assert!(reads_cid(&mirror.node, &there).await.is_none());
}

/// What an owner does with a core, and a mirror on a line that breaks: the mirror ends with what everybody may have, and
/// nothing that was never public has reached it.
#[tokio::test]
#[allow(clippy::print_stdout, reason = "whoever sees it fail needs the seed")]
async fn whatever_its_owner_does_a_mirror_has_what_is_public_and_nothing_else() {
    let seed = std::env::var("KUBELT_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let rounds = std::env::var("KUBELT_SIM_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    for seed in (seed.unwrap_or(1_u64)..).take(rounds) {
        println!("KUBELT_SIM_SEED={seed}");
        wander(seed).await;
    }
}

async fn wander(seed: u64) {
    const PATHS: [&str; 5] = ["a", "b", "b/c", "d/e/f", "g"];
    let fleet = Fleet::new(&["a", "m"]).await;
    let (a, mirror) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("m"));
    let core = a.session.core;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut dice = move |sides: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    };
    // One path that stays, so that the core never looks like none.
    a.put("stays", body("stays", 10), Visibility::Public).await;
    let mut link = fleet.connect("m", "a").await;
    let (mut status, mut task) = follow(mirror, &link, core, true);
    let mut never_public = Vec::new();
    for step in 0..40_u32 {
        let path = PATHS[usize::try_from(dice(5)).expect("is small")];
        let name = format!("{seed} {step}");
        match dice(8) {
            0..=2 => a.put(path, body(&name, 300_000), Visibility::Public).await,
            3 | 4 => {
                let visibility = if dice(2) == 0 { Visibility::Private } else { Visibility::Members };
                a.put(path, body(&name, 300_000), visibility).await;
                never_public.push(root(&a, path));
            }
            5 => a.set(&format!("{PREFIX}/{path}"), Ipld::Null).await,
            6 => {
                let exit = Exit::ALL[usize::try_from(dice(3)).expect("is small")];
                hide(&a, path, ExposureRule::new([(exit, dice(2) == 0)])).await;
            }
            _ => {
                link.end();
                drop(task.await);
                link = fleet.connect("m", "a").await;
                (status, task) = follow(mirror, &link, core, true);
            }
        }
        if dice(4) == 0 {
            for path in PATHS {
                hears(mirror, &mut status, &core, path, open_everywhere(&a, path).await).await;
            }
        }
    }
    for path in PATHS {
        hears(mirror, &mut status, &core, path, open_everywhere(&a, path).await).await;
    }
    for root in never_public {
        assert!(!mirror.store.has_block(&root).expect("reads"), "{root} has reached the mirror");
    }
    link.end();
    drop(task.await);
}

/// What stands at a path, where strangers reach it by every exit.
async fn open_everywhere(person: &Person, path: &str) -> Option<Bytes> {
    let core = person.session.core;
    let map_path = format!("{PREFIX}/{path}").parse().expect("a path");
    let is_open = |exit| person.node.content.access().door(&core, exit).expect("reads").is_open(&map_path);
    if !Exit::ALL.into_iter().all(is_open) {
        return None;
    }
    reads(&person.node, &core, path).await
}

/// A source that takes the mirror in, shows that it is there, and gives nothing.
async fn stalls(stream: tokio::io::DuplexStream, genesis: Genesis) {
    let (mut read, mut write) = tokio::io::split(stream);
    let frame = |channel: u32, kind: Kind, payload: &[u8]| {
        let head = FrameHead { len: payload.len(), channel, kind }.encode();
        [head.as_slice(), payload].concat()
    };
    let hello = Hello { v: FOLLOW_VERSION, nonce: [3; 32] }.encode();
    let opened = Opened { genesis: genesis.encode().into(), full: false }.encode();
    write.write_all(&frame(0, Kind::Hello, &hello)).await.expect("is sent");
    // Its first channel is the first one of who dialled.
    tokio::time::sleep(Duration::from_secs(1)).await;
    write.write_all(&frame(1, Kind::Opened, &opened)).await.expect("is sent");
    let mut heard = [0; 1_024];
    loop {
        tokio::select! {
            read = read.read(&mut heard) => if !read.is_ok_and(|count| count > 0) { return },
            () = tokio::time::sleep(Duration::from_secs(10)) => {
                if write.write_all(&frame(0, Kind::Ping, &[])).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_nothing_is_left_for_others() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let genesis = a.node.cores.genesis(&a.session.core).expect("it is here");
    let (here, there) = tokio::io::duplex(256 * 1_024);
    let source = tokio::spawn(stalls(there, genesis));
    let key = kubelt_core::SessionKey::from_seed([80; 32]).public();
    let b = fleet.at("b");
    let link = b.node.replication.connect(here, key).await.expect("greets");
    let (_, task) = follow(b, &link, a.session.core, true);
    // Time runs while the store works, in these tests.
    let ended = tokio::time::timeout(100 * FOLLOW_SILENCE_MAX, task).await.expect("it is not waited for");
    let ended = ended.expect("does not panic");
    assert!(matches!(ended, Err(ChannelError::Peer(PeerFault::Silent))), "{ended:?}");
    link.end();
    source.await.expect("does not panic");
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_not_read_for_every_write() {
    let fleet = Fleet::new(&["a"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let (core, replication) = (a.session.core, &a.node.replication);
    let key = kubelt_core::SessionKey::from_seed([81; 32]).public();
    let asker = Asker { peer: &key, is_stranger: true };
    let look = || async { replication.published(&core, asker).await.expect("reads") };
    a.put("one", body("one", 10), Visibility::Public).await;
    let first = look().await.expect("it was not read before");
    assert_eq!(first.len(), 1);
    assert!(Arc::ptr_eq(&first, &look().await.expect("nothing has changed")));
    a.put("two", body("two", 10), Visibility::Public).await;
    // Whoever opens and closes channels in turn has no more of it.
    drop(first);
    let not_before = look().await.expect_err("it was read a moment ago");
    assert!(not_before > Instant::now() && not_before <= Instant::now() + PUBLISHED_REST_MAX);
    tokio::time::sleep_until(not_before).await;
    assert_eq!(look().await.expect("it is time").len(), 2);
}

#[tokio::test]
async fn what_has_come_does_not_wait_for_what_has_not() {
    let fleet = Fleet::new(&["a"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let (core, inner) = (a.session.core, &a.node.replication.0);
    let claims = inner.claims.join(core);
    let mut fetch =
        Fetch::new(a.node.content.clone(), a.store.clone(), core, claims, inner.room.clone().part());
    let [small, large] =
        ["small", "large"].map(|name| Block::new(Codec::Raw, body(name, 10)).expect("short"));
    let path = |name: &str| format!("{PREFIX}/{name}").parse::<kubelt_core::MapPath>().expect("a path");
    let wanted = |block: &Block| Wanted { cid: *block.cid(), size: 10, partial: false };
    fetch.want([(path("small"), wanted(&small)), (path("large"), wanted(&large))]);
    let out = Outbox::default();
    fetch.advance(&out, 1).await.expect("looks");
    let payload: Bytes = [&small.cid().to_bytes()[..], small.data()].concat().into();
    let room = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().expect("there is room");
    let frame = Incoming { kind: Kind::Block, payload, _room: room };
    fetch.take(vec![frame]).await.expect("was asked for");
    let whole = async {
        while !fetch.is_settling() {
            fetch.advance(&out, 1).await.expect("looks");
            tokio::task::yield_now().await;
        }
        fetch.settled().await.expect("is settled");
        fetch.take_whole()
    };
    let whole = tokio::time::timeout(Duration::from_secs(60), whole).await.expect("it is opened");
    assert_eq!(whole, [path("small")]);
    assert!(fetch.asked() > 0, "the other one is still to come");
}
