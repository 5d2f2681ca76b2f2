//! Settings of chains: whom a node asks about them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use kubelt_chain::{ChainConfig, Upstreams};
use serde::Deserialize;

/// `[chains.1]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainFile {
    /// Where the chain's JSON-RPC is answered; the first is asked first.
    urls: Vec<String>,
    /// How many of them must say the same of a contract wallet's signature.
    agree: Option<usize>,
    /// How many blocks above another make it final, where the chain does not say so itself.
    confirmations: Option<u64>,
}

/// The chains described by their EIP-155 ids.
pub(crate) fn upstreams(files: BTreeMap<String, ChainFile>) -> anyhow::Result<Upstreams> {
    let config = |(id, file): (String, ChainFile)| {
        let chain = id.parse().ok().with_context(|| format!("`{id}` is no chain id; write `[chains.1]`"))?;
        let ChainFile { urls, agree, confirmations } = file;
        Ok(ChainConfig { chain, urls, agree, confirmations })
    };
    let configs = files.into_iter().map(config).collect::<anyhow::Result<Vec<_>>>()?;
    Upstreams::new(configs).context("the settings under `[chains]` are refused")
}

#[cfg(test)]
mod tests {
    use super::upstreams;

    #[test]
    fn chains_are_named_by_their_ids_and_have_upstreams() {
        let read = |text: &str| upstreams(toml::from_str(text).expect("is TOML of the right form"));
        assert!(read("").is_ok());
        assert!(read("[1]\nurls = ['https://a.example', 'https://b.example']\nagree = 1").is_ok());
        assert!(read("[10]\nurls = ['http://127.0.0.1:8545']\nconfirmations = 64").is_ok());
        for bad in [
            "[mainnet]\nurls = ['https://a.example']",
            "[0]\nurls = ['https://a.example']",
            "[1]\nurls = []",
            "[1]\nurls = ['ws://a.example']",
            "[1]\nurls = ['https://a.example', 'https://a.example']",
            "[1]\nurls = ['https://a.example']\nagree = 2",
            "[1]\nurls = ['https://a.example']\nagree = 0",
            "[1]\nurls = ['https://a.example']\nconfirmations = 1000001",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
