//! The file: read, and checked as far as that can be done without a node.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use kubelt_content::Codec;
use kubelt_core::{MapPath, Visibility, limits::CORES_ABOVE_MAX, role, schema};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::as_written;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;

/// A file that was checked.
#[derive(Debug)]
pub(super) struct Plan {
    /// The core at the top, which is there: `@acme`.
    pub(super) core: String,
    pub(super) top: Wanted,
}

/// What is wanted of a core.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) title: Option<String>,
    /// Who may pass to it from the core above.
    pub(super) visibility: Option<String>,
    pub(super) owners: Vec<String>,
    pub(super) threshold: Option<u8>,
    /// By name below `config/`.
    pub(super) config: BTreeMap<String, Value>,
    /// By name, as they are to stand in the map.
    pub(super) gates: BTreeMap<String, Value>,
    pub(super) members: BTreeMap<String, Part>,
    pub(super) cores: BTreeMap<String, Wanted>,
}

/// A part in a core.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) can: Vec<String>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Some(role) => f.write_str(role),
            None => f.write_str(&self.can.join("; ")),
        }
    }
}

type Keyed<T> = BTreeMap<Spanned<String>, T>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    core: Spanned<String>,
    #[serde(default)]
    config: Keyed<toml::Value>,
    #[serde(default)]
    gates: Keyed<toml::Value>,
    #[serde(default)]
    members: Keyed<Part>,
    #[serde(default)]
    cores: Keyed<Child>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Child {
    title: Option<String>,
    visibility: Option<Spanned<String>>,
    #[serde(default)]
    owners: Vec<Spanned<String>>,
    threshold: Option<u8>,
    #[serde(default)]
    config: Keyed<toml::Value>,
    #[serde(default)]
    gates: Keyed<toml::Value>,
    #[serde(default)]
    members: Keyed<Part>,
    #[serde(default)]
    cores: Keyed<Child>,
}

impl Plan {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let cannot = || format!("`{}` cannot be read", path.display());
        let size = std::fs::metadata(path).with_context(cannot)?.len();
        if size > FILE_BYTES_MAX {
            bail!("`{}` has over {FILE_BYTES_MAX} bytes", path.display());
        }
        let text = std::fs::read_to_string(path).with_context(cannot)?;
        Self::parse(&text).with_context(|| format!("`{}` is refused", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let lines = Lines(text);
        let core = file.core.get_ref().clone();
        lines.at(
            &file.core,
            core.parse::<super::CoreTarget>().map_err(anyhow::Error::from).and_then(|core| {
                if core.path.is_empty() { Ok(()) } else { bail!("`{core}` has a path; name the core alone") }
            }),
        )?;
        let top = Child {
            title: None,
            visibility: None,
            owners: Vec::new(),
            threshold: None,
            config: file.config,
            gates: file.gates,
            members: file.members,
            cores: file.cores,
        };
        Ok(Self { core, top: lines.check(top, 0)? })
    }
}

/// The text, to say where something stands in it.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    /// Says the line of what went wrong.
    fn at<T, S>(&self, place: &Spanned<S>, result: Result<T>) -> Result<T> {
        let start = place.span().start.min(self.0.len());
        let line = self.0.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        result.map_err(|error| anyhow!("line {line}: {error:#}"))
    }

    fn check(&self, child: Child, depth: usize) -> Result<Wanted> {
        let visibility = child.visibility.map(|word| {
            let is_one = word.get_ref().parse::<Visibility>().map_err(anyhow::Error::from);
            self.at(&word, is_one).map(|visibility| visibility.to_string())
        });
        let owners = child.owners.iter().map(|owner| self.at(owner, as_written(owner.get_ref())));
        let mut wanted = Wanted {
            title: child.title,
            visibility: visibility.transpose()?,
            owners: owners.collect::<Result<_>>()?,
            threshold: child.threshold,
            ..Wanted::default()
        };
        for (name, value) in child.config {
            let value = self.at(&name, of_map(&format!("config/{}", name.get_ref()), value))?;
            wanted.config.insert(name.into_inner(), value);
        }
        for (name, value) in child.gates {
            let value = self.at(&name, of_map(&format!("{}/{}", schema::GATES, name.get_ref()), value))?;
            wanted.gates.insert(name.into_inner(), value);
        }
        for (account, part) in child.members {
            let fits = role::choose(part.role.as_deref(), &part.can).map_err(anyhow::Error::from);
            self.at(&account, fits)?;
            let written = self.at(&account, as_written(account.get_ref()))?;
            wanted.members.insert(written, part);
        }
        for (name, below) in child.cores {
            self.at(&name, check_name(name.get_ref(), depth))?;
            let below = self.check(below, depth + 1)?;
            wanted.cores.insert(name.into_inner(), below);
        }
        Ok(wanted)
    }
}

fn check_name(name: &str, depth: usize) -> Result<()> {
    if schema::ChildCore::path(name).is_none() {
        bail!("`{name}` is no name for a core; take 1 to 64 letters, digits, `-` or `_`, and no address");
    }
    if depth >= CORES_ABOVE_MAX {
        bail!("`{name}` lies under more than {CORES_ABOVE_MAX} cores");
    }
    Ok(())
}

/// A value as JSON, of the form that the map takes there.
fn of_map(path: &str, value: toml::Value) -> Result<Value> {
    let json = json(value)?;
    let path = MapPath::new(path)?;
    let bytes = serde_json::to_vec(&json)?;
    schema::check_new(&path, &Codec::DagJson.decode(&bytes)?)?;
    Ok(json)
}

fn json(value: toml::Value) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<Result<_>>()?),
        toml::Value::Table(table) => {
            let field = |(name, value)| Ok((name, json(value)?));
            Value::Object(table.into_iter().map(field).collect::<Result<_>>()?)
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) => {
            bail!("settings and gates hold no fractions and no dates")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Plan;

    const ANN: &str = "0x00000000000000000000000000000000000000aa";

    #[test]
    fn a_tree_is_read() {
        let text = format!(
            "core = '@acme'\n[config]\nexposure = {{ ipfs = false }}\n[cores.widget]\ntitle = 'Widgets'\n\
             visibility = 'members'\n[cores.widget.members.{ANN}]\nrole = 'designer'\n[cores.widget.cores.part]\n\
             [gates.holders]\nopens = ['cores/widget']\nif.erc721 = {{ chain = 1, contract = '{ANN}' }}\nkeep = 3\n\
             [cores.'1:{ANN}']\n"
        );
        let plan = Plan::parse(&text).expect("fits");
        assert_eq!(
            (plan.core.as_str(), plan.top.config["exposure"]["ipfs"].as_bool()),
            ("@acme", Some(false))
        );
        let widget = &plan.top.cores["widget"];
        assert_eq!(
            (widget.title.as_deref(), widget.visibility.as_deref()),
            (Some("Widgets"), Some("members"))
        );
        assert_eq!(widget.members[ANN].role.as_deref(), Some("designer"));
        assert!(widget.cores.contains_key("part") && plan.top.cores.contains_key(&format!("1:{ANN}")));
        assert_eq!(plan.top.gates["holders"]["if"]["erc721"]["chain"], 1);
    }

    #[track_caller]
    fn refused(text: &str, line: usize, says: &str) {
        let error = format!("{:#}", Plan::parse(text).expect_err("is refused"));
        assert!(error.contains(&format!("line {line}")) && error.contains(says), "{text}: {error}");
    }

    #[test]
    fn what_is_wrong_says_its_line() {
        refused("core = '@acme'\n\n[cores.'a b']\n", 3, "no name for a core");
        refused("core = '@acme'\n[cores.a]\nvisibility = 'everyone'\n", 3, "is not a visibility");
        refused("core = '@acme'\n[members.bob]\nrole = 'owner'\n", 2, "account");
        refused(&format!("core = '@acme'\n[members.{ANN}]\nrole = 'king'\n"), 2, "there is no role");
        refused("core = '@acme'\n[config]\nexposure = 'shut'\n", 3, "map");
        refused("core = '@acme'\n[config]\ntemplate = { user = { asks = ['grant **'] } }\n", 3, "asks");
        refused("core = '@acme'\n[config]\nx = 1.5\n", 3, "fractions");
        let gate = |more: &str| format!("core = '@acme'\n\n[cores.a.gates.holders]\n{more}\n");
        refused(&gate("opens = ['content/**']"), 3, "`if` is missing");
        refused(&gate("opens = ['config/**']\nif.any = []"), 3, "`opens` must be");
        refused(
            &gate("opens = ['content/**']\nif.erc20 = { chain = 1, contract = '0xab', min = '1' }"),
            3,
            "`contract` must be",
        );
        refused("core = '@acme'\n[gates.'a b']\nopens = ['content/**']\n", 2, "gates/<");
        refused("core = 'acme'\n", 1, "names no core");
        refused("core = '@acme'\n[core.a]\n", 2, "");
        refused("core = '@acme'\nother = 1\n", 2, "unknown field");
        refused("core = '@acme'\n[cores.a\n", 2, "");
        let deep = format!("core = '@acme'\n[{}]\n", ["cores.a"; 8].join("."));
        refused(&deep, 2, "lies under more than");
    }
}
