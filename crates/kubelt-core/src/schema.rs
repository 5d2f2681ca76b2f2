//! Typed values: a schema per first segment of a path, checked when an operation is made and when it is
//! read.
//!
//! | path | value |
//! | --- | --- |
//! | `profile/<field>` | `name`: text; `avatar`: a link; other fields: anything |
//! | `config/exposure`, `config/exposure/<path>` | [`ExposureRule`] |
//! | `config/announce` | [`Announce`] |
//! | `config/hosts/<name>` | [`Host`] |
//! | `config/copies` | [`Copies`] |
//! | `config/template` | [`Template`], checked by [`check_new`] |
//! | `config/wallets/<account>` | [`LinkedWallet`] |
//! | other `config/…` | anything |
//! | `content/<path>` | [`ContentEntry`] |
//! | `cores/<name>` | [`ChildCore`] |
//! | `functions/<name>` | a map with a link `component` |
//! | `databases/<name>` | a map; `snapshot`, where there is one, is a link |
//! | `requests/<account>/<proposal>` | [`Request`] |
//! | `keys/<device>` | a map; new ones are a [`DeviceKey`] |
//! | `gates/<name>` | a map; new ones are a [`Gate`] |
//! | `names/<label>`, `channels/<name>`, `streams/<name>`, `docs/<name>` | a map |
//!
//! "Anything" and "a map" are still held to [`VALUE_BYTES_MAX`] and [`VALUE_DEPTH_MAX`]. Null clears a path
//! and is always taken. Other first segments are refused. A schema is part of the format: what one version
//! takes, every later one takes too. Of some settings [`check_new`] asks for more, when they are made.

use ipld_core::ipld::Ipld;

use crate::{
    codec,
    id::CoreId,
    limits::{NAME_BYTES_MAX, PROFILE_NAME_BYTES_MAX, VALUE_BYTES_MAX, VALUE_DEPTH_MAX},
    path::MapPath,
};

mod announce;
mod content;
mod contract;
mod copies;
mod device_key;
mod encryption;
mod exposure;
mod fields;
pub mod gate;
mod host;
mod request;
mod settings;
mod template;
mod wallet;

pub use announce::{ANNOUNCE, Announce};
pub use content::{ContentEntry, Visibility};
pub use contract::{ContractName, ContractNameError, ContractTemplate, TokenKind};
pub use copies::{COPIES, Copies};
pub use device_key::{DeviceKey, KEYS};
pub use encryption::{Encryption, SealedForm, SealedTo, WRAP_BYTES};
pub use exposure::{EXPOSURE, Exit, Exposure, ExposureRule};
use fields::Fields;
pub use gate::{BlockTag, GATES, Gate};
pub use host::{HOSTS, Host};
pub use request::{REQUESTS, Request};
pub use settings::check_new;
pub use template::{EVERY_OTHER, TEMPLATE, Template, UserTemplate};
pub use wallet::{LinkedWallet, WALLETS};

/// A value that fits the schema of its path.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing: the path is cleared.
    Cleared,
    /// `content/<path>`.
    Content(ContentEntry),
    /// `cores/<name>`.
    Core(ChildCore),
    /// Every other path: the value as it stands.
    Other(Ipld),
}

/// The value of `cores/<name>`: a map of `core` and, where there is any, `alias` and `visibility`. No other fields.
///
/// It names a child where that core's genesis names this one as its parent. Any other core is only linked to, as in a
/// private core those that its owner has a part in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ChildCore {
    /// The core.
    pub core: CoreId,
    /// A further name of it, for people.
    pub alias: Option<String>,
    /// Who may pass from here into a child: everyone, unless it says less.
    pub visibility: Visibility,
}

/// Why a value does not fit its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The first segment has no schema.
    #[error(
        "`{0}` is no part of the map; use profile, config, content, cores, names, functions, databases, channels, streams, docs, gates, keys or requests"
    )]
    Prefix(String),
    /// Too few or too many segments for the first one.
    #[error("`{path}` has the wrong depth; write `{expected}`")]
    Depth {
        /// The path.
        path: String,
        /// The form of such paths.
        expected: &'static str,
    },
    /// Over [`VALUE_BYTES_MAX`] bytes of dag-cbor.
    #[error("a value of {0} bytes is over the limit of {VALUE_BYTES_MAX}; store it as content")]
    TooLarge(usize),
    /// Lists and maps deeper than [`VALUE_DEPTH_MAX`].
    #[error("the value nests deeper than {VALUE_DEPTH_MAX} levels")]
    TooDeep,
    /// Not a map where the schema has one.
    #[error("the value must be a map")]
    NotMap,
    /// A field that the schema needs is missing.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A field that the schema does not know.
    #[error("the field `{0}` is not known; put it under `metadata`")]
    Unknown(String),
    /// A field of another kind or out of its range.
    #[error("the field `{field}` must be {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What fits.
        expected: &'static str,
    },
}

/// Checks that `value` fits `path`.
///
/// # Errors
/// [`SchemaError`] names the first rule that is broken.
pub fn check(path: &MapPath, value: &Ipld) -> Result<(), SchemaError> {
    read(path, value).map(|_value| ())
}

/// The typed value at `path`.
///
/// # Errors
/// [`SchemaError`] names the first rule that is broken.
pub fn read(path: &MapPath, value: &Ipld) -> Result<Value, SchemaError> {
    let segments = path.segments().count();
    let depth = |fits: bool, expected| {
        if fits { Ok(()) } else { Err(SchemaError::Depth { path: path.to_string(), expected }) }
    };
    let prefix = path.prefix();
    match prefix {
        "profile" => depth(segments == 2, "profile/<field>")?,
        "config" => depth(segments >= 2, "config/<setting>")?,
        "content" => depth(segments >= 2, "content/<path>")?,
        "cores" => depth(segments == 2, "cores/<name>")?,
        "names" => depth(segments == 2, "names/<label>")?,
        "functions" => depth(segments == 2, "functions/<name>")?,
        "databases" => depth(segments == 2, "databases/<name>")?,
        "channels" => depth(segments == 2, "channels/<name>")?,
        "streams" => depth(segments == 2, "streams/<name>")?,
        "docs" => depth(segments == 2, "docs/<name>")?,
        "gates" => depth(segments == 2, "gates/<name>")?,
        "requests" => depth(segments == 3, "requests/<account>/<proposal>")?,
        "keys" => depth(segments >= 2, "keys/<device>")?,
        other => return Err(SchemaError::Prefix(other.to_owned())),
    }
    if matches!(value, Ipld::Null) {
        return Ok(Value::Cleared);
    }
    check_size(value)?;
    match prefix {
        "content" => return ContentEntry::from_ipld(value).map(Value::Content),
        "cores" => return ChildCore::from_ipld(value).map(Value::Core),
        "profile" => check_profile(path, value)?,
        "config" if Exposure::rule_path(path).is_some() => {
            ExposureRule::from_ipld(value)?;
        }
        "config" if path.as_str() == ANNOUNCE => {
            Announce::from_ipld(value)?;
        }
        "config" if path.as_str() == COPIES => {
            Copies::from_ipld(value)?;
        }
        "config" if Host::is_host_path(path) => {
            Host::read(path, value)?;
        }
        "config" if LinkedWallet::is_wallet_path(path) => {
            LinkedWallet::read(path, value)?;
        }
        "config" => (),
        "requests" => {
            Request::read(path, value)?;
        }
        "functions" => {
            Fields::of(value)?.required("component", "a link", fields::link)?;
        }
        "databases" => {
            Fields::of(value)?.optional("snapshot", "a link", fields::link)?;
        }
        _ => {
            Fields::of(value)?;
        }
    }
    Ok(Value::Other(value.clone()))
}

/// First segment of the map's paths of other cores.
pub const CORES: &str = "cores";

impl ChildCore {
    /// The value that names a core to everyone.
    pub const fn new(core: CoreId) -> Self {
        Self { core, alias: None, visibility: Visibility::Public }
    }

    /// Where the core of this name stands in the map; none where the name cannot stand in an address: 1 to 64 letters,
    /// digits, `-` and `_`, and neither an account nor the id of a core; or the name of a contract ([`ContractName`]).
    pub fn path(name: &str) -> Option<MapPath> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(plain);
        let is_other =
            name == "me" || name == "-" || name.starts_with("0x") || name.parse::<CoreId>().is_ok();
        ((fits && !is_other) || ContractName::is_canonical(name))
            .then(|| MapPath::new(format!("{CORES}/{name}")).expect("such a name is a segment"))
    }

    /// Reads the value of `cores/<name>`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["core", "alias", "visibility"])?;
        let core = fields.required("core", "the id of a core", |value| {
            fields::link(value).and_then(|cid| CoreId::try_from(cid).ok())
        })?;
        let alias =
            fields.optional("alias", "1 to 64 bytes of text without control characters", |value| {
                fields::line(value, NAME_BYTES_MAX)
            })?;
        let visibility = fields.optional("visibility", "`public`, `members` or `private`", |value| {
            fields::text(value)?.parse().ok()
        })?;
        Ok(Self { core, alias, visibility: visibility.unwrap_or(Visibility::Public) })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let alias = self.alias.clone().map(|alias| ("alias".to_owned(), Ipld::String(alias)));
        let core = ("core".to_owned(), Ipld::Link(self.core.cid()));
        let visibility = (self.visibility != Visibility::Public)
            .then(|| ("visibility".to_owned(), Ipld::String(self.visibility.as_str().to_owned())));
        Ipld::Map([core].into_iter().chain(alias).chain(visibility).collect())
    }
}

fn check_profile(path: &MapPath, value: &Ipld) -> Result<(), SchemaError> {
    let refuse = |field, expected| Err(SchemaError::Field { field, expected });
    match path.below("profile") {
        Some("name") if fields::line(value, PROFILE_NAME_BYTES_MAX).is_none() => {
            refuse("name", "1 to 256 bytes of text without control characters")
        }
        Some("avatar") if fields::link(value).is_none() => refuse("avatar", "a link"),
        _ => Ok(()),
    }
}

fn check_size(value: &Ipld) -> Result<(), SchemaError> {
    if !within_depth(value, VALUE_DEPTH_MAX) {
        return Err(SchemaError::TooDeep);
    }
    match codec::encode(value).len() {
        0..=VALUE_BYTES_MAX => Ok(()),
        bytes => Err(SchemaError::TooLarge(bytes)),
    }
}

/// Whether lists and maps nest `levels` deep at most.
fn within_depth(value: &Ipld, levels: usize) -> bool {
    match value {
        Ipld::List(items) => levels > 0 && items.iter().all(|item| within_depth(item, levels - 1)),
        Ipld::Map(fields) => levels > 0 && fields.values().all(|field| within_depth(field, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
