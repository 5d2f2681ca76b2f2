//! Pins listed and filtered.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use kubelt_core::{
    CoreId, MapPath,
    schema::{ContentEntry, Visibility},
};

use super::{PINS, Pin, PinError, PinStatus, Pins, record::created_ms};
use crate::{StoreError, session::Session, write::content_entry};

const SCAN_PAGE: usize = 1_000;

/// How a name is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TextMatch {
    /// The whole name.
    #[default]
    Exact,
    /// The whole name, upper and lower case alike.
    Iexact,
    /// Any part of the name.
    Partial,
    /// Any part of the name, upper and lower case alike.
    Ipartial,
}

impl TextMatch {
    fn fits(self, name: &str, wanted: &str) -> bool {
        match self {
            Self::Exact => name == wanted,
            Self::Iexact => name.to_lowercase() == wanted.to_lowercase(),
            Self::Partial => name.contains(wanted),
            Self::Ipartial => name.to_lowercase().contains(&wanted.to_lowercase()),
        }
    }
}

/// Which pins are wanted. What is not given does not narrow.
#[derive(Debug, Clone, Default)]
pub struct PinFilter {
    /// Pins of any of these; whichever version they are written in.
    pub cids: Vec<Cid>,
    /// Pins of this name.
    pub name: Option<(String, TextMatch)>,
    /// Pins this far.
    pub statuses: Option<BTreeSet<PinStatus>>,
    /// Pins made before this, in milliseconds since the Unix epoch.
    pub before_ms: Option<u64>,
    /// Pins made after this.
    pub after_ms: Option<u64>,
    /// Pins with all of these pairs.
    pub meta: BTreeMap<String, String>,
    /// How many of them, from the newest.
    pub limit: usize,
}

/// Pins, newest first.
#[derive(Debug, Clone)]
pub struct PinPage {
    /// How many fit the filter.
    pub count: u64,
    /// The newest of them.
    pub pins: Vec<Pin>,
}

impl PinFilter {
    fn fits(&self, created_ms: u64, entry: &ContentEntry) -> bool {
        let same = |cid: &Cid| cid.hash() == entry.cid.hash() && cid.codec() == entry.cid.codec();
        if !self.cids.is_empty() && !self.cids.iter().any(same) {
            return false;
        }
        if self.before_ms.is_some_and(|before| created_ms >= before)
            || self.after_ms.is_some_and(|after| created_ms <= after)
        {
            return false;
        }
        let pin = super::NewPin::of(entry);
        if let Some((wanted, how)) = &self.name
            && !pin.name.as_deref().is_some_and(|name| how.fits(name, wanted))
        {
            return false;
        }
        self.meta.iter().all(|(key, value)| pin.meta.get(key) == Some(value))
    }
}

impl Pins {
    /// The pins of a core that fit `filter`, newest first.
    ///
    /// # Errors
    /// [`PinError::NotFound`] where the session has no part in the core, [`PinError::Forbidden`] where it may not
    /// read its pins.
    pub async fn list(
        &self,
        session: &Session,
        core: &CoreId,
        filter: PinFilter,
    ) -> Result<PinPage, PinError> {
        let privately = self.may_read(session, core).await?;
        let (this, core) = (self.clone(), *core);
        let listed = tokio::task::spawn_blocking(move || this.page(&core, privately, &filter)).await;
        Ok(listed.expect("listing pins does not panic")?)
    }

    fn page(&self, core: &CoreId, privately: bool, filter: &PinFilter) -> Result<PinPage, StoreError> {
        let mut found: Vec<(u64, MapPath)> = Vec::new();
        self.each(core, |path, op_ms, entry| {
            let created_ms = created_ms(op_ms, entry);
            let visible = privately || entry.visibility != Visibility::Private;
            if !visible || !filter.fits(created_ms, entry) {
                return Ok(());
            }
            if let Some(statuses) = &filter.statuses
                && !statuses.contains(&self.pin(core, path, op_ms, entry)?.status)
            {
                return Ok(());
            }
            found.push((created_ms, path.clone()));
            Ok(())
        })?;
        found.sort_unstable_by(|a, b| b.cmp(a));
        let count = found.len() as u64;
        let mut pins = Vec::new();
        for (_, path) in found.into_iter().take(filter.limit) {
            if let Some((op_ms, entry)) = self.entry(core, &path)? {
                pins.push(self.pin(core, &path, op_ms, &entry)?);
            }
        }
        Ok(PinPage { count, pins })
    }

    /// The date of the newest pin of a core, or 0.
    pub(super) fn newest_ms(&self, core: &CoreId) -> Result<u64, StoreError> {
        let mut newest = 0;
        self.each(core, |_, op_ms, entry| {
            newest = newest.max(created_ms(op_ms, entry));
            Ok(())
        })?;
        Ok(newest)
    }

    /// Visits every pin of a core, in order of their paths, with the date of its operation.
    pub(super) fn each(
        &self,
        core: &CoreId,
        mut visit: impl FnMut(&MapPath, u64, &ContentEntry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let base: MapPath = PINS.parse().expect("a constant path");
        let mut after: Option<MapPath> = None;
        loop {
            let rows = self.store.state_scan(core, Some(&base), after.as_ref(), SCAN_PAGE)?;
            for (path, state) in &rows {
                let is_pin = path.below(PINS).is_some_and(|id| !id.contains('/'));
                if let Some(entry) = content_entry(&state.value).filter(|_| is_pin) {
                    visit(path, state.at.ms(), &entry)?;
                }
            }
            if rows.len() < SCAN_PAGE {
                return Ok(());
            }
            after = rows.into_iter().next_back().map(|(path, _)| path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TextMatch;

    #[test]
    fn names_match_in_four_ways() {
        use TextMatch::{Exact, Iexact, Ipartial, Partial};
        for (how, name, wanted, fits) in [
            (Exact, "Photo", "Photo", true),
            (Exact, "Photo", "photo", false),
            (Iexact, "PHOTÖ", "photö", true),
            (Iexact, "Photo", "hot", false),
            (Partial, "Photo", "hot", true),
            (Partial, "Photo", "HOT", false),
            (Ipartial, "Photo", "HOT", true),
        ] {
            assert_eq!(how.fits(name, wanted), fits, "{how:?} {name} {wanted}");
        }
    }
}
