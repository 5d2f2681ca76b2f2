use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread,
};

use kubelt_core::{BlockRef, ContractQuestion, ContractVerdict, schema::BlockTag};
use kubelt_node::{ChainFault, ChainPort as _, ContractAnswers, ContractCall};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{ChainConfig, ConfigError, Upstreams};

const CHAIN: u64 = 10;
const FINAL: u64 = 100;

/// An upstream with a chain of 132 blocks, of which 100 are final. It knows one program's answer.
struct Fake {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

fn block(number: u64) -> Value {
    let hash = format!("0x{}", hex::encode(hash_of(number)));
    json!({"number": format!("{number:#x}"), "hash": hash, "timestamp": format!("{:#x}", number * 12)})
}

fn hash_of(number: u64) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

/// What an honest upstream answers; `found` is what the program finds.
fn honest(method: &str, params: &Value, found: u8) -> Value {
    match method {
        "eth_chainId" => json!(format!("{CHAIN:#x}")),
        "eth_getBlockByNumber" => match params[0].as_str().expect("a tag or a number") {
            "finalized" => block(FINAL),
            "latest" => block(FINAL + 32),
            number => block(u64::from_str_radix(&number[2..], 16).expect("a number")),
        },
        "eth_call" => {
            let answer = format!("kubelt signature check, answer {found}");
            json!(format!("0x{}", hex::encode(answer)))
        }
        other => panic!("nobody asks for `{other}`"),
    }
}

/// Starts an upstream; none for an answer closes the connection without one.
fn start(answer: impl Fn(&str, &Value) -> Option<Value> + Send + 'static) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&calls);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let body = loop {
                let mut piece = [0; 4_096];
                let count = stream.read(&mut piece).unwrap_or(0);
                request.extend(&piece[..count]);
                let text = String::from_utf8_lossy(&request);
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                });
                if count == 0 || length.is_some_and(|length: usize| body.len() >= length) {
                    break body.to_owned();
                }
            };
            let Ok(call) = serde_json::from_str::<Value>(&body) else { continue };
            let method = call["method"].as_str().unwrap_or_default();
            noted.lock().push(method.to_owned());
            let Some(result) = answer(method, &call["params"]) else { continue };
            let body = match result.get("error") {
                Some(error) => json!({"jsonrpc": "2.0", "id": 1, "error": error}),
                None => json!({"jsonrpc": "2.0", "id": 1, "result": result}),
            }
            .to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Who asked may be gone.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    Fake { url, calls }
}

fn upstream(found: u8) -> Fake {
    start(move |method, params| Some(honest(method, params, found)))
}

fn config(urls: Vec<String>) -> ChainConfig {
    ChainConfig { chain: CHAIN, urls, agree: None, confirmations: None }
}

fn over(fakes: &[&Fake]) -> Upstreams {
    Upstreams::new(vec![config(fakes.iter().map(|fake| fake.url.clone()).collect())]).expect("good settings")
}

fn question(number: u64, hash: [u8; 32]) -> ContractQuestion {
    let block = BlockRef { chain: CHAIN, number, hash };
    ContractQuestion { address: [1; 20], message_hash: [2; 32], signature: vec![3; 65], block }
}

fn asked() -> ContractQuestion {
    question(FINAL, hash_of(FINAL))
}

const VALID: ContractVerdict = ContractVerdict::Valid { block_ms: FINAL * 12_000 };

#[tokio::test]
async fn a_verdict_is_asked_for_once_and_tells_the_date_of_its_block() {
    let fake = upstream(1);
    let upstreams = over(&[&fake]);
    assert!(upstreams.knows(CHAIN) && !upstreams.knows(1));
    assert!(fake.calls.lock().is_empty(), "nobody is asked before there is a question");
    let block = upstreams.final_block(CHAIN).await.expect("a block");
    assert_eq!(block, asked().block);
    assert_eq!(upstreams.judge(&asked()).await, VALID);
    let calls = fake.calls.lock().len();
    assert_eq!(upstreams.judge(&asked()).await, VALID);
    assert_eq!(fake.calls.lock().len(), calls, "what is final is not asked again");
    assert_eq!(upstreams.final_block(1).await, None);
}

#[tokio::test]
async fn what_the_program_finds_is_the_verdict() {
    use ContractVerdict::{Invalid, Pending};
    for (found, verdict) in [(0, Invalid), (1, VALID), (2, Invalid), (3, Invalid), (4, Pending), (5, Pending)]
    {
        assert_eq!(over(&[&upstream(found)]).judge(&asked()).await, verdict, "answer {found}");
    }
}

#[tokio::test]
async fn a_block_that_may_still_be_given_up_is_no_block_yet() {
    let fake = upstream(1);
    let upstreams = over(&[&fake]);
    for (number, hash) in [(FINAL + 1, hash_of(FINAL + 1)), (FINAL, [0; 32]), (FINAL - 1, hash_of(FINAL))] {
        assert_eq!(
            upstreams.judge(&question(number, hash)).await,
            ContractVerdict::Pending,
            "block {number}"
        );
    }
    assert!(!fake.calls.lock().contains(&"eth_call".to_owned()));
    let below = question(FINAL - 1, hash_of(FINAL - 1));
    assert!(matches!(upstreams.judge(&below).await, ContractVerdict::Valid { .. }));
    let deep = Upstreams::new(vec![ChainConfig { confirmations: Some(33), ..config(vec![fake.url]) }]);
    assert_eq!(deep.expect("good settings").judge(&asked()).await, ContractVerdict::Pending);
}

#[tokio::test]
async fn upstreams_must_agree() {
    let (yes, again, no) = (upstream(1), upstream(1), upstream(0));
    assert_eq!(over(&[&yes, &no]).judge(&asked()).await, ContractVerdict::Pending);
    assert_eq!(over(&[&yes, &again]).judge(&asked()).await, VALID);
    assert_eq!(over(&[&no, &yes, &again]).judge(&asked()).await, VALID);
    let alone = ChainConfig { agree: Some(1), ..config(vec![no.url, yes.url]) };
    let alone = Upstreams::new(vec![alone]).expect("good settings");
    assert_eq!(alone.judge(&asked()).await, ContractVerdict::Invalid, "the first is asked first");
}

#[tokio::test]
async fn a_liar_about_heights_moves_nothing() {
    let ahead = start(|method, params| match params[0].as_str() {
        Some("finalized") => Some(block(1 << 40)),
        _ => Some(honest(method, params, 1)),
    });
    let behind = start(|method, params| match params[0].as_str() {
        Some("finalized") => Some(block(1)),
        _ => Some(honest(method, params, 1)),
    });
    let (one, other) = (upstream(1), upstream(1));
    for liar in [&ahead, &behind] {
        assert_eq!(over(&[liar, &one, &other]).final_block(CHAIN).await, Some(asked().block));
    }
}

#[tokio::test]
async fn errors_and_nonsense_leave_the_question_open() {
    let refuses = start(|_, _| Some(json!({"error": {"code": -32_000, "message": "missing trie node"}})));
    let silent = start(|_, _| None);
    let elsewhere = start(|method, params| match method {
        "eth_chainId" => Some(json!("0x1")),
        _ => Some(honest(method, params, 1)),
    });
    let calls_fail = start(|method, params| match method {
        "eth_call" => Some(json!({"error": {"code": 3, "message": "execution reverted"}})),
        _ => Some(honest(method, params, 1)),
    });
    let empty = start(|method, params| match method {
        "eth_call" => Some(json!("0x")),
        _ => Some(honest(method, params, 1)),
    });
    let good = upstream(1);
    for bad in [&refuses, &silent, &elsewhere, &calls_fail, &empty] {
        assert_eq!(over(&[bad]).judge(&asked()).await, ContractVerdict::Pending, "{:?}", bad.calls.lock());
        let both = ChainConfig { agree: Some(1), ..config(vec![bad.url.clone(), good.url.clone()]) };
        let both = Upstreams::new(vec![both]).expect("good settings");
        assert_eq!(both.judge(&asked()).await, VALID, "{:?}", bad.calls.lock());
    }
}

#[tokio::test]
async fn one_that_failed_rests_while_there_is_another() {
    let silent = start(|_, _| None);
    let good = upstream(1);
    let both = ChainConfig { agree: Some(1), ..config(vec![silent.url, good.url]) };
    let both = Upstreams::new(vec![both]).expect("good settings");
    assert_eq!(both.judge(&asked()).await, VALID);
    let calls = silent.calls.lock().len();
    assert_eq!(
        both.judge(&question(FINAL - 1, hash_of(FINAL - 1))).await,
        ContractVerdict::Valid { block_ms: (FINAL - 1) * 12_000 }
    );
    assert_eq!(silent.calls.lock().len(), calls);
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let url = |n: usize| format!("https://rpc{n}.example");
    let urls = |count| (0..count).map(url).collect::<Vec<_>>();
    let refused = |config| Upstreams::new(vec![config]).map(drop);
    assert_eq!(refused(config(urls(16))), Ok(()));
    assert_eq!(refused(config(urls(17))), Err(ConfigError::Count(17)));
    assert_eq!(refused(config(urls(0))), Err(ConfigError::Count(0)));
    assert_eq!(refused(config(vec![url(1), url(1)])), Err(ConfigError::Twice));
    assert_eq!(
        refused(config(vec!["ws://rpc.example".into()])),
        Err(ConfigError::Url("ws://rpc.example".into()))
    );
    assert_eq!(refused(ChainConfig { chain: 0, ..config(urls(1)) }), Err(ConfigError::Chain));
    let agree = |agree| ChainConfig { agree: Some(agree), ..config(urls(3)) };
    assert_eq!(refused(agree(3)), Ok(()));
    for bad in [0, 4] {
        assert_eq!(refused(agree(bad)), Err(ConfigError::Agree { agree: bad, upstreams: 3 }));
    }
    let deep = |depth| ChainConfig { confirmations: Some(depth), ..config(urls(1)) };
    assert_eq!(refused(deep(1_000_000)), Ok(()));
    assert_eq!(refused(deep(1_000_001)), Err(ConfigError::Confirmations(1_000_001)));
}

#[tokio::test]
async fn reads_go_to_the_next_where_one_fails_and_what_stays_is_kept() {
    let limited = start(|method, params| match method {
        "eth_getBalance" => Some(json!({"error": {"code": -32_005, "message": "not today"}})),
        _ => Some(honest(method, params, 1)),
    });
    let answers = start(|method, params| match method {
        "eth_getBalance" => Some(json!("0x1")),
        _ => Some(honest(method, params, 1)),
    });
    let both = over(&[&limited, &answers]);
    let at = |block: Value| json!(["0x00000000000000000000000000000000000000aa", block]);
    let count = || answers.calls.lock().iter().filter(|method| *method == "eth_getBalance").count();
    let by_hash = at(json!({"blockHash": "0x07"}));
    for (params, asked) in
        [(&at(json!("latest")), 1), (&at(json!("latest")), 2), (&by_hash, 3), (&by_hash, 3)]
    {
        assert_eq!(both.read(CHAIN, "eth_getBalance", params).await, Ok(json!("0x1")));
        assert_eq!(count(), asked, "{params}");
    }
    // Where nobody has an answer, the first refusal is told.
    let refused = over(&[&limited]).read(CHAIN, "eth_getBalance", &by_hash).await;
    assert!(matches!(refused, Err(ChainFault::Refused { code: -32_005, .. })), "{refused:?}");
    assert_eq!(both.read(1, "eth_getBalance", &by_hash).await, Err(ChainFault::Unanswered));
}

#[tokio::test]
async fn what_a_contract_says_is_not_asked_of_another() {
    let data = json!("0x08c379a0");
    let told = data.clone();
    let reverts = start(move |method, params| match method {
        "eth_call" => Some(json!({"error": {"code": 3, "message": "execution reverted", "data": told}})),
        _ => Some(honest(method, params, 1)),
    });
    let other = upstream(1);
    let answer = over(&[&reverts, &other]).read(CHAIN, "eth_call", &json!([{}, "latest"])).await;
    let expected =
        ChainFault::Refused { code: 3, message: "execution reverted".to_owned(), data: Some(data) };
    assert_eq!(answer, Err(expected));
    assert!(other.calls.lock().is_empty());
}

/// An upstream whose newest block is `newest`, and whose contracts answer `found`, if they do.
fn caller(newest: u64, found: Option<u64>) -> Fake {
    start(move |method, params| match (method, params[0].as_str()) {
        ("eth_getBlockByNumber", Some("latest")) => Some(block(newest)),
        ("eth_call", _) => {
            let number = |number: u64| format!("{number:064x}");
            let told = [number(15_000_000), number(u64::from(found.is_some())), number(found.unwrap_or(9))];
            Some(json!(format!("0x{}{}", hex::encode("kubelt calls of contracts answer"), told.concat())))
        }
        _ => Some(honest(method, params, 1)),
    })
}

#[tokio::test]
async fn calls_are_what_enough_upstreams_say_of_one_block() {
    let call = [ContractCall { to: [1; 20], data: vec![2; 36], word: 0 }];
    let ask = async |fakes: &[&Fake]| over(fakes).call(CHAIN, BlockTag::Latest, &call).await;
    let word = |number: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        word
    };
    let answers = |number, words| {
        let block = BlockRef { chain: CHAIN, number, hash: hash_of(number) };
        Some(ContractAnswers { block, words })
    };
    let (one, behind) = (caller(132, Some(5)), caller(131, Some(5)));
    assert_eq!(ask(&[&one]).await, answers(132, vec![Some(word(5))]));
    assert_eq!(ask(&[&caller(132, None)]).await, answers(132, vec![None]));
    assert_eq!(ask(&[&one, &behind]).await, answers(131, vec![Some(word(5))]), "both have that one");
    let (other, old) = (caller(132, Some(6)), caller(1, Some(5)));
    assert_eq!(ask(&[&one, &other]).await, None, "they contradict each other");
    assert_eq!(ask(&[&one, &other, &behind]).await, answers(132, vec![Some(word(5))]));
    assert_eq!(ask(&[&old, &one, &caller(132, Some(5))]).await, answers(132, vec![Some(word(5))]));
    let silent = start(|method, params| (method != "eth_call").then(|| honest(method, params, 1)));
    assert_eq!(ask(&[&silent]).await, None);
    assert_eq!(over(&[&one]).call(1, BlockTag::Latest, &call).await, None, "another chain");
}
