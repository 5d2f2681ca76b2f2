//! Markdown to HTML: CommonMark with tables, and nothing that could be a program.

use std::collections::{HashMap, HashSet};

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// What a page holds, as others need to know it.
#[derive(Debug)]
pub(crate) struct Outline {
    /// The text of its first heading.
    pub(crate) title: String,
    /// Its headings in order, the title among them.
    pub(crate) headings: Vec<Heading>,
    /// Every place that a link can lead to.
    pub(crate) ids: HashSet<String>,
}

/// A heading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) level: usize,
    pub(crate) id: String,
    pub(crate) text: String,
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To this address.
    Address(String),
    /// To something that is not among the pages: its words stay.
    Elsewhere,
}

/// Reads what a page holds, or says what is wrong with it.
pub(crate) fn outline(text: &str) -> Result<Outline, String> {
    let mut outline = Outline { title: String::new(), headings: Vec::new(), ids: HashSet::new() };
    let mut slugs = Slugs::default();
    let mut open: Option<(usize, String)> = None;
    for event in parser(text) {
        match (event, &mut open) {
            (Event::Start(Tag::Heading { level, .. }), _) => open = Some((rank(level), String::new())),
            (Event::Text(text) | Event::Code(text), Some((_, heading))) => heading.push_str(&text),
            (Event::End(TagEnd::Heading(_)), _) => {
                let (level, text) = open.take().expect("what ends has begun");
                let id = slugs.next(&text);
                outline.ids.insert(id.clone());
                outline.headings.push(Heading { level, id, text });
            }
            (Event::InlineHtml(markup) | Event::Html(markup), _) => {
                outline.ids.extend(anchor(&markup)?.map(str::to_owned))
            }
            _ => {}
        }
    }
    check_order(&outline.headings)?;
    outline.title.clone_from(&outline.headings[0].text);
    Ok(outline)
}

/// Renders a page; `lead` says where its links lead.
pub(crate) fn render(
    text: &str,
    mut lead: impl FnMut(&str) -> Result<Target, String>,
) -> Result<String, Vec<String>> {
    let (mut errors, mut slugs) = (Vec::new(), Slugs::default());
    let mut events: Vec<Event<'_>> = Vec::new();
    // The heading that is open: its place among the events, and its words.
    let mut heading: Option<(usize, String)> = None;
    let mut is_linked = false;
    let markup = |text: &'static str| Event::Html(CowStr::Borrowed(text));
    for event in parser(text) {
        if let (Event::Text(text) | Event::Code(text), Some((_, words))) = (&event, &mut heading) {
            words.push_str(text);
        }
        match event {
            Event::Start(Tag::Heading { .. }) => {
                heading = Some((events.len(), String::new()));
                events.push(event);
            }
            Event::End(TagEnd::Heading(_)) => {
                let (at, words) = heading.take().expect("what ends has begun");
                let slug = slugs.next(&words);
                let link = format!(
                    "<a class=\"anchor\" href=\"#{slug}\" aria-hidden=\"true\" tabindex=\"-1\">#</a>"
                );
                if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
                    *id = Some(slug.into());
                }
                events.extend([Event::InlineHtml(link.into()), event]);
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => match lead(&dest_url) {
                Ok(Target::Address(address)) => {
                    is_linked = true;
                    events.push(Event::Start(Tag::Link { link_type, dest_url: address.into(), title, id }));
                }
                Ok(Target::Elsewhere) => is_linked = false,
                Err(error) => errors.push(error),
            },
            Event::End(TagEnd::Link) if !is_linked => {}
            // What is wider than the page can be scrolled by keyboard, too.
            Event::Start(Tag::CodeBlock(_)) => events.push(markup("<pre tabindex=\"0\"><code>")),
            Event::End(TagEnd::CodeBlock) => events.push(markup("</code></pre>\n")),
            Event::Start(Tag::Table(_)) => {
                events.extend([markup("<div class=\"table\" tabindex=\"0\">"), event])
            }
            Event::End(TagEnd::Table) => events.extend([event, markup("</div>\n")]),
            Event::Start(Tag::Image { dest_url, .. }) => {
                errors.push(format!("shows `{dest_url}`, and the docs have no images"));
            }
            Event::Html(markup) | Event::InlineHtml(markup) => match anchor(&markup) {
                Ok(Some(id)) => events.push(Event::InlineHtml(format!("<a id=\"{id}\">").into())),
                Ok(None) => events.push(Event::InlineHtml("</a>".into())),
                Err(error) => errors.push(error),
            },
            event => events.push(event),
        }
    }
    let mut page = String::new();
    html::push_html(&mut page, events.into_iter());
    // A column that says for itself what it is has no heading to be read out.
    let page = page.replace("<th></th>", "<td></td>");
    if errors.is_empty() { Ok(page) } else { Err(errors) }
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

const fn rank(level: HeadingLevel) -> usize {
    level as usize
}

/// The id of `<a id="…">`, nothing for its end, and an error for any other markup.
fn anchor(markup: &str) -> Result<Option<&str>, String> {
    let id = markup.strip_prefix("<a id=\"").and_then(|rest| rest.strip_suffix("\">"));
    match id {
        Some(id) if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) => {
            Ok(Some(id))
        }
        None if markup == "</a>" => Ok(None),
        _ => Err(format!("holds markup (`{}`): write Markdown, or put it into backticks", markup.trim())),
    }
}

/// People who hear a page find their way by its headings.
fn check_order(headings: &[Heading]) -> Result<(), String> {
    if headings.first().is_none_or(|first| first.level != 1) {
        return Err("must begin with its title (`# …`)".to_owned());
    }
    for pair in headings.windows(2) {
        let next = &pair[1];
        if next.level == 1 || next.level > pair[0].level + 1 {
            return Err(format!(
                "the heading `{}` is at level {}, below one at level {}",
                next.text, next.level, pair[0].level
            ));
        }
    }
    Ok(())
}

/// Ids of headings, made as code hosts make them, so that links work there, too.
#[derive(Debug, Default)]
struct Slugs(HashMap<String, usize>);

impl Slugs {
    fn next(&mut self, heading: &str) -> String {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let slug: String =
            heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = self.0.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    }
}
