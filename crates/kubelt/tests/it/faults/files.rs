//! Files that are put, put over, removed and linked.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use kubelt_api::{CarReceipt, ContentReceipt, ContentRemoved};
use kubelt_content::{
    Block,
    car::CarWriter,
    unixfs::{Importer, Profile},
};

use super::{
    api::{Answer, Api, CAR, Gone},
    cores::{Owner, Writes},
    dice::{Dice, bytes},
    kill::Load,
};

const BYTES: &str = "application/octet-stream";
/// Longer files are read back by their owner only.
const READ_BY_ALL_BYTES_MAX: usize = 256 << 10;

/// How files get to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// A few KiB in one request.
    Small,
    /// Up to several MiB in one request.
    Big,
    /// As a CAR, then linked.
    Car,
}

/// Somebody who writes files to a few paths.
pub(super) struct Files {
    owner: Arc<Owner>,
    how: How,
    /// Below this path.
    name: String,
    dice: Dice,
    token: Option<String>,
    slots: BTreeMap<u64, Slot>,
    /// A file whose blocks were acknowledged, and which no path names yet.
    uploaded: Option<File>,
    writes: Writes,
}

/// One path.
#[derive(Debug, Default)]
struct Slot {
    /// What was acknowledged last.
    holds: Option<File>,
    /// What was asked for, and not acknowledged.
    trying: Option<Option<File>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    seed: u64,
    len: usize,
    public: bool,
    cid: String,
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        bytes(self.seed, self.len)
    }
}

impl Files {
    pub(super) fn new(owner: &Arc<Owner>, how: How, name: &str, seed: u64) -> Self {
        Self {
            owner: Arc::clone(owner),
            how,
            name: name.to_owned(),
            dice: Dice::new(seed),
            token: None,
            slots: BTreeMap::new(),
            uploaded: None,
            writes: Writes::default(),
        }
    }

    fn put(&mut self, api: &Api, token: &str, slot: u64) -> Result<(), Gone> {
        let (file, body) = match self.how {
            How::Car => (self.upload(api, token)?, Vec::new()),
            How::Small | How::Big => self.make(),
        };
        let visibility = if file.public { "public" } else { "private" };
        let mut path = format!("{}?visibility={visibility}", self.content(slot));
        if self.how == How::Car {
            path.push_str(&format!("&cid={}", file.cid));
        }
        self.slots.entry(slot).or_default().trying = Some(Some(file.clone()));
        self.writes.ask(1);
        let answer = api.call("PUT", &path, Some(token), Some((BYTES, &body)))?;
        let receipt: ContentReceipt = answer.expect(201).json();
        assert_eq!((&receipt.cid, receipt.size), (&file.cid, file.len as u64));
        self.uploaded = None;
        self.acknowledged(api, slot, Some(file), Some(receipt.op));
        Ok(())
    }

    fn remove(&mut self, api: &Api, token: &str, slot: u64) -> Result<(), Gone> {
        self.slots.entry(slot).or_default().trying = Some(None);
        self.writes.ask(1);
        let answer = api.call("DELETE", &self.content(slot), Some(token), None)?;
        let removed: ContentRemoved = answer.expect(200).json();
        self.acknowledged(api, slot, None, Some(removed.op));
        Ok(())
    }

    fn acknowledged(&mut self, api: &Api, slot: u64, holds: Option<File>, op: Option<String>) {
        self.slots.insert(slot, Slot { holds, trying: None });
        self.writes.acknowledge(op);
        api.acknowledged();
    }

    /// Sends a file's blocks, unless some wait for their link since before a kill.
    fn upload(&mut self, api: &Api, token: &str) -> Result<File, Gone> {
        if let Some(file) = &self.uploaded {
            return Ok(file.clone());
        }
        let (file, bytes) = self.make();
        let (_, blocks) = import(&bytes);
        let roots = [file.cid.parse().expect("a CID")];
        let (mut car, mut body) = CarWriter::v1(&roots);
        let mut whole = body.to_vec();
        for block in &blocks {
            for piece in car.section(block) {
                body = piece;
                whole.extend_from_slice(&body);
            }
        }
        let path = format!("{}/-/car", self.owner.address);
        let receipt: CarReceipt =
            api.call("POST", &path, Some(token), Some((CAR, &whole)))?.expect(201).json();
        assert_eq!((receipt.roots, receipt.blocks), (vec![file.cid.clone()], blocks.len() as u64));
        api.acknowledged();
        self.uploaded = Some(file.clone());
        Ok(file)
    }

    /// A new file, as long as it suits.
    fn make(&mut self) -> (File, Vec<u8>) {
        // Whole cores are exported after each kill, with all that was ever put: so few files are long.
        let len_max = match self.how {
            How::Small => 16 << 10,
            How::Big if self.dice.one_in(4) => 4 << 20,
            How::Car if self.dice.one_in(8) => 2 << 20,
            How::Big | How::Car => 64 << 10,
        };
        let len = self.dice.below(len_max);
        let (seed, public) = (self.dice.roll(), self.dice.one_in(2));
        let len = usize::try_from(len).expect("small");
        let bytes = bytes(seed, len);
        let (cid, _) = import(&bytes);
        (File { seed, len, public, cid }, bytes)
    }

    fn content(&self, slot: u64) -> String {
        format!("{}/-/content/{}/{slot}", self.owner.address, self.name)
    }

    /// Checks what a path holds; returns it.
    fn settle(&self, api: &Api, number: u64, slot: &Slot) -> Result<Option<File>, Gone> {
        let token = self.token.as_deref();
        let answer = api.get(&self.content(number), token)?;
        let found = answer.etag.clone().filter(|_tag| answer.status == 200);
        let holds = |file: &Option<File>| found == file.as_ref().map(|file| format!("\"{}\"", file.cid));
        let known = [Some(&slot.holds), slot.trying.as_ref()].into_iter().flatten().find(|file| holds(file));
        let (name, status) = (&self.name, answer.status);
        let known = known.unwrap_or_else(|| panic!("{name}/{number}: {status} {found:?}, and not {slot:?}"));
        match known {
            Some(file) => self.check_file(api, number, file, &answer)?,
            None => {
                answer.expect_problem(404, "not-found");
                self.published(api, number)?.expect_problem(404, "not-found");
            }
        }
        Ok(known.clone())
    }

    fn check_file(&self, api: &Api, number: u64, file: &File, answer: &Answer) -> Result<(), Gone> {
        let bytes = file.bytes();
        assert!(answer.body == bytes, "{}/{number} is not what was put there", self.name);
        if file.len > READ_BY_ALL_BYTES_MAX {
            return Ok(());
        }
        let by_path = self.published(api, number)?;
        let by_cid = api.get(&format!("/ipfs/{}", file.cid), None)?;
        for answer in [by_path, by_cid] {
            if file.public {
                assert!(answer.expect(200).body == bytes, "{}/{number} is published otherwise", self.name);
            } else {
                answer.expect_problem(404, "not-found");
            }
        }
        Ok(())
    }

    /// What anybody gets.
    fn published(&self, api: &Api, number: u64) -> Result<Answer, Gone> {
        api.get(&format!("{}/{}/{number}", self.owner.address, self.name), None)
    }
}

impl Load for Files {
    fn step(&mut self, api: &Api) -> Result<(), Gone> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.token.insert(api.sign_in(&self.owner.key, None)?.0.token).clone(),
        };
        let slot = self.dice.below(if self.how == How::Small { 16 } else { 4 });
        let is_there = self.slots.get(&slot).is_some_and(|slot| slot.holds.is_some());
        if is_there && self.dice.one_in(5) {
            self.remove(api, &token, slot)
        } else {
            self.put(api, &token, slot)
        }
    }

    fn settle(&mut self, api: &Api) -> Result<Writes, Gone> {
        for (number, slot) in std::mem::take(&mut self.slots) {
            let holds = Self::settle(self, api, number, &slot)?;
            if holds.is_some() && holds == self.uploaded {
                self.uploaded = None;
            }
            self.slots.insert(number, Slot { holds, trying: None });
        }
        Ok(std::mem::take(&mut self.writes))
    }
}

/// The CID and blocks of a file, as the node makes them.
fn import(bytes: &[u8]) -> (String, Vec<Block>) {
    let mut blocks = Vec::new();
    let mut sink = |block| -> Result<(), Infallible> {
        blocks.push(block);
        Ok(())
    };
    let mut importer = Importer::new(Profile::V1_2025);
    let Ok(()) = importer.write(bytes, &mut sink);
    let Ok(root) = importer.finish(&mut sink);
    (root.cid.to_string(), blocks)
}
