//! Logins: whatever a block says, checking it ends in an answer.
#![no_main]

use kubelt_core::session::CheckedLogin;
use kubelt_core::{Login, Unchecked};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(login) = Login::decode(data) {
        let _valid_pending_or_refused = CheckedLogin::check(&login, &Unchecked);
    }
});
