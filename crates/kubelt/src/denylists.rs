//! The denylists of a node: files that its operator keeps, read at the start and again when they change.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use kubelt_content::denylist::Denylist;
use kubelt_node::Denylists;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Bad lines that are told one by one.
const BAD_LINES_TOLD: usize = 10;
/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Files to be read, and how they were when they were read last.
#[derive(Debug)]
pub(crate) struct DenylistFiles {
    paths: Vec<PathBuf>,
    seen: Vec<Stamp>,
    rules: Denylists,
}

/// Time and size of a file; none where there is no such file.
type Stamp = Option<(SystemTime, u64)>;

impl DenylistFiles {
    /// Reads all files and puts their rules into force.
    pub(crate) fn open(paths: Vec<PathBuf>, rules: Denylists) -> Result<Self> {
        let mut files = Self { paths, seen: Vec::new(), rules };
        files.read()?;
        Ok(files)
    }

    /// Reads them again whenever one has changed, for ever. A file that cannot be read leaves the rules as they are.
    pub(crate) async fn keep_up(mut self) {
        if self.paths.is_empty() {
            return;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looking = tokio::task::spawn_blocking(move || {
                self.refresh();
                self
            });
            self = looking.await.expect("reading denylists does not panic");
        }
    }

    /// Reads them again where one has changed.
    fn refresh(&mut self) {
        if self.stamps() == self.seen {
            return;
        }
        if let Err(error) = self.read() {
            tracing::error!("the denylists stay as they were: {error:#}");
        }
    }

    fn read(&mut self) -> Result<()> {
        self.seen = self.stamps();
        let mut rules = Denylist::default();
        for path in &self.paths {
            let bad = rules.read(&text(path)?);
            let bad = bad.with_context(|| format!("the denylist `{}` is refused", path.display()))?;
            for line in bad.iter().take(BAD_LINES_TOLD) {
                tracing::warn!("`{}`: {line}", path.display());
            }
            if bad.len() > BAD_LINES_TOLD {
                tracing::warn!("`{}`: {} more bad lines", path.display(), bad.len() - BAD_LINES_TOLD);
            }
        }
        if !self.paths.is_empty() {
            tracing::info!(rules = rules.len(), "denylists are in force");
        }
        self.rules.set(rules);
        Ok(())
    }

    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |path: &PathBuf| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        self.paths.iter().map(stamp).collect()
    }
}

fn text(path: &Path) -> Result<String> {
    let cannot = || format!("the denylist `{}` cannot be read", path.display());
    let bytes = fs::metadata(path).with_context(cannot)?.len();
    ensure!(bytes <= FILE_BYTES_MAX, "the denylist `{}` is over {FILE_BYTES_MAX} bytes", path.display());
    fs::read_to_string(path).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::DenylistFiles;
    use kubelt_node::Denylists;

    const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    #[test]
    fn files_are_read_again_when_they_change_and_stay_in_force_when_they_cannot_be() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("my.deny");
        let missing = DenylistFiles::open(vec![path.clone()], Denylists::default());
        assert!(missing.expect_err("no such file").to_string().contains("my.deny"));

        std::fs::write(&path, "# nothing yet\n").expect("written");
        let rules = Denylists::default();
        let mut files = DenylistFiles::open(vec![path.clone()], rules.clone()).expect("read");
        let cid = kubelt_content::parse_cid(CID).expect("a CID");
        assert!(!rules.now().denies_cid(&cid));
        std::fs::write(&path, format!("/ipfs/{CID}\nnonsense\n")).expect("written");
        files.refresh();
        assert!(rules.now().denies_cid(&cid));
        std::fs::write(&path, "version: 99\n---\n").expect("written");
        files.refresh();
        assert!(rules.now().denies_cid(&cid), "a list that is refused changes nothing");
        std::fs::remove_file(&path).expect("removed");
        files.refresh();
        assert!(rules.now().denies_cid(&cid));
    }
}
