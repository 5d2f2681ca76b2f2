//! `/ipfs/{cid}[/path]`: published content by its hash, and the answers of every other address that leads to a
//! root ([`serve`]).
//!
//! `format.rs` reads which form is asked for; `unixfs.rs`, `block.rs` and `archive.rs` give one each; `dress.rs`
//! has the headers that follow from how the address names the content.

mod archive;
mod block;
mod dress;
mod format;
mod request;
mod unixfs;

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_content::{Codec, parse_cid};
use kubelt_node::{Asker, Content, Fetcher, Reached, Retrieval, Sessions};

use self::dress::{Nature, dress};
pub(crate) use self::{
    archive::{car_response, tar_response},
    block::block_file,
    dress::{Disposition, disposition},
    format::{Format, Wish},
    request::{ContentRequest, Lasts, Named, Place},
};
use crate::{
    app::client, auth, limits::ARRIVALS_PER_ANSWER_MAX, path::segments, problem::ApiError, query::Query,
    rate::network,
};

/// What the gateway uses.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) sessions: Sessions,
    pub(crate) content: Content,
    pub(crate) fetcher: Fetcher,
}

pub(crate) fn routes(state: Arc<Gateway>) -> Router {
    Router::new().route("/ipfs/{*path}", axum::routing::any(by_cid)).with_state(state)
}

async fn by_cid(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, ApiError> {
    let (request, _body) = request.into_parts();
    let reader = auth::reader(&gateway.sessions, &request.headers)?;
    let raw = request.uri.path().strip_prefix("/ipfs/").unwrap_or_default();
    let (mut path, slash) = segments(raw)?;
    if path.is_empty() {
        return Err(ApiError::new(Code::BadCid, "the address names no CID"));
    }
    let text = path.remove(0);
    let root = match parse_cid(&text) {
        Ok(root) => root,
        Err(error) => return Ok(bad_path(request.uri.path(), &error)),
    };
    let request = ContentRequest {
        named: Named { base: format!("/ipfs/{text}"), place: Place::Path, lasts: Lasts::Forever },
        root,
        hidden: Vec::new(),
        segments: path,
        slash,
        reader,
        client: client(&request.extensions),
        method: request.method,
        query: request.uri.query().unwrap_or_default().to_owned(),
        headers: request.headers,
    };
    serve(&gateway, request).await
}

/// Answers a request for content below a root, however the address names it.
///
/// # Errors
/// 404 alike for what is missing and for what the reader may not see.
pub(crate) async fn serve(gateway: &Gateway, request: ContentRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(ApiError::new(
            Code::MethodNotAllowed,
            format!("`{}` does not work here", request.method),
        ));
    }
    let query = Query::first_of_each(&request.query);
    let wish = Wish::read(&request.headers, &query)?;
    let elsewhere = gateway.elsewhere(&request);
    let mut arrivals = Arrivals::default();
    let mut answered = loop {
        match gateway.answer(&request, &query, wish, elsewhere.as_ref()).await {
            Err(error) => match arrivals.wait(error).await {
                Ok(()) => {}
                Err(error) => break Err(error),
            },
            answered => break answered,
        }
    };
    if let (Some(elsewhere), Ok(response)) = (&elsewhere, &mut answered) {
        tell_ways(response, elsewhere);
    }
    match answered {
        Err(error) if error.is_not_found() && only_if_cached(&request) => Err(ApiError::new(
            Code::PreconditionFailed,
            "the content is not here, and `only-if-cached` forbids looking elsewhere",
        )),
        answer => answer,
    }
}

/// Blocks that an answer has waited for before its first byte.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(usize);

impl Arrivals {
    /// Waits for the block that an answer lacked; then it can be made anew.
    ///
    /// # Errors
    /// The error itself, where it is of another kind, or why the block does not come.
    pub(crate) async fn wait(&mut self, error: ApiError) -> Result<(), ApiError> {
        let away = error.into_away()?;
        self.0 += 1;
        if self.0 > ARRIVALS_PER_ANSWER_MAX {
            let text = "the content is spread over more blocks than are fetched for one answer";
            return Err(ApiError::new(Code::TooLarge, text));
        }
        Ok(away.arrival().await?)
    }
}

impl Gateway {
    /// The answer, as far as it can be made of what is here now.
    async fn answer(
        &self,
        request: &ContentRequest,
        query: &Query,
        wish: Wish,
        elsewhere: Option<&Retrieval>,
    ) -> Result<Response, ApiError> {
        let path = request.path();
        let reached = self.content.reach(&request.reader, elsewhere, &request.root, &path).await?;
        let ask = Ask { content: &self.content, request, query, wish, reached: &reached, elsewhere };
        ask.answer(path).await
    }

    /// What brings content that is not here, where the node does that for whoever asks.
    pub(crate) fn elsewhere(&self, request: &ContentRequest) -> Option<Retrieval> {
        self.fetcher.retrieval(Asker {
            reader: &request.reader,
            network: network(request.client),
            hops: hops(&request.headers),
            only_cached: only_if_cached(request),
        })
    }
}

/// How many nodes a request has come through that fetch for others (RFC 8586).
fn hops(headers: &HeaderMap) -> usize {
    let lines = headers.get_all("cdn-loop").iter().filter_map(|value| value.to_str().ok());
    let names = lines.flat_map(|line| line.split(',')).map(|name| name.split(';').next().unwrap_or_default());
    names.filter(|name| name.trim().eq_ignore_ascii_case("kubelt")).count()
}

/// Says by which ways content has come so far, and how long that took (Server Timing, W3C).
fn tell_ways(response: &mut Response, elsewhere: &Retrieval) {
    let progress = elsewhere.progress();
    let mut text = String::new();
    for (way, blocks) in progress.taken() {
        let plural = if blocks == 1 { "" } else { "s" };
        // Writing to a string does not fail.
        let _ = write!(text, "{};desc=\"{blocks} block{plural}\", ", way.as_str());
    }
    if !text.is_empty() {
        let _ = write!(text, "fetch;dur={:.1}", elsewhere.age().as_secs_f64() * 1_000.0);
        dress::insert(response.headers_mut(), HeaderName::from_static("server-timing"), &text);
    }
}

fn only_if_cached(request: &ContentRequest) -> bool {
    let mut values = request.headers.get_all(header::CACHE_CONTROL).iter();
    values.any(|value| value.as_bytes().windows(14).any(|word| word == b"only-if-cached"))
}

/// A request whose path was followed.
#[derive(Debug, Clone, Copy)]
struct Ask<'a> {
    content: &'a Content,
    request: &'a ContentRequest,
    query: &'a Query,
    wish: Wish,
    reached: &'a Reached,
    elsewhere: Option<&'a Retrieval>,
}

impl Ask<'_> {
    async fn answer(self, path: Vec<String>) -> Result<Response, ApiError> {
        let codec = Codec::of(&self.reached.way.end);
        match (self.wish.format, codec) {
            (Some(Format::Car(form)), _) => self.car(form),
            (Some(Format::IpnsRecord), _) => {
                Err(ApiError::new(Code::BadRequest, "only names (`/ipns/…`) have records"))
            }
            (Some(Format::Raw), _) if self.reached.way.remainder == 0 => self.raw(),
            (_, Ok(Codec::DagCbor | Codec::DagJson)) if self.reached.way.remainder > 0 => Err(ApiError::new(
                Code::NotImplemented,
                "the path leads to a value inside a block, and only links are followed; ask for the block",
            )),
            (Some(Format::Tar), Ok(Codec::Raw | Codec::DagPb)) => self.tar(),
            (Some(Format::DagJson | Format::DagCbor), Ok(Codec::Raw | Codec::DagPb))
            | (Some(Format::Tar), _) => Err(self.mismatch()),
            (_, Ok(Codec::Raw | Codec::DagPb)) => self.unixfs(path).await,
            (_, Ok(codec)) => self.structured(codec),
            (_, Err(unknown)) => Err(ApiError::new(
                Code::NotAcceptable,
                format!("{unknown}; ask for the block with `?format=raw`"),
            )),
        }
    }

    /// A block is given as its codec has it or not at all.
    fn mismatch(self) -> ApiError {
        let name = Codec::of(&self.reached.way.end).map_or("of another codec", Codec::name);
        ApiError::new(
            Code::NotAcceptable,
            format!(
                "the content is {name}, which is not converted; ask for it as it is, or with `?format=raw`"
            ),
        )
    }

    /// Puts on the headers of every answer.
    fn dressed(self, mut response: Response, nature: Nature) -> Response {
        dress(&mut response, self.request, &self.reached.way.roots, self.reached.visibility, nature);
        response
    }
}

/// What is no content path, in words that quote it.
fn bad_path(path: &str, error: &dyn std::error::Error) -> Response {
    let body = format!("invalid path \"{path}\": {error}\n");
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
