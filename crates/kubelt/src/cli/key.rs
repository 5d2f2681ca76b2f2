//! `kubelt key`: keys of devices, which others seal content to.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use kubelt_api::Wish;
use kubelt_content::Codec;
use kubelt_core::{Account, CoreId, schema::DeviceKey};
use kubelt_sealed::DeviceSecret;
use serde::Serialize;

use super::caller::Caller;
use super::recipients::{Recipient, To, devices_of};
use super::sealing::entropy;
use super::signing::{SignerArgs, sign_draft, wished};
use crate::client::CorePlace;
use crate::keystore::{DeviceKeys, KeptKey};
use crate::output::columns;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key for this device, and publish its public half in your core
    New(NewArgs),
    /// List the keys that somebody has published
    Ls(LsArgs),
    /// Take a key back, so that nobody seals to it any more
    Rm(RmArgs),
}

/// The key stays on this device, encrypted with the wallet's passphrase. The wallet signs the public half itself: no node can
/// put a key of its own in its place.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// What to call the device
    #[arg(value_name = "DEVICE")]
    device: DeviceName,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Whose keys: `@me`, `0x…` or `@name`
    #[arg(value_name = "WHO", default_value = "@me")]
    who: To,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The device
    #[arg(value_name = "DEVICE")]
    device: DeviceName,
}

/// A name that a device can have.
#[derive(Debug, Clone)]
struct DeviceName(String);

#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot name a device; use 1 to 64 lower-case letters, digits, `-` and `_`")]
struct DeviceNameError(String);

impl FromStr for DeviceName {
    type Err = DeviceNameError;

    fn from_str(name: &str) -> Result<Self, DeviceNameError> {
        let fits = DeviceKey::path(name).is_some();
        fits.then(|| Self(name.to_owned())).ok_or_else(|| DeviceNameError(name.chars().take(64).collect()))
    }
}

#[derive(Debug, Serialize)]
struct KeyView {
    who: String,
    device: Option<String>,
    thumbprint: String,
    /// Whether its secret half is on this machine.
    here: bool,
}

impl KeyCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::New(args) => args.run(caller),
            Self::Ls(args) => args.run(caller),
            Self::Rm(args) => args.run(caller),
        }
    }
}

impl NewArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, session) = caller.signed_in()?;
        let account: Account = session.account.parse().context("sign in again with `kubelt login`")?;
        let core: CoreId = session.core.parse().context("sign in again with `kubelt login`")?;
        let device = &self.device.0;
        let keys = DeviceKeys::new(caller.config.device_keys());
        let kept =
            keys.all()?.into_iter().find(|key| key.account == session.account && key.device == *device);
        let published = devices_of(caller, &account).unwrap_or_default();
        if let Some(there) = published.iter().find(|there| there.label.as_ref() == Some(device)) {
            let is_ours = kept.as_ref().is_some_and(|kept| kept.key == there.key);
            ensure!(!is_ours, "this device has published its key as `{device}` before");
            bail!(
                "you have another device `{device}`; choose another name, or take that one back with `kubelt key rm`"
            );
        }
        let (_, wallet, passphrase) = self.signer.open_with_passphrase(caller)?;
        ensure!(wallet.account() == account, "the wallet is not the one that is signed in");
        let kept = match kept {
            // It was made before and is not published.
            Some(kept) => kept,
            None => {
                let secret = DeviceSecret::random(&mut entropy()?);
                keys.save(&session.account, device, &secret, &passphrase)?
            }
        };
        let value = DeviceKey { x25519: *kept.key.as_x25519().context("the file is damaged")? };
        let path = format!("keys/{device}");
        let value = serde_json::from_slice(&Codec::DagJson.encode(&value.to_ipld())?)?;
        let wish = Wish::Put { path, value };
        let place = CorePlace::given(&session.path);
        let mut ops = Vec::new();
        for draft in client.drafts(&place, &wish)? {
            ops.push(sign_draft(caller, &draft, &core, &wallet, |body| wished(&wish, &body.act))?);
        }
        client.post_ops(&place, ops)?;
        let view = view_of(&kept);
        caller.out.result(&view, || format!("key {} of device {device} is published\n", view.thumbprint))?;
        caller.out.remark(
            "whoever loses the device or the passphrase cannot open with it; have two devices\nwhat was sealed before opens here after `kubelt grant refresh` on a device that can open it",
        );
        Ok(())
    }
}

impl LsArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let here = DeviceKeys::new(caller.config.device_keys()).all()?;
        let view = |to: &Recipient| KeyView {
            who: to.who.clone(),
            device: to.label.clone(),
            thumbprint: to.key.thumbprint().to_string(),
            here: here.iter().any(|kept| kept.key == to.key),
        };
        let views: Vec<KeyView> = self.who.resolve(caller)?.iter().map(view).collect();
        caller.out.result(&views, || {
            let row = |view: &KeyView| {
                let here = if view.here { "on this device" } else { "" };
                [view.device.clone().unwrap_or_default(), view.thumbprint.clone(), here.to_owned()]
            };
            columns(&views.iter().map(row).collect::<Vec<_>>())
        })?;
        Ok(())
    }
}

impl RmArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, session) = caller.signed_in()?;
        let device = self.device.0;
        let place = CorePlace::given(&session.path);
        let there = client.device_keys(&place).is_ok_and(|set| set.keys.iter().any(|key| key.kid == device));
        ensure!(there, "you have published no key `{device}`; `kubelt key ls` lists them");
        let receipt = client.clear_state(&place, &format!("keys/{device}"))?;
        caller.out.result(&receipt, || format!("nobody seals to {device} any more\n"))?;
        caller
            .out
            .remark("what is sealed to it stays so until it is sealed anew: `kubelt grant refresh @me/PATH`");
        Ok(())
    }
}

fn view_of(kept: &KeptKey) -> KeyView {
    KeyView {
        who: kept.account.clone(),
        device: Some(kept.device.clone()),
        thumbprint: kept.key.thumbprint().to_string(),
        here: true,
    }
}
