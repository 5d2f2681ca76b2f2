//! Settings of which the form is checked when they are made.
//!
//! What one version takes every later one takes too, so an operation that is there already is never refused for these:
//! whoever reads a setting takes what does not fit as if it asked for the safest. But nobody should find out later that
//! a slip of the pen was taken.

use ipld_core::ipld::Ipld;

use super::{
    CORES, ChildCore, ContentEntry, DeviceKey, Encryption, GATES, Gate, KEYS, SchemaError, TEMPLATE,
    Template, Visibility, check,
    fields::{Fields, text},
};
use crate::{
    host_name::{HostName, NAMES},
    limits::VERSIONS_KEPT_MAX,
    path::MapPath,
};

/// Checks a value that is about to be put at `path`: what [`check`] says, and that known settings have their form.
///
/// | path | value |
/// | --- | --- |
/// | `config/versions` | `keep`: a number from 1 to [`VERSIONS_KEPT_MAX`], or `all` |
/// | `config/pins` | `visibility`: `public`, `members` or `private` |
/// | `config/template` | [`Template`] |
/// | `content/<path>` | an `encryption`, where there is one, is an [`Encryption`] |
/// | `keys/<device>` | a [`DeviceKey`], under a name that its path can have ([`DeviceKey::path`]) |
/// | `gates/<name>` | a [`Gate`], under a name of letters, digits, `-` and `_`, or of a contract ([`Gate::path`]) |
/// | `names/<host>` | an empty map, under a host name in its one spelling ([`HostName`]) |
/// | `cores/<name>` | any core, under a name that can stand in an address ([`ChildCore::path`]) |
///
/// # Errors
/// [`SchemaError`] names the first rule that is broken.
pub fn check_new(path: &MapPath, value: &Ipld) -> Result<(), SchemaError> {
    check(path, value)?;
    if matches!(value, Ipld::Null) {
        return Ok(());
    }
    if let Some(name) = path.below(CORES)
        && ChildCore::path(name).is_none()
    {
        return Err(SchemaError::Depth {
            path: path.to_string(),
            expected: "cores/<1 to 64 letters, digits, `-` or `_`, no address and no id; or a contract, as in `1:0x…`>",
        });
    }
    if path.below(NAMES).is_some_and(HostName::is_meant) {
        return match HostName::of_path(path) {
            Some(_) => Fields::of(value)?.only(&[]),
            None => Err(SchemaError::Depth {
                path: path.to_string(),
                expected: "names/<a host name in lower case, with `xn--` for what is not ASCII, without a port>",
            }),
        };
    }
    if let (Some(_), Ok(ContentEntry { encryption: Some(fields), .. })) =
        (path.below("content"), ContentEntry::from_ipld(value))
    {
        return Encryption::from_fields(&fields).map(drop);
    }
    if let Some(name) = path.below(KEYS) {
        return DeviceKey::read(name, value).map(drop);
    }
    if let Some(name) = path.below(GATES) {
        return match Gate::path(name) {
            Some(_) => Gate::from_ipld(value).map(drop),
            None => Err(SchemaError::Depth {
                path: path.to_string(),
                expected: "gates/<1 to 64 letters, digits, `-` or `_`>",
            }),
        };
    }
    match path.as_str() {
        "config/versions" => {
            let fields = Fields::of(value)?;
            fields.required("keep", "a number of versions from 1 to 1,000, or `all`", keep)?;
            fields.only(&["keep"])
        }
        "config/pins" => {
            let fields = Fields::of(value)?;
            let word = |value| text(value)?.parse::<Visibility>().ok();
            fields.required("visibility", "`public`, `members` or `private`", word)?;
            fields.only(&["visibility"])
        }
        TEMPLATE => Template::from_ipld(value).map(drop),
        _ => Ok(()),
    }
}

fn keep(value: &Ipld) -> Option<()> {
    let fits = match value {
        Ipld::Integer(count) => (1..=VERSIONS_KEPT_MAX as i128).contains(count),
        other => text(other) == Some("all"),
    };
    fits.then_some(())
}
