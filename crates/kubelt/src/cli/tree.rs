//! `kubelt core tree`: which cores lie in which.

use anyhow::Result;
use kubelt_api::NamedCoreView;
use kubelt_core::limits::CORES_ABOVE_MAX;
use serde::Serialize;

use super::caller::Caller;
use super::target::CoreTarget;
use crate::client::{Client, CorePlace};

/// Cores that are shown at most.
const CORES_MAX: usize = 1_000;

/// A core and what lies in it.
#[derive(Debug, Serialize)]
struct Branch {
    name: String,
    /// Not told of the first one where it shows nothing itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    core: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    cores: Vec<Branch>,
}

pub(super) fn run(caller: &Caller, target: Option<&CoreTarget>) -> Result<()> {
    let me = "@me".parse()?;
    let target = target.unwrap_or(&me);
    let (client, place) = caller.reach(target)?;
    let mut grown = 1;
    let cores = below(&client, &place, 0, &mut grown);
    let core = match client.core(&place) {
        Ok(view) => Some(view.core),
        Err(error) if cores.is_empty() => return Err(error.into()),
        Err(_shows_nothing) => None,
    };
    let root = Branch { name: target.to_string(), core, roles: Vec::new(), cores };
    caller.out.result(&root, || {
        let mut text = String::new();
        root.draw(0, &mut text);
        text
    })?;
    Ok(())
}

/// What lies in a core. Of what its reader may not list nothing is shown; only the first level may be links.
fn below(client: &Client, place: &CorePlace, depth: usize, grown: &mut usize) -> Vec<Branch> {
    if depth > CORES_ABOVE_MAX {
        return Vec::new();
    }
    let named = client.named_cores(place).map(|list| list.cores).unwrap_or_default();
    let mut branches = Vec::new();
    for NamedCoreView { name, core, roles, child, .. } in named {
        if *grown >= CORES_MAX || !(child || depth == 0) {
            continue;
        }
        *grown += 1;
        let at = CorePlace::of_names([format!("@{core}").as_str()]);
        let cores = below(client, &at, depth + 1, grown);
        branches.push(Branch { name: format!("@{name}"), core: Some(core), roles, cores });
    }
    branches
}

impl Branch {
    fn draw(&self, depth: usize, text: &mut String) {
        let roles =
            if self.roles.is_empty() { String::new() } else { format!("  {}", self.roles.join(", ")) };
        let core = self.core.as_ref().map(|core| format!("  {core}")).unwrap_or_default();
        text.push_str(&format!("{}{}{roles}{core}\n", "  ".repeat(depth), self.name));
        self.cores.iter().for_each(|core| core.draw(depth + 1, text));
    }
}
