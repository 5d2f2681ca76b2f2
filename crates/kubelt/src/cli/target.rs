//! How people name cores and what is in them: `@me/site/index.html`, `@0x…`, a CID.

use std::fmt;
use std::str::FromStr;

use kubelt_content::parse_cid;
use kubelt_core::{Account, schema::ChildCore};

/// A core, and a path in it that may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CoreTarget {
    names: Vec<String>,
    pub(super) path: String,
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadTarget {
    Core(CoreTarget),
    Cid { cid: String, path: String },
}

/// Text that names nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("`{0}` names no core; write `@me/path`, or `@0x…/path` for the core of another account")]
    NoCore(String),
    #[error("`{0}` is neither a path nor a CID; write `@me/path`, `@0x…/path`, a CID or `CID/path`")]
    Nothing(String),
    #[error("`@me` can only stand at the beginning")]
    MeInside,
}

impl CoreTarget {
    /// Whether it begins at the core of whoever is signed in.
    pub(super) fn is_me(&self) -> bool {
        self.names[0] == "@me"
    }

    /// Whether it begins with a name that only one's own core can know.
    pub(super) fn is_own_name(&self) -> bool {
        let name = self.names[0].trim_start_matches('@');
        name.parse::<Account>().is_err() && ChildCore::path(name).is_some()
    }

    /// The core before the last name, and that name without its `@`; none where there is one name alone.
    pub(super) fn split_last(&self) -> Option<(Self, String)> {
        let (last, above) = self.names.split_last().filter(|(_, above)| !above.is_empty())?;
        let above = Self { names: above.to_vec(), path: String::new() };
        Some((above, last.trim_start_matches('@').to_owned()))
    }

    /// A path in the same core.
    pub(super) fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The names that lead to the core.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

impl FromStr for CoreTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let mut names = Vec::new();
        let mut rest = text.strip_prefix('/').unwrap_or(text);
        while rest.starts_with('@') {
            let (name, after) = rest.split_once('/').unwrap_or((rest, ""));
            if name.len() == 1 {
                return Err(TargetError::NoCore(text.to_owned()));
            }
            if name == "@me" && !names.is_empty() {
                return Err(TargetError::MeInside);
            }
            names.push(name.to_owned());
            rest = after;
        }
        if names.is_empty() {
            return Err(TargetError::NoCore(text.to_owned()));
        }
        Ok(Self { names, path: rest.to_owned() })
    }
}

impl fmt::Display for CoreTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join("/"))?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

impl FromStr for ReadTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.trim_start_matches('/').starts_with('@') {
            return text.parse().map(Self::Core);
        }
        let below = text.strip_prefix("ipfs://").or_else(|| text.strip_prefix("/ipfs/")).unwrap_or(text);
        let (cid, path) = below.split_once('/').unwrap_or((below, ""));
        match parse_cid(cid) {
            Ok(_) => Ok(Self::Cid { cid: cid.to_owned(), path: path.to_owned() }),
            Err(_) => Err(TargetError::Nothing(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CoreTarget, ReadTarget};

    const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    #[track_caller]
    fn check_core(text: &str, names: &[&str], path: &str) {
        let target: CoreTarget = text.parse().expect("a core");
        assert_eq!((target.names().collect::<Vec<_>>(), target.path.as_str()), (names.to_vec(), path));
    }

    #[test]
    fn cores_are_named_like_in_a_url() {
        check_core("@me", &["@me"], "");
        check_core("@me/", &["@me"], "");
        check_core("@me/site/", &["@me"], "site/");
        check_core("/@acme/@0xAb/a/b c", &["@acme", "@0xAb"], "a/b c");
    }

    #[test]
    fn names_of_ones_own_core_are_told_from_addresses() {
        let is_own = |text: &str| text.parse::<CoreTarget>().expect("a core").is_own_name();
        for text in ["@acme", "@acme/site", "@Acme_2/@x"] {
            assert!(is_own(text), "{text}");
        }
        let id = kubelt_core::CoreId::of(b"core");
        for text in ["@me", "@acme.eth", "@0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f", &format!("@{id}")] {
            assert!(!is_own(text), "{text}");
        }
    }

    #[test]
    fn what_names_no_core_says_how_to() {
        for text in ["", "me/site", "@", "@/x", "@acme/@me", "./site"] {
            assert!(text.parse::<CoreTarget>().is_err(), "{text}");
        }
    }

    #[test]
    fn cids_may_have_a_path() {
        for text in [format!("{CID}/a/b"), format!("/ipfs/{CID}/a/b"), format!("ipfs://{CID}/a/b")] {
            let expected = ReadTarget::Cid { cid: CID.to_owned(), path: "a/b".to_owned() };
            assert_eq!(text.parse::<ReadTarget>().expect("a CID"), expected);
        }
        assert!("index.html".parse::<ReadTarget>().is_err());
    }
}
