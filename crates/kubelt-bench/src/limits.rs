//! What this machine's processor and disk can do at best.

use anyhow::Result;

use crate::args::Args;
use crate::machine::{append_and_sync, incompressible, sha256_on_all_cores, write_and_sync};
use crate::report::Table;
use crate::rounds::{Contender, measure};

const MIB_DEFAULT: usize = 256;
const RECORD_BYTES: usize = 4 * 1024;
const SYNCS: usize = 200;

pub(crate) fn run(args: &Args) -> Result<()> {
    let mib = args.mib.unwrap_or(MIB_DEFAULT);
    let data = incompressible(mib * 1024 * 1024);
    let dir = args.scratch_dir()?;

    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("SHA-256 on all cores", || sha256_on_all_cores(&data)),
            Contender::new("write and one fdatasync", || write_and_sync(dir.path(), &data)),
        ],
    )?;
    let slower = rates[0].median().min(rates[1].median());
    let title = format!("Bytes: {mib} MiB, against the slower of the two");
    println!("{}", Table { title, unit: "MB", unit_size: 1e6, reference: slower, rates: &rates });

    let record = &data[..RECORD_BYTES];
    let path = dir.path();
    let appends = |together| move || append_and_sync(path, record, together, SYNCS);
    let rates = measure(
        args.rounds,
        &mut [
            Contender::new("one for each fdatasync", appends(1)),
            Contender::new("8 for each fdatasync", appends(8)),
            Contender::new("64 for each fdatasync", appends(64)),
        ],
    )?;
    let title = format!("Durable appends of {RECORD_BYTES} bytes, against one for each fdatasync");
    let reference = rates[0].median();
    println!("{}", Table { title, unit: "appends", unit_size: 1.0, reference, rates: &rates });
    Ok(())
}
