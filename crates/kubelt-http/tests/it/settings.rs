//! Settings are checked when they are made.

use axum::body::Body;
use kubelt_api::{Code, StatePage};
use serde_json::json;

use crate::harness::{Person, TestNode};

#[tokio::test]
async fn a_setting_of_the_wrong_form_is_refused_and_changes_nothing() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let path = |setting: &str| format!("{}/-/state/config/{setting}", alice.core());
    let set = async |setting: &str, value: serde_json::Value| {
        node.call("PUT", &path(setting), Some(&token), &[], Body::from(value.to_string())).await
    };
    set("versions", json!({ "keep": 3 })).await.expect(200);
    for bad in [json!({ "keep": 0 }), json!({ "keep": "ALL" }), json!({ "kep": 3 }), json!(3), json!({})] {
        let answer = set("versions", bad.clone()).await;
        let problem = answer.expect_problem(Code::BadOperation);
        assert!(problem.detail.contains("keep") || problem.detail.contains("map"), "{bad}: {problem:?}");
    }
    let huge = "{\"keep\": 170141183460469231731687303715884105727}";
    for bad in [huge, "{\"keep\": 3.5}", "{\"keep\": -1e400}"] {
        let answer = node.call("PUT", &path("versions"), Some(&token), &[], bad).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{bad}: {}", answer.text());
    }
    // A slip here would show to everybody what was to be private.
    set("pins", json!({ "visiblity": "private" })).await.expect_problem(Code::BadOperation);
    let page: StatePage = node.get(&path("versions"), Some(&token)).await.expect(200).json();
    assert_eq!(page.entries[0].value, json!({ "keep": 3 }));
}
