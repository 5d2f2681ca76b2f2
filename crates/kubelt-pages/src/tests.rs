use std::io::Read as _;

use crate::{
    FILES, File,
    markdown::{self, Target},
    site::{self, Source},
};

fn text(file: &File) -> &'static str {
    std::str::from_utf8(file.plain).expect("pages are text")
}

fn pages() -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(|file| file.path.starts_with("docs/") && file.media_type.starts_with("text/html"))
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| Some(rest.split_once(to)?.0)).collect()
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let mut looked_at = 0;
    for page in pages() {
        for link in between(text(page), "href=\"", "\"") {
            let (path, id) = link.split_once('#').map_or((link, None), |(path, id)| (path, Some(id)));
            let Some(path) = (if path.is_empty() { Some(page.path) } else { path.strip_prefix("/_/") })
            else {
                continue;
            };
            let found = FILES.iter().find(|file| file.path == path);
            let found = found.unwrap_or_else(|| panic!("{}: `{link}` leads nowhere", page.path));
            assert!(
                id.is_none_or(|id| text(found).contains(&format!(" id=\"{id}\""))),
                "{}: `{link}` leads to no heading",
                page.path
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 500, "{looked_at}");
}

#[test]
fn every_page_can_be_found_its_way_around_in() {
    for page in pages() {
        let html = text(page);
        for once in
            ["<main ", "<h1", "<header>", "aria-label=\"Pages\"", "class=\"skip\"", "<html lang=\"en\">"]
        {
            assert_eq!(html.matches(once).count(), 1, "{}: {once}", page.path);
        }
        assert!(!["<script>", "<style", "<th></th>"].iter().any(|bad| html.contains(bad)), "{}", page.path);
    }
}

#[test]
fn one_reads_from_the_first_page_to_the_last() {
    let page = |path: &str| text(FILES.iter().find(|file| file.path == path).expect("a page"));
    let mut here = "docs/start/first-five-minutes".to_owned();
    let mut read = 1;
    while let Some(next) = between(page(&here), "rel=\"next\" href=\"/_/", "\"").first() {
        assert_eq!(between(page(next), "rel=\"prev\" href=\"/_/", "\""), [here.as_str()]);
        here = (*next).to_owned();
        read += 1;
    }
    assert_eq!(here, "docs/changes");
    assert!(read > 20, "{read}");
}

#[test]
fn what_is_packed_unpacks_to_the_same() {
    assert!(FILES.is_sorted_by_key(|file| file.path));
    assert!(FILES.iter().any(|file| file.path.is_empty()));
    for file in FILES {
        if let Some(mut packed) = file.brotli {
            let mut plain = Vec::new();
            brotli::BrotliDecompress(&mut packed, &mut plain).expect("Brotli");
            assert_eq!(plain, file.plain, "{}", file.path);
        }
        if let Some(packed) = file.gzip {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).expect("gzip");
            assert_eq!(plain, file.plain, "{}", file.path);
        }
    }
    assert!(pages().all(|page| page.brotli.is_some() && page.gzip.is_some()));
}

#[track_caller]
fn check_site(files: &[(&str, &str)], expected: &str) {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source { path: (*path).to_owned(), text: (*text).to_owned() })
        .collect();
    let found = site::files(&sources, &[], false);
    if let Ok(files) = &found {
        assert_eq!(
            files.iter().filter(|file| file.media_type.starts_with("text/html")).count(),
            sources.len() + 1
        );
        assert!(files.iter().all(|file| file.path.starts_with("docs/") && !file.bytes.is_empty()));
    }
    assert_eq!(found.err().unwrap_or_default().join("; "), expected);
}

#[test]
fn what_is_wrong_with_a_page_is_said() {
    let index = ("docs/README.md", "# Docs\n\n## Start\n\n- [One](start/one.md): first\n");
    check_site(
        &[index, ("docs/start/one.md", "# One\n\n[back](../README.md#start), [out](../../README.md)")],
        "",
    );
    check_site(
        &[index, ("docs/start/one.md", "One")],
        "docs/start/one.md: must begin with its title (`# …`)",
    );
    check_site(
        &[index, ("docs/start/one.md", "# One\n\n### Deep")],
        "docs/start/one.md: the heading `Deep` is at level 3, below one at level 1",
    );
    check_site(
        &[index, ("docs/start/one.md", "# One\n\n[x](../README.md#stop) [y](#none)")],
        "docs/start/one.md: links to `../README.md#stop`, and `docs/README.md` has no such heading; \
         docs/start/one.md: links to `#none`, and `docs/start/one.md` has no such heading",
    );
    check_site(
        &[index, ("docs/start/one.md", "# One\n\n[x](../../../x.md)")],
        "docs/start/one.md: links to `../../../x.md`, which is outside of the repository",
    );
    check_site(
        &[index, ("docs/start/one.md", "# One\n\n[x](two.md)")],
        "docs/start/one.md: links to `two.md`, and there is no such page",
    );
    check_site(
        &[index, ("docs/start/one.md", "# One\n\na <b>bold</b> word")],
        "docs/start/one.md: holds markup (`<b>`): write Markdown, or put it into backticks",
    );
    check_site(
        &[index, ("docs/start/one.md", "# One"), ("docs/new/two.md", "# Two")],
        "docs/new/two.md: no list of `docs/README.md` has this page, nor one of its folder",
    );
    check_site(&[index, ("docs/start/one.md", "# One"), ("docs/start/two.md", "# Two")], "");
    check_site(&[("docs/start/one.md", "# One")], "`docs/README.md` is missing, which lists all pages");
}

#[test]
fn headings_have_the_ids_that_code_hosts_give_them() {
    let outline = markdown::outline("# A `b` & c_d\n\n## Sub: one\n\n## Sub: one\n\n<a id=\"own\"></a>")
        .expect("a page");
    let ids: Vec<&str> = outline.headings.iter().map(|heading| heading.id.as_str()).collect();
    assert_eq!(ids, ["a-b--c_d", "sub-one", "sub-one-1"]);
    assert!(outline.ids.contains("own"));
}

#[test]
fn links_are_led_and_words_stay() {
    let lead = |link: &str| match link {
        "in.md" => Ok(Target::Address("/_/docs/in".to_owned())),
        _ => Ok(Target::Elsewhere),
    };
    let html = markdown::render("# T\n\n[a](in.md) and [b](out.rs) and [c](in.md)", lead).expect("a page");
    assert!(
        html.ends_with("<p><a href=\"/_/docs/in\">a</a> and b and <a href=\"/_/docs/in\">c</a></p>\n"),
        "{html}"
    );
}

#[test]
fn nothing_in_a_page_runs() {
    let hostile = "# T\n\n`<script>` & \"q\"\n\n```\n<script>alert(1)</script>\n```\n";
    let html = markdown::render(hostile, |_link| Ok(Target::Elsewhere)).expect("a page");
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
    let index = ("docs/README.md", "# Docs\n\n## Start\n\n- [One](start/one.md)\n");
    check_site(
        &[index, ("docs/start/one.md", "# One\n\n[x](javascript:alert(1))")],
        "docs/start/one.md: links to `javascript:alert(1)`, which is no address of a page",
    );
}
