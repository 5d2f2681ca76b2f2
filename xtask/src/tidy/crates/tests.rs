use serde_json::{Value, json};

use super::check;
use crate::tidy::TextFile;

const GOOD_MANIFEST: &str = "[lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\n";
const GOOD_ROOT: &str = "//! What a core is.\n";

fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}

fn metadata(name: &str, dependencies: &Value) -> Value {
    let manifest = format!("/repo/crates/{name}/Cargo.toml");
    json!({
        "workspace_root": "/repo",
        "packages": [{ "name": name, "manifest_path": manifest, "dependencies": dependencies }],
    })
}

#[track_caller]
fn check_package(name: &str, dependencies: &Value, manifest: &str, root: &str, expected: &[&str]) {
    let files = [
        file("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"),
        file(&format!("crates/{name}/Cargo.toml"), manifest),
        file(&format!("crates/{name}/src/lib.rs"), root),
    ];
    let violations = check(&metadata(name, dependencies), &files).expect("the metadata is complete");
    let found: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_crate_within_the_rules_passes() {
    let dependencies = json!([
        { "name": "kubelt-core", "path": "/repo/crates/kubelt-core", "kind": null },
        { "name": "fjall", "kind": null },
        { "name": "axum", "kind": "dev" },
    ]);
    check_package("kubelt-store", &dependencies, GOOD_MANIFEST, GOOD_ROOT, &[]);
}

#[test]
fn an_arrow_against_the_diagram_fails_also_in_tests() {
    for kind in [json!(null), json!("dev"), json!("build")] {
        let dependencies =
            json!([{ "name": "kubelt-node", "path": "/repo/crates/kubelt-node", "kind": kind }]);
        let expected = [
            "crates/kubelt-store/Cargo.toml: `kubelt-store` may not depend on `kubelt-node`; see ARCHITECTURE.md",
        ];
        check_package("kubelt-store", &dependencies, GOOD_MANIFEST, GOOD_ROOT, &expected);
    }
}

#[test]
fn an_unknown_crate_fails() {
    let expected = ["crates/kubelt-utils/Cargo.toml: crate `kubelt-utils` is not in the architecture; \
         add it to ARCHITECTURE.md and tidy"];
    check_package("kubelt-utils", &json!([]), GOOD_MANIFEST, GOOD_ROOT, &expected);
}

#[test]
fn a_fenced_crate_stays_behind_its_fence() {
    let dependencies = json!([{ "name": "axum", "kind": null }]);
    let expected = ["crates/kubelt-node/Cargo.toml: only `kubelt-http` may depend on `axum`"];
    check_package("kubelt-node", &dependencies, GOOD_MANIFEST, GOOD_ROOT, &expected);
}

#[test]
fn a_pure_crate_takes_nothing_impure() {
    let dependencies = json!([{ "name": "tokio", "kind": null }]);
    let expected =
        ["crates/kubelt-content/Cargo.toml: `kubelt-content` is values only and may not depend on `tokio`"];
    check_package("kubelt-content", &dependencies, GOOD_MANIFEST, GOOD_ROOT, &expected);
}

#[test]
fn a_manifest_takes_lints_and_versions_from_the_workspace() {
    let manifest = "[dependencies]\nserde = \"1\"\n";
    let expected = [
        "crates/kubelt-api/Cargo.toml: must have `[lints]` with `workspace = true`",
        "crates/kubelt-api/Cargo.toml:2: `serde` must come from the workspace: `serde.workspace = true`",
    ];
    check_package("kubelt-api", &json!([]), manifest, GOOD_ROOT, &expected);
}

#[test]
fn a_dependency_that_nobody_takes_fails() {
    let manifest = "[lints]\nworkspace = true\n";
    check_package(
        "kubelt-api",
        &json!([]),
        manifest,
        GOOD_ROOT,
        &["Cargo.toml:2: no crate uses `serde`; remove it"],
    );
}

#[test]
fn a_crate_without_a_word_about_itself_fails() {
    let expected = ["crates/kubelt-api/src/lib.rs:1: must begin with `//!` and what the crate is"];
    check_package("kubelt-api", &json!([]), GOOD_MANIFEST, "//!\nmod a;\n", &expected);
    check_package("kubelt-api", &json!([]), GOOD_MANIFEST, "mod a;\n", &expected);
}
