//! Blocks from trustless gateways (Trustless Gateway Specification): single ones (`format=raw`) from any that the operator
//! named, or that hosts and providers say they are, and CARs of whole DAGs from those that the operator knows.

use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use kubelt_content::{Cid, limits::BLOCK_BYTES_MAX};
use kubelt_node::{GatewayError, Gateways};
use ureq::http::{Response, header};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use crate::limits::{CAR_CALL_TIME_MAX, DOOR_BLOCK_TIME_MAX, GATEWAY_CALL_TIME_MAX};
use crate::public_only::PublicOnly;

const RAW: &str = "application/vnd.ipld.raw";
const CAR: &str = "application/vnd.ipld.car";
/// Bytes of a CAR that are read at once.
const PIECE_BYTES: usize = 64 * 1_024;

/// A gateway of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayUrl {
    pub(crate) url: String,
    /// Whether it is asked for CARs, too.
    pub(crate) gives_cars: bool,
}

/// Asks gateways by their URLs. Redirects are not followed, and what they answer is not believed here.
#[derive(Debug)]
pub(crate) struct HttpGateways {
    agent: Agent,
    /// For URLs that anybody may have named.
    doors: Agent,
    /// Whether those may be anywhere, and without TLS.
    allow_local: bool,
    urls: Vec<GatewayUrl>,
}

impl HttpGateways {
    pub(crate) fn new(urls: Vec<GatewayUrl>, allow_local: bool) -> Self {
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
        };
        let (connector, resolver) = (DefaultConnector::default(), PublicOnly::new(allow_local));
        // A proxy of the environment would connect for us, and look at nothing.
        let doors = Agent::with_parts(config().proxy(None).build(), connector, resolver);
        Self { agent: Agent::new_with_config(config().build()), doors, allow_local, urls }
    }

    fn base(&self, gateway: usize) -> &str {
        self.urls[gateway].url.trim_end_matches('/')
    }
}

/// An answer with the status 200.
fn ask(
    agent: &Agent,
    base: &str,
    what: &str,
    accept: &str,
    hops: usize,
    time_max: Duration,
) -> Result<Response<Body>, GatewayError> {
    let failed = |error: ureq::Error| GatewayError::Failed(format!("`{base}`: {error}"));
    let asked = agent.get(format!("{base}/ipfs/{what}")).config().timeout_global(Some(time_max)).build();
    let asked = asked.header(header::ACCEPT, accept);
    let answer = asked.header("cdn-loop", ["kubelt"].repeat(hops + 1).join(", ")).call().map_err(failed)?;
    match answer.status().as_u16() {
        200 => Ok(answer),
        404 | 410 | 412 | 451 | 504 => {
            Err(GatewayError::Missing(format!("`{base}` answers {}", answer.status())))
        }
        _ => Err(GatewayError::Failed(format!("`{base}` answers {}", answer.status()))),
    }
}

/// A single block.
fn raw(agent: &Agent, base: &str, cid: &Cid, hops: usize, time_max: Duration) -> Result<Bytes, GatewayError> {
    let mut answer = ask(agent, base, &format!("{cid}?format=raw"), RAW, hops, time_max)?;
    let read = answer.body_mut().with_config().limit(BLOCK_BYTES_MAX as u64).read_to_vec();
    read.map(Into::into).map_err(|error| GatewayError::Failed(format!("`{base}`: {error}")))
}

impl Gateways for HttpGateways {
    fn count(&self) -> usize {
        self.urls.len()
    }

    fn block(&self, gateway: usize, cid: &Cid, hops: usize) -> Result<Bytes, GatewayError> {
        raw(&self.agent, self.base(gateway), cid, hops, GATEWAY_CALL_TIME_MAX)
    }

    fn gives_cars(&self, gateway: usize) -> bool {
        self.urls[gateway].gives_cars
    }

    fn car(
        &self,
        gateway: usize,
        cid: &Cid,
        hops: usize,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), GatewayError> {
        let base = self.base(gateway);
        let what = format!("{cid}?format=car&dag-scope=all&car-version=1&car-order=dfs&car-dups=n");
        let accept = format!("{CAR};version=1;order=dfs;dups=n");
        let mut answer = ask(&self.agent, base, &what, &accept, hops, CAR_CALL_TIME_MAX)?;
        let media_type = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(|media_type| media_type.starts_with(CAR)) {
            return Err(GatewayError::Failed(format!("`{base}` answers something else than a CAR")));
        }
        let mut body = answer.body_mut().as_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match body.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(read) if take(&piece[..read]) => {}
                // Who reads has had enough.
                Ok(_) => return Ok(()),
                Err(error) => return Err(GatewayError::Failed(format!("`{base}`: {error}"))),
            }
        }
    }

    fn block_at(&self, url: &str, cid: &Cid, hops: usize) -> Result<Bytes, GatewayError> {
        if !self.allow_local && !url.starts_with("https://") {
            return Err(GatewayError::Failed(format!("`{url}` is not asked without TLS")));
        }
        raw(&self.doors, url, cid, hops, DOOR_BLOCK_TIME_MAX)
    }
}

#[cfg(test)]
mod tests {
    use kubelt_content::{Block, Codec, limits::BLOCK_BYTES_MAX};
    use kubelt_node::{GatewayError, Gateways as _};

    use super::{GatewayUrl, HttpGateways, PIECE_BYTES};
    use crate::client::NodeUrl;
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
        let gateways = HttpGateways::new([&good, &long, &elsewhere, &none].map(known).to_vec(), true);
        assert_eq!(gateways.block(0, &cid, 1), Ok(data));
        for refused in 1..3 {
            let refusal = gateways.block(refused, &cid, 1);
            assert!(matches!(refusal, Err(GatewayError::Failed(_))), "gateway {refused}: {refusal:?}");
        }
        assert!(matches!(gateways.block(3, &cid, 1), Err(GatewayError::Missing(_))));
        // Whoever says to answer HTTP is asked the same way, where the node connects to such addresses for strangers.
        assert_eq!(
            gateways.block_at(good.as_str(), &cid, 1),
            Ok(gateways.block(0, &cid, 1).expect("a block"))
        );
        let guarded = HttpGateways::new(Vec::new(), false);
        let port = good.as_str().rsplit(':').next().expect("a port");
        for near in
            [good.as_str(), &format!("https://127.0.0.1:{port}"), &format!("https://localhost:{port}")]
        {
            let refusal = guarded.block_at(near, &cid, 1);
            assert!(matches!(refusal, Err(GatewayError::Failed(_))), "{near}: {refusal:?}");
        }
    }

    #[test]
    fn a_car_is_asked_for_whole_and_given_piece_by_piece() {
        let body: Vec<u8> = (0..=u8::MAX).cycle().take(PIECE_BYTES * 3).collect();
        let (cid, _) = Block::new(Codec::Raw, (&b"a root"[..]).into()).expect("small").into_parts();
        let (sent, expected) = (body.clone(), format!("/ipfs/{cid}?format=car&dag-scope=all&"));
        let good = fake_node::start(move |request| {
            let status = if request.path.starts_with(&expected) { 200 } else { 400 };
            Answer::Give { status, media_type: "application/vnd.ipld.car; version=1", body: sent.clone() }
        });
        let page = fake_node::start(|_| Answer::Give { status: 200, media_type: "text/html", body: vec![1] });
        let gateways = HttpGateways::new([&good, &page].map(known).to_vec(), true);
        assert!(gateways.gives_cars(0));
        let mut came = Vec::new();
        let all = gateways.car(0, &cid, 0, &mut |piece| {
            came.extend_from_slice(piece);
            true
        });
        assert_eq!((all, came == body), (Ok(()), true));
        let mut pieces = 0;
        let enough = gateways.car(0, &cid, 0, &mut |_| {
            pieces += 1;
            false
        });
        assert_eq!((enough, pieces), (Ok(()), 1));
        assert!(matches!(gateways.car(1, &cid, 0, &mut |_| true), Err(GatewayError::Failed(_))));
    }

    fn known(url: &NodeUrl) -> GatewayUrl {
        GatewayUrl { url: url.to_string(), gives_cars: true }
    }
}
