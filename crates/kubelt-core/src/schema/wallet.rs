//! The value of `config/wallets/<account>`: a contract wallet that stands for the core towards programs made for wallets.

use ipld_core::ipld::Ipld;

use super::{
    SchemaError,
    fields::{self, Fields},
};
use crate::{
    account::Account, codec, id::CoreId, limits::SIGNATURE_BYTES_MAX, login::BlockRef, path::MapPath, rfc3339,
};

/// Where the wallets of a core stand in its map.
pub const WALLETS: &str = "config/wallets";

/// A contract wallet, and its word that it is linked to the core: its signature (ERC-1271) of [`LinkedWallet::text`], and
/// the block at which it is to be asked about it. The map says that the core wants the wallet; this says that the wallet
/// wants the core. Nobody can sign for the wallet because of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkedWallet {
    /// The wallet.
    pub account: Account,
    /// When it was linked (RFC 3339), as its signature says.
    pub date: String,
    /// Its signature.
    pub signature: Vec<u8>,
    /// When it is asked.
    pub block: BlockRef,
}

const ACCOUNT: &str = "config/wallets/<a contract wallet, such as `eip155:1:0x…`>";

impl LinkedWallet {
    /// Where a wallet stands in the map; none of what is no contract.
    pub fn path(account: &Account) -> Option<MapPath> {
        let path = matches!(account, Account::Contract { .. }).then(|| format!("{WALLETS}/{account}"))?;
        Some(MapPath::new(path).expect("such an account is a segment"))
    }

    /// Whether a path of the map is one of wallets, or the place above them.
    pub fn is_wallet_path(path: &MapPath) -> bool {
        path.as_str() == WALLETS || path.below(WALLETS).is_some()
    }

    /// What the wallet signs, as a message (EIP-191).
    pub fn text(core: &CoreId, account: &Account, date: &str) -> String {
        format!(
            "Kubelt: link this wallet to a core\n\nThe people of the core may ask the owners of this wallet to sign for it. \
             Nobody else can, and nothing is signed by this.\n\nCore: {core}\nWallet: {account}\nDate: {date}"
        )
    }

    /// When it was linked, in milliseconds since the Unix epoch.
    pub fn at_ms(&self) -> u64 {
        rfc3339::parse(&self.date).and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default()
    }

    /// The text of a date, in milliseconds since the Unix epoch, as it is signed; none of one beyond the calendar.
    pub fn date_of(ms: u64) -> Option<String> {
        rfc3339::format(ms)
    }

    /// Reads the value at `config/wallets/<account>`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn read(path: &MapPath, value: &Ipld) -> Result<Self, SchemaError> {
        let account = path.below(WALLETS).and_then(|text| text.parse::<Account>().ok());
        let account = account.filter(|account| Self::path(account).as_ref() == Some(path));
        let Some(account @ Account::Contract { chain, .. }) = account else {
            return Err(SchemaError::Depth { path: path.to_string(), expected: ACCOUNT });
        };
        let fields = Fields::of(value)?;
        fields.only(&["date", "signature", "block"])?;
        let is_date = |text: &&str| rfc3339::parse(text).is_some_and(|ms| ms >= 0);
        let date = fields.required("date", "a date (RFC 3339)", |value| {
            fields::text(value).filter(is_date).map(str::to_owned)
        })?;
        let signature = fields.required("signature", "the wallet's signature", |value| match value {
            Ipld::Bytes(bytes) => Some(bytes.clone()).filter(|bytes| bytes.len() <= SIGNATURE_BYTES_MAX),
            _ => None,
        })?;
        let block = fields.required("block", "a block of the wallet's chain", |value| {
            let block: BlockRef = codec::decode(&codec::encode(value), BLOCK_BYTES_MAX, "block").ok()?;
            Some(block).filter(|block| block.chain == chain)
        })?;
        Ok(Self { account, date, signature, block })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let BlockRef { chain, number, hash } = &self.block;
        let block = [
            ("chain".to_owned(), Ipld::Integer((*chain).into())),
            ("number".to_owned(), Ipld::Integer((*number).into())),
            ("hash".to_owned(), Ipld::Bytes(hash.to_vec())),
        ];
        let fields = [
            ("date".to_owned(), Ipld::String(self.date.clone())),
            ("signature".to_owned(), Ipld::Bytes(self.signature.clone())),
            ("block".to_owned(), Ipld::Map(block.into())),
        ];
        Ipld::Map(fields.into())
    }
}

/// More than any block takes.
const BLOCK_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;

    use super::LinkedWallet;
    use crate::{Account, BlockRef, Genesis, limits::SIGNATURE_BYTES_MAX, schema};

    fn linked() -> LinkedWallet {
        LinkedWallet {
            account: Account::Contract { chain: 10, address: [7; 20] },
            date: "2027-01-15T08:00:00.000Z".to_owned(),
            signature: vec![1; 130],
            block: BlockRef { chain: 10, number: 5, hash: [5; 32] },
        }
    }

    #[test]
    fn a_wallet_is_read_as_it_was_written() {
        let linked = linked();
        let path = LinkedWallet::path(&linked.account).expect("a contract");
        schema::check(&path, &linked.to_ipld()).expect("fits");
        assert_eq!(LinkedWallet::read(&path, &linked.to_ipld()).expect("is read"), linked);
        assert_eq!(LinkedWallet::date_of(linked.at_ms()), Some(linked.date.clone()));
        let core = Genesis::Private { root: Account::Eoa([1; 20]) }.id();
        let text = LinkedWallet::text(&core, &linked.account, &linked.date);
        for said in [core.to_string(), linked.account.to_string(), linked.date] {
            assert!(text.contains(&said), "{said}");
        }
    }

    #[test]
    fn what_is_no_wallet_is_refused() {
        let good = linked();
        let path = LinkedWallet::path(&good.account).expect("a contract");
        let check = |path: &str, value: &Ipld| schema::check(&path.parse().expect("a path"), value).is_ok();
        for other in [
            "config/wallets",
            "config/wallets/0x0707070707070707070707070707070707070707",
            "config/wallets/eip155:11:0x0707070707070707070707070707070707070707",
            "config/wallets/eip155:10:0x0707070707070707070707070707070707070707/x",
            "config/wallets/eip155:010:0x0707070707070707070707070707070707070707",
        ] {
            assert!(!check(other, &good.to_ipld()), "{other}");
        }
        let Ipld::Map(fields) = good.to_ipld() else { panic!("a map") };
        for (field, bad) in [
            ("date", Ipld::String("today".to_owned())),
            ("date", Ipld::Null),
            ("signature", Ipld::Bytes(vec![0; SIGNATURE_BYTES_MAX + 1])),
            ("signature", Ipld::String("0x".to_owned())),
            ("block", Ipld::Null),
            ("more", Ipld::Null),
        ] {
            let mut fields = fields.clone();
            fields.insert(field.to_owned(), bad);
            assert!(!check(path.as_str(), &Ipld::Map(fields)), "{field}");
        }
        assert_eq!(LinkedWallet::path(&Account::Eoa([7; 20])), None);
    }
}
