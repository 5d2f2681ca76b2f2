//! A check of an exported core that needs no node and trusts nobody.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read},
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Codec, Ipld, links};
use kubelt_core::{
    Body, ContractQuestion, ContractSignatures, ContractVerdict, CoreId, Genesis, Log, Login, LoginId,
    MapPath, OpId, Replica, Signed,
    schema::{self, ContentEntry},
    verify::{Problem, Report},
};

use super::{
    on_chain::{Assuming, ChainAnswers, OnChain, on_chain},
    read::{CoreFile, CoreFileError, CoreLog},
};
use crate::{chains::Answers, content::PREFIX};

/// What was found in a sound file.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// The core.
    pub core: CoreId,
    /// How it began.
    pub genesis: Genesis,
    /// Operations.
    pub ops: u64,
    /// Of them, those that count.
    pub ops_effective: u64,
    /// Operations whose body is withheld.
    pub withheld: u64,
    /// Operations that cannot be judged because earlier ones are withheld; their signatures are good.
    pub detached: u64,
    /// Heads.
    pub heads: Vec<OpId>,
    /// Whether the file says that parts are withheld.
    pub partial: bool,
    /// Paths of the state.
    pub paths: u64,
    /// Blocks of content.
    pub blocks: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Paths of content that counts now and is not whole in the file.
    pub incomplete: Vec<MapPath>,
    /// What contract wallets signed, so that only their chains can say whether they did.
    pub on_chain: Vec<OnChain>,
    /// Whether the chains were asked. Otherwise all of it was taken for good, and so was whatever rests on it.
    pub is_asked: bool,
}

/// Why a file does not pass.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// It is no sound core.
    #[error(transparent)]
    File(#[from] CoreFileError),
    /// Operations, sign-ins or checkpoints that are not good.
    #[error("{} things in the file are not sound; the first: {}", .0.len(), .0.first().map_or("", String::as_str))]
    Unsound(Vec<String>),
    /// Chains that were to be asked gave no answer.
    #[error(
        "the chains gave no answer about {0} signatures of contract wallets; try again, or name other upstreams"
    )]
    Unanswered(usize),
    /// The heads are not those that the manifest names.
    #[error("the manifest names other heads than the operations have; something was left out")]
    Heads,
}

/// Asks chains about contract wallets.
pub type Ask<'a> = &'a dyn Fn(Vec<ContractQuestion>) -> ChainAnswers;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Checks an exported core without asking anybody, [`verify_on_chain`] does otherwise.
///
/// # Errors
/// [`VerifyError`] names the first fault.
pub fn verify(from: impl Read, now_ms: u64) -> Result<VerifyReport, VerifyError> {
    verify_on_chain(from, now_ms, None)
}

/// Checks an exported core: every hash, every signature and sign-in, every rule of the log at `now_ms`
/// (milliseconds since the Unix epoch), and which content is whole. Memory: the log, and the CIDs of the content.
///
/// What contract wallets signed is asked through `ask`; without it, it is taken for good, and the report says what that is.
///
/// # Errors
/// [`VerifyError`] names the first fault.
pub fn verify_on_chain(
    mut from: impl Read,
    now_ms: u64,
    ask: Option<Ask<'_>>,
) -> Result<VerifyReport, VerifyError> {
    let mut file = CoreFile::new();
    let mut content: HashMap<Cid, Vec<Cid>> = HashMap::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        for block in file.push(Bytes::copy_from_slice(&buffer[..count]))? {
            let below = Codec::of(block.cid()).ok().and_then(|codec| links(codec, block.data()).ok());
            content.insert(*block.cid(), below.unwrap_or_default());
        }
    }
    let (CoreLog { manifest, genesis, logins, ops }, summary) = file.finish()?;
    let on_chain = on_chain(logins.values(), ops.iter().map(|(signed, _)| signed));
    let ask = ask.filter(|_| !on_chain.is_empty());
    let (report, replica) = judge(&genesis, logins, ops, now_ms, ask)?;
    let problems = problems(&report, &replica, manifest.partial);
    if !problems.is_empty() {
        return Err(VerifyError::Unsound(problems));
    }
    if !manifest.partial && sorted(&report.heads) != sorted(&manifest.heads) {
        return Err(VerifyError::Heads);
    }
    let values = || replica.state().winners().filter(|(_, winner)| *winner.value != Ipld::Null);
    let broken = |path: &MapPath, value: &Ipld| {
        let entry = ContentEntry::from_ipld(value);
        path.prefix() == PREFIX && entry.is_ok_and(|entry| !is_whole(&entry.cid, &content))
    };
    Ok(VerifyReport {
        core: manifest.core,
        genesis,
        ops: (report.ops + report.waiting) as u64,
        ops_effective: report.effective as u64,
        withheld: report.withheld as u64,
        detached: report.waiting as u64,
        heads: report.heads,
        partial: manifest.partial,
        paths: values().count() as u64,
        blocks: content.len() as u64,
        bytes: summary.payload_bytes,
        incomplete: values()
            .filter(|(path, winner)| broken(path, &winner.value))
            .map(|(path, _)| path.clone())
            .collect(),
        on_chain,
        is_asked: ask.is_some(),
    })
}

/// Judges a log: with what chains say of contract wallets, or taking their signatures for good where nobody is asked.
fn judge(
    genesis: &Genesis,
    logins: HashMap<LoginId, Login>,
    ops: Vec<(Signed, Option<Body>)>,
    now_ms: u64,
    ask: Option<Ask<'_>>,
) -> Result<(Report, Replica), VerifyError> {
    let check = |logins: HashMap<LoginId, Login>, ops, contracts: &dyn ContractSignatures| {
        kubelt_core::verify::verify(genesis.clone(), logins.into_values(), ops, now_ms, contracts)
    };
    let assuming = Assuming::default();
    let Some(ask) = ask else { return Ok(check(logins, ops, &assuming)) };
    // Once to learn what is to be asked.
    drop(check(logins.clone(), ops.clone(), &assuming));
    let questions = assuming.questions();
    let answers = ask(questions.clone());
    let is_open = |question: &&ContractQuestion| {
        matches!(answers.get(question), None | Some(ContractVerdict::Pending | ContractVerdict::Assumed))
    };
    match questions.iter().filter(is_open).count() {
        0 => Ok(check(logins, ops, &Answers::from(answers))),
        open => Err(VerifyError::Unanswered(open)),
    }
}

/// What is wrong with the log. In a public export what comes before an operation may be withheld.
fn problems(report: &Report, replica: &Replica, partial: bool) -> Vec<String> {
    let withheld = |problem: &&Problem| partial && matches!(problem, Problem::Waits(_));
    let mut found: Vec<String> =
        report.problems.iter().filter(|problem| !withheld(problem)).map(say).collect();
    for entry in replica.entries() {
        if let Some((path, value)) = Log::put_of(entry)
            && let Err(error) = schema::check(path, value)
        {
            found.push(format!(
                "operation `{}` writes a value that does not fit `{path}`: {error}",
                entry.id()
            ));
        }
    }
    found
}

fn say(problem: &Problem) -> String {
    match problem {
        Problem::Login(id, error) => format!("sign-in `{id}`: {}", chain(error)),
        Problem::Op(id, error) => format!("operation `{id}`: {}", chain(error)),
        Problem::Waits(id) => {
            format!("operation `{id}` follows others that are not in the file, or is dated ahead")
        }
        Problem::Pending(id) => {
            format!("operation `{id}` is a contract wallet's, which only its chain can check")
        }
        Problem::Checkpoint(error) => format!("a checkpoint does not fit: {}", chain(error)),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn sorted(ids: &[OpId]) -> Vec<OpId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

/// Whether everything that `root` reaches is in the file.
fn is_whole(root: &Cid, content: &HashMap<Cid, Vec<Cid>>) -> bool {
    let mut seen = HashSet::from([*root]);
    let mut next = vec![*root];
    while let Some(cid) = next.pop() {
        if kubelt_content::inline_content(&cid).is_some() {
            continue;
        }
        let Some(below) = content.get(&cid) else { return false };
        next.extend(below.iter().filter(|cid| seen.insert(**cid)));
    }
    true
}
