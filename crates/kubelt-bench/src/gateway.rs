//! Files by their CID, against nginx with the same bytes on disk and against Kubo's gateway.

use std::cell::RefCell;
use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use kubelt_content::car::CarWriter;
use kubelt_content::unixfs::{DirectoryBuilder, Profile};
use kubelt_content::{Block, Cid, Codec};

use crate::args::Args;
use crate::floor;
use crate::http;
use crate::kubo::Kubo;
use crate::load::{Ask, load, once};
use crate::machine::incompressible;
use crate::process::{RunningNode, Server, free_address, processor_time};
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Rates, Work, measure, median};
use crate::slow;

const PERSON: u64 = 1;
/// How long each contender is asked in a round.
const TURN: Duration = Duration::from_secs(2);
const DIRECTORY_ENTRIES: usize = 100_000;
const FIRST_PAGE_MS_MAX: f64 = 50.0;

/// Who is asked: nginx, the node, the bare library, the node in a way that it keeps no answers for, Kubo.
const NAMES: [&str; 4] = ["nginx", "kubelt", "bare axum, from memory", "kubelt, every answer made anew"];
const KUBO: &str = "Kubo";
/// A header that the node does not know, so that it answers from no memory.
const UNKNOWN_HEADER: &str = "x-unknown: 1\r\n";
/// Below this a file is small: requests count, not bytes.
const SMALL_BYTES: usize = 1 << 16;

/// A file to serve: its name, its size, what is demanded of it.
struct Case {
    name: &'static str,
    bytes: usize,
    of_nginx: (&'static str, f64),
    times_kubo: Option<(&'static str, f64)>,
}

const CASES: [Case; 3] = [
    Case {
        name: "4KiB",
        bytes: 4 << 10,
        of_nginx: ("4 KiB, of nginx", 0.85),
        times_kubo: Some(("4 KiB, of Kubo", 10.0)),
    },
    Case { name: "1MiB", bytes: 1 << 20, of_nginx: ("1 MiB, of nginx with sendfile", 1.2), times_kubo: None },
    Case { name: "1GiB", bytes: 1 << 30, of_nginx: ("1 GiB, of nginx with sendfile", 1.0), times_kubo: None },
];

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = args.scratch_dir()?;
    let dir = dir.path().canonicalize()?;
    let settings = dir.join("node.toml");
    std::fs::write(
        &settings,
        "[rates]\nrequests_per_second = 0\nsign_ins_per_minute = 0\nwrites_per_second = 0\n",
    )?;
    let start = || RunningNode::start_with(&dir.join("store"), Some(&settings));
    let node = start()?;
    let token = http::sign_in(&node.address, PERSON)?;
    let files = dir.join("files");
    std::fs::create_dir(&files)?;
    let nginx = nginx(&dir, &files)?;
    let kubo = Kubo::named();
    let kubo = kubo.as_ref().map(|kubo| kubo.repository(&dir.join("kubo"), None)).transpose()?;
    let mut cids = Vec::new();
    let mut kubo_cids = Vec::new();
    for case in &CASES {
        let path = files.join(case.name);
        std::fs::write(&path, incompressible(case.bytes))?;
        let put = format!("{}?visibility=public", case.name);
        let receipt = http::put(&node.address, PERSON, &token, &put, &path)?;
        cids.push(receipt["cid"].as_str().context("a receipt without a CID")?.to_owned());
        if let Some(kubo) = &kubo {
            kubo_cids.push(kubo.add_for_cid(&path)?);
        }
    }
    // A part of the file lies in the segment that is written to.
    slow::measure(&node, &format!("/ipfs/{}", cids[2]))?;
    drop(node);
    let node = start()?;
    slow::measure(&node, &format!("/ipfs/{}", cids[2]))?;
    let kubo_gateway = kubo.as_ref().map(|kubo| kubo.daemon()).transpose()?;
    for (case, (cid, kubo_cid)) in CASES.iter().zip(cids.iter().zip(0..)) {
        let floor = floor::start(case.bytes)?;
        let path = format!("/ipfs/{cid}");
        let mut asked = vec![
            (NAMES[0], nginx.address.clone(), Ask::plain(format!("/{}", case.name)), nginx.pid()),
            (NAMES[1], node.address.clone(), Ask::plain(&path), node.pid()),
            (NAMES[2], floor.address.clone(), Ask::plain("/"), floor.pid()),
        ];
        if case.bytes < SMALL_BYTES {
            asked.push((NAMES[3], node.address.clone(), Ask { path, header: UNKNOWN_HEADER }, node.pid()));
        }
        if let (Some(gateway), Some(cid)) = (&kubo_gateway, kubo_cids.get(kubo_cid)) {
            asked.push((KUBO, gateway.address.clone(), Ask::plain(format!("/ipfs/{cid}")), gateway.pid()));
        }
        compare(case, &asked, args.rounds)?;
    }
    directory(&node, &token, args.rounds)
}

/// Who is asked, where, for what, and the process that works.
type Asked = (&'static str, String, Ask, u32);

fn compare(case: &Case, asked: &[Asked], rounds: usize) -> Result<()> {
    let costs = RefCell::new(vec![Vec::new(); asked.len()]);
    let contender = |(turn, (name, address, ask, pid)): (usize, &Asked)| {
        let (costs, address, ask, pid) = (&costs, address.clone(), ask.clone(), *pid);
        Contender::new(name, move || {
            let before = processor_time(pid)?;
            let done = load(&address, &ask, case.bytes as u64, TURN)?;
            let spent = processor_time(pid)? - before;
            costs.borrow_mut()[turn].push(spent.as_secs_f64() * 1e6 / done.answers as f64);
            Ok(Work { amount: done.answers as f64 * case.bytes as f64, took: done.took })
        })
    };
    let mut contenders: Vec<_> = asked.iter().enumerate().map(contender).collect();
    let rates = measure(rounds, &mut contenders)?;
    drop(contenders);
    print(case, &rates, &costs.into_inner());
    Ok(())
}

fn print(case: &Case, rates: &[Rates], costs: &[Vec<f64>]) {
    let title = format!("{} by its CID, against nginx", case.name);
    let (unit, unit_size) =
        if case.bytes < SMALL_BYTES { ("requests", case.bytes as f64) } else { ("MB", 1e6) };
    let reference = rates[0].median();
    println!("{}", Table { title, unit, unit_size, reference, rates });
    for (rates, costs) in rates.iter().zip(costs) {
        println!("{}: {:.0} microseconds of processor time a request", rates.name, median(costs.clone()));
    }
    let ours = rates[1].median();
    println!("{}", Aim::at_least(case.of_nginx.0, ours / reference, case.of_nginx.1, ""));
    let kubo = rates.iter().find(|rates| rates.name == KUBO);
    if let (Some((what, times)), Some(kubo)) = (case.times_kubo, kubo) {
        println!("{}", Aim::at_least(what, ours / kubo.median(), times, ""));
    }
    println!();
}

/// The first page of a large directory, by CID.
fn directory(node: &RunningNode, token: &str, rounds: usize) -> Result<()> {
    let (root, car) = many_entries()?;
    http::post_car(&node.address, PERSON, token, &car)?;
    http::link(&node.address, PERSON, token, "many", &root.to_string())?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(once(&node.address, &format!("/ipfs/{root}/"))?.as_secs_f64() * 1e3);
    }
    println!("{}", Aim::below("first page of 100,000 entries", median(times), FIRST_PAGE_MS_MAX, "ms"));
    Ok(())
}

/// A directory of small files as a CAR, and its root.
fn many_entries() -> Result<(Cid, Vec<u8>)> {
    let leaf = Block::new(Codec::Raw, Bytes::from_static(b"one of many"))?;
    let mut blocks = vec![leaf.clone()];
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    for number in 0..DIRECTORY_ENTRIES {
        directory.add(format!("file-{number:06}.txt"), *leaf.cid(), leaf.data().len() as u64)?;
    }
    let root = directory.finish::<Infallible>(&mut |block| {
        blocks.push(block);
        Ok(())
    })?;
    let (mut writer, head) = CarWriter::v1(&[root.cid]);
    let mut car = head.to_vec();
    for block in &blocks {
        writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
    }
    Ok((root.cid, car))
}

/// nginx with the files of a directory, as its documentation says to serve files fast.
fn nginx(dir: &Path, files: &Path) -> Result<Server> {
    let address = free_address()?;
    let config = dir.join("nginx.conf");
    let (root, pid) = (files.display(), dir.join("nginx.pid").display().to_string());
    std::fs::write(
        &config,
        format!(
            "user root;\ndaemon off;\nworker_processes auto;\npid {pid};\nerror_log stderr error;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;\n\
             open_file_cache max=1000; server {{ listen {address}; root {root}; }} }}\n"
        ),
    )?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&config).arg("-p").arg(dir).stdout(Stdio::null());
    Server::start(command, address).context("nginx is not there; `apt-get install nginx-light` brings it")
}
