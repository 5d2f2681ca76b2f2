//! Certificates that the operator gives as files, read again when they change.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

use super::{Shelf, certificate::Certificate};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    /// The chain, the own certificate first.
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// For which of its names it is shown; for all where none is given.
    pub(crate) names: Vec<String>,
}

/// Files to be read, and how they were when they were read last.
#[derive(Debug)]
pub(super) struct Files {
    all: Vec<CertificateFiles>,
    seen: Vec<Option<SystemTime>>,
    shelf: Shelf,
}

impl Shelf {
    /// Shows what the files hold, now and whenever one has changed. Files that cannot be read any more leave what there is.
    pub(crate) fn read_files(&self, all: Vec<CertificateFiles>) -> Result<()> {
        let mut files = Files { all, seen: Vec::new(), shelf: self.clone() };
        files.read()?;
        if !files.all.is_empty() {
            tokio::spawn(files.keep_up());
        }
        Ok(())
    }
}

impl Files {
    async fn keep_up(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looking = tokio::task::spawn_blocking(move || {
                if self.stamps() != self.seen
                    && let Err(error) = self.read()
                {
                    tracing::error!("the certificates stay as they were: {error:#}");
                }
                self
            });
            self = looking.await.expect("reading certificates does not panic");
        }
    }

    fn read(&mut self) -> Result<()> {
        self.seen = self.stamps();
        let all = self.all.iter().map(read).collect::<Result<Vec<_>>>()?;
        self.shelf.give(all);
        Ok(())
    }

    fn stamps(&self) -> Vec<Option<SystemTime>> {
        let paths = self.all.iter().flat_map(|files| [&files.cert, &files.key]);
        paths.map(|path| fs::metadata(path).ok()?.modified().ok()).collect()
    }
}

fn read(files: &CertificateFiles) -> Result<Certificate> {
    let bytes =
        |path: &PathBuf| fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()));
    let certificate = Certificate::read(&bytes(&files.cert)?, &bytes(&files.key)?);
    let mut certificate =
        certificate.with_context(|| format!("the certificate `{}` is refused", files.cert.display()))?;
    if !files.names.is_empty() {
        for name in &files.names {
            let is_named = certificate.names.iter().any(|own| own.eq_ignore_ascii_case(name));
            ensure!(is_named, "the certificate `{}` is not for `{name}`", files.cert.display());
        }
        certificate.names = files.names.iter().map(|name| name.to_ascii_lowercase()).collect();
    }
    Ok(certificate)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use kubelt_http::Certificates as _;
    use kubelt_net::NodeCertificates;
    use kubelt_node::{Node, SystemClock};
    use kubelt_store::{Options, Store};
    use rcgen::{CertificateParams, KeyPair};
    use tokio_rustls::rustls::sign::CertifiedKey;

    use super::{CertificateFiles, Files};
    use crate::tls::Shelf;

    fn write(dir: &Path, names: &[&str]) -> CertificateFiles {
        let key = KeyPair::generate().expect("a key");
        let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = CertificateParams::new(all).expect("names").self_signed(&key).expect("a certificate");
        let [cert, own] = ["cert.pem", "key.pem"].map(|name| dir.join(name));
        fs::write(&cert, made.pem()).expect("written");
        fs::write(&own, key.serialize_pem()).expect("written");
        CertificateFiles { cert, key: own, names: Vec::new() }
    }

    fn first(key: Option<Arc<CertifiedKey>>) -> Option<Vec<u8>> {
        key.map(|key| key.cert[0].to_vec())
    }

    #[tokio::test]
    async fn what_the_files_hold_is_shown_until_they_hold_something_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
        let own = ["a.example", "c.example"].map(str::to_owned).to_vec();
        let shelf = Shelf::new(node.host_names.clone(), own);
        let given = write(dir.path(), &["a.example", "*.b.example"]);
        let mut files = Files { all: vec![given.clone()], seen: Vec::new(), shelf: shelf.clone() };
        assert_eq!(first(shelf.find(Some("a.example"))), None);
        files.read().expect("read");
        let one = first(shelf.find(Some("a.example")));
        assert!(one.is_some());
        for (name, expected) in [
            (Some("x.b.example"), &one),
            (None, &one),
            (Some("b.example"), &None),
            (Some("x.y.b.example"), &None),
            (Some("c.example"), &None),
        ] {
            assert_eq!(&first(shelf.find(name)), expected, "{name:?}");
        }
        let own = NodeCertificates::own(&shelf);
        assert_eq!(own, [("a.example".to_owned(), true), ("c.example".to_owned(), false)]);
        // Another certificate in the same place.
        write(dir.path(), &["a.example"]);
        files.read().expect("read");
        let other = first(shelf.find(Some("a.example")));
        assert!(other.is_some() && other != one);
        assert_eq!(first(shelf.find(Some("x.b.example"))), None);
        // What cannot be read leaves what there is; so does a key without its certificate.
        fs::write(&given.cert, "nonsense").expect("written");
        assert!(files.read().is_err());
        write(&dir.path().join("."), &["a.example"]);
        fs::write(&given.key, KeyPair::generate().expect("a key").serialize_pem()).expect("written");
        assert!(files.read().is_err());
        assert_eq!(first(shelf.find(Some("a.example"))), other);
        // A certificate is not shown for what it is not for.
        let wrong = write(dir.path(), &["a.example"]);
        files.all = vec![CertificateFiles { names: vec!["b.example".to_owned()], ..wrong }];
        assert!(files.read().is_err());
    }
}
