//! Passkeys on their way in and out: challenges as browsers take them, and what browsers answer.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kubelt_api::{Code, PasskeyResponse};
use kubelt_core::{
    Body, Header,
    webauthn::{Assertion, challenge_for},
};

use crate::problem::ApiError;

/// A challenge as `navigator.credentials.get` takes it once it is decoded.
pub(crate) fn challenge_text(challenge: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(challenge)
}

/// The challenge by which a passkey signs an operation of its own.
pub(crate) fn challenge_of_op(header: &Header, body: &Body) -> Option<String> {
    if !header.by.is_passkey() {
        return None;
    }
    challenge_for(header, Some(body)).ok().as_ref().map(challenge_text)
}

/// The signature that a browser's answer makes.
pub(crate) fn signature(response: &PasskeyResponse, code: Code) -> Result<Vec<u8>, ApiError> {
    let refused = |text: &dyn std::fmt::Display| ApiError::new(code, text.to_string());
    let decode = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_cause| refused(&"a part of the passkey's answer is not base64url"))
    };
    let (authenticator_data, client_data) =
        (decode(&response.authenticator_data)?, decode(&response.client_data_json)?);
    let assertion = Assertion::from_browser(authenticator_data, client_data, &decode(&response.signature)?);
    assertion.map(|assertion| assertion.encode()).map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use kubelt_api::{Code, PasskeyResponse};

    use super::signature;

    #[test]
    fn what_is_no_answer_is_refused() {
        let response = |authenticator_data: &str, client_data_json: &str, signature: &str| PasskeyResponse {
            authenticator_data: authenticator_data.to_owned(),
            client_data_json: client_data_json.to_owned(),
            signature: signature.to_owned(),
        };
        assert!(signature(&response("AAAA", "AAAA", "MAYCAQECAQE"), Code::BadSignIn).is_ok());
        for bad in [
            response("+/", "AAAA", "MAYCAQECAQE"),
            response("AAAA", "ü", "MAYCAQECAQE"),
            response("AAAA", "_w", "MAYCAQECAQE"),
            response("AAAA", "AAAA", "AAAA"),
            response("AAAA", "AAAA", "MAYCAQACAQE"),
        ] {
            assert!(signature(&bad, Code::BadSignIn).is_err(), "{bad:?}");
        }
    }
}
