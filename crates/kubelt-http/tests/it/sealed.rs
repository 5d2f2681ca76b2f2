//! Sealed content and the keys to seal to, as the API shows them.

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt, DeviceKeySet, DraftList, SealedView};
use serde_json::{Value, json};

use crate::harness::{Person, TestNode};

fn entry(cid: &str, visibility: &str, form: &str) -> Value {
    let bytes = |n: usize| json!({ "/": { "bytes": "A".repeat((n * 4).div_ceil(3)) } });
    let mut to = json!({ "who": "0xaa", "key": bytes(32) });
    if form == "chunks" {
        to["wrap"] = bytes(80);
    }
    json!({ "cid": { "/": cid }, "size": 0, "media_type": "application/jose+json", "visibility": visibility,
        "encryption": { "form": form, "to": [to], "mac": bytes(32) } })
}

#[tokio::test]
async fn who_can_open_it_is_shown_to_those_who_can_read_it() {
    let (node, ann, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let (token, other) = (node.sign_in(&ann).await.token, node.sign_in(&eve).await.token);
    let core = ann.core();
    let plain = format!("{core}/-/content/plain");
    let cid = node.put(&plain, &token, "bytes").await.expect(201).json::<ContentReceipt>().cid;
    let at = format!("{core}/-/sealed/box");
    let put = async |value: Value, headers: &[(&str, &str)]| {
        node.call("PUT", &at, Some(&token), headers, Body::from(value.to_string())).await
    };
    for form in ["chunks", "jwe"] {
        let receipt: ContentReceipt = put(entry(&cid, "private", form), &[]).await.expect(201).json();
        assert_eq!((receipt.cid.as_str(), receipt.size), (cid.as_str(), 5), "the node counts bytes itself");
        let view: SealedView = node.get(&at, Some(&token)).await.expect(200).json();
        assert_eq!(view.encryption["form"], form);
    }
    // Private is private, and what is not sealed is not there.
    let missing = node.get(&format!("{core}/-/sealed/none"), Some(&other)).await.expect(404).text();
    for (path, token) in
        [(at.as_str(), Some(other.as_str())), (&at, None), (&plain.replace("content", "sealed"), None)]
    {
        let said = node.get(path, token).await.expect(404);
        let without = |text: String| text.split("request").next().map(str::to_owned);
        assert_eq!(without(said.text()), without(missing.clone()), "{path}");
    }
    node.call("PUT", &at, Some(&other), &[], Body::from(entry(&cid, "public", "jwe").to_string()))
        .await
        .expect(404);
    put(entry(&cid, "public", "jwe"), &[("if-match", "\"bafkqaaa\"")])
        .await
        .expect_problem(Code::PreconditionFailed);
    put(entry(&cid, "public", "jwe"), &[("if-match", &format!("\"{cid}\""))]).await.expect(201);
    node.get(&at, None).await.expect(200);

    // What has not the form is refused, and changes nothing.
    let mut bad = [entry(&cid, "public", "jwe"), entry(&cid, "public", "jwe"), entry(&cid, "public", "jwe")];
    bad[0]["encryption"] = Value::Null;
    bad[1]["encryption"]["to"] = json!([]);
    bad[2]["encryption"]["mac"] = json!("text");
    for bad in bad {
        put(bad, &[]).await.expect_problem(Code::BadOperation);
    }
    let mut without = entry(&cid, "public", "jwe");
    without.as_object_mut().expect("a map").remove("encryption");
    put(without, &[]).await.expect_problem(Code::BadOperation);
    put(entry("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", "public", "jwe"), &[])
        .await
        .expect_problem(Code::Incomplete);
    assert_eq!(node.get(&at, None).await.expect(200).json::<SealedView>().cid, cid);
}

#[tokio::test]
async fn keys_are_shown_where_the_account_itself_signed_them() {
    let (node, ann) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&ann).await.token;
    let core = ann.core();
    let keys = format!("{core}/-/keys");
    let nothing =
        node.get("/@0x00000000000000000000000000000000000000aa/-/keys", None).await.expect(404).text();
    let said = node.get(&keys, None).await.expect(404).text();
    let without = |text: &str| text.split("request").next().map(str::to_owned);
    assert_eq!(without(&said), without(&nothing), "no key, or no core");
    let key = json!({ "x25519": { "/": { "bytes": "A".repeat(43) } } });

    // By the session, whose key the node holds: it is in the map, and nobody is told to seal to it.
    node.put(&format!("{core}/-/state/keys/forged"), &token, key.to_string()).await.expect(200);
    node.get(&keys, None).await.expect(404);
    let wish = json!({ "act": { "put": { "path": "keys/phone", "value": key } } });
    let drafts: DraftList =
        node.post(&format!("{core}/-/drafts"), Some(&token), &wish).await.expect(200).json();
    let draft = &drafts.drafts[0];
    let op = json!({ "ops": [{ "header": draft.header, "body": draft.body, "signature": ann.sign(&draft.text) }] });
    node.post(&format!("{core}/-/ops"), Some(&token), &op).await.expect(201);
    let set: DeviceKeySet = node.get(&keys, None).await.expect(200).json();
    assert_eq!((set.keys.len(), set.keys[0].kid.as_str(), set.keys[0].x.len()), (1, "phone", 43));
    node.call("PUT", &keys, Some(&token), &[], "{}").await.expect(405);

    // A core that is closed to strangers shows none.
    let exposure = format!("{core}/-/state/config/exposure");
    node.put(&exposure, &token, json!({ "http": false }).to_string()).await.expect(200);
    node.get(&keys, None).await.expect(404);
}
