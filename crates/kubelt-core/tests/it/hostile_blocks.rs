//! Blocks that are made to do harm.

use kubelt_core::{Act, Body};

/// A body that puts lists within lists, written by hand: no encoder of ours would.
fn nested_body(levels: usize) -> Vec<u8> {
    let text = |text: &str| [&[0x60 + u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let map = |fields: u8| vec![0xa0 + fields];
    let lists = [vec![0x81; levels], vec![0xf6]].concat();
    let put = [map(2), text("path"), text("config/a"), text("value"), lists].concat();
    let act = [map(1), text("put"), put].concat();
    [map(2), text("act"), act, text("salt"), [vec![0x50], vec![0; 16]].concat()].concat()
}

#[test]
fn lists_within_lists_exhaust_no_stack() {
    let body = Body::decode(&nested_body(10)).expect("ten levels are nothing");
    assert!(matches!(body.act, Act::Put { .. }));
    for levels in [500, 5_000, 60_000] {
        assert!(Body::decode(&nested_body(levels)).is_err(), "{levels}");
    }
}
