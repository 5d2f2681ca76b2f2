//! Single blocks from trustless gateways (Trustless Gateway Specification, `format=raw`) that the operator named.

use bytes::Bytes;
use kubelt_content::{Cid, limits::BLOCK_BYTES_MAX};
use kubelt_node::{GatewayError, Gateways};
use ureq::Agent;
use ureq::http::header;

use crate::limits::GATEWAY_CALL_TIME_MAX;

/// Asks gateways by their URLs. Redirects are not followed, and what they answer is not believed here.
#[derive(Debug)]
pub(crate) struct HttpGateways {
    agent: Agent,
    urls: Vec<String>,
}

impl HttpGateways {
    pub(crate) fn new(urls: Vec<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(GATEWAY_CALL_TIME_MAX))
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: Agent::new_with_config(config), urls }
    }
}

impl Gateways for HttpGateways {
    fn count(&self) -> usize {
        self.urls.len()
    }

    fn block(&self, gateway: usize, cid: &Cid, hops: usize) -> Result<Bytes, GatewayError> {
        let base = self.urls[gateway].trim_end_matches('/');
        let failed = |error: ureq::Error| GatewayError::Failed(format!("`{base}`: {error}"));
        let asked = self.agent.get(format!("{base}/ipfs/{cid}?format=raw"));
        let asked = asked.header(header::ACCEPT, "application/vnd.ipld.raw");
        let asked = asked.header("cdn-loop", ["kubelt"].repeat(hops + 1).join(", "));
        let mut answer = asked.call().map_err(failed)?;
        match answer.status().as_u16() {
            200 => {}
            404 | 410 | 412 | 451 | 504 => {
                return Err(GatewayError::Missing(format!("`{base}` answers {}", answer.status())));
            }
            _ => return Err(GatewayError::Failed(format!("`{base}` answers {}", answer.status()))),
        }
        let limit = BLOCK_BYTES_MAX as u64;
        Ok(answer.body_mut().with_config().limit(limit).read_to_vec().map_err(failed)?.into())
    }
}

#[cfg(test)]
mod tests {
    use kubelt_content::{Block, Codec, limits::BLOCK_BYTES_MAX};
    use kubelt_node::{GatewayError, Gateways as _};

    use super::HttpGateways;
    use crate::fake_node::{self, Answer};

    #[test]
    fn a_raw_block_is_asked_for_and_nothing_longer_is_read() {
        let block = Block::new(Codec::Raw, (&b"of a gateway"[..]).into()).expect("small");
        let (cid, data) = block.into_parts();
        let give = |status, body| Answer::Give { status, media_type: "application/vnd.ipld.raw", body };
        let expected = format!("/ipfs/{cid}?format=raw");
        let body = data.to_vec();
        let good = fake_node::start(move |request| {
            let is_raw = request.headers.contains("accept: application/vnd.ipld.raw")
                && request.headers.contains("cdn-loop: kubelt, kubelt\r\n");
            give(if request.path == expected && is_raw { 200 } else { 400 }, body.clone())
        });
        let long = fake_node::start(move |_| give(200, vec![0; BLOCK_BYTES_MAX + 1]));
        let elsewhere = fake_node::start(move |_| give(301, Vec::new()));
        let none = fake_node::start(move |_| give(404, Vec::new()));
        let urls = [good, long, elsewhere, none].iter().map(ToString::to_string).collect();
        let gateways = HttpGateways::new(urls);
        assert_eq!(gateways.block(0, &cid, 1), Ok(data));
        for refused in 1..3 {
            let refusal = gateways.block(refused, &cid, 1);
            assert!(matches!(refusal, Err(GatewayError::Failed(_))), "gateway {refused}: {refusal:?}");
        }
        assert!(matches!(gateways.block(3, &cid, 1), Err(GatewayError::Missing(_))));
    }
}
