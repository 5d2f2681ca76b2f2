//! A node in a directory of its own, and people who talk to it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A running `kubelt node`; it ends with the test.
pub(crate) struct Node {
    pub(crate) url: String,
    process: Child,
    /// What it said when it was ready.
    announced: Value,
    dir: TempDir,
    /// The network namespace that it runs in, where it has one of its own.
    place: Option<String>,
}

fn spawn(dir: &TempDir, place: Option<&str>) -> (Child, Value) {
    let mut process = plain("node", place)
        .args(["--json", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .arg("--config")
        .arg(dir.path().join("kubelt.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary was built");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("the node says where it is");
    (process, serde_json::from_str(&line).expect("with `--json` it says so in JSON"))
}

impl Node {
    /// A node on a free port.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A node with these settings.
    pub(crate) fn start_with(settings: &str) -> Self {
        Self::start_at(settings, None)
    }

    /// The same, in a network namespace.
    pub(crate) fn start_at(settings: &str, place: Option<String>) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        fs::write(dir.path().join("kubelt.toml"), settings).expect("settings can be written");
        let (process, announced) = spawn(&dir, place.as_deref());
        let url = announced["listening"].as_str().expect("it says where").to_owned();
        Self { url, process, announced, dir, place }
    }

    /// Starts the node anew that was killed, in its directory and on another port.
    pub(crate) fn restart(&mut self) {
        (self.process, self.announced) = spawn(&self.dir, self.place.as_deref());
        self.url = self.announced["listening"].as_str().expect("it says where").to_owned();
    }

    /// Where other nodes reach this one.
    pub(crate) fn replicates(&self) -> String {
        self.announced["replicate_addresses"][0].as_str().expect("it listens for others").to_owned()
    }

    /// Where peers reach this one.
    pub(crate) fn peer_address(&self) -> String {
        self.announced["peer_addresses"][0].as_str().expect("it listens for peers").to_owned()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Ends the node without a word of warning, and keeps its directory.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was running");
    }

    /// What anybody gets at a path: status and body.
    pub(crate) fn fetch(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.get(format!("{}{path}", self.url)).call().expect("the node answers");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("it is text"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have been killed before.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Somebody with wallets and sessions of their own.
pub(crate) struct Person {
    node: String,
    home: TempDir,
    /// The network namespace that this person's commands run in.
    place: Option<String>,
}

impl Person {
    /// Somebody who has no wallet yet and talks to the node at `url`.
    pub(crate) fn at(url: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory for the test");
        for (file, passphrase) in [("right", "a passphrase\n"), ("wrong", "another one\n")] {
            fs::write(home.path().join(file), passphrase).expect("it can be written");
        }
        Self { node: url.to_owned(), home, place: None }
    }

    /// Goes to a node, and to the network namespace that it runs in.
    pub(crate) fn go_to(&mut self, node: &Node) {
        node.url.clone_into(&mut self.node);
        self.place.clone_from(&node.place);
    }

    /// Somebody with the wallet `main`, signed in.
    pub(crate) fn signed_in(url: &str) -> Self {
        let person = Self::at(url);
        person.run(&["wallet", "new", "main", "--passphrase-file", "right"]);
        person.sign_in();
        person
    }

    /// The same person, talking to the node at `url`.
    pub(crate) fn moved_to(mut self, url: &str) -> Self {
        url.clone_into(&mut self.node);
        self
    }

    /// The node came back at `url`: it is the same one, so its sessions stand.
    pub(crate) fn stays_signed_in_at(&mut self, url: &str) {
        let sessions = fs::read_to_string(self.dir().join("config/sessions.json")).expect("there are some");
        self.write("config/sessions.json", sessions.replace(&self.node, url));
        url.clone_into(&mut self.node);
    }

    /// Signs in with `main`; what the command says.
    pub(crate) fn sign_in(&self) -> Value {
        self.json(&["login", "--wallet", "main", "--passphrase-file", "right"])
    }

    /// Calls a method of JSON-RPC at the own core, as a program of this person would; gives what is answered.
    pub(crate) fn rpc(&self, method: &str, params: &Value) -> Value {
        let sessions: Value = serde_json::from_slice(&self.read("config/sessions.json")).expect("is JSON");
        let session = &sessions["sessions"][&self.node];
        let text = |name: &str| session[name].as_str().expect("is signed in").to_owned();
        let call = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut response = ureq::post(format!("{}{}/-/rpc", self.node, text("path")))
            .header("authorization", format!("Bearer {}", text("token")))
            .send(call.to_string())
            .expect("the node answers");
        let body = response.body_mut().read_to_string().expect("it is text");
        serde_json::from_str(&body).expect("is JSON")
    }

    /// Where this person's commands run.
    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    /// A file in that directory.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("directories can be made");
        fs::write(path, bytes).expect("files can be written");
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.dir().join(path)).expect("the file is there")
    }

    /// The command, not run yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = plain(args[0], self.place.as_deref());
        command
            .args(&args[1..])
            .current_dir(self.dir())
            .env("KUBELT_NODE", &self.node)
            .env("KUBELT_HOME", self.dir().join("config"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary was built")
    }

    /// What a command prints that works.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`kubelt {}` failed: {stderr}", args.join(" "));
        String::from_utf8(output.stdout).expect("it prints UTF-8")
    }

    /// What a command gives as JSON that works.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&text).expect("with `--json` a command prints JSON")
    }

    /// What a command says that fails, without the address of the node in it.
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert_eq!(output.status.code(), Some(1), "`kubelt {}`: {output:?}", args.join(" "));
        assert!(output.stdout.is_empty(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).expect("it prints UTF-8");
        stderr.trim_end().replace(&self.node, "NODE")
    }

    /// Runs a command that reads stdin.
    pub(crate) fn pipe(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that fails may not read everything.
        drop(stdin.write_all(input));
        drop(stdin);
        child.wait_with_output().expect("it runs")
    }
}

/// The binary with nothing of this machine's settings, perhaps in a network namespace.
fn plain(command: &str, place: Option<&str>) -> Command {
    let binary = env!("CARGO_BIN_EXE_kubelt");
    let mut plain = Command::new(if place.is_some() { "ip" } else { binary });
    plain.args(place.into_iter().flat_map(|place| ["netns", "exec", place, binary]));
    for name in [
        "KUBELT_NODE",
        "KUBELT_HOME",
        "KUBELT_PASSPHRASE_FILE",
        "KUBELT_TOKEN_FILE",
        "KUBELT_DATA",
        "KUBELT_LISTEN",
    ] {
        plain.env_remove(name);
    }
    plain.arg(command);
    plain
}

/// Bytes of which no block is like another, the same each time.
pub(crate) fn noise(mebibytes: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((mebibytes as usize) << 20);
    for n in 0..mebibytes * 4 {
        let block = n.wrapping_mul(0x9e37_79b9).to_le_bytes().repeat((256 << 10) / 4);
        bytes.extend_from_slice(&block);
    }
    bytes
}
