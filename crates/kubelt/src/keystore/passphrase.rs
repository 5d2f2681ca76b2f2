//! Where passphrases come from: a file or a terminal, never the command line, which other users can see.

use std::fmt;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A passphrase; it is wiped from memory when dropped and never shown.
pub(crate) struct Passphrase(Zeroizing<String>);

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassphraseError {
    /// The file could not be read.
    #[error("cannot read the passphrase file `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Nothing was typed, or the file's first line is empty.
    #[error("the passphrase is empty; choose one that nobody guesses")]
    Empty,
    /// The two passphrases that were typed differ.
    #[error("the two passphrases differ; try again")]
    Differ,
    /// Nobody can be asked.
    #[error("there is no terminal to ask for the passphrase; name a file with `--passphrase-file`")]
    NoTerminal,
    /// The terminal failed.
    #[error("cannot read the passphrase from the terminal")]
    Terminal(#[source] io::Error),
}

impl Passphrase {
    /// The passphrase of an existing wallet: the first line of `file`, or what a person types.
    pub(crate) fn ask(file: Option<&Path>, prompt: &str) -> Result<Self, PassphraseError> {
        match file {
            Some(file) => Self::from_file(file),
            None => Self::from_terminal(prompt),
        }
    }

    /// The passphrase of a wallet to be made: a person types it twice.
    pub(crate) fn ask_new(file: Option<&Path>) -> Result<Self, PassphraseError> {
        if let Some(file) = file {
            return Self::from_file(file);
        }
        let first = Self::from_terminal("new passphrase: ")?;
        let second = Self::from_terminal("the same again: ")?;
        if first.0 == second.0 { Ok(first) } else { Err(PassphraseError::Differ) }
    }

    fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| PassphraseError::File { path: path.to_owned(), source })?;
        Self::new(text.lines().next().unwrap_or_default())
    }

    fn from_terminal(prompt: &str) -> Result<Self, PassphraseError> {
        if !io::stdin().is_terminal() {
            return Err(PassphraseError::NoTerminal);
        }
        let typed =
            rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(PassphraseError::Terminal)?;
        Self::new(&typed)
    }

    pub(super) fn new(text: &str) -> Result<Self, PassphraseError> {
        if text.is_empty() { Err(PassphraseError::Empty) } else { Ok(Self(Zeroizing::new(text.to_owned()))) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}
