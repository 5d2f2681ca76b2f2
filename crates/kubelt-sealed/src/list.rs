//! Who can open a file: the list in its entry, authenticated under its content key.
//!
//! A node could add a key of its own to the list, and wait for somebody to seal the file anew for all who are on it. So
//! whoever has the content key checks the list first. (Those who can open the file can make such a list, too: they have
//! what is in it.)

use aws_lc_rs::hmac;
use kubelt_core::schema::{Encryption, SealedForm, SealedTo};

use crate::ContentKey;

const PURPOSE: &[u8] = b"kubelt sealed list v1";

/// The list is not the one that its sealer made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list of those who can open this was changed by somebody who cannot; nothing was sealed for them"
)]
pub struct ForeignList;

/// The `encryption` of an entry for this list.
pub fn bind(content: &ContentKey, form: SealedForm, to: Vec<SealedTo>) -> Encryption {
    let tag = hmac::sign(&content.mac_key(PURPOSE), &said(form, &to));
    let mac = tag.as_ref().try_into().expect("32 bytes");
    Encryption { form, to, mac }
}

/// Checks a list.
///
/// # Errors
/// [`ForeignList`].
pub fn check(content: &ContentKey, encryption: &Encryption) -> Result<(), ForeignList> {
    let said = said(encryption.form, &encryption.to);
    hmac::verify(&content.mac_key(PURPOSE), &said, &encryption.mac).map_err(|_says_no_more| ForeignList)
}

/// The list as bytes, in one way only: each text after its length (4 bytes, big-endian). Wraps are left out: they prove
/// themselves.
fn said(form: SealedForm, to: &[SealedTo]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut say = |text: &[u8]| {
        bytes.extend(u32::try_from(text.len()).expect("texts of a list are short").to_be_bytes());
        bytes.extend(text);
    };
    say(form.as_str().as_bytes());
    for SealedTo { who, key, label, wrap: _ } in to {
        say(who.as_bytes());
        say(key);
        say(label.as_deref().unwrap_or_default().as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use kubelt_core::schema::{SealedForm, SealedTo};

    use super::{ForeignList, bind, check};
    use crate::{ContentKey, Entropy};

    #[test]
    fn a_list_that_was_changed_is_found_out() {
        let key = ContentKey::random(&mut Entropy::new(&[1; 32]));
        let to = |who: &str, n| SealedTo { who: who.to_owned(), key: [n; 32], label: None, wrap: None };
        let good = bind(&key, SealedForm::Jwe, vec![to("0xaa", 1), to("0xbb", 2)]);
        assert_eq!(check(&key, &good), Ok(()));
        let other_key = ContentKey::random(&mut Entropy::new(&[2; 32]));
        assert_eq!(check(&other_key, &good), Err(ForeignList));
        let mut changed = [good.clone(), good.clone(), good.clone(), good.clone(), good];
        changed[0].to.push(to("0xcc", 3));
        changed[1].to[0].key = [3; 32];
        changed[2].to[0].label = Some("phone".to_owned());
        changed[3].to.remove(1);
        changed[4].form = SealedForm::Chunks;
        for changed in changed {
            assert_eq!(check(&key, &changed), Err(ForeignList), "{changed:?}");
        }
    }
}
