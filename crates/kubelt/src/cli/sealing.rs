//! Sealing and opening: what the commands about sealed content have in common.

use std::io::{self, Read, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use kubelt_api::{Asked, Code, ContentReceipt, SealedView, Visibility};
use kubelt_content::unixfs::Profile;
use kubelt_content::{Codec, Ipld, parse_cid};
use kubelt_core::ContentEntry;
use kubelt_core::limits::SEALED_RECIPIENTS_MAX;
use kubelt_core::schema::{Encryption, SealedForm, SealedTo};
use kubelt_sealed::chunks::{self, FileCipher, OpenReader, SealReader};
use kubelt_sealed::jwe::{self, Jwe, JweError};
use kubelt_sealed::limits::{JWE_BYTES_MAX, JWE_PLAIN_BYTES_MAX};
use kubelt_sealed::{ContentKey, DeviceSecret, Entropy, Thumbprint, list, wrap};

use super::caller::Caller;
use super::recipients::Recipient;
use super::request;
use super::signing::Shared;
use super::wallet::PassphraseArgs;
use crate::client::{Client, CorePlace};
use crate::keystore::{DeviceKeys, KeptKey};
use crate::scratch_file::ScratchFile;
use crate::upload::{Hidden, RetryPolicy, Tree, Upload};

/// Content that is sealed and not yet sent.
#[derive(Debug)]
pub(super) struct Sealed {
    file: ScratchFile,
    encryption: Encryption,
    media_type: &'static str,
}

/// Randomness for one command.
pub(super) fn entropy() -> Result<Entropy> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut seed[..]).context("the operating system gave no randomness")?;
    Ok(Entropy::new(&seed))
}

/// To whom something is sealed: keys, and the gates for whose sake some of them are among these.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) to: Vec<Recipient>,
    pub(super) gates: Vec<String>,
}

/// Seals what `plain` gives with a new key, in memory that does not grow with it (in chunks) or at once (as a JWE).
pub(super) fn seal(caller: &Caller, plain: impl Read, wanted: &Wanted, form: SealedForm) -> Result<Sealed> {
    let Wanted { to, gates } = wanted;
    ensure!(!to.is_empty(), "nobody is left who could open it; name somebody with `--to`");
    let count = to.len();
    ensure!(
        count <= SEALED_RECIPIENTS_MAX,
        "{count} keys are over the {SEALED_RECIPIENTS_MAX} that one file is sealed to"
    );
    let mut entropy = entropy()?;
    let key = ContentKey::random(&mut entropy);
    let mut file = ScratchFile::new(&caller.config.scratch()).context("cannot write the sealed file")?;
    let (listed, media_type) = match form {
        SealedForm::Chunks => {
            let cipher = FileCipher::new(&key, &mut entropy);
            let header = cipher.header().encode();
            io::copy(&mut SealReader::new(plain, cipher), &mut file).context("cannot seal the file")?;
            (listed(to, |to| Ok(Some(wrapped(&key, to, &header, &mut entropy)?)))?, chunks::MEDIA_TYPE)
        }
        SealedForm::Jwe => {
            let mut text = zeroize::Zeroizing::new(Vec::new());
            plain
                .take(JWE_PLAIN_BYTES_MAX as u64 + 1)
                .read_to_end(&mut text)
                .context("cannot read the file")?;
            let mut message = Jwe::seal(&text, &key, &mut entropy).map_err(too_large)?;
            for to in to {
                message.add(&key, &to.key, to.label.as_deref().filter(|_| to.is_foreign), &mut entropy);
            }
            file.write_all(message.to_json().as_bytes()).context("cannot write the sealed file")?;
            (listed(to, |_| Ok(None))?, jwe::MEDIA_TYPE)
        }
    };
    file.flush().context("cannot write the sealed file")?;
    Ok(Sealed { file, encryption: list::bind(&key, form, gates.clone(), listed), media_type })
}

fn too_large(error: JweError) -> anyhow::Error {
    anyhow::Error::new(error).context(
        "keys of a `jwks:` set need a JWE; seal larger files to accounts, or only the key of them to the set",
    )
}

/// A wrap for a device.
pub(super) fn wrapped(
    key: &ContentKey,
    to: &Recipient,
    header: &[u8],
    entropy: &mut Entropy,
) -> Result<[u8; kubelt_core::schema::WRAP_BYTES]> {
    wrap::wrap(key, &to.key, header, entropy).with_context(|| format!("the key of {to} is none of a device"))
}

/// Recipients as they stand in an entry.
pub(super) fn listed(
    to: &[Recipient],
    mut wrap: impl FnMut(&Recipient) -> Result<Option<[u8; kubelt_core::schema::WRAP_BYTES]>>,
) -> Result<Vec<SealedTo>> {
    let list = to.iter().map(|to| {
        let (who, label, key) = (to.who.clone(), to.label.clone(), to.key.thumbprint().0);
        Ok(SealedTo { who, key, label, wrap: wrap(to)?, gate: to.gate.clone() })
    });
    list.collect()
}

impl Sealed {
    /// What stands in a scratch file already, sealed.
    pub(super) fn of(file: ScratchFile, encryption: Encryption, media_type: &'static str) -> Self {
        Self { file, encryption, media_type }
    }

    /// Uploads it and puts it at a path. Where `expected` is given, that CID must be there until now. Where others must agree,
    /// they are asked: then there is no receipt.
    pub(super) fn put(
        &self,
        caller: &Caller,
        (client, core): (&Client, &CorePlace),
        path: &str,
        visibility: Visibility,
        expected: Option<&str>,
    ) -> Result<Option<ContentReceipt>> {
        let tree = Tree::scan(self.file.path(), Hidden::Taken)?;
        let progress = caller.out.progress("sending", Some(tree.bytes()));
        let (profile, retry) = (Profile::V1_2025, RetryPolicy::default());
        let uploaded = Upload { client, core, profile, retry, progress: &progress }.run(&tree);
        progress.finish();
        let uploaded = uploaded?;
        let put = Put { cid: &uploaded.cid, media_type: self.media_type, visibility };
        put.send(caller, (client, core), path, &self.encryption, expected)
    }
}

/// Sealed bytes that the core has, to be put at a path.
pub(super) struct Put<'a> {
    pub(super) cid: &'a str,
    pub(super) media_type: &'a str,
    pub(super) visibility: Visibility,
}

impl Put<'_> {
    /// Puts it at a path, or asks others to agree to that.
    pub(super) fn send(
        &self,
        caller: &Caller,
        (client, core): (&Client, &CorePlace),
        path: &str,
        encryption: &Encryption,
        expected: Option<&str>,
    ) -> Result<Option<ContentReceipt>> {
        let entry = self.entry(encryption)?;
        let again = |error: &crate::client::ClientError| caller.out.remark(&format!("trying again: {error}"));
        match RetryPolicy::default().run(again, || client.put_sealed(core, path, &entry, expected)) {
            Err(error) if error.code() == Some(Code::VotesNeeded) => {
                let id = client.core(core)?.core.parse().context("the node gave no id")?;
                let shared = Shared { client: client.clone(), place: core.clone(), id };
                let entry = serde_json::from_slice(&entry)?;
                request::ask(caller, &shared, Asked::Seal { path: path.to_owned(), entry })?;
                Ok(None)
            }
            put => Ok(Some(put?)),
        }
    }

    /// The entry, as dag-json. The node counts its bytes.
    fn entry(&self, encryption: &Encryption) -> Result<Vec<u8>> {
        let visibility = self.visibility.as_str().parse().expect("both have the same words");
        let mut entry = ContentEntry::new(parse_cid(self.cid)?, 0, self.media_type, visibility);
        entry.encryption = Some(encryption.to_fields());
        Ok(Codec::DagJson.encode(&entry.to_ipld())?.to_vec())
    }
}

/// The list of an entry.
pub(super) fn encryption_of(view: &SealedView) -> Result<Encryption> {
    let json = serde_json::to_vec(&view.encryption)?;
    match Codec::DagJson.decode(&json) {
        Ok(Ipld::Map(fields)) => Ok(Encryption::from_fields(&fields)?),
        _ => bail!("the node's answer has no list of who can open it"),
    }
}

/// The key of this device among those on a list.
pub(super) fn key_here(caller: &Caller, encryption: &Encryption) -> Result<(KeptKey, SealedTo)> {
    for kept in DeviceKeys::new(caller.config.device_keys()).all()? {
        let thumbprint = kept.key.thumbprint().0;
        if let Some(to) = encryption.to.iter().find(|to| to.key == thumbprint) {
            return Ok((kept, to.clone()));
        }
    }
    let mut whos: Vec<&str> = encryption.to.iter().map(|to| to.who.as_str()).collect();
    whos.sort_unstable();
    whos.dedup();
    bail!(
        "this is sealed to keys of {}, none of which is on this machine; a device that can open it adds this one with `kubelt grant refresh`",
        whos.join(", ")
    )
}

/// Asks for the passphrase of a key and opens it.
pub(super) fn open_key(kept: &KeptKey, passphrase: &PassphraseArgs) -> Result<DeviceSecret> {
    let passphrase = passphrase.ask_for(&format!("key `{}`", kept.device))?;
    Ok(kept.open(&passphrase)?)
}

/// Plaintext of a file in chunks, and its content key.
pub(super) fn open_chunks<R: Read>(
    from: R,
    device: &DeviceSecret,
    to: &SealedTo,
    with_key: impl FnOnce(&ContentKey) -> io::Result<()>,
) -> io::Result<OpenReader<R>> {
    OpenReader::new(from, |header| {
        let refused = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let wrap = to.wrap.ok_or_else(|| refused(wrap::UnwrapError::Refused))?;
        let key = wrap::unwrap(&wrap, device, &header.encode()).map_err(refused)?;
        with_key(&key)?;
        Ok(key)
    })
}

/// Reads a JWE.
pub(super) fn read_jwe(from: impl Read) -> Result<Jwe> {
    let mut bytes = Vec::new();
    from.take(JWE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).context("the download was cut short")?;
    Ok(Jwe::read(&bytes)?)
}

/// How a recipient is shown.
pub(super) fn row(to: &SealedTo) -> [String; 4] {
    let gate = to.gate.as_ref().map(|gate| format!("by gate {gate}")).unwrap_or_default();
    [to.who.clone(), to.label.clone().unwrap_or_default(), Thumbprint(to.key).to_string(), gate]
}
