//! A question about a contract wallet's signature, put to one upstream.

use std::time::Instant;

use kubelt_core::{ContractQuestion, ContractVerdict, abi};
use serde_json::{Value, json};

use crate::{
    limits::{CHECK_GAS, DEPLOY_CALL_BYTES_MAX},
    program::{Deployment, Found, program},
    upstream::{CallError, Upstream, bytes},
};

/// What the signature of a wallet that may not be there yet ends with (ERC-6492).
const NOT_YET_DEPLOYED: [u8; 2] = [0x64, 0x92];

/// Who asks: an address of which nobody has the key, and not zero, which some contracts take for a simulation in which
/// they need not look so closely.
pub(crate) const ASKER: &str = "0x6b7562656c74207369676e617475726520636865";

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
        let to = abi::read_address(wrapped, 0)?;
        let data = abi::read_bytes(wrapped, 1)?.to_vec();
        let signature = abi::read_bytes(wrapped, 2)?.to_vec();
        let fits = data.len() <= DEPLOY_CALL_BYTES_MAX;
        fits.then_some(Self { signature, deployment: Some(Deployment { to, data }) })
    }
}

/// Asks one upstream. Its answer is [`ContractVerdict::Valid`] or [`ContractVerdict::Invalid`]; all else is an error,
/// and leaves the question open.
pub(crate) fn ask(
    upstream: &Upstream,
    question: &ContractQuestion,
    confirmations: Option<u64>,
    until: Instant,
) -> Result<ContractVerdict, CallError> {
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
    let returned = run(upstream, &code, &named.hash, until)?;
    match Found::read(&returned) {
        Some(Found::Yes) => Ok(ContractVerdict::Valid { block_ms: block.ms }),
        Some(Found::No | Found::Key | Found::Absent) => Ok(ContractVerdict::Invalid),
        Some(Found::Short) | None => Err(CallError::Nonsense(RUN)),
    }
}

/// The method by which programs run.
pub(crate) const RUN: &str = "eth_call";

/// Has an upstream run a program at a block; gives what it returned.
pub(crate) fn run(
    upstream: &Upstream,
    code: &[u8],
    block: &[u8; 32],
    until: Instant,
) -> Result<Vec<u8>, CallError> {
    let call = json!({"from": ASKER, "gas": format!("{CHECK_GAS:#x}"), "data": hex(code)});
    let answer = upstream.call(RUN, &json!([call, at(block)]), until)?;
    answer.as_str().and_then(bytes).ok_or(CallError::Nonsense(RUN))
}

/// A block as methods that read its state take it.
pub(crate) fn at(block: &[u8; 32]) -> Value {
    json!({"blockHash": hex(block), "requireCanonical": true})
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::{NOT_YET_DEPLOYED, Unwrapped};
    use kubelt_core::abi::number as word;

    use crate::limits::DEPLOY_CALL_BYTES_MAX;

    /// `abi.encode(address, bytes, bytes)` and the magic bytes behind it.
    fn wrap(data: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut to = word(0);
        to[12..].fill(0xfa);
        let padded = |bytes: &[u8]| {
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len().next_multiple_of(32), 0);
            [&word(bytes.len() as u64)[..], &padded].concat()
        };
        let data = padded(data);
        let head = [to, word(96), word(96 + data.len() as u64)].concat();
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
