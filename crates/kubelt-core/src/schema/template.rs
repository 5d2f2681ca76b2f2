//! The value of `config/template`: what a core makes of those who sign in through it.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;

use super::{ChildCore, ContractTemplate, SchemaError, encryption::gate, fields, fields::Fields};
use crate::{
    ability::{Ability, Verb},
    limits::{ABILITIES_MAX, TEMPLATE_CHILDREN_MAX, TEMPLATE_CONFIG_MAX},
    path::MapPath,
};

/// Where a core's template stands in its map.
pub const TEMPLATE: &str = "config/template";

/// In a template's `children`, every name that has no line of its own.
pub const EVERY_OTHER: &str = "*";

/// The template of a core: a map of `user`, `contract` and `children`. No other fields. Without `user` the core admits no
/// user cores, without `contract` none of contracts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Template {
    /// What becomes of an account that signs in through the core.
    pub user: Option<UserTemplate>,
    /// Who enters the cores of contracts.
    pub contract: Option<ContractTemplate>,
    /// Gates of the core that guard the making of children, by the child's name; [`EVERY_OTHER`] stands for all names that
    /// are not there. A node makes a child for whoever passes.
    pub children: BTreeMap<String, String>,
}

/// How a user core begins: a map of, where there is any, `gate`, `asks`, `config`, `blocks_max`, `block_bytes_max` and
/// `ops_max`. No other fields.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UserTemplate {
    /// The gate of the parent that an account has to pass when it signs in.
    pub gate: Option<String>,
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
        fields.only(&["user", "contract", "children"])?;
        let map = |name| fields.optional(name, "a map", |value| fields::map(value).map(|_map| value));
        let children =
            fields.optional("children", "a map of a few names of children, or `*`, to gates", guarded)?;
        Ok(Self {
            user: map("user")?.map(UserTemplate::from_ipld).transpose()?,
            contract: map("contract")?.map(ContractTemplate::from_ipld).transpose()?,
            children: children.unwrap_or_default(),
        })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let user = self.user.as_ref().map(|user| ("user".to_owned(), user.to_ipld()));
        let contract = self.contract.as_ref().map(|contract| ("contract".to_owned(), contract.to_ipld()));
        let gates = self.children.iter().map(|(name, gate)| (name.clone(), Ipld::String(gate.clone())));
        let children = ("children".to_owned(), Ipld::Map(gates.collect()));
        let children = (!self.children.is_empty()).then_some(children);
        Ipld::Map(user.into_iter().chain(contract).chain(children).collect())
    }

    /// The gate that guards the making of a child of this name.
    pub fn gate_of(&self, child: &str) -> Option<&str> {
        self.children.get(child).or_else(|| self.children.get(EVERY_OTHER)).map(String::as_str)
    }
}

impl UserTemplate {
    fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["gate", "asks", "config", "blocks_max", "block_bytes_max", "ops_max"])?;
        let gate = fields.optional("gate", "the name of a gate", gate)?;
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
            gate,
            asks: asks.unwrap_or_default(),
            config: config.unwrap_or_default(),
            blocks_max: count("blocks_max")?,
            block_bytes_max: count("block_bytes_max")?,
            ops_max: count("ops_max")?,
        })
    }

    fn to_ipld(&self) -> Ipld {
        let mut map = BTreeMap::new();
        map.extend(self.gate.clone().map(|gate| ("gate".to_owned(), Ipld::String(gate))));
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

fn guarded(value: &Ipld) -> Option<BTreeMap<String, String>> {
    let map = fields::map(value).filter(|map| map.len() <= TEMPLATE_CHILDREN_MAX)?;
    let is_name = |name: &String| name == EVERY_OTHER || ChildCore::path(name).is_some();
    map.iter().map(|(name, value)| is_name(name).then_some((name.clone(), gate(value)?))).collect()
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
