//! Host names that cores can be bound to: `widgets.acme.org`. Nothing here looks one up.
//!
//! There is one spelling of each: lower case, `xn--` for what is not ASCII (UTS 46), no dot at the end. What a map says
//! under any other spelling binds nothing. Addresses, wildcards, ports and names that are no host's are refused.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

use crate::{
    id::CoreId,
    limits::{HOST_NAME_BYTES_MAX, HOST_NAME_INPUT_BYTES_MAX},
    path::MapPath,
};

/// First segment of the map's paths of names.
pub const NAMES: &str = "names";

/// What stands before a host name where the DNS tells its core.
const PROOF_LABEL: &str = "_kubelt.";

/// Endings that are no part of the DNS, or never a host of somebody else's: `.eth` is for ENS.
const RESERVED: [&str; 4] = ["eth", "invalid", "localhost", "onion"];

/// A host name in its one spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// Why text is no host name that a core can be bound to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// Over [`HOST_NAME_BYTES_MAX`] bytes.
    #[error("a host name has {HOST_NAME_BYTES_MAX} bytes at most")]
    Long,
    /// No name of several labels of letters, digits and `-`.
    #[error("`{0}` is no host name; write one like `widgets.acme.org`, without a port")]
    Form(String),
    /// An IP address, or what some programs take for one.
    #[error("`{0}` is an address and not a name")]
    Address(String),
    /// One of [`RESERVED`].
    #[error("names that end in `.{0}` are not in the DNS, so they prove nothing")]
    Reserved(&'static str),
}

impl HostName {
    /// Whether the text can be meant as a host name: no name of a core has a dot.
    pub fn is_meant(text: &str) -> bool {
        text.contains('.')
    }

    /// The name as it is spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a core's map binds it.
    pub fn path(&self) -> MapPath {
        MapPath::new(format!("{NAMES}/{}", self.0)).expect("such a name is a segment")
    }

    /// The name that a path of a map binds, if any.
    pub fn of_path(path: &MapPath) -> Option<Self> {
        let text = path.below(NAMES).filter(|text| Self::is_meant(text))?;
        let name: Self = text.parse().ok()?;
        (name.as_str() == text).then_some(name)
    }

    /// Where TXT records tell its core (`crates/kubelt-core/src/host_record.rs`).
    pub fn proof_name(&self) -> String {
        format!("{PROOF_LABEL}{}", self.0)
    }
}

/// Reads a name as people write it, and gives it its one spelling.
impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        if text.len() > HOST_NAME_INPUT_BYTES_MAX {
            return Err(HostNameError::Long);
        }
        let short = || text.chars().take(64).flat_map(char::escape_default).collect::<String>();
        let bare = text.strip_suffix('.').unwrap_or(text);
        let (deny, hyphens) = (AsciiDenyList::STD3, Hyphens::CheckFirstLast);
        let name = Uts46::new()
            .to_ascii(bare.as_bytes(), deny, hyphens, DnsLength::Verify)
            .map_err(|_cause| HostNameError::Form(short()))?;
        let (_, last) = name.rsplit_once('.').ok_or_else(|| HostNameError::Form(short()))?;
        if is_number(last) {
            return Err(HostNameError::Address(short()));
        }
        if let Some(ending) = RESERVED.into_iter().find(|ending| *ending == last) {
            return Err(HostNameError::Reserved(ending));
        }
        if name.len() > HOST_NAME_BYTES_MAX {
            return Err(HostNameError::Long);
        }
        Ok(Self(name.into()))
    }
}

/// A table of names is asked with text, as requests bring it.
impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Whether browsers take a name with this last label for an address of IPv4 (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    let digits = |text: &str, is_digit: fn(&u8) -> bool| text.bytes().all(|byte| is_digit(&byte));
    digits(label, u8::is_ascii_digit)
        || label.strip_prefix("0x").is_some_and(|rest| digits(rest, u8::is_ascii_hexdigit))
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The core that a host named after a core and a node stands for: `{core}.core.node.example`. Such a host is an origin of
/// its own for that core, and what a host name that is to be proved by CNAME points to.
pub fn core_of_host(host: &str, node: &str) -> Option<CoreId> {
    let (label, rest) = host.split_once('.')?;
    let of_node = rest.strip_prefix("core.")?;
    of_node.eq_ignore_ascii_case(node).then(|| label.parse().ok()).flatten()
}

/// The host of that kind.
pub fn host_of_core(core: &CoreId, node: &str) -> String {
    format!("{core}.core.{node}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{HostName, HostNameError, core_of_host, host_of_core};
    use crate::{id::CoreId, limits::HOST_NAME_BYTES_MAX};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let name: HostName = text.parse().expect("a host name");
        assert_eq!(name.as_str(), expected);
        assert_eq!(HostName::of_path(&name.path()), Some(name));
    }

    #[test]
    fn a_name_has_one_spelling() {
        check("widgets.acme.org", "widgets.acme.org");
        check("Widgets.ACME.org.", "widgets.acme.org");
        check("bücher.example", "xn--bcher-kva.example");
        check("BÜCHER。example", "xn--bcher-kva.example");
        check("xn--bcher-kva.example", "xn--bcher-kva.example");
        check("1.a--b.example", "1.a--b.example");
        check("123.example", "123.example");
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        let form =
            |text: &str| assert!(matches!(text.parse::<HostName>(), Err(HostNameError::Form(_))), "{text}");
        for text in [
            "",
            ".",
            "..",
            "org",
            "localhost",
            "a..org",
            ".acme.org",
            "acme.org..",
            "*.acme.org",
            "acme.org:443",
            "_kubelt.acme.org",
            "-a.org",
            "a-.org",
            "a b.org",
            "a/b.org",
            "a@b.org",
            "[::1]",
            "::1",
            "a%2eb.org",
            "xn--a.org",
            "xn--bcher-kva\u{0}.org",
            "acme.org/x",
            "a\u{200b}.\u{ad}",
        ] {
            form(text);
        }
        form(&format!("{}.org", "a".repeat(64)));
        for text in ["127.0.0.1", "1.2", "a.1", "a.0x1f", "0x7f.1", "１２７.0.0.１", "a.0x"] {
            assert!(matches!(text.parse::<HostName>(), Err(HostNameError::Address(_))), "{text}");
        }
        for text in ["alice.eth", "a.localhost", "x.invalid", "x.ONION"] {
            assert!(matches!(text.parse::<HostName>(), Err(HostNameError::Reserved(_))), "{text}");
        }
    }

    #[test]
    fn a_name_leaves_room_for_its_proof() {
        let of_len = |len: usize| {
            let label = "a".repeat(49);
            let start = [label.as_str(); 4].join(".");
            format!("{start}.{}", "b".repeat(len - start.len() - 1))
        };
        let longest: HostName = of_len(HOST_NAME_BYTES_MAX).parse().expect("fits");
        assert_eq!(longest.proof_name().len(), 253);
        assert_eq!(of_len(HOST_NAME_BYTES_MAX + 1).parse::<HostName>(), Err(HostNameError::Long));
        assert_eq!("a".repeat(10_000).parse::<HostName>(), Err(HostNameError::Long));
    }

    #[test]
    fn paths_of_other_spellings_bind_nothing() {
        for path in
            ["names/Acme.org", "names/acme.org.", "names/bücher.example", "names/acme", "content/acme.org"]
        {
            assert_eq!(HostName::of_path(&path.parse().expect("a path")), None, "{path}");
        }
    }

    #[test]
    fn a_host_can_name_a_core_and_its_node() {
        let core = CoreId::of(b"core");
        let host = host_of_core(&core, "node.example");
        assert!(host.split('.').next().is_some_and(|label| label.len() <= 63));
        assert_eq!(core_of_host(&host, "node.example"), Some(core));
        assert_eq!(core_of_host(&host, "other.example"), None);
        for text in [
            format!("x.{host}"),
            host.replace(".core.", ".ipfs."),
            format!("{host}.org"),
            "core.node.example".into(),
        ] {
            assert_eq!(core_of_host(&text, "node.example"), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_is_read_reads_as_itself(text in any::<String>(), plain in "[A-Za-z0-9.\\-xn]{1,40}") {
            for text in [text, plain] {
                let Ok(name) = text.parse::<HostName>() else { continue };
                prop_assert_eq!(name.as_str().parse::<HostName>(), Ok(name.clone()));
                prop_assert_eq!(HostName::of_path(&name.path()), Some(name.clone()));
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
                prop_assert!(name.as_str().parse::<std::net::IpAddr>().is_err());
            }
        }
    }
}
