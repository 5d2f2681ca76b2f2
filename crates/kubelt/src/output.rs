//! What a person or a program sees: results on stdout, everything else on stderr.
//!
//! With `--json` a result is one JSON document on stdout and an error one on stderr. Progress is shown to
//! terminals only.

#![allow(clippy::print_stderr, reason = "the one place that talks to the terminal")]

mod progress;
mod text;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::json;

use crate::client::ClientError;

pub(crate) use progress::Progress;
pub(crate) use text::{bytes_text, columns, count_text, rate_text, short_time};

/// How results, remarks and progress are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether results are for a program.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// The result of a command: as JSON, or in words.
    pub(crate) fn result(self, value: &impl Serialize, words: impl FnOnce() -> String) -> io::Result<()> {
        let mut text = if self.json {
            serde_json::to_string_pretty(value).expect("results are always JSON")
        } else {
            words()
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Bytes that are the result as they are.
    pub(crate) fn raw(self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// A question; the answer is read from stdin.
    pub(crate) fn ask(self, question: &str) {
        eprint!("{question}");
    }

    /// Something worth knowing that is not the result.
    pub(crate) fn remark(self, text: &str) {
        if !self.quiet && !self.json {
            eprintln!("{text}");
        }
    }

    /// Something that a person should not miss.
    pub(crate) fn warn(self, text: &str) {
        eprintln!("warning: {text}");
    }

    /// Progress of `what` over so many bytes, where their number is known.
    pub(crate) fn progress(self, what: &str, bytes: Option<u64>) -> Progress {
        if self.json || self.quiet || !io::stderr().is_terminal() {
            Progress::hidden()
        } else {
            Progress::shown(what, bytes)
        }
    }

    /// The error that ends the program.
    pub(crate) fn error(self, error: &anyhow::Error) {
        let problem = error.downcast_ref::<ClientError>().and_then(|error| match error {
            ClientError::Problem { problem, .. } => Some(problem),
            _ => None,
        });
        if self.json {
            let value = match problem {
                Some(problem) => json!({ "error": problem }),
                None => json!({ "error": { "detail": format!("{error:#}") } }),
            };
            eprintln!("{value:#}");
        } else {
            eprintln!("error: {error:#}");
        }
    }
}
