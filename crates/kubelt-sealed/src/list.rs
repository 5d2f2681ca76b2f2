//! Who can open a file: the list in its entry, authenticated under its content key.
//!
//! A node could add a key of its own to the list, and wait for somebody to seal the file anew for all who are on it. So
//! whoever has the content key checks the list first. (Those who can open the file can make such a list, too: they have
//! what is in it.)

use aws_lc_rs::hmac;
use kubelt_core::schema::{Encryption, SealedForm, SealedTo};

use crate::ContentKey;

const PURPOSE: &[u8] = b"kubelt sealed list v1";
/// Of lists that name gates: what these say cannot be taken for what others do.
const PURPOSE_OF_GATED: &[u8] = b"kubelt sealed list of gates v1";

/// The list is not the one that its sealer made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list of those who can open this was changed by somebody who cannot; nothing was sealed for them"
)]
pub struct ForeignList;

/// The `encryption` of an entry for this list.
pub fn bind(content: &ContentKey, form: SealedForm, gates: Vec<String>, to: Vec<SealedTo>) -> Encryption {
    let unbound = Encryption { form, gates, to, mac: [0; 32] };
    let tag = hmac::sign(&content.mac_key(purpose(&unbound)), &said(&unbound));
    let mac = tag.as_ref().try_into().expect("32 bytes");
    Encryption { mac, ..unbound }
}

/// Checks a list.
///
/// # Errors
/// [`ForeignList`].
pub fn check(content: &ContentKey, encryption: &Encryption) -> Result<(), ForeignList> {
    if encryption.to.iter().any(|to| to.gate.as_ref().is_some_and(|gate| !encryption.gates.contains(gate))) {
        return Err(ForeignList);
    }
    let (key, said) = (content.mac_key(purpose(encryption)), said(encryption));
    hmac::verify(&key, &said, &encryption.mac).map_err(|_says_no_more| ForeignList)
}

fn purpose(encryption: &Encryption) -> &'static [u8] {
    if encryption.gates.is_empty() { PURPOSE } else { PURPOSE_OF_GATED }
}

/// The list as bytes, in one way only: each text after its length (4 bytes, big-endian). Wraps are left out: they prove
/// themselves.
fn said(Encryption { form, gates, to, mac: _ }: &Encryption) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut say = |text: &[u8]| {
        bytes.extend(u32::try_from(text.len()).expect("texts of a list are short").to_be_bytes());
        bytes.extend(text);
    };
    say(form.as_str().as_bytes());
    if !gates.is_empty() {
        say(gates.join(" ").as_bytes());
    }
    for SealedTo { who, key, label, wrap: _, gate } in to {
        say(who.as_bytes());
        say(key);
        say(label.as_deref().unwrap_or_default().as_bytes());
        if !gates.is_empty() {
            say(gate.as_deref().unwrap_or_default().as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use kubelt_core::schema::{SealedForm, SealedTo};

    use serde_json::Value;

    use super::{ForeignList, bind, check};
    use crate::{ContentKey, Entropy};

    /// Made with another library, and read by the SDK's tests, too.
    #[test]
    fn lists_are_bound_as_the_specification_has_it() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../spec/vectors/sealed/list.json")).expect("JSON");
        let bytes = |value: &Value| -> [u8; 32] {
            hex::decode(value.as_str().expect("hex")).expect("hex").try_into().expect("32 bytes")
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        for list in vectors["lists"].as_array().expect("a list") {
            let to = |to: &Value| SealedTo {
                who: text(&to["who"]).expect("text"),
                key: bytes(&to["key"]),
                label: text(&to["label"]),
                wrap: None,
                gate: text(&to["gate"]),
            };
            let to = list["to"].as_array().expect("a list").iter().map(to).collect();
            let gates = list["gates"].as_array().into_iter().flatten().filter_map(text).collect();
            let form = list["form"].as_str().expect("text").parse().expect("a form");
            let bound = bind(&ContentKey::from_bytes(bytes(&list["content_key"])), form, gates, to);
            assert_eq!(bound.mac, bytes(&list["mac"]));
        }
    }

    #[test]
    fn a_list_that_was_changed_is_found_out() {
        let key = ContentKey::random(&mut Entropy::new(&[1; 32]));
        let to = |who: &str, n| SealedTo {
            who: who.to_owned(),
            key: [n; 32],
            label: None,
            wrap: None,
            gate: None,
        };
        let good = bind(&key, SealedForm::Jwe, Vec::new(), vec![to("0xaa", 1), to("0xbb", 2)]);
        assert_eq!(check(&key, &good), Ok(()));
        let other_key = ContentKey::random(&mut Entropy::new(&[2; 32]));
        assert_eq!(check(&other_key, &good), Err(ForeignList));
        let mut changed = vec![good.clone(); 7];
        let gated = bind(&key, SealedForm::Jwe, vec!["a".to_owned()], good.to);
        assert_eq!(check(&key, &gated), Ok(()));
        changed.extend(vec![gated; 4]);
        changed[0].to.push(to("0xcc", 3));
        changed[1].to[0].key = [3; 32];
        changed[2].to[0].label = Some("phone".to_owned());
        changed[3].to.remove(1);
        changed[4].form = SealedForm::Chunks;
        // A gate that whoever runs a node passes.
        changed[5].gates = vec!["mine".to_owned()];
        changed[6].to[0].gate = Some("mine".to_owned());
        changed[7].gates = vec!["mine".to_owned()];
        changed[8].gates.clear();
        changed[9].gates.push("mine".to_owned());
        changed[10].to[0].gate = Some("a".to_owned());
        for changed in changed {
            assert_eq!(check(&key, &changed), Err(ForeignList), "{changed:?}");
        }
    }
}
