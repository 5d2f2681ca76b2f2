use serde_json::{Value, json};

use super::{
    command_line, http,
    types::{prose, type_of},
};

#[track_caller]
fn check_type(schema: Value, expected: &str) {
    assert_eq!(type_of(&schema), expected);
}

#[test]
fn types_are_said_in_words() {
    check_type(json!({"$ref": "#/components/schemas/CoreView"}), "[CoreView](#coreview)");
    check_type(json!({"type": "array", "items": {"type": "string"}}), "list of string");
    check_type(json!({"type": ["array", "null"], "items": {"type": "string"}}), "list of string or `null`");
    check_type(json!({"oneOf": [{"type": "null"}, {"$ref": "x/Y"}]}), "`null` or [Y](#y)");
    check_type(json!({"type": "string", "enum": ["a", "b"]}), "`\"a\"` or `\"b\"`");
    check_type(json!({"type": "object", "additionalProperties": {"type": "integer"}}), "map to integer");
    check_type(json!({}), "any JSON");
}

#[test]
fn descriptions_stay_in_their_cells() {
    assert_eq!(
        prose("a | b\nof `<cid>|x` and <cid>, *not* [this]"),
        "a \\| b of `<cid>\\|x` and \\<cid>, \\*not\\* \\[this]"
    );
}

fn described(tag: &str) -> Value {
    json!({
        "info": {"description": "All."},
        "tags": [{"name": tag, "description": "Things"}],
        "paths": {"/@{core}/-/things": {"post": {
            "tags": [tag], "summary": "Makes a thing.", "security": [{"bearer": []}],
            "parameters": [{"name": "core", "in": "path", "required": true, "schema": {"type": "string"}}],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
            "responses": {"201": {"description": "made"}, "4XX": {"content": {"application/problem+json": {}}}},
        }}},
        "components": {"schemas": {"Thing": {
            "type": "object", "description": "A thing.", "required": ["name"],
            "properties": {"name": {"type": "string", "description": "Its name."}, "at": {"type": "object", "properties": {"x": {"type": "integer"}}}},
        }}},
    })
}

#[test]
fn routes_and_types_are_written_down() {
    let page = http(&described("things")).expect("a description");
    let expected = "\n### `POST /@{core}/-/things`\n\nMakes a thing. *Session.*\n\n| Name | Type | Meaning |\n| --- | --- | --- |\n\
        | `core` | string, in the path |  |\n| body | [Thing](#thing) |  |\n| → 201 |  | made |\n";
    assert!(page.contains(expected), "{page}");
    let expected = "\n### Thing\n\nA thing.\n\n| Name | Type | Meaning |\n| --- | --- | --- |\n| `at` | object, may be absent |  |\n\
        | `at.x` | integer, may be absent |  |\n| `name` | string | Its name. |\n";
    assert!(page.contains(expected), "{page}");
}

#[test]
fn a_tag_that_is_called_like_a_type_fails() {
    assert!(http(&described("thing")).is_err());
}

#[test]
fn commands_are_written_one_below_the_other() {
    let put = json!({
        "name": "kubelt put", "about": "Put a file\n\nMore.", "usage": "kubelt put <FILE>", "commands": [],
        "arguments": [{"name": "--as <A|B>", "about": "As what", "choices": [{"name": "x", "about": "X"}], "default": "x", "environment": "E"}],
    });
    let first = json!({"about": "All", "arguments": [], "commands": [{"name": "kubelt content", "about": "Content", "commands": [put]}]});
    let page = command_line(&first).expect("a description");
    let expected = "\n## `kubelt content`\n\nContent.\n\n### `kubelt put`\n\nPut a file.\n\nMore.\n\n```\nkubelt put <FILE>\n```\n\n\
        | Argument | Meaning |\n| --- | --- |\n| `--as <A\\|B>` | As what. One of `x` (X). Default: `x`. Environment: `E`. |\n";
    assert!(page.ends_with(expected), "{page}");
}
