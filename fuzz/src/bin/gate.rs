//! Gates and templates as maps have them: what is read has its limits, and conditions of which nothing is known, or everything,
//! have one outcome.
#![no_main]

use kubelt_content::Ipld;
use kubelt_core::codec;
use kubelt_core::schema::gate::U256;
use kubelt_core::schema::{Gate, Template, gate::Outcome};
use libfuzzer_sys::fuzz_target;

const HOLDER: [u8; 20] = [7; 20];

fuzz_target!(|data: &[u8]| {
    let Ok(value) = codec::decode::<Ipld>(data, 64 * 1_024, "value") else { return };
    if let Ok(template) = Template::from_ipld(&value) {
        let again = Template::from_ipld(&template.to_ipld()).expect("what was read can be written");
        assert_eq!(again, template);
        template.user.iter().flat_map(|user| user.settings()).for_each(drop);
    }
    let Ok(gate) = Gate::from_ipld(&value) else { return };
    assert!((1..=16).contains(&gate.opens.len()) && gate.condition.tests().len() <= 16);
    assert!(!gate.opens(&"profile/name".parse().expect("a path")), "a gate opens content and cores");
    // Nobody knows anything: then nobody knows whether it is open.
    let unknown = gate.condition.outcome(&|_test| Outcome::Unknown);
    assert_eq!(unknown, Outcome::Unknown);
    for test in gate.condition.tests() {
        assert!(test.call_data(&HOLDER).len() <= 1_024);
        for found in [None, Some(U256::ZERO), Some(U256::MAX)] {
            let judged = test.judge(&HOLDER, found);
            assert_eq!(judged == Outcome::Unknown, found.is_none());
        }
    }
    let _any = gate.condition.outcome(&|test| test.judge(&HOLDER, Some(U256::ZERO)));
});
