//! Values of the map: what a schema takes is written back as the value that was read.
#![no_main]

use kubelt_content::Ipld;
use kubelt_core::schema::{self, Value};
use kubelt_core::{MapPath, codec};
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 8] = [
    "content/a",
    "cores/a",
    "profile/name",
    "profile/avatar",
    "functions/a",
    "databases/a",
    "keys/a/b",
    "config/a",
];

fuzz_target!(|data: &[u8]| {
    let Ok(value) = codec::decode::<Ipld>(data, 64 * 1_024, "value") else { return };
    for path in PATHS {
        let path: MapPath = path.parse().expect("a good path");
        let written = match schema::read(&path, &value) {
            Ok(Value::Content(entry)) => entry.to_ipld(),
            Ok(Value::Core(child)) => child.to_ipld(),
            Ok(Value::Other(other)) => other,
            Ok(Value::Cleared) => Ipld::Null,
            Err(_) => continue,
        };
        assert_eq!(written, value, "{path}");
    }
});
