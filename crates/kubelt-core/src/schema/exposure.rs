//! The values of `config/exposure` and `config/exposure/<path>`: through which exits strangers may reach what
//! is public.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;

use super::{SchemaError, fields::Fields};
use crate::{limits::EXPOSURE_RULES_MAX, path::MapPath};

/// Where the settings of a core's exposure stand in its map.
pub const EXPOSURE: &str = "config/exposure";

/// A way on which public content leaves a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Exit {
    /// The core's own log, state and replication: what other nodes take in.
    Network,
    /// By CID and by IPNS name: gateways, CARs, providers, pinning services.
    Ipfs,
    /// By the core's path, over plain HTTP.
    Http,
}

impl Exit {
    /// Every exit.
    pub const ALL: [Self; 3] = [Self::Network, Self::Ipfs, Self::Http];

    /// Its field in a rule.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Ipfs => "ipfs",
            Self::Http => "http",
        }
    }
}

/// What one path says: a map of `network`, `ipfs` and `http`, each true (open), false (closed) or not there
/// (what the paths above say). No other fields.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExposureRule(BTreeMap<Exit, bool>);

impl ExposureRule {
    /// A rule that says this of these exits, and nothing of the others.
    pub fn new(exits: impl IntoIterator<Item = (Exit, bool)>) -> Self {
        Self(exits.into_iter().collect())
    }

    /// What it says of an exit.
    pub fn get(&self, exit: Exit) -> Option<bool> {
        self.0.get(&exit).copied()
    }

    /// Reads the value of `config/exposure` or `config/exposure/<path>`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&Exit::ALL.map(Exit::as_str))?;
        let mut exits = BTreeMap::new();
        for exit in Exit::ALL {
            let open = fields.optional(exit.as_str(), "true or false", |value| match value {
                Ipld::Bool(open) => Some(*open),
                _ => None,
            })?;
            exits.extend(open.map(|open| (exit, open)));
        }
        Ok(Self(exits))
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let field = |(exit, open): (&Exit, &bool)| (exit.as_str().to_owned(), Ipld::Bool(*open));
        Ipld::Map(self.0.iter().map(field).collect())
    }
}

/// The exposure of a core: all its rules. Where none says anything, an exit is open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    /// By path below `content/`; the whole core's under the empty path.
    rules: BTreeMap<String, ExposureRule>,
    /// There were more rules than a core may have.
    overflowed: bool,
}

impl Exposure {
    /// Takes in the value at a path of the map; false when that path is no rule, or its value is none.
    ///
    /// Of more than [`EXPOSURE_RULES_MAX`] rules none is left out in silence: the core is closed altogether.
    pub fn insert(&mut self, path: &MapPath, value: &Ipld) -> bool {
        let Some(below) = Self::rule_path(path) else { return false };
        let Ok(rule) = ExposureRule::from_ipld(value) else { return false };
        if self.rules.len() >= EXPOSURE_RULES_MAX && !self.rules.contains_key(below) {
            self.overflowed = true;
            return false;
        }
        self.rules.insert(below.to_owned(), rule);
        true
    }

    /// Whether a path of the map holds a rule; then the path below `content/` that it is about.
    pub fn rule_path(path: &MapPath) -> Option<&str> {
        if path.as_str() == EXPOSURE { Some("") } else { path.below(EXPOSURE) }
    }

    /// Whether strangers may reach `path`, if it is public, through `exit`: the rule of the longest path at or
    /// above it that says anything of this exit decides.
    pub fn is_open(&self, path: &MapPath, exit: Exit) -> bool {
        !self.overflowed && self.deciding(path, exit).is_none_or(|(_, open)| open)
    }

    /// The rule that closes `exit` to strangers for `path`: where it stands in the map.
    pub fn closed_by(&self, path: &MapPath, exit: Exit) -> Option<String> {
        match self.deciding(path, exit) {
            Some((below, false)) if !below.is_empty() => Some(format!("{EXPOSURE}/{below}")),
            Some((_, false)) => Some(EXPOSURE.to_owned()),
            _ => self.overflowed.then(|| EXPOSURE.to_owned()),
        }
    }

    /// The rule that decides, by its path below `content/`, and what it says.
    fn deciding<'a>(&self, path: &'a MapPath, exit: Exit) -> Option<(&'a str, bool)> {
        if self.rules.is_empty() {
            return None;
        }
        let mut below = path.below("content").unwrap_or_default();
        loop {
            if let Some(open) = self.rules.get(below).and_then(|rule| rule.get(exit)) {
                return Some((below, open));
            }
            if below.is_empty() {
                return None;
            }
            below = below.rsplit_once('/').map_or("", |(above, _last)| above);
        }
    }

    /// Whether nothing at all can be reached through `exit`.
    pub fn is_shut(&self, exit: Exit) -> bool {
        let says = |rule: &ExposureRule| rule.get(exit);
        let core_is_closed = self.rules.get("").and_then(says) == Some(false);
        self.overflowed || (core_is_closed && !self.rules.values().any(|rule| says(rule) == Some(true)))
    }
}

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;

    use super::{Exit, Exposure, ExposureRule};
    use crate::{MapPath, limits::EXPOSURE_RULES_MAX};

    fn path(text: &str) -> MapPath {
        text.parse().expect("a path")
    }

    fn exposure(rules: &[(&str, &[(Exit, bool)])]) -> Exposure {
        let mut exposure = Exposure::default();
        for (at, exits) in rules {
            let rule = ExposureRule::new(exits.iter().copied());
            assert!(exposure.insert(&path(at), &rule.to_ipld()), "{at}");
        }
        exposure
    }

    #[test]
    fn everything_is_open_unless_told() {
        for exit in Exit::ALL {
            assert!(Exposure::default().is_open(&path("content/a/b"), exit));
            assert!(!Exposure::default().is_shut(exit));
        }
    }

    #[test]
    fn the_longest_path_decides_for_each_exit() {
        let exposure = exposure(&[
            ("config/exposure", &[(Exit::Ipfs, false)]),
            ("config/exposure/site", &[(Exit::Ipfs, true), (Exit::Http, false)]),
            ("config/exposure/site/a", &[(Exit::Network, false)]),
        ]);
        let open = |at: &str| Exit::ALL.map(|exit| exposure.is_open(&path(at), exit));
        assert_eq!(open("content/other"), [true, false, true]);
        assert_eq!(open("content/site"), [true, true, false]);
        assert_eq!(open("content/site/b"), [true, true, false]);
        assert_eq!(open("content/site/a/x"), [false, true, false]);
        assert_eq!(open("content/sites"), [true, false, true], "not below `site`");
        assert!(!exposure.is_shut(Exit::Ipfs), "a path below is open");
    }

    #[test]
    fn a_closed_core_is_shut() {
        let exposure = exposure(&[("config/exposure", &[(Exit::Http, false)])]);
        assert!(exposure.is_shut(Exit::Http));
        assert!(!exposure.is_shut(Exit::Ipfs));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for value in
            [Ipld::Bool(false), ipld_map("http", Ipld::Integer(0)), ipld_map("https", Ipld::Bool(true))]
        {
            assert!(crate::schema::check(&path("config/exposure"), &value).is_err(), "{value:?}");
            assert!(crate::schema::check(&path("config/exposure/site"), &value).is_err(), "{value:?}");
        }
        assert!(crate::schema::check(&path("config/exposure"), &ipld_map("http", Ipld::Bool(false))).is_ok());
    }

    #[test]
    fn too_many_rules_close_the_core() {
        let mut exposure = Exposure::default();
        let open = ExposureRule::new([(Exit::Http, true)]).to_ipld();
        for i in 0..=EXPOSURE_RULES_MAX {
            exposure.insert(&path(&format!("config/exposure/{i}")), &open);
        }
        assert!(!exposure.is_open(&path("content/0"), Exit::Http));
        assert!(exposure.is_shut(Exit::Http));
    }

    fn ipld_map(field: &str, value: Ipld) -> Ipld {
        Ipld::Map([(field.to_owned(), value)].into())
    }
}
