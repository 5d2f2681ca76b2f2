//! Query strings: a few known names, each once.

use std::collections::BTreeMap;

use kubelt_api::Code;
use percent_encoding::percent_decode_str;

use crate::{
    limits::{PAGE_DEFAULT, PAGE_MAX},
    problem::ApiError,
};

/// A decoded query string.
#[derive(Debug, Default, Clone)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `a=b&c`; `+` is a space.
    pub(crate) fn parse(raw: &str) -> Result<Self, ApiError> {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned)
        };
        let mut values = BTreeMap::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Ok(name), Ok(value)) = (decode(name), decode(value)) else {
                return Err(ApiError::new(Code::BadRequest, "the query is not percent-encoded UTF-8"));
            };
            if values.insert(name.clone(), value).is_some() {
                return Err(ApiError::new(Code::BadRequest, format!("`{name}` stands twice in the query")));
            }
        }
        Ok(Self(values))
    }

    /// Reads what can be read, of each name the first value: published programs have queries of their own.
    pub(crate) fn first_of_each(raw: &str) -> Self {
        let mut values = BTreeMap::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if let Ok(Self(pair)) = Self::parse(pair) {
                for (name, value) in pair {
                    values.entry(name).or_insert(value);
                }
            }
        }
        Self(values)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The page size asked for with `limit`.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(PAGE_DEFAULT) };
        match text.parse() {
            Ok(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
            _ => Err(ApiError::new(Code::BadRequest, format!("`limit` must be 1 to {PAGE_MAX}"))),
        }
    }
}
