//! Packs the node's own pages into the crate: the console where it was built, and the docs.

#![allow(clippy::print_stdout, reason = "a build script speaks with cargo by printing")]

mod frame;
mod markdown;
mod pack;
mod site;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use self::site::{File, Source};

fn main() {
    let made = pages()
        .and_then(|files| pack::write(&variable("OUT_DIR"), files).map_err(|error| vec![error.to_string()]));
    for error in made.err().unwrap_or_default() {
        println!("cargo::error={error}");
    }
}

/// All pages, or all that is wrong with them.
fn pages() -> Result<Vec<File>, Vec<String>> {
    let here = variable("CARGO_MANIFEST_DIR");
    let root = here.join("../..");
    let own = here.join("site");
    let console = root.join("web/console/dist");
    let look = [root.join("web/console/src/style/tokens.css"), root.join("web/console/public/icon.svg")];
    // Cargo takes what it is to watch and does not find for changed, each time.
    let _ = fs::create_dir_all(&console);
    let written = [&own, &root.join("docs"), &root.join("CHANGELOG.md"), &root.join("spec/sealed.md")];
    for watched in written.into_iter().chain(&look).chain([&console]) {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let unreadable = |error: io::Error| vec![error.to_string()];
    let built = files_below(&console).map_err(unreadable)?;
    let sources = sources(&root).map_err(unreadable)?;
    let own = own_files(&own, &look).map_err(unreadable)?;
    let mut files = site::files(&sources, &own, built.is_empty())?;
    // What the console's maps say is in the repository.
    files.extend(built.into_iter().filter(|(path, _)| !path.ends_with(".map")).map(|(path, bytes)| File {
        media_type: site::media_type(&path),
        path: if path == "index.html" { String::new() } else { path },
        bytes,
    }));
    Ok(files)
}

/// What this crate has of its own, in the look of the console: the colours before the style, and the icon.
fn own_files(own: &Path, [tokens, icon]: &[PathBuf; 2]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = files_below(own)?;
    for (path, bytes) in &mut files {
        if path == "style.css" {
            *bytes = [fs::read(tokens)?.as_slice(), bytes].concat();
        }
    }
    files.push(("icon.svg".to_owned(), fs::read(icon)?));
    Ok(files)
}

fn variable(name: &str) -> PathBuf {
    PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("cargo sets `{name}`")))
}

/// The Markdown that the docs are made of, by its paths in the repository.
fn sources(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for (path, bytes) in files_below(&root.join("docs"))? {
        if path.ends_with(".md") {
            found.push((format!("docs/{path}"), bytes));
        }
    }
    for path in ["CHANGELOG.md", "spec/sealed.md"] {
        found.push((path.to_owned(), fs::read(root.join(path))?));
    }
    let source =
        |(path, bytes)| Ok(Source { path, text: String::from_utf8(bytes).map_err(io::Error::other)? });
    found.into_iter().map(source).collect()
}

/// Every file below a folder, in order of their paths, which are relative to it and have `/`.
fn files_below(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_name| io::Error::other("a name that is no text"))?;
            let path = format!("{prefix}{name}");
            match entry.file_type()?.is_dir() {
                true => folders.push((entry.path(), format!("{path}/"))),
                false => found.push((path, fs::read(entry.path())?)),
            }
        }
    }
    found.sort();
    Ok(found)
}
