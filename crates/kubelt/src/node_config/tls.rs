//! `[tls]`: where the node ends TLS itself, and whose certificates it shows.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use crate::tls::{AcmeConfig, CertificateFiles, Way};

/// `[tls]`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsFile {
    /// Address to listen on for TLS.
    listen: Option<SocketAddr>,
    /// The port of https that plain HTTP is sent on to, for names that have a certificate.
    redirect_port: Option<u16>,
    /// The operator's own certificates.
    certificates: Vec<CertificateFile>,
    /// The directory of the authority that issues certificates for hosts of cores and the node's own names.
    acme_directory: Option<String>,
    /// Whom the authority may write to.
    acme_contact: Option<String>,
    /// Roots of the authority's own certificate, as PEM.
    acme_root: Option<PathBuf>,
    /// How the node proves that it is at a name.
    acme_challenges: Option<Vec<WayFile>>,
}

/// One of `certificates`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateFile {
    cert: PathBuf,
    key: PathBuf,
    #[serde(default)]
    names: Vec<String>,
}

/// One of `acme_challenges`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum WayFile {
    #[serde(rename = "http-01")]
    Http,
    #[serde(rename = "tls-alpn-01")]
    Tls,
}

/// How a node ends TLS.
#[derive(Debug)]
pub(crate) struct TlsConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) redirect_port: Option<u16>,
    pub(crate) files: Vec<CertificateFiles>,
    pub(crate) acme: Option<AcmeConfig>,
}

impl TlsFile {
    pub(super) fn resolve(self) -> Result<Option<TlsConfig>> {
        let Some(listen) = self.listen else {
            ensure!(
                self == Self::default(),
                "`[tls]` says nothing of where to `listen`, as in `listen = \"0.0.0.0:443\"`"
            );
            return Ok(None);
        };
        let files = self.certificates.into_iter();
        let files = files.map(|CertificateFile { cert, key, names }| CertificateFiles { cert, key, names });
        let acme = match self.acme_directory {
            Some(directory) => {
                ensure!(directory.starts_with("https://"), "`acme_directory` is no URL of https");
                let ways = match self.acme_challenges.as_deref() {
                    None => vec![Way::Tls, Way::Http],
                    Some([]) => bail!(
                        "`acme_challenges` names none; leave it out, or name `http-01` or `tls-alpn-01`"
                    ),
                    Some(ways) => ways.iter().map(|way| (*way).into()).collect(),
                };
                let contact = self.acme_contact.map(|contact| match contact.contains(':') {
                    true => contact,
                    false => format!("mailto:{contact}"),
                });
                Some(AcmeConfig { directory, contact, root: self.acme_root, ways })
            }
            None => {
                let is_told =
                    self.acme_contact.is_some() || self.acme_root.is_some() || self.acme_challenges.is_some();
                ensure!(!is_told, "no authority is asked without `acme_directory`");
                None
            }
        };
        Ok(Some(TlsConfig { listen, redirect_port: self.redirect_port, files: files.collect(), acme }))
    }
}

impl From<WayFile> for Way {
    fn from(file: WayFile) -> Self {
        match file {
            WayFile::Http => Self::Http,
            WayFile::Tls => Self::Tls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TlsFile;
    use crate::tls::Way;

    fn read(text: &str) -> anyhow::Result<Option<super::TlsConfig>> {
        toml::from_str::<TlsFile>(text)?.resolve()
    }

    #[test]
    fn a_node_ends_tls_only_where_it_is_told_to_listen() {
        assert!(read("").expect("nothing").is_none());
        let listen = "listen = '127.0.0.1:0'\n";
        let config = read(listen).expect("is read").expect("listens");
        assert!(config.acme.is_none() && config.files.is_empty() && config.redirect_port.is_none());
        let whole = format!(
            "{listen}redirect_port = 443\nacme_directory = 'https://ca.example/dir'\nacme_contact = 'a@b.example'\n\
             [[certificates]]\ncert = 'a.pem'\nkey = 'b.pem'\n"
        );
        let config = read(&whole).expect("is read").expect("listens");
        let acme = config.acme.expect("an authority");
        assert_eq!(
            (acme.contact.as_deref(), acme.ways),
            (Some("mailto:a@b.example"), vec![Way::Tls, Way::Http])
        );
        assert_eq!(config.files.len(), 1);
        for bad in [
            "redirect_port = 443",
            &format!("{listen}acme_contact = 'a@b.example'"),
            &format!("{listen}acme_directory = 'http://ca.example'"),
            &format!("{listen}acme_directory = 'https://ca.example'\nacme_challenges = []"),
            &format!("{listen}acme_directory = 'https://ca.example'\nacme_challenges = ['dns-01']"),
            &format!("{listen}[[certificates]]\ncert = 'a.pem'"),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
