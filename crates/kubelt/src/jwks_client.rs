//! Sets of keys that others publish, from where they publish them.
//!
//! By https from public addresses only ([`crate::public_only`]). The one exception is a loopback address that stands in the URL
//! itself, also by http: for services of this machine. Redirects are not followed.

use kubelt_sealed::jwk::{JwksError, KeySet, read_set};
use kubelt_sealed::limits::JWKS_BYTES_MAX;
use ureq::Agent;
use ureq::http::{Uri, header};
use ureq::unversioned::transport::DefaultConnector;

use crate::limits::JWKS_CALL_TIME_MAX;
use crate::public_only::PublicOnly;

/// Why a set of keys was not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwksFetchError {
    /// Not a URL that is asked.
    #[error("a set of keys is fetched by https; `{0}` is no such address")]
    Url(String),
    /// No answer.
    #[error(
        "`{url}` gives no set of keys; where its address is not a public one, download the set and name the file"
    )]
    Transport { url: String, source: Box<ureq::Error> },
    /// An answer, but no set.
    #[error("`{url}` answers {status}")]
    Status { url: String, status: u16 },
    /// A set that nothing is sealed to.
    #[error("nothing can be sealed to the keys at `{url}`")]
    Set { url: String, source: JwksError },
}

/// Fetches the set at a URL.
pub(crate) fn fetch(url: &str) -> Result<KeySet, JwksFetchError> {
    let refused = || JwksFetchError::Url(url.chars().take(256).collect());
    let uri: Uri = url.parse().map_err(|_says_no_more| refused())?;
    let host = uri.host().unwrap_or_default();
    let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
    let is_plain = uri.scheme_str() == Some("http");
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if !(uri.scheme_str() == Some("https") || is_plain && is_here) || has_user {
        return Err(refused());
    }
    let failed = |source| JwksFetchError::Transport { url: url.to_owned(), source: Box::new(source) };
    let agent = agent(is_here);
    let accept = "application/jwk-set+json, application/json";
    let mut answer = agent.get(url).header(header::ACCEPT, accept).call().map_err(failed)?;
    match answer.status().as_u16() {
        200 => {}
        status => return Err(JwksFetchError::Status { url: url.to_owned(), status }),
    }
    let limit = JWKS_BYTES_MAX as u64 + 1;
    let json = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(failed)?;
    read_set(&json).map_err(|source| JwksFetchError::Set { url: url.to_owned(), source })
}

fn agent(allow_local: bool) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(JWKS_CALL_TIME_MAX))
        // A proxy of the environment would dial for us, and look at nothing.
        .proxy(None)
        .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), PublicOnly::new(allow_local))
}

#[cfg(test)]
mod tests {
    use super::{JwksFetchError, fetch};
    use crate::fake_node::{self, Answer};

    #[test]
    fn a_set_is_fetched_as_it_is_and_no_redirect_is_followed() {
        let key =
            r#"{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo","kid":"a"}"#;
        let set = format!(r#"{{"keys":[{key}]}}"#);
        let url = fake_node::start(move |request| {
            let (status, body) = match request.path.as_str() {
                "/jwks" => (200, set.clone().into_bytes()),
                "/none" => (200, b"{\"keys\":[]}".to_vec()),
                "/long" => (200, vec![b' '; super::JWKS_BYTES_MAX + 2]),
                _ => (302, Vec::new()),
            };
            Answer::Give { status, media_type: "application/json", body }
        });
        assert_eq!(fetch(&format!("{url}/jwks")).expect("a set").keys.len(), 1);
        assert!(matches!(fetch(&format!("{url}/none")), Err(JwksFetchError::Set { .. })));
        assert!(matches!(fetch(&format!("{url}/long")), Err(JwksFetchError::Transport { .. })));
        assert!(matches!(fetch(&format!("{url}/moved")), Err(JwksFetchError::Status { status: 302, .. })));
    }

    #[test]
    fn addresses_that_are_not_public_are_not_asked() {
        for url in [
            "http://example.org/jwks",
            "file:///etc/passwd",
            "ftp://example.org/",
            "jwks",
            "https://a@b.org/",
        ] {
            assert!(matches!(fetch(url), Err(JwksFetchError::Url(_))), "{url}");
        }
        for url in ["https://10.0.0.1/jwks", "https://169.254.169.254/jwks", "https://[fd00::1]/jwks"] {
            assert!(matches!(fetch(url), Err(JwksFetchError::Transport { .. })), "{url}");
        }
    }
}
