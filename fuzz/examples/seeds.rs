//! Writes the seeds that fuzzing starts from: `cargo run --example seeds` in this folder.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::time::Duration;

use kubelt_content::car::{CarWriter, section_len};
use kubelt_content::ipns::{Generations, NewRecord, Record, SecretKey};
use kubelt_content::unixfs::{DirectoryBuilder, Importer, Profile};
use kubelt_content::{Block, Cid, Codec, Ipld};
use kubelt_core::invite::InviteLink;
use kubelt_core::peer::{
    Ask, Follow, FrameHead, Hello, Kind, Open, Opened, Proof, Published, Settled, Shown, ShownParts,
    Statement, Want,
};
use kubelt_core::provenance::{Proof as Provenance, ProofOp};
use kubelt_core::schema::{ChildCore, Host, Request};
use kubelt_core::sync::{Allowed, Message, Received, Sync};
use kubelt_core::webauthn::challenge_of;
use kubelt_core::{
    Ability, Account, Act, Body, Checkpoint, ContentEntry, CoreId, EoaKey, Genesis, Header, Hlc, Login, OpId,
    PasskeyKey, Principal, Replica, Scheme, SessionKey, SignIn, Unchecked, Visibility, abi, words,
};
use kubelt_sealed::chunks::FileCipher;
use kubelt_sealed::jwe::Jwe;
use kubelt_sealed::{ContentKey, DeviceSecret, Entropy, jwk};

/// Typed data with every kind of type.
const TRANSFERS: &str = r#"{"address":["0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826"],"topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",null,["0x0000000000000000000000000000000000000000000000000000000000000001"]]}"#;
const MAIL: &str = r#"{"types":{"Person":[{"name":"name","type":"string"},{"name":"wallets","type":"address[]"}],"Mail":[{"name":"from","type":"Person"},{"name":"to","type":"Person[1]"},{"name":"amount","type":"int128"},{"name":"data","type":"bytes"},{"name":"tag","type":"bytes4"},{"name":"urgent","type":"bool"}]},"primaryType":"Mail","domain":{"name":"Mail","chainId":1},"message":{"from":{"name":"Ada","wallets":["0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"]},"to":[{"name":"Bob","wallets":[]}],"amount":"-5","data":"0x1234","tag":"0xdeadbeef","urgent":true}}"#;

/// A gate with every kind of test, and a template.
const HOLDERS: &str = r#"{"opens":["content/vip/**","cores/club"],"if":{"any":[{"erc721":{"chain":1,"contract":"0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d"}},{"all":[{"erc20":{"chain":10,"contract":"0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d","min":"5"}},{"not":{"call":{"chain":1,"contract":"0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d","data":"0x70a08231{holder}","is":"ge","value":"1"}}}]},{"erc1155":{"chain":1,"contract":"0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d","token":"5"}}]},"at":"safe","keep":60,"shown":true}"#;
const TEMPLATE: &str =
    r#"{"user":{"config":{"pins":{"visibility":"private"}},"blocks_max":100,"ops_max":1000}}"#;

fn main() {
    let blocks = site();
    write("car", "v1", &[&[7], &car(&blocks, 1)[..]].concat());
    write("car", "v2", &[&[255], &car(&blocks, 2)[..]].concat());
    write("unixfs_read", "directory", &forged(&blocks));
    write("tar", "directory", &forged(&blocks));
    // Everything, from byte 0, to no byte; the length of the path stands at the end.
    write("dag_scope", "directory", &[&[12; 1][..], &[0; 9], &forged(&blocks)[..], &[0; 2]].concat());
    let root = blocks.last().expect("a directory has a root");
    write("ipld_block", "dag-pb", root.data());
    write("ipld_block", "dag-json", br#"{"a":{"/":{"bytes":"AAE"}},"b":[1,-2.5,null,true]}"#);
    write("ipld_block", "dag-cbor", &Codec::DagCbor.encode(&value(root)).expect("plain values encode"));
    let entry = ContentEntry::new(*root.cid(), 14, "text/html; charset=utf-8", Visibility::Public);
    let child = ChildCore { alias: Some("shop".to_owned()), ..ChildCore::new(core_of_nobody()) };
    for (name, value) in [("content", entry.to_ipld()), ("child", child.to_ipld()), ("any", value(root))] {
        write("map_value", name, &Codec::DagCbor.encode(&value).expect("plain values encode"));
    }
    for (name, text) in [("holders", HOLDERS), ("template", TEMPLATE)] {
        let value = Codec::DagJson.decode(text.as_bytes()).expect("is DAG-JSON");
        write("gate", name, &Codec::DagCbor.encode(&value).expect("plain values encode"));
    }
    ipns(root.cid());
    passkey();
    let rules = "# one\n/a /b\n/c/:d/* /:d/:splat?e=f 302\r\n/* https://example.com/:splat 404\n";
    write("redirects", "rules", &[b"/c/d/e\ne=g&h\n", rules.as_bytes()].concat());
    write("eip712", "mail", MAIL.as_bytes());
    let owners = [abi::number(32), abi::number(2), abi::address(&[1; 20]), abi::address(&[2; 20])];
    write("abi", "owners", &owners.concat());
    write("log_filter", "transfers", TRANSFERS.as_bytes());
    write("cid_text", "v1", root.cid().to_string().as_bytes());
    write("cid_text", "bytes", &root.cid().to_bytes());

    sealed();

    let wallet = EoaKey::from_secret(&[7; 32]).expect("a fixed key");
    let account = wallet.account();
    let message = sign_in(&account);
    let login = Login::new(message.clone(), Scheme::Eip191, wallet.sign(message.as_bytes()).to_vec(), None);
    write("sign_in", "message", message.as_bytes());
    let mut resources = message.lines().filter_map(|line| line.strip_prefix("- "));
    let recap = resources.find(|resource| resource.starts_with("urn:recap:"));
    write("sign_in", "recap", recap.expect("abilities make a ReCap").as_bytes());
    write("login", "valid", &login.encode());
    peer(&login, root.cid());
    write("log_blocks", "login", &login.encode());
    for (name, text) in [
        ("account", account.to_string()),
        ("contract", format!("eip155:10:{account}")),
        ("key", SessionKey::from_seed([1; 32]).public().to_string()),
        ("ability", "put content/site/**".to_owned()),
        ("hosts", format!("core={} host=/dns/a.example/tcp/4749/tls", core_of_nobody())),
        ("invite", invite().to_string()),
        ("ens", "sub.bücher.eth".to_owned()),
        ("host_name", "Widgets.xn--bcher-kva.Example.".to_owned()),
    ] {
        write("log_text", name, text.as_bytes());
    }
    log_blocks(&wallet);
}

fn invite() -> InviteLink {
    let from = "/ip4/192.0.2.1/tcp/4749/tls/p2p/12D3KooWGQmdpzHXCqLno4mMxWXKNFQHASBeF99gTm2JR8Vu5Bdc";
    InviteLink::new(core_of_nobody(), OpId::of(b"grant"), [from.to_owned()])
}

fn core_of_nobody() -> CoreId {
    Genesis::Private { root: Account::Eoa([0; 20]) }.id()
}

/// A record of the key that the target holds, in both generations; a key, and its name.
/// A key set, a message in JSON, and a file of two chunks with one edit.
fn sealed() {
    let mut entropy = Entropy::new(&[7; 32]);
    let device = DeviceSecret::from_bytes([8; 32]);
    let set = serde_json::json!({ "keys": [jwk::to_jwk(&device.public(), Some("one"))] });
    write("sealed_json", "set", set.to_string().as_bytes());
    let key = ContentKey::random(&mut entropy);
    let mut message = Jwe::seal(b"text", &key, &mut entropy).expect("a short text");
    message.add(&key, &device.public(), None, &mut entropy);
    write("sealed_json", "message", message.to_json().as_bytes());
    write("sealed_file", "edited", &[1, 0, 9, 2, 0, 0, 70, 1]);
    let header = FileCipher::new(&key, &mut entropy).header().encode();
    write("sealed_file", "header", &[&header[..], &(1_u64 << 24).to_be_bytes(), &[0; 8], &[255; 8]].concat());
}

fn ipns(root: &Cid) {
    let key = SecretKey::from_seed(&[7; 32]);
    let value = format!("/ipfs/{root}/a");
    let (validity_end, ttl) = (Duration::from_secs(4_000_000_000), Duration::from_secs(300));
    let new = NewRecord { value: value.as_bytes(), sequence: 3, validity_end, ttl };
    for (name, generations) in [("both", Generations::V1AndV2), ("second", Generations::V2)] {
        let record = Record::create(&key, &new, generations).expect("a small record");
        write("ipns_record", name, record.encode());
    }
    write("ipns_record", "key", key.public().encode());
    write("ipns_record", "name", key.name().to_string().as_bytes());
    write("ipns_record", "peer", key.name().to_peer_id().as_bytes());
}

/// A small directory with an empty file, a file, and a nested directory.
fn site() -> Vec<Block> {
    let profile = Profile::default();
    let mut blocks = Vec::new();
    let mut sink = |block| {
        blocks.push(block);
        Ok::<(), Infallible>(())
    };
    let mut inner = DirectoryBuilder::new(profile);
    for (name, content) in [("empty", ""), ("index.html", "<h1>hello</h1>")] {
        let mut file = Importer::new(profile);
        let Ok(()) = file.write(content.as_bytes(), &mut sink);
        let Ok(root) = file.finish(&mut sink);
        inner.add(name, root.cid, root.dag_size).expect("a good name");
    }
    let inner = inner.finish(&mut sink).expect("a small directory");
    let mut outer = DirectoryBuilder::new(profile);
    outer.add("inner", inner.cid, inner.dag_size).expect("a good name");
    outer.finish(&mut sink).expect("a small directory");
    blocks
}

fn car(blocks: &[Block], version: u8) -> Vec<u8> {
    let roots = [*blocks.last().expect("a directory has a root").cid()];
    let sections = blocks.iter().map(|block| section_len(block.cid(), block.data().len() as u64)).sum();
    let (mut writer, header) =
        if version == 1 { CarWriter::v1(&roots) } else { CarWriter::v2(&roots, sections) };
    let mut car = header.to_vec();
    for block in blocks {
        writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
    }
    writer.finish().expect("every section was counted");
    car
}

/// Nodes behind their lengths, the root first, as the target splits them.
fn forged(blocks: &[Block]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in blocks.iter().rev() {
        let length = u16::try_from(block.data().len()).expect("small blocks");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(block.data());
    }
    out
}

fn value(root: &Block) -> Ipld {
    let list =
        Ipld::List(vec![Ipld::Link(*root.cid()), Ipld::Bytes(vec![0, 1]), Ipld::Float(-2.5), Ipld::Null]);
    Ipld::Map(BTreeMap::from([("a".to_owned(), list), ("b".to_owned(), Ipld::Integer(-1))]))
}

fn sign_in(account: &Account) -> String {
    let core = Genesis::Private { root: account.clone() }.id();
    let ability: Ability = "put content/site/**".parse().expect("a good ability");
    let sign_in = SignIn {
        scheme: None,
        domain: "127.0.0.1:4747".to_owned(),
        account: account.clone(),
        chain_id: 1,
        session: SessionKey::from_seed([1; 32]).public(),
        nonce: "abcdefgh12345678".to_owned(),
        issued_at_ms: 1_700_000_000_000,
        expires_ms: 1_700_003_600_000,
        abilities: BTreeMap::from([(core, vec![ability])]),
        heads: BTreeMap::from([(core, BTreeSet::from([core.as_root()]))]),
        held_by_node: true,
    };
    sign_in.message().expect("good fields make a message")
}

fn log_blocks(wallet: &EoaKey) {
    let by = wallet.account();
    let genesis = Genesis::Private { root: by.clone() };
    let core = genesis.id();
    let act = Act::Put { path: "content/a.txt".parse().expect("a good path"), value: Ipld::Link(core.cid()) };
    let body = Body::new([7; 16], act);
    let header = Header {
        v: 1,
        core,
        prev: vec![core.as_root()],
        by,
        login: None,
        auth: core.as_root(),
        at: Hlc::from_ms(1_700_000_000_000),
        votes: Vec::new(),
        verb: body.act.verb(),
        body: body.id(),
    };
    write("log_blocks", "genesis", &genesis.encode());
    write("log_blocks", "body", &body.encode());
    write("log_blocks", "header", &header.encode());
    write("log_blocks", "signed", &wallet.sign_op(header.clone(), &body).expect("has words").encode());

    let put = Act::Put {
        path: "content/a.txt".parse().expect("a good path"),
        value: ContentEntry::new(core.cid(), 14, "text/plain", Visibility::Public).to_ipld(),
    };
    let put = Body::new([9; 16], put);
    let proven = Header { body: put.id(), ..header.clone() };
    let signed = wallet.sign_op(proven, &put).expect("has words").encode();
    let put = ProofOp { signed: signed.into(), body: put.encode().into() };
    write("proof", "own", &Provenance::new(genesis.encode(), put, Vec::new(), Vec::new()).encode());

    let request = Request {
        auth: header.auth,
        body: body.clone(),
        expires_ms: 1_700_000_000_000,
        title: Some("A new site".to_owned()),
    };
    let encode = |request: &Request| Codec::DagCbor.encode(&request.to_ipld()).expect("plain values encode");
    write("words", "request", &encode(&request));
    for (name, act) in acts(&header, &body) {
        write("words", name, &Body::new([8; 16], act).encode());
    }

    let first = Header { prev: Vec::new(), ..header };
    let mut replica = Replica::new(genesis);
    let signed = wallet.sign_op(first, &body).expect("has words");
    let received = Received { signed, login: None, body: Some(body) };
    replica.take(received, u64::MAX >> 16, &Unchecked).expect("a well-formed operation");
    let checkpoint = Checkpoint::now(&replica).expect("every body is here");
    write("checkpoint", "one", &checkpoint.encode().expect("a small state"));
    let empty = Replica::new(replica.log().genesis().clone());
    write("sync", "initiator", &sync(&empty, &replica, 1));
    write("sync", "responder", &sync(&replica, &empty, 0));
}

/// What wallets sign.
fn acts(header: &Header, body: &Body) -> [(&'static str, Act); 4] {
    let what = words::of_proposal(&header.by, body).expect("has words");
    let vote = Act::Vote {
        proposal: header.proposal(),
        approve: true,
        shown: words::hash(&what).into(),
        what: Some(what),
        expires: header.at,
    };
    let to = Principal::threshold(2, (1..=3).map(|n| Account::Eoa([n; 20])).collect()).expect("fits");
    let can = vec!["put content/site/**".parse::<Ability>().expect("an ability")];
    let grant = Act::Grant { to, role: Some("developer".to_owned()), can, wait_ms: None };
    let claim = Act::Claim { of: header.by.clone(), wait_ms: 2_592_000_000 };
    [("vote", vote), ("grant", grant), ("seal", Act::Seal { state: None }), ("claim", claim)]
}

/// What a passkey answers, as it is kept and as a browser gives it.
fn passkey() {
    let key = PasskeyKey::from_secret(&[7; 32]).expect("a secret key");
    let assertion = key.assert(&challenge_of(b"a text"), "https://app.example.org", "example.org");
    write("webauthn", "kept", &assertion.encode());
    let lengths = [assertion.authenticator_data.len(), assertion.client_data.len()];
    let lengths = lengths.map(|length| u8::try_from(length).expect("short"));
    // r = s = 1, in DER.
    let der = [0x30, 6, 2, 1, 1, 2, 1, 1];
    let parts = [&lengths, assertion.authenticator_data.as_slice(), assertion.client_data.as_bytes(), &der];
    write("webauthn", "given", &parts.concat());
}

/// One message of each kind, behind the byte that tells the target which.
fn peer(login: &Login, cid: &Cid) {
    let (from, to) = (SessionKey::from_seed([1; 32]), SessionKey::from_seed([2; 32]));
    let (from_key, to_key, core) = (from.public(), to.public(), core_of_nobody());
    let (nonce, at_ms) = ([7; 32], 1_700_000_000_000);
    let statement = Statement { from: &from_key, to: &to_key, nonce: &nonce, core, login: login.id(), at_ms };
    let proof = Proof::sign(login.encode(), &from, &statement);
    let head = FrameHead { len: 40, channel: 1, kind: Kind::Want }.encode().to_vec();
    let block = [cid.to_bytes(), b"not its bytes".to_vec()].concat();
    let genesis = Genesis::Private { root: from.account() }.encode().into();
    let block_of = |bytes: &[u8]| bytes.to_vec().into();
    let parts = ShownParts {
        signed: block_of(b"signed"),
        body: block_of(b"body"),
        login: Some(login.encode().into()),
    };
    for (what, name, bytes) in [
        (0, "frame", head),
        (1, "hello", Hello { v: 1, nonce }.encode()),
        (2, "open", Open { core, live: true, proof: Some(proof) }.encode()),
        (3, "opened", Opened { genesis, full: true }.encode()),
        (4, "want", Want { cids: vec![*cid, core.cid()] }.encode()),
        (5, "settled", Settled { round: 3, incomplete: 1 }.encode()),
        (6, "block", block),
        (7, "follow", Follow { core, live: true }.encode()),
        (
            8,
            "published",
            Published { open: vec![core.as_root()], closed: vec![core.as_root()], more: true }.encode(),
        ),
        (9, "ask", Ask { ops: vec![core.as_root()] }.encode()),
        (10, "shown", Shown { op: core.as_root(), parts: Some(parts) }.encode()),
    ] {
        write("peer", name, &[&[what], bytes.as_slice()].concat());
    }
    let addresses = ["/ip4/192.0.2.1/tcp/4749/tls".to_owned()].into();
    let host = Host { peer: from_key, addresses, spare: false };
    write("map_value", "host", &Codec::DagCbor.encode(&host.to_ipld()).expect("plain values encode"));
}

/// What the initiator (1) or the responder (0) of a sync hears, as the target splits it.
fn sync(from: &Replica, to: &Replica, side: u8) -> Vec<u8> {
    let (mut left, hello) = Sync::start(from, Allowed::Full);
    let mut right = Sync::answer(to.log().core(), Allowed::Full);
    let mut to_right = vec![hello];
    let mut heard = vec![side];
    while !to_right.is_empty() {
        let mut to_left = Vec::new();
        for message in std::mem::take(&mut to_right) {
            frame(&message, side == 0, &mut heard);
            to_left.extend(right.step(message, to).expect("keeps to the protocol").send);
        }
        for message in to_left {
            frame(&message, side == 1, &mut heard);
            to_right.extend(left.step(message, from).expect("keeps to the protocol").send);
        }
    }
    heard
}

fn frame(message: &Message, wanted: bool, to: &mut Vec<u8>) {
    if !wanted {
        return;
    }
    let bytes = message.encode();
    to.extend_from_slice(&u16::try_from(bytes.len()).expect("small messages").to_le_bytes());
    to.extend_from_slice(&bytes);
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).expect("the folder of seeds is writable");
    fs::write(folder.join(name), bytes).expect("the folder of seeds is writable");
}
