//! Disks that are full, and disks that take no writes: errors, and no damage.
//!
//! Both need a file system of their own, so each test runs itself again as a child in a mount namespace;
//! where this user may not have one, it says so.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use kubelt_api::ContentReceipt;
use serde_json::{Value, json};

use super::{
    api::{Answer, Api, CAR},
    cores::{Core, Owner, Writes},
    dice::bytes,
    kill::doctor,
    process::{Place, Process},
    say,
};

const DIR: &str = "KUBELT_TEST_DIR";
const FILE_BYTES: usize = 1 << 20;

#[test]
fn a_full_disk_gives_errors_and_loses_nothing() {
    if let Some(dir) = child_dir() {
        return on_a_small_disk(&dir);
    }
    let mount = "mount -t tmpfs -o size=144m none \"$0\" && exec \"$@\"";
    in_namespace("faults::disk::a_full_disk_gives_errors_and_loses_nothing", mount);
}

#[test]
fn a_disk_that_takes_no_writes_is_served_read_only() {
    if let Some(dir) = child_dir() {
        return on_a_disk_that_turns_read_only(&dir);
    }
    let mount = "mount -t tmpfs -o size=128m none \"$0\" && exec \"$@\"";
    in_namespace("faults::disk::a_disk_that_takes_no_writes_is_served_read_only", mount);
}

/// Somebody who writes files one after the other, and what the node acknowledged.
struct Writer {
    core: Core,
    stored: Vec<ContentReceipt>,
    next: u64,
}

fn on_a_small_disk(dir: &Path) {
    // What the node logs goes to the same disk.
    let mut place = Place::new(dir, dir.join("data"));
    let others = Ballast::new(dir, 32 << 20);
    let mut node = place.start();
    let mut writer = Writer::new(&node);
    // The node stops above the floor that it keeps free, and goes on when there is space again.
    let ballast = Ballast::new(dir, 8 << 20);
    assert!(writer.write_until_refused(&node) > 3);
    writer.assert_stored(&node);
    drop(ballast);
    assert!(writer.write_until_refused(&node) > 3);
    writer.assert_stored(&node);
    // The disk fills to its last byte under the running node.
    let ballast = Ballast::new(dir, usize::MAX);
    writer.assert_refused(&node);
    writer.assert_stored(&node);
    node.kill();
    // Again and again: what the node kept in reserve for its start is taken by others too.
    let mut more = Vec::new();
    for _ in 0..3 {
        node = place.start();
        writer.assert_refused(&node);
        writer.assert_stored(&node);
        more.push(Ballast::new(dir, usize::MAX));
        writer.assert_stored(&node);
        node.kill();
    }
    drop((others, ballast, more));
    node = place.start();
    writer.assert_stored(&node);
    assert!(writer.write_until_refused(&node) > 3);
    writer.assert_whole(&mut node, &mut place);
    say("a full disk: every write was refused with 503, reads went on, nothing was lost");
}

fn on_a_disk_that_turns_read_only(dir: &Path) {
    let mut place = Place::new(dir, dir.join("data"));
    let mut node = place.start();
    let mut writer = Writer::new(&node);
    (0..5).for_each(|_| assert!(writer.write(&node).is_ok()));
    node.kill();
    remount(&place.data, "ro");
    node = place.start();
    let api = Api::new(&node.url);
    let ready = api.get("/readyz", None).expect("the node answers").expect(503);
    assert_eq!(ready.json::<Value>()["store"], "read-only");
    api.get("/healthz", None).expect("the node answers").expect(200);
    writer.assert_refused(&node);
    writer.assert_stored(&node);
    node.kill();
    remount(&place.data, "rw");
    node = place.start();
    Api::new(&node.url).get("/readyz", None).expect("the node answers").expect(200);
    assert!(writer.write(&node).is_ok());
    writer.assert_whole(&mut node, &mut place);
    say("a read-only disk: served for reading, every write was refused with 503");
}

impl Writer {
    fn new(node: &Process) -> Self {
        Self { core: Core::new(1, &node.url), stored: Vec::new(), next: 0 }
    }

    fn owner(&self) -> &Owner {
        &self.core.owner
    }

    /// Puts one more file.
    fn write(&mut self, node: &Process) -> Result<(), Answer> {
        let bytes = bytes(self.next, FILE_BYTES);
        let answer = self.call(node, "PUT", &format!("content/{}?visibility=public", self.next), &bytes);
        if answer.status != 201 {
            return Err(answer);
        }
        self.next += 1;
        self.stored.push(answer.json());
        Ok(())
    }

    /// Puts files until the node refuses one; returns how many it took.
    fn write_until_refused(&mut self, node: &Process) -> u64 {
        let before = self.next;
        loop {
            if let Err(answer) = self.write(node) {
                answer.expect_problem(503, "unavailable");
                return self.next - before;
            }
        }
    }

    /// Every kind of write gets a problem document.
    fn assert_refused(&mut self, node: &Process) {
        let file = self.write(node).expect_err("there is no room");
        file.expect_problem(503, "unavailable");
        for (method, path) in [("PUT", "content/small"), ("DELETE", "content/0"), ("PUT", "content/0")] {
            self.call(node, method, path, b"small").expect_problem(503, "unavailable");
        }
        let linked = format!("content/link?cid={}", self.stored[0].cid);
        self.call(node, "PUT", &linked, b"").expect_problem(503, "unavailable");
        let api = Api::new(&node.url);
        let (_, sign_in) = api.try_sign_in(&self.owner().key, None).expect("the node answers");
        sign_in.expect_problem(503, "unavailable");
        let end = api.call("DELETE", "/-/session", Some(&self.core.token), None);
        end.expect("the node answers").expect_problem(503, "unavailable");
        let whole = self.call(node, "GET", "car", b"").expect(200).body;
        let path = format!("{}/-/car", self.owner().address);
        for path in ["/-/car", &path] {
            let import = api.call("POST", path, Some(&self.core.token), Some((CAR, &whole)));
            import.expect("the node answers").expect_problem(503, "unavailable");
        }
    }

    /// Everything acknowledged is there, for its owner and for everybody, and not one operation more.
    fn assert_stored(&self, node: &Process) {
        let api = Api::new(&node.url);
        for receipt in &self.stored {
            let number: u64 = receipt.path.parse().expect("paths are numbers");
            let by_path = api.get(&format!("{}/{number}", self.owner().address), None);
            assert!(by_path.expect("the node answers").expect(200).body == bytes(number, FILE_BYTES));
            let by_cid = api.call("HEAD", &format!("/ipfs/{}", receipt.cid), None, None);
            by_cid.expect("the node answers").expect(200);
        }
        api.get("/-/session", Some(&self.core.token)).expect("the node answers").expect(200);
        let heads: Value = self.call(node, "GET", "heads", b"").expect(200).json();
        assert_eq!(heads["count"], json!(self.stored.len()));
    }

    /// The core verifies, the node starts again, and the doctor finds the store whole.
    fn assert_whole(&mut self, node: &mut Process, place: &mut Place) {
        let mut writes = Writes::default();
        writes.ask(self.stored.len() as u64);
        self.stored.iter().for_each(|receipt| writes.acknowledge(Some(receipt.op.clone())));
        self.core.take_in(writes);
        self.core.check(&node.url);
        node.kill();
        doctor(place, &[]);
        *node = place.start();
        self.assert_stored(node);
    }

    fn call(&self, node: &Process, method: &str, path: &str, body: &[u8]) -> Answer {
        let path = format!("{}/-/{path}", self.owner().address);
        let body = (method == "PUT").then_some(("application/octet-stream", body));
        let answer = Api::new(&node.url).call(method, &path, Some(&self.core.token), body);
        answer.expect("the node answers")
    }
}

/// A file that takes whatever is left on a disk, and is gone with the value.
struct Ballast(PathBuf);

impl Ballast {
    /// One of so many bytes, or of as many as there are.
    fn new(dir: &Path, bytes_max: usize) -> Self {
        let count = fs::read_dir(dir).expect("the directory can be listed").count();
        let path = dir.join(format!("ballast-{count}"));
        let mut file = File::create(&path).expect("a file takes no space");
        let mut left = bytes_max;
        for piece in [1 << 20, 4 << 10, 1] {
            while left >= piece && file.write_all(&vec![1; piece]).is_ok() {
                left -= piece;
            }
        }
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("the ballast is there");
    }
}

fn remount(data: &Path, mode: &str) {
    let data = data.to_str().expect("a path of text");
    if mode == "ro" {
        run("mount", &["--bind", data, data]);
    }
    run("mount", &["-o", &format!("remount,bind,{mode}"), data]);
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().expect("it runs");
    assert!(status.success(), "{program} {args:?}");
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// Runs a test of this binary again in a mount namespace, after `mount` (a line of shell) was done to a
/// directory of its own.
fn in_namespace(test: &str, mount: &str) {
    let allowed = Command::new("unshare").args(["--mount", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        say(&format!("SKIPPED `{test}`: this user may not mount; run as root to have it"));
        return;
    }
    let dir = tempfile::tempdir().expect("a directory for the test");
    let this = std::env::current_exe().expect("a test knows its own binary");
    let mut child = Command::new("unshare");
    child.args(["--mount", "sh", "-c", mount]).arg(dir.path()).arg(this);
    child.args(["--exact", test, "--nocapture"]).env(DIR, dir.path());
    let output = child.output().expect("the child runs");
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    err.lines().filter(|line| line.starts_with("kubelt: ")).for_each(|line| say(&line[8..]));
}
