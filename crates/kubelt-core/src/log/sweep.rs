//! Which content counts: every cut (revocation, rotation, logout, seal) against every `put`, in sweeps of 64
//! cuts that each pass over the graph once, backwards, and mark what lies in the cuts' pasts.

use crate::{
    ability::Verb,
    log::{
        Log,
        authority::Deed,
        effective::{Sealer, Status},
        graph::{Ix, NONE},
    },
};

/// What a cut voids where it does not know it.
enum Hits {
    /// Everything under the grants of this (first twin's) number.
    Grant(u32),
    /// What acts directly by this root authority.
    Root(Ix),
    /// What these logins signed.
    Logins(Vec<u32>),
}

struct Cut {
    made: Sealer,
    hits: Hits,
}

/// Sets the flags of all `put`s from those of the authority operations; votes and twins aside.
pub(super) fn content(log: &Log, effective: &mut [bool], status: &Status) {
    let used = Used::of(log);
    for (ix, node) in (0..).zip(log.graph.nodes()) {
        if node.verb != Verb::Put {
            continue;
        }
        let authorised = node.auth == NONE || effective[node.auth as usize];
        let waits = log.tables.grant(log.seq(node.auth)).is_some_and(|grant| grant.wait_ms.is_some());
        effective[ix as usize] = authorised && (!waits || log.is_ripe(ix, status));
    }
    for batch in cuts(log, status, &used).chunks(64) {
        void(log, batch, effective);
    }
}

/// Which authorities and logins have content at all.
struct Used {
    grants: Vec<bool>,
    genesis: bool,
    logins: Vec<bool>,
}

impl Used {
    fn of(log: &Log) -> Self {
        let mut used = Self {
            grants: vec![false; log.tables.deeds().len()],
            genesis: false,
            logins: vec![false; log.tables.logins().len()],
        };
        for node in log.graph.nodes().iter().filter(|node| node.verb == Verb::Put) {
            if let Some(login) = used.logins.get_mut(node.login as usize) {
                *login = true;
            }
            match used.grants.get_mut(log.seq(node.auth) as usize) {
                Some(grant) => *grant = true,
                None => used.genesis = true,
            }
        }
        for (seq, (op, _)) in log.tables.deeds().iter().enumerate().rev() {
            let above = log.seq(log.graph.node(*op).auth);
            if used.grants[seq]
                && let Some(above) = used.grants.get_mut(above as usize)
            {
                *above = true;
            }
        }
        used
    }

    fn authority(&self, log: &Log, auth: Ix) -> bool {
        self.grants.get(log.seq(auth) as usize).copied().unwrap_or(self.genesis)
    }
}

/// The cuts that hit something.
fn cuts(log: &Log, status: &Status, used: &Used) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut twins = vec![false; used.grants.len()];
    for (seq, (_, deed)) in log.tables.deeds().iter().enumerate() {
        if let Deed::Grant(grant) = deed {
            twins[grant.twin as usize] |= used.grants[seq];
        }
    }
    for (twin, revokes) in &status.revoked {
        if twins[*twin as usize] {
            let cut = |revoke: &Ix| Cut { made: Sealer::Op(*revoke), hits: Hits::Grant(*twin) };
            cuts.extend(revokes.iter().map(cut));
        }
    }
    for (auth, rotation) in &status.rotated {
        if used.authority(log, *auth) {
            cuts.push(Cut { made: Sealer::Op(*rotation), hits: Hits::Root(*auth) });
        }
    }
    cuts.extend(session_cuts(log, status, used));
    cuts
}

fn session_cuts(log: &Log, status: &Status, used: &Used) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut closed: Vec<(Sealer, u32)> = Vec::new();
    for (ix, login) in (0..).zip(log.tables.logins()) {
        if !used.logins[ix as usize] {
            continue;
        }
        let by = log.tables.account_ix(&login.account);
        let ended = by.and_then(|by| log.tables.logouts.get(&(login.id, by)));
        for logout in ended.into_iter().flatten() {
            cuts.push(Cut { made: Sealer::Op(*logout), hits: Hits::Logins(vec![ix]) });
        }
        if let Some(seal) = status.first_seal(login.expires_ms, |_| true) {
            closed.push((seal.made, ix));
        }
    }
    closed.sort_unstable();
    for group in closed.chunk_by(|a, b| a.0 == b.0) {
        let made = group[0].0;
        let logins = group.iter().map(|(_, login)| *login).collect();
        cuts.push(Cut { made, hits: Hits::Logins(logins) });
    }
    cuts
}

/// Voids what up to 64 cuts hit and do not know.
fn void(log: &Log, batch: &[Cut], effective: &mut [bool]) {
    let known = known_to(log, batch);
    let mut own = vec![0_u64; log.tables.deeds().len()];
    let mut direct = vec![0_u64; own.len()];
    let mut genesis = 0;
    let mut logins = vec![0_u64; log.tables.logins().len()];
    for (bit, cut) in batch.iter().enumerate() {
        let mask = 1 << bit;
        match &cut.hits {
            Hits::Grant(twin) => own[*twin as usize] |= mask,
            Hits::Root(NONE) => genesis |= mask,
            Hits::Root(auth) => direct[log.seq(*auth) as usize] |= mask,
            Hits::Logins(all) => all.iter().for_each(|login| logins[*login as usize] |= mask),
        }
    }
    for (seq, (op, deed)) in log.tables.deeds().iter().enumerate() {
        if let Deed::Grant(grant) = deed {
            let above = direct_or(&direct, log.seq(log.graph.node(*op).auth), &log.tables);
            direct[seq] = above | own[grant.twin as usize];
        }
    }
    for (ix, node) in log.graph.nodes().iter().enumerate() {
        if node.verb == Verb::Put && effective[ix] {
            let auth = if node.auth == NONE { genesis } else { direct[log.seq(node.auth) as usize] };
            let login = logins.get(node.login as usize).copied().unwrap_or(0);
            effective[ix] = (auth | login) & !known[ix] == 0;
        }
    }
}

/// The mask that a grant takes over from the grant above it; rotations hit only what acts directly by the
/// root they replace.
fn direct_or(masks: &[u64], above: u32, tables: &super::authority::Tables) -> u64 {
    if tables.grant(above).is_some() { masks[above as usize] } else { 0 }
}

/// For every node, the cuts that know it.
fn known_to(log: &Log, batch: &[Cut]) -> Vec<u64> {
    let mut known = vec![0_u64; log.graph.len()];
    let mut own: Vec<(Ix, u64)> = Vec::new();
    for (bit, cut) in batch.iter().enumerate() {
        match cut.made {
            Sealer::Op(op) => own.push((op, 1 << bit)),
            Sealer::Login(login) => {
                log.named_heads(login).for_each(|head| known[head as usize] |= 1 << bit);
            }
        }
    }
    own.sort_unstable();
    for ix in (0..known.len()).rev() {
        let node = super::graph::index(ix);
        let mut mask = known[ix];
        while let Some((op, bit)) = own.last().copied().filter(|(op, _)| *op == node) {
            debug_assert_eq!(op, node, "cuts are sorted by node");
            mask |= bit;
            own.pop();
        }
        if mask != 0 {
            log.graph.prev(node).iter().for_each(|prev| known[*prev as usize] |= mask);
        }
    }
    known
}
