//! From a path or a CID to content.

use cid::Cid;
use kubelt_content::{
    inline_content,
    read::{NodeKind, ReadError, follow, load, resolve, stat},
};
use kubelt_core::{
    CoreId, MapPath,
    schema::{Exit, Visibility},
};

use super::{
    Content, ContentError, Entry, File, Found, OwnEntry, Reached, content_path, openings::Opening,
    upload::UNKNOWN_MEDIA_TYPE,
};
use crate::{
    access::Reader,
    blocks::Within,
    fetch::Retrieval,
    limits::{NAMES_PER_ROOT_MAX, ROOTS_PER_BLOCK_MAX},
    mirrors::{self, MirroredEntry},
    names::{self, OpenName, Search, named, open_name},
    write::content_entry,
};

/// How somebody is let in to a block, and how far.
type LetIn = (Visibility, Within);

/// How often an entry is read while others write it.
const ENTRY_READS_MAX: usize = 8;

impl Content {
    /// What `reader` finds at `segments` of a core's content; none for the core's own root.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn find(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
    ) -> Result<Found, ContentError> {
        // Longest entry first: one that names this very path wins over one inside a directory.
        for taken in (0..=segments.len()).rev() {
            let (head, rest) = segments.split_at(taken);
            let path = content_path(head)?;
            let Some(entry) = self.entry(reader, core, &path).await? else { continue };
            match resolve(&self.blocks(&entry.within), &entry.value.cid, rest) {
                Ok(node) => {
                    self.permit(&entry.value.cid, rest)?;
                    return Ok(found(&entry, node.cid, node.kind, segments, rest.is_empty()));
                }
                Err(error) => match ContentError::reading(error) {
                    ContentError::NotFound => {}
                    other => return Err(other),
                },
            }
        }
        if self.any_below(reader, core, &content_path(segments)?).await? {
            let (visibility, within) = (Visibility::Public, Within::WHOLE);
            return Ok(Found::Directory { cid: None, visibility, within });
        }
        Err(ContentError::NotFound)
    }

    /// Where `segments` lead in a core's content: below the longest entry that this reader may see.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn reach_path(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
    ) -> Result<Reached, ContentError> {
        for taken in (0..=segments.len()).rev() {
            let (head, rest) = segments.split_at(taken);
            let Some(entry) = self.entry(reader, core, &content_path(head)?).await? else { continue };
            match follow(&self.blocks(&entry.within), &entry.value.cid, rest) {
                Ok(way) => {
                    self.permit(&entry.value.cid, rest)?;
                    return Ok(Reached { way, visibility: entry.visibility, within: entry.within });
                }
                Err(error) => match ContentError::reading(error) {
                    ContentError::NotFound => {}
                    other => return Err(other),
                },
            }
        }
        Err(ContentError::NotFound)
    }

    /// What stands at `segments` in a core, for one of its own people: the longest entry that leads there, whoever may
    /// see it.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see as one of them.
    pub(crate) async fn own_entry(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
    ) -> Result<OwnEntry, ContentError> {
        for taken in (1..=segments.len()).rev() {
            let (head, rest) = segments.split_at(taken);
            let path = content_path(head)?;
            let Some(named) = named(&self.store, core, &path)? else { continue };
            if self.access.sees_within(reader, core, &path, named.visibility).await?.is_none() {
                continue;
            }
            let within = if named.partial { Within::partial(*core) } else { Within::WHOLE };
            let denied =
                |cid| self.permit(&named.root, rest).is_err() || self.denylists.now().denies_cid(cid);
            match follow(&self.blocks(&within), &named.root, rest) {
                Ok(way) if way.remainder == 0 => {
                    let is_denied = denied(&way.end);
                    return Ok(OwnEntry { path, named, cid: way.end, is_denied });
                }
                Ok(_) => {}
                Err(error) => match ContentError::reading(error) {
                    ContentError::NotFound => {}
                    ContentError::Denied => {
                        return Ok(OwnEntry { path, named, cid: named.root, is_denied: true });
                    }
                    other => return Err(other),
                },
            }
        }
        Err(ContentError::NotFound)
    }

    /// What `reader` finds at `segments` below a CID: published content for anybody, and for a session
    /// also what its core holds at paths that it may read.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn find_cid(
        &self,
        reader: &Reader,
        elsewhere: Option<&Retrieval>,
        cid: &Cid,
        segments: &[String],
    ) -> Result<Found, ContentError> {
        let Reached { way, visibility, within } = self.reach(reader, elsewhere, cid, segments).await?;
        if way.remainder > 0 {
            return Err(ContentError::NotFound);
        }
        let cid = way.end;
        let blocks = self.blocks(&within);
        let (inside, name) = (within.clone(), segments.last().cloned());
        let file = |size: u64| {
            let (media_type, op, block) = (None, None, None);
            File { cid, size, media_type, visibility, within: inside, op, name, block }
        };
        match stat(&blocks, &cid) {
            Ok(node) => Ok(match node.kind {
                NodeKind::File { size } => Found::File(file(size)),
                NodeKind::Directory { .. } => Found::Directory { cid: Some(cid), visibility, within },
                NodeKind::Symlink { target } => Found::File(file(target.len() as u64)),
            }),
            Err(ReadError::NotUnixFs(_)) => {
                let block = load(&blocks, &cid).map_err(ContentError::reading)?;
                Ok(Found::Block(file(block.len() as u64)))
            }
            Err(error) => Err(ContentError::reading(error)),
        }
    }

    /// Where `segments` lead below a CID: published content for anybody, and for a session also what its core
    /// holds at paths that it may read. Whether the last block is there is not said.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn reach(
        &self,
        reader: &Reader,
        elsewhere: Option<&Retrieval>,
        root: &Cid,
        segments: &[String],
    ) -> Result<Reached, ContentError> {
        let is_inline = inline_content(root).is_some();
        let let_in = if is_inline {
            Some((Visibility::Public, Within::NOTHING))
        } else {
            self.let_in(reader, root).await?
        };
        let (visibility, within) = match (let_in, elsewhere) {
            (let_in, None) => let_in.ok_or(ContentError::NotFound)?,
            (let_in, Some(elsewhere)) => {
                // What comes for one reader, perhaps from what only that one may see here, is nobody else's to keep.
                let own = if reader.session().is_some() { Visibility::Private } else { Visibility::Public };
                match let_in.map(|(visibility, within)| (visibility, within.or_elsewhere(elsewhere))) {
                    Some((visibility, within)) if !within.is_elsewhere() => (visibility, within),
                    Some((_, within)) => (own, within),
                    None => (own, Within::NOTHING.or_elsewhere(elsewhere)),
                }
            }
        };
        self.permit(root, segments)?;
        if is_inline {
            self.permit(root, &[])?;
        }
        let way = follow(&self.blocks(&within), root, segments).map_err(ContentError::reading)?;
        Ok(Reached { way, visibility, within })
    }

    /// Refuses what the operator denies by its path below a CID, by whatever name the reader got there. Blocks that
    /// are denied for themselves stop where they are read.
    pub(super) fn permit(&self, root: &Cid, segments: &[String]) -> Result<(), ContentError> {
        let denied = self.denylists.now().denies_path(root, &segments.join("/"));
        if denied { Err(ContentError::Denied) } else { Ok(()) }
    }

    /// How `reader` is let in to a block, if at all: by a path that names a root which reaches it.
    pub(crate) async fn let_in(&self, reader: &Reader, cid: &Cid) -> Result<Option<LetIn>, ContentError> {
        if let Some(opening) = self.openings.get(cid) {
            match self.still_open(reader, cid, &opening).await? {
                Some(visibility) => return Ok(Some((visibility, Within::WHOLE))),
                None => self.openings.forget(cid),
            }
        }
        let (mut partial, mut closed) = (None, 0);
        let cores = || reader.session().into_iter().flat_map(|session| session.login.abilities.keys());
        let own = cores().flat_map(|core| self.store.roots_in(core, cid).take(ROOTS_PER_BLOCK_MAX));
        // What is published itself comes first: whoever else has it among their blocks cannot get before it.
        let others = self.store.roots_of(cid).filter(|root| root.as_ref().ok() != Some(cid));
        let roots = std::iter::once(Ok(*cid)).chain(others.take(ROOTS_PER_BLOCK_MAX));
        for root in roots.chain(own) {
            let root = root?;
            let way = self.strangers_way(&root, &mut partial)?;
            closed += way.looked_at;
            if let Some(OpenName { core, path, .. }) = way.found {
                self.openings.found(cid, Opening { root, core, path }, closed);
                return Ok(Some((Visibility::Public, Within::WHOLE)));
            }
            for core in cores() {
                if let Some(visibility) = self.own_way(reader, core, &root, &mut partial).await? {
                    return Ok(Some((visibility, Within::WHOLE)));
                }
            }
            closed += 1;
        }
        Ok(partial)
    }

    /// The public path that lets everybody in to all of a root; in `partial`, one that does to what its core has of it.
    fn strangers_way(&self, root: &Cid, partial: &mut Option<LetIn>) -> Result<Search, ContentError> {
        let door = |core: &CoreId| self.access.door(core, Exit::Ipfs);
        let is_whole = |name: &OpenName| {
            if name.partial {
                *partial = Some((Visibility::Public, Within::partial(name.core)));
            }
            Ok(!name.partial)
        };
        Ok(open_name(&self.store, root, door, is_whole)?)
    }

    /// By which visibility a path of `core` lets `reader` in to all of a root; in `partial`, one that does to what the
    /// core has of it.
    async fn own_way(
        &self,
        reader: &Reader,
        core: &CoreId,
        root: &Cid,
        partial: &mut Option<LetIn>,
    ) -> Result<Option<Visibility>, ContentError> {
        for named in self.store.names_in(core, root).take(NAMES_PER_ROOT_MAX) {
            let (path, byte) = named?;
            let Some((visibility, is_partial)) = names::read_byte(byte) else { continue };
            match self.access.sees(reader, core, &path, visibility, Exit::Ipfs).await? {
                Some(visibility) if is_partial => *partial = Some((visibility, Within::partial(*core))),
                Some(visibility) => return Ok(Some(visibility)),
                None => {}
            }
        }
        Ok(None)
    }

    /// Whether an opening that was found once still lets everybody in.
    async fn still_open(
        &self,
        reader: &Reader,
        cid: &Cid,
        opening: &Opening,
    ) -> Result<Option<Visibility>, ContentError> {
        let Opening { root, core, path } = opening;
        if root != cid && !self.store.is_linked_to(root, cid)? {
            return Ok(None);
        }
        let named = self.store.name_of_root(root, core, path)?.and_then(names::read_byte);
        let Some((visibility, false)) = named else { return Ok(None) };
        let seen = self.access.sees(reader, core, path, visibility, Exit::Ipfs).await?;
        Ok(seen.filter(|seen| *seen == Visibility::Public))
    }

    /// The entry at exactly `path`, where `reader` may see it and its DAG is whole in this core.
    pub(super) async fn entry(
        &self,
        reader: &Reader,
        core: &CoreId,
        path: &MapPath,
    ) -> Result<Option<Entry>, ContentError> {
        // The path may be written between the two reads; then they are made again.
        for _ in 0..ENTRY_READS_MAX {
            let Some(opened) = named(&self.store, core, path)? else {
                return self.mirrored_entry(core, path);
            };
            let seen = self.access.sees(reader, core, path, opened.visibility, Exit::Http).await?;
            let Some(visibility) = seen else { return Ok(None) };
            let Some(state) = self.store.state(core, path)? else { continue };
            if state.id == opened.op {
                let within = if opened.partial { Within::partial(*core) } else { Within::WHOLE };
                let entry = |value| Entry { value, op: state.id, visibility, within };
                return Ok(content_entry(&state.value).map(entry));
            }
        }
        Ok(None)
    }
}

impl Content {
    /// The entry at exactly `path` of a core that is mirrored here: what is open there is open to everybody.
    fn mirrored_entry(&self, core: &CoreId, path: &MapPath) -> Result<Option<Entry>, ContentError> {
        let Some(stand_in) = mirrors::mirrored(&self.store, core)? else { return Ok(None) };
        for _ in 0..ENTRY_READS_MAX {
            let Some(opened) = named(&self.store, &stand_in, path)? else { return Ok(None) };
            let Some(there) = mirrors::entry(&self.store, core, path)? else { return Ok(None) };
            if there.op == opened.op {
                let within = if opened.partial { Within::partial(stand_in) } else { Within::WHOLE };
                let MirroredEntry { op, value, .. } = there;
                return Ok(Some(Entry { value, op, visibility: Visibility::Public, within }));
            }
        }
        Ok(None)
    }
}

fn found(entry: &Entry, cid: Cid, kind: NodeKind, segments: &[String], is_entry: bool) -> Found {
    let visibility = entry.visibility;
    let file = |size: u64| File {
        cid,
        size,
        media_type: Some(&entry.value.media_type)
            .filter(|kind| is_entry && *kind != UNKNOWN_MEDIA_TYPE)
            .cloned(),
        visibility,
        within: entry.within.clone(),
        op: Some(entry.op),
        name: segments.last().cloned(),
        block: None,
    };
    match kind {
        NodeKind::File { size } => Found::File(file(size)),
        NodeKind::Directory { .. } => {
            Found::Directory { cid: Some(cid), visibility, within: entry.within.clone() }
        }
        NodeKind::Symlink { target } => Found::File(file(target.len() as u64)),
    }
}
