//! A directory as a page.

use std::fmt::Write as _;

use kubelt_content::Cid;
use kubelt_node::{Child, ChildKind, Children};

use super::{Crumb, begin, crumbs, encode_query, end, escape, human, icons};
use crate::path::encode_segment;

/// Where the CID of an entry leads.
#[derive(Debug)]
pub(crate) enum HashLinks {
    /// `{gateway}/ipfs/{cid}`, `gateway` being empty or `//HOST`.
    Gateway(String),
    /// To a page about CIDs, since this host serves no others.
    About,
}

/// What a directory's page shows.
#[derive(Debug)]
pub(crate) struct DirectoryPage<'a> {
    /// What stands before the path: `/ipfs/`, `/ipns/` or nothing.
    pub(crate) space: &'a str,
    /// The path, each part with its link.
    pub(crate) crumbs: Vec<Crumb>,
    /// The link to the directory itself, without a slash at its end.
    pub(crate) base: String,
    /// Whether there is a directory above.
    pub(crate) has_parent: bool,
    pub(crate) hashes: HashLinks,
    /// The directory's own CID, where it has one.
    pub(crate) cid: Option<&'a Cid>,
    pub(crate) children: &'a Children,
    /// Whether this is a page behind the first.
    pub(crate) is_later: bool,
}

/// Writes the page.
pub(crate) fn directory_page(page: &DirectoryPage<'_>) -> String {
    let mut html = String::with_capacity(8 * 1_024 + page.children.entries.len() * 500);
    let path: Vec<&str> = page.crumbs.iter().map(|crumb| crumb.text.as_str()).collect();
    let title = format!("{}{}", page.space, path.join("/"));
    begin(&mut html, &title);
    html.push_str("<h1>Index of ");
    crumbs(&mut html, page.space, &page.crumbs);
    html.push_str("</h1><table>");
    if page.has_parent {
        let _ = write!(
            html,
            "<tr><td>{}</td><td><a href=\"{}/..\">..</a></td><td></td><td></td></tr>",
            icons::UP,
            escape(&page.base)
        );
    }
    for child in &page.children.entries {
        row(&mut html, page, child);
    }
    html.push_str("</table>");
    if page.children.entries.is_empty() {
        html.push_str("<p class=\"note\">This directory is empty.</p>");
    }
    if page.is_later || page.children.next.is_some() {
        html.push_str("<nav>");
        if page.is_later {
            html.push_str("<a href=\"?\">first page</a>");
        }
        if let Some(next) = &page.children.next {
            let _ = write!(html, "<a href=\"?cursor={}\">next page</a>", encode_query(next));
        }
        html.push_str("</nav>");
    }
    if let Some(cid) = page.cid {
        let _ = write!(html, "<p class=\"note\">CID <code>{cid}</code></p>");
    }
    end(&mut html);
    html
}

fn row(html: &mut String, page: &DirectoryPage<'_>, child: &Child) {
    let (class, size) = match child.kind {
        ChildKind::Directory => (" class=\"d\"", String::new()),
        ChildKind::File { size } => ("", human(size)),
        ChildKind::Symlink => ("", "link".to_owned()),
        ChildKind::Unknown { dag_size } => ("", dag_size.map(human).unwrap_or_default()),
    };
    let _ = write!(
        html,
        "<tr{class}><td>{}</td><td><a href=\"{}/{}\">{}</a></td><td>",
        icons::icon(child.kind, &child.name),
        escape(&page.base),
        escape(&encode_segment(&child.name)),
        escape(&child.name)
    );
    if let Some(cid) = &child.cid {
        hash(html, &page.hashes, cid, &child.name);
    }
    let _ = write!(html, "</td><td>{size}</td></tr>");
}

fn hash(html: &mut String, hashes: &HashLinks, cid: &Cid, name: &str) {
    let text = cid.to_string();
    let short = match (text.get(..4), text.get(text.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if text.len() > 12 => format!("{head}\u{2026}{tail}"),
        _ => text.clone(),
    };
    html.push_str("<a class=\"ipfs-hash\" translate=\"no\" href=\"");
    let _ = match hashes {
        // The name is encoded twice, as other gateways and their suite do.
        HashLinks::Gateway(gateway) => write!(
            html,
            "{}/ipfs/{text}?filename={}\">{short}</a>",
            escape(gateway),
            encode_query(&encode_query(name))
        ),
        HashLinks::About => write!(
            html,
            "https://cid.ipfs.tech/#{text}\" target=\"_blank\" rel=\"noreferrer noopener\">{short}</a>"
        ),
    };
}
