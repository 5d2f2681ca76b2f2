//! `docs/start/first-five-minutes.md`, run as it stands.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::cli::Node;

const PAGE: &str = include_str!("../../../../docs/start/first-five-minutes.md");
/// Where the page says that the node is.
const PORT: &str = ":4747";

/// A command of the page, and what the page says it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step<'a> {
    command: &'a str,
    prints: Vec<&'a str>,
}

#[test]
fn the_first_five_minutes_are_as_the_page_says() {
    let began = Instant::now();
    let node = Node::start();
    let home = tempfile::tempdir().expect("a directory for the test");
    let passphrase = home.path().join("passphrase");
    fs::write(&passphrase, "a passphrase\n").expect("it can be written");
    let port = &node.url[node.url.rfind(':').expect("a port")..];
    let steps = steps(PAGE);
    assert!(steps.len() > 15, "{steps:?}");
    // What the page abbreviates, as soon as a command has printed it.
    let mut known: Vec<(&str, String)> = vec![(PORT, port.to_owned())];
    for step in &steps {
        let command =
            known.iter().fold(step.command.to_owned(), |text, (short, long)| text.replace(short, long));
        assert!(!command.contains('…'), "nothing has printed yet what `{}` needs", step.command);
        let printed = run(&command, &node.url, home.path(), &passphrase);
        for expected in &step.prints {
            let expected = expected.replace(PORT, port);
            assert!(
                printed.lines().any(|line| is_like(line.trim(), expected.trim())),
                "`{command}` prints no `{expected}`: {printed}"
            );
        }
        for (short, digits) in [("0x…", 40), ("k51…", 59)] {
            let found = word(&printed, short.trim_end_matches('…'), digits);
            if let Some(found) = found.filter(|_| known.iter().all(|(name, _)| *name != short)) {
                known.push((short, found.to_ascii_lowercase()));
            }
        }
    }
    let took = began.elapsed();
    // Past the harness, which keeps what is printed by tests that pass.
    let said = format!("the first five minutes took {:.1} s without building\n", took.as_secs_f64());
    std::io::stderr().write_all(said.as_bytes()).expect("stderr is open");
    assert!(took < Duration::from_secs(5 * 60));
}

/// Runs a command where nothing is set up; what it prints to both outputs.
fn run(command: &str, url: &str, home: &Path, passphrase: &Path) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_kubelt")).parent().expect("a folder").to_path_buf();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths([binaries].into_iter().chain(std::env::split_paths(&others))).expect("a PATH");
    let output = Command::new("sh")
        .args(["-c", command])
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("KUBELT_NODE", url)
        .env("KUBELT_PASSPHRASE_FILE", passphrase)
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join("\n");
    assert!(output.status.success(), "`{command}` failed: {printed}");
    printed
}

/// The steps in the blocks marked `console`.
fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let blocks = page.split("\n```console\n").skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0));
    for line in blocks.flat_map(str::lines) {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command, prints: Vec::new() }),
            (None, Some(step)) => step.prints.push(line),
            (None, None) => panic!("a block begins with `{line}`, which is no command"),
        }
    }
    steps
}

/// Whether a line is what is expected, where `…` stands for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// The first word that begins so and has this many letters and digits after it.
fn word<'a>(text: &'a str, begins: &str, digits: usize) -> Option<&'a str> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|word| word.strip_prefix(begins).is_some_and(|rest| rest.len() == digits))
}

#[test]
fn what_a_line_is_like() {
    for (line, expected, is) in [
        ("a", "a", true),
        ("ab", "a", false),
        ("wallet main: 0x12", "wallet main: 0x…", true),
        ("1 file, 15 B in 0.0 s", "1 file, 15 B in … s", true),
        ("x 404 y", "…404…", true),
        ("x 44 y", "…404…", false),
        ("anything", "…", true),
    ] {
        assert_eq!(is_like(line, expected), is, "{line} {expected}");
    }
    let page = "# T\n\n```console\n$ one\nout\n$ two\n```\n\n```\nthree\n```\n";
    assert_eq!(
        steps(page),
        [Step { command: "one", prints: vec!["out"] }, Step { command: "two", prints: vec![] }]
    );
}
