//! Certificates by ACME (RFC 8555): an account, orders, and proofs that the node is at a name.

use std::{
    fmt, fs,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use instant_acme::{
    Account, AccountCredentials, AuthorizationHandle, AuthorizationStatus, BodyWrapper, BytesResponse,
    CertificateIdentifier, ChallengeType, Error as AcmeError, HttpClient, Identifier, NewAccount, NewOrder,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio::sync::Mutex;
use tokio_rustls::rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use ureq::{
    Agent,
    http::{Method, Request, Response},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{Shelf, certificate::Certificate, shelf::Proof};
use crate::{
    limits::{ACME_ANSWER_BYTES_MAX, ACME_CALL_TIME_MAX, ACME_ORDER_TIME_MAX},
    private_file::write_private,
};

/// Who issues certificates, and how the node proves that it is at a name.
#[derive(Debug, Clone)]
pub(crate) struct AcmeConfig {
    /// The directory of the authority.
    pub(crate) directory: String,
    /// Whom the authority may write to: `mailto:…`.
    pub(crate) contact: Option<String>,
    /// A file with the roots that the authority's own certificate rests on, where these are no public ones.
    pub(crate) root: Option<PathBuf>,
    /// Ways to prove it, tried in turn; one at least.
    pub(crate) ways: Vec<Way>,
}

/// How the node proves that it is at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By an answer at port 80.
    Http,
    /// By a certificate of its own at port 443 (RFC 8737).
    Tls,
}

/// Asks one authority for certificates.
#[derive(Debug)]
pub(super) struct Issuer {
    config: AcmeConfig,
    account_file: PathBuf,
    http: AcmeHttp,
    account: Mutex<Option<KnownAccount>>,
}

#[derive(Clone)]
struct KnownAccount(Account);

/// What is kept of the account: which authority it is at, its name there, and its key.
#[derive(serde::Serialize, serde::Deserialize)]
struct AccountFile {
    directory: String,
    credentials: AccountCredentials,
}

impl fmt::Debug for KnownAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownAccount").field(&self.0.id()).finish()
    }
}

impl Issuer {
    /// Asks nobody yet. The account is kept in `dir`.
    pub(super) fn new(config: AcmeConfig, dir: &Path) -> Result<Self> {
        let http = AcmeHttp::new(config.root.as_deref())?;
        Ok(Self { config, account_file: dir.join("account.json"), http, account: Mutex::default() })
    }

    /// Has a certificate issued for a name; gives it as PEM with its key before it, and what it says. Of the ways to prove
    /// that the node is there the `turn`th is taken.
    pub(super) async fn issue(
        &self,
        shelf: &Shelf,
        name: &str,
        before: Option<&Certificate>,
        turn: u32,
    ) -> Result<(String, Certificate)> {
        let account = self.account().await?;
        let names = [Identifier::Dns(name.to_owned())];
        let mut new = NewOrder::new(&names);
        let replaced =
            before.and_then(|before| CertificateIdentifier::try_from(before.key.cert.first()?).ok());
        if let Some(replaced) = replaced
            && account.renewal_info(&replaced).await.is_ok()
        {
            new = new.replaces(replaced.into_owned());
        }
        let mut order = account.new_order(&new).await.context("the authority takes no order")?;
        let retries = RetryPolicy::new().timeout(ACME_ORDER_TIME_MAX);
        let way = self.config.ways[turn as usize % self.config.ways.len()];
        {
            let mut looks = order.authorizations();
            while let Some(look) = looks.next().await {
                prove(shelf, name, way, look?).await?;
            }
        }
        let ready = order.poll_ready(&retries).await;
        shelf.prove(name, None);
        match ready.context("the authority did not find this node at the name")? {
            OrderStatus::Ready | OrderStatus::Valid => {}
            _ => bail!("{}", refusal(&mut order).await),
        }
        let key = order.finalize().await.context("the authority does not take the request")?;
        let chain = order.poll_certificate(&retries).await.context("the authority issued no certificate")?;
        let certificate = Certificate::read(chain.as_bytes(), key.as_bytes())?;
        ensure!(certificate.names.iter().any(|own| own == name), "the certificate is for another name");
        Ok((format!("{key}{chain}"), certificate))
    }

    /// When the authority wants a certificate renewed (RFC 9773), in milliseconds since the Unix epoch: a span to choose
    /// from. None where it does not say.
    pub(super) async fn renewal(&self, certificate: &Certificate) -> Option<(u64, u64)> {
        let id = CertificateIdentifier::try_from(certificate.key.cert.first()?).ok()?;
        let (info, _again) = self.account().await.ok()?.renewal_info(&id).await.ok()?;
        let ms = |at: time::OffsetDateTime| u64::try_from(at.unix_timestamp()).ok()?.checked_mul(1_000);
        Some((ms(info.suggested_window.start)?, ms(info.suggested_window.end)?))
    }

    /// The node's account at the authority, which is made where there is none.
    async fn account(&self) -> Result<Account> {
        let mut known = self.account.lock().await;
        if let Some(KnownAccount(account)) = &*known {
            return Ok(account.clone());
        }
        let account = match self.kept()? {
            Some(credentials) => {
                let builder = Account::builder_with_http(Box::new(self.http.clone()));
                builder.from_credentials(credentials).await.context("the authority does not answer")?
            }
            None => self.sign_up().await?,
        };
        *known = Some(KnownAccount(account.clone()));
        Ok(account)
    }

    fn kept(&self) -> Result<Option<AccountCredentials>> {
        let bytes = match fs::read(&self.account_file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("the account at the authority cannot be read"),
        };
        let file: AccountFile = serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` holds no account", self.account_file.display()))?;
        Ok((file.directory == self.config.directory).then_some(file.credentials))
    }

    async fn sign_up(&self) -> Result<Account> {
        let contact: Vec<&str> = self.config.contact.as_deref().into_iter().collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_http(Box::new(self.http.clone()));
        let made = builder.create(&new, self.config.directory.clone(), None).await;
        let (account, credentials) = made.context("the authority gives no account")?;
        let file = AccountFile { directory: self.config.directory.clone(), credentials };
        write_private(&self.account_file, &serde_json::to_vec(&file)?)
            .context("the account at the authority cannot be kept")?;
        Ok(account)
    }
}

/// Puts up what proves that the node is at the name, and tells the authority.
async fn prove(shelf: &Shelf, name: &str, way: Way, mut look: AuthorizationHandle<'_>) -> Result<()> {
    match look.status {
        AuthorizationStatus::Valid => return Ok(()),
        AuthorizationStatus::Pending => {}
        _ => bail!("the authority does not look at the name"),
    }
    let kind = match way {
        Way::Http => ChallengeType::Http01,
        Way::Tls => ChallengeType::TlsAlpn01,
    };
    let mut challenge = look.challenge(kind).context("the authority does not look in the way that is set")?;
    let answer = challenge.key_authorization();
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(answer.digest().as_ref())];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not compared with its certificate: that has an extension which nobody but authorities may pass over.
    let key = default_provider().key_provider.load_private_key(key)?;
    let certificate = CertifiedKey::new(vec![certificate.der().clone()], key);
    let answer = answer.as_str().to_owned();
    let proof = Proof { token: challenge.token.clone(), answer, certificate: Arc::new(certificate) };
    shelf.prove(name, Some(proof));
    challenge.set_ready().await.context("the authority does not look")
}

/// Why an order came to nothing, in the authority's words.
async fn refusal(order: &mut instant_acme::Order) -> String {
    let mut looks = order.authorizations();
    while let Some(look) = looks.next().await {
        let Ok(mut look) = look else { continue };
        let told = look.refresh().await.ok().and_then(|look| {
            let problems = look.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            problems.map(ToString::to_string).next()
        });
        if let Some(told) = told {
            return format!("the authority refuses: {told}");
        }
    }
    "the authority refuses, and does not say why".to_owned()
}

/// Carries requests to the authority.
#[derive(Debug, Clone)]
struct AcmeHttp(Agent);

impl AcmeHttp {
    fn new(root: Option<&Path>) -> Result<Self> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = root {
            let pem = fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
            let roots: Vec<_> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(root)) => Some(root),
                    _ => None,
                })
                .collect();
            ensure!(!roots.is_empty(), "`{}` holds no certificate", path.display());
            tls = tls.root_certs(RootCerts::Specific(Arc::new(roots)));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(ACME_CALL_TIME_MAX))
            .proxy(None)
            .tls_config(tls.build())
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self(Agent::new_with_config(config)))
    }

    fn send(&self, request: Request<Vec<u8>>) -> Result<BytesResponse, AcmeError> {
        let failed = |error: ureq::Error| AcmeError::Other(Box::new(error));
        let ran = if request.method() == Method::POST {
            self.0.run(request)
        } else {
            self.0.run(request.map(|_nothing| ()))
        };
        let mut response = ran.map_err(failed)?;
        let body =
            response.body_mut().with_config().limit(ACME_ANSWER_BYTES_MAX).read_to_vec().map_err(failed)?;
        let (parts, _read) = response.into_parts();
        Ok(BytesResponse::from(Response::from_parts(parts, Full::new(Bytes::from(body)))))
    }
}

impl HttpClient for AcmeHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
            let request = Request::from_parts(parts, body.to_vec());
            let sending = tokio::task::spawn_blocking(move || this.send(request));
            sending.await.map_err(|stopped| AcmeError::Other(Box::new(stopped)))?
        })
    }
}
