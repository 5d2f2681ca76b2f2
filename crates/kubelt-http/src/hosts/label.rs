//! Labels of hosts: CIDs and names as they fit below a gateway host.
//!
//! A label has at most 63 characters and no case (RFC 1034). So a CID is a CIDv1 in base32, or in base36 where
//! that alone is short enough; an IPNS name is a CIDv1 with the codec `libp2p-key` in base36; and a DNS name is
//! one label in which every `-` is `--` and every `.` is `-` ("inlined"), because certificates for `*.ipns.HOST`
//! hold for one label only.

use kubelt_content::{Cid, CidBase, format_cid, ipns::Name, parse_cid};

use kubelt_node::{is_dns_name, key_name};

/// Most characters of a label.
const LABEL_BYTES_MAX: usize = 63;

/// Why content has no host of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LabelError {
    /// In no base short enough.
    #[error("CID incompatible with DNS label length limit of 63: `{0}`; ask for it by path on another host")]
    TooLong(String),
    /// Neither a CID nor a name.
    #[error("`{0}` is neither a CID nor a name")]
    Neither(String),
}

/// The label of a CID.
pub(crate) fn ipfs_label(cid: &Cid) -> Result<String, LabelError> {
    let base32 = format_cid(cid, CidBase::Base32);
    if base32.len() <= LABEL_BYTES_MAX {
        return Ok(base32);
    }
    let base36 = format_cid(cid, CidBase::Base36);
    if base36.len() <= LABEL_BYTES_MAX { Ok(base36) } else { Err(LabelError::TooLong(base32)) }
}

/// The label of what stands behind `/ipns/`: an IPNS name or a DNS name.
pub(crate) fn ipns_label(text: &str) -> Result<String, LabelError> {
    if let Some(name) = key_name(text) {
        return name_label(&name);
    }
    if !is_dns_name(text) {
        return Err(LabelError::Neither(text.to_owned()));
    }
    let inlined = inline(&text.to_ascii_lowercase());
    if inlined.len() <= LABEL_BYTES_MAX { Ok(inlined) } else { Err(LabelError::TooLong(inlined)) }
}

/// The CID in a label below `.ipfs.`, however it is spelled, and whether it is spelled as it should be.
pub(crate) fn read_ipfs_label(label: &str) -> Result<(Cid, bool), LabelError> {
    let cid = parse_cid(label).or_else(|_| parse_cid(&label.to_ascii_lowercase()));
    let cid = cid.map_err(|_no_cid| LabelError::Neither(label.to_owned()))?;
    let right = ipfs_label(&cid)? == label;
    Ok((cid, right))
}

/// What stands below `.ipns.`, as it stands behind `/ipns/`, and whether it is spelled as it should be.
///
/// Over `https` a DNS name must be one label; elsewhere it may be written with its dots.
pub(crate) fn read_ipns_label(label: &str, https: bool) -> Result<(String, bool), LabelError> {
    if let Some(name) = key_name(label).or_else(|| key_name(&label.to_ascii_lowercase())) {
        let right = name_label(&name)?;
        let is_right = right == label;
        return Ok((right, is_right));
    }
    let lower = label.to_ascii_lowercase();
    let dotted = if lower.contains('.') { lower.clone() } else { dotted(&lower) };
    if !is_dns_name(&dotted) {
        return Err(LabelError::Neither(label.to_owned()));
    }
    let right = !(https && lower.contains('.'));
    Ok((dotted, right))
}

fn name_label(name: &Name) -> Result<String, LabelError> {
    let text = name.to_string();
    if text.len() <= LABEL_BYTES_MAX { Ok(text) } else { Err(LabelError::TooLong(text)) }
}

/// A DNS name as one label.
fn inline(name: &str) -> String {
    name.replace('-', "--").replace('.', "-")
}

/// The DNS name in one label.
fn dotted(label: &str) -> String {
    let parts: Vec<String> = label.split("--").map(|part| part.replace('-', ".")).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use kubelt_content::{Cid, CidBase, format_cid, ipns::Name, parse_cid};
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::{LabelError, dotted, inline, ipfs_label, ipns_label, read_ipfs_label, read_ipns_label};

    const V0: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    const V1: &str = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
    const NAME: &str = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8";

    #[test]
    fn cids_have_one_label() {
        let cid = parse_cid(V0).expect("a CID");
        assert_eq!(ipfs_label(&cid).as_deref(), Ok(V1));
        let v1 = parse_cid(V1).expect("a CID");
        assert_eq!(read_ipfs_label(V1), Ok((v1, true)));
        assert_eq!(read_ipfs_label(V0), Ok((cid, false)));
        assert_eq!(read_ipfs_label(&V1.to_uppercase()), Ok((v1, false)));
        assert!(matches!(read_ipfs_label("index"), Err(LabelError::Neither(_))));
        let sha512 = kubelt_content::Cid::new_v1(0x55, multihash(64));
        assert!(matches!(ipfs_label(&sha512), Err(LabelError::TooLong(_))));
        let key = Cid::new_v1(0x72, multihash(36));
        assert_eq!(ipfs_label(&key).map(|label| label.starts_with('k')), Ok(true));
    }

    fn multihash(len: u8) -> cid::multihash::Multihash<64> {
        cid::multihash::Multihash::<64>::wrap(0x13, &vec![7; usize::from(len)]).expect("fits")
    }

    #[test]
    fn names_have_one_label() {
        assert_eq!(ipns_label("12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK").as_deref(), Ok(NAME));
        assert_eq!(ipns_label(NAME).as_deref(), Ok(NAME));
        assert_eq!(ipns_label("en.wikipedia-on-ipfs.org").as_deref(), Ok("en-wikipedia--on--ipfs-org"));
        assert_eq!(
            read_ipns_label("en-wikipedia--on--ipfs-org", true),
            Ok(("en.wikipedia-on-ipfs.org".to_owned(), true))
        );
        assert_eq!(
            read_ipns_label("dnslink.example.org", false),
            Ok(("dnslink.example.org".to_owned(), true))
        );
        assert_eq!(
            read_ipns_label("dnslink.example.org", true),
            Ok(("dnslink.example.org".to_owned(), false))
        );
        assert_eq!(read_ipns_label(NAME, true), Ok((NAME.to_owned(), true)));
        let old = Cid::new_v1(0x70, *NAME.parse::<Name>().expect("a name").hash());
        let old = format_cid(&old, CidBase::Base36);
        assert_eq!(ipns_label(&old).as_deref(), Ok(NAME));
        assert_eq!(read_ipns_label(&old, false), Ok((NAME.to_owned(), false)));
        assert!(ipns_label("no_dots").is_err());
        assert!(read_ipns_label("nodots", false).is_err());
    }

    proptest! {
        #[test]
        fn an_inlined_name_is_read_back(labels in proptest::collection::vec("[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", 2..5)) {
            let name = labels.join(".");
            prop_assert_eq!(dotted(&inline(&name)), name);
        }
    }
}
