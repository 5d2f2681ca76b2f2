//! The value of `gates/<name>`: what on chains lets an account in, and what is open to it then.
//!
//! A gate adds readers to what is for members. It takes nobody away, and opens nothing that is private. Conditions come
//! down to [`Test`]s: one call of a contract each, of whose answer one word is compared.

mod condition;
mod test;

use ipld_core::ipld::Ipld;

use super::{
    ContractName, SchemaError,
    fields::{self, Fields},
};
use crate::{
    ability::PathPattern,
    limits::{GATE_KEEP_S_DEFAULT, GATE_KEEP_S_MAX, GATE_OPENS_MAX, NAME_BYTES_MAX},
    path::MapPath,
};

pub use alloy_primitives::U256;
pub use condition::{Condition, Outcome};
pub use test::{Ask, Comparison, Test};

/// First segment of the map's paths of gates.
pub const GATES: &str = "gates";

/// A gate: a map of `opens`, `if`, and where they are said `at`, `keep` and `shown`. No other fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Gate {
    /// Paths of the map that it opens: content, and the names of child cores.
    pub opens: Vec<PathPattern>,
    /// Who passes.
    pub condition: Condition,
    /// The block at which chains are asked: the newest, unless it says otherwise.
    pub at: BlockTag,
    /// How long an answer holds, in seconds.
    pub keep_s: u64,
    /// Whether strangers may know of the gate, and learn why they do not pass it.
    pub shown: bool,
}

/// Which block of a chain is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum BlockTag {
    /// The newest: changes show at once, and a reorganisation can take them back.
    #[default]
    Latest,
    /// One that is unlikely to be taken back.
    Safe,
    /// One that the chain will not give up.
    Finalized,
}

impl BlockTag {
    const ALL: [Self; 3] = [Self::Latest, Self::Safe, Self::Finalized];

    /// The word for it in JSON-RPC, and in the map.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Safe => "safe",
            Self::Finalized => "finalized",
        }
    }
}

impl Gate {
    /// Where the gate of this name stands in the map; none where the name has other than 1 to 64 letters, digits, `-`
    /// and `_`, and is not that of a contract ([`ContractName`]), whose core it is the gate of.
    pub fn path(name: &str) -> Option<MapPath> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain);
        (fits || ContractName::is_canonical(name))
            .then(|| MapPath::new(format!("{GATES}/{name}")).expect("such a name is a segment"))
    }

    /// Reads the value at `gates/<name>`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["opens", "if", "at", "keep", "shown"])?;
        let expected = "a list of 1 to 16 patterns below `content/` or `cores/`";
        let opens = fields.required("opens", expected, |value| {
            let Ipld::List(items) = value else { return None };
            let patterns: Vec<_> = items.iter().map(pattern).collect::<Option<_>>()?;
            (1..=GATE_OPENS_MAX).contains(&patterns.len()).then_some(patterns)
        })?;
        let condition = Condition::read(fields.required("if", "a condition", Some)?)?;
        let at = fields.optional("at", "`latest`, `safe` or `finalized`", |value| {
            let word = fields::text(value)?;
            BlockTag::ALL.into_iter().find(|tag| tag.as_str() == word)
        })?;
        let keep_s = fields.optional("keep", "a number of seconds from 1 to 3,600", |value| match value {
            Ipld::Integer(seconds) => {
                u64::try_from(*seconds).ok().filter(|seconds| (1..=GATE_KEEP_S_MAX).contains(seconds))
            }
            _ => None,
        })?;
        let shown = fields.optional("shown", "true or false", |value| match value {
            Ipld::Bool(shown) => Some(*shown),
            _ => None,
        })?;
        Ok(Self {
            opens,
            condition,
            at: at.unwrap_or_default(),
            keep_s: keep_s.unwrap_or(GATE_KEEP_S_DEFAULT),
            shown: shown.unwrap_or_default(),
        })
    }

    /// Whether it opens any content of the core itself.
    pub fn opens_content(&self) -> bool {
        let is_content = |path: &MapPath| path.prefix() == "content";
        self.opens.iter().any(|pattern| match pattern {
            PathPattern::Below(path) | PathPattern::Exact(path) => is_content(path),
            PathPattern::All => true,
        })
    }

    /// Whether it opens what lies at a path.
    pub fn opens(&self, path: &MapPath) -> bool {
        self.opens.iter().any(|pattern| pattern.matches(path))
    }
}

fn pattern(value: &Ipld) -> Option<PathPattern> {
    let pattern = fields::text(value)?.parse().ok()?;
    let (PathPattern::Below(path) | PathPattern::Exact(path)) = &pattern else { return None };
    matches!(path.prefix(), "content" | "cores").then_some(pattern)
}

#[cfg(test)]
mod tests;
