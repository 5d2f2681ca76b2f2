//! Limits of what is asked of chains, and of what they may answer.

use std::time::Duration;

/// Upstreams of one chain.
pub(crate) const UPSTREAMS_MAX: usize = 16;
/// How long one call may take.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(5);
/// How long all calls of one question may take, to all upstreams together.
pub(crate) const QUESTION_TIME_MAX: Duration = Duration::from_secs(15);
/// Longest answer to a question about a signature, in bytes.
pub(crate) const CHECK_ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Longest answer that is passed on to somebody who reads a chain, in bytes.
pub(crate) const READ_ANSWER_BYTES_MAX: u64 = 8 << 20;
/// Answers about blocks named by their hash that are remembered of one chain.
pub(crate) const READS_KEPT_MAX: usize = 1_024;
/// Longest of them, in bytes of JSON.
pub(crate) const READ_KEPT_BYTES_MAX: usize = 64 * 1_024;
/// Questions that are being asked at once; others wait, and are pending where they wait too long. Each takes a thread.
pub(crate) const QUESTIONS_AT_ONCE_MAX: usize = 8;
/// How long an upstream that failed is asked only where there is no other.
pub(crate) const UPSTREAM_REST: Duration = Duration::from_secs(10);
/// How long the height of the last final block is taken for true.
pub(crate) const FINAL_HEIGHT_KEPT: Duration = Duration::from_secs(2);
/// Final blocks remembered of one upstream.
pub(crate) const FINAL_BLOCKS_KEPT_MAX: usize = 1_024;
/// Verdicts remembered of one chain.
pub(crate) const VERDICTS_KEPT_MAX: usize = 4_096;
/// Most confirmations that an operator may ask for, in blocks.
pub(crate) const CONFIRMATIONS_MAX: u64 = 1_000_000;

/// Gas of a whole check. No transaction may have more (EIP-7825: 2^24), so some upstreams allow no more to calls.
pub(crate) const CHECK_GAS: u64 = 16_000_000;
/// Gas that must be left when the check begins, or the upstream has given it less: more than the parts below together,
/// of which each call can pass on all but one 64th.
pub(crate) const CHECK_GAS_MIN: u64 = 12_500_000;
/// Gas for deploying a wallet that is not there yet (ERC-6492).
pub(crate) const DEPLOY_GAS: u64 = 6_000_000;
/// Gas for asking a wallet once.
pub(crate) const ASK_GAS: u64 = 3_000_000;
/// Longest call by which a wallet is deployed, in bytes.
pub(crate) const DEPLOY_CALL_BYTES_MAX: usize = 8 * 1_024;
/// Longest answer of a contract that is called, in bytes.
pub(crate) const CALL_RETURNED_BYTES_MAX: usize = 8 * 1_024;
/// Longest text record of a name that is read, in bytes.
pub(crate) const ENS_TEXT_BYTES_MAX: usize = 4 * 1_024;

/// Calls of contracts that are made at once.
pub(crate) const CALLS_MAX: usize = 16;
/// Gas of each.
pub(crate) const CALL_GAS: u64 = 500_000;
/// Gas that must be left when the first begins, or the upstream has given less: more than all of them together.
pub(crate) const CALLS_GAS_MIN: u64 = 12_500_000;
