//! Conditions: tests of contracts, put together.

use ipld_core::ipld::Ipld;

use super::{Test, test};
use crate::{
    limits::{GATE_DEPTH_MAX, GATE_TESTS_MAX},
    schema::{SchemaError, fields::Fields},
};

/// Who passes: a map of one field, which says how.
///
/// | field | value |
/// | --- | --- |
/// | `all`, `any` | a list of conditions, not empty |
/// | `not` | a condition |
/// | `erc20`, `erc721`, `erc1155`, `call` | a [`Test`] |
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Condition {
    /// Every one of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
    /// Not this one.
    Not(Box<Self>),
    /// This test.
    Test(Test),
}

/// What a condition comes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// Nobody knows: a contract, or a chain, gave no answer. It opens nothing, and its contrary opens nothing either.
    Unknown,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none, nests too deep or has too many tests.
    pub fn read(value: &Ipld) -> Result<Self, SchemaError> {
        let condition = Self::read_within(value, GATE_DEPTH_MAX)?;
        if condition.tests().len() > GATE_TESTS_MAX {
            return Err(SchemaError::Field { field: "if", expected: "a condition of 16 tests at most" });
        }
        Ok(condition)
    }

    fn read_within(value: &Ipld, levels: usize) -> Result<Self, SchemaError> {
        let refused = |expected| SchemaError::Field { field: "if", expected };
        let within = |value: &Ipld| match levels.checked_sub(1) {
            Some(levels) => Self::read_within(value, levels),
            None => Err(refused("a condition that nests 4 levels deep at most")),
        };
        let list = |value: &Ipld| match value {
            Ipld::List(items) if !items.is_empty() => items.iter().map(within).collect(),
            _ => Err(refused("`all` or `any` of a list of conditions that is not empty")),
        };
        let Ipld::Map(map) = value else { return Err(SchemaError::NotMap) };
        let mut map = map.iter();
        let (Some((kind, value)), None) = (map.next(), map.next()) else {
            return Err(refused("a map of one field: all, any, not, erc20, erc721, erc1155 or call"));
        };
        match kind.as_str() {
            "all" => list(value).map(Self::All),
            "any" => list(value).map(Self::Any),
            "not" => within(value).map(|condition| Self::Not(Box::new(condition))),
            kind => test::read(kind, &Fields::of(value)?).map(Self::Test),
        }
    }

    /// Its tests, from left to right.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
            Self::Not(part) => part.tests(),
            Self::Test(test) => vec![test],
        }
    }

    /// The condition in words, a line for each part; parts of a part have two more spaces before them.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.write_lines(0, &mut lines);
        lines
    }

    fn write_lines(&self, depth: usize, out: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        let (head, parts) = match self {
            Self::Test(test) => return out.push(format!("{indent}{test}")),
            Self::All(parts) => ("all of:", &parts[..]),
            Self::Any(parts) => ("any of:", &parts[..]),
            Self::Not(part) => ("not:", std::slice::from_ref(&**part)),
        };
        out.push(format!("{indent}{head}"));
        parts.iter().for_each(|part| part.write_lines(depth + 1, out));
    }

    /// What it comes to, by what each of its tests comes to.
    pub fn outcome(&self, of: &impl Fn(&Test) -> Outcome) -> Outcome {
        let parts = |parts: &[Self], decides: Outcome, otherwise: Outcome| {
            let mut outcome = otherwise;
            for part in parts {
                match part.outcome(of) {
                    part if part == decides => return decides,
                    Outcome::Unknown => outcome = Outcome::Unknown,
                    _ => {}
                }
            }
            outcome
        };
        match self {
            Self::All(all) => parts(all, Outcome::No, Outcome::Yes),
            Self::Any(any) => parts(any, Outcome::Yes, Outcome::No),
            Self::Not(part) => match part.outcome(of) {
                Outcome::Yes => Outcome::No,
                Outcome::No => Outcome::Yes,
                Outcome::Unknown => Outcome::Unknown,
            },
            Self::Test(test) => of(test),
        }
    }
}
