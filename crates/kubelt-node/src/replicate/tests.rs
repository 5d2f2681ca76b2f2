//! Nodes of one process over pipes: what travels, what does not, and what becomes of peers that lie.

mod children;
mod intruders;
mod liars;
mod members;
mod mirrors;
mod sim;
mod sources;
mod world;

use std::sync::Arc;

use kubelt_content::Ipld;
use kubelt_core::schema::Visibility;

use self::world::{Fleet, body, wallet};
use super::{ChannelError, Exchanged};

#[tokio::test]
async fn a_new_node_gets_the_whole_core_with_its_content() {
    let fleet = Fleet::new(&["old", "new"]).await;
    let (old, new) = (fleet.at("old").sign_in(&wallet(1)).await, fleet.at("new").sign_in(&wallet(1)).await);
    old.profile("me").await;
    for (path, size) in [("a", 10), ("b", 3_000_000), ("c/d", 300_000)] {
        old.put(path, body(path, size), Visibility::Private).await;
    }
    let link = fleet.connect("new", "old").await;
    let exchanged = new.pull(&link, false).await.expect("is exchanged");
    assert!(exchanged.settled && exchanged.equal, "{exchanged:?}");
    assert_eq!(exchanged.incomplete, 0);
    fleet.assert_equal(&old.session.core, &["old", "new"]);
    for (path, size) in [("a", 10), ("b", 3_000_000), ("c/d", 300_000)] {
        assert_eq!(new.read(path).await, Some(body(path, size)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_of_many_windows_travels_whole() {
    let fleet = Fleet::new(&["old", "new"]).await;
    let (old, new) = (fleet.at("old").sign_in(&wallet(1)).await, fleet.at("new").sign_in(&wallet(1)).await);
    old.set_many(9_000).await;
    let link = fleet.connect("new", "old").await;
    let exchanged = new.pull(&link, false).await.expect("is exchanged");
    assert!(exchanged.settled && exchanged.equal, "{exchanged:?}");
    assert_eq!(exchanged.ops, 9_000);
}

#[tokio::test]
async fn both_sides_have_the_same_after_a_partition() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (a, b) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("b").sign_in(&wallet(1)).await);
    for round in 0..3_u32 {
        // Nobody hears of the other meanwhile; the same path is written on both sides.
        for n in 0..5 {
            a.set(&format!("profile/a{round}{n}"), Ipld::Integer(n)).await;
            b.set(&format!("profile/b{round}{n}"), Ipld::Integer(n)).await;
        }
        a.set("profile/name", Ipld::String(format!("a {round}"))).await;
        b.set("profile/name", Ipld::String(format!("b {round}"))).await;
        a.put(&format!("a{round}"), body("a", 400_000 + round as usize), Visibility::Private).await;
        b.put(&format!("b{round}"), body("b", 400_000 + round as usize), Visibility::Public).await;
        let link = fleet.connect("b", "a").await;
        let exchanged = b.pull(&link, false).await.expect("is exchanged");
        assert!(exchanged.settled && exchanged.equal, "{exchanged:?}");
        fleet.assert_equal(&a.session.core, &["a", "b"]);
        for side in [&a, &b] {
            assert_eq!(side.read(&format!("a{round}")).await, Some(body("a", 400_000 + round as usize)));
            assert_eq!(side.read(&format!("b{round}")).await, Some(body("b", 400_000 + round as usize)));
        }
    }
}

#[tokio::test]
async fn news_travel_both_ways_while_a_channel_is_live() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (a, b) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("b").sign_in(&wallet(1)).await);
    let link = fleet.connect("b", "a").await;
    let (status, _task) = b.live(&link);
    a.profile("one").await;
    b.hears("profile/name", Ipld::String("one".to_owned())).await;
    b.profile("two").await;
    a.hears("profile/name", Ipld::String("two".to_owned())).await;
    a.put("file", body("x", 500_000), Visibility::Private).await;
    b.hears_content("file", body("x", 500_000)).await;
    let settled = |now: &Exchanged| now.settled && now.equal;
    status.clone().wait_for(settled).await.expect("it goes on");
    fleet.assert_equal(&a.session.core, &["a", "b"]);
}

#[tokio::test]
async fn a_transfer_that_broke_off_goes_on_where_it_was() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (a, b) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("b").sign_in(&wallet(1)).await);
    let size = 40 * 1_024 * 1_024;
    a.put("large", body("large", size), Visibility::Private).await;
    let link = fleet.connect("b", "a").await;
    let (mut status, task) = b.live(&link);
    status.wait_for(|now| now.blocks > 20).await.expect("it goes on");
    link.end();
    let first = match task.await.expect("ends") {
        Err(ChannelError::Closed) => b.usage_blocks(),
        other => panic!("{other:?}"),
    };
    assert!(first > 0, "nothing was kept");
    let link = fleet.connect("b", "a").await;
    let exchanged = b.pull(&link, false).await.expect("is exchanged");
    assert!(exchanged.blocks + first <= a.usage_blocks() + 1, "{first} blocks, then {exchanged:?}");
    assert_eq!(b.read("large").await, Some(body("large", size)));
}

#[tokio::test]
async fn a_node_with_two_hosts_is_sent_each_block_once() {
    let fleet = Fleet::new(&["a", "b", "c"]).await;
    let (a, b) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("b").sign_in(&wallet(1)).await);
    for (path, size) in [("large", 30 << 20), ("small", 10), ("other", 5 << 20)] {
        a.put(path, body(path, size), Visibility::Private).await;
    }
    let link = fleet.connect("b", "a").await;
    b.pull(&link, false).await.expect("is exchanged");

    let c = fleet.at("c").sign_in(&wallet(1)).await;
    let links = [fleet.connect("c", "a").await, fleet.connect("c", "b").await];
    let ((from_a, _a), (from_b, _b)) = (c.live(&links[0]), c.live(&links[1]));
    // What is looked at must not be held on to while the other is waited for.
    let blocks = async |mut status: tokio::sync::watch::Receiver<Exchanged>| {
        status.wait_for(|now| now.settled && now.equal).await.expect("it goes on").blocks
    };
    let (of_a, of_b) = tokio::join!(blocks(from_a), blocks(from_b));
    let came = of_a + of_b;
    assert!((30..=a.usage_blocks()).contains(&came), "{came} blocks of {} came", a.usage_blocks());
    for (path, size) in [("large", 30 << 20), ("small", 10), ("other", 5 << 20)] {
        assert_eq!(c.read(path).await, Some(body(path, size)), "{path}");
    }
}

#[tokio::test]
async fn a_private_core_is_as_missing_to_strangers_as_one_that_is_not_here() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    a.put("secret", body("secret", 1_000), Visibility::Private).await;
    a.put("open", body("open", 1_000), Visibility::Public).await;
    let b = fleet.at("b").sign_in(&wallet(2)).await;
    let link = fleet.connect("b", "a").await;
    for core in [a.session.core, wallet_core(9)] {
        for session in [None, Some(&b.session)] {
            let ended = b.pull_as(&link, core, session.map(Arc::as_ref)).await;
            assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
        }
    }
    assert!(b.node.cores.genesis(&a.session.core).is_err(), "nothing of it is here");
}

#[tokio::test]
async fn a_sign_in_that_has_ended_opens_nothing() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    a.profile("me").await;
    let b = fleet.at("b").sign_in(&wallet(1)).await;
    let other = fleet.at("b").sign_in(&wallet(1)).await;
    let link = fleet.connect("b", "a").await;
    b.pull(&link, false).await.expect("is exchanged");
    // The second session of the new node ends the first one, and the old node hears of it.
    b.node.sessions.end(&other.session, b.session.id()).await.expect("is ended");
    other.pull(&link, false).await.expect("is exchanged");
    let ended = b.pull(&link, false).await;
    assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
    fleet.clock.tick(25 * 60 * 60 * 1_000);
    let ended = other.pull(&link, false).await;
    assert!(matches!(ended, Err(ChannelError::NotFound)), "expired: {ended:?}");
}

#[tokio::test]
async fn a_live_channel_ends_with_the_sign_in_it_was_opened_by() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let b = fleet.at("b").sign_in(&wallet(1)).await;
    let link = fleet.connect("b", "a").await;
    let (mut status, task) = b.live(&link);
    status.wait_for(|now| now.settled).await.expect("it goes on");
    // The wallet itself ends the session of the new node, at the old one, which may never have seen its sign-in.
    let made = a.node.sessions.end_challenge("localhost", wallet(1).account(), b.session.id(), None);
    drop(made.expect("a challenge"));
    let act = kubelt_core::Act::Logout { login: b.session.id() };
    let write = crate::Write::Act { session: Arc::clone(&a.session), act };
    a.node.cores.write(a.session.core, write).await.expect("is written");
    let ended = task.await.expect("ends");
    assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
}

#[tokio::test]
async fn a_host_that_the_core_names_needs_no_sign_in() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let b = fleet.at("b").sign_in(&wallet(1)).await;
    let key = b.node.identity.key().await.expect("a key").public();
    let host = kubelt_core::schema::Host { peer: key, addresses: Default::default(), spare: false };
    a.set(kubelt_core::schema::Host::path(&key).as_str(), host.to_ipld()).await;
    let link = fleet.connect("b", "a").await;
    b.pull_as(&link, a.session.core, None).await.expect("is exchanged");
    fleet.assert_equal(&a.session.core, &["a", "b"]);
    a.set(kubelt_core::schema::Host::path(&key).as_str(), Ipld::Null).await;
    let ended = b.pull_as(&link, a.session.core, None).await;
    assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
}

#[tokio::test]
async fn nobody_fills_a_node_with_a_core_that_it_does_not_hold() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    a.profile("me").await;
    let link = fleet.connect("a", "b").await;
    let ended = a.pull(&link, false).await;
    assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
    assert!(fleet.at("b").node.cores.genesis(&a.session.core).is_err());
}

#[tokio::test]
async fn content_over_the_quota_of_its_core_is_not_taken() {
    let fleet = Fleet::with_quota(&["a", "b"], 1_000_000).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let b = fleet.at("b").sign_in(&wallet(1)).await;
    fleet.at("a").unlimited(&a.session.core).await;
    a.put("large", body("large", 3_000_000), Visibility::Private).await;
    let link = fleet.connect("b", "a").await;
    let ended = b.pull(&link, false).await;
    assert!(matches!(ended, Err(ChannelError::Upload(_))), "{ended:?}");
    assert!(!link.is_over() || fleet.at("b").node.replication.faults(link.peer()) == 0);
}

#[tokio::test]
async fn many_paths_of_the_same_content_all_open() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (a, b) = (fleet.at("a").sign_in(&wallet(1)).await, fleet.at("b").sign_in(&wallet(1)).await);
    for n in 0..80 {
        a.put(&format!("same/{n}"), body("same", 2_000_000), Visibility::Private).await;
    }
    let link = fleet.connect("b", "a").await;
    let exchanged = b.pull(&link, false).await.expect("is exchanged");
    assert_eq!(exchanged.incomplete, 0);
    fleet.assert_equal(&a.session.core, &["a", "b"]);
}

fn wallet_core(secret: u8) -> kubelt_core::CoreId {
    kubelt_core::Genesis::Private { root: wallet(secret).account() }.id()
}
