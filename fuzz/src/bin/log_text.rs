//! Text forms of the log: what parses is written back in a form that parses to the same value.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kubelt_core::{Ability, Account, CoreId, MapPath, PathPattern, PublicKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    check::<Ability>(text);
    check::<Account>(text);
    check::<CoreId>(text);
    check::<MapPath>(text);
    check::<PathPattern>(text);
    check::<PublicKey>(text);
});

fn check<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().expect("what is written parses");
        assert_eq!(again, value);
    }
}
