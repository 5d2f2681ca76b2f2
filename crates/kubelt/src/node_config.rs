//! Configuration of a node: flags over environment over a TOML file over defaults. An empty one runs.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use kubelt_http::RateLimits;
use kubelt_store::Quota;
use serde::Deserialize;

/// Where a node listens unless told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:4747";

/// Flags and environment of `kubelt node`.
#[derive(Debug, Default, Args)]
pub(crate) struct NodeArgs {
    /// Keep the store here
    #[arg(long, env = "KUBELT_DATA", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Listen here; port 0 takes any free one [default: 127.0.0.1:4747]
    #[arg(long, env = "KUBELT_LISTEN", hide_env_values = true, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A host name under which people may sign in; loopback names always work
    #[arg(
        long,
        env = "KUBELT_PUBLIC_HOST",
        hide_env_values = true,
        value_name = "HOST",
        value_delimiter = ','
    )]
    public_host: Vec<String>,
    /// Serve nothing that this file denies (compact denylist format); may be given several times
    #[arg(long, env = "KUBELT_DENYLIST", hide_env_values = true, value_name = "FILE", value_delimiter = ',')]
    denylist: Vec<PathBuf>,
    /// Read settings from this TOML file
    #[arg(long, env = "KUBELT_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The TOML file: every setting, none needed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// Directory of the store.
    data_dir: Option<PathBuf>,
    /// Address to listen on.
    listen: Option<SocketAddr>,
    /// Host names under which people may sign in.
    public_hosts: Vec<String>,
    /// Files of what the node does not serve.
    denylists: Vec<PathBuf>,
    /// What one core may use.
    quota: QuotaFile,
    /// How many requests clients may make; 0 switches a limit off.
    rates: RatesFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QuotaFile {
    ops: u64,
    op_bytes: u64,
    blocks: u64,
    block_bytes: u64,
}

impl Default for QuotaFile {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self { ops: 10_000_000, op_bytes: 8 * GIB, blocks: 100_000_000, block_bytes: 1_024 * GIB }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RatesFile {
    requests_per_second: u32,
    sign_ins_per_minute: u32,
    writes_per_second: u32,
}

impl Default for RatesFile {
    fn default() -> Self {
        let RateLimits { requests_per_second, sign_ins_per_minute, writes_per_second } =
            RateLimits::default();
        Self { requests_per_second, sign_ins_per_minute, writes_per_second }
    }
}

/// A node's configuration, resolved.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) public_hosts: Vec<String>,
    pub(crate) denylists: Vec<PathBuf>,
    pub(crate) quota: Quota,
    pub(crate) rates: RateLimits,
}

impl NodeConfig {
    pub(crate) fn resolve(args: NodeArgs) -> anyhow::Result<Self> {
        let file = match &args.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let data_dir = match args.data_dir.or(file.data_dir) {
            Some(dir) => dir,
            None => default_data_dir()?,
        };
        let listen = args.listen.or(file.listen);
        let public_hosts = if args.public_host.is_empty() { file.public_hosts } else { args.public_host };
        if let Some(bad) = public_hosts.iter().find(|host| host.contains(['/', '@', ' ']) || host.is_empty())
        {
            bail!("`{bad}` is not a host name; write `kubelt.example` or `kubelt.example:8443`");
        }
        let QuotaFile { ops, op_bytes, blocks, block_bytes } = file.quota;
        let RatesFile { requests_per_second, sign_ins_per_minute, writes_per_second } = file.rates;
        Ok(Self {
            data_dir,
            listen: listen.unwrap_or_else(|| LISTEN.parse().expect("a constant address")),
            public_hosts,
            denylists: if args.denylist.is_empty() { file.denylists } else { args.denylist },
            quota: Quota { ops, op_bytes, blocks, block_bytes },
            rates: RateLimits { requests_per_second, sign_ins_per_minute, writes_per_second },
        })
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the settings `{}` cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("the settings `{}` are not valid", path.display()))
}

/// `$XDG_DATA_HOME/kubelt`, or `~/.local/share/kubelt`.
pub(crate) fn default_data_dir() -> anyhow::Result<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = var("XDG_DATA_HOME").or_else(|| Some(var("HOME")?.join(".local/share")));
    Ok(base.context("no home directory is set; name one with `--data-dir`")?.join("kubelt"))
}

#[cfg(test)]
mod tests {
    use super::{File, NodeArgs, NodeConfig};

    #[test]
    fn an_empty_file_is_enough_and_a_misspelt_setting_is_refused() {
        let file: File = toml::from_str("").expect("an empty file is valid");
        assert!(file.listen.is_none());
        assert!(toml::from_str::<File>("lisen = '127.0.0.1:1'").is_err());
        assert!(
            toml::from_str::<File>("[quota]\nblock_bytes = 5")
                .is_ok_and(|file| file.quota.block_bytes == 5 && file.quota.ops > 5)
        );
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kubelt.toml");
        std::fs::write(&path, "data_dir = '/a'\nlisten = '127.0.0.1:1'\n[rates]\nrequests_per_second = 0")
            .expect("written");
        let args = NodeArgs { data_dir: Some("/b".into()), config: Some(path), ..NodeArgs::default() };
        let config = NodeConfig::resolve(args).expect("resolves");
        assert_eq!(config.data_dir.as_os_str(), "/b");
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.rates.requests_per_second, 0);
    }

    #[test]
    fn a_host_is_no_url() {
        let args = NodeArgs {
            public_host: vec!["https://kubelt.example/".to_owned()],
            data_dir: Some("/a".into()),
            ..NodeArgs::default()
        };
        assert!(NodeConfig::resolve(args).is_err());
    }
}
