//! `kubelt receipt`: whether strangers can fetch what is published.

use anyhow::{Result, bail};
use clap::Args;
use kubelt_api::{Receipt, Visibility, WayView};

use super::caller::Caller;
use super::target::CoreTarget;
use crate::client::{Client, CorePlace};

#[derive(Debug, Args)]
pub(super) struct ReceiptArgs {
    /// What was published
    #[arg(value_name = "@CORE/PATH")]
    target: CoreTarget,
}

impl ReceiptArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let path = self.target.path.trim_matches('/');
        if path.is_empty() {
            bail!("name a path, as in `{}/site`", self.target);
        }
        let (client, core) = caller.reach(&self.target)?;
        let receipt = watch(caller, &client, &core, path)?;
        if caller.out.is_json() {
            caller.out.result(&receipt, String::new)?;
        }
        Ok(())
    }
}

/// Gets a receipt; each way is shown to people as soon as it was tried.
pub(super) fn watch(caller: &Caller, client: &Client, core: &CorePlace, path: &str) -> Result<Receipt> {
    let say = |text: String| caller.out.result(&(), || text);
    if caller.out.is_json() {
        return Ok(client.receipt(core, path)?);
    }
    let (of, lines) = client.receipt_in_lines(core, path)?;
    say(format!("{} {}\nfor {}", of.path, of.cid, of.readers))?;
    let is_public = of.visibility == Visibility::Public;
    let mut ways = Vec::new();
    for way in lines {
        let way = way?;
        say(in_words(&way))?;
        ways.push(way);
    }
    let receipt = Receipt::new(of, ways);
    if is_public {
        let open = receipt.ways.iter().filter(|way| way.open).count();
        let near = receipt.ways.iter().any(|way| way.open && way.from.as_deref() == Some("everywhere"));
        say(match (open, near) {
            (0, _) => "strangers cannot fetch it now".to_owned(),
            (_, true) => "strangers can fetch it now".to_owned(),
            (_, false) => "strangers can fetch it now, but not from everywhere".to_owned(),
        })?;
    }
    Ok(receipt)
}

fn in_words(way: &WayView) -> String {
    let at = way.at.as_deref().map(|at| format!(" {at}")).unwrap_or_default();
    let name = match way.way.as_str() {
        "http-path" => "HTTP, by path",
        "http-cid" => "HTTP, by CID",
        "peer" => "this node, to peers",
        "host" => "host",
        "dht" => "DHT",
        "ipns" => "IPNS",
        "pinning" => "pinning service",
        other => other,
    };
    let place = match way.from.as_deref() {
        Some("machine") => " (from this machine only)",
        Some("network") => " (from this network only)",
        _ => "",
    };
    let step = way.step.as_deref().map(|step| format!(" at the step `{step}`")).unwrap_or_default();
    let state = if way.open { "open" } else { "shut" };
    let mut text = format!("{state}  {name}{at}: {}{place}{step}", way.detail);
    if let Some(remedy) = &way.remedy {
        text.push_str(&format!("\n      {remedy}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use kubelt_api::WayView;

    use super::in_words;

    #[test]
    fn a_way_says_where_it_fails_and_what_to_do() {
        let way = WayView {
            way: "http-path".to_owned(),
            at: Some("https://node.example".to_owned()),
            open: true,
            from: Some("machine".to_owned()),
            step: None,
            detail: "it gives the content to anybody".to_owned(),
            remedy: None,
        };
        let text = "open  HTTP, by path https://node.example: it gives the content to anybody (from this machine only)";
        assert_eq!(in_words(&way), text);
        let shut = WayView {
            way: "dht".to_owned(),
            at: None,
            open: false,
            from: None,
            step: Some("connection".to_owned()),
            detail: "no peer is known".to_owned(),
            remedy: Some("name one".to_owned()),
        };
        assert_eq!(in_words(&shut), "shut  DHT: no peer is known at the step `connection`\n      name one");
    }
}
