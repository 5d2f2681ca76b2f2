//! Kubo, the reference implementation, as a peer to measure against. `cargo xtask bench` builds it where Go is found
//! and names the binary in `KUBO`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Server, free_address};

/// The binary.
#[derive(Debug, Clone)]
pub(crate) struct Kubo(PathBuf);

/// A repository that never touched the network; removed by whoever owns its directory.
#[derive(Debug)]
pub(crate) struct Repository<'a> {
    kubo: &'a Kubo,
    dir: PathBuf,
}

impl Kubo {
    /// The one that the environment names; without it a benchmark leaves Kubo out and says so.
    pub(crate) fn named() -> Option<Self> {
        let named = std::env::var_os("KUBO").filter(|path| !path.is_empty());
        if named.is_none() {
            println!("Kubo is left out: `KUBO` names no binary, and no Go was found to build one\n");
        }
        named.map(|path| Self(path.into()))
    }

    /// Makes a repository with Kubo's defaults, and then the profile where one is named.
    pub(crate) fn repository(&self, dir: &Path, profile: Option<&str>) -> Result<Repository<'_>> {
        let repository = Repository { kubo: self, dir: dir.to_path_buf() };
        repository.run(&["init", "--empty-repo"])?;
        repository.run(&["bootstrap", "rm", "--all"])?;
        if let Some(profile) = profile {
            repository.run(&["config", "profile", "apply", profile])?;
        }
        Ok(repository)
    }
}

impl Repository<'_> {
    /// Adds a file or a directory as a program of its own, as people do; how long it took until it had ended.
    pub(crate) fn add(&self, source: &Path) -> Result<Duration> {
        let source = source.to_str().context("the file's path is not UTF-8")?;
        let start = Instant::now();
        self.run(&["add", "--offline", "--recursive", "--quieter", source])?;
        Ok(start.elapsed())
    }

    /// Adds a file; gives its CID.
    pub(crate) fn add_for_cid(&self, source: &Path) -> Result<String> {
        let source = source.to_str().context("the file's path is not UTF-8")?;
        let output = self.output(&["add", "--offline", "--quieter", source])?;
        Ok(output.trim().to_owned())
    }

    /// Its gateway, with no network behind it; ends when dropped.
    pub(crate) fn daemon(&self) -> Result<Server> {
        let address = free_address()?;
        let port = address.rsplit_once(':').context("an address without a port")?.1;
        for (key, value) in [
            ("Addresses.Gateway", format!("/ip4/127.0.0.1/tcp/{port}")),
            ("Addresses.API", "/ip4/127.0.0.1/tcp/0".to_owned()),
        ] {
            self.run(&["config", key, &value])?;
        }
        let mut command = Command::new(&self.kubo.0);
        command.args(["daemon", "--offline"]).env("IPFS_PATH", &self.dir).env("IPFS_TELEMETRY", "off");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Server::start(command, address)
    }

    /// Its daemon for peers that are connected by hand, with discovery, routing and all else of the network switched
    /// off; ends when dropped.
    pub(crate) fn online(&self) -> Result<Server> {
        let address = free_address()?;
        let port = address.rsplit_once(':').context("an address without a port")?.1;
        let gateway = format!("\"/ip4/127.0.0.1/tcp/{port}\"");
        for (key, json) in [
            ("AutoConf", r#"{"Enabled": false}"#),
            ("Bootstrap", "[]"),
            ("DNS", r#"{"Resolvers": {}}"#),
            ("Ipns", r#"{"DelegatedPublishers": []}"#),
            ("Routing", r#"{"Type": "none", "DelegatedRouters": []}"#),
            ("Provide", r#"{"Enabled": false}"#),
            ("AutoTLS", r#"{"Enabled": false}"#),
            ("AutoNAT", r#"{"ServiceMode": "disabled"}"#),
            ("HTTPRetrieval", r#"{"Enabled": false}"#),
            ("Discovery", r#"{"MDNS": {"Enabled": false}}"#),
            ("Swarm.RelayClient", r#"{"Enabled": false}"#),
            ("Swarm.RelayService", r#"{"Enabled": false}"#),
            ("Swarm.EnableHolePunching", "false"),
            ("Swarm.DisableNatPortMap", "true"),
            ("Version.SwarmCheckEnabled", "false"),
            ("Addresses.Swarm", r#"["/ip4/127.0.0.1/tcp/0"]"#),
            ("Addresses.API", r#""/ip4/127.0.0.1/tcp/0""#),
            ("Addresses.Gateway", &gateway),
        ] {
            self.run(&["config", "--json", key, json])?;
        }
        let mut command = Command::new(&self.kubo.0);
        command.arg("daemon").env("IPFS_PATH", &self.dir).env("IPFS_TELEMETRY", "off");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Server::start(command, address)
    }

    /// Where peers reach its daemon.
    pub(crate) fn peer_address(&self) -> Result<String> {
        let about: serde_json::Value = serde_json::from_str(&self.output(&["id"])?)?;
        about["Addresses"][0].as_str().map(str::to_owned).context("the daemon listens nowhere")
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        self.output(args).map(drop)
    }

    /// What a command prints.
    pub(crate) fn output(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(&self.kubo.0)
            .args(args)
            .env("IPFS_PATH", &self.dir)
            .env("IPFS_TELEMETRY", "off")
            .stdin(Stdio::null())
            .output()
            .context("Kubo does not start")?;
        if !output.status.success() {
            bail!("`ipfs {}` failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
