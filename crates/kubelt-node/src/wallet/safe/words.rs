//! What a Safe is asked for, in words for its owners. Wallets show the hashes and bytes that they sign; this says what those
//! stand for.

use kubelt_core::{
    Account,
    safe::{Safe, SafeCall},
    words::quoted,
};

use super::hex;
use crate::wallet::asked::Shown;

/// Longest text of others that is repeated, in characters.
const SHOWN_CHARS_MAX: usize = 2_048;
/// Coins are counted in units of so many digits.
const DIGITS: usize = 18;

/// A signature of a Safe.
pub(super) fn signature(safe: &Safe, shown: &Shown) -> String {
    let what = match shown {
        Shown::Text(text) => format!("signs the message {}", short(text)),
        Shown::Bytes(bytes) => {
            format!("signs {} bytes that are no text: {}", bytes.len(), short(&hex(bytes)))
        }
        Shown::TypedData { primary, domain } => {
            format!("signs the typed data {} of {}", short(primary), short(domain))
        }
        Shown::Nothing => "signs".to_owned(),
    };
    format!("{} {what}", name(safe))
}

/// A transaction of a Safe: its calls, all of them or none.
pub(super) fn calls(safe: &Safe, calls: &[SafeCall]) -> String {
    let said: Vec<String> = calls.iter().map(call).collect();
    match said.as_slice() {
        [one] => format!("{} {one}", name(safe)),
        several => format!("{}, all or none: {}", name(safe), several.join("; ")),
    }
}

fn name(safe: &Safe) -> String {
    format!("the Safe {} of chain {}", address(&safe.address), safe.chain)
}

fn call(call: &SafeCall) -> String {
    let to = address(&call.to);
    let coins = coins(&call.value);
    match (coins.as_str(), call.data.as_slice()) {
        ("0", []) => format!("calls {to} with nothing"),
        (coins, []) => format!("sends {coins} coins to {to}"),
        (coins, data) => {
            let function = hex(data.get(..4).unwrap_or(data));
            let with = if coins == "0" { String::new() } else { format!(" and sends {coins} coins along") };
            format!("calls function {function} of {to} with {} bytes{with}", data.len())
        }
    }
}

fn address(address: &[u8; 20]) -> String {
    Account::Eoa(*address).checksummed().unwrap_or_default()
}

/// An amount as people count it: of 18 digits behind the point.
fn coins(word: &[u8; 32]) -> String {
    let mut digits = decimal(word);
    while digits.len() <= DIGITS {
        digits.insert(0, '0');
    }
    digits.insert(digits.len() - DIGITS, '.');
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number of 256 bits in decimals.
fn decimal(word: &[u8; 32]) -> String {
    let mut digits = vec![0_u32];
    for byte in word {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let sum = *digit * 256 + carry;
            (*digit, carry) = (sum % 10, sum / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}

/// Text of others, within quotes and bounds, that cannot pass for ours.
fn short(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { ", and more" } else { "" };
    format!("{}{more}", quoted(&cut))
}

#[cfg(test)]
mod tests {
    use kubelt_core::{
        abi,
        safe::{Safe, SafeCall},
    };

    use super::{calls, coins, signature};
    use crate::wallet::asked::Shown;

    const SAFE: Safe = Safe { chain: 1, address: [0x5a; 20] };

    #[test]
    fn amounts_are_counted_in_coins() {
        for (wei, text) in [
            (0, "0"),
            (1, "0.000000000000000001"),
            (1_500_000_000_000_000_000, "1.5"),
            (10_000_000_000_000_000_000, "10"),
            (u64::MAX, "18.446744073709551615"),
        ] {
            assert_eq!(coins(&abi::number(wei)), text);
        }
        let most = "115792089237316195423570985008687907853269984665640564039457.584007913129639935";
        assert_eq!(coins(&[0xff; 32]), most);
    }

    #[test]
    fn what_a_safe_does_is_said() {
        let pay = SafeCall { to: [7; 20], value: abi::number(1_500_000_000_000_000_000), data: Vec::new() };
        let act = SafeCall { to: [8; 20], value: [0; 32], data: vec![0xa9, 0x05, 0x9c, 0xbb, 0] };
        let said = calls(&SAFE, std::slice::from_ref(&pay));
        assert!(
            said.ends_with("of chain 1 sends 1.5 coins to 0x0707070707070707070707070707070707070707"),
            "{said}"
        );
        let said = calls(&SAFE, &[pay, act]);
        assert!(
            said.contains("all or none: sends 1.5 coins") && said.contains("; calls function 0xa9059cbb of"),
            "{said}"
        );
        let said = signature(&SAFE, &Shown::Text("line one\n\"line two\"".to_owned()));
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
