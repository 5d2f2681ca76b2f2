//! The docs as a site: which page is where, and which comes after which.

use std::collections::{HashMap, HashSet};

use super::{
    frame::{self, Place},
    markdown::{self, Outline, Target},
};

/// A Markdown file, by its path in the repository.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A file as it is served below `/_/`.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// A part of the docs, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) links: Vec<Link>,
}

/// A page in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Below `/_/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The page that says which pages there are, and in which order they are read.
const INDEX: &str = "docs/README.md";
/// The node's page where no console was built.
const NO_CONSOLE: &str = "no-console.md";
/// Where this crate has its own files.
const OWN: &str = "crates/kubelt-pages/site";

/// The SDK's reference, which is made by another tool.
const GENERATED: &str = "docs/reference/sdk/";

/// What a link to a file outside of the docs leads to on a node.
const SERVED_ELSEWHERE: &[(&str, &str)] = &[("spec/openapi.json", "/openapi.json")];

/// All files of the docs, made of `sources` and of what this crate has of its `own`; with a page in the console's place where
/// there `is_no_console`.
pub(crate) fn files(
    sources: &[Source],
    own: &[(String, Vec<u8>)],
    is_no_console: bool,
) -> Result<Vec<File>, Vec<String>> {
    let mut errors = Vec::new();
    let mut pages = HashMap::new();
    for Source { path, text } in sources {
        match markdown::outline(text) {
            Ok(outline) => {
                pages.insert(path.as_str(), Page { address: address(path), outline });
            }
            Err(error) => errors.push(format!("{path}: {error}")),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let sections = sections(sources, &pages)?;
    let order: Vec<&Link> = sections.iter().flat_map(|section| &section.links).collect();
    let mut files = vec![search_index(sources, &pages)];
    let mut add = |source: &Source, path: &str, title: &str| {
        let lead = |link: &str| lead(&source.path, link, &pages);
        let at = order.iter().position(|link| link.path == path);
        let place = Place {
            path,
            title,
            sections: &sections,
            before: at.and_then(|at| order.get(at.checked_sub(1)?).copied()),
            after: at.and_then(|at| order.get(at + 1).copied()),
        };
        match markdown::render(&source.text, lead) {
            Ok(html) => files.push(page_file(path, frame::page(&place, &html))),
            Err(found) => errors.extend(found.into_iter().map(|error| format!("{}: {error}", source.path))),
        }
    };
    for source in sources {
        let page = &pages[source.path.as_str()];
        add(source, &page.address, &page.outline.title);
    }
    let lost =
        Source { path: INDEX.to_owned(), text: "# No such page\n\n[All pages](README.md)\n".to_owned() };
    add(&lost, "docs/404", "No such page");
    for (path, bytes) in own {
        let Some(text) = (path == NO_CONSOLE).then(|| String::from_utf8_lossy(bytes).into_owned()) else {
            continue;
        };
        if is_no_console {
            add(&Source { path: format!("{OWN}/{path}"), text }, "", "A Kubelt node");
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    files.extend(own.iter().filter(|(path, _)| path != NO_CONSOLE).map(|(path, bytes)| File {
        path: format!("docs/{path}"),
        media_type: media_type(path),
        bytes: bytes.clone(),
    }));
    Ok(files)
}

#[derive(Debug)]
struct Page {
    address: String,
    outline: Outline,
}

fn page_file(path: &str, html: String) -> File {
    File { path: path.to_owned(), media_type: media_type(".html"), bytes: html.into_bytes() }
}

/// Where the page of a source stands below `/_/`.
fn address(source: &str) -> String {
    let below = source.strip_prefix("docs/").unwrap_or(source).trim_end_matches(".md");
    let below = if source == "CHANGELOG.md" { "changes" } else { below };
    let folder = below.strip_suffix("index").or(below.strip_suffix("README"));
    format!("docs/{}", folder.filter(|folder| folder.is_empty() || folder.ends_with('/')).unwrap_or(below))
}

/// Where a link on a page leads.
fn lead(from: &str, link: &str, pages: &HashMap<&str, Page>) -> Result<Target, String> {
    if let Some((scheme, _)) = link.split_once(':').filter(|(before, _)| !before.contains(['/', '#'])) {
        let is_known = matches!(scheme, "https" | "http" | "mailto");
        return if is_known {
            Ok(Target::Address(link.to_owned()))
        } else {
            Err(format!("links to `{link}`, which is no address of a page"))
        };
    }
    let (path, id) = link.split_once('#').map_or((link, None), |(path, id)| (path, Some(id)));
    let path = if path.is_empty() {
        from.to_owned()
    } else {
        resolve(from, path).ok_or_else(|| format!("links to `{link}`, which is outside of the repository"))?
    };
    let Some(page) = pages.get(path.as_str()) else {
        if path.starts_with("docs/") && path.ends_with(".md") {
            return Err(format!("links to `{link}`, and there is no such page"));
        }
        let served = SERVED_ELSEWHERE.iter().find(|(file, _)| *file == path);
        // That it is there is checked with the house rules, where all of the repository is seen.
        return Ok(served.map_or(Target::Elsewhere, |(_, address)| Target::Address((*address).to_owned())));
    };
    match id.map(|id| existing(from, id, &page.outline.ids)) {
        Some(id) if !page.outline.ids.contains(id) => {
            Err(format!("links to `{link}`, and `{path}` has no such heading"))
        }
        Some(id) => Ok(Target::Address(format!("/_/{}#{id}", page.address))),
        None => Ok(Target::Address(format!("/_/{}", page.address))),
    }
}

/// The id that is meant by a link. The SDK's reference counts headings that it then leaves out: `coreid-1` is `coreid` there.
fn existing<'a>(from: &str, id: &'a str, ids: &HashSet<String>) -> &'a str {
    let uncounted = id.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
    let is_meant = from.starts_with(GENERATED) && !ids.contains(id) && ids.contains(uncounted);
    if is_meant { uncounted } else { id }
}

/// `path` as it is meant on the page `from`; none where it leaves the repository.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The lists of the index, each under its heading. A page that is in none of them comes last where its folder's are, but for
/// those below a folder that is listed itself.
fn sections(sources: &[Source], pages: &HashMap<&str, Page>) -> Result<Vec<Section>, Vec<String>> {
    let index = sources.iter().find(|source| source.path == INDEX);
    let index = index.ok_or_else(|| vec![format!("`{INDEX}` is missing, which lists all pages")])?;
    let mut sections: Vec<Section> = Vec::new();
    let mut listed = HashSet::new();
    for line in index.text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            sections.push(Section { name: name.trim().to_owned(), links: Vec::new() });
        } else if let (Some((text, target)), Some(section)) = (listed_link(line), sections.last_mut())
            && let Some((&path, page)) =
                resolve(INDEX, target).and_then(|path| pages.get_key_value(path.as_str()))
        {
            listed.insert(path);
            section.links.push(Link { path: page.address.clone(), text: text.to_owned() });
        }
    }
    for source in sources {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_below =
            |path: &&str| path.strip_suffix("/index.md").is_some_and(|listed| folder.starts_with(listed));
        if source.path == INDEX || listed.contains(source.path.as_str()) || listed.iter().any(is_below) {
            continue;
        }
        let page = &pages[source.path.as_str()];
        let link = Link { path: page.address.clone(), text: page.outline.title.clone() };
        let of_folder = |section: &&mut Section| {
            section.links.iter().any(|other| other.path.starts_with(&format!("{folder}/")))
        };
        match sections.iter_mut().find(of_folder) {
            Some(section) => section.links.push(link),
            None => {
                return Err(vec![format!(
                    "{}: no list of `{INDEX}` has this page, nor one of its folder",
                    source.path
                )]);
            }
        }
    }
    Ok(sections)
}

/// `- [text](target)…`.
fn listed_link(line: &str) -> Option<(&str, &str)> {
    let (text, rest) = line.strip_prefix("- [")?.split_once("](")?;
    Some((text, rest.split_once(')')?.0))
}

/// Every heading that can be searched for: where it is, the page's title, and the heading where it is not the title.
fn search_index(sources: &[Source], pages: &HashMap<&str, Page>) -> File {
    const LEVEL_MAX: usize = 3;
    let mut entries = Vec::new();
    for Page { address, outline } in sources.iter().map(|source| &pages[source.path.as_str()]) {
        for (index, heading) in
            outline.headings.iter().enumerate().filter(|(_, heading)| heading.level <= LEVEL_MAX)
        {
            let (id, text) = if index == 0 {
                (String::new(), "")
            } else {
                (format!("#{}", heading.id), heading.text.as_str())
            };
            entries.push(serde_json::json!([format!("/_/{address}{id}"), outline.title, text]));
        }
    }
    let bytes = serde_json::Value::Array(entries).to_string().into_bytes();
    File { path: "docs/search.json".to_owned(), media_type: media_type(".json"), bytes }
}

/// The media type of a file by its ending.
pub(crate) fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
