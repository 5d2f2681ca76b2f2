//! The methods of a wallet face. What is not listed is not passed on to anybody.

use super::{
    MethodKind::{self, Own, Read, Sign, Socket},
    Param,
    Shape::{
        Address, Any, Block, BlockRef, Bundle, Bytes, Calls, Capabilities, ChainName, Count, Filter, Flag,
        Found, Hash, List, Message, Nothing, Object, Quantity, Text, Transaction, TypedData, Wanted,
    },
    WalletMethod,
};

/// Every method, but those of cores.
pub(super) const METHODS: &[WalletMethod] = &[
    method("eth_accounts", Own, "the core's EVM account", &[], List),
    method("eth_requestAccounts", Own, "the same", &[], List),
    method("eth_chainId", Own, "the chain that this address is of", &[], Quantity),
    method("net_version", Own, "the same, in decimals", &[], Text),
    method("web3_clientVersion", Own, "what answers", &[], Text),
    method(
        "wallet_switchEthereumChain",
        Own,
        "says where another chain is",
        &[takes("chain", ChainName)],
        Nothing,
    ),
    method(
        "wallet_getCapabilities",
        Own,
        "what the wallet can do beyond single transactions",
        &[may("address", Address), may("chains", List)],
        Capabilities,
    ),
    method(
        "wallet_sendCalls",
        Own,
        "asks the signers to send several transactions",
        &[takes("calls", Calls)],
        Bundle,
    ),
    method("wallet_getCallsStatus", Own, "what became of them", &[takes("id", Text)], Object),
    method(
        "personal_sign",
        Sign,
        "asks the signers to sign a message",
        &[takes("message", Message), takes("address", Address)],
        Bytes,
    ),
    method(
        "eth_signTypedData_v4",
        Sign,
        "asks the signers to sign typed data",
        &[takes("address", Address), takes("data", TypedData)],
        Bytes,
    ),
    method(
        "eth_sendTransaction",
        Sign,
        "asks the signers to send a transaction",
        &[takes("transaction", Transaction)],
        Hash,
    ),
    method(
        "kb_linkWallet",
        Sign,
        "asks a contract wallet to let this core speak for it",
        &[takes("account", Text)],
        Object,
    ),
    method(
        "eth_subscribe",
        Socket,
        "tells of new blocks or events from now on; over a WebSocket alone",
        &[takes("what", Wanted), may("filter", Filter)],
        Text,
    ),
    method("eth_unsubscribe", Socket, "ends that", &[takes("subscription", Text)], Flag),
    method("eth_blobBaseFee", Read, "the price of blobs", &[], Quantity),
    method("eth_blockNumber", Read, "the height of the newest block", &[], Quantity),
    method("eth_call", Read, "runs a call and forgets it", CALL, Bytes),
    method("eth_createAccessList", Read, "what a transaction touches", ON_BLOCK, Object),
    method("eth_estimateGas", Read, "what a transaction takes", CALL, Quantity),
    method(
        "eth_feeHistory",
        Read,
        "past fees",
        &[takes("blocks", Count), takes("newest", Block), may("percentiles", Any)],
        Object,
    ),
    method("eth_gasPrice", Read, "the price of gas", &[], Quantity),
    method("eth_getBalance", Read, "what an account has", OF_ACCOUNT, Quantity),
    method("eth_getBlockByHash", Read, "a block", &[takes("hash", Hash), takes("transactions", Flag)], Found),
    method(
        "eth_getBlockByNumber",
        Read,
        "a block",
        &[takes("block", Block), takes("transactions", Flag)],
        Found,
    ),
    method("eth_getBlockReceipts", Read, "the receipts of a block", &[takes("block", BlockRef)], Any),
    method("eth_getBlockTransactionCountByHash", Read, "how many a block has", &[takes("hash", Hash)], Any),
    method(
        "eth_getBlockTransactionCountByNumber",
        Read,
        "how many a block has",
        &[takes("block", Block)],
        Any,
    ),
    method("eth_getCode", Read, "an account's code", OF_ACCOUNT, Bytes),
    method("eth_getLogs", Read, "events", &[takes("filter", Object)], Any),
    method(
        "eth_getProof",
        Read,
        "what an account has, with proof",
        &[takes("address", Address), takes("slots", List), takes("block", BlockRef)],
        Object,
    ),
    method(
        "eth_getStorageAt",
        Read,
        "what an account stores",
        &[takes("address", Address), takes("slot", Quantity), takes("block", BlockRef)],
        Bytes,
    ),
    method(
        "eth_getTransactionByBlockHashAndIndex",
        Read,
        "a transaction",
        &[takes("hash", Hash), takes("index", Quantity)],
        Found,
    ),
    method(
        "eth_getTransactionByBlockNumberAndIndex",
        Read,
        "a transaction",
        &[takes("block", Block), takes("index", Quantity)],
        Found,
    ),
    method("eth_getTransactionByHash", Read, "a transaction", &[takes("hash", Hash)], Found),
    method("eth_getTransactionCount", Read, "an account's next nonce", OF_ACCOUNT, Quantity),
    method("eth_getTransactionReceipt", Read, "what became of a transaction", &[takes("hash", Hash)], Found),
    method("eth_maxPriorityFeePerGas", Read, "a tip that is usual", &[], Quantity),
    method(
        "eth_sendRawTransaction",
        Read,
        "spreads a signed transaction",
        &[takes("transaction", Bytes)],
        Hash,
    ),
    method("eth_syncing", Read, "whether the upstream is behind", &[], Any),
    method(
        "kb_wallet",
        Own,
        "what the wallet face is of: the core, its accounts, the chains that can be asked",
        &[],
        Object,
    ),
];

const OF_ACCOUNT: &[Param] = &[takes("address", Address), takes("block", BlockRef)];
const ON_BLOCK: &[Param] = &[takes("transaction", Transaction), may("block", BlockRef)];
const CALL: &[Param] = &[
    takes("transaction", Transaction),
    may("block", BlockRef),
    may("state", Object),
    may("blockOverrides", Object),
];

const fn method(
    name: &'static str,
    kind: MethodKind,
    summary: &'static str,
    params: &'static [Param],
    result: super::Shape,
) -> WalletMethod {
    WalletMethod { name, summary, params, result, kind }
}

const fn takes(name: &'static str, shape: super::Shape) -> Param {
    Param { name, shape, required: true }
}

const fn may(name: &'static str, shape: super::Shape) -> Param {
    Param { name, shape, required: false }
}
