use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kubelt_core::{EoaKey, schema::Visibility};
use kubelt_store::{Options, Store};
use parking_lot::Mutex;

use super::{Delivery, PinningClient, RemoteCall, RemoteError, RemotePin, RemoteService, check};
use crate::{Ask, Clock, Node, Session, Target, content_path};

const MINUTE_MS: u64 = 60_000;

#[derive(Debug)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Down,
    Lies,
    Fails,
}

#[derive(Debug)]
struct FakeService {
    mood: Mutex<Mood>,
    pins: Mutex<BTreeMap<String, String>>,
    calls: AtomicU64,
}

impl PinningClient for FakeService {
    fn call(&self, service: &RemoteService, call: &RemoteCall) -> Result<RemotePin, RemoteError> {
        assert_eq!(service.token, "secret");
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        let mood = *self.mood.lock();
        if mood == Mood::Down {
            return Err(RemoteError::Failed("it answers 500".to_owned()));
        }
        let mut pins = self.pins.lock();
        let (id, cid) = match call {
            RemoteCall::Add { cid, .. } => (format!("r{n}"), cid.to_string()),
            RemoteCall::Replace { id, cid, .. } => {
                pins.remove(id).ok_or(RemoteError::Gone)?;
                (format!("r{n}"), cid.to_string())
            }
            RemoteCall::Status { id } => (id.clone(), pins.get(id).cloned().ok_or(RemoteError::Gone)?),
            RemoteCall::Remove { id } => {
                pins.remove(id).ok_or(RemoteError::Gone)?;
                return Ok(RemotePin::default());
            }
        };
        if mood == Mood::Fails {
            let details = Some("no room\nleft".to_owned());
            return Ok(RemotePin { id, status: "failed".to_owned(), cid, details });
        }
        let known = pins.insert(id.clone(), cid.clone()).is_some();
        let status = if known { "pinned" } else { "queued" }.to_owned();
        let cid = if mood == Mood::Lies { "bafkqaaa".to_owned() } else { cid };
        Ok(RemotePin { id, status, cid, details: None })
    }
}

struct Scene {
    node: Node,
    clock: Arc<TestClock>,
    service: Arc<FakeService>,
    session: Arc<Session>,
}

impl Scene {
    async fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_800_000_000_000)));
        let node = Node::new(Store::memory(Options::default()), Arc::clone(&clock) as Arc<dyn Clock>);
        let service = Arc::new(FakeService {
            mood: Mutex::new(Mood::Well),
            pins: Mutex::default(),
            calls: AtomicU64::new(0),
        });
        node.remote_pins.deliver_by(Arc::clone(&service) as Arc<dyn PinningClient>);
        let key = EoaKey::from_secret(&[1; 32]).expect("a secret key");
        let ask = Ask::of(key.account());
        let made = node.sessions.challenge("localhost", ask).expect("a challenge");
        let signed = key.sign(made.message.as_bytes());
        let session = node.sessions.open("localhost", &made.message, &signed).await.expect("opened").session;
        Self { node, clock, service, session }
    }

    async fn put(&self, path: &str, bytes: &'static [u8], visibility: Visibility) {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let path = content_path(&segments).expect("a path");
        let target = Target { path, visibility, partial: false, media_type: None };
        let mut upload = self.node.content.upload(Arc::clone(&self.session), self.session.core, target).await;
        upload.write(Bytes::from_static(bytes)).await.expect("written");
        upload.finish().await.expect("written");
    }

    async fn set(&self) {
        let delivery = delivery("https://pins.example/api", &["site"]);
        let core = self.session.core;
        let set = self.node.remote_pins.set(&self.session, &core, "one", &delivery, Some("secret")).await;
        set.expect("a good setting");
    }

    async fn step(&self) {
        self.node.workers.get("remote-pins").expect("it is there").step().await.expect("a good step");
    }

    fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn mood(&self, mood: Mood) {
        *self.service.mood.lock() = mood;
    }

    fn calls(&self) -> u64 {
        self.service.calls.load(Ordering::Relaxed)
    }

    async fn shown(&self) -> Vec<(String, String, Option<String>)> {
        let states = self.node.remote_pins.list(&self.session, &self.session.core).await.expect("listed");
        let pins = states.into_iter().flat_map(|state| state.pins);
        pins.map(|(path, pin)| (path, pin.status, pin.reason)).collect()
    }

    async fn statuses(&self) -> Vec<String> {
        self.shown().await.into_iter().map(|(path, status, _)| format!("{path} {status}")).collect()
    }
}

fn delivery(endpoint: &str, paths: &[&str]) -> Delivery {
    Delivery { endpoint: endpoint.to_owned(), paths: paths.iter().map(|path| (*path).to_owned()).collect() }
}

#[tokio::test]
async fn remote_pins_follow_what_is_public() {
    let scene = Scene::new().await;
    scene.put("site/a", b"one", Visibility::Public).await;
    scene.put("site/b", b"two", Visibility::Private).await;
    scene.put("sitemap", b"three", Visibility::Public).await;
    scene.set().await;
    scene.step().await;
    assert_eq!(scene.statuses().await, ["site/a queued"]);
    scene.pass(MINUTE_MS);
    scene.step().await;
    assert_eq!(scene.statuses().await, ["site/a pinned"]);
    let calls = scene.calls();
    scene.step().await;
    assert_eq!(scene.calls(), calls, "nothing is due");

    scene.put("site/a", b"four", Visibility::Public).await;
    scene.put("site/b", b"two", Visibility::Public).await;
    scene.step().await;
    assert_eq!(scene.service.pins.lock().len(), 2, "one was replaced, one added");
    scene.put("site/a", b"four", Visibility::Members).await;
    scene.step().await;
    assert_eq!(scene.statuses().await, ["site/b queued"]);
    assert_eq!(scene.service.pins.lock().len(), 1);
}

#[tokio::test]
async fn a_service_that_is_down_is_asked_less_and_less() {
    let scene = Scene::new().await;
    scene.put("site/a", b"one", Visibility::Public).await;
    scene.put("site/b", b"two", Visibility::Public).await;
    scene.set().await;
    scene.mood(Mood::Down);
    for _ in 0..1_000 {
        scene.step().await;
        scene.pass(MINUTE_MS);
    }
    assert!((10..60).contains(&scene.calls()), "{} calls in 1,000 minutes", scene.calls());
    assert!(scene.shown().await.iter().any(|(_, _, reason)| reason.as_deref() == Some("it answers 500")));
    scene.mood(Mood::Well);
    for _ in 0..4 {
        scene.pass(61 * MINUTE_MS);
        scene.step().await;
    }
    assert_eq!(scene.statuses().await, ["site/a pinned", "site/b pinned"]);

    // While it is down, a changed path goes on being the old pin, and is replaced later.
    scene.mood(Mood::Down);
    scene.put("site/a", b"four", Visibility::Public).await;
    scene.step().await;
    assert_eq!(scene.statuses().await[0], "site/a replacing");
    scene.mood(Mood::Well);
    for _ in 0..3 {
        scene.pass(61 * MINUTE_MS);
        scene.step().await;
    }
    assert_eq!(scene.statuses().await, ["site/a pinned", "site/b pinned"]);
    assert_eq!(scene.service.pins.lock().len(), 2, "no pin is left behind");
}

#[tokio::test]
async fn a_service_that_lies_or_fails_is_shown_with_the_reason() {
    let scene = Scene::new().await;
    scene.put("site/a", b"one", Visibility::Public).await;
    scene.set().await;
    scene.mood(Mood::Lies);
    scene.step().await;
    let reason = "the service answers nonsense: a pin of other content".to_owned();
    assert_eq!(scene.shown().await, [("site/a".to_owned(), "waiting".to_owned(), Some(reason))]);
    scene.mood(Mood::Fails);
    scene.pass(MINUTE_MS);
    scene.step().await;
    let reason = "no roomleft".to_owned();
    assert_eq!(scene.shown().await, [("site/a".to_owned(), "failed".to_owned(), Some(reason))]);
}

#[tokio::test]
async fn a_token_goes_with_its_setting_and_is_in_no_map() {
    let scene = Scene::new().await;
    let core = scene.session.core;
    scene.put("site/a", b"one", Visibility::Public).await;
    scene.set().await;
    scene.step().await;
    let path = "config/pinning/one".parse().expect("a path");
    let state = scene.node.remote_pins.0.store.state(&core, &path).expect("read").expect("a setting");
    assert!(!state.value.windows(6).any(|bytes| bytes == b"secret"));
    scene.node.remote_pins.remove(&scene.session, &core, "one").await.expect("removed");
    assert!(scene.node.remote_pins.list(&scene.session, &core).await.expect("listed").is_empty());
    assert_eq!(scene.node.remote_pins.0.store.meta_scan(super::SECRETS, &[], None).count(), 0);
    assert_eq!(scene.node.remote_pins.0.store.meta_scan(super::ROWS, &[], None).count(), 0);
    let calls = scene.calls();
    scene.pass(MINUTE_MS);
    scene.step().await;
    assert_eq!(scene.calls(), calls);
}

/// Who may write settings but does not know the token gets it by no other endpoint.
#[tokio::test]
async fn a_token_goes_to_no_other_endpoint() {
    let scene = Scene::new().await;
    let core = scene.session.core;
    scene.put("site/a", b"one", Visibility::Public).await;
    scene.set().await;
    let elsewhere = delivery("https://evil.example", &["site"]);
    scene.node.remote_pins.set(&scene.session, &core, "one", &elsewhere, None).await.expect("set");
    scene.step().await;
    assert_eq!(scene.calls(), 0);
    let listed = scene.node.remote_pins.list(&scene.session, &core).await.expect("listed");
    assert!(!listed[0].has_token);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    assert!(check(&delivery("http://127.0.0.1:4747/@0xab/-", &["site"]), Some("t")).is_ok());
    for endpoint in [
        "",
        "ftp://a",
        "https://",
        "https://u:p@a/",
        "https://a/?q",
        "https://a/#f",
        "https://a b",
        "https://a/pins/",
    ] {
        assert!(check(&delivery(endpoint, &["site"]), None).is_err(), "{endpoint}");
    }
    let many = vec!["a"; 101];
    for paths in [&[][..], &["../x"][..], &["/a"][..], &[""][..], &many[..]] {
        assert!(check(&delivery("https://a", paths), None).is_err(), "{paths:?}");
    }
    for token in ["", "a b", "ü", &"a".repeat(5_000)] {
        assert!(check(&delivery("https://a", &["a"]), Some(token)).is_err(), "{token}");
    }
}
