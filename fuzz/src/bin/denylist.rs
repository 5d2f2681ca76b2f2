//! Denylists: any text is read without a panic, and what is read twice says the same.
#![no_main]

use kubelt_content::{Cid, denylist::Denylist};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, name, path) = input;
    let (mut once, mut twice) = (Denylist::default(), Denylist::default());
    let bad = once.read(text);
    assert_eq!(bad, twice.read(text));
    let _same = twice.read(text);
    let Ok(cid) = kubelt_content::parse_cid(name) else {
        assert_eq!(once.denies_domain(name, path), twice.denies_domain(name, path));
        return;
    };
    let ask = |list: &Denylist, cid: &Cid| (list.denies_path(cid, path), list.denies_key(cid, path));
    assert_eq!(ask(&once, &cid), ask(&twice, &cid), "a list read twice denies the same");
});
