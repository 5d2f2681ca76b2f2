//! Options that benchmarks share.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) const OPTIONS: &str = "  \
  --mib N      size of the data (default 256; of an import and a replication 1024)
  --count N    how many cores or operations
  --rounds N   how often each contender runs, in turn (default 5)
  --dir PATH   where files are written; must be on the disk to measure (default: target)
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) mib: Option<usize>,
    pub(crate) count: Option<u64>,
    pub(crate) rounds: usize,
    pub(crate) dir: PathBuf,
}

impl Args {
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut args = Self { mib: None, count: None, rounds: 5, dir: PathBuf::from("target") };
        let mut words = words.into_iter();
        while let Some(option) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{option}` needs a value"));
            match option.as_str() {
                "--mib" => args.mib = Some(positive(&value()?)?),
                "--count" => args.count = Some(positive(&value()?)? as u64),
                "--rounds" => args.rounds = positive(&value()?)?,
                "--dir" => args.dir = PathBuf::from(value()?),
                _ => bail!("`{option}` is no option; there are:\n{OPTIONS}"),
            }
        }
        Ok(args)
    }

    /// A directory on the disk to measure, removed when dropped.
    pub(crate) fn scratch_dir(&self) -> Result<tempfile::TempDir> {
        let shown = Path::display(&self.dir);
        tempfile::TempDir::with_prefix_in("bench-", &self.dir)
            .with_context(|| format!("cannot write in `{shown}`; name another place with `--dir`"))
    }
}

fn positive(text: &str) -> Result<usize> {
    text.parse().ok().filter(|number| *number > 0).with_context(|| format!("`{text}` is no positive number"))
}

#[cfg(test)]
mod tests {
    use super::Args;

    fn parse(line: &str) -> anyhow::Result<Args> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_in_any_order() {
        let args = parse("--rounds 3 --dir /data --mib 64 --count 9").expect("all are known");
        assert_eq!(args, Args { mib: Some(64), count: Some(9), rounds: 3, dir: "/data".into() });
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--mib", "--mib 0", "--mib many", "64", "--Mib 64"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
