//! `kubelt grant`: who can open sealed content.
//!
//! Adding somebody wraps the content key for them. Taking somebody away seals the content anew with another key, since
//! they have the old one; so does whoever opens a path to others than before ([`Opened::set`]), as when a token that lets its
//! holder open it is somebody else's now (`sync`).

mod sync;

use std::io::{self, Read};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use kubelt_api::{ContentReceipt, SealedView};
use kubelt_core::limits::SEALED_RECIPIENTS_MAX;
use kubelt_core::schema::{Encryption, SealedForm, SealedTo};
use kubelt_sealed::chunks::HEADER_BYTES;
use kubelt_sealed::jwe::{self, Jwe};
use kubelt_sealed::{ContentKey, DeviceSecret, list, wrap};

use self::sync::SyncArgs;
use super::caller::Caller;
use super::holders::add_holders;
use super::recipients::{Recipient, To, extend, form_for, gates_of, resolve_all, resolve_listed};
use super::seal::table;
use super::sealing::{
    Put, Sealed, Wanted, encryption_of, entropy, key_here, listed, open_chunks, open_key, read_jwe, seal,
    wrapped,
};
use super::target::CoreTarget;
use super::wallet::PassphraseArgs;
use crate::client::{Client, CorePlace};
use crate::output::{columns, count_text};
use crate::scratch_file::ScratchFile;

#[derive(Debug, Subcommand)]
pub(super) enum GrantCommand {
    /// List who can open what is sealed at a path, or all sealed paths of a core
    Ls(LsArgs),
    /// Let somebody open it, too
    Add(ChangeArgs),
    /// Seal it anew without somebody; what they have read or kept stays with them
    Rm(ChangeArgs),
    /// Seal it to the keys that those who can open it have now: new devices are added, lost ones taken away
    Refresh(RefreshArgs),
    /// Seal it to those who pass its gates now: anew, where somebody passes no more
    Sync(SyncArgs),
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// A path, or a core
    #[arg(value_name = "@CORE/PATH")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// The sealed content
    #[arg(value_name = "@CORE/PATH")]
    target: CoreTarget,
    /// Who: `0x…`, `@name`, `gate:NAME`, `jwks:https://…` or `jwks:FILE`, the last two with `#kid` for one key of the set
    #[arg(long = "to", value_name = "WHO", required = true)]
    to: Vec<To>,
    /// Somebody who may pass the gates, too
    #[arg(long, value_name = "ACCOUNT")]
    among: Vec<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
pub(super) struct RefreshArgs {
    /// The sealed content
    #[arg(value_name = "@CORE/PATH")]
    target: CoreTarget,
    /// Seal it anew with another key even where nobody is taken away
    #[arg(long)]
    rekey: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl GrantCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls(args) => args.run(caller),
            Self::Add(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let mut more = Wanted { to: resolve_all(caller, &args.to)?, gates: gates_of(&args.to) };
                add_holders(caller, (&client, &core), &mut more, args.among.into_iter().collect())?;
                let opened = Opened::at(caller, &args.target, &args.passphrase)?;
                tell(caller, opened.add(caller, more)?)
            }
            Self::Rm(args) => {
                let opened = Opened::at(caller, &args.target, &args.passphrase)?;
                let left = opened.without(caller, &args.to)?;
                tell(caller, opened.rekey(caller, &left)?)
            }
            Self::Refresh(args) => {
                let opened = Opened::at(caller, &args.target, &args.passphrase)?;
                let now = opened.listed_now(caller)?;
                let changed =
                    if args.rekey { opened.rekey(caller, &now)? } else { opened.set(caller, now)? };
                tell(caller, changed)
            }
            Self::Sync(args) => args.run(caller),
        }
    }
}

impl LsArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        if !self.target.path.is_empty() {
            let view = client.sealed(&core, &self.target.path)?;
            let encryption = encryption_of(&view)?;
            return Ok(caller.out.result(&view, || table(&encryption))?);
        }
        let mut entries = client.whole_state(&core, "content")?;
        entries.retain(|entry| entry.value.get("encryption").is_some());
        caller.out.result(&entries, || {
            let row = |entry: &kubelt_api::StateEntry| {
                let encryption = &entry.value["encryption"];
                let count = encryption["to"].as_array().map_or(0, Vec::len) as u64;
                let form = encryption["form"].as_str().unwrap_or_default();
                let path = entry.path.strip_prefix("content/").unwrap_or(&entry.path);
                [path.to_owned(), form.to_owned(), count_text(count, "key")]
            };
            columns(&entries.iter().map(row).collect::<Vec<_>>())
        })?;
        Ok(())
    }
}

/// What was done.
struct Changed {
    /// None where others were asked to agree.
    receipt: Option<ContentReceipt>,
    rekeyed: bool,
    to: Vec<SealedTo>,
}

/// Sealed content with its key, and a list that was found to be its sealer's.
struct Opened {
    client: Client,
    core: CorePlace,
    path: String,
    view: SealedView,
    encryption: Encryption,
    device: DeviceSecret,
    own: SealedTo,
    key: ContentKey,
    kind: Kind,
}

enum Kind {
    /// The file's header.
    Chunks(Box<[u8; HEADER_BYTES]>),
    Jwe(Box<Jwe>),
}

impl Opened {
    fn at(caller: &Caller, target: &CoreTarget, passphrase: &PassphraseArgs) -> Result<Self> {
        let (client, core) = caller.reach(target)?;
        let path = target.path.trim_end_matches('/').to_owned();
        let view = client.sealed(&core, &path)?;
        let encryption = encryption_of(&view)?;
        let (kept, own) = key_here(caller, &encryption)?;
        let device = open_key(&kept, passphrase)?;
        let (key, kind) = match encryption.form {
            SealedForm::Chunks => {
                let mut header = Box::new([0; HEADER_BYTES]);
                let head = client.content(&core, &path, Some(&format!("0-{}", HEADER_BYTES - 1)))?;
                let mut body = head.body.take(HEADER_BYTES as u64);
                body.read_exact(&mut header[..]).context("the file was cut off")?;
                let wrap = own.wrap.context("the entry has no key for this device")?;
                (wrap::unwrap(&wrap, &device, &header[..])?, Kind::Chunks(header))
            }
            SealedForm::Jwe => {
                let message = read_jwe(client.content(&core, &path, None)?.body)?;
                (message.content_key(&device)?, Kind::Jwe(Box::new(message)))
            }
        };
        list::check(&key, &encryption)?;
        Ok(Self { client, core, path, view, encryption, device, own, key, kind })
    }

    /// Seals it to these and nobody else: with the same key where nobody is taken away.
    fn set(self, caller: &Caller, wanted: Wanted) -> Result<Changed> {
        let is_wanted = |to: &SealedTo| wanted.to.iter().any(|wanted| wanted.key.thumbprint().0 == to.key);
        match self.encryption.to.iter().all(is_wanted) {
            true => self.add(caller, wanted),
            false => self.rekey(caller, &wanted),
        }
    }

    /// Wraps the key for those of them who do not have it.
    fn add(mut self, caller: &Caller, wanted: Wanted) -> Result<Changed> {
        let Wanted { to: mut more, gates: more_gates } = wanted;
        let mut gates = self.encryption.gates.clone();
        gates.extend(more_gates);
        gates.sort_unstable();
        gates.dedup();
        more.retain(|more| !self.encryption.to.iter().any(|to| to.key == more.key.thumbprint().0));
        ensure!(!more.is_empty() || gates != self.encryption.gates, "all of them can open it already");
        let count = self.encryption.to.len() + more.len();
        ensure!(
            count <= SEALED_RECIPIENTS_MAX,
            "{count} keys are over the {SEALED_RECIPIENTS_MAX} that one file is sealed to"
        );
        if self.encryption.form == SealedForm::Chunks && form_for(&more) == SealedForm::Jwe {
            // The newcomers need another form, and so all are looked up.
            let mut all = self.listed_now(caller)?;
            extend(&mut all.to, more);
            return self.rekey(caller, &Wanted { gates, ..all });
        }
        let mut entropy = entropy()?;
        let mut to = self.encryption.to.clone();
        let receipt = match &mut self.kind {
            Kind::Chunks(header) => {
                let wrap = |more: &Recipient| wrapped(&self.key, more, &header[..], &mut entropy).map(Some);
                let mut wrap = wrap;
                to.extend(listed(&more, &mut wrap)?);
                let encryption = list::bind(&self.key, self.encryption.form, gates, to.clone());
                let SealedView { cid, media_type, visibility, .. } = &self.view;
                let put = Put { cid, media_type, visibility: *visibility };
                put.send(caller, (&self.client, &self.core), &self.path, &encryption, Some(cid))?
            }
            Kind::Jwe(message) => {
                for more in &more {
                    let kid = more.label.as_deref().filter(|_| more.is_foreign);
                    message.add(&self.key, &more.key, kid, &mut entropy);
                }
                to.extend(listed(&more, |_| Ok(None))?);
                let mut file = ScratchFile::new(&caller.config.scratch())?;
                io::Write::write_all(&mut file, message.to_json().as_bytes())?;
                let encryption = list::bind(&self.key, self.encryption.form, gates, to.clone());
                let sealed = Sealed::of(file, encryption, jwe::MEDIA_TYPE);
                self.replace(caller, &sealed)?
            }
        };
        Ok(Changed { receipt, rekeyed: false, to })
    }

    /// Seals it anew, with another key.
    fn rekey(&self, caller: &Caller, wanted: &Wanted) -> Result<Changed> {
        let form = match self.encryption.form {
            // Whoever wanted a JWE once has programs that open it.
            SealedForm::Jwe => SealedForm::Jwe,
            SealedForm::Chunks => form_for(&wanted.to),
        };
        let progress = caller.out.progress("sealing anew", Some(self.view.size));
        let sealed = match &self.kind {
            Kind::Jwe(message) => seal(caller, message.open(&self.key)?.as_slice(), wanted, form),
            Kind::Chunks(_) => {
                let body = self.client.content(&self.core, &self.path, None)?.body;
                let plain = open_chunks(progress.reading(body), &self.device, &self.own, |_| Ok(()))?;
                seal(caller, plain, wanted, form)
            }
        };
        progress.finish();
        let receipt = self.replace(caller, &sealed?)?;
        Ok(Changed { receipt, rekeyed: true, to: listed(&wanted.to, |_| Ok(None))? })
    }

    fn replace(&self, caller: &Caller, sealed: &Sealed) -> Result<Option<ContentReceipt>> {
        let (place, visibility) = ((&self.client, &self.core), self.view.visibility);
        sealed.put(caller, place, &self.path, visibility, Some(&self.view.cid))
    }

    /// The keys of all on the list but some.
    fn without(&self, caller: &Caller, gone: &[To]) -> Result<Wanted> {
        let mut gates = self.encryption.gates.clone();
        gates.retain(|gate| !gates_of(gone).contains(gate));
        let (mut left, mut found) = (Vec::new(), gates != self.encryption.gates);
        for to in &self.encryption.to {
            let mut is_gone = false;
            for gone in gone {
                is_gone |= gone.is(caller, to)?;
            }
            found |= is_gone;
            if !is_gone {
                left.push(to.clone());
            }
        }
        ensure!(found, "none of them can open it; `kubelt grant ls` lists who can");
        ensure!(!left.is_empty(), "nobody would be left who can open it; clear the path with `kubelt rm`");
        let mut keys = resolve_listed(caller, &left)?;
        keys.retain(|key| left.iter().any(|to| to.key == key.key.thumbprint().0));
        for lost in left.iter().filter(|to| !keys.iter().any(|key| key.key.thumbprint().0 == to.key)) {
            let label = lost.label.as_deref().unwrap_or("without a name");
            caller.out.warn(&format!(
                "the key `{label}` of {} is published no more and is left out, too",
                lost.who
            ));
        }
        Ok(Wanted { to: keys, gates })
    }

    /// The keys that all on the list have now.
    fn listed_now(&self, caller: &Caller) -> Result<Wanted> {
        let Encryption { to, gates, .. } = &self.encryption;
        Ok(Wanted { to: resolve_listed(caller, to)?, gates: gates.clone() })
    }
}

fn tell(caller: &Caller, changed: Changed) -> Result<()> {
    let Changed { receipt, rekeyed, to } = changed;
    let names: Vec<String> = to.iter().map(|to| to.who.clone()).collect();
    let Some(receipt) = receipt else { return Ok(()) };
    let value = serde_json::json!({
        "cid": receipt.cid, "path": receipt.path, "op": receipt.op, "rekeyed": rekeyed, "to": names,
    });
    caller.out.result(&value, || {
        let how = if rekeyed { "sealed anew with another key" } else { "the key was wrapped for more" };
        let rows = columns(&to.iter().map(super::sealing::row).collect::<Vec<_>>());
        format!("{how}: {}\n{rows}", receipt.cid)
    })?;
    if rekeyed {
        caller.out.remark("whoever could open it before may have kept what was in it, and its old key");
    }
    Ok(())
}
