//! The value of `config/template`: what a core makes of those who sign in through it.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;

use super::{SchemaError, fields, fields::Fields};
use crate::{
    ability::{Ability, Verb},
    limits::{ABILITIES_MAX, TEMPLATE_CONFIG_MAX},
    path::MapPath,
};

/// Where a core's template stands in its map.
pub const TEMPLATE: &str = "config/template";

/// The template of a core: a map of `user`. No other fields. Without `user` the core admits no user cores.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Template {
    /// What becomes of an account that signs in through the core.
    pub user: Option<UserTemplate>,
}

/// How a user core begins: a map of, where there is any, `asks`, `config`, `blocks_max`, `block_bytes_max` and `ops_max`.
/// No other fields.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UserTemplate {
    /// What each user is asked to grant to the root of the parent, such as `read content/shared/**`. Nothing is granted
    /// before the user's own wallet has signed it. Authority (`grant`, `revoke`, `seal`, …) cannot be asked for.
    pub asks: Vec<Ability>,
    /// Settings that a user core begins with, by path below `config/`.
    pub config: BTreeMap<String, Ipld>,
    /// The most that such a core may use on a node, where that is less than the node allows: blocks,
    pub blocks_max: Option<u64>,
    /// their bytes,
    pub block_bytes_max: Option<u64>,
    /// and operations.
    pub ops_max: Option<u64>,
}

/// What a template can ask for.
const ASKABLE: [Verb; 4] = [Verb::Read, Verb::Put, Verb::Call, Verb::Replicate];

impl Template {
    /// Reads the value of `config/template`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["user"])?;
        let user = fields.optional("user", "a map", |value| fields::map(value).map(|_map| value))?;
        Ok(Self { user: user.map(UserTemplate::from_ipld).transpose()? })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let user = self.user.as_ref().map(|user| ("user".to_owned(), user.to_ipld()));
        Ipld::Map(user.into_iter().collect())
    }
}

impl UserTemplate {
    fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["asks", "config", "blocks_max", "block_bytes_max", "ops_max"])?;
        let asks =
            fields.optional("asks", "a list of abilities to read, put, call or replicate", abilities)?;
        let config = fields.optional("config", "a map of a few settings", settings)?;
        let count = |name| {
            fields.optional(name, "a whole number above 0", |value| match value {
                Ipld::Integer(count) => u64::try_from(*count).ok().filter(|count| *count > 0),
                _ => None,
            })
        };
        Ok(Self {
            asks: asks.unwrap_or_default(),
            config: config.unwrap_or_default(),
            blocks_max: count("blocks_max")?,
            block_bytes_max: count("block_bytes_max")?,
            ops_max: count("ops_max")?,
        })
    }

    fn to_ipld(&self) -> Ipld {
        let mut map = BTreeMap::new();
        if !self.asks.is_empty() {
            let asks = self.asks.iter().map(|ability| Ipld::String(ability.to_string()));
            map.insert("asks".to_owned(), Ipld::List(asks.collect()));
        }
        if !self.config.is_empty() {
            map.insert("config".to_owned(), Ipld::Map(self.config.clone()));
        }
        let counts = [
            ("blocks_max", self.blocks_max),
            ("block_bytes_max", self.block_bytes_max),
            ("ops_max", self.ops_max),
        ];
        for (name, count) in counts {
            map.extend(count.map(|count| (name.to_owned(), Ipld::Integer(count.into()))));
        }
        Ipld::Map(map)
    }

    /// The settings, by their paths in the map.
    pub fn settings(&self) -> impl Iterator<Item = (MapPath, &Ipld)> {
        let path = |name: &String| MapPath::new(format!("config/{name}")).ok();
        self.config.iter().filter_map(move |(name, value)| Some((path(name)?, value)))
    }
}

fn abilities(value: &Ipld) -> Option<Vec<Ability>> {
    let Ipld::List(items) = value else { return None };
    if items.len() > ABILITIES_MAX {
        return None;
    }
    let read =
        |item| fields::text(item)?.parse().ok().filter(|ability: &Ability| ASKABLE.contains(&ability.verb));
    let mut abilities = items.iter().map(read).collect::<Option<Vec<Ability>>>()?;
    abilities.sort_unstable();
    abilities.dedup();
    Some(abilities)
}

/// Each fits its path. A template in a template would make its users parents of others.
fn settings(value: &Ipld) -> Option<BTreeMap<String, Ipld>> {
    let map = fields::map(value).filter(|map| map.len() <= TEMPLATE_CONFIG_MAX)?;
    for (name, value) in map {
        let path = MapPath::new(format!("config/{name}")).ok().filter(|path| path.as_str() != TEMPLATE)?;
        super::check_new(&path, value).ok()?;
    }
    Some(map.clone())
}
