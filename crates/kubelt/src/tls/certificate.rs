//! A certificate with its key.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio_rustls::rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::{extensions::GeneralName, prelude::parse_x509_certificate};

/// A certificate that can be shown.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// The names that it is for, in lower case.
    pub(super) names: Vec<String>,
    /// From when it holds, in milliseconds since the Unix epoch.
    pub(super) from_ms: u64,
    /// Until when.
    pub(super) until_ms: u64,
}

impl Certificate {
    /// Reads a chain, the own certificate first, and the key of that, both as PEM.
    pub(super) fn read(chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .context("the certificates are no PEM")?;
        let key = PrivateKeyDer::from_pem_slice(key).context("the key is no PEM of a private key")?;
        let own = chain.first().context("there is no certificate")?;
        let (_, parsed) = parse_x509_certificate(own).context("the first certificate cannot be read")?;
        let named = parsed.subject_alternative_name().ok().flatten();
        let names: Vec<String> = named
            .map(|extension| &extension.value.general_names)
            .into_iter()
            .flatten()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        ensure!(!names.is_empty(), "the certificate names no host");
        let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
        let validity = parsed.validity();
        let (from_ms, until_ms) = (ms(validity.not_before.timestamp()), ms(validity.not_after.timestamp()));
        let key = CertifiedKey::from_der(chain, key, &default_provider())
            .context("the key is not that of the certificate, or of no kind that is known")?;
        Ok(Self { key: Arc::new(key), names, from_ms, until_ms })
    }
}
