//! Outside programs written in Go, built from the modules that `conformance/*/go.mod` pin.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

const PEBBLE_MODULE: &str = "github.com/letsencrypt/pebble/v2";
const SUITE_MODULE: &str = "github.com/ipfs/gateway-conformance";
/// Names a checkout of the suite, for machines that cannot download the module.
pub(crate) const SUITE_VARIABLE: &str = "KUBELT_GATEWAY_CONFORMANCE";

/// The outside suite of gateways: its sources, which it needs to run, and its program.
#[derive(Debug)]
pub(crate) struct GatewaySuite {
    pub(crate) home: PathBuf,
    pub(crate) program: PathBuf,
}

/// Pebble, an ACME server for tests, with its DNS server.
#[derive(Debug)]
pub(crate) struct Pebble {
    pub(crate) program: PathBuf,
    pub(crate) dns: PathBuf,
    /// Its sources, which hold the certificate that it shows itself.
    pub(crate) home: PathBuf,
}

/// Why an outside program is not to be had.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// This machine has no Go.
    NoGo,
    /// The module's proxy does not give the suite; its own words.
    NotServed(String),
    /// The same of Pebble.
    NoPebble(String),
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoGo => write!(f, "Go was not found; install it from https://go.dev/dl"),
            Self::NoPebble(words) => {
                write!(f, "the module {PEBBLE_MODULE} cannot be downloaded here ({words})")
            }
            Self::NotServed(words) => write!(
                f,
                "the module {SUITE_MODULE} cannot be downloaded here ({words}); name a checkout of its pinned \
                 version with `--suite DIR` or with {SUITE_VARIABLE}"
            ),
        }
    }
}

/// Kubo, the reference implementation, as one binary.
pub(crate) fn kubo(workspace: &Workspace) -> Result<Result<PathBuf, Unavailable>> {
    if !is_there() {
        return Ok(Err(Unavailable::NoGo));
    }
    let folder = workspace.root().join("conformance/kubo");
    let program = program(workspace, "ipfs");
    process::run(build(&folder, &program).arg("github.com/ipfs/kubo/cmd/ipfs"))?;
    Ok(Ok(program))
}

/// Pebble and its DNS server, from the module that `conformance/acme/go.mod` pins.
pub(crate) fn pebble(workspace: &Workspace) -> Result<Result<Pebble, Unavailable>> {
    if !is_there() {
        return Ok(Err(Unavailable::NoGo));
    }
    let folder = workspace.root().join("conformance/acme");
    let home = match download(&folder, PEBBLE_MODULE)? {
        Ok(dir) => dir,
        Err(words) => return Ok(Err(Unavailable::NoPebble(words))),
    };
    let [program, dns] = ["pebble", "pebble-challtestsrv"].map(|name| (program(workspace, name), name)).map(
        |(program, name)| {
            process::run(build(&folder, &program).arg(format!("{PEBBLE_MODULE}/cmd/{name}")))?;
            Ok::<_, anyhow::Error>(program)
        },
    );
    Ok(Ok(Pebble { program: program?, dns: dns?, home }))
}

/// The suite of gateways, from `checkout` or from the module that `conformance/gateway/go.mod` pins.
pub(crate) fn gateway_suite(
    workspace: &Workspace,
    checkout: Option<PathBuf>,
) -> Result<Result<GatewaySuite, Unavailable>> {
    if !is_there() {
        return Ok(Err(Unavailable::NoGo));
    }
    let named = env::var_os(SUITE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = match checkout.or(named) {
        Some(dir) if !dir.join("cmd/gateway-conformance").is_dir() => {
            bail!("`{}` is no checkout of {SUITE_MODULE}", dir.display())
        }
        Some(dir) => std::path::absolute(dir).context("the checkout's path is not usable")?,
        None => match download(&workspace.root().join("conformance/gateway"), SUITE_MODULE)? {
            Ok(dir) => dir,
            Err(words) => return Ok(Err(Unavailable::NotServed(words))),
        },
    };
    let program = program(workspace, "gateway-conformance");
    process::run(build(&home, &program).arg("./cmd/gateway-conformance"))?;
    Ok(Ok(GatewaySuite { home, program }))
}

fn is_there() -> bool {
    let asked = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn program(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target_apart("go").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// A build of `program` inside the module in `folder`; the package is still to be named.
fn build(folder: &Path, program: &Path) -> Command {
    let mut go = Command::new("go");
    go.args(["build", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w", "-o"])
        .arg(program)
        .current_dir(folder)
        .env("GOWORK", "off");
    go
}

/// Where a pinned module lies in Go's own cache, or what the proxy said instead.
fn download(folder: &Path, module: &str) -> Result<Result<PathBuf, String>> {
    let asked = Command::new("go")
        .args(["mod", "download", "-json", module])
        .current_dir(folder)
        .env("GOWORK", "off")
        .output()
        .context("cannot start `go mod download`")?;
    let answer: serde_json::Value = serde_json::from_slice(&asked.stdout).with_context(|| {
        format!("`go mod download` said no JSON: {}", String::from_utf8_lossy(&asked.stderr))
    })?;
    if let Some(dir) = answer["Dir"].as_str() {
        return Ok(Ok(PathBuf::from(dir)));
    }
    let words = answer["Error"].as_str().unwrap_or("without a word");
    if words.contains("checksum mismatch") {
        bail!("{words}");
    }
    Ok(Err(words.split_whitespace().collect::<Vec<_>>().join(" ")))
}
