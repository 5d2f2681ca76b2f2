//! The value of `content/<path>`: what is published there, and to whom.

use std::{collections::BTreeMap, fmt, str::FromStr};

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{
    SchemaError,
    fields::{self, Fields},
};
use crate::limits::{CONTENT_BYTES_MAX, MEDIA_TYPE_BYTES_MAX};

/// Who may read what stands at a path. A property of the path, never of the blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Visibility {
    /// Only those with the ability to read the path.
    Private,
    /// Every member of the core.
    Members,
    /// Everyone.
    Public,
}

impl Visibility {
    /// Every visibility, from the narrowest.
    pub const ALL: [Self; 3] = [Self::Private, Self::Members, Self::Public];

    /// The word that stands in the map.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Members => "members",
            Self::Public => "public",
        }
    }
}

/// Text that names no visibility.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a visibility; write `public`, `members` or `private`")]
pub struct VisibilityError(String);

impl FromStr for Visibility {
    type Err = VisibilityError;

    fn from_str(text: &str) -> Result<Self, VisibilityError> {
        Self::ALL
            .into_iter()
            .find(|visibility| visibility.as_str() == text)
            .ok_or_else(|| VisibilityError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is published at a path: a map of `cid`, `size`, `media_type`, `visibility` and, where there is any,
/// `partial`, `encryption` and `metadata`. No other fields.
#[derive(Clone, PartialEq, Debug)]
pub struct ContentEntry {
    /// The root of the content's blocks.
    pub cid: Cid,
    /// Bytes of the content (for a directory, of all files below it); at most [`CONTENT_BYTES_MAX`].
    pub size: u64,
    /// `type/subtype` with optional parameters (RFC 9110, section 8.3.1).
    pub media_type: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// Whether blocks of the DAG may be missing: it is then opened as far as it is there. Written only when true.
    pub partial: bool,
    /// How it is encrypted, where it is; what is new is an [`super::Encryption`].
    pub encryption: Option<BTreeMap<String, Ipld>>,
    /// Whatever its publisher says of it; an empty map is written as none.
    pub metadata: BTreeMap<String, Ipld>,
}

impl ContentEntry {
    /// Content in the clear, with nothing further said of it.
    pub fn new(cid: Cid, size: u64, media_type: impl Into<String>, visibility: Visibility) -> Self {
        let media_type = media_type.into();
        Self {
            cid,
            size,
            media_type,
            visibility,
            partial: false,
            encryption: None,
            metadata: BTreeMap::new(),
        }
    }

    /// Reads the value of `content/<path>`. [`super::check`] holds it to the limits of all values, too.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["cid", "encryption", "media_type", "metadata", "partial", "size", "visibility"])?;
        Ok(Self {
            cid: fields.required("cid", "a link", fields::link)?,
            size: fields.required("size", "a whole number from 0 to 2^53 - 1", size)?,
            media_type: fields.required(
                "media_type",
                "`type/subtype` with optional parameters, 255 bytes at most",
                |value| fields::text(value).filter(|text| is_media_type(text)).map(str::to_owned),
            )?,
            visibility: fields.required("visibility", "`public`, `members` or `private`", |value| {
                fields::text(value)?.parse().ok()
            })?,
            partial: fields
                .optional("partial", "true, or not there", |value| {
                    matches!(value, Ipld::Bool(true)).then_some(true)
                })?
                .unwrap_or_default(),
            encryption: fields.optional("encryption", "a map", |value| fields::map(value).cloned())?,
            metadata: fields
                .optional("metadata", "a map with at least one field", |value| {
                    fields::map(value).filter(|map| !map.is_empty()).cloned()
                })?
                .unwrap_or_default(),
        })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let mut fields = BTreeMap::from([
            ("cid".to_owned(), Ipld::Link(self.cid)),
            ("size".to_owned(), Ipld::Integer(i128::from(self.size))),
            ("media_type".to_owned(), Ipld::String(self.media_type.clone())),
            ("visibility".to_owned(), Ipld::String(self.visibility.to_string())),
        ]);
        if self.partial {
            fields.insert("partial".to_owned(), Ipld::Bool(true));
        }
        if let Some(encryption) = &self.encryption {
            fields.insert("encryption".to_owned(), Ipld::Map(encryption.clone()));
        }
        if !self.metadata.is_empty() {
            fields.insert("metadata".to_owned(), Ipld::Map(self.metadata.clone()));
        }
        Ipld::Map(fields)
    }
}

fn size(value: &Ipld) -> Option<u64> {
    match value {
        Ipld::Integer(size) => u64::try_from(*size).ok().filter(|size| *size <= CONTENT_BYTES_MAX),
        _ => None,
    }
}

/// `token "/" token`, then anything printable after a `;`.
fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !text.is_empty() && text.bytes().all(fits)
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    text.len() <= MEDIA_TYPE_BYTES_MAX
        && essence
            .trim_end_matches(' ')
            .split_once('/')
            .is_some_and(|(kind, subtype)| token(kind) && token(subtype))
        && parameters.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}
