//! Authority checks in a core of many members and grants: may this account do that, and is this operation well-formed?

use anyhow::{Context as _, Result, ensure};
use kubelt_content::Ipld;
use kubelt_core::{
    Ability, Account, Act, Body, Entry, Genesis, Header, Hlc, Intent, Log, MapPath, OpId, Principal, Verb,
};

use crate::args::Args;
use crate::report::{Aim, Table};
use crate::rounds::{Contender, Work, measure};

const MEMBERS: usize = 1_000;
const GRANTS_DEFAULT: u64 = 10_000;
/// Checks in one round.
const CHECKS: usize = 20_000;
const NOW_MS: u64 = 1_800_000_000_000;
const CHECK_US_MAX: f64 = 50.0;

pub(crate) fn run(args: &Args) -> Result<()> {
    let grants = args.count.unwrap_or(GRANTS_DEFAULT);
    let log = core(grants)?;
    let members: Vec<Account> = (1..=MEMBERS).map(member).collect();
    let own = |at: usize| -> Result<MapPath> { Ok(format!("content/{}/a", at % MEMBERS).parse()?) };
    let paths = (0..MEMBERS).map(own).collect::<Result<Vec<MapPath>>>()?;
    let puts = (0..MEMBERS).map(|at| put(&log, &members[at], &paths[at])).collect::<Result<Vec<Entry>>>()?;
    let ask = |shift: usize, allowed: bool| {
        for at in 0..CHECKS {
            let path = &paths[(at + shift) % MEMBERS];
            let may = log.may(&members[at % MEMBERS], Verb::Put, Some(path)).is_some();
            ensure!(may == allowed, "member {at} at `{path}`: {may}");
        }
        Ok(())
    };
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("may: allowed", || Work::timed(CHECKS as f64, || ask(0, true))),
            Contender::new("may: refused", || Work::timed(CHECKS as f64, || ask(1, false))),
            Contender::new("an operation is well-formed", || {
                Work::timed(CHECKS as f64, || {
                    (0..CHECKS).try_for_each(|at| log.check(&puts[at % MEMBERS])).context("is well-formed")
                })
            }),
        ],
    )?;
    let title = format!("authority checks with {MEMBERS} members and {grants} grants, one core");
    println!(
        "{}",
        Table { title, unit: "checks", unit_size: 1.0, reference: rates[0].median(), rates: &rates }
    );
    for rates in &rates {
        println!("{}", Aim::below(rates.name, 1e6 / rates.median(), CHECK_US_MAX, "µs"));
    }
    Ok(())
}

fn member(n: usize) -> Account {
    let mut address = [7; 20];
    address[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Account::Eoa(address)
}

/// A core whose root gave each of its members as many grants as any other, each to a path of their own.
fn core(grants: u64) -> Result<Log> {
    let root = member(0);
    let genesis = Genesis::Shared {
        root: Principal::One(root.clone()),
        parent: None,
        name: "many".to_owned(),
        nonce: [0; 16],
    };
    let mut log = Log::new(genesis);
    let mut last: Option<OpId> = None;
    for n in 0..grants {
        let which = usize::try_from(n)? % MEMBERS;
        // The one that a member needs is the last that it was given.
        let below =
            if n + MEMBERS as u64 >= grants { format!("content/{which}/**") } else { format!("docs/{n}") };
        let act = Act::Grant {
            to: Principal::One(member(which + 1)),
            role: Some("developer".to_owned()),
            can: vec![Ability { verb: Verb::Put, paths: below.parse()? }],
            wait_ms: None,
        };
        let body = Body::new(u128::from(n).to_be_bytes(), act);
        let header = Header {
            v: 1,
            core: log.core(),
            prev: last.into_iter().collect(),
            by: root.clone(),
            login: None,
            auth: log.core().as_root(),
            at: Hlc::from_ms(NOW_MS + n),
            votes: Vec::new(),
            verb: Verb::Grant,
            body: body.id(),
        };
        let entry = Entry::new(header, Some(body), None)?;
        last = Some(entry.id());
        log.insert(&entry, NOW_MS + n)?;
    }
    Ok(log)
}

fn put(log: &Log, by: &Account, path: &MapPath) -> Result<Entry> {
    let act = Act::Put { path: path.clone(), value: Ipld::Bool(true) };
    let (header, body) = log.draft(Intent::new(by.clone(), None, act), [1; 16], NOW_MS + 1_000_000)?;
    Ok(Entry::new(header, Some(body), None)?)
}
