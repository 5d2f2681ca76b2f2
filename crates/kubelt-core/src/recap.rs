//! ReCap (ERC-5573, <https://eips.ethereum.org/EIPS/eip-5573>): what a sign-in message hands to the session.
//!
//! A ReCap is canonical JSON, base64url, as the last resource of the message (`urn:recap:…`), and the same
//! thing in words at the end of the message's statement, so that what a wallet shows is what counts.
//!
//! How this system writes its abilities:
//!
//! | | target | ability | qualifications |
//! | --- | --- | --- | --- |
//! | `put content/site/**` in core `C` | `kubelt://C/content/site/**` | `core/put` | `[{}]` |
//! | `read **` in core `C` | `kubelt://C/**` | `core/read` | `[{}]` |
//! | the session's key is held by the node | `kubelt:session` | `key/held-by-node` | `[{}]` |
//!
//! A byte of a path that is neither a letter, a digit, nor one of `-._/` stands as `~` and two upper-case
//! hex digits: a statement has no room for `%` (EIP-4361 allows `reserved`, `unreserved` and the space),
//! nor a quoted target for `'`. Targets of other schemes are kept and mean nothing here.

use std::{collections::BTreeMap, fmt::Write as _, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    ability::{Ability, PathPattern, VerbError},
    id::CoreId,
    path::PathError,
    uri,
};

mod canonical;

const URN: &str = "urn:recap:";
const PREAMBLE: &str = "I further authorize the stated URI to perform the following actions on my behalf:";
const SCHEME: &str = "kubelt:";
const SESSION_TARGET: &str = "kubelt:session";
const HELD_BY_NODE: &str = "key/held-by-node";
const NAMESPACE: &str = "core/";

/// Abilities by target and name, each with its qualifications ("nota bene").
type Attenuations = BTreeMap<String, BTreeMap<String, Vec<Map<String, Value>>>>;

/// A set of capabilities: for each target (a URI) the abilities that are handed on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Recap {
    targets: Attenuations,
    /// CIDs of parent capabilities; `None` where the JSON has no `prf`.
    proofs: Option<Vec<String>>,
}

/// Why a resource is no ReCap, or one that cannot be taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecapError {
    /// Not `urn:recap:` and unpadded base64url.
    #[error("not `urn:recap:` followed by unpadded base64url")]
    Encoding,
    /// Not the JSON of the standard.
    #[error("not the JSON of ERC-5573: {0}")]
    Json(String),
    /// JSON, but not the one canonical text of it.
    #[error("the JSON is not in canonical form: keys sorted, no spaces, whole numbers")]
    NotCanonical,
    /// A target that is no URI.
    #[error("`{0}` is not a URI")]
    Target(String),
    /// An ability that is not `namespace/name`.
    #[error("`{0}` is not `namespace/name` of letters, digits and `.*_+-`")]
    AbilityName(String),
    /// Nothing is handed on, or nothing at one target.
    #[error("a ReCap hands on at least one ability at each target")]
    Empty,
    /// The message does not say in words what the ReCap says.
    #[error("the statement must end with the words of the ReCap: `{0}`")]
    Statement(String),
    /// A target of this system that does not read `kubelt://<core>/<pattern>`.
    #[error("`{0}` is not a target; write `kubelt://<core id>/<path pattern>`")]
    OwnTarget(String),
    /// The path pattern of a target is none.
    #[error("the target `{0}` has no valid path pattern")]
    Pattern(String, #[source] PathError),
    /// The ability is none of this system's.
    #[error("`{0}` is not an ability of a core; write `core/<verb>`")]
    Verb(String, #[source] VerbError),
    /// The ability is of another namespace.
    #[error("`{ability}` means nothing at `{target}`; write `core/<verb>`")]
    OwnAbility {
        /// The target.
        target: String,
        /// The ability.
        ability: String,
    },
    /// Qualifications that this system does not know and so must not pass over.
    #[error("`{ability}` at `{target}` carries qualifications; write `[{{}}]`")]
    Qualified {
        /// The target.
        target: String,
        /// The ability.
        ability: String,
    },
}

impl Recap {
    /// The abilities of one core.
    pub fn from_abilities(core: CoreId, abilities: &[Ability]) -> Self {
        let mut recap = Self { proofs: Some(Vec::new()), ..Self::default() };
        recap.allow(core, abilities);
        recap
    }

    /// Hands on `abilities` in `core` too.
    pub fn allow(&mut self, core: CoreId, abilities: &[Ability]) {
        self.proofs.get_or_insert_default();
        for ability in abilities {
            let name = format!("{NAMESPACE}{}", ability.verb);
            self.insert(target(core, &ability.paths), name);
        }
    }

    /// Says that the node holds the session's key.
    pub fn mark_held_by_node(&mut self) {
        self.proofs.get_or_insert_default();
        self.insert(SESSION_TARGET.to_owned(), HELD_BY_NODE.to_owned());
    }

    /// Whether the ReCap says that the node holds the session's key.
    pub fn held_by_node(&self) -> bool {
        self.targets.get(SESSION_TARGET).is_some_and(|abilities| abilities.contains_key(HELD_BY_NODE))
    }

    /// Whether nothing is handed on.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The abilities handed on, by core, sorted. Targets of other systems are passed over.
    ///
    /// # Errors
    /// [`RecapError`] when a target of this system says something that it does not know.
    pub fn abilities(&self) -> Result<BTreeMap<CoreId, Vec<Ability>>, RecapError> {
        let mut cores: BTreeMap<CoreId, Vec<Ability>> = BTreeMap::new();
        for (target, abilities) in self.targets.iter().filter(|(target, _)| is_own(target)) {
            if let Some((ability, _)) = abilities.iter().find(|(_, notes)| !unqualified(notes)) {
                return Err(RecapError::Qualified { target: target.clone(), ability: ability.clone() });
            }
            if target == SESSION_TARGET {
                match abilities.keys().find(|ability| *ability != HELD_BY_NODE) {
                    None => continue,
                    Some(ability) => return Err(own_ability(target, ability)),
                }
            }
            let (core, paths) = read_target(target)?;
            for ability in abilities.keys() {
                let verb = ability.strip_prefix(NAMESPACE).ok_or_else(|| own_ability(target, ability))?;
                let verb = verb.parse().map_err(|cause| RecapError::Verb(ability.clone(), cause))?;
                cores.entry(core).or_default().push(Ability { verb, paths: paths.clone() });
            }
        }
        for abilities in cores.values_mut() {
            abilities.sort();
        }
        Ok(cores)
    }

    /// The abilities handed on in `core`, sorted.
    ///
    /// # Errors
    /// As [`Recap::abilities`].
    pub fn abilities_for(&self, core: &CoreId) -> Result<Vec<Ability>, RecapError> {
        Ok(self.abilities()?.remove(core).unwrap_or_default())
    }

    /// The ReCap in words, as ERC-5573 generates them.
    pub fn statement(&self) -> String {
        let mut statement = PREAMBLE.to_owned();
        let mut number = 0;
        for (target, abilities) in &self.targets {
            let mut namespace = "";
            for (space, name) in abilities.keys().filter_map(|ability| ability.split_once('/')) {
                if space == namespace {
                    let _infallible = write!(statement, ", '{name}'");
                    continue;
                }
                if !namespace.is_empty() {
                    let _infallible = write!(statement, " for '{target}'.");
                }
                number += 1;
                namespace = space;
                let _infallible = write!(statement, " ({number}) '{space}': '{name}'");
            }
            let _infallible = write!(statement, " for '{target}'.");
        }
        statement
    }

    /// Checks that `statement` ends with the ReCap in words, as a statement of its own or after another
    /// and a space.
    ///
    /// # Errors
    /// [`RecapError::Statement`] with the words expected.
    pub fn check_statement(&self, statement: Option<&str>) -> Result<(), RecapError> {
        let words = self.statement();
        let before = statement.and_then(|statement| statement.strip_suffix(&words));
        match before {
            Some(before) if before.is_empty() || before.ends_with(' ') => Ok(()),
            _ => Err(RecapError::Statement(words)),
        }
    }

    /// The resource: `urn:recap:` and the base64url of the canonical JSON.
    pub fn to_uri(&self) -> String {
        format!("{URN}{}", URL_SAFE_NO_PAD.encode(canonical::json(&self.targets, self.proofs.as_deref())))
    }

    /// Whether a resource is a ReCap, well-formed or not.
    pub fn is_recap(resource: &str) -> bool {
        resource.starts_with(URN)
    }

    fn insert(&mut self, target: String, ability: String) {
        self.targets.entry(target).or_default().insert(ability, vec![Map::new()]);
    }

    fn check(&self) -> Result<(), RecapError> {
        if self.targets.is_empty() {
            return Err(RecapError::Empty);
        }
        for (target, abilities) in &self.targets {
            if !uri::is_uri(target) {
                return Err(RecapError::Target(target.clone()));
            }
            if abilities.is_empty() {
                return Err(RecapError::Empty);
            }
            if let Some(name) = abilities.keys().find(|name| !is_ability_name(name)) {
                return Err(RecapError::AbilityName(name.clone()));
            }
        }
        Ok(())
    }
}

impl FromStr for Recap {
    type Err = RecapError;

    /// Reads a `urn:recap:` resource, which must be in canonical form.
    fn from_str(resource: &str) -> Result<Self, RecapError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Details {
            att: Attenuations,
            prf: Option<Vec<String>>,
        }
        let payload = resource.strip_prefix(URN).ok_or(RecapError::Encoding)?;
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_cause| RecapError::Encoding)?;
        let details: Details =
            serde_json::from_slice(&json).map_err(|error| RecapError::Json(error.to_string()))?;
        let recap = Self { targets: details.att, proofs: details.prf };
        recap.check()?;
        let whole = canonical::whole_numbers(&recap.targets);
        if !whole || canonical::json(&recap.targets, recap.proofs.as_deref()).as_bytes() != json {
            return Err(RecapError::NotCanonical);
        }
        Ok(recap)
    }
}

/// The target of paths in a core.
fn target(core: CoreId, paths: &PathPattern) -> String {
    let (path, rest) = match paths {
        PathPattern::All => ("", "**"),
        PathPattern::Below(path) => (path.as_str(), "/**"),
        PathPattern::Exact(path) => (path.as_str(), ""),
    };
    let mut target = format!("{SCHEME}//{core}/");
    for byte in path.bytes() {
        if is_plain(byte) {
            target.push(char::from(byte));
        } else {
            let _infallible = write!(target, "~{byte:02X}");
        }
    }
    target + rest
}

/// The core and the paths of a target; only the one way of writing them is taken.
fn read_target(text: &str) -> Result<(CoreId, PathPattern), RecapError> {
    let refused = || RecapError::OwnTarget(text.chars().take(128).collect());
    let (core, pattern) =
        text.strip_prefix("kubelt://").and_then(|rest| rest.split_once('/')).ok_or_else(refused)?;
    let core: CoreId = core.parse().map_err(|_cause| refused())?;
    let paths = unescape(pattern)
        .ok_or_else(refused)?
        .parse()
        .map_err(|cause| RecapError::Pattern(text.chars().take(128).collect(), cause))?;
    if target(core, &paths) == text { Ok((core, paths)) } else { Err(refused()) }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'~' {
            let (digits, after) = rest.split_at_checked(2)?;
            let mut escaped = [0];
            hex::decode_to_slice(digits, &mut escaped).ok()?;
            bytes.extend(escaped);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/')
}

fn is_own(target: &str) -> bool {
    target.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

fn own_ability(target: &str, ability: &str) -> RecapError {
    RecapError::OwnAbility { target: target.to_owned(), ability: ability.to_owned() }
}

/// Whether the qualifications are the one empty object that means "no restriction".
fn unqualified(notes: &[Map<String, Value>]) -> bool {
    matches!(notes, [note] if note.is_empty())
}

fn is_ability_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'*' | b'_' | b'+' | b'-'))
    };
    name.split_once('/').is_some_and(|(space, name)| part(space) && part(name))
}

#[cfg(test)]
mod tests;
