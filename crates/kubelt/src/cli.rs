//! The command line: one file for each group of commands.

mod apply;
mod caller;
mod car;
mod config;
mod content;
mod core_car;
mod doctor;
mod gate;
mod get;
mod grant;
mod heir;
mod holders;
mod key;
mod log;
mod login;
mod member;
mod mirror;
mod name;
mod peers;
mod pin;
mod publish;
mod receipt;
mod recipients;
mod reference;
mod remote;
mod remote_pin;
mod request;
mod seal;
mod sealing;
mod send;
mod session;
mod shared;
mod shell;
mod signing;
mod target;
mod to_sign;
mod token;
mod tree;
mod usage;
mod verify;
mod wallet;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::client::NodeUrl;
use crate::output::Output;
use crate::serve::{self, NodeArgs};
use caller::Caller;

/// A core for every blockchain account: a node, and a client of any node.
///
/// Make a wallet with `kubelt wallet new main`, sign in with `kubelt login --wallet main`, then publish:
/// `kubelt publish ./site --to @me/site --public`. `@me` is the core of the wallet that is signed in; `@0x…` is
/// that of any other account.
#[derive(Debug, Parser)]
#[command(name = "kubelt", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Globals {
    /// The node to talk to
    #[arg(
        long,
        global = true,
        env = "KUBELT_NODE",
        hide_env_values = true,
        default_value = "http://127.0.0.1:4747",
        value_name = "URL",
        help_heading = "Global options"
    )]
    node: NodeUrl,
    /// Print results as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    /// Keep wallets and sessions in this directory
    #[arg(
        long,
        global = true,
        env = "KUBELT_HOME",
        hide_env_values = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    config_dir: Option<PathBuf>,
    /// Act by the token in this file (`kubelt token new`) instead of a session
    #[arg(
        long,
        global = true,
        env = "KUBELT_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    with_token: Option<PathBuf>,
    /// Print results only, neither progress nor remarks
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Node(NodeArgs),
    /// Make, import, list and remove wallets
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Sign in with a wallet
    Login(login::LoginArgs),
    /// End the session
    Logout,
    /// Sign in to shared cores, too
    Use(shared::UseArgs),
    /// List who has a part in a shared core, invite and remove people
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// List and accept invites
    #[command(subcommand)]
    Invite(member::InviteCommand),
    /// List the ready-made roles
    #[command(subcommand)]
    Role(member::RoleCommand),
    /// Open parts of a core to holders of tokens
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// Name who gets your core when you are gone, and claim what you are heir to
    #[command(subcommand)]
    Heir(heir::HeirCommand),
    /// Agree to what takes several people, and do it
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Make, list and end tokens for programs
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show who is signed in, and what their core uses
    Whoami,
    /// Upload a file or a whole directory and put it at a path
    Publish(publish::PublishArgs),
    /// Say on which ways strangers can fetch what is published, and where a way fails
    Receipt(receipt::ReceiptArgs),
    /// Put one file, or what comes from stdin, at a path
    Put(publish::PutArgs),
    /// Publish what CAR files hold
    #[command(subcommand)]
    Car(car::CarCommand),
    /// Fetch a file or a directory by path or CID, and check it
    Get(get::GetArgs),
    /// Encrypt a file for others, and put it at a path
    Seal(seal::SealArgs),
    /// Decrypt what is sealed to a key of this device
    Open(seal::OpenArgs),
    /// Hand content of one core to another, with the proof of where it came from
    Send(send::SendArgs),
    /// List and change who can open what is sealed
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// Make, list and take back the keys of your devices
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// List what lies at a path
    Ls(content::LsArgs),
    /// Clear paths
    Rm(content::RmArgs),
    /// List the versions of a path
    Versions(content::VersionsArgs),
    /// Show what a core uses of its quota, and what its content needs of that
    Usage(usage::UsageArgs),
    /// Show and change the settings of a core
    Config(config::ConfigArgs),
    /// Show, resolve and bring names, and bind host names
    #[command(subcommand)]
    Name(name::NameCommand),
    /// List the peers of the node, and connect to one; on the node's own machine
    #[command(subcommand)]
    Peers(peers::PeersCommand),
    /// Keep a core on other nodes, too
    #[command(subcommand)]
    Remote(remote::RemoteCommand),
    /// Keep what others have published on this node, and serve it from here
    #[command(subcommand)]
    Mirror(mirror::MirrorCommand),
    /// Have a core keep content by its CID, wherever it is now
    #[command(subcommand)]
    Pin(pin::PinCommand),
    /// Deliver what you publish to pinning services
    #[command(subcommand)]
    RemotePin(remote_pin::RemotePinCommand),
    /// Read the log of a core
    Log(log::LogArgs),
    /// Make, list and hand over shared cores; move whole cores
    #[command(subcommand)]
    Core(core_car::CoreCommand),
    /// Make a tree of cores what a file says: settings, members, children
    Apply(apply::ApplyArgs),
    /// Check an exported core, or where content came from, without believing any node
    Verify(verify::VerifyArgs),
    /// Look after the store, the node, the session and the wallets of this machine
    Doctor(doctor::DoctorArgs),
    /// Print completions for a shell
    Completions(shell::CompletionsArgs),
    /// Print the description of the API (OpenAPI 3.1)
    #[command(hide = true)]
    Openapi,
    /// Print the description of JSON-RPC (OpenRPC 1.3)
    #[command(hide = true)]
    Openrpc,
    /// Print the description of this command line
    #[command(hide = true)]
    Commands,
}

/// Runs the command of this process's arguments.
pub(crate) fn run() -> ExitCode {
    let Cli { globals, command } = Cli::parse();
    let out = Output::new(globals.json, globals.quiet);
    let caller = Caller::new(globals.node, globals.config_dir, globals.with_token.as_deref(), out);
    let result = caller.and_then(|caller| command.run(&caller));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self, caller: &Caller) -> anyhow::Result<()> {
        match self {
            Self::Node(args) => serve::run(args, caller.out.is_json()),
            Self::Wallet(command) => command.run(caller),
            Self::Login(args) => args.run(caller),
            Self::Logout => login::logout(caller),
            Self::Use(args) => args.run(caller),
            Self::Member(command) => command.run(caller),
            Self::Invite(command) => command.run(caller),
            Self::Role(command) => command.run(caller),
            Self::Gate(command) => command.run(caller),
            Self::Heir(command) => command.run(caller),
            Self::Request(command) => command.run(caller),
            Self::Session(command) => command.run(caller),
            Self::Token(command) => command.run(caller),
            Self::Whoami => login::whoami(caller),
            Self::Publish(args) => args.run(caller),
            Self::Receipt(args) => args.run(caller),
            Self::Put(args) => args.run(caller),
            Self::Car(command) => command.run(caller),
            Self::Get(args) => args.run(caller),
            Self::Seal(args) => args.run(caller),
            Self::Open(args) => args.run(caller),
            Self::Send(args) => args.run(caller),
            Self::Grant(command) => command.run(caller),
            Self::Key(command) => command.run(caller),
            Self::Ls(args) => args.run(caller),
            Self::Rm(args) => args.run(caller),
            Self::Versions(args) => args.run(caller),
            Self::Usage(args) => args.run(caller),
            Self::Config(args) => args.run(caller),
            Self::Name(command) => command.run(caller),
            Self::Peers(command) => command.run(caller),
            Self::Remote(command) => command.run(caller),
            Self::Mirror(command) => command.run(caller),
            Self::Pin(command) => command.run(caller),
            Self::RemotePin(command) => command.run(caller),
            Self::Log(args) => args.run(caller),
            Self::Core(command) => command.run(caller),
            Self::Apply(args) => args.run(caller),
            Self::Verify(args) => args.run(caller),
            Self::Doctor(args) => args.run(caller),
            Self::Completions(args) => args.run(caller),
            Self::Openapi => Ok(caller.out.raw(kubelt_http::openapi_json().as_bytes())?),
            Self::Openrpc => Ok(caller.out.raw(kubelt_http::openrpc_json().as_bytes())?),
            Self::Commands => Ok(caller.out.raw(reference::description().to_string().as_bytes())?),
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
