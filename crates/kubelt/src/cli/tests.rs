use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// The help of a command, as a terminal of 100 columns shows it.
fn help(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).expect("the command exists");
    }
    found.render_long_help().to_string()
}

fn usage_error(args: &[&str]) -> String {
    let args = [&["kubelt"], args].concat();
    Cli::try_parse_from(args).expect_err("these arguments are wrong").to_string()
}

#[test]
fn arguments_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn the_first_help_names_every_command() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn commands_explain_themselves() {
    for path in [
        &["wallet", "import"][..],
        &["login"],
        &["session", "end"],
        &["publish"],
        &["put"],
        &["get"],
        &["ls"],
        &["log"],
        &["core", "export"],
    ] {
        insta::assert_snapshot!(path.join("_"), help(path));
    }
}

#[test]
fn wrong_arguments_say_what_would_be_right() {
    let errors: Vec<String> = [
        &["get", "site/index.html"][..],
        &["put", "notes.txt", "-"],
        &["publish", ".", "--to", "@me/a", "--profile", "best"],
        &["publish", "a", "--to", "@me/a", "--public", "--private"],
        &["wallet", "new", "My Wallet"],
        &["--node", "localhost", "whoami"],
    ]
    .map(usage_error)
    .into();
    insta::assert_snapshot!(errors.join("\n"));
}
