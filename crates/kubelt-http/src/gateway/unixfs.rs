//! Files and directories, as browsers show them.

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use bytes::Bytes;
use kubelt_content::{
    Cid, Codec,
    read::{Node, NodeKind, stat},
    unixfs::Metadata,
};
use kubelt_core::schema::Visibility;
use kubelt_node::{ChildKind, Children, ContentError, File, Reader, Within};
use serde_json::json;

use super::{
    Ask, Lasts, Place,
    dress::{Disposition, Nature, disposition, insert, link_base, push_segments},
    format::Format,
};
use crate::{
    file_response::{Representation, conditional, media_type, ranged},
    kept::MayBeKept,
    limits::NAMES_PER_PAGE,
    page::{self, Crumb, DirectoryPage, HashLinks, directory_page},
    path::encode_segment,
    problem::ApiError,
    time,
};

/// The file that stands for its directory.
const INDEX: &str = "index.html";

impl Ask<'_> {
    /// The file, link or directory at the end of `path`.
    pub(super) async fn unixfs(self, path: Vec<String>) -> Result<Response, ApiError> {
        let end = self.reached.way.end;
        let (node, block) = self.node(&end)?;
        match &node.kind {
            NodeKind::File { .. } | NodeKind::Symlink { .. } => {
                let name = path.last().map(String::as_str);
                self.file(&node, block, &end, name)
            }
            NodeKind::Directory { .. } => {
                if !self.request.slash && self.wish.format != Some(Format::Json) {
                    return Ok(self.with_slash());
                }
                if self.wish.format == Some(Format::Json) {
                    return self.listing_json();
                }
                match self.index(path).await? {
                    Some((index, block)) => self.file(&index, block, &end, Some(INDEX)),
                    None => self.listing(),
                }
            }
        }
    }

    /// What a block is; with it the block itself, where that is all of a file: most files are small.
    fn node(self, cid: &Cid) -> Result<(Node, Option<Bytes>), ApiError> {
        if Codec::of(cid) == Ok(Codec::Raw) {
            let block = self.content.block(cid, &self.reached.within)?;
            let size = block.len() as u64;
            let (kind, metadata) = (NodeKind::File { size }, Metadata::default());
            return Ok((Node { cid: *cid, kind, dag_size: size, metadata }, Some(block)));
        }
        let blocks = self.content.blocks(&self.reached.within);
        Ok((stat(&blocks, cid).map_err(ContentError::reading)?, None))
    }

    /// The index page of a directory, if it has one.
    async fn index(self, mut path: Vec<String>) -> Result<Option<(Node, Option<Bytes>)>, ApiError> {
        path.push(INDEX.to_owned());
        match self.content.reach(&self.request.reader, self.elsewhere, &self.request.root, &path).await {
            Ok(reached) => {
                let found = self.node(&reached.way.end)?;
                Ok(Some(found).filter(|(node, _)| matches!(node.kind, NodeKind::File { .. })))
            }
            Err(ContentError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of a file; `tagged` names it in its entity tag.
    fn file(
        self,
        node: &Node,
        block: Option<Bytes>,
        tagged: &Cid,
        name: Option<&str>,
    ) -> Result<Response, ApiError> {
        let file = File {
            cid: node.cid,
            size: match &node.kind {
                NodeKind::File { size } => *size,
                NodeKind::Symlink { target } => target.len() as u64,
                NodeKind::Directory { .. } => return Err(ApiError::not_found()),
            },
            media_type: matches!(node.kind, NodeKind::Symlink { .. }).then(|| "inode/symlink".to_owned()),
            visibility: self.reached.visibility,
            within: self.reached.within.clone(),
            op: None,
            name: self.query.get("filename").or(name).map(str::to_owned),
            block,
        };
        let etag = format!("\"{tagged}\"");
        let bytes =
            Representation { etag: &etag, size: file.size, media_type: media_type(self.content, &file)? };
        let content = self.content.clone();
        let (method, headers) = (&self.request.method, &self.request.headers);
        let mut response = ranged(method, headers, &bytes, move |range| content.read(&file, range))?;
        let headers = response.headers_mut();
        let mtime = node.metadata.mtime.and_then(|mtime| u64::try_from(mtime.seconds).ok());
        if let Some(date) = mtime.and_then(time::http_date) {
            insert(headers, header::LAST_MODIFIED, &date);
        }
        let is_download = self.query.get("download") == Some("true");
        match (self.query.get("filename"), is_download) {
            (None, false) => {}
            (Some(name), false) => disposition(headers, Disposition::Inline, name),
            (given, true) => {
                let cid = tagged.to_string();
                let name = given.or(name).unwrap_or(&cid);
                disposition(headers, Disposition::Attachment, name);
            }
        }
        if self.is_anybodys() {
            response.extensions_mut().insert(MayBeKept);
        }
        Ok(self.dressed(response, Nature::Content))
    }

    /// Whether anybody gets the same at the same address, until something is written, opened or closed here.
    fn is_anybodys(self) -> bool {
        self.reached.visibility == Visibility::Public
            && !self.reached.within.is_elsewhere()
            && matches!(self.request.reader, Reader::Anonymous)
            && self.request.named.lasts == Lasts::Forever
    }

    /// Relative links work only below a slash. The target is made of decoded names, so it stays on this host.
    fn with_slash(self) -> Response {
        let mut target = link_base(self.request).to_owned();
        push_segments(&mut target, &self.request.segments);
        target.push('/');
        if !self.request.query.is_empty() {
            target.push('?');
            target.push_str(&self.request.query);
        }
        let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
        insert(response.headers_mut(), header::LOCATION, &target);
        self.dressed(response, Nature::Content)
    }

    fn listing(self) -> Result<Response, ApiError> {
        let cid = &self.reached.way.end;
        let etag = format!("\"DirIndex-{}_CID-{cid}\"", page::version());
        if let Some(response) = conditional(&self.request.headers, &etag)? {
            return Ok(self.dressed(response, Nature::Page));
        }
        let mut base = link_base(self.request).to_owned();
        push_segments(&mut base, &self.request.segments);
        let (space, crumbs, gateway) = self.crumbs();
        let hashes = match self.request.named.place {
            Place::DnsLink { .. } => HashLinks::About,
            Place::Path | Place::Subdomain { .. } => HashLinks::Gateway(gateway),
        };
        let html = directory_page(&DirectoryPage {
            space: &space,
            crumbs,
            base,
            has_parent: !self.request.segments.is_empty(),
            hashes,
            cid: Some(cid),
            children: &self.children(cid, &self.reached.within)?,
            is_later: self.query.has("cursor"),
        });
        let mut response = self.page(html);
        insert(response.headers_mut(), header::ETAG, &etag);
        Ok(self.dressed(response, Nature::Page))
    }

    fn children(self, cid: &Cid, within: &Within) -> Result<Children, ApiError> {
        Ok(self.content.list_cid(cid, within, self.query.get("cursor"), NAMES_PER_PAGE)?)
    }

    /// A directory for programs.
    fn listing_json(self) -> Result<Response, ApiError> {
        let cid = &self.reached.way.end;
        let etag = format!("W/\"DirIndex-{}_CID-{cid}.json\"", page::version());
        if let Some(response) = conditional(&self.request.headers, &etag)? {
            return Ok(self.dressed(response, Nature::Page));
        }
        let page = self.children(cid, &self.reached.within)?;
        let entries: Vec<_> = page
            .entries
            .iter()
            .map(|child| {
                let (kind, size) = match child.kind {
                    ChildKind::File { size } => ("file", Some(size)),
                    ChildKind::Directory => ("directory", None),
                    ChildKind::Symlink => ("symlink", None),
                    ChildKind::Unknown { .. } => ("unknown", None),
                };
                let cid = child.cid.map(|cid| cid.to_string());
                json!({ "name": child.name, "kind": kind, "size": size, "cid": cid })
            })
            .collect();
        let body = json!({ "cid": cid.to_string(), "entries": entries, "next": page.next });
        let mut response = Json(body).into_response();
        insert(response.headers_mut(), header::ETAG, &etag);
        Ok(self.dressed(response, Nature::Page))
    }

    /// The address as a path of links: what stands before it, its parts, and how the gateway's own links begin.
    pub(super) fn crumbs(self) -> (String, Vec<Crumb>, String) {
        let named = &self.request.named;
        let (space, root) = match named.base.get(..6) {
            Some(space) => (space.to_owned(), named.base[6..].to_owned()),
            None => (String::new(), named.base.clone()),
        };
        let (gateway, mut href, first) = match &named.place {
            Place::Path => (String::new(), named.base.clone(), named.base.clone()),
            Place::Subdomain { gateway } => {
                let href = format!("//{gateway}{}", named.base);
                (format!("//{gateway}"), href.clone(), href)
            }
            Place::DnsLink { host } => (String::new(), format!("//{host}"), format!("//{host}/")),
        };
        let mut crumbs = vec![Crumb { href: first, text: root }];
        for segment in &self.request.segments {
            href.push('/');
            href.push_str(&encode_segment(segment));
            crumbs.push(Crumb { href: href.clone(), text: segment.clone() });
        }
        (space, crumbs, gateway)
    }

    /// A page as an answer; nothing but its headers to HEAD.
    pub(super) fn page(self, html: String) -> Response {
        let length = html.len();
        let mut response = Html(html).into_response();
        if self.request.method == Method::HEAD {
            *response.body_mut() = axum::body::Body::empty();
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}
