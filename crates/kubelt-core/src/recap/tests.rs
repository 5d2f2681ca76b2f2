use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::{Recap, RecapError};
use crate::{Ability, CoreId, MapPath, PathPattern, Verb};

fn core() -> CoreId {
    CoreId::of(b"core")
}

fn ability(text: &str) -> Ability {
    text.parse().expect("an ability")
}

fn uri(json: &str) -> String {
    format!("urn:recap:{}", URL_SAFE_NO_PAD.encode(json))
}

fn read(json: &str) -> Result<Recap, RecapError> {
    uri(json).parse()
}

#[test]
fn abilities_in_json_and_in_words() {
    let recap = Recap::from_abilities(
        core(),
        &[ability("read **"), ability("put content/site/**"), ability("call **")],
    );
    let id = core();
    assert_eq!(
        recap.statement(),
        format!(
            "I further authorize the stated URI to perform the following actions on my behalf: (1) 'core': 'call', 'read' for 'kubelt://{id}/**'. (2) 'core': 'put' for 'kubelt://{id}/content/site/**'."
        )
    );
    let json = format!(
        r#"{{"att":{{"kubelt://{id}/**":{{"core/call":[{{}}],"core/read":[{{}}]}},"kubelt://{id}/content/site/**":{{"core/put":[{{}}]}}}},"prf":[]}}"#
    );
    assert_eq!(recap.to_uri(), uri(&json));
    assert_eq!(read(&json), Ok(recap));
}

#[test]
fn paths_are_written_so_that_a_statement_holds_them() {
    let recap = Recap::from_abilities(core(), &[ability("put content/it's 100% ~ü/**")]);
    assert!(
        recap.statement().ends_with("/content/it~27s~20100~25~20~7E~C3~BC/**'."),
        "{}",
        recap.statement()
    );
    assert!(crate::siwe::is_statement(&recap.statement()));
    assert_eq!(recap.abilities_for(&core()), Ok(vec![ability("put content/it's 100% ~ü/**")]));
}

#[test]
fn the_statement_must_end_with_the_words() {
    let recap = Recap::from_abilities(core(), &[ability("put content/**")]);
    let words = recap.statement();
    let check = |statement: Option<&str>| recap.check_statement(statement).is_ok();
    assert!(check(Some(&words)));
    assert!(check(Some(&format!("Hello. {words}"))));
    assert!(!check(Some(&format!("Hello.{words}"))));
    assert!(!check(Some(&format!("{words} And more."))));
    assert!(!check(Some(&words.replace("'put'", "'read'"))));
    assert!(!check(Some("")));
    assert!(!check(None));
}

#[test]
fn other_systems_are_kept_and_passed_over() {
    let json = r#"{"att":{"https://example.com/a'b":{"crud/read":[{"a":[1,{"b":null,"c":"é\n"}],"d":-2}],"x/y":[]}}}"#;
    let recap = read(json).expect("a ReCap");
    assert_eq!(recap.to_uri(), uri(json));
    assert_eq!(recap.abilities().map(|cores| cores.len()), Ok(0));
}

#[test]
fn our_own_targets_are_read_strictly() {
    let id = core();
    let abilities = |target: &str, abilities: &str| {
        read(&format!(r#"{{"att":{{"{target}":{{{abilities}}}}},"prf":[]}}"#)).expect("a ReCap").abilities()
    };
    let good = r#""core/put":[{}]"#;
    assert!(abilities(&format!("kubelt://{id}/content/**"), good).is_ok());
    let bad_targets = [
        format!("kubelt://{id}"),
        format!("kubelt://{id}/"),
        format!("kubelt://{id}/a%20b"),
        format!("kubelt://{id}/a~2fb"),
        format!("kubelt://{id}/~61"),
        format!("kubelt://{id}/a~2"),
        format!("kubelt://{id}/a~FF"),
        format!("kubelt://{id}/a/*"),
        format!("kubelt://{id}/a/../b"),
        format!("kubelt://{id}//a"),
        format!("kubelt:{id}/a"),
        format!("KUBELT://{id}/a"),
        "kubelt://elsewhere/a".to_owned(),
    ];
    for target in bad_targets {
        assert!(abilities(&target, good).is_err(), "{target}");
    }
    let target = format!("kubelt://{id}/content/**");
    for bad in [
        r#""core/fly":[{}]"#,
        r#""crud/put":[{}]"#,
        r#""core/put":[]"#,
        r#""core/put":[{"a":1}]"#,
        r#""core/put":[{},{}]"#,
    ] {
        assert!(abilities(&target, bad).is_err(), "{bad}");
    }
    assert!(abilities("kubelt:session", r#""key/held-by-node":[{}]"#).is_ok());
    assert!(abilities("kubelt:session", r#""key/held-by-me":[{}]"#).is_err());
    assert!(abilities("kubelt:session", r#""key/held-by-node":[]"#).is_err());
}

#[test]
fn only_the_one_text_of_a_recap_is_taken() {
    let canonical = r#"{"att":{"a:b":{"x/y":[{"m":1,"n":2}]}},"prf":["c"]}"#;
    assert!(read(canonical).is_ok());
    for other in [
        r#"{"att":{"a:b":{"x/y":[{"n":2,"m":1}]}},"prf":["c"]}"#,
        r#"{"prf":["c"],"att":{"a:b":{"x/y":[{"m":1,"n":2}]}}}"#,
        r#"{"att": {"a:b":{"x/y":[{"m":1,"n":2}]}},"prf":["c"]}"#,
        r#"{"att":{"a:b":{"x/y":[{"m":1.0,"n":2}]}},"prf":["c"]}"#,
        r#"{"att":{"a:b":{"x/y":[{"m":1e0,"n":2}]}},"prf":["c"]}"#,
        r#"{"att":{"a:b":{"x/y":[{"m":1,"m":1,"n":2}]}},"prf":["c"]}"#,
        r#"{"att":{"\u0061:b":{"x/y":[{"m":1,"n":2}]}},"prf":["c"]}"#,
        r#"{"att":{"a:b":{"x/y":[{"m":1,"n":2}]}},"prf":null}"#,
        r#"{"att":{"a:c":{"x/y":[{}]},"a:b":{"x/y":[{}]}},"prf":[]}"#,
        "{\"att\":{\"a:b\":{\"x/y\":[{\"m\":1,\"n\":2}]}},\"prf\":[\"c\"]}\n",
    ] {
        assert_eq!(read(other), Err(RecapError::NotCanonical), "{other}");
    }
    for none in [
        "",
        "{}",
        "[]",
        r#"{"att":{}}"#,
        r#"{"att":{"a:b":{}}}"#,
        r#"{"att":{"a":{"x/y":[]}}}"#,
        r#"{"att":{"a:b":{"xy":[]}}}"#,
        r#"{"att":{"a:b":{"x/y/z":[]}}}"#,
        r#"{"att":{"a:b":{"x/ y":[]}}}"#,
        r#"{"att":{"a:b":{"x/y":[1]}}}"#,
        r#"{"att":{"a:b":{"x/y":[]}},"more":1}"#,
    ] {
        assert!(read(none).is_err(), "{none}");
    }
    let padded = format!("{}=", uri(canonical));
    assert_eq!(padded.parse::<Recap>(), Err(RecapError::Encoding));
    assert_eq!(
        uri(canonical).replace("urn:recap:", "urn:ReCap:").parse::<Recap>(),
        Err(RecapError::Encoding)
    );
}

#[test]
fn deep_json_is_refused_and_does_no_harm() {
    let deep =
        format!(r#"{{"att":{{"a:b":{{"x/y":[{{"m":{}{}}}]}}}}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    assert!(matches!(read(&deep), Err(RecapError::Json(_))));
}

prop_compose! {
    fn any_ability()(verb in 0..Verb::ALL.len(), path in "[^*/\\\\\\p{Cc}.]{1,12}(/[^*/\\\\\\p{Cc}.]{1,12}){0,3}", kind in 0..3_u8) -> Ability {
        let path = MapPath::new(path).expect("a path");
        let paths = match kind {
            0 => PathPattern::All,
            1 => PathPattern::Below(path),
            _ => PathPattern::Exact(path),
        };
        Ability { verb: Verb::ALL[verb], paths }
    }
}

proptest! {
    #[test]
    fn any_abilities_come_back(abilities in proptest::collection::vec(any_ability(), 1..6), held in any::<bool>()) {
        let mut recap = Recap::from_abilities(core(), &abilities);
        if held {
            recap.mark_held_by_node();
        }
        let read: Recap = recap.to_uri().parse().expect("reads back");
        prop_assert_eq!(&read, &recap);
        prop_assert_eq!(read.held_by_node(), held);
        prop_assert!(crate::siwe::is_statement(&read.statement()));
        let mut sorted = abilities;
        sorted.sort();
        sorted.dedup();
        prop_assert_eq!(read.abilities_for(&core()), Ok(sorted));
    }

    #[test]
    fn no_text_panics(text in any::<String>(), json in "[\\[\\]{}\":,a-c/0-9e.-]{0,40}") {
        let _any = (text.parse::<Recap>(), uri(&text).parse::<Recap>(), read(&json));
        let _any = read(&format!(r#"{{"att":{{"kubelt://{}/{json}":{{"core/put":[{{}}]}}}}}}"#, core())).map(|recap| recap.abilities());
    }
}
