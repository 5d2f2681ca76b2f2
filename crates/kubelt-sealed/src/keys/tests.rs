use super::{DeviceSecret, KeyError, PublicKey};
use crate::Entropy;

/// All points of small order, and the two spellings that reach them too (RFC 7748 takes any 32 bytes).
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).expect("hex").try_into().expect("the right length")
}

#[test]
fn points_of_small_order_are_refused() {
    for point in SMALL_ORDER {
        assert_eq!(PublicKey::x25519(bytes(point)), Err(KeyError::SmallOrder), "{point}");
    }
    let key = DeviceSecret::random(&mut Entropy::new(&[1; 32])).public();
    assert_eq!(PublicKey::x25519(*key.as_x25519().expect("is one")), Ok(key));
}

#[test]
fn points_off_the_curve_are_refused() {
    // The generator of P-256, and what is one beside it.
    let x = bytes("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    let y = bytes("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    assert!(PublicKey::p256(&x, &y).is_ok());
    assert_eq!(PublicKey::p256(&y, &x), Err(KeyError::OffCurve));
    assert_eq!(PublicKey::p256(&[0; 32], &[0; 32]), Err(KeyError::OffCurve));
    assert_eq!(PublicKey::p256(&[255; 32], &y), Err(KeyError::OffCurve));
}

#[test]
fn rsa_keys_have_a_size_and_an_exponent() {
    let e = [1, 0, 1];
    let n = |bytes: usize| {
        let mut n = vec![0xa5; bytes];
        n[bytes - 1] = 0x01;
        n
    };
    assert!(PublicKey::rsa(&n(256), &e).is_ok());
    assert_eq!(PublicKey::rsa(&n(255), &e), Err(KeyError::RsaBits(2_040)));
    assert_eq!(PublicKey::rsa(&n(1_025), &e), Err(KeyError::RsaBits(8_200)));
    assert_eq!(PublicKey::rsa(&[], &e), Err(KeyError::RsaBits(0)));
    let padded = [&[0, 0], n(256).as_slice()].concat();
    assert_eq!(PublicKey::rsa(&padded, &e), PublicKey::rsa(&n(256), &e), "leading zeros say nothing");
    for e in [&[][..], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(PublicKey::rsa(&n(256), e), Err(KeyError::Rsa), "{e:?}");
    }
    let even = vec![0xa4; 256];
    assert_eq!(PublicKey::rsa(&even, &[1, 0, 1]), Err(KeyError::Rsa));
}

#[test]
fn thumbprints_are_those_of_the_standards() {
    // RFC 8037, appendix A.3 hashes an Ed25519 key; RFC 7638, section 3.1 an RSA key.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
             tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI\
             SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let n = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, n).expect("base64url");
    let key = PublicKey::rsa(&n, &[1, 0, 1]).expect("a key");
    assert_eq!(key.thumbprint().to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
