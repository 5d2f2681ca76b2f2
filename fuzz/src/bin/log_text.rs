//! Text forms of the log: what parses is written back in a form that parses to the same value.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kubelt_core::{
    Ability, Account, CoreId, EnsName, HostName, HostRecord, MapPath, PathPattern, PublicKey,
    invite::InviteLink, limits::HOST_RECORDS_MAX, schema::ContractName,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    check::<Ability>(text);
    check::<Account>(text);
    check::<ContractName>(text);
    check::<CoreId>(text);
    check::<EnsName>(text);
    check::<HostName>(text);
    check::<InviteLink>(text);
    check::<MapPath>(text);
    check::<PathPattern>(text);
    check::<PublicKey>(text);
    hosts(text);
});

/// What TXT records say is said again by one record of it.
fn hosts(text: &str) {
    let read = HostRecord::read(text.split('\n').map(str::as_bytes));
    assert!(read.hosts.len() <= HOST_RECORDS_MAX);
    let core = read.core.map(|core| format!("core={core} ")).unwrap_or_default();
    let hosts: Vec<String> = read.hosts.iter().map(|host| format!("host={host}")).collect();
    let again = format!("{core}{}", hosts.join(" "));
    assert_eq!(HostRecord::read([again.as_bytes()]), read);
}

fn check<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().expect("what is written parses");
        assert_eq!(again, value);
    }
}
