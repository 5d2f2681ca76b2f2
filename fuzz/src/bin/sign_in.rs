//! Sign-in messages and ReCaps: what parses is written back to the text that was read.
#![no_main]

use kubelt_core::recap::Recap;
use kubelt_core::siwe::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(message) = Message::parse(text) {
        assert_eq!(message.build().expect("what was read can be written"), text);
        for resource in message.resources() {
            check_recap(resource);
        }
    }
    check_recap(text);
});

fn check_recap(resource: &str) {
    if let Ok(recap) = resource.parse::<Recap>() {
        assert_eq!(recap.to_uri(), resource);
        let _known_or_not = recap.abilities();
        recap.check_statement(Some(&recap.statement())).expect("a ReCap's own statement fits it");
    }
}
