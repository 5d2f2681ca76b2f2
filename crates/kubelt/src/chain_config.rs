//! Settings of chains: whom a node asks about them, and where the names (ENS) are.

use std::collections::BTreeMap;

use anyhow::Context as _;
use kubelt_chain::{ChainConfig, Ens, EnsConfig, Upstreams};
use kubelt_core::Account;
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

/// `[ens]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EnsFile {
    /// The chain of the registry; Ethereum's main chain where absent.
    chain: Option<u64>,
    /// The registry's address; the one of Ethereum where absent.
    registry: Option<String>,
}

/// Who is asked about chains.
#[derive(Debug)]
pub(crate) struct ChainsConfig {
    pub(crate) upstreams: Upstreams,
    /// The name service, where its chain is among them.
    pub(crate) ens: Option<Ens>,
}

/// The chains described by their EIP-155 ids, and the names on one of them.
pub(crate) fn chains(files: BTreeMap<String, ChainFile>, ens: &EnsFile) -> anyhow::Result<ChainsConfig> {
    let upstreams = upstreams(files)?;
    let registry = ens.registry.as_deref().map(Account::evm_address).transpose();
    let registry = registry.context("`registry` under `[ens]` is no address")?;
    let ens = Ens::new(&upstreams, &EnsConfig { chain: ens.chain, registry })?;
    Ok(ChainsConfig { upstreams, ens })
}

fn upstreams(files: BTreeMap<String, ChainFile>) -> anyhow::Result<Upstreams> {
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
    use super::{EnsFile, chains, upstreams};

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

    #[test]
    fn names_are_looked_up_where_their_chain_is_known() {
        let read = |files: &str, ens: &str| {
            let files = toml::from_str(files).expect("is TOML of the right form");
            chains(files, &toml::from_str::<EnsFile>(ens).expect("is TOML of the right form"))
        };
        let main = "[1]\nurls = ['https://a.example']";
        let other = "[10]\nurls = ['https://a.example']";
        let registry = "registry = '0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e'";
        for (files, ens, looks_up) in [
            (main, "", true),
            ("", "", false),
            (other, "", false),
            (other, "chain = 10", true),
            (main, registry, true),
        ] {
            assert_eq!(read(files, ens).expect("good settings").ens.is_some(), looks_up, "{files} {ens}");
        }
        for (files, ens) in [(main, "chain = 10"), ("", "chain = 1"), (main, "registry = '0x00'")] {
            assert!(read(files, ens).is_err(), "{files} {ens}");
        }
    }
}
