//! The ABI of contracts (<https://docs.soliditylang.org/en/latest/abi-spec.html>), as far as it is used here: calls are
//! written, and answers are read with every length in them checked. Answers may be anything: they are contracts' words.

use alloy_primitives::keccak256;

/// Bytes of a word.
const WORD: usize = 32;

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// A value of fixed size: a number, an address, a hash.
    Word([u8; 32]),
    /// `bytes` or `string`.
    Bytes(&'a [u8]),
}

/// The first four bytes of a call, by which a contract knows the function: `transfer(address,uint256)`.
pub fn selector(function: &str) -> [u8; 4] {
    let hash = keccak256(function).0;
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The topic by which an event is known: `Transfer(address,address,uint256)`.
pub fn topic(event: &str) -> [u8; 32] {
    keccak256(event).0
}

/// A call.
pub fn call(selector: [u8; 4], arguments: &[Argument<'_>]) -> Vec<u8> {
    let mut head = Vec::new();
    let mut tail: Vec<u8> = Vec::new();
    for argument in arguments {
        match argument {
            Argument::Word(word) => head.extend(word),
            Argument::Bytes(bytes) => {
                head.extend(number((arguments.len() * WORD + tail.len()) as u64));
                tail.extend(number(bytes.len() as u64));
                tail.extend(*bytes);
                tail.resize(tail.len().next_multiple_of(WORD), 0);
            }
        }
    }
    [&selector[..], &head, &tail].concat()
}

/// A number as a word.
pub fn number(number: u64) -> [u8; 32] {
    let mut word = [0; WORD];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

/// An address as a word.
pub fn address(address: &[u8; 20]) -> [u8; 32] {
    let mut word = [0; WORD];
    word[12..].copy_from_slice(address);
    word
}

/// The word of this index.
pub fn read_word(encoded: &[u8], index: usize) -> Option<[u8; 32]> {
    word_at(encoded, index.checked_mul(WORD)?)
}

/// The number at this index; none where it is over 64 bits.
pub fn read_number(encoded: &[u8], index: usize) -> Option<u64> {
    as_number(&read_word(encoded, index)?)
}

/// The address at this index.
pub fn read_address(encoded: &[u8], index: usize) -> Option<[u8; 20]> {
    as_address(&read_word(encoded, index)?)
}

/// The `bytes` or `string` at this index.
pub fn read_bytes(encoded: &[u8], index: usize) -> Option<&[u8]> {
    let (start, len) = tail(encoded, index)?;
    encoded.get(start..start.checked_add(len)?)
}

/// The list of addresses at this index.
pub fn read_addresses(encoded: &[u8], index: usize) -> Option<Vec<[u8; 20]>> {
    let (start, count) = tail(encoded, index)?;
    let words = encoded.get(start..start.checked_add(count.checked_mul(WORD)?)?)?;
    words.chunks_exact(WORD).map(|word| as_address(word.try_into().ok()?)).collect()
}

/// Where what the word of this index points to begins, behind its length, and that length.
fn tail(encoded: &[u8], index: usize) -> Option<(usize, usize)> {
    let at = usize::try_from(read_number(encoded, index)?).ok()?;
    let len = usize::try_from(as_number(&word_at(encoded, at)?)?).ok()?;
    Some((at.checked_add(WORD)?, len))
}

fn word_at(encoded: &[u8], at: usize) -> Option<[u8; 32]> {
    encoded.get(at..at.checked_add(WORD)?)?.try_into().ok()
}

fn as_number(word: &[u8; 32]) -> Option<u64> {
    let (high, low) = word.split_at(24);
    let low = low.try_into().ok().map(u64::from_be_bytes);
    low.filter(|_| high.iter().all(|byte| *byte == 0))
}

fn as_address(word: &[u8; 32]) -> Option<[u8; 20]> {
    let (high, low) = word.split_at(12);
    low.try_into().ok().filter(|_| high.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::{
        Argument, address, call, number, read_address, read_addresses, read_bytes, read_number, selector,
    };

    #[test]
    fn a_call_is_read_as_it_was_written() {
        assert_eq!(hex::encode(selector("transfer(address,uint256)")), "a9059cbb");
        let (to, data) =
            ([0xfa; 20], b"more than thirty-two bytes of data, so that it takes two words".as_slice());
        let arguments = [
            Argument::Word(address(&to)),
            Argument::Bytes(data),
            Argument::Word(number(7)),
            Argument::Bytes(b""),
        ];
        let encoded = call([1, 2, 3, 4], &arguments);
        let arguments = &encoded[4..];
        assert_eq!(arguments.len() % 32, 0);
        assert_eq!(read_address(arguments, 0), Some(to));
        assert_eq!(read_bytes(arguments, 1), Some(data));
        assert_eq!(read_number(arguments, 2), Some(7));
        assert_eq!(read_bytes(arguments, 3), Some(&b""[..]));
        assert_eq!(read_number(arguments, arguments.len() / 32), None);
    }

    #[test]
    fn lists_of_addresses_are_read() {
        let list =
            |count: u64, words: &[[u8; 32]]| [&[number(32), number(count)][..], words].concat().concat();
        let two = [address(&[1; 20]), address(&[2; 20])];
        assert_eq!(read_addresses(&list(2, &two), 0), Some(vec![[1; 20], [2; 20]]));
        assert_eq!(read_addresses(&list(0, &two), 0), Some(Vec::new()));
        assert_eq!(read_addresses(&list(3, &two), 0), None, "longer than it is");
        assert_eq!(read_addresses(&list(u64::MAX, &two), 0), None);
        assert_eq!(read_addresses(&list(2, &[[0xff; 32], [0; 32]]), 0), None, "no address");
    }

    #[test]
    fn what_leads_out_of_the_answer_is_nothing() {
        let good = [number(32), number(4), [7; 32]].concat();
        assert_eq!(read_bytes(&good, 0), Some(&[7; 4][..]));
        for (at, byte) in [(31, 0xff), (31, 40), (0, 1), (63, 33), (32, 1)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(read_bytes(&bad, 0), None, "byte {at}");
        }
        for len in 0..68 {
            assert_eq!(read_bytes(&good[..len], 0), None, "{len} bytes");
        }
        assert_eq!(read_bytes(&good, usize::MAX), None);
    }
}
