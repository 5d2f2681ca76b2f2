//! Rules about any text: nothing in it may point at one machine or at a package registry.

use super::{TextFile, Violation};

/// Folders that mean a path on somebody's machine where a path starts with them.
/// Put together from halves, so that this file keeps its own rule.
const MACHINE_FOLDERS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

/// Where packages are fetched from is a matter of each machine's settings.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("artifac", "tory"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.gol", "ang.org"),
];

/// Checks every text file of the repository.
pub(super) fn check(files: &[TextFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let place = || format!("{}:{}", file.path, index + 1);
            if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| starts_a_path(line, folder)) {
                let message = format!("`{folder}…` is a path on one machine; write a relative one");
                violations.push(Violation::new(place(), message));
            }
            if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(*host)) {
                let message = format!("`{host}` is a registry's host; leave it to the machine's settings");
                violations.push(Violation::new(place(), message));
            }
        }
    }
    violations
}

/// True where `folder` stands at the start of a path, not in the middle of one or of an address.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| {
            !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | '*' | '…' | '~' | ')'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{TextFile, check};

    #[track_caller]
    fn check_line(line: &str, violations: usize) {
        let found = check(&[TextFile { path: "a.md".to_owned(), text: line.to_owned() }]);
        assert_eq!(found.len(), violations, "{line}: {found:?}");
    }

    #[test]
    fn paths_on_a_machine_fail() {
        check_line(concat!("see /ho", "me/ann/kubelt"), 1);
        check_line(concat!("let dir = \"/tm", "p/x\";"), 1);
        check_line(concat!("`/ro", "ot/.cargo`"), 1);
    }

    #[test]
    fn the_same_words_inside_a_path_or_an_address_pass() {
        check_line(concat!("{dir}/tm", "p/x"), 0);
        check_line(concat!("http://127.0.0.1:4747/@me/ho", "me/index.html and a/wo", "rk/b"), 0);
    }

    #[test]
    fn registries_fail() {
        check_line(concat!("\"resolved\": \"https://registry.npm", "js.org/a\""), 1);
        check_line("source = \"registry+https://github.com/rust-lang/crates.io-index\"", 0);
    }
}
