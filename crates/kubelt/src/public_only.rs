//! Names looked up for HTTP where others choose the name: once, without what is not of the public internet, so that exactly
//! what was looked at is connected to.

use kubelt_node::is_public_address;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Resolves names and leaves out what a stranger must not make the node dial.
#[derive(Debug)]
pub(crate) struct PublicOnly {
    resolver: DefaultResolver,
    allow_local: bool,
}

impl PublicOnly {
    pub(crate) fn new(allow_local: bool) -> Self {
        Self { resolver: DefaultResolver::default(), allow_local }
    }
}

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in found.iter().filter(|address| self.allow_local || is_public_address(address.ip())) {
            allowed.push(*address);
        }
        if allowed.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(allowed) }
    }
}
