use super::{Found, LineProblem, Redirects, RedirectsError};
use crate::limits::{REDIRECT_PLACEHOLDERS_MAX, REDIRECTS_BYTES_MAX};

fn parse(file: &str) -> Redirects {
    Redirects::parse(file.as_bytes()).expect("good rules")
}

fn find(file: &str, path: &str) -> Option<(u16, String)> {
    parse(file).find(path).map(|Found { status, to }| (status, to))
}

fn problem(line: &str) -> LineProblem {
    match Redirects::parse(format!("# one\n\n{line}\n/a /b\n").as_bytes()) {
        Err(RedirectsError::Line { line: 3, problem }) => problem,
        other => panic!("{line}: {other:?}"),
    }
}

const SITE: &str = "\
# comment\r
/start /index.html\r
\t/old   /new\t302 \r
/posts/:year/:slug /articles/:slug/:year 301
/docs/* /manual/:splat 307
/v*  /version/:splat
/gone/* /410.html 410
/twice/:a /:a/:a?x=:a#:a
/api/* https://api.example.com:8080/:splat 303
/* /index.html 200
/start /never";

#[test]
fn the_first_rule_that_matches_counts() {
    for (path, status, to) in [
        ("/start", 301, "/index.html"),
        ("/start/", 301, "/index.html"),
        ("/old", 302, "/new"),
        ("/posts/2022/hello", 301, "/articles/hello/2022"),
        ("/posts/2022/hello/", 301, "/articles/hello/2022"),
        ("/docs/a/b/", 307, "/manual/a/b/"),
        ("/docs/", 307, "/manual/"),
        ("/docs", 200, "/index.html"),
        ("/v1/x", 301, "/version/1/x"),
        ("/%761/x", 301, "/version/1/x"),
        ("/gone/x", 410, "/410.html"),
        ("/twice/b", 301, "/b/b?x=b#b"),
        ("/api/a%2Fb/ü", 303, "https://api.example.com:8080/a%2Fb/%C3%BC"),
        ("/posts//hello", 200, "/index.html"),
        ("/Home", 200, "/index.html"),
        ("/", 200, "/index.html"),
        ("", 200, "/index.html"),
    ] {
        assert_eq!(find(SITE, path), Some((status, to.to_owned())), "{path}");
    }
}

#[test]
fn where_no_rule_matches_nothing_is_found() {
    let rules = "/a /b\n/c/:d /e\n/f/* /g";
    for path in ["/", "/b", "/a/b", "/c", "/c/", "/c//", "/c/d/e", "/f", "/aa"] {
        assert_eq!(find(rules, path), None, "{path}");
    }
    assert_eq!(parse(""), Redirects::default());
    assert_eq!(find("/ /start", "/"), Some((301, "/start".to_owned())));
}

#[test]
fn paths_match_however_they_are_encoded() {
    for from in ["/ü b", "/%C3%BC%20b", "/%c3%bc%20b"] {
        let rules = format!("{} /new", from.replace(' ', "%20"));
        for path in ["/ü b", "/%C3%BC%20b", "/ü%20b"] {
            assert_eq!(find(&rules, path), Some((301, "/new".to_owned())), "{from} {path}");
        }
    }
    // An encoded slash divides no segments.
    assert_eq!(find("/a/b /new", "/a%2Fb"), None);
}

#[test]
fn targets_can_stand_in_a_header_and_stay_where_they_are() {
    let at = |file: &str, path: &str| find(file, path).expect("a rule").1;
    assert_eq!(at("/* /ü/:splat", "/a\r\nb"), "/%C3%BC/a%0D%0Ab");
    assert_eq!(at("/* /:splat", "//evil.example"), "/evil.example");
    assert_eq!(at("/* /:splat", "/\\evil.example"), "/%5Cevil.example");
    assert_eq!(at("/x/* /:splat", "/x///evil.example"), "/evil.example");
    assert_eq!(at("/a /\\evil.example", "/a"), "/%5Cevil.example");
    assert_eq!(at("/:a /b?c=:a", "/x?y#z"), "/b?c=x%3Fy%23z");
}

#[test]
fn the_longest_known_name_is_the_placeholder() {
    let rule = "/:a/:ab/:abc /:abcd-:ab-:a1-:z-:";
    assert_eq!(find(rule, "/1/2/3"), Some((301, "/3d-2-11-:z-:".to_owned())));
    assert_eq!(find("/:splat /:splat", "/1"), Some((301, "/1".to_owned())));
    assert_eq!(find("/:  /b", "/:"), Some((301, "/b".to_owned())));
}

#[test]
fn bad_lines_are_named() {
    assert_eq!(problem("/alone"), LineProblem::Words);
    assert_eq!(problem("/a /b 301 more"), LineProblem::Words);
    assert_eq!(problem("a /b"), LineProblem::From);
    assert_eq!(problem("https://example.com/a /b"), LineProblem::From);
    assert_eq!(problem("/a/*/b /b"), LineProblem::Splat);
    assert_eq!(problem("/a/** /b"), LineProblem::Splat);
    assert_eq!(problem("/:a/:b/:a /b"), LineProblem::Placeholder("a".to_owned()));
    assert_eq!(problem("/:splat/* /b"), LineProblem::Placeholder("splat".to_owned()));
    for to in ["b", "//example.com", "javascript:alert(1)", "http:/b", "ftp://b", ":a"] {
        assert_eq!(problem(&format!("/:a {to}")), LineProblem::To, "{to}");
    }
    assert_eq!(problem("/a /b 301!"), LineProblem::Forced("301!".to_owned()));
    for status in ["0", "42", "201", "300", "304", "305", "500", "0301", "+301", "3o1", "30", "3011"] {
        assert_eq!(problem(&format!("/a /b {status}")), LineProblem::Status(status.to_owned()));
    }
    for status in [200, 301, 302, 303, 307, 308, 404, 410, 451] {
        assert_eq!(find(&format!("/a /b {status}"), "/a"), Some((status, "/b".to_owned())));
    }
    assert_eq!(find("/a HTTPS://example.com", "/a"), Some((301, "HTTPS://example.com".to_owned())));
    let many = |count: usize| (0..count).map(|at| format!("/:p{at}")).collect::<String>() + " /b";
    assert_eq!(problem(&many(REDIRECT_PLACEHOLDERS_MAX + 1)), LineProblem::TooManyPlaceholders);
    parse(&many(REDIRECT_PLACEHOLDERS_MAX));
    let message = Redirects::parse(b"/a /b 301!").expect_err("forced").to_string();
    assert_eq!(message, "line 1: forced redirects (`301!`) are not supported; leave the `!` out");
}

#[test]
fn the_size_is_limited() {
    let mut file = "/from /to 301\n".repeat(REDIRECTS_BYTES_MAX / 14 + 1);
    file.truncate(REDIRECTS_BYTES_MAX - 5);
    file.push_str("\n#end");
    assert_eq!(file.len(), REDIRECTS_BYTES_MAX);
    let cut = file.rsplit_once("\n#end").expect("an end").0.rsplit_once('\n').expect("lines").0;
    parse(cut);
    assert!(!matches!(Redirects::parse(file.as_bytes()), Err(RedirectsError::TooLarge(_))));
    file.push('\n');
    assert_eq!(Redirects::parse(file.as_bytes()), Err(RedirectsError::TooLarge(65_537)));
    assert_eq!(Redirects::parse(b"/a /\xff"), Err(RedirectsError::NotText));
}

#[test]
fn the_work_is_bounded_by_the_file_and_the_path() {
    let long = "x".repeat(60_000);
    // Targets that would explode, rules that match late, and a placeholder at every character.
    assert_eq!(find(&format!("/* /{}", ":splat".repeat(10_000)), &format!("/{long}")), None);
    let late = "/:a/:b/:c/d /e\n".repeat(4_300);
    assert_eq!(find(&late, &"/x".repeat(30_000)), None);
    let from: String = (0..256).map(|at| format!("/:{}{at}", "x".repeat(80))).collect();
    let colons = ":xxxxxx".repeat(6_000);
    parse(&format!("{from} /{colons}"));
}

#[test]
fn the_query_of_a_request_goes_along() {
    let check = |to: &str, query: Option<&str>, expected: &str| {
        let found = Found { status: 301, to: to.to_owned() };
        assert_eq!(found.with_query(query), expected);
    };
    check("/a", None, "/a");
    check("/a", Some(""), "/a");
    check("/a", Some("x=1"), "/a?x=1");
    check("/a?y=2&z", Some("x=1"), "/a?y=2&z&x=1");
    check("/a?x=2&y=3&x=4#top", Some("x=1&x=5"), "/a?y=3&x=1&x=5#top");
    check("/a?%78=2", Some("x=1"), "/a?x=1");
    check("https://example.net/b?c=d", Some("c=e\r\n"), "https://example.net/b?c=e%0D%0A");
    let found = Found { status: 200, to: "/a/b?c#d".to_owned() };
    assert_eq!(found.path(), "/a/b");
}
