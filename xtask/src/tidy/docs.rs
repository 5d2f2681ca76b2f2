//! Rules about Markdown: every path that a page names must exist.

use std::collections::HashSet;

use super::{TextFile, Violation};

/// Checks the paths that each page names, in backticks or as links.
pub(super) fn check(files: &[TextFile], paths: &[String]) -> Vec<Violation> {
    let known = known_paths(paths);
    let tops: HashSet<&str> = paths.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    let mut violations = Vec::new();
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in prose_lines(&page.text) {
            let links = link_targets(line).into_iter().filter(|target| is_local(target));
            let quoted = code_spans(line).into_iter().filter(|span| names_a_path(span, &tops));
            for named in links.chain(quoted) {
                let path = named.split(['#', ':']).next().unwrap_or_default();
                let candidates = [resolve(folder, path), resolve("", path)];
                if !candidates.iter().flatten().any(|path| known.contains(path)) {
                    let place = format!("{}:{number}", page.path);
                    violations.push(Violation::new(place, format!("names `{named}`, which does not exist")));
                }
            }
        }
    }
    violations
}

/// Every file and every folder.
fn known_paths(paths: &[String]) -> HashSet<String> {
    let mut known = HashSet::from([String::new()]);
    for path in paths {
        known.insert(path.clone());
        known.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    }
    known
}

/// Lines outside fenced blocks, with their numbers.
fn prose_lines(text: &str) -> Vec<(usize, &str)> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            lines.push((index + 1, line));
        }
    }
    lines
}

fn code_spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn link_targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
}

fn is_local(target: &str) -> bool {
    !target.is_empty()
        && !target.starts_with('#')
        && !target.contains("://")
        && !target.starts_with("mailto:")
}

/// A quoted word is a path where it starts in a top folder of the repository or is a file at its top.
fn names_a_path(span: &str, tops: &HashSet<&str>) -> bool {
    let is_pattern = span.contains(|c: char| c.is_whitespace() || "*{}<>…$@".contains(c));
    let is_top_file = !span.contains('/') && span.ends_with(".md");
    let starts_at_top = span.split_once('/').is_some_and(|(top, _)| tops.contains(top));
    !is_pattern && (is_top_file || starts_at_top)
}

/// `path` as seen from `folder`, without `.` and `..`; `None` where it leaves the repository.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{TextFile, check};

    #[track_caller]
    fn check_page(text: &str, expected: &[&str]) {
        let page = TextFile { path: "docs/start/page.md".to_owned(), text: text.to_owned() };
        let paths = ["docs/start/page.md", "docs/start/next.md", "crates/kubelt/src/main.rs", "STYLE.md"];
        let found: Vec<String> =
            check(&[page], &paths.map(str::to_owned)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_that_exist_pass() {
        check_page("see `crates/kubelt/src/main.rs`, `crates/kubelt/`, `STYLE.md`, [next](next.md#top)", &[]);
        check_page("see [style](../../STYLE.md) and `crates/kubelt/src/main.rs:12`", &[]);
    }

    #[test]
    fn paths_that_do_not_exist_fail() {
        let expected = ["docs/start/page.md:2: names `crates/gone`, which does not exist"];
        check_page("first\nsee `crates/gone`", &expected);
        check_page("see [it](gone.md)", &["docs/start/page.md:1: names `gone.md`, which does not exist"]);
        check_page("see `GONE.md`", &["docs/start/page.md:1: names `GONE.md`, which does not exist"]);
        check_page(
            "[out](../../../a.md)",
            &["docs/start/page.md:1: names `../../../a.md`, which does not exist"],
        );
    }

    #[test]
    fn what_is_no_path_of_the_repository_passes() {
        check_page(
            "`@me/site`, `crates/*/Cargo.toml`, `GET /ipfs/x`, [web](https://example.org/a.md), [up](#top)",
            &[],
        );
        check_page("```\ncrates/gone\n[a](gone.md)\n```\n", &[]);
    }
}
