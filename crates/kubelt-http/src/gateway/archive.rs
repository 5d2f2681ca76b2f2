//! Many blocks or files in one answer: CAR and TAR. Both are made as the client takes them.

use std::collections::VecDeque;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use kubelt_api::Code;
use kubelt_content::{
    car::CarWriter,
    read::{ScopedBlocks, WalkError, WalkLimits, load},
    tar::{TarError, TarStream},
};
use kubelt_node::{BlockError, Content, ContentError, Reached, ReachedBlocks};

use super::{
    Ask,
    dress::{Disposition, Nature, disposition, insert},
    format::CarForm,
};
use crate::{
    body::{Pieces, PiecesBody},
    file_response::conditional,
    limits::CAR_BLOCKS_MAX,
    page::fnv1a,
    problem::ApiError,
};

impl Ask<'_> {
    pub(super) fn car(self, form: CarForm) -> Result<Response, ApiError> {
        let path = self.request.path();
        let tag = format!("{form:?} {}", path.join("/"));
        let etag = format!("W/\"{}.car.{:x}\"", self.request.root, fnv1a(tag.as_bytes()));
        if let Some(response) = conditional(&self.request.headers, &etag)? {
            return Ok(self.dressed(response, Nature::Data));
        }
        let mut name = self.request.root.to_string();
        for segment in &path {
            name.push('_');
            name.push_str(segment);
        }
        let method = &self.request.method;
        let mut response = car_response(self.content, self.reached, form, method)?;
        let headers = response.headers_mut();
        insert(headers, header::ETAG, &etag);
        let name = self.query.get("filename").map_or_else(|| format!("{name}.car"), str::to_owned);
        disposition(headers, Disposition::Attachment, &name);
        Ok(self.dressed(response, Nature::Data))
    }

    pub(super) fn tar(self) -> Result<Response, ApiError> {
        let cid = self.reached.way.end;
        let etag = format!("W/\"{cid}.x-tar\"");
        if let Some(response) = conditional(&self.request.headers, &etag)? {
            return Ok(self.dressed(response, Nature::Data));
        }
        let name = cid.to_string();
        let mut response = tar_response(self.content, self.reached, &name, &self.request.method)?;
        insert(response.headers_mut(), header::ETAG, &etag);
        Ok(self.named_file(response, Disposition::Attachment, "tar"))
    }
}

/// The blocks of `reached` as a CARv1 (trustless gateway specification).
pub(crate) fn car_response(
    content: &Content,
    reached: &Reached,
    form: CarForm,
    method: &Method,
) -> Result<Response, ApiError> {
    let blocks = content.blocks(&reached.within);
    // What is missing at the very end of the path is said before anything is sent.
    load(&blocks, &reached.way.end).map_err(ContentError::reading)?;
    let body = if *method == Method::HEAD {
        unsent()
    } else {
        let (writer, first) = CarWriter::v1(&[reached.way.end]);
        let limits = WalkLimits { blocks_max: CAR_BLOCKS_MAX, ..WalkLimits::default() };
        let scoped = ScopedBlocks::new(&reached.way, form.scope, form.duplicates, limits);
        Body::new(PiecesBody::new(CarPieces { blocks, scoped, writer, ready: VecDeque::from([first]) }, None))
    };
    let dups = if form.duplicates { "y" } else { "n" };
    let kind = format!("application/vnd.ipld.car; version=1; order=dfs; dups={dups}");
    Ok(streamed(body, &kind))
}

/// The tree at the end of `reached` as a TAR, everything in it below `name`.
pub(crate) fn tar_response(
    content: &Content,
    reached: &Reached,
    name: &str,
    method: &Method,
) -> Result<Response, ApiError> {
    let blocks = content.blocks(&reached.within);
    let tar = TarStream::open(&blocks, &reached.way.end, name).map_err(packing)?;
    let body = if *method == Method::HEAD {
        unsent()
    } else {
        Body::new(PiecesBody::new(TarPieces { blocks, tar }, None))
    };
    Ok(streamed(body, "application/x-tar"))
}

fn packing(error: TarError<BlockError>) -> ApiError {
    match error {
        TarError::Read(error) => ContentError::reading(error).into(),
        other => ApiError::new(Code::Unprocessable, other.to_string()),
    }
}

/// An answer that is made on the way: of no known length, and never in parts.
fn streamed(body: Body, kind: &str) -> Response {
    let mut response = body.into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, kind);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    response
}

/// No bytes, of a length that is not said: that of an empty body would be `0`, which GET does not give.
fn unsent() -> Body {
    Body::new(PiecesBody::new(Unsent, None))
}

#[derive(Debug)]
struct Unsent;

impl Pieces for Unsent {
    fn next(&mut self) -> Option<Result<Bytes, ContentError>> {
        None
    }
}

#[derive(Debug)]
struct CarPieces {
    blocks: ReachedBlocks,
    scoped: ScopedBlocks,
    writer: CarWriter,
    ready: VecDeque<Bytes>,
}

impl Pieces for CarPieces {
    fn next(&mut self) -> Option<Result<Bytes, ContentError>> {
        loop {
            match self.ready.pop_front() {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => return Some(Ok(piece)),
                None => match self.scoped.next(&self.blocks) {
                    Ok(Some(block)) => self.ready.extend(self.writer.section(&block)),
                    Ok(None) => return None,
                    Err(error) => return Some(Err(walking(error))),
                },
            }
        }
    }
}

fn walking(error: WalkError<BlockError>) -> ContentError {
    match error {
        WalkError::Read(error) => ContentError::reading(error),
        other => {
            tracing::debug!(error = %other, "a CAR was broken off");
            ContentError::NotFound
        }
    }
}

#[derive(Debug)]
struct TarPieces {
    blocks: ReachedBlocks,
    tar: TarStream,
}

impl Pieces for TarPieces {
    fn next(&mut self) -> Option<Result<Bytes, ContentError>> {
        let next = self.tar.next(&self.blocks);
        next.map_err(|error| match error {
            TarError::Read(error) => ContentError::reading(error),
            other => {
                tracing::debug!(error = %other, "a TAR was broken off");
                ContentError::NotFound
            }
        })
        .transpose()
    }
}
