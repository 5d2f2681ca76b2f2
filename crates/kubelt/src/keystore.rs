//! Development wallets: private keys in encrypted files that only the owner can read.
//!
//! Files are Web3 Secret Storage version 3, which other wallets read and write too. A node never sees them: only
//! the command line opens a wallet, to sign in. Start at [`Wallets`]; the format itself is in [`secret_storage`].

mod device_keys;
mod passphrase;
mod secret_storage;
mod wallet;

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub(crate) use device_keys::{DeviceKeys, KeptKey};
pub(crate) use passphrase::Passphrase;
pub(crate) use secret_storage::SecretStorageError;
use secret_storage::{ScryptCost, SecretStorage};
pub(crate) use wallet::{KeyError, Wallet};

use crate::private_file::write_new_private;

/// Longest name of a wallet.
const NAME_BYTES_MAX: usize = 64;
/// Largest keystore file that is read; real ones have some 500 bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The directory that holds a person's wallets, one file each.
#[derive(Debug, Clone)]
pub(crate) struct Wallets {
    dir: PathBuf,
    cost: ScryptCost,
}

/// Why a wallet was not made, read or listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalletsError {
    /// A wallet of this name is there already. Nothing is ever overwritten.
    #[error("there is a wallet `{0}` already; choose another name")]
    Exists(WalletName),
    /// There is no wallet of this name.
    #[error("there is no wallet `{0}`; make it with `kubelt wallet new {0}`")]
    Missing(WalletName),
    /// A file or the directory could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The wallet's file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file that is no keystore, or that this passphrase does not open.
    #[error("cannot open the keystore `{}`", path.display())]
    Keystore { path: PathBuf, source: SecretStorageError },
    /// The key to import is none.
    #[error("cannot import this key")]
    Key(#[from] KeyError),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Entropy(#[from] getrandom::Error),
}

impl Wallets {
    /// Wallets in `dir`, which is created with the first of them.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), cost: ScryptCost::DEFAULT }
    }

    /// Makes a wallet with a new key from the operating system's randomness.
    pub(crate) fn create(&self, name: &WalletName, passphrase: &Passphrase) -> Result<Wallet, WalletsError> {
        let wallet = Wallet::random()?;
        self.save(name, &wallet, passphrase)?;
        Ok(wallet)
    }

    /// Makes a wallet of a private key: 64 hex digits, with or without `0x`.
    pub(crate) fn import_key(
        &self,
        name: &WalletName,
        hex: &str,
        passphrase: &Passphrase,
    ) -> Result<Wallet, WalletsError> {
        let wallet = hex.parse::<Wallet>()?;
        self.save(name, &wallet, passphrase)?;
        Ok(wallet)
    }

    /// Takes in a keystore file of another wallet program, after opening it with its passphrase. It keeps its
    /// passphrase and whatever else that program put in.
    pub(crate) fn import_keystore(
        &self,
        name: &WalletName,
        file: &Path,
        passphrase: &Passphrase,
    ) -> Result<Wallet, WalletsError> {
        let mut keystore = read_keystore(file)?;
        let wallet = open(&keystore, passphrase, file)?;
        // Without an address nobody could tell later that the file was changed.
        keystore.set_address(wallet.address());
        self.write_new(name, &keystore)?;
        Ok(wallet)
    }

    /// Opens a wallet for signing.
    pub(crate) fn open(&self, name: &WalletName, passphrase: &Passphrase) -> Result<Wallet, WalletsError> {
        open(&self.read(name)?, passphrase, &self.path(name))
    }

    /// The address that a wallet's file claims, which takes no passphrase. Opening the wallet checks it.
    pub(crate) fn address(&self, name: &WalletName) -> Result<Option<[u8; 20]>, WalletsError> {
        Ok(self.read(name)?.address())
    }

    /// Names of all wallets, in order.
    pub(crate) fn names(&self) -> Result<Vec<WalletName>, WalletsError> {
        let failed = |source| WalletsError::Read { path: self.dir.clone(), source };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name();
            let stem = file.to_str().and_then(|file| file.strip_suffix(".json"));
            names.extend(stem.and_then(|stem| stem.parse::<WalletName>().ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Where a wallet's file is.
    pub(crate) fn path(&self, name: &WalletName) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    fn save(&self, name: &WalletName, wallet: &Wallet, passphrase: &Passphrase) -> Result<(), WalletsError> {
        let keystore = SecretStorage::seal(wallet, passphrase, self.cost)?;
        self.write_new(name, &keystore)
    }

    fn read(&self, name: &WalletName) -> Result<SecretStorage, WalletsError> {
        match read_keystore(&self.path(name)) {
            Err(WalletsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(WalletsError::Missing(name.clone()))
            }
            result => result,
        }
    }

    /// Writes a wallet's file whole or not at all, and never over another.
    fn write_new(&self, name: &WalletName, keystore: &SecretStorage) -> Result<(), WalletsError> {
        let path = self.path(name);
        write_new_private(&path, keystore.to_json().as_bytes()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => WalletsError::Exists(name.clone()),
            _ => WalletsError::Write { path, source },
        })
    }
}

fn read_keystore(path: &Path) -> Result<SecretStorage, WalletsError> {
    let mut json = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut json))
        .map_err(|source| WalletsError::Read { path: path.to_owned(), source })?;
    let keystore = if json.len() as u64 > FILE_BYTES_MAX {
        Err(SecretStorageError::TooLarge { bytes_max: FILE_BYTES_MAX })
    } else {
        SecretStorage::from_json(&json)
    };
    keystore.map_err(|source| WalletsError::Keystore { path: path.to_owned(), source })
}

fn open(keystore: &SecretStorage, passphrase: &Passphrase, path: &Path) -> Result<Wallet, WalletsError> {
    let failed = |source| WalletsError::Keystore { path: path.to_owned(), source };
    keystore.open(passphrase).map_err(failed)
}

/// What a wallet is called on this machine: lower-case letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WalletName(String);

/// Text that cannot name a wallet.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` cannot name a wallet; use lower-case letters, digits, `-` and `_`, beginning with a letter or digit, \
     {NAME_BYTES_MAX} at the most"
)]
pub(crate) struct WalletNameError(String);

impl FromStr for WalletName {
    type Err = WalletNameError;

    fn from_str(name: &str) -> Result<Self, WalletNameError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let begins_well = name.bytes().next().is_some_and(plain);
        if begins_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(|b| plain(b) || b"-_".contains(&b))
        {
            Ok(Self(name.to_owned()))
        } else {
            Err(WalletNameError(name.chars().take(NAME_BYTES_MAX).collect()))
        }
    }
}

impl fmt::Display for WalletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
