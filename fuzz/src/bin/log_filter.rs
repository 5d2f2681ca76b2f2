//! Filters of events: what is read reads back from its own JSON, and an event made to fit one fits it.
#![no_main]

use kubelt_core::LogFilter;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let Ok(filter) = LogFilter::read(&value) else { return };
    let written = filter.to_json();
    assert_eq!(LogFilter::read(&written).as_ref(), Ok(&filter));
    // The first choice of each place, and anything where nothing is asked for.
    let any = format!("0x{}", "00".repeat(32));
    let topic = |place: &Value| place.get(0).cloned().unwrap_or_else(|| json!(any));
    let topics: Vec<Value> = written["topics"].as_array().into_iter().flatten().map(topic).collect();
    let address =
        written["address"].get(0).cloned().unwrap_or_else(|| json!(format!("0x{}", "00".repeat(20))));
    assert!(filter.fits(&json!({"address": address, "topics": topics})));
    let _whatever = filter.fits(&value);
});
