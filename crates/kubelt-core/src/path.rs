//! Paths of the map: `content/site/index.html`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::limits::{PATH_BYTES_MAX, PATH_SEGMENTS_MAX, SEGMENT_BYTES_MAX};

/// Why text is not a map path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No segment at all.
    #[error("a path must not be empty")]
    Empty,
    /// More than [`PATH_BYTES_MAX`] bytes.
    #[error("a path of {0} bytes is over the limit of {PATH_BYTES_MAX}")]
    TooLong(usize),
    /// More than [`PATH_SEGMENTS_MAX`] segments.
    #[error("a path of {0} segments is over the limit of {PATH_SEGMENTS_MAX}")]
    TooDeep(usize),
    /// A segment is empty, `.`, `..`, too long, or has a control character, a backslash or a `/`.
    #[error(
        "path segment `{0}` is not allowed: no empty names, `.`, `..`, control characters or backslashes, {SEGMENT_BYTES_MAX} bytes at most"
    )]
    Segment(String),
}

/// A checked path: `/`-separated segments of Unicode text, with no leading or trailing slash, none of
/// them empty, `.` or `..`, and none with control characters or backslashes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MapPath(String);

impl MapPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`PathError`] says which rule is broken.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong(text.len()));
        }
        let mut count = 0;
        for segment in text.split('/') {
            count += 1;
            check_segment(segment)?;
        }
        if count > PATH_SEGMENTS_MAX {
            return Err(PathError::TooDeep(count));
        }
        Ok(Self(text))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The first segment, which names the schema of the value.
    pub fn prefix(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// The path below this one.
    ///
    /// # Errors
    /// [`PathError`] when the result would break a rule.
    pub fn join(&self, rest: &str) -> Result<Self, PathError> {
        Self::new(format!("{}/{rest}", self.0))
    }

    /// The path without its last segment; `None` for a path of one segment.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// What follows `prefix/` in this path, when it lies below `prefix`.
    pub fn below<'a>(&'a self, prefix: &str) -> Option<&'a str> {
        self.0.strip_prefix(prefix)?.strip_prefix('/')
    }
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    let bad = segment.is_empty()
        || segment == "."
        || segment == ".."
        || segment.len() > SEGMENT_BYTES_MAX
        || segment.chars().any(|c| c.is_control() || c == '\\');
    if bad {
        return Err(PathError::Segment(segment.chars().take(64).flat_map(char::escape_default).collect()));
    }
    Ok(())
}

impl FromStr for MapPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl fmt::Display for MapPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MapPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for MapPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
