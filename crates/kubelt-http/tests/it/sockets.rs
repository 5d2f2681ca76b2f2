//! JSON-RPC over WebSockets, over real connections: who may open one, what it answers, and when it is closed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{SinkExt as _, StreamExt as _};
use kubelt_node::{Asking, ChainFault, ChainPort};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, protocol::frame::coding::CloseCode},
};

use crate::{
    harness::{Person, TestNode},
    members::Team,
};

/// A node that listens.
struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Listening {
    async fn start(node: &TestNode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let edge = node.router();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            kubelt_http::serve(listener, None, edge, stopped).await.expect("serves");
        });
        Self { address, stop: Some(stop), serving }
    }

    /// Opens a socket; the status where it is refused.
    async fn open(&self, path: &str, token: Option<&str>) -> Result<Socket, u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().expect("an address");
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        let stream = TcpStream::connect(self.address).await.expect("is there");
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn send(&mut self, value: &Value) {
        self.0.send(Message::text(value.to_string())).await.expect("is open");
    }

    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("is open").expect("is whole") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params})).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], method, "{answer}");
        answer
    }

    /// Why it is closed.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn signed_in() -> (TestNode, Listening, Person, String) {
    let (node, person) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&person).await.token;
    let listening = Listening::start(&node).await;
    (node, listening, person, token)
}

#[tokio::test]
async fn a_socket_answers_what_http_does() {
    let (node, listening, person, token) = signed_in().await;
    let core = person.core();
    let mut socket = listening.open(&format!("{core}/-/rpc"), Some(&token)).await.expect("opens");
    for method in ["kb_core", "kb_listSessions", "eth_accounts", "kb_nothing", "eth_chainId"] {
        let by_http = node.rpc(&core, &token, method, json!([])).await;
        let by_socket = socket.call(method, json!([])).await;
        assert_eq!((&by_socket["result"], &by_socket["error"]), (&by_http["result"], &by_http["error"]));
    }
    let call = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "eth_accounts"});
    let quiet = json!({"jsonrpc": "2.0", "method": "eth_accounts"});
    socket.send(&json!([call(1), quiet, call(2)])).await;
    let answers = socket.next().await;
    assert_eq!(answers.as_array().map(Vec::len), Some(2), "{answers}");
    socket.send(&quiet).await;
    socket.0.send(Message::Binary(call(3).to_string().into_bytes().into())).await.expect("is open");
    assert_eq!(socket.next().await["id"], 3, "nothing was answered to what wants no answer");
    socket.0.send(Message::text("{")).await.expect("is open");
    assert_eq!(socket.next().await["error"]["code"], -32_700);
    socket.send(&json!(vec![call(1); 101])).await;
    assert_eq!(socket.next().await["error"]["code"], -32_600);
    socket.0.send(Message::text(format!("\"{}\"", "a".repeat(1_024 * 1_024 - 2)))).await.expect("is open");
    assert_eq!(socket.next().await["error"]["code"], -32_600, "the largest message is read");
    // The node may close before it has read all of it.
    let _broken = socket.0.send(Message::text("a".repeat(1_024 * 1_024 + 1))).await;
    assert_eq!(socket.closed().await.0, u16::from(CloseCode::Size));
}

#[tokio::test]
async fn a_socket_is_for_whom_http_is() {
    let (node, listening, person, token) = signed_in().await;
    let other = node.sign_in(&Person::new(2)).await.token;
    let (rpc, nobody) = (format!("{}/-/rpc", person.core()), format!("{}/-/rpc", Person::new(3).core()));
    let open = async |path: &str, token: Option<&str>| listening.open(path, token).await.map(drop);
    assert_eq!(open(&rpc, None).await, Err(404));
    assert_eq!(open(&nobody, None).await, Err(404));
    assert_eq!(open(&rpc, Some(&other)).await, Err(404));
    assert_eq!(open(&nobody, Some(&other)).await, Err(404));
    assert_eq!(open(&rpc, Some("kb1_00")).await, Err(401));
    assert_eq!(open(&format!("{rpc}?token=kb1_00"), None).await, Err(401));
    assert_eq!(open(&format!("{rpc}?token={other}"), None).await, Err(404));
    assert_eq!(open(&format!("{rpc}?token={token}"), None).await, Ok(()));
    assert_eq!(open(&format!("{rpc}?chain=x"), Some(&token)).await, Err(400));
    // An address with a token in it opens nothing else.
    let core = format!("{}/-/heads?token={token}", person.core());
    node.get(&core, None).await.expect(404);
    node.get(&format!("{rpc}?token={token}"), None).await.expect(404);
    node.get(&rpc, Some(&token)).await.expect(405);
}

#[tokio::test]
async fn the_end_of_a_session_is_the_end_of_its_sockets() {
    let (node, listening, person, token) = signed_in().await;
    let second = node.sign_in(&person).await;
    let rpc = format!("{}/-/rpc", person.core());
    let mut kept = listening.open(&rpc, Some(&token)).await.expect("opens");
    let mut idle = listening.open(&rpc, Some(&second.token)).await.expect("opens");
    let mut asking = listening.open(&rpc, Some(&second.token)).await.expect("opens");
    let sign =
        json!({"jsonrpc": "2.0", "id": 1, "method": "personal_sign", "params": ["hi", person.account()]});
    asking.send(&sign).await;
    let waiting = async || -> usize {
        let list: Value = node.get(&format!("{}/-/requests", person.core()), Some(&token)).await.json();
        list["requests"].as_array().expect("a list").len()
    };
    while waiting().await == 0 {
        tokio::task::yield_now().await;
    }
    let path = format!("/-/session/{}", second.id);
    node.call("DELETE", &path, Some(&token), &[], "").await.expect(204);
    for socket in [&mut idle, &mut asking] {
        let (code, why) = socket.closed().await;
        assert_eq!(code, u16::from(CloseCode::Policy), "{why}");
        assert!(why.contains("the session has ended"), "{why}");
    }
    while waiting().await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(kept.call("eth_accounts", json!([])).await["result"].is_array(), "others go on");
    // A session that ends itself hears so, or that it is over.
    kept.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "kb_endThisSession"})).await;
    assert_eq!(kept.closed().await.0, u16::from(CloseCode::Policy));
}

#[tokio::test]
async fn who_is_removed_from_a_core_hears_nothing_more_of_it() {
    let team = Team::new().await;
    let listening = Listening::start(&team.node).await;
    let ann = Person::new(2);
    let token = team.member(&ann, "owner").await;
    let rpc = format!("/@{}/-/rpc", team.core);
    let mut socket = listening.open(&rpc, Some(&token)).await.expect("is a member");
    assert!(socket.call("kb_listMembers", json!([])).await["result"].is_object());
    let remove = json!({"remove": {"account": ann.account()}});
    team.node.act(&team.root, &team.token, &team.core, remove).await.expect(201);
    let (code, why) = socket.closed().await;
    assert_eq!(code, u16::from(CloseCode::Policy), "{why}");
    assert_eq!(listening.open(&rpc, Some(&token)).await.map(drop), Err(404));
}

#[tokio::test]
async fn a_socket_is_not_read_while_it_waits_for_too_much() {
    let (node, listening, person, token) = signed_in().await;
    let mut socket = listening.open(&format!("{}/-/rpc", person.core()), Some(&token)).await.expect("opens");
    for id in 0..32 {
        let params = [id.to_string(), person.account()];
        socket.send(&json!({"jsonrpc": "2.0", "id": id, "method": "personal_sign", "params": params})).await;
    }
    socket.send(&json!({"jsonrpc": "2.0", "id": "late", "method": "eth_accounts"})).await;
    let requests = format!("{}/-/requests", person.core());
    let id = loop {
        let list: Value = node.get(&requests, Some(&token)).await.expect(200).json();
        let all = list["requests"].as_array().expect("a list");
        if all.len() == 32 {
            break all[0]["id"].as_str().expect("an id").to_owned();
        }
        tokio::task::yield_now().await;
    };
    node.post(&format!("{requests}/{id}/reject"), Some(&token), &json!({})).await.expect(200);
    assert_eq!(socket.next().await["error"]["code"], 4_001, "nothing else was read before");
    assert_eq!(socket.next().await["id"], "late");
}

#[tokio::test]
async fn sockets_are_bounded_and_end_with_the_node() {
    let (_node, mut listening, person, token) = signed_in().await;
    let rpc = format!("{}/-/rpc", person.core());
    let mut sockets = Vec::new();
    for _ in 0..32 {
        sockets.push(listening.open(&rpc, Some(&token)).await.expect("opens"));
    }
    assert_eq!(listening.open(&rpc, Some(&token)).await.map(drop), Err(429));
    let mut first = sockets.remove(0);
    first.0.close(None).await.expect("is open");
    while first.0.next().await.is_some() {}
    let again = loop {
        match listening.open(&rpc, Some(&token)).await {
            Ok(socket) => break socket,
            Err(status) => assert_eq!(status, 429),
        }
    };
    sockets.push(again);
    listening.stop.take().expect("runs").send(()).expect("is heard");
    for mut socket in sockets {
        assert_eq!(socket.closed().await.0, u16::from(CloseCode::Away));
    }
    listening.serving.await.expect("ends");
}

/// A chain that has one more block whenever it is asked for the newest.
#[derive(Debug, Default)]
struct Growing(AtomicU64);

fn block(number: u64) -> Value {
    let hash = |number: u64| format!("0x{number:064x}");
    json!({"number": format!("{number:#x}"), "hash": hash(number), "parentHash": hash(number.wrapping_sub(1))})
}

impl ChainPort for Growing {
    fn knows(&self, _chain: u64) -> bool {
        true
    }

    fn known(&self) -> Vec<u64> {
        vec![1]
    }

    fn read<'a>(
        &'a self,
        _chain: u64,
        method: &'a str,
        params: &'a Value,
    ) -> Asking<'a, Result<Value, ChainFault>> {
        let block = match method {
            "eth_getBlockByNumber" => block(100 + self.0.fetch_add(1, Ordering::Relaxed)),
            other => panic!("nobody asks for {other} {params}"),
        };
        Box::pin(async move { Ok(block) })
    }
}

#[tokio::test]
async fn new_blocks_are_told_of_until_that_is_ended() {
    let (node, listening, person, token) = signed_in().await;
    node.node.chains.ask_by(Arc::new(Growing::default()));
    let rpc = format!("{}/-/rpc", person.core());
    let mut socket = listening.open(&rpc, Some(&token)).await.expect("opens");
    let refused = node.rpc(&person.core(), &token, "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(refused["error"]["code"], -32_601, "there is nobody to tell: {refused}");
    let refused = socket.call("eth_subscribe", json!(["newPendingTransactions"])).await;
    assert_eq!(refused["error"]["code"], -32_602);
    let refused = socket.call("eth_subscribe", json!(["logs", {"fromBlock": "0x0"}])).await;
    assert_eq!(refused["error"]["code"], -32_602);
    let opened = socket.call("eth_subscribe", json!(["newHeads"])).await;
    let id = opened["result"].as_str().expect("an id").to_owned();
    for number in [101, 102] {
        let notice = socket.next().await;
        assert_eq!(
            (&notice["method"], &notice["params"]["subscription"]),
            (&json!("eth_subscription"), &json!(id))
        );
        assert_eq!(notice["params"]["result"], block(number));
    }
    // Two of one name end the second time.
    for was_there in [true, false] {
        assert_eq!(socket.call("eth_unsubscribe", json!([id])).await["result"], was_there);
    }
    for _ in 0..64 {
        assert!(socket.call("eth_subscribe", json!(["newHeads"])).await["result"].is_string());
    }
    let refused = socket.call("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(refused["error"]["code"], -32_005, "{refused}");
}
