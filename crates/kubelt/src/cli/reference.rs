//! `kubelt commands`: the command line, described for `docs/reference/cli.md`.

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _};
use serde_json::{Value, json};

use super::Cli;

/// Every command with its arguments, as JSON.
pub(super) fn description() -> Value {
    let mut command = Cli::command();
    command.build();
    of(&command)
}

fn of(command: &Command) -> Value {
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let usage = command.clone().render_usage().to_string();
    let is_first = command.get_name() == "kubelt";
    // What every command takes is said once.
    let arguments = command.get_arguments().filter(|argument| is_first || !argument.is_global_set());
    json!({
        "name": command.get_bin_name(),
        "about": text(command.get_long_about().or(command.get_about())),
        "usage": usage.trim_start_matches("Usage: "),
        "arguments": arguments.filter(|argument| is_told(argument)).map(argument).collect::<Vec<_>>(),
        "commands": command.get_subcommands().filter(shown).map(of).collect::<Vec<_>>(),
    })
}

fn is_told(argument: &Arg) -> bool {
    !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
}

fn argument(argument: &Arg) -> Value {
    let takes_value = argument.get_action().takes_values();
    let value: Vec<String> = match takes_value {
        true => {
            argument.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect()
        }
        false => Vec::new(),
    };
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flags = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let values = argument.get_possible_values();
    let choices = values
        .iter()
        .filter(|value| takes_value && !value.is_hide_set())
        .map(|value| json!({ "name": value.get_name(), "about": text(value.get_help()) }));
    let default =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>();
    let name = [flags, value.join(" ")].join(" ");
    json!({
        "name": name.trim(),
        "about": text(argument.get_long_help().or(argument.get_help())),
        "required": argument.is_required_set(),
        "choices": choices.collect::<Vec<_>>(),
        "default": if takes_value { default.join(" ") } else { String::new() },
        "environment": argument.get_env().map(|name| name.to_string_lossy()),
    })
}

fn text(styled: Option<&StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}
