//! The cores that are written to, and what must be true of each as a whole.

use std::{collections::BTreeSet, sync::Arc};

use kubelt_api::{Heads, OpsPage};
use kubelt_core::{CoreId, EoaKey, Genesis};

use super::api::{Answer, Api, Gone};
use crate::cli::Person;

/// A wallet and its core.
pub(super) struct Owner {
    pub(super) key: EoaKey,
    pub(super) core: CoreId,
    /// `/@0x…`.
    pub(super) address: String,
}

impl Owner {
    pub(super) fn new(seed: u8) -> Arc<Self> {
        let key = EoaKey::from_secret(&[seed; 32]).expect("a secret key");
        let core = Genesis::Private { root: key.account() }.id();
        Arc::new(Self { core, address: format!("/@{}", key.account()), key })
    }
}

/// Operations that were asked for and those that were acknowledged, since the last look.
#[derive(Debug, Default)]
pub(super) struct Writes {
    ids: BTreeSet<String>,
    acknowledged: u64,
    unsure: u64,
}

impl Writes {
    /// Notes that so many operations are asked for.
    pub(super) const fn ask(&mut self, count: u64) {
        self.unsure += count;
    }

    /// Notes that one was acknowledged, with its id where the node gives it.
    pub(super) fn acknowledge(&mut self, id: Option<String>) {
        self.unsure -= 1;
        self.acknowledged += 1;
        self.ids.extend(id);
    }

    fn add(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.acknowledged += other.acknowledged;
        self.unsure += other.unsure;
    }
}

/// A core, and all that is known of its log.
pub(super) struct Core {
    pub(super) owner: Arc<Owner>,
    pub(super) token: String,
    cli: Person,
    known: BTreeSet<String>,
    news: Writes,
}

impl Core {
    /// A core with a session of its own and one of the command line.
    pub(super) fn new(seed: u8, url: &str) -> Self {
        let owner = Owner::new(seed);
        let (session, _) = Api::new(url).sign_in(&owner.key, None).expect("the node answers");
        assert_eq!(session.core, owner.core.to_string());
        let cli = Person::at(url);
        cli.write("key", format!("{seed:02x}").repeat(32));
        cli.run(&["wallet", "import", "main", "--key-file", "key", "--passphrase-file", "right"]);
        cli.sign_in();
        Self { owner, token: session.token, cli, known: BTreeSet::new(), news: Writes::default() }
    }

    pub(super) fn take_in(&mut self, writes: Writes) {
        self.news.add(writes);
    }

    /// How many operations there are, as of the last check.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Checks the log and the whole core at the node at `url`.
    pub(super) fn check(&mut self, url: &str) {
        let api = Api::new(url);
        let ops = self.ops(&api);
        let ids: BTreeSet<String> = ops.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids.len(), ops.len(), "an operation is listed twice");
        assert!(ops.iter().all(|(_, effective)| *effective), "nothing here revokes anything");
        let news = std::mem::take(&mut self.news);
        let lost: Vec<_> = self.known.union(&news.ids).filter(|id| !ids.contains(*id)).collect();
        assert!(lost.is_empty(), "acknowledged, but lost: {lost:?}");
        let least = self.known.len() as u64 + news.acknowledged;
        let count = ids.len() as u64;
        assert!(
            (least..=least + news.unsure).contains(&count),
            "{count} operations, {least} were acknowledged and {} in flight",
            news.unsure
        );
        let heads: Heads = self.get(&api, "/-/heads").expect("the node answers").expect(200).json();
        assert_eq!(heads.count, count);
        assert!(heads.heads.iter().all(|head| ids.contains(head)), "{heads:?}");
        self.known = ids;
        self.verify(url);
    }

    /// What the node says of the core, to be compared.
    pub(super) fn answers(&self, url: &str) -> Vec<String> {
        let api = Api::new(url);
        let ops = self.pages(&api, "/-/ops?limit=1000");
        let state = self.pages(&api, "/-/state?limit=1000");
        let rest = ["", "/-/heads", "/-/content?list&limit=1000"].map(|path| {
            let answer = self.get(&api, path).expect("the node answers");
            // A core with nothing in it has no list, and every refusal has its own number.
            if answer.status == 200 { answer.text() } else { answer.status.to_string() }
        });
        ops.into_iter().chain(state).chain(rest).collect()
    }

    /// Exports the core with the command line and verifies the file.
    fn verify(&mut self, url: &str) {
        self.cli.stays_signed_in_at(url);
        self.cli.run(&["core", "export", "@me", "-o", "core.car"]);
        let report = self.cli.json(&["verify", "core.car"]);
        assert_eq!(report["core"], self.owner.core.to_string());
        let count = self.known.len();
        assert_eq!((&report["ops"], &report["ops_effective"]), (&count.into(), &count.into()), "{report}");
        assert_eq!((&report["partial"], &report["withheld"]), (&false.into(), &0.into()), "{report}");
        assert_eq!(report["incomplete"], serde_json::json!([]), "{report}");
    }

    fn get(&self, api: &Api, path: &str) -> Result<Answer, Gone> {
        api.get(&format!("{}{path}", self.owner.address), Some(&self.token))
    }

    fn pages(&self, api: &Api, path: &str) -> Vec<String> {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(api, &format!("{path}{cursor}")).expect("the node answers").expect(200);
            pages.push(page.text());
            let Some(next) = page.json::<serde_json::Value>()["next"].as_str().map(str::to_owned) else {
                return pages;
            };
            cursor = format!("&cursor={next}");
        }
    }

    /// Ids of all operations, and whether they count.
    fn ops(&self, api: &Api) -> Vec<(String, bool)> {
        let pages = self.pages(api, "/-/ops?limit=1000").into_iter();
        let pages = pages.map(|page| serde_json::from_str::<OpsPage>(&page).expect("a page of the log"));
        pages.flat_map(|page| page.ops).map(|op| (op.id, op.effective)).collect()
    }
}
