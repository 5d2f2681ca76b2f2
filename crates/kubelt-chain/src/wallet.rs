//! A question about a contract wallet's signature, put to one upstream.

use std::time::Instant;

use kubelt_core::{ContractQuestion, ContractVerdict};
use serde_json::json;

use crate::{
    limits::{CHECK_GAS, DEPLOY_CALL_BYTES_MAX},
    program::{Deployment, Found, program},
    upstream::{CallError, Upstream, bytes},
};

/// What the signature of a wallet that may not be there yet ends with (ERC-6492).
const NOT_YET_DEPLOYED: [u8; 2] = [0x64, 0x92];

/// Who asks: an address of which nobody has the key, and not zero, which some contracts take for a simulation in which
/// they need not look so closely.
const ASKER: &str = "0x6b7562656c74207369676e617475726520636865";

/// A signature, and the deployment that comes with it where it is wrapped for a wallet that may not be there yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unwrapped {
    pub(crate) signature: Vec<u8>,
    pub(crate) deployment: Option<Deployment>,
}

impl Unwrapped {
    /// Takes a signature apart; none where it says that it is wrapped and is not, or brings too long a call.
    pub(crate) fn of(signature: &[u8]) -> Option<Self> {
        let magic: [u8; 32] = NOT_YET_DEPLOYED.repeat(16).try_into().expect("sixteen times two bytes");
        let Some(wrapped) = signature.strip_suffix(&magic) else {
            return Some(Self { signature: signature.to_vec(), deployment: None });
        };
        let to = wrapped.get(12..32)?.try_into().ok().filter(|_| wrapped[..12] == [0; 12])?;
        let data = argument(wrapped, 1)?.to_vec();
        let signature = argument(wrapped, 2)?.to_vec();
        let fits = data.len() <= DEPLOY_CALL_BYTES_MAX;
        fits.then_some(Self { signature, deployment: Some(Deployment { to, data }) })
    }
}

/// A `bytes` argument of an ABI encoding.
fn argument(encoded: &[u8], index: usize) -> Option<&[u8]> {
    let number = |at: usize| {
        let (high, low) = encoded.get(at..at.checked_add(32)?)?.split_at(24);
        let low = u64::from_be_bytes(low.try_into().ok()?);
        usize::try_from(low).ok().filter(|_| high == [0; 24])
    };
    let at = number(index * 32)?;
    let start = at.checked_add(32)?;
    encoded.get(start..start.checked_add(number(at)?)?)
}

/// Asks one upstream. Its answer is [`ContractVerdict::Valid`] or [`ContractVerdict::Invalid`]; all else is an error,
/// and leaves the question open.
pub(crate) fn ask(
    upstream: &Upstream,
    question: &ContractQuestion,
    confirmations: Option<u64>,
    until: Instant,
) -> Result<ContractVerdict, CallError> {
    const METHOD: &str = "eth_call";
    let named = &question.block;
    upstream.check_chain(named.chain, until)?;
    let block = upstream.final_block(named.number, confirmations, until)?;
    if block.hash != named.hash {
        return Err(CallError::NotFinal);
    }
    let Some(Unwrapped { signature, deployment }) = Unwrapped::of(&question.signature) else {
        return Ok(ContractVerdict::Invalid);
    };
    let code = program(&question.address, &question.message_hash, &signature, deployment.as_ref());
    let call = json!({"from": ASKER, "gas": format!("{CHECK_GAS:#x}"), "data": hex(&code)});
    let at = json!({"blockHash": hex(&named.hash), "requireCanonical": true});
    let answer = upstream.call(METHOD, &json!([call, at]), until)?;
    let returned = answer.as_str().and_then(bytes).ok_or(CallError::Nonsense(METHOD))?;
    match Found::read(&returned) {
        Some(Found::Yes) => Ok(ContractVerdict::Valid { block_ms: block.ms }),
        Some(Found::No | Found::Key | Found::Absent) => Ok(ContractVerdict::Invalid),
        Some(Found::Short) | None => Err(CallError::Nonsense(METHOD)),
    }
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::{NOT_YET_DEPLOYED, Unwrapped};
    use crate::{limits::DEPLOY_CALL_BYTES_MAX, program::word};

    /// `abi.encode(address, bytes, bytes)` and the magic bytes behind it.
    fn wrap(data: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut to = word(0);
        to[12..].fill(0xfa);
        let padded = |bytes: &[u8]| {
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len().next_multiple_of(32), 0);
            [&word(bytes.len())[..], &padded].concat()
        };
        let data = padded(data);
        let head = [to, word(96), word(96 + data.len())].concat();
        [&head[..], &data, &padded(signature), &NOT_YET_DEPLOYED.repeat(16)].concat()
    }

    #[test]
    fn a_signature_is_taken_apart() {
        let plain = Unwrapped::of(&[7; 65]).expect("a signature");
        assert!(plain.signature == [7; 65] && plain.deployment.is_none());
        let wrapped = Unwrapped::of(&wrap(b"deploy", &[7; 65])).expect("a wrapped signature");
        let deployment = wrapped.deployment.expect("a deployment");
        assert_eq!(wrapped.signature, [7; 65]);
        assert_eq!((deployment.to, &deployment.data[..]), ([0xfa; 20], &b"deploy"[..]));
    }

    #[test]
    fn what_only_says_that_it_is_wrapped_is_refused() {
        assert!(Unwrapped::of(&wrap(&vec![0; DEPLOY_CALL_BYTES_MAX], b"")).is_some());
        assert_eq!(Unwrapped::of(&wrap(&vec![0; DEPLOY_CALL_BYTES_MAX + 1], b"")), None);
        let good = wrap(b"deploy", b"signature");
        for at in [31, 32 + 24, 64 + 31, 96 + 31, 96] {
            let mut bad = good.clone();
            bad[at] = 0xff;
            // A changed address is another address; a changed length leads out of the bytes.
            assert_eq!(Unwrapped::of(&bad).is_some(), at == 31, "byte {at}");
        }
        for len in 0..96 {
            let bad = [&good[..len], &NOT_YET_DEPLOYED.repeat(16)].concat();
            assert_eq!(Unwrapped::of(&bad), None, "{len} bytes");
        }
    }
}
