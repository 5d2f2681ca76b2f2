//! What is around the text of every page.

use std::fmt::Write as _;

use super::site::{Link, Section};

/// Where a page stands.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// Below `/_/`.
    pub(crate) path: &'a str,
    pub(crate) title: &'a str,
    pub(crate) sections: &'a [Section],
    pub(crate) before: Option<&'a Link>,
    pub(crate) after: Option<&'a Link>,
}

/// A whole page around its text.
pub(crate) fn page(place: &Place<'_>, text: &str) -> String {
    let (title, list, turns) = (escape(place.title), list(place), turns(place));
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Kubelt</title>
<link rel="icon" href="/_/docs/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/_/docs/style.css">
<script type="module" src="/_/docs/search.js"></script>
</head>
<body>
<a class="skip" href="#text">Skip to the text</a>
<header>
<a class="home" href="/_/docs/">Kubelt <span>docs</span></a>
<search hidden>
<input type="search" id="search" placeholder="Search headings" aria-label="Search the docs" aria-controls="found" autocomplete="off">
<ul id="found" aria-label="Found" hidden></ul>
</search>
<button type="button" class="pages" popovertarget="pages">Pages</button>
<a class="console" href="/_/">Console</a>
</header>
<div class="desk">
<nav id="pages" popover aria-label="Pages">
{list}</nav>
<main id="text" tabindex="-1">
{text}{turns}</main>
</div>
</body>
</html>
"##
    )
}

fn list(place: &Place<'_>) -> String {
    let mut list = String::new();
    for (index, Section { name, links }) in place.sections.iter().enumerate() {
        let _ = writeln!(
            list,
            "<p id=\"part-{index}\">{}</p>\n<ul aria-labelledby=\"part-{index}\">",
            escape(name)
        );
        for Link { path, text } in links {
            let is_here = if path == place.path { " aria-current=\"page\"" } else { "" };
            let _ = writeln!(list, "<li><a href=\"/_/{}\"{is_here}>{}</a></li>", escape(path), escape(text));
        }
        list.push_str("</ul>\n");
    }
    list
}

fn turns(place: &Place<'_>) -> String {
    let turn = |link: Option<&Link>, kind: &str, words: &str| {
        link.map(|Link { path, text }| {
            format!(
                "<a rel=\"{kind}\" href=\"/_/{}\"><span>{words}</span>{}</a>\n",
                escape(path),
                escape(text)
            )
        })
    };
    let (before, after) = (turn(place.before, "prev", "Before"), turn(place.after, "next", "Next"));
    if before.is_none() && after.is_none() {
        return String::new();
    }
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    format!("<nav class=\"turns\" aria-label=\"Before and next\">\n{before}{after}</nav>\n")
}

/// Text as markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
