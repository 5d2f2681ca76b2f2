//! A bar with rate and time left.

use std::io::Read;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of one long work. Clones show in the same bar.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Progress that nobody sees.
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    pub(super) fn shown(what: &str, bytes: Option<u64>) -> Self {
        let template = match bytes {
            Some(_) => "{prefix} [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
            None => "{prefix} {spinner} {bytes}  {bytes_per_sec}  {msg}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(what.to_owned());
        Self { bar }
    }

    /// There are more bytes to do than was thought.
    pub(crate) fn more(&self, bytes: u64) {
        if self.bar.length().is_some() {
            self.bar.inc_length(bytes);
        }
    }

    /// So many more bytes are done.
    pub(crate) fn done(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// So many bytes must be done again.
    pub(crate) fn undone(&self, bytes: u64) {
        self.bar.dec(bytes);
    }

    /// So many bytes of so many are done.
    pub(crate) fn at(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Counts what is read.
    pub(crate) fn reading<R: Read>(&self, reader: R) -> impl Read {
        self.bar.wrap_read(reader)
    }

    /// A remark beside the bar; empty for none.
    pub(crate) fn say(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
