//! The directory in which the command line keeps what it knows: wallets, and a session for each node.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::client::NodeUrl;
use crate::private_file::{create_private_dir, write_private};

/// Version of the file of sessions.
const SESSIONS_VERSION: u32 = 1;

/// The directory; it and everything in it is for its owner only.
#[derive(Debug, Clone)]
pub(crate) struct ConfigDir {
    dir: PathBuf,
}

/// A session as this machine remembers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredSession {
    /// The session's id.
    pub(crate) id: String,
    /// Bearer token.
    pub(crate) token: String,
    /// The account that signed in.
    pub(crate) account: String,
    /// The id of its private core.
    pub(crate) core: String,
    /// Where that core is on the node: `/@0x…`.
    pub(crate) path: String,
    /// When the session ends (RFC 3339).
    pub(crate) expires: String,
    /// The wallet that signed in.
    pub(crate) wallet: String,
    /// The id of the core that it signed in through, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) within: Option<String>,
    /// Shared cores that the session covers, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cores: Vec<StoredCore>,
}

/// A shared core that a session covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCore {
    /// Its name in the private core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its id.
    pub(crate) core: String,
}

/// Why the directory could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigDirError {
    /// Nothing says where it is.
    #[error(
        "there is no home directory to keep wallets and sessions in; name a directory with `--config-dir`"
    )]
    Nowhere,
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The file is not one that this program wrote.
    #[error("`{}` is damaged; remove it and sign in again with `kubelt login`", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    /// The file was written by a later version.
    #[error("`{}` was written by a later kubelt (version {version}); use that one", path.display())]
    Version { path: PathBuf, version: u32 },
}

#[derive(Debug, Serialize, Deserialize)]
struct SessionsFile {
    version: u32,
    sessions: BTreeMap<String, StoredSession>,
}

impl ConfigDir {
    /// `given`, or `kubelt` below the user's own directory for settings.
    pub(crate) fn find(given: Option<PathBuf>) -> Result<Self, ConfigDirError> {
        let below = |base: PathBuf| base.join("kubelt");
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let dir = given
            .or_else(|| set("XDG_CONFIG_HOME").map(below))
            .or_else(|| env::home_dir().map(|home| below(home.join(".config"))))
            .ok_or(ConfigDirError::Nowhere)?;
        Ok(Self { dir })
    }

    /// Where wallets are.
    pub(crate) fn wallets(&self) -> PathBuf {
        self.dir.join("wallets")
    }

    /// Where the keys of this device are.
    pub(crate) fn device_keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// Where files are made before they are sent.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.join("scratch")
    }

    /// The session at a node.
    pub(crate) fn session(&self, node: &NodeUrl) -> Result<Option<StoredSession>, ConfigDirError> {
        Ok(self.read_sessions()?.sessions.remove(node.as_str()))
    }

    /// Remembers the session at a node in place of an older one.
    pub(crate) fn remember(&self, node: &NodeUrl, session: StoredSession) -> Result<(), ConfigDirError> {
        let mut file = self.read_sessions()?;
        file.sessions.insert(node.as_str().to_owned(), session);
        self.write_sessions(&file)
    }

    /// Forgets the session at a node.
    pub(crate) fn forget(&self, node: &NodeUrl) -> Result<(), ConfigDirError> {
        let mut file = self.read_sessions()?;
        if file.sessions.remove(node.as_str()).is_some() {
            self.write_sessions(&file)?;
        }
        Ok(())
    }

    fn sessions_path(&self) -> PathBuf {
        self.dir.join("sessions.json")
    }

    fn read_sessions(&self) -> Result<SessionsFile, ConfigDirError> {
        let path = self.sessions_path();
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(SessionsFile { version: SESSIONS_VERSION, sessions: BTreeMap::new() });
            }
            Err(source) => return Err(ConfigDirError::Read { path, source }),
        };
        match serde_json::from_slice::<SessionsFile>(&json) {
            Ok(file) if file.version > SESSIONS_VERSION => {
                Err(ConfigDirError::Version { path, version: file.version })
            }
            Ok(file) => Ok(file),
            Err(source) => Err(ConfigDirError::Damaged { path, source }),
        }
    }

    /// Writes the file whole or not at all.
    fn write_sessions(&self, file: &SessionsFile) -> Result<(), ConfigDirError> {
        let path = self.sessions_path();
        let fresh = self.dir.join(format!(".sessions.{}", std::process::id()));
        let mut json = serde_json::to_vec_pretty(file).expect("text is always JSON");
        json.push(b'\n');
        create_private_dir(&self.dir)
            .and_then(|()| write_private(&fresh, &json))
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|source| ConfigDirError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigDir, ConfigDirError, StoredSession};

    fn session(token: &str) -> StoredSession {
        StoredSession {
            id: "bafyid".to_owned(),
            token: token.to_owned(),
            account: "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f".to_owned(),
            core: "bafycore".to_owned(),
            path: "/@0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f".to_owned(),
            expires: "2026-11-23T00:00:00Z".to_owned(),
            wallet: "main".to_owned(),
            within: None,
            cores: Vec::new(),
        }
    }

    fn config() -> (tempfile::TempDir, ConfigDir) {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let config = ConfigDir::find(Some(dir.path().join("kubelt"))).expect("it was given");
        (dir, config)
    }

    #[test]
    fn each_node_has_its_own_session() {
        let (_dir, config) = config();
        let here = "http://127.0.0.1:4747".parse().expect("a URL");
        let there = "https://example.org".parse().expect("a URL");
        assert!(config.session(&here).expect("no file is no session").is_none());
        config.remember(&here, session("a")).expect("it can be written");
        config.remember(&there, session("b")).expect("it can be written");
        config.remember(&here, session("c")).expect("it can be written");
        config.forget(&there).expect("it can be written");
        assert_eq!(config.session(&here).expect("it can be read").expect("it is there").token, "c");
        assert!(config.session(&there).expect("it can be read").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn tokens_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, config) = config();
        config
            .remember(&"http://127.0.0.1:1".parse().expect("a URL"), session("a"))
            .expect("it can be written");
        let mode = |path| std::fs::metadata(path).expect("it was written").permissions().mode() & 0o777;
        assert_eq!(mode(config.sessions_path()), 0o600);
        assert_eq!(mode(config.dir.clone()), 0o700);
    }

    #[test]
    fn files_that_are_damaged_or_of_a_later_version_are_left_alone() {
        let (_dir, config) = config();
        let node = "http://127.0.0.1:1".parse().expect("a URL");
        config.remember(&node, session("a")).expect("it can be written");
        std::fs::write(config.sessions_path(), "{").expect("it can be written");
        assert!(matches!(config.remember(&node, session("b")), Err(ConfigDirError::Damaged { .. })));
        std::fs::write(config.sessions_path(), r#"{"version":2,"sessions":{}}"#).expect("it can be written");
        assert!(matches!(config.session(&node), Err(ConfigDirError::Version { version: 2, .. })));
    }
}
