//! Single blocks: raw, and as the structured data that their codec says.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use kubelt_content::Codec;
use kubelt_node::{Content, ContentError, File, Reached};

use super::{
    Ask,
    dress::{Disposition, Nature, disposition, insert},
    format::Format,
};
use crate::{
    file_response::{Representation, conditional, ranged},
    page::{self, document_page},
    problem::ApiError,
};

/// The block at the end of a way, to be read like a file.
pub(crate) fn block_file(content: &Content, reached: &Reached) -> Result<File, ContentError> {
    let (cid, within) = (reached.way.end, reached.within.clone());
    let block = content.block(&cid, &within)?;
    Ok(File {
        cid,
        size: block.len() as u64,
        media_type: None,
        visibility: reached.visibility,
        within,
        op: None,
        name: None,
        block: Some(block),
    })
}

impl Ask<'_> {
    /// The block itself.
    pub(super) fn raw(self) -> Result<Response, ApiError> {
        let cid = self.reached.way.end;
        let response = self.bytes(&format!("\"{cid}.raw\""), "application/vnd.ipld.raw")?;
        Ok(self.named_file(response, Disposition::Attachment, "bin"))
    }

    /// A block of structured data, for programs as it is and for people as a page.
    pub(super) fn structured(self, codec: Codec) -> Result<Response, ApiError> {
        let cid = self.reached.way.end;
        let is_json = matches!(codec, Codec::DagJson | Codec::Json);
        let (own, plain) = if is_json { ("dag-json", "json") } else { ("dag-cbor", "cbor") };
        let is_plain = matches!(codec, Codec::Json | Codec::Cbor);
        let name = match self.wish.format {
            None if self.wish.html && !is_plain => return self.document(codec),
            None if is_plain => plain,
            None => own,
            Some(Format::Json) if is_json => plain,
            Some(Format::Cbor) if !is_json => plain,
            Some(Format::DagJson) if codec == Codec::DagJson => own,
            Some(Format::DagCbor) if codec == Codec::DagCbor => own,
            Some(_) => return Err(self.mismatch()),
        };
        let kind = if name == plain {
            format!("application/{name}")
        } else {
            format!("application/vnd.ipld.{name}")
        };
        let response = self.bytes(&format!("\"{cid}.{name}\""), &kind)?;
        let is_inline = is_json && self.query.get("download") != Some("true");
        let disposition = if is_inline { Disposition::Inline } else { Disposition::Attachment };
        Ok(self.named_file(response, disposition, plain))
    }

    fn bytes(self, etag: &str, kind: &str) -> Result<Response, ApiError> {
        let file = block_file(self.content, self.reached)?;
        let media_type = HeaderValue::from_str(kind).expect("a media type of this file");
        let bytes = Representation { etag, size: file.size, media_type };
        let content = self.content.clone();
        ranged(&self.request.method, &self.request.headers, &bytes, move |range| content.read(&file, range))
    }

    /// Names the answer as the query says, or by its CID.
    pub(super) fn named_file(self, mut response: Response, kind: Disposition, extension: &str) -> Response {
        let own = || format!("{}.{extension}", self.reached.way.end);
        let name = self.query.get("filename").map_or_else(own, str::to_owned);
        disposition(response.headers_mut(), kind, &name);
        self.dressed(response, Nature::Data)
    }

    fn document(self, codec: Codec) -> Result<Response, ApiError> {
        let cid = self.reached.way.end;
        let etag = format!("\"DagIndex-{}_CID-{cid}\"", page::version());
        if let Some(response) = conditional(&self.request.headers, &etag)? {
            return Ok(self.dressed(response, Nature::Page));
        }
        let block = self.content.block(&cid, &self.reached.within)?;
        let (space, crumbs, gateway) = self.crumbs();
        let mut response = self.page(document_page(&space, &crumbs, &gateway, &cid, codec, &block));
        insert(response.headers_mut(), header::ETAG, &etag);
        Ok(self.dressed(response, Nature::Page))
    }
}
