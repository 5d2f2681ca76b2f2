use alloy_primitives::{I256, U256};
use ipld_core::{ipld, ipld::Ipld};
use proptest::prelude::*;

use super::{BlockTag, Condition, GATES, Gate, Outcome, Test};
use crate::{limits::GATE_TESTS_MAX, path::MapPath, schema::check_new};

const CONTRACT: &str = "0x00000000000000000000000000000000000000c0";
const HOLDER: [u8; 20] = [0xaa; 20];

fn erc721() -> Ipld {
    ipld!({"erc721": {"chain": 1, "contract": CONTRACT}})
}

fn gate(condition: Ipld) -> Ipld {
    ipld!({"opens": ["content/vip/**"], "if": condition})
}

fn test(condition: Ipld) -> Test {
    match Condition::read(&condition).expect("a condition") {
        Condition::Test(test) => test,
        other => panic!("{other:?}"),
    }
}

fn path(text: &str) -> MapPath {
    text.parse().expect("a path")
}

#[test]
fn a_gate_says_what_it_opens_and_to_whom() {
    let plain = Gate::from_ipld(&gate(erc721())).expect("a gate");
    assert_eq!((plain.at, plain.keep_s, plain.shown), (BlockTag::Latest, 15, false));
    assert!(plain.opens(&path("content/vip/a")) && !plain.opens(&path("content/vipers")));
    let full = ipld!({
        "opens": ["content/a", "cores/club"], "if": {"all": [erc721(), {"not": erc721()}]},
        "at": "finalized", "keep": 60, "shown": true,
    });
    let full = Gate::from_ipld(&full).expect("a gate");
    assert_eq!((full.at, full.keep_s, full.shown), (BlockTag::Finalized, 60, true));
    assert!(full.opens(&path("cores/club")) && !full.opens(&path("content/a/b")));
}

#[test]
fn what_is_no_gate_is_refused() {
    let at = path(&format!("{GATES}/holders"));
    assert!(check_new(&at, &gate(erc721())).is_ok());
    assert!(check_new(&path("gates/a b"), &gate(erc721())).is_err(), "a name for no address");
    let deep = (0..5).fold(erc721(), |inner, _| ipld!({"not": inner}));
    let many = ipld!({"any": vec![erc721(); GATE_TESTS_MAX + 1]});
    let long = format!("0x{}", "00".repeat(1_025));
    for condition in [
        ipld!({}),
        ipld!({"all": []}),
        ipld!({"erc721": {"chain": 1, "contract": CONTRACT}, "not": erc721()}),
        ipld!({"erc721": {"chain": 0, "contract": CONTRACT}}),
        ipld!({"erc721": {"chain": 1, "contract": "0xc0"}}),
        ipld!({"erc721": {"chain": 1, "contract": CONTRACT, "token": "1", "min": "1"}}),
        ipld!({"erc20": {"chain": 1, "contract": CONTRACT}}),
        ipld!({"erc20": {"chain": 1, "contract": CONTRACT, "min": "0"}}),
        ipld!({"erc20": {"chain": 1, "contract": CONTRACT, "min": "-1"}}),
        ipld!({"erc20": {"chain": 1, "contract": CONTRACT, "min": 1}}),
        ipld!({"erc20": {"chain": 1, "contract": CONTRACT, "min": "1", "max": "2"}}),
        ipld!({"erc1155": {"chain": 1, "contract": CONTRACT}}),
        ipld!({"call": {"chain": 1, "contract": CONTRACT, "data": "0x0", "is": "eq", "value": "1"}}),
        ipld!({"call": {"chain": 1, "contract": CONTRACT, "data": "0x00", "is": "==", "value": "1"}}),
        ipld!({"call": {"chain": 1, "contract": CONTRACT, "data": long, "is": "eq", "value": "1"}}),
        ipld!({"call": {"chain": 1, "contract": CONTRACT, "data": "0x00", "is": "eq", "value": "1", "word": 32}}),
        ipld!({"erc777": {"chain": 1, "contract": CONTRACT}}),
        deep,
        many,
    ] {
        assert!(check_new(&at, &gate(condition.clone())).is_err(), "{condition:?}");
    }
    for opens in [ipld!([]), ipld!(["**"]), ipld!(["config/**"]), ipld!(["content"]), ipld!("content/a")] {
        let value = ipld!({"opens": opens.clone(), "if": erc721()});
        assert_eq!(check_new(&at, &value).is_err(), opens != ipld!(["content"]), "{opens:?}");
    }
    for (field, value) in
        [("at", ipld!("pending")), ("keep", ipld!(0)), ("keep", ipld!(3601)), ("shown", ipld!(1))]
    {
        let Ipld::Map(mut map) = gate(erc721()) else { panic!("a map") };
        map.insert(field.to_owned(), value);
        assert!(check_new(&at, &Ipld::Map(map)).is_err(), "{field}");
    }
    assert!(check_new(&at, &Ipld::Null).is_ok(), "cleared");
}

#[test]
fn tests_ask_what_their_standards_say() {
    let holder = format!("{}{}", "00".repeat(12), "aa".repeat(20));
    let seven = format!("{:064x}", 7);
    for (condition, data) in [
        (erc721(), format!("70a08231{holder}")),
        (ipld!({"erc20": {"chain": 1, "contract": CONTRACT, "min": "5"}}), format!("70a08231{holder}")),
        (ipld!({"erc721": {"chain": 1, "contract": CONTRACT, "token": "7"}}), format!("6352211e{seven}")),
        (
            ipld!({"erc1155": {"chain": 1, "contract": CONTRACT, "token": "0x7"}}),
            format!("00fdd58e{holder}{seven}"),
        ),
        (
            ipld!({"call": {"chain": 1, "contract": CONTRACT, "data": "0xff{holder}ee{holder}", "is": "eq", "value": "1"}}),
            format!("ff{holder}ee{holder}"),
        ),
    ] {
        assert_eq!(hex::encode(test(condition).call_data(&HOLDER)), data);
    }
}

#[test]
fn answers_are_judged_as_numbers() {
    use Outcome::{No, Unknown, Yes};
    let balance = test(ipld!({"erc20": {"chain": 1, "contract": CONTRACT, "min": "5"}}));
    let owner = test(ipld!({"erc721": {"chain": 1, "contract": CONTRACT, "token": "7"}}));
    for (test, found, outcome) in [
        (&balance, Some(U256::from(4)), No),
        (&balance, Some(U256::from(5)), Yes),
        (&balance, Some(U256::MAX), Yes),
        (&balance, None, Unknown),
        (&owner, Some(U256::from_be_slice(&HOLDER)), Yes),
        // The address, and something before it.
        (&owner, Some(U256::from_be_slice(&[&[1; 12][..], &HOLDER].concat())), No),
        (&owner, Some(U256::ZERO), No),
    ] {
        assert_eq!(test.judge(&HOLDER, found), outcome, "{test}: {found:?}");
    }
    for signed in [false, true] {
        let less = test(ipld!({"call": {
            "chain": 1, "contract": CONTRACT, "data": "0x00", "is": "lt", "value": "0", "signed": signed,
        }}));
        let found = I256::MINUS_ONE.into_raw();
        assert_eq!(less.judge(&HOLDER, Some(found)) == Yes, signed, "minus one is less than nothing");
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = (0_u64..4).prop_map(|chain| {
        let mut test = test(erc721());
        test.chain = chain;
        Condition::Test(test)
    });
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    /// What is unknown never decides: whatever it turned out to be, what was said before stays true.
    #[test]
    fn what_is_decided_without_an_answer_stays_so(condition in condition(), answers: [Option<bool>; 4], missing: [bool; 4]) {
        let known = |yes| if yes { Outcome::Yes } else { Outcome::No };
        let number = |test: &Test| usize::try_from(test.chain).expect("one of four");
        let now = |test: &Test| answers[number(test)].map_or(Outcome::Unknown, known);
        let later = |test: &Test| known(answers[number(test)].unwrap_or(missing[number(test)]));
        let before = condition.outcome(&now);
        prop_assert!(before == Outcome::Unknown || before == condition.outcome(&later));
    }
}
