//! `kubelt request`: what waits for others to agree, and what programs asked a core's wallet to sign.

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use kubelt_api::{
    Asked, DecidedView, OpPostEntry, RequestRequest, RequestView, VoteDraftView, VoteRequest, Waiting,
    WalletRequestView,
};
use kubelt_core::{Act, Body, Header, op::proposal_of, words};

use super::caller::Caller;
use super::signing::{Shared, SignerArgs, sign_draft};
use super::target::CoreTarget;
use super::to_sign;
use crate::keystore::Wallet;
use crate::output::short_time;

#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// List what waits: for others to agree, of what you have a part in; for your signature, where a program asked for it
    Ls(ListArgs),
    /// Show a request: what it does, who asked, who agrees and who is missing
    Show(OneArgs),
    /// Agree to a request, by your wallet's signature over what it says in words, or sign what a program asked for
    Approve(ApproveArgs),
    /// Decline a request
    Reject(VoteArgs),
    /// Do what enough agree to; for whoever asked
    Finish(VoteArgs),
    /// Withdraw a request of your own
    Withdraw(OneArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The request, or the end of its id
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Debug, Args)]
pub(super) struct VoteArgs {
    #[command(flatten)]
    one: OneArgs,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    vote: VoteArgs,
    /// What another wallet made of what a program asked for: the signature, or the hash of the transaction that it sent
    #[arg(long, value_name = "0xHEX")]
    result: Option<String>,
}

impl RequestCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls(args) => args.run(caller),
            Self::Show(args) => args.show(caller),
            Self::Approve(args) => args.vote.decide(caller, true, args.result),
            Self::Reject(args) => args.decide(caller, false, None),
            Self::Finish(args) => args.finish(caller),
            Self::Withdraw(args) => args.withdraw(caller),
        }
    }
}

impl ListArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let shared = Shared::of(caller, &self.target)?;
        let list = shared.client.requests(&shared.place)?;
        caller.out.result(&list, || match list.requests.as_slice() {
            [] => "nothing waits".to_owned(),
            requests => requests.iter().map(told).collect::<Vec<_>>().join("\n\n"),
        })?;
        Ok(())
    }
}

impl OneArgs {
    /// The core, and the request that an id or its end names.
    fn find(&self, caller: &Caller) -> Result<(Shared, Waiting)> {
        let shared = Shared::of(caller, &self.target)?;
        let mut found = shared.client.requests(&shared.place)?.requests;
        found.retain(|request| self.id.len() >= 6 && request.id().ends_with(&self.id));
        match found.pop() {
            Some(request) if found.is_empty() => Ok((shared, request)),
            Some(_) => bail!("several requests end in `{}`; write more of the id", self.id),
            None => bail!("no request of {} is `{}`; see `kubelt request ls {0}`", self.target, self.id),
        }
    }

    /// One that others must agree to.
    fn find_vote(&self, caller: &Caller) -> Result<(Shared, RequestView)> {
        match self.find(caller)? {
            (shared, Waiting::Vote(request)) => Ok((shared, request)),
            (_, Waiting::Sign(_)) => bail!("a program asked for this: approve it, or reject it"),
        }
    }

    fn show(self, caller: &Caller) -> Result<()> {
        let (_shared, request) = self.find(caller)?;
        caller.out.result(&request, || told(&request))?;
        Ok(())
    }

    fn withdraw(self, caller: &Caller) -> Result<()> {
        let (shared, request) = self.find_vote(caller)?;
        shared.client.withdraw(&shared.place, &request.id)?;
        caller.out.result(&request, || format!("withdrawn: {}", request.what))?;
        Ok(())
    }
}

impl VoteArgs {
    fn decide(self, caller: &Caller, approve: bool, result: Option<String>) -> Result<()> {
        match self.one.find(caller)? {
            (shared, Waiting::Sign(request)) => self.sign(caller, &shared, &request, approve, result),
            (_, Waiting::Vote(_)) if result.is_some() => bail!("`--result` is for what a program asked for"),
            (shared, Waiting::Vote(request)) => self.vote(caller, &shared, &request, approve),
        }
    }

    /// Gives a program what it asked for.
    fn sign(
        self,
        caller: &Caller,
        shared: &Shared,
        request: &WalletRequestView,
        approve: bool,
        result: Option<String>,
    ) -> Result<()> {
        let (word, result) = match (approve, result) {
            (false, _) => ("reject", None),
            (true, Some(result)) => ("approve", Some(result)),
            (true, None) => {
                caller.out.remark(&to_sign::said(request));
                ("approve", Some(to_sign::answer(request, &self.signer.open(caller)?.1)?))
            }
        };
        let said = VoteRequest { vote: None, result };
        tell(caller, &shared.client.decide(&shared.place, &request.id, word, &said)?)
    }

    fn vote(self, caller: &Caller, shared: &Shared, request: &RequestView, approve: bool) -> Result<()> {
        let (_name, wallet) = self.signer.open(caller)?;
        let detail = shared.client.pending(&shared.place, &request.id)?;
        let draft = if approve { detail.approve } else { detail.reject };
        let draft = draft.context("it is your own request, and counts as your vote")?;
        let vote = sign_vote(caller, shared, request, &draft, &wallet, approve)?;
        let word = if approve { "approve" } else { "reject" };
        let said = VoteRequest { vote: Some(vote), result: None };
        let decided = shared.client.decide(&shared.place, &request.id, word, &said)?;
        tell(caller, &decided)
    }

    fn finish(self, caller: &Caller) -> Result<()> {
        let (shared, request) = self.one.find_vote(caller)?;
        let said = VoteRequest::default();
        let mut decided = shared.client.decide(&shared.place, &request.id, "finish", &said)?;
        if let Some(draft) = decided.sign.take() {
            let (_name, wallet) = self.signer.open(caller)?;
            let (wanted, _) = checked(&shared, &request)?;
            let fits = |body: &Body| Ok(*body == wanted);
            let op = sign_draft(caller, &draft, &shared.id, &wallet, fits)?;
            let done = shared.client.post_ops(&shared.place, vec![op])?;
            decided.done = done.into_iter().next().map(|receipt| receipt.id);
            decided.next = "enough agree, and it is done".to_owned();
            // Done is done, whether or not the request is cleared away.
            drop(shared.client.withdraw(&shared.place, &request.id));
        }
        tell(caller, &decided)
    }
}

/// Asks the others to agree, and says what happens next.
pub(super) fn ask(caller: &Caller, shared: &Shared, act: Asked) -> Result<()> {
    let request = RequestRequest { act, title: None, lives_s: None };
    let filed = shared.client.ask(&shared.place, &request)?;
    caller.out.result(&serde_json::json!({ "requests": filed }), || {
        let mut text: Vec<String> = filed.iter().map(told).collect();
        text.push(
            "nothing is done yet: others must agree, with `kubelt request approve`; then it is done by your session where \
             that is open at their node, or by `kubelt request finish`"
                .to_owned(),
        );
        text.join("\n\n")
    })?;
    Ok(())
}

fn tell(caller: &Caller, decided: &DecidedView) -> Result<()> {
    caller.out.result(decided, || match &decided.done {
        Some(op) => format!("{}\noperation {op}", decided.next),
        None => decided.next.clone(),
    })?;
    Ok(())
}

fn told(waiting: &Waiting) -> String {
    let id = waiting.id();
    let short = id.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    match waiting {
        Waiting::Vote(request) => format!("{short}  {}", said(request)),
        Waiting::Sign(request) => format!("{short}  {}", to_sign::said(request)),
    }
}

fn said(request: &RequestView) -> String {
    let mut text = request.what.clone();
    if let Some(title) = &request.title {
        text.push_str(&format!("\n  they say: {}", title.escape_debug()));
    }
    let (agree, m, of) = (request.agree, request.to.m, request.to.of.len());
    text.push_str(&format!(
        "\n  {agree} of {m} agree, of {of} who may; until {}",
        short_time(&request.expires)
    ));
    text.push_str(&format!("\n  {} asked", request.by));
    for vote in &request.votes {
        let word = if vote.approve { "agrees" } else { "is against it" };
        text.push_str(&format!("\n  {} {word}", vote.by));
    }
    for missing in &request.missing {
        text.push_str(&format!("\n  {missing} has not voted"));
    }
    text
}

/// The body of a request and its words, made here: what the node says of it is not believed.
fn checked(shared: &Shared, request: &RequestView) -> Result<(Body, String)> {
    let bytes = STANDARD.decode(&request.body).context("the node gave no body")?;
    let body = Body::decode(&bytes).context("the node gave no body")?;
    let by = request.by.parse().context("the node gave no account")?;
    let auth = request.auth.parse().context("the node gave no authority")?;
    let proposal = proposal_of(shared.id, auth, &by, body.id());
    ensure!(proposal.to_string() == request.id, "the node shows another request than the one with this id");
    let what = words::of_proposal(&by, &body)?;
    Ok((body, what))
}

/// Signs a vote that is what was asked for, over words made here.
fn sign_vote(
    caller: &Caller,
    shared: &Shared,
    request: &RequestView,
    draft: &VoteDraftView,
    wallet: &Wallet,
    approve: bool,
) -> Result<OpPostEntry> {
    let (_, what) = checked(shared, request)?;
    let block = |text: &str| STANDARD.decode(text).context("the node's draft is not base64");
    let header = Header::decode(&block(&draft.header)?).context("the node's draft has no header")?;
    let body = Body::decode(&block(&draft.body)?).context("the node's draft has no body")?;
    let is_it = header.core == shared.id
        && header.by == wallet.account()
        && header.auth.to_string() == request.auth
        && matches!(&body.act, Act::Vote { proposal, approve: yes, shown, .. }
            if proposal.to_string() == request.id && *yes == approve && **shown == words::hash(&what));
    ensure!(is_it, "the node drafted another vote than the one asked for; nothing was signed");
    let word = if approve { "approving" } else { "rejecting" };
    caller.out.remark(&format!("{word}: {what}"));
    let signed = wallet.sign_typed(header, &body)?;
    Ok(OpPostEntry {
        signed: Some(STANDARD.encode(signed.encode())),
        header: None,
        signature: None,
        scheme: None,
        passkey: None,
        body: draft.body.clone(),
        login: None,
    })
}
