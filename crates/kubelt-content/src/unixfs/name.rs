//! Names of directory entries.

use thiserror::Error;

use crate::limits::NAME_BYTES_MAX;

/// Why a text cannot be the name of an entry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameProblem {
    /// No name at all.
    #[error("a name is empty")]
    Empty,
    /// A path, not a name.
    #[error("a name contains `/`; add its directories one by one")]
    Slash,
    /// A NUL byte.
    #[error("a name contains a NUL byte")]
    Nul,
    /// `.` or `..`
    #[error("a name is `.` or `..`")]
    Dots,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("a name has `{0}` bytes, more than the `{max}` allowed", max = NAME_BYTES_MAX)]
    TooLong(usize),
}

/// Checks a name that is about to be written or looked up.
pub fn check_name(name: &str) -> Result<(), NameProblem> {
    match name {
        "" => Err(NameProblem::Empty),
        "." | ".." => Err(NameProblem::Dots),
        _ if name.contains('/') => Err(NameProblem::Slash),
        _ if name.contains('\0') => Err(NameProblem::Nul),
        _ if name.len() > NAME_BYTES_MAX => Err(NameProblem::TooLong(name.len())),
        _ => Ok(()),
    }
}
