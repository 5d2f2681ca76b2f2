//! Server-sent events of a core: what they say, to whom, and when they end.

use std::net::SocketAddr;

use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::Request,
};
use futures::StreamExt as _;
use kubelt_api::Heads;
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    harness::{HOST, Person, TestNode},
    members::Team,
};

/// What somebody hears.
struct Events {
    body: BodyDataStream,
    heard: String,
}

/// The id of an event, and what it says.
type Event = (String, Heads);

impl Events {
    /// Listens; the status where that is refused.
    async fn of(node: &TestNode, core: &str, token: Option<&str>, last: Option<&str>) -> Result<Self, u16> {
        let mut request = Request::get(format!("{core}/-/events")).header("host", HOST);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let response = node.router().oneshot(request).await.expect("the router never fails");
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Self { body: response.into_body().into_data_stream(), heard: String::new() })
    }

    /// The next event; none where it has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.heard.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.map(str::to_owned)
                };
                let (kind, id, data) = (field("event"), field("id"), field("data"));
                self.heard = rest.to_owned();
                // Comments keep the connection open.
                let (Some(id), Some(data)) = (id, data) else { continue };
                assert_eq!(kind.as_deref(), Some("heads"));
                return Some((id, serde_json::from_str(&data).expect("heads")));
            }
            let bytes = self.body.next().await?.expect("is whole");
            self.heard.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }
}

async fn heads(node: &TestNode, core: &str, token: &str) -> Heads {
    node.get(&format!("{core}/-/heads"), Some(token)).await.expect(200).json()
}

#[tokio::test]
async fn each_change_is_told_and_nothing_twice() {
    let (node, ann) = (TestNode::new(), Person::new(1));
    let (token, core) = (node.sign_in(&ann).await.token, ann.core());
    node.put(&format!("{core}/-/state/profile/name"), &token, "\"Ann\"").await.expect(200);
    let mut events = Events::of(&node, &core, Some(&token), None).await.expect("may hear");
    let (first, now) = events.next().await.expect("how it is");
    let there = heads(&node, &core, &token).await;
    assert_eq!((&now.heads, now.count), (&there.heads, there.count));
    node.put(&format!("{core}/-/state/profile/city"), &token, "\"Paris\"").await.expect(200);
    let (second, then) = events.next().await.expect("a change");
    assert!(then.count > now.count && then.heads != now.heads && first != second);
    drop(events);

    // Whoever comes back hears of what was missed, and of nothing else.
    let mut behind = Events::of(&node, &core, Some(&token), Some(&first)).await.expect("may hear");
    assert_eq!(behind.next().await.expect("what was missed").0, second);
    let mut level = Events::of(&node, &core, Some(&token), Some(&second)).await.expect("may hear");
    node.put(&format!("{core}/-/state/profile/city"), &token, "\"Rome\"").await.expect(200);
    assert_eq!(level.next().await.expect("a change").1.count, then.count + 1);
}

#[tokio::test]
async fn who_may_not_see_the_heads_hears_nothing() {
    let (node, ann, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let (token, core) = (node.sign_in(&ann).await.token, ann.core());
    let other = node.sign_in(&eve).await.token;
    assert_eq!(Events::of(&node, &core, None, None).await.err(), Some(404));
    assert_eq!(Events::of(&node, &core, Some(&other), None).await.err(), Some(404));
    assert_eq!(
        Events::of(&node, "/@0x00000000000000000000000000000000000000ff", Some(&other), None).await.err(),
        Some(404)
    );
    node.call("POST", &format!("{core}/-/events"), Some(&token), &[], Body::empty()).await.expect(405);
}

#[tokio::test]
async fn it_ends_with_the_session_and_with_ones_part_in_the_core() {
    let team = Team::new().await;
    let bob = Person::new(9);
    let grant = json!({ "grant": { "to": [bob.account()], "role": "developer" } });
    team.node.act(&team.root, &team.token, &team.core, grant).await.expect(201);
    let token = team.node.sign_in_to(&bob, None, &[&team.core]).await.token;
    let core = format!("/@{}", team.core);
    let mut events = Events::of(&team.node, &core, Some(&token), None).await.expect("may hear");
    events.next().await.expect("how it is");
    let removal = json!({ "remove": { "account": bob.account() } });
    team.node.act(&team.root, &team.token, &team.core, removal).await.expect(201);
    assert!(events.next().await.is_none(), "he has no part in it any more");

    let mut own = Events::of(&team.node, &bob.core(), Some(&token), None).await.expect("may hear");
    own.next().await.expect("how it is");
    let ended = team.node.call("DELETE", "/-/session", Some(&token), &[], Body::empty()).await.status;
    assert!(ended == 200 || ended == 204, "{ended}");
    while let Some((_id, heads)) = own.next().await {
        assert!(heads.count > 0, "the end itself may be told before");
    }
}

#[tokio::test]
async fn an_account_listens_so_often_and_no_more() {
    let (node, ann) = (TestNode::new(), Person::new(1));
    let (token, core) = (node.sign_in(&ann).await.token, ann.core());
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Events::of(&node, &core, Some(&token), None).await.expect("may hear"));
    }
    assert_eq!(Events::of(&node, &core, Some(&token), None).await.err(), Some(429));
    let mut first = open.swap_remove(0);
    first.next().await.expect("how it is");
    drop(first);
    // Its place is given back once the node has seen that it is gone.
    while Events::of(&node, &core, Some(&token), None).await.is_err() {
        tokio::task::yield_now().await;
    }
}
