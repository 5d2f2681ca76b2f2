//! How much memory the process has, so that connections can be refused before it runs out.

use std::fs;

/// The bytes that this process has in memory; none where the system does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    kib_of(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Half of the machine's memory; none where the system does not say.
pub(crate) fn half_of_all() -> Option<u64> {
    Some(kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")? / 2)
}

/// The bytes of a line such as `VmRSS:   123 kB`.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::kib_of;

    #[test]
    fn lines_are_read_as_the_system_writes_them() {
        let text = "Name:\tkubelt\nVmRSS:\t   12345 kB\nThreads:\t3\n";
        assert_eq!(kib_of(text, "VmRSS:"), Some(12_345 * 1_024));
        for (text, name) in [(text, "VmHWM:"), (text, "Threads:"), ("VmRSS: x kB", "VmRSS:"), ("", "VmRSS:")]
        {
            assert_eq!(kib_of(text, name), None, "{text}");
        }
    }
}
