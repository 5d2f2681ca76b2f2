//! What a contract gives out, asked of the contract itself.

use kubelt_core::schema::{BlockTag, ContractName, TokenKind};

use crate::{
    chains::{Chains, ContractCall},
    limits::CONTRACT_ANSWERS_TIME_MAX,
};

/// `supportsInterface(bytes4)` (EIP-165).
const SUPPORTS: [u8; 4] = [0x01, 0xff, 0xc9, 0xa7];
/// What EIP-165 has every contract of it deny.
const NO_INTERFACE: [u8; 4] = [0xff; 4];
const ERC721: [u8; 4] = [0x80, 0xac, 0x58, 0xcd];
const ERC1155: [u8; 4] = [0xd9, 0xb6, 0x7a, 0x26];
/// `totalSupply()` and `balanceOf(address)`, of which EIP-20 has both.
const TOTAL_SUPPLY: [u8; 4] = [0x18, 0x16, 0x0d, 0xdd];
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];

/// What the contract of a name gives out; none within where it is no contract of tokens, and none at all where its chain
/// gives no answer.
pub(crate) async fn kind_of(chains: &Chains, name: &ContractName) -> Option<Option<TokenKind>> {
    let call = |data: Vec<u8>| ContractCall { to: name.contract, data, word: 0 };
    let supports = |id: [u8; 4]| call([&SUPPORTS[..], &id, &[0; 28]].concat());
    let calls = [
        supports(SUPPORTS),
        supports(NO_INTERFACE),
        supports(ERC721),
        supports(ERC1155),
        call(TOTAL_SUPPLY.to_vec()),
        call([&BALANCE_OF[..], &[0; 31], &[1]].concat()),
    ];
    let asking = chains.call(name.chain, BlockTag::Latest, &calls);
    let answers = tokio::time::timeout(CONTRACT_ANSWERS_TIME_MAX, asking).await.ok().flatten()?;
    let words: [Option<[u8; 32]>; 6] = answers.words.try_into().ok()?;
    let [speaks, denies, is_721, is_1155, supply, balance] = words;
    let says = |word: Option<[u8; 32]>, said: u8| {
        let word = word.as_ref().and_then(|word| word.split_last());
        word.is_some_and(|(last, before)| *last == said && before.iter().all(|byte| *byte == 0))
    };
    let knows_165 = says(speaks, 1) && says(denies, 0);
    Some(match (knows_165 && says(is_721, 1), knows_165 && says(is_1155, 1)) {
        (true, false) => Some(TokenKind::Erc721),
        (false, true) => Some(TokenKind::Erc1155),
        // It says to be both: whoever made it has to say who passes.
        (true, true) => None,
        (false, false) => (supply.is_some() && balance.is_some()).then_some(TokenKind::Erc20),
    })
}
