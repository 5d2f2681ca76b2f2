//! Rules about source files: their size, their names, and what may not stay in them.

use std::path::Path;

use super::{TextFile, Violation};

const SOURCE_LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 1_500;

const CODE_EXTENSIONS: &[&str] = &["rs", "ts", "tsx", "js", "mjs", "cjs", "svelte"];

/// Names that say nothing about what a module is.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// Marks of unfinished work, each with what to do. Put together from halves, so that this file keeps its own rule.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "write it, or leave it out"),
    (concat!("unimpl", "emented!("), "write it, or leave it out"),
    (concat!("FIX", "ME"), "mend it now"),
    (concat!("TO", "DO"), "do it now, or open an issue"),
    (
        concat!("#[", "ignore"),
        "a test that does not run shows nothing; make it fast or move it to a suite of its own",
    ),
    (concat!(".sk", "ip("), "a test that does not run shows nothing"),
];

/// Checks every file of code.
pub(super) fn check(files: &[TextFile]) -> Vec<Violation> {
    files
        .iter()
        .filter(|file| is_code(&file.path))
        .flat_map(|file| check_size(file).into_iter().chain(check_name(file)).chain(check_unfinished(file)))
        .collect()
}

fn is_code(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| CODE_EXTENSIONS.iter().any(|known| extension == *known))
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "test" | "e2e"))
        || path.contains(".test.")
        || path.contains(".spec.")
}

fn check_size(file: &TextFile) -> Option<Violation> {
    let (lines, most) = if is_test(&file.path) {
        (file.text.lines().count(), TEST_LINES_MAX)
    } else {
        (file.text.lines().take_while(|line| *line != "#[cfg(test)]").count(), SOURCE_LINES_MAX)
    };
    let message = format!("has {lines} lines, {most} at the most; split it by what it does");
    (lines > most).then(|| Violation::new(&file.path, message))
}

fn check_name(file: &TextFile) -> Option<Violation> {
    let stem = |part: &str| part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let empty = file.path.split('/').map(stem).find(|name| EMPTY_NAMES.contains(&name.as_str()))?;
    Some(Violation::new(&file.path, format!("`{empty}` says nothing; name it after what it holds")))
}

fn check_unfinished(file: &TextFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (mark, remedy) in UNFINISHED {
            // `.skip(` is how tests in JavaScript are switched off, but an iterator's method in Rust.
            let applies = !mark.starts_with('.') || !file.path.ends_with(".rs");
            if applies && line.contains(mark) {
                let place = format!("{}:{}", file.path, index + 1);
                violations.push(Violation::new(place, format!("`{mark}` may not stay: {remedy}")));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{SOURCE_LINES_MAX, TEST_LINES_MAX, TextFile, check};

    #[track_caller]
    fn check_file(path: &str, text: &str, expected: &[&str]) {
        let files = [TextFile { path: path.to_owned(), text: text.to_owned() }];
        let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn long_sources_fail() {
        let longest = "line\n".repeat(SOURCE_LINES_MAX);
        check_file("crates/a/src/b.rs", &longest, &[]);
        let expected = ["crates/a/src/b.rs: has 601 lines, 600 at the most; split it by what it does"];
        check_file("crates/a/src/b.rs", &format!("{longest}one more"), &expected);
    }

    #[test]
    fn tests_may_be_longer_but_not_endless() {
        let source_and_tests = format!("code\n#[cfg(test)]\n{}", "line\n".repeat(SOURCE_LINES_MAX));
        check_file("crates/a/src/b.rs", &source_and_tests, &[]);
        let longest = "line\n".repeat(TEST_LINES_MAX);
        check_file("crates/a/src/b/tests.rs", &longest, &[]);
        let expected = ["crates/a/tests/it/b.rs: has 1501 lines, 1500 at the most; split it by what it does"];
        check_file("crates/a/tests/it/b.rs", &format!("{longest}one more"), &expected);
    }

    #[test]
    fn prose_may_have_any_length() {
        check_file("docs/long.md", &"line\n".repeat(5_000), &[]);
    }

    #[test]
    fn empty_names_fail() {
        let expected = ["crates/a/src/utils.rs: `utils` says nothing; name it after what it holds"];
        check_file("crates/a/src/utils.rs", "", &expected);
        let expected = ["web/sdk/src/common/a.ts: `common` says nothing; name it after what it holds"];
        check_file("web/sdk/src/common/a.ts", "", &expected);
        check_file("crates/a/src/commons.rs", "", &[]);
    }

    #[test]
    fn unfinished_work_fails() {
        let marks = [
            concat!("to", "do!()"),
            concat!("unimpl", "emented!()"),
            concat!("// FIX", "ME"),
            concat!("// TO", "DO: later"),
            concat!("#[", "ignore = \"slow\"]"),
        ];
        for mark in marks {
            let found = check(&[TextFile { path: "a.rs".to_owned(), text: format!("fine\n{mark}\n") }]);
            assert_eq!(found.len(), 1, "{mark}");
            assert_eq!(found[0].place, "a.rs:2");
        }
    }

    #[test]
    fn switched_off_tests_fail_in_javascript_only() {
        let line = concat!("it.sk", "ip('x', f)");
        check_file("a.rs", line, &[]);
        assert_eq!(check(&[TextFile { path: "a.ts".to_owned(), text: line.to_owned() }]).len(), 1);
    }
}
