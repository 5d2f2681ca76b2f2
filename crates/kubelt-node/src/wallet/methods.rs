//! The methods of a wallet face. What is not listed is not passed on to anybody.

use super::{
    Method,
    MethodKind::{self, Own, Read, Sign},
};

/// Every method.
pub(super) const METHODS: &[Method] = &[
    method("eth_accounts", Own, "the core's EVM account", &[]),
    method("eth_requestAccounts", Own, "the same", &[]),
    method("eth_chainId", Own, "the chain that this address is of", &[]),
    method("net_version", Own, "the same, in decimals", &[]),
    method("web3_clientVersion", Own, "what answers", &[]),
    method("wallet_switchEthereumChain", Own, "says where another chain is", &["chain"]),
    method(
        "wallet_getCapabilities",
        Own,
        "what the wallet can do beyond single transactions",
        &["address", "chains"],
    ),
    method("wallet_sendCalls", Own, "asks the signers to send several transactions", &["calls"]),
    method("wallet_getCallsStatus", Own, "what became of them", &["id"]),
    method("personal_sign", Sign, "asks the signers to sign a message", &["message", "address"]),
    method("eth_signTypedData_v4", Sign, "asks the signers to sign typed data", &["address", "data"]),
    method("eth_sendTransaction", Sign, "asks the signers to send a transaction", &["transaction"]),
    method("kb_linkWallet", Sign, "asks a contract wallet to let this core speak for it", &["account"]),
    method("rpc.discover", Own, "this description", &[]),
    method("kb_core", Own, "the core: its id, its accounts, the chains that can be asked", &[]),
    method("eth_blobBaseFee", Read, "the price of blobs", &[]),
    method("eth_blockNumber", Read, "the height of the newest block", &[]),
    method(
        "eth_call",
        Read,
        "runs a call and forgets it",
        &["transaction", "block", "state", "blockOverrides"],
    ),
    method("eth_createAccessList", Read, "what a transaction touches", &["transaction", "block"]),
    method("eth_estimateGas", Read, "what a transaction takes", &["transaction", "block", "state"]),
    method("eth_feeHistory", Read, "past fees", &["blocks", "newest", "percentiles"]),
    method("eth_gasPrice", Read, "the price of gas", &[]),
    method("eth_getBalance", Read, "what an account has", &["address", "block"]),
    method("eth_getBlockByHash", Read, "a block", &["hash", "transactions"]),
    method("eth_getBlockByNumber", Read, "a block", &["block", "transactions"]),
    method("eth_getBlockReceipts", Read, "the receipts of a block", &["block"]),
    method("eth_getBlockTransactionCountByHash", Read, "how many a block has", &["hash"]),
    method("eth_getBlockTransactionCountByNumber", Read, "how many a block has", &["block"]),
    method("eth_getCode", Read, "an account's code", &["address", "block"]),
    method("eth_getLogs", Read, "events", &["filter"]),
    method("eth_getProof", Read, "what an account has, with proof", &["address", "slots", "block"]),
    method("eth_getStorageAt", Read, "what an account stores", &["address", "slot", "block"]),
    method("eth_getTransactionByBlockHashAndIndex", Read, "a transaction", &["hash", "index"]),
    method("eth_getTransactionByBlockNumberAndIndex", Read, "a transaction", &["block", "index"]),
    method("eth_getTransactionByHash", Read, "a transaction", &["hash"]),
    method("eth_getTransactionCount", Read, "an account's next nonce", &["address", "block"]),
    method("eth_getTransactionReceipt", Read, "what became of a transaction", &["hash"]),
    method("eth_maxPriorityFeePerGas", Read, "a tip that is usual", &[]),
    method("eth_sendRawTransaction", Read, "spreads a signed transaction", &["transaction"]),
    method("eth_syncing", Read, "whether the upstream is behind", &[]),
];

const fn method(
    name: &'static str,
    kind: MethodKind,
    summary: &'static str,
    params: &'static [&'static str],
) -> Method {
    Method { name, summary, params, kind }
}
