use serde_json::{Value, json};

use super::{Jwe, JweError};
use crate::keys::base64;
use crate::limits::JWE_PLAIN_BYTES_MAX;
use crate::{ContentKey, DeviceSecret, Entropy};

const TEXT: &[u8] = b"DE89 3704 0044 0532 0130 00";

/// A message to `count` devices, and the devices.
fn message(count: usize) -> (Jwe, ContentKey, Vec<DeviceSecret>) {
    let mut entropy = Entropy::new(&[4; 32]);
    let key = ContentKey::random(&mut entropy);
    let devices: Vec<_> = (0..count).map(|_| DeviceSecret::random(&mut entropy)).collect();
    let mut message = Jwe::seal(TEXT, &key, &mut entropy).expect("short");
    for device in &devices {
        message.add(&key, &device.public(), None, &mut entropy);
    }
    (message, key, devices)
}

fn open(message: &Jwe, device: &DeviceSecret) -> Result<Vec<u8>, JweError> {
    message.open(&message.content_key(device)?).map(|plain| plain.to_vec())
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let (sealed, _, devices) = message(3);
    let read = Jwe::read(sealed.to_json().as_bytes()).expect("a message");
    assert_eq!(read, sealed);
    for device in &devices {
        assert_eq!(open(&read, device).as_deref(), Ok(TEXT));
    }
    let stranger = DeviceSecret::random(&mut Entropy::new(&[5; 32]));
    assert_eq!(open(&read, &stranger), Err(JweError::NotForUs));
}

#[test]
fn one_who_was_added_opens_it_too() {
    let (mut sealed, key, devices) = message(1);
    let late = DeviceSecret::random(&mut Entropy::new(&[6; 32]));
    let before = sealed.ciphertext.clone();
    sealed.add(&key, &late.public(), Some("late"), &mut Entropy::new(&[7; 32]));
    assert_eq!(open(&sealed, &late).as_deref(), Ok(TEXT));
    assert_eq!(open(&sealed, &devices[0]).as_deref(), Ok(TEXT));
    assert_eq!(sealed.key_ids()[1], "late");
    assert_eq!(sealed.ciphertext, before, "what is encrypted stays");
}

#[test]
fn the_other_serialisations_are_read() {
    let (sealed, key, devices) = message(1);
    let mut flat = serde_json::to_value(&sealed).expect("JSON");
    let recipient = flat["recipients"].take();
    flat.as_object_mut().expect("an object").remove("recipients");
    flat["header"] = recipient[0]["header"].clone();
    flat["encrypted_key"] = recipient[0]["encrypted_key"].clone();
    let flat = Jwe::read(flat.to_string().as_bytes()).expect("flattened");
    assert_eq!(open(&flat, &devices[0]).as_deref(), Ok(TEXT));
    // In the compact form all of the header is protected, so it is sealed anew.
    let mut header = recipient[0]["header"].clone();
    header["enc"] = json!("A256GCM");
    let protected = base64(header.to_string().as_bytes());
    let mut body = TEXT.to_vec();
    let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key([1; 12]);
    let aad = aws_lc_rs::aead::Aad::from(protected.as_bytes());
    let tag = super::cipher(&key).seal_in_place_separate_tag(nonce, aad, &mut body).expect("short");
    let wrapped = recipient[0]["encrypted_key"].as_str().expect("text");
    let parts = [&protected, wrapped, &base64(&[1; 12]), &base64(&body), &base64(tag.as_ref())];
    let compact = Jwe::read(parts.join(".").as_bytes()).expect("compact");
    assert_eq!(open(&compact, &devices[0]).as_deref(), Ok(TEXT));
}

#[test]
fn what_was_changed_does_not_open() {
    let (sealed, _, devices) = message(1);
    let json = serde_json::to_value(&sealed).expect("JSON");
    let opened = |json: &Value| Jwe::read(json.to_string().as_bytes()).and_then(|m| open(&m, &devices[0]));
    assert_eq!(opened(&json).as_deref(), Ok(TEXT));
    let flipped = |text: &str| {
        let first = if text.starts_with('A') { "B" } else { "A" };
        format!("{first}{}", &text[1..])
    };
    for name in ["iv", "ciphertext", "tag", "protected"] {
        let mut changed = json.clone();
        changed[name] = flipped(json[name].as_str().expect("text")).into();
        assert!(opened(&changed).is_err(), "{name}");
    }
    for pointer in ["/recipients/0/encrypted_key", "/recipients/0/header/epk/x"] {
        let mut changed = json.clone();
        let text = changed.pointer_mut(pointer).expect("is there");
        *text = flipped(text.as_str().expect("text")).into();
        assert_eq!(opened(&changed), Err(JweError::NotForUs), "{pointer}");
    }
    let mut short = json.clone();
    short["tag"] = json!("AAAA");
    assert_eq!(opened(&short), Err(JweError::Changed), "a short tag");
    let mut small = json;
    small["recipients"][0]["header"]["epk"]["x"] = json!("A".repeat(43));
    assert_eq!(opened(&small), Err(JweError::NotForUs), "a point of small order");
}

#[test]
fn what_is_not_understood_is_refused() {
    let (sealed, _, devices) = message(1);
    let json = serde_json::to_value(&sealed).expect("JSON");
    let protect = |header: Value| {
        let mut changed = json.clone();
        changed["protected"] = base64(header.to_string().as_bytes()).into();
        Jwe::read(changed.to_string().as_bytes()).and_then(|message| open(&message, &devices[0]))
    };
    assert!(matches!(protect(json!({ "enc": "A128CBC-HS256" })), Err(JweError::Unknown(_))));
    assert!(matches!(protect(json!({ "enc": "A256GCM", "zip": "DEF" })), Err(JweError::Unknown(_))));
    assert!(matches!(protect(json!({ "enc": "A256GCM", "crit": ["exp"] })), Err(JweError::Unknown(_))));
    assert!(matches!(protect(json!({ "enc": "A256GCM", "alg": "dir" })), Err(JweError::Form(_))), "twice");
    assert!(matches!(protect(json!({})), Err(JweError::Form(_))));
    let mut other = json.clone();
    other["recipients"][0]["header"]["alg"] = json!("RSA1_5");
    let refused = Jwe::read(other.to_string().as_bytes()).and_then(|message| open(&message, &devices[0]));
    assert_eq!(refused, Err(JweError::Unknown("`RSA1_5`".to_owned())));
    for text in ["", "a.b", "a.b.c.d.e.f", "{}", "{\"recipients\":[]}"] {
        assert!(matches!(Jwe::read(text.as_bytes()), Err(JweError::Form(_))), "{text}");
    }
    let mut many = json;
    let one = many["recipients"][0].clone();
    many["recipients"] = Value::Array(vec![one; super::JWE_RECIPIENTS_MAX + 1]);
    assert!(matches!(Jwe::read(many.to_string().as_bytes()), Err(JweError::Form(_))));
}

#[test]
fn large_files_are_not_sealed_so() {
    let (mut entropy, key) = (Entropy::new(&[8; 32]), ContentKey::from_bytes([9; 32]));
    let refused = Jwe::seal(&vec![0; JWE_PLAIN_BYTES_MAX + 1], &key, &mut entropy);
    assert_eq!(refused.err(), Some(JweError::TooLarge));
}
