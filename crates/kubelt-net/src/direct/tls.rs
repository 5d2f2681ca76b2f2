//! TLS 1.3 with self-signed certificates that carry the node's key, and AES-GCM first: processors have it built in.

use std::sync::Arc;

use kubelt_core::PublicKey;
use kubelt_node::{NodeKey, peer_id, peer_key};
use libp2p::{
    identity::{DecodingError, Keypair},
    tls::certificate::{self, GenError},
};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    ServerConfig, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, cipher_suite},
    },
    pki_types::{CertificateDer, IpAddr, Ipv4Addr, ServerName, UnixTime},
    server::{
        ClientHello, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};

/// What both sides must say they speak.
const ALPN: &[u8] = b"kubelt-replicate/1";

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The node's key is none.
    #[error("the node's key cannot be used for TLS")]
    Key(#[from] DecodingError),
    /// No certificate could be made.
    #[error("no certificate could be made")]
    Certificate(#[from] GenError),
    /// TLS does not take it.
    #[error("TLS does not take the node's certificate")]
    Tls(#[from] rustls::Error),
}

/// The node's certificate, and the settings made of it.
#[derive(Debug)]
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    own: Arc<Own>,
    server: Arc<ServerConfig>,
}

impl Tls {
    pub(super) fn new(key: &NodeKey) -> Result<Self, TlsError> {
        let node = Keypair::ed25519_from_bytes(*key.seed())?;
        let (certificate, key) = certificate::generate(&node)?;
        let signing = aws_lc_rs::sign::any_ecdsa_type(&key)?;
        let own = Arc::new(Own(Arc::new(CertifiedKey::new(vec![certificate], signing))));
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ];
        let provider = Arc::new(provider);
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(Verifier { provider: Arc::clone(&provider), peer: None }))
            .with_cert_resolver(Arc::clone(&own) as _);
        server.alpn_protocols = vec![ALPN.to_vec()];
        // Every connection proves both keys anew.
        server.send_tls13_tickets = 0;
        Ok(Self { provider, own, server: Arc::new(server) })
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Settings that take one peer only.
    pub(super) fn client(&self, peer: &PublicKey) -> Arc<ClientConfig> {
        let verifier = Verifier { provider: Arc::clone(&self.provider), peer: peer_id(peer) };
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the suites are those of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&self.own) as _);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        Arc::new(client)
    }
}

/// The one certificate of this node. (rustls itself refuses to serve it: its extension is a critical one.)
#[derive(Debug)]
struct Own(Arc<CertifiedKey>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The name of a server that has none: it is not sent.
pub(super) fn nameless() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])))
}

/// The node key that the other end has proven. It must speak this protocol, too.
pub(super) fn peer(connection: &CommonState) -> Option<PublicKey> {
    if connection.alpn_protocol() != Some(ALPN) {
        return None;
    }
    let [certificate] = connection.peer_certificates()? else { return None };
    peer_key(&certificate::parse(certificate).ok()?.peer_id().to_string())
}

/// Takes certificates that carry a node's key and its signature; where `peer` is given, only that node's.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    peer: Option<String>,
}

impl Verifier {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        let refused = |error| rustls::Error::InvalidCertificate(error);
        if !more.is_empty() {
            return Err(refused(CertificateError::BadEncoding));
        }
        let parsed =
            certificate::parse(certificate).map_err(|_cause| refused(CertificateError::BadEncoding))?;
        match &self.peer {
            Some(peer) if parsed.peer_id().to_string() != *peer => {
                Err(refused(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(()),
        }
    }

    fn check_signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let refused = |error| rustls::Error::InvalidCertificate(error);
        certificate::parse(certificate)
            .map_err(|_cause| refused(CertificateError::BadEncoding))?
            .verify_signature(signed.scheme, message, signed.signature())
            .map_err(|_cause| refused(CertificateError::BadSignature))?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.2 is not spoken.
fn old() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
