//! Reading the fields of a map value.

use std::collections::BTreeMap;

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::SchemaError;

/// The fields of a map.
pub(super) struct Fields<'a>(&'a BTreeMap<String, Ipld>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Ipld) -> Result<Self, SchemaError> {
        match value {
            Ipld::Map(fields) => Ok(Self(fields)),
            _ => Err(SchemaError::NotMap),
        }
    }

    /// Refuses fields of other names.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), SchemaError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(SchemaError::Unknown(name.chars().take(64).collect())),
        }
    }

    pub(super) fn optional<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Ipld) -> Option<T>,
    ) -> Result<Option<T>, SchemaError> {
        let Some(value) = self.0.get(field) else { return Ok(None) };
        read(value).map(Some).ok_or(SchemaError::Field { field, expected })
    }

    pub(super) fn required<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Ipld) -> Option<T>,
    ) -> Result<T, SchemaError> {
        self.optional(field, expected, read)?.ok_or(SchemaError::Missing(field))
    }
}

pub(super) fn link(value: &Ipld) -> Option<Cid> {
    match value {
        Ipld::Link(cid) => Some(*cid),
        _ => None,
    }
}

pub(super) fn text(value: &Ipld) -> Option<&str> {
    match value {
        Ipld::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn map(value: &Ipld) -> Option<&BTreeMap<String, Ipld>> {
    match value {
        Ipld::Map(fields) => Some(fields),
        _ => None,
    }
}

/// One line of text: not empty, of `bytes_max` at most, without control characters.
pub(super) fn line(value: &Ipld, bytes_max: usize) -> Option<String> {
    text(value)
        .filter(|text| !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control))
        .map(str::to_owned)
}
