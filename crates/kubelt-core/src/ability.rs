//! Abilities: what a grant or a session may do, and where.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::path::{MapPath, PathError};

/// What may be done. The acts of the log, and the ways of using a core that leave no trace in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verb {
    /// Read what is not public.
    Read,
    /// Write a value at a path.
    Put,
    /// Hand abilities on.
    Grant,
    /// Take a grant back.
    Revoke,
    /// Replace the root.
    Rotate,
    /// End a sign-in.
    Logout,
    /// Approve or reject a proposal.
    Vote,
    /// Date what is known, closing expired sign-ins.
    Seal,
    /// Call a function.
    Call,
    /// Hold a copy of what is not public.
    Replicate,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Put,
        Self::Grant,
        Self::Revoke,
        Self::Rotate,
        Self::Logout,
        Self::Vote,
        Self::Seal,
        Self::Call,
        Self::Replicate,
    ];

    /// The verb as it stands in blocks and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Put => "put",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Rotate => "rotate",
            Self::Logout => "logout",
            Self::Vote => "vote",
            Self::Seal => "seal",
            Self::Call => "call",
            Self::Replicate => "replicate",
        }
    }

    /// Whether a session may ever do this; the others are signed by the account itself.
    pub const fn session_may(self) -> bool {
        !matches!(self, Self::Grant | Self::Revoke | Self::Seal | Self::Rotate)
    }
}

/// Text that names no verb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a verb; one of read, put, grant, revoke, rotate, logout, vote, seal, call, replicate")]
pub struct VerbError(pub String);

impl FromStr for Verb {
    type Err = VerbError;
    fn from_str(text: &str) -> Result<Self, VerbError> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str() == text)
            .ok_or_else(|| VerbError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Verb {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Verb {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// The paths an ability reaches: `**` (all), `content/site/**` (that path and everything below it), or one exact path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PathPattern {
    /// Every path: `**`.
    All,
    /// A path and everything below it: `content/site/**`.
    Below(MapPath),
    /// One path: `content/site/index.html`.
    Exact(MapPath),
}

impl PathPattern {
    /// Whether `path` is reached.
    pub fn matches(&self, path: &MapPath) -> bool {
        match self {
            Self::All => true,
            Self::Below(prefix) => path == prefix || path.below(prefix.as_str()).is_some(),
            Self::Exact(exact) => path == exact,
        }
    }

    /// Whether everything that `other` reaches is reached by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (_, Self::All) | (Self::Exact(_), Self::Below(_)) => false,
            (_, Self::Below(path) | Self::Exact(path)) => self.matches(path),
        }
    }
}

impl FromStr for PathPattern {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        let wild = |part: &str| part.contains('*');
        if text == "**" {
            return Ok(Self::All);
        }
        let (path, below) = match text.strip_suffix("/**") {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if wild(path) {
            return Err(PathError::Segment(path.chars().take(64).collect()));
        }
        let path = MapPath::new(path)?;
        Ok(if below { Self::Below(path) } else { Self::Exact(path) })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("**"),
            Self::Below(path) => write!(f, "{path}/**"),
            Self::Exact(path) => path.fmt(f),
        }
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A verb and the paths where it may be used, such as `put content/site/**`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ability {
    /// What may be done.
    pub verb: Verb,
    /// Where.
    pub paths: PathPattern,
}

impl Ability {
    /// An ability over every path.
    pub const fn everywhere(verb: Verb) -> Self {
        Self { verb, paths: PathPattern::All }
    }

    /// Whether this ability allows all that `other` allows.
    pub fn covers(&self, other: &Self) -> bool {
        self.verb == other.verb && self.paths.covers(&other.paths)
    }

    /// Whether this ability allows `verb` at `path`; acts that have no path need an ability over all paths.
    pub fn allows(&self, verb: Verb, path: Option<&MapPath>) -> bool {
        self.verb == verb && path.map_or(self.paths == PathPattern::All, |path| self.paths.matches(path))
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.paths)
    }
}

/// Why text such as `put content/**` is not an ability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AbilityError {
    /// Not a verb, a space and a pattern.
    #[error("`{0}` is not an ability; write a verb, a space and a path pattern such as `put content/**`")]
    Shape(String),
    /// The verb is not one.
    #[error(transparent)]
    Verb(#[from] VerbError),
    /// The pattern is not one.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl FromStr for Ability {
    type Err = AbilityError;
    fn from_str(text: &str) -> Result<Self, AbilityError> {
        let (verb, paths) =
            text.split_once(' ').ok_or_else(|| AbilityError::Shape(text.chars().take(128).collect()))?;
        Ok(Self { verb: verb.parse()?, paths: paths.parse()? })
    }
}
