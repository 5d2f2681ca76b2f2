//! Kubo's RPC: what its commands answer.

use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

pub(crate) const BOUNDARY: &str = "part-of-a-test";
/// What Kubo 0.43.1 names the bytes `hello\n` in a file called `a.txt`.
const HELLO: &str = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN";

/// One part of a body: its kind, its path and its content.
pub(crate) fn part(kind: &str, path: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{path}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat()
}

pub(crate) fn file(path: &str, content: &[u8]) -> Vec<u8> {
    part("application/octet-stream", path, content)
}

pub(crate) fn ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

/// Calls a command.
pub(crate) async fn call(node: &TestNode, token: &str, command: &str, body: Vec<u8>) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", kind.as_str())];
    node.call("POST", &format!("/api/v0/{command}"), Some(token), &headers, body).await
}

pub(crate) async fn ask(node: &TestNode, token: &str, command: &str) -> Value {
    call(node, token, command, Vec::new()).await.expect(200).json()
}

pub(crate) fn rows(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON in every line")).collect()
}

pub(crate) async fn add(node: &TestNode, token: &str, options: &str, parts: &[Vec<u8>]) -> Vec<Value> {
    rows(&call(node, token, &format!("add?{options}"), ended(parts)).await.expect(200))
}

fn hash(row: &Value) -> &str {
    row["Hash"].as_str().expect("a hash")
}

#[tokio::test]
async fn what_is_added_is_published_at_once() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let rows = add(&node, &token, "pin-name=greeting", &[file("a.txt", b"hello\n")]).await;
    assert_eq!(rows, [json!({ "Name": "a.txt", "Hash": HELLO, "Size": "14" })]);

    let anybody = node.get(&format!("/ipfs/{HELLO}"), None).await.expect(200);
    assert_eq!(anybody.text(), "hello\n");
    let pins = ask(&node, &token, "pin/ls?names=true&type=recursive").await;
    assert_eq!(pins["Keys"][HELLO], json!({ "Type": "recursive", "Name": "greeting" }));

    // Once more: no second pin.
    add(&node, &token, "", &[file("a.txt", b"hello\n")]).await;
    ask(&node, &token, &format!("pin/rm?arg={HELLO}")).await;
    node.get(&format!("/ipfs/{HELLO}"), None).await.expect(404);
    let again = call(&node, &token, &format!("pin/rm?arg={HELLO}"), Vec::new()).await.expect(500);
    let error: Value = again.json();
    assert_eq!(error, json!({ "Message": "not pinned or pinned indirectly", "Code": 0, "Type": "error" }));
    // The core possesses the block, and its own people read it.
    let cat = call(&node, &token, &format!("cat?arg={HELLO}&offset=1&length=3"), Vec::new()).await;
    assert_eq!(cat.expect(200).text(), "ell");
}

#[tokio::test]
async fn trees_have_the_cids_of_kubo() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let zeros = vec![0; 600_000];
    let parts =
        [file("d%2Fb.bin", &zeros), file("a.txt", b"hello\n"), part("application/x-directory", "e", b"")];
    let rows = add(&node, &token, "wrap-with-directory=true", &parts).await;
    let hashes: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["Name"].as_str().expect("a name"), hash(row))).collect();
    assert_eq!(
        hashes,
        [
            ("d/b.bin", "QmRGw3jDTE2Bu51tEYn2JoyQq3ApDaJm8DpRxM68WqK7fU"),
            ("a.txt", HELLO),
            ("d", "QmeoHkyA5GswDL9NgGXuESeCkMYo2HKGKfdhbWzedivYW5"),
            ("e", "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"),
            ("", "Qmb2A5MPAmu4qpj8pf5BfygW5LrW9uFo6zi3yavS4XmGbb"),
        ]
    );
    assert_eq!(rows[4]["Size"], "600404");
    for (options, expected) in [
        ("raw-leaves=true", "QmScR7DNBuv6TFYQCicgtu3yXwxVzUKrCt98pbkUCw6Ngn"),
        ("raw-leaves=false&cid-version=1", "bafybeih64ol44hhdljlxko4i2jgrdbtok7gbrhotiirv7d3umgo6qzvrwq"),
        ("chunker=size-100000", "QmSAQkS8kr5tT3dMSPSzPehoDEPpseC6gyvRDRmhA7qD1R"),
        ("mode=0644", "QmcmvVjJN7xp2W4vVkpMeDTFmP35jgQ3rjZDtAnBHBMd2f"),
    ] {
        let rows = add(&node, &token, options, &[file("b.bin", &zeros)]).await;
        assert_eq!(hash(&rows[0]), expected, "{options}");
    }
    let rows = add(&node, &token, "mode=0640", &[file("a.txt", b"hello\n"), file("e", b"")]).await;
    assert_eq!(hash(&rows[0]), "QmVR77of3sjWiFGMUAsYfD9xCjrPvkoBKJo4zkWC6XUzz8", "one leaf carries its mode");
    assert_eq!(hash(&rows[1]), "QmQLgxypSNGNFTuUPGCecq6dDEjb6hNB5xSyVmP3cEuNtq");
    let only = add(&node, &token, "only-hash=true", &[file("x", b"only hashed")]).await;
    call(&node, &token, &format!("block/get?arg={}", hash(&only[0])), Vec::new()).await.expect(500);
}

#[tokio::test]
async fn directories_are_listed_and_fetched() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let parts =
        [file("d/b.bin", &[7; 5]), file("d/a.txt", b"hello\n"), part("application/symlink", "d/l", b"a.txt")];
    let rows = add(&node, &token, "cid-version=1", &parts).await;
    let dir = hash(rows.last().expect("rows")).to_owned();
    let listed = ask(&node, &token, &format!("ls?arg={dir}")).await;
    let links = listed["Objects"][0]["Links"].as_array().expect("links").clone();
    let seen: Vec<_> =
        links.iter().map(|l| (l["Name"].clone(), l["Size"].clone(), l["Type"].clone())).collect();
    assert_eq!(json!(seen), json!([["a.txt", 6, 2], ["b.bin", 5, 2], ["l", 0, 4]]));
    let streamed = call(&node, &token, &format!("ls?arg={dir}&stream=true"), Vec::new()).await.expect(200);
    assert_eq!(crate::kubo::rows(&streamed).len(), 3);

    let tar = call(&node, &token, &format!("get?arg={dir}&archive=true"), Vec::new()).await.expect(200);
    assert_eq!(tar.header("content-type"), Some("application/x-tar"));
    assert!(tar.body.len().is_multiple_of(512) && tar.text().contains("hello\n"));
    let packed = call(&node, &token, &format!("get?arg={dir}/a.txt&compress=true"), Vec::new()).await;
    assert_eq!(packed.expect(200).body[..2], [0x1f, 0x8b]);
    let cat = call(&node, &token, &format!("cat?arg={dir}"), Vec::new()).await.expect(500);
    assert_eq!(cat.json::<Value>()["Message"], "this dag node is a directory");

    let stat = ask(&node, &token, &format!("files/stat?arg=/ipfs/{dir}/a.txt")).await;
    assert_eq!((&stat["Type"], &stat["Size"]), (&json!("file"), &json!(6)));
    let resolved = ask(&node, &token, &format!("resolve?arg=/ipfs/{dir}/a.txt")).await;
    assert_eq!(resolved["Path"], format!("/ipfs/{}", links[0]["Hash"].as_str().expect("a hash")));
    let refs =
        call(&node, &token, &format!("refs?arg={dir}&format=%3Clinkname%3E"), Vec::new()).await.expect(200);
    assert_eq!(crate::kubo::rows(&refs)[1]["Ref"], "b.bin");
}

#[tokio::test]
async fn values_and_cars_go_both_ways() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let rows = add(&node, &token, "wrap-with-directory=true", &[file("a.txt", b"hello\n")]).await;
    let dir = hash(&rows[1]).to_owned();
    let value = format!("{{\"a\":{{\"/\":\"{dir}\"}},\"b\":[1,2]}}");
    let put = call(&node, &token, "dag/put?pin=true", ended(&[file("", value.as_bytes())])).await.expect(200);
    let root = put.json::<Value>()["Cid"]["/"].as_str().expect("a CID").to_owned();

    let got = call(&node, &token, &format!("dag/get?arg={root}"), Vec::new()).await.expect(200);
    assert_eq!(got.text(), value);
    let inner = call(&node, &token, &format!("dag/get?arg={root}/b/1"), Vec::new()).await.expect(200);
    assert_eq!(inner.text(), "2");
    let resolved = ask(&node, &token, &format!("dag/resolve?arg={root}/b/1")).await;
    assert_eq!(resolved, json!({ "Cid": { "/": root }, "RemPath": "/b/1" }));
    let resolved = ask(&node, &token, &format!("dag/resolve?arg={root}/a/a.txt")).await;
    assert_eq!(resolved, json!({ "Cid": { "/": HELLO }, "RemPath": "" }));
    call(&node, &token, &format!("dag/resolve?arg={root}/zz"), Vec::new()).await.expect(500);
    let stat = ask(&node, &token, &format!("dag/stat?arg={root}&progress=false")).await;
    assert_eq!((&stat["UniqueBlocks"], &stat["Ratio"]), (&json!(3), &json!(1.0)));

    let car = call(&node, &token, &format!("dag/export?arg={root}"), Vec::new()).await.expect(200).body;
    let (other, bob) = (TestNode::new(), Person::new(2));
    let theirs = other.sign_in(&bob).await.token;
    let imported =
        call(&other, &theirs, "dag/import?stats=true", ended(&[file("x.car", &car)])).await.expect(200);
    let imported = crate::kubo::rows(&imported);
    assert_eq!(imported[0], json!({ "Root": { "Cid": { "/": root }, "PinErrorMsg": "" } }));
    assert_eq!(imported[1]["Stats"]["BlockCount"], 3);
    other.get(&format!("/ipfs/{HELLO}"), None).await.expect(200);
}

#[tokio::test]
async fn blocks_and_pins_come_and_go() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let put = call(&node, &token, "block/put", ended(&[file("", b"hello\n")])).await.expect(200);
    let key = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
    assert_eq!(put.json::<Value>(), json!({ "Key": key, "Size": 6 }));
    node.get(&format!("/ipfs/{key}"), None).await.expect(404);
    assert_eq!(ask(&node, &token, &format!("block/stat?arg={key}")).await["Size"], 6);

    ask(&node, &token, &format!("pin/add?arg={key}&name=k")).await;
    node.get(&format!("/ipfs/{key}"), None).await.expect(200);
    assert!(ask(&node, &token, &format!("block/rm?arg={key}")).await["Error"].is_string(), "pinned");
    let other =
        call(&node, &token, "block/put?mhtype=sha2-512", ended(&[file("", b"other")])).await.expect(200);
    let other = other.json::<Value>()["Key"].as_str().expect("a key").to_owned();
    let updated = ask(&node, &token, &format!("pin/update?arg={key}&arg={other}")).await;
    assert_eq!(updated, json!({ "Pins": [key, other] }));
    let pins = ask(&node, &token, "pin/ls").await;
    assert_eq!(pins["Keys"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(call(&node, &token, "pin/verify", Vec::new()).await.expect(200).text(), "");
    let third = call(&node, &token, "block/put", ended(&[file("", b"third")])).await.expect(200);
    let third = third.json::<Value>()["Key"].as_str().expect("a key").to_owned();
    assert_eq!(ask(&node, &token, &format!("block/rm?arg={third}")).await, json!({ "Hash": third }));
    call(&node, &token, &format!("block/get?arg={third}"), Vec::new()).await.expect(500);
}

#[tokio::test]
async fn the_core_has_one_name() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let keys = ask(&node, &token, "key/list").await;
    let id = keys["Keys"][0]["Id"].as_str().expect("a name").to_owned();
    assert_eq!(keys["Keys"][0]["Name"], "self");
    call(&node, &token, "key/gen?arg=x", Vec::new()).await.expect(500);
    let rows = add(&node, &token, "wrap-with-directory=true", &[file("a.txt", b"hello\n")]).await;
    let dir = hash(&rows[1]);
    let published = ask(&node, &token, &format!("name/publish?arg={dir}")).await;
    assert_eq!(published, json!({ "Name": id, "Value": format!("/ipfs/{dir}") }));
    let resolved = ask(&node, &token, &format!("name/resolve?arg={id}")).await;
    assert_eq!(resolved["Path"], format!("/ipfs/{dir}"));
    let cat = call(&node, &token, &format!("cat?arg=/ipns/{id}/a.txt"), Vec::new()).await.expect(200);
    assert_eq!(cat.text(), "hello\n");
    assert!(ask(&node, &token, "id").await["ID"].is_string());
    assert!(ask(&node, &token, "version").await["Version"].is_string());
    assert!(ask(&node, &token, "repo/stat").await["NumObjects"].is_u64());
}
