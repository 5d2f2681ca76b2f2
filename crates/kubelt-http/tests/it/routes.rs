//! Every route on which content leaves: one table for all tests that ask whether something is closed.

/// The formats in which a file is had by a CID or a name.
pub(crate) const FORMATS: [&str; 5] = ["", "?format=raw", "?format=car", "?format=tar", "?download=true"];

/// A file at a path of a core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// `/@0x…`.
    pub(crate) core: &'a str,
    /// `site/page.html`.
    pub(crate) path: &'a str,
    /// The file's CID.
    pub(crate) cid: &'a str,
    /// The core's IPNS name.
    pub(crate) name: &'a str,
}

impl Place<'_> {
    /// Every route on which the file can leave, with the exit that it belongs to; `//host/path` is at another host.
    pub(crate) fn routes(&self) -> Vec<(&'static str, String)> {
        let Self { core, path, cid, name } = self;
        let directory =
            path.rsplit_once('/').map_or(String::new(), |(directory, _file)| format!("/{directory}"));
        let mut routes = Vec::new();
        for query in ["", "?format=raw", "?format=car", "?format=tar"] {
            routes.push(("http", format!("{core}/{path}{query}")));
        }
        routes.push(("http", format!("{core}/-/content/{path}")));
        routes.push(("http", format!("{core}{directory}/?list")));
        routes.push(("http", format!("{core}/-/content{directory}?list")));
        routes.push(("http", (*core).to_owned()));
        for route in ["/-/ops".to_owned(), "/-/state".to_owned(), format!("/-/state/content/{path}")] {
            routes.push(("network", format!("{core}{route}")));
        }
        routes.push(("network", format!("{core}/-/car")));
        for query in FORMATS {
            routes.push(("ipfs", format!("/ipfs/{cid}{query}")));
            routes.push(("ipfs", format!("//{cid}.ipfs.localhost/{query}")));
            routes.push(("ipfs", format!("/ipns/{name}/{path}{query}")));
            routes.push(("ipfs", format!("//{name}.ipns.localhost/{path}{query}")));
        }
        routes.push(("ipfs", format!("/ipns/{name}{directory}/")));
        routes
    }
}
