//! The node's public URL, asked as anybody would ask it.
//!
//! The operator names the URL, so nobody else chooses where the node dials. It has no session with it, follows no
//! redirects, and uses no proxy of the environment.

use std::net::ToSocketAddrs as _;

use kubelt_content::limits::BLOCK_BYTES_MAX;
use kubelt_node::{DoorAnswer, DoorError, Nearness, PublicDoor};
use ureq::Agent;
use ureq::http::header;

use crate::client::{NodeUrl, encode_segment};
use crate::limits::DOOR_CALL_TIME_MAX;

/// Knocks at the public URL.
#[derive(Debug)]
pub(crate) struct HttpDoor {
    agent: Agent,
    url: NodeUrl,
}

impl HttpDoor {
    pub(crate) fn new(url: NodeUrl) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(DOOR_CALL_TIME_MAX))
            .proxy(None)
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: Agent::new_with_config(config), url }
    }

    /// From where the addresses behind the URL are reached: from everywhere, if one of them is.
    fn nearness(&self) -> Nearness {
        let authority = self.url.authority();
        let with_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:443")
        };
        let found: Vec<Nearness> = with_port
            .to_socket_addrs()
            .map(|addresses| addresses.map(|address| Nearness::of(address.ip())).collect())
            .unwrap_or_default();
        [Nearness::Everywhere, Nearness::Network]
            .into_iter()
            .find(|nearness| found.contains(nearness))
            .unwrap_or(Nearness::Machine)
    }
}

impl PublicDoor for HttpDoor {
    fn url(&self) -> &str {
        self.url.as_str()
    }

    fn block(&self, segments: &[&str]) -> Result<DoorAnswer, DoorError> {
        let path: String = segments.iter().map(|segment| format!("/{}", encode_segment(segment))).collect();
        let failed = |error: ureq::Error| DoorError(format!("`{}` was not reached: {error}", self.url));
        let asked = self.agent.get(format!("{}{path}?format=raw", self.url));
        let mut answer = asked.header(header::ACCEPT, "application/vnd.ipld.raw").call().map_err(failed)?;
        let status = answer.status().as_u16();
        let body = match status {
            200 => answer.body_mut().with_config().limit(BLOCK_BYTES_MAX as u64).read_to_vec(),
            _ => Ok(Vec::new()),
        };
        Ok(DoorAnswer { status, body: body.map_err(failed)?.into(), nearness: self.nearness() })
    }
}

#[cfg(test)]
mod tests {
    use kubelt_content::limits::BLOCK_BYTES_MAX;
    use kubelt_node::{Nearness, PublicDoor as _};

    use super::HttpDoor;
    use crate::fake_node::{self, Answer};

    #[test]
    fn the_door_is_asked_as_anybody_would_and_nowhere_else() {
        let node = fake_node::start(|request| {
            let is_stranger = !request.headers.contains("authorization");
            let (status, body) = match &*request.path {
                "/@bafy/a%20b?format=raw" if is_stranger => (200, b"block".to_vec()),
                "/long?format=raw" => (200, vec![0; BLOCK_BYTES_MAX + 1]),
                "/moved?format=raw" => (302, Vec::new()),
                _ => (404, Vec::new()),
            };
            Answer::Give { status, media_type: "application/vnd.ipld.raw", body }
        });
        let door = HttpDoor::new(node.to_string().parse().expect("a URL"));
        let given = door.block(&["@bafy", "a b"]).expect("answers");
        assert_eq!((given.status, &*given.body), (200, &b"block"[..]));
        assert_eq!(given.nearness, Nearness::Machine);
        assert_eq!(door.block(&["moved"]).expect("answers").status, 302);
        assert_eq!(door.block(&["other"]).expect("answers").status, 404);
        assert!(door.block(&["long"]).is_err());
    }
}
