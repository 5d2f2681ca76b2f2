//! `kubelt seal` and `kubelt open`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kubelt_api::Code;
use kubelt_core::schema::{Encryption, SealedForm, SealedTo};
use kubelt_sealed::chunks::{FileCipher, HEADER_BYTES, Header, OpenReader};
use kubelt_sealed::jwe::Jwe;
use kubelt_sealed::{DeviceSecret, wrap};

use super::caller::Caller;
use super::holders::add_holders;
use super::publish::{VisibilityArgs, path_for};
use super::recipients::{Recipient, To, devices_of, form_for, gates_of, resolve_all};
use super::sealing::{Wanted, encryption_of, key_here, open_chunks, open_key, read_jwe, row, seal};
use super::target::{CoreTarget, ReadTarget};
use super::wallet::PassphraseArgs;
use crate::client::{Client, CorePlace, gateway_path};
use crate::download::Destination;
use crate::keystore::DeviceKeys;
use crate::output::{bytes_text, columns, count_text};

/// It is encrypted here: the node has ciphertext only. Your own devices can open it, too.
#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// The file; `-` reads stdin
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Who can open it: `0x…`, `@name`, `gate:NAME` (whoever passes that gate of the core), `jwks:https://…` or `jwks:FILE`,
    /// the last two with `#kid` for one key of the set
    #[arg(long = "to", value_name = "WHO", required = true)]
    to: Vec<To>,
    /// Where to put it; `@me/NAME` without it
    #[arg(long = "as", value_name = "@CORE/PATH")]
    at: Option<CoreTarget>,
    #[command(flatten)]
    visibility: VisibilityArgs,
    /// Make a JSON Web Encryption (RFC 7516), which other programs open; always so where a `jwks:` set is named
    #[arg(long)]
    jwe: bool,
    /// Somebody who may pass the gates, too; members of the core, and owners of tokens that a gate names, are tried anyway
    #[arg(long, value_name = "ACCOUNT")]
    among: Vec<String>,
    /// Leave out your own devices
    #[arg(long)]
    not_me: bool,
}

#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    /// `@me/path`, `@0x…/path`, or, of a JWE, a CID or a file
    #[arg(value_name = "WHAT")]
    target: String,
    /// Where to write it; `-`, and nothing when the output is piped, writes to stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only the bytes from one to another, such as `0-99`
    #[arg(long, value_name = "FROM-TO")]
    range: Option<Range>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Bytes of the plaintext; the end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    from: u64,
    to: u64,
}

impl std::str::FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = "write a range like `0-99`, or `100-` for all from there on";
        let (from, last) = text.split_once('-').ok_or(refused)?;
        let from = from.parse().map_err(|_says_no_more| refused)?;
        let last: u64 =
            if last.is_empty() { u64::MAX - 1 } else { last.parse().map_err(|_says_no_more| refused)? };
        if from <= last { Ok(Self { from, to: last.saturating_add(1) }) } else { Err(refused) }
    }
}

impl SealArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let is_stdin = self.source == Path::new("-");
        let at = match self.at {
            Some(at) => at,
            None if is_stdin => bail!("say where to put what comes from stdin: `--as @me/NAME`"),
            None => "@me".parse()?,
        };
        let path = path_for(&at, (!is_stdin).then_some(self.source.as_path()))?;
        let (client, core) = caller.reach(&at)?;
        // A session that is of no use should show before anything is read.
        client.sessions()?;
        let mut to = resolve_all(caller, &self.to)?;
        if !self.not_me {
            add_own(caller, &mut to)?;
        }
        let mut wanted = Wanted { to, gates: gates_of(&self.to) };
        add_holders(caller, (&client, &core), &mut wanted, self.among.into_iter().collect())?;
        let form = if self.jwe { SealedForm::Jwe } else { form_for(&wanted.to) };
        let plain: Box<dyn Read> = match is_stdin {
            true => Box::new(io::stdin().lock()),
            false => {
                let name = self.source.display();
                let file = File::open(&self.source).with_context(|| format!("cannot read `{name}`"))?;
                ensure!(file.metadata()?.is_file(), "`{name}` is no file; put a directory into a TAR first");
                Box::new(file)
            }
        };
        let progress = caller.out.progress("sealing", None);
        let sealed = seal(caller, progress.reading(plain), &wanted, form);
        progress.finish();
        let visibility = self.visibility.get();
        let Some(receipt) = sealed?.put(caller, (&client, &core), &path, visibility, None)? else {
            return Ok(());
        };
        let url = format!("{}{}", client.node(), core.published(&receipt.path));
        let names: Vec<String> = wanted.to.iter().map(ToString::to_string).collect();
        let value = serde_json::json!({
            "cid": receipt.cid, "size": receipt.size, "path": receipt.path, "op": receipt.op, "form": form.as_str(),
            "visibility": visibility, "url": url, "to": names, "gates": wanted.gates,
        });
        caller.out.result(&value, || {
            let (size, count) = (bytes_text(receipt.size), count_text(wanted.to.len() as u64, "key"));
            format!(
                "{url}\n{} ({size} of ciphertext, {form})\nsealed to {count}: {}",
                receipt.cid,
                names.join(", ")
            )
        })?;
        Ok(())
    }
}

/// The sealer's own devices.
fn add_own(caller: &Caller, to: &mut Vec<Recipient>) -> Result<()> {
    let account = caller.signed_in()?.1.account.parse().context("sign in again with `kubelt login`")?;
    match devices_of(caller, &account) {
        Ok(own) => to
            .extend(own.into_iter().filter(|own| !to.iter().any(|to| to.key == own.key)).collect::<Vec<_>>()),
        Err(error) => {
            caller.out.remark(&format!("you cannot open it yourself, nor seal it anew for others: {error:#}"))
        }
    }
    Ok(())
}

impl OpenArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let read: Result<ReadTarget, _> = self.target.parse();
        match read {
            Ok(ReadTarget::Core(target)) => self.at_path(caller, &target),
            Ok(ReadTarget::Cid { cid, path }) => {
                let download = caller.client()?.gateway(&gateway_path(&cid, &path), None)?;
                self.message(caller, download.body)
            }
            Err(error) => match File::open(&self.target) {
                Ok(file) => self.message(caller, file),
                Err(_) => Err(error.into()),
            },
        }
    }

    fn at_path(&self, caller: &Caller, target: &CoreTarget) -> Result<()> {
        let (client, core) = caller.reach(target)?;
        let path = target.path.trim_end_matches('/');
        let view = match client.sealed(&core, path) {
            Err(error) if error.code() == Some(Code::NotFound) => {
                bail!("there is no sealed content at {target} that you may read")
            }
            view => view?,
        };
        let encryption = encryption_of(&view)?;
        let (kept, to) = key_here(caller, &encryption)?;
        let device = open_key(&kept, &self.passphrase)?;
        match (encryption.form, self.range) {
            (SealedForm::Jwe, _) => {
                let message = read_jwe(client.content(&core, path, None)?.body)?;
                self.write_message(caller, &message, &device)
            }
            (SealedForm::Chunks, None) => {
                let body = client.content(&core, path, None)?.body;
                self.write(caller, open_chunks(body, &device, &to, |_| Ok(()))?)
            }
            (SealedForm::Chunks, Some(range)) => {
                let part = open_part(&client, &core, path, view.size, (&device, &to), range)?;
                self.write(caller, part)
            }
        }
    }

    /// A JWE that came without an entry.
    fn message(&self, caller: &Caller, from: impl Read) -> Result<()> {
        let message = read_jwe(from).context(
            "only a JWE has all in it that opens it; other sealed content is opened by its path in a core",
        )?;
        let kept = DeviceKeys::new(caller.config.device_keys()).all()?;
        let named = |kid: &str| {
            let is_named = |key: &&crate::keystore::KeptKey| {
                key.device == kid || key.key.thumbprint().to_string() == kid
            };
            kept.iter().find(is_named)
        };
        let found = message.key_ids().into_iter().find_map(named).or(kept.first());
        let found = found.context("there is no key on this machine; make one with `kubelt key new NAME`")?;
        let device = open_key(found, &self.passphrase)?;
        self.write_message(caller, &message, &device)
    }

    fn write_message(&self, caller: &Caller, message: &Jwe, device: &DeviceSecret) -> Result<()> {
        let plain = message.open(&message.content_key(device)?)?;
        let (from, to) = self.range.map_or((0, u64::MAX), |range| (range.from, range.to));
        let place = |at: u64| usize::try_from(at).map_or(plain.len(), |at| at.min(plain.len()));
        self.write(caller, &plain[place(from)..place(to)])
    }

    /// Writes the plaintext: a file is there whole or not at all.
    fn write(&self, caller: &Caller, mut plain: impl Read) -> Result<()> {
        let to = match &self.output {
            Some(output) => output.clone(),
            None if !io::stdout().is_terminal() => PathBuf::from("-"),
            None => bail!("name a file with `-o FILE`, or `-o -` for the terminal"),
        };
        let mut destination =
            Destination::open(&to).with_context(|| format!("cannot write `{}`", to.display()))?;
        let bytes = io::copy(&mut plain, &mut destination)
            .context("it was not opened to its end, and no file was kept")?;
        destination.keep()?;
        if to != Path::new("-") {
            let value = serde_json::json!({ "file": to, "bytes": bytes });
            caller.out.result(&value, || format!("{} ({})", to.display(), bytes_text(bytes)))?;
        }
        Ok(())
    }
}

/// A range of a file in chunks: its header, then the chunks that the range touches.
fn open_part(
    client: &Client,
    core: &CorePlace,
    path: &str,
    sealed_bytes: u64,
    (device, to): (&DeviceSecret, &SealedTo),
    range: Range,
) -> Result<OpenReader<Box<dyn Read>>> {
    let mut header = [0; HEADER_BYTES];
    let head = client.content(core, path, Some(&format!("0-{}", HEADER_BYTES - 1)))?;
    head.body.take(HEADER_BYTES as u64).read_exact(&mut header).context("the file was cut off")?;
    let header = Header::decode(&header)?;
    let wrapped = to.wrap.context("the entry has no key for this device")?;
    let cipher = FileCipher::open(&wrap::unwrap(&wrapped, device, &header.encode())?, header)?;
    let span = header.places().span(sealed_bytes, range.from, range.to);
    let span = span.context("the file has no such bytes")?;
    let body = client.content(core, path, Some(&format!("{}-{}", span.from, span.to - 1)))?.body;
    Ok(OpenReader::part(body, cipher, &span))
}

/// Who can open something, in a table.
pub(super) fn table(encryption: &Encryption) -> String {
    let rows = columns(&encryption.to.iter().map(row).collect::<Vec<_>>());
    match encryption.gates.as_slice() {
        [] => rows,
        gates => format!("{rows}to whoever passes: {}\n", gates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn ranges_are_read_as_those_of_get() {
        let range = |text: &str| text.parse::<Range>().ok().map(|range| (range.from, range.to));
        assert_eq!(range("0-99"), Some((0, 100)));
        assert_eq!(range("7-7"), Some((7, 8)));
        assert_eq!(range("5-"), Some((5, u64::MAX)));
        assert_eq!(range(&format!("0-{}", u64::MAX)), Some((0, u64::MAX)));
        for text in ["", "5", "-5", "9-5", "a-b"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
