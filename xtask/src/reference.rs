//! Reference pages of `docs/`, made of what the binary says of itself.

pub(crate) mod limits;
mod types;

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use self::types::{prose, type_of, write_types};

/// What every generated page says first, where whoever would edit it looks.
const MADE_BY: &str = "[//]: # (Made by `cargo xtask codegen`.)\n\n";

/// The routes, by what they are about, and the types that go over them.
pub(crate) fn http(openapi: &Value) -> Result<String> {
    let mut page = format!(
        "# HTTP API\n\n{MADE_BY}Made of the node's own description of itself, which it serves at `/openapi.json`. {} \
         Routes marked *session* want `Authorization: Bearer …` with the token of a [session](#session). What goes wrong is answered \
         as a [Problem](#problem) (RFC 9457), and its `type` is the name to rely on.\n",
        prose(text(&openapi["info"]["description"]))
    );
    let paths = openapi["paths"].as_object().context("no paths")?;
    let schemas = object(&openapi["components"]["schemas"])?;
    for tag in list(&openapi["tags"]) {
        let name = text(&tag["name"]);
        check_heading(name, schemas)?;
        let _ = write!(page, "\n## {}\n\n{}.\n", capital(name), prose(text(&tag["description"])));
        for (path, routes) in paths {
            for (method, route) in object(routes)? {
                if text(&route["tags"][0]) == name {
                    write_route(&mut page, &format!("{} {path}", method.to_uppercase()), route)?;
                }
            }
        }
    }
    write_types(&mut page, schemas)?;
    Ok(page)
}

/// The methods, by what they are about, and their types.
pub(crate) fn json_rpc(openrpc: &Value) -> Result<String> {
    let mut page = format!(
        "# JSON-RPC\n\n{MADE_BY}What a core answers at `/@{{core}}/-/rpc`, over HTTP and WebSockets; the same is given by \
         `rpc.discover` (OpenRPC). {} [The wallet face](../build/wallet.md) says how to use it.\n",
        prose(text(&openrpc["info"]["description"]))
    );
    let schemas = object(&openrpc["components"]["schemas"])?;
    let methods = list(&openrpc["methods"]);
    let mut tags: Vec<&str> = Vec::new();
    for method in methods {
        let tag = text(&method["tags"][0]["name"]);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    for tag in tags {
        let heading = if tag.is_empty() { "Wallets and chains".to_owned() } else { capital(tag) };
        check_heading(&heading, schemas)?;
        let _ = write!(page, "\n## {heading}\n");
        for method in methods.iter().filter(|method| text(&method["tags"][0]["name"]) == tag) {
            write_method(&mut page, method);
        }
    }
    write_types(&mut page, schemas)?;
    Ok(page)
}

/// The commands, one below the other.
pub(crate) fn command_line(first: &Value) -> Result<String> {
    let mut page = format!(
        "# Command line\n\n{MADE_BY}{}\n\nEvery command takes these options, wherever they stand; `kubelt COMMAND --help` says all of this, too.\n",
        paragraphs(text(&first["about"]))
    );
    write_arguments(&mut page, first);
    for command in list(&first["commands"]) {
        write_command(&mut page, command, "##");
    }
    Ok(page)
}

fn write_command(page: &mut String, command: &Value, level: &str) {
    let _ =
        write!(page, "\n{level} `{}`\n\n{}\n", text(&command["name"]), paragraphs(text(&command["about"])));
    let parts = list(&command["commands"]);
    if parts.is_empty() {
        let _ = write!(page, "\n```\n{}\n```\n", text(&command["usage"]));
        write_arguments(page, command);
    }
    for part in parts {
        write_command(page, part, &format!("{level}#"));
    }
}

fn write_arguments(page: &mut String, command: &Value) {
    let arguments = list(&command["arguments"]);
    if arguments.is_empty() {
        return;
    }
    page.push_str("\n| Argument | Meaning |\n| --- | --- |\n");
    for argument in arguments {
        let mut said = vec![full_stop(&prose(text(&argument["about"])))];
        let choices = list(&argument["choices"]).iter().map(|choice| match text(&choice["about"]) {
            "" => format!("`{}`", text(&choice["name"])),
            about => format!("`{}` ({})", text(&choice["name"]), prose(about)),
        });
        let choices = choices.collect::<Vec<_>>().join(", ");
        if !choices.is_empty() {
            said.push(format!("One of {choices}."));
        }
        for (name, value) in [("Default", &argument["default"]), ("Environment", &argument["environment"])] {
            if !text(value).is_empty() {
                said.push(format!("{name}: `{}`.", text(value)));
            }
        }
        let _ = writeln!(
            page,
            "| `{}` | {} |",
            text(&argument["name"]).replace('|', "\\|"),
            said.join(" ").trim()
        );
    }
}

fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(|paragraph| full_stop(&prose(paragraph))).collect::<Vec<_>>().join("\n\n")
}

fn full_stop(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', '?', '!', ':']) { text.to_owned() } else { format!("{text}.") }
}

fn write_route(page: &mut String, name: &str, route: &Value) -> Result<()> {
    let session = if route["security"].is_array() { " *Session.*" } else { "" };
    let _ = write!(page, "\n### `{name}`\n\n{}{session}\n", prose(text(&route["summary"])));
    if let Some(more) = route["description"].as_str() {
        let _ = write!(page, "\n{}\n", prose(more));
    }
    let mut rows = Vec::new();
    for parameter in list(&route["parameters"]) {
        let place = if parameter["in"] == "query" { "query" } else { "path" };
        let required = if parameter["required"] == true { "" } else { ", may be absent" };
        let kind = format!("{}, in the {place}{required}", type_of(&parameter["schema"]));
        rows.push([format!("`{}`", text(&parameter["name"])), kind, prose(text(&parameter["description"]))]);
    }
    if let Some(body) = route.get("requestBody") {
        rows.push(["body".to_owned(), content(&body["content"]), prose(text(&body["description"]))]);
    }
    for (status, answer) in object(&route["responses"])? {
        let is_problem = answer["content"].get("application/problem+json").is_some();
        let said = prose(text(&answer["description"]));
        // That anything can fail is said once, above.
        if !(is_problem && said.is_empty()) {
            rows.push([format!("→ {status}"), content(&answer["content"]), said]);
        }
    }
    write_table(page, &rows);
    Ok(())
}

fn write_method(page: &mut String, method: &Value) {
    let _ = write!(page, "\n### `{}`\n\n", text(&method["name"]));
    page.push_str(&full_stop(&capital(&prose(text(&method["summary"])))));
    if let Some(http) = method.get("x-http") {
        let _ = write!(page, " By HTTP: `{} {}`.", text(&http["method"]), text(&http["path"]));
    }
    page.push('\n');
    let mut rows = Vec::new();
    for parameter in list(&method["params"]) {
        let absent = if parameter["required"] == true { "" } else { ", may be absent" };
        let kind = format!("{}{absent}", type_of(&parameter["schema"]));
        let said = parameter["description"].as_str().or(parameter["schema"]["description"].as_str());
        rows.push([format!("`{}`", text(&parameter["name"])), kind, prose(said.unwrap_or_default())]);
    }
    rows.push([
        "→ result".to_owned(),
        type_of(&method["result"]["schema"]),
        prose(text(&method["result"]["description"])),
    ]);
    write_table(page, &rows);
}

/// What a body may be: its type where it is JSON, its media type where it is not.
fn content(content: &Value) -> String {
    let kinds =
        content.as_object().into_iter().flatten().map(|(media_type, body)| match body.get("schema") {
            Some(schema) => type_of(schema),
            None => format!("`{media_type}`"),
        });
    kinds.collect::<Vec<_>>().join(" or ")
}

/// A table of name, type and meaning.
fn write_table(page: &mut String, rows: &[[String; 3]]) {
    if rows.is_empty() {
        return;
    }
    page.push_str("\n| Name | Type | Meaning |\n| --- | --- | --- |\n");
    for row in rows {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
}

/// Links to types go by their headings, so no other heading may be called like one.
fn check_heading(heading: &str, schemas: &Map<String, Value>) -> Result<()> {
    match schemas.keys().find(|name| name.eq_ignore_ascii_case(heading)) {
        Some(name) => bail!("the type `{name}` and the tag `{heading}` have the same name; rename one"),
        None => Ok(()),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn object(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().context("the description lacks an object that it must have")
}

#[cfg(test)]
mod tests;
