//! Gates that guard the making of something: a core of a user, a child of some name.

use kubelt_core::{Account, CoreId, schema::gate::Outcome};

use super::{Trial, Trials};
use crate::StoreError;

/// A gate that an account does not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("you do not pass the gate `{gate}` of the core{}", because(.why))]
pub struct Barred {
    /// The gate's name.
    pub gate: String,
    /// Why not, a line for each test; empty where strangers are not to know.
    pub why: Vec<String>,
}

fn because(why: &[String]) -> String {
    if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) }
}

impl Trials {
    /// Lets an account through a gate of the core that is named where something else stands. One that is not there lets
    /// nobody through.
    pub(crate) async fn guard(
        &self,
        core: &CoreId,
        gate: &str,
        account: &Account,
    ) -> Result<Result<(), Barred>, StoreError> {
        let barred = |why| Err(Barred { gate: gate.to_owned(), why });
        let gates = self.table.of(core)?;
        let Some(named) = gates.iter().find(|named| named.name == gate) else {
            return Ok(barred(vec!["it is not there".to_owned()]));
        };
        let trial = self.try_at(&named.gate, account).await;
        Ok(match trial.passes() {
            true => Ok(()),
            false => barred(if named.gate.shown { reasons(&trial) } else { Vec::new() }),
        })
    }
}

/// Why an account does not pass, in words. All tests are told: which of them count depends on the condition.
fn reasons(trial: &Trial) -> Vec<String> {
    let word = |outcome| match outcome {
        Outcome::Yes => "yes",
        Outcome::No => "no",
        Outcome::Unknown => "nobody knows",
    };
    let reason =
        |tested: &super::Tested| format!("{}? {}, {}", tested.test, word(tested.outcome), tested.why);
    trial.tests.iter().map(reason).collect()
}
