//! CIDs as text and as bytes: one CID has one binary form, and every text form leads back to it.
#![no_main]

use kubelt_content::{CidBase, cid_from_bytes, format_cid, parse_cid};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(cid) = cid_from_bytes(data) {
        assert_eq!(cid.to_bytes(), data);
        assert_eq!(parse_cid(&format_cid(&cid, CidBase::Base58)), Ok(cid));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(cid) = parse_cid(text) {
        for base in [CidBase::Base32, CidBase::Base36, CidBase::Base58] {
            let again = parse_cid(&format_cid(&cid, base)).expect("what is written parses");
            assert_eq!(again.hash(), cid.hash());
        }
    }
});
