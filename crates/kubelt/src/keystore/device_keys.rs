//! Secret keys of this device, by which sealed content is opened: files like those of wallets, one for each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kubelt_sealed::{DeviceSecret, PublicKey};
use serde::{Deserialize, Serialize};

use super::{Passphrase, SecretStorage, SecretStorageError, WalletsError, read_keystore, secret_storage};
use crate::private_file::write_new_private;

/// Where a file says whose key it is.
const NOTE: &str = "kubelt";

/// The directory that holds the keys of this device, by account.
#[derive(Debug, Clone)]
pub(crate) struct DeviceKeys {
    dir: PathBuf,
    cost: secret_storage::ScryptCost,
}

/// A key that is kept here, encrypted.
#[derive(Debug, Clone)]
pub(crate) struct KeptKey {
    pub(crate) account: String,
    pub(crate) device: String,
    pub(crate) key: PublicKey,
    path: PathBuf,
}

/// Why a key was not made, read or listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceKeysError {
    /// A file or the directory could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file could not be written. Nothing is ever overwritten.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file that is no key, or that this passphrase does not open.
    #[error("cannot open the key `{}`", path.display())]
    Keystore { path: PathBuf, source: SecretStorageError },
    /// A file of another kind, or one that was changed.
    #[error("`{}` is no key of a device, or was changed", path.display())]
    Altered { path: PathBuf },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Entropy(#[from] getrandom::Error),
}

/// What stands beside the secret.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    account: String,
    device: String,
    x25519: String,
}

impl DeviceKeys {
    /// Keys in `dir`, which is created with the first of them.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), cost: secret_storage::ScryptCost::DEFAULT }
    }

    /// Every key that is kept here.
    pub(crate) fn all(&self) -> Result<Vec<KeptKey>, DeviceKeysError> {
        let mut keys = Vec::new();
        for account in entries(&self.dir)? {
            for path in entries(&account)? {
                let is_key = path.extension().is_some_and(|extension| extension == "json");
                if is_key {
                    keys.push(read(&path)?.1);
                }
            }
        }
        keys.sort_by(|a, b| (&a.account, &a.device).cmp(&(&b.account, &b.device)));
        Ok(keys)
    }

    /// Keeps a key under a passphrase.
    pub(crate) fn save(
        &self,
        account: &str,
        device: &str,
        secret: &DeviceSecret,
        passphrase: &Passphrase,
    ) -> Result<KeptKey, DeviceKeysError> {
        let mut sealed = SecretStorage::seal_secret(secret.as_bytes(), passphrase, self.cost)?;
        let key = secret.public();
        let note = Note {
            account: account.to_owned(),
            device: device.to_owned(),
            x25519: hex::encode(key.as_x25519().expect("a device's key is of this kind")),
        };
        sealed.set_note(NOTE, serde_json::to_value(&note).expect("texts are always JSON"));
        let path = self.dir.join(account).join(format!("{device}.json"));
        write_new_private(&path, sealed.to_json().as_bytes())
            .map_err(|source| DeviceKeysError::Write { path: path.clone(), source })?;
        Ok(KeptKey { account: note.account, device: note.device, key, path })
    }
}

impl KeptKey {
    /// Decrypts it.
    pub(crate) fn open(&self, passphrase: &Passphrase) -> Result<DeviceSecret, DeviceKeysError> {
        let (sealed, _) = read(&self.path)?;
        let failed = |source| DeviceKeysError::Keystore { path: self.path.clone(), source };
        let secret = DeviceSecret::from_bytes(*sealed.open_secret(passphrase).map_err(failed)?);
        match secret.public() == self.key {
            true => Ok(secret),
            false => Err(DeviceKeysError::Altered { path: self.path.clone() }),
        }
    }
}

fn read(path: &Path) -> Result<(SecretStorage, KeptKey), DeviceKeysError> {
    let sealed = read_keystore(path).map_err(|error| match error {
        WalletsError::Keystore { path, source } => DeviceKeysError::Keystore { path, source },
        WalletsError::Read { path, source } => DeviceKeysError::Read { path, source },
        _ => DeviceKeysError::Altered { path: path.to_owned() },
    })?;
    let read = || {
        let note: Note = serde_json::from_value(sealed.note(NOTE)?.clone()).ok()?;
        let bytes = hex::decode(&note.x25519).ok()?.try_into().ok()?;
        let key = PublicKey::x25519(bytes).ok()?;
        Some(KeptKey { account: note.account, device: note.device, key, path: path.to_owned() })
    };
    let kept = read().ok_or_else(|| DeviceKeysError::Altered { path: path.to_owned() })?;
    Ok((sealed, kept))
}

/// What is in a directory; nothing where there is none.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DeviceKeysError> {
    let failed = |source| DeviceKeysError::Read { path: dir.to_owned(), source };
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use kubelt_sealed::{DeviceSecret, Entropy};

    use super::{DeviceKeys, DeviceKeysError};
    use crate::keystore::{Passphrase, secret_storage::ScryptCost};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).expect("not empty")
    }

    #[test]
    fn a_key_comes_back_with_its_passphrase_alone() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let keys = DeviceKeys { dir: dir.path().join("keys"), cost: ScryptCost::WEAK };
        assert!(keys.all().expect("no directory is no key").is_empty());
        let secret = DeviceSecret::random(&mut Entropy::new(&[1; 32]));
        let kept = keys.save("0xaa", "laptop", &secret, &passphrase("right")).expect("can be written");
        assert!(keys.save("0xaa", "laptop", &secret, &passphrase("right")).is_err(), "never overwritten");
        let listed = keys.all().expect("can be read");
        assert_eq!((listed.len(), &*listed[0].account, &*listed[0].device), (1, "0xaa", "laptop"));
        assert_eq!(listed[0].key, secret.public());
        assert_eq!(kept.open(&passphrase("right")).expect("opens").as_bytes(), secret.as_bytes());
        assert!(matches!(kept.open(&passphrase("wrong")), Err(DeviceKeysError::Keystore { .. })));
        let other = hex::encode(DeviceSecret::from_bytes([2; 32]).public().as_x25519().expect("one"));
        let ours = hex::encode(secret.public().as_x25519().expect("one"));
        let text = std::fs::read_to_string(&kept.path).expect("is there");
        std::fs::write(&kept.path, text.replace(&ours, &other)).expect("can be written");
        let listed = keys.all().expect("can be read");
        assert!(matches!(listed[0].open(&passphrase("right")), Err(DeviceKeysError::Altered { .. })));
    }
}
