//! Parts of a body as trees: what `add` takes in, in the order in which it names things.

use std::collections::BTreeMap;

use kubelt_content::unixfs::Metadata;
use kubelt_node::{TreeNode, TreeUpload};

use super::KuboError;
use crate::limits::{TREE_DEPTH_MAX, TREE_NAME_BYTES_MAX};

/// What was taken in, by its path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    top: Vec<(String, Node)>,
    name_bytes: usize,
}

#[derive(Debug)]
enum Node {
    Done(TreeNode),
    Directory(BTreeMap<String, Node>, Metadata),
}

/// Something that is finished: its path, and what it became.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) path: String,
    pub(super) node: TreeNode,
}

impl Tree {
    /// Notes a file or symbolic link. Paths are relative and hold neither `.` nor `..`.
    pub(super) fn add(&mut self, path: &str, node: TreeNode) -> Result<(), KuboError> {
        self.insert(path, Node::Done(node))
    }

    /// Notes a directory, perhaps an empty one.
    pub(super) fn directory(&mut self, path: &str, metadata: Metadata) -> Result<(), KuboError> {
        self.insert(path, Node::Directory(BTreeMap::new(), metadata))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<(), KuboError> {
        self.name_bytes += path.len();
        if self.name_bytes > TREE_NAME_BYTES_MAX {
            return Err(KuboError::failed("the names of all files together are too long"));
        }
        let segments: Vec<&str> = path.split('/').collect();
        let bad = |segment: &&str| matches!(*segment, "." | "..");
        if segments.len() > TREE_DEPTH_MAX || segments.iter().any(bad) {
            let path: String = path.chars().take(256).collect();
            return Err(KuboError::failed(format!("`{path}` is too deep, or holds `.` or `..`")));
        }
        let (first, rest) = segments.split_at(1);
        let top = self.top.iter_mut().rev().find(|(name, _)| name == first[0]);
        match (top, rest.split_last()) {
            // Files with no name, or with one name, are each an addition of their own.
            (None, None) => self.top.push((path.to_owned(), node)),
            (None, Some(_)) => {
                self.top.push((first[0].to_owned(), empty()));
                let (_, top) = self.top.last_mut().expect("one was pushed");
                put(top, rest, node)?;
            }
            (Some((_, Node::Directory(_, old))), None) if matches!(node, Node::Directory(..)) => {
                if let Node::Directory(_, metadata) = node {
                    *old = metadata;
                }
            }
            (Some(_), None) => self.top.push((path.to_owned(), node)),
            (Some((_, top)), Some(_)) => put(top, rest, node)?,
        }
        Ok(())
    }

    /// Makes one directory of everything.
    pub(super) fn wrap(&mut self, metadata: Metadata) -> Result<(), KuboError> {
        let mut entries = BTreeMap::new();
        for (name, node) in std::mem::take(&mut self.top) {
            if entries.insert(name.clone(), node).is_some() {
                return Err(twice(&name));
            }
        }
        self.top.push((String::new(), Node::Directory(entries, metadata)));
        Ok(())
    }

    /// Builds the directories; gives the roots in their order, and passes every directory to `each` on the way,
    /// those below first.
    pub(super) async fn finish(
        self,
        upload: &mut TreeUpload,
        each: &mut Vec<Finished>,
    ) -> Result<Vec<TreeNode>, KuboError> {
        let mut roots = Vec::new();
        for (name, node) in self.top {
            roots.push(build(upload, name, node, each).await?);
        }
        Ok(roots)
    }
}

/// Builds without recursion of its own stack frames: a tree is as deep as its sender wants, up to the limit.
async fn build(
    upload: &mut TreeUpload,
    path: String,
    node: Node,
    each: &mut Vec<Finished>,
) -> Result<TreeNode, KuboError> {
    let (entries, metadata) = match node {
        Node::Done(node) => return Ok(node),
        Node::Directory(entries, metadata) => (entries, metadata),
    };
    let mut made = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let node = Box::pin(build(upload, below, node, each)).await?;
        made.push((name, node));
    }
    let node = upload.directory(made, metadata).await?;
    each.push(Finished { path, node });
    Ok(node)
}

fn put(mut at: &mut Node, segments: &[&str], node: Node) -> Result<(), KuboError> {
    for (index, segment) in segments.iter().enumerate() {
        let Node::Directory(entries, _) = at else { return Err(twice(segment)) };
        if index + 1 == segments.len() {
            match (entries.get_mut(*segment), node) {
                (None, node) => {
                    entries.insert((*segment).to_owned(), node);
                }
                (Some(Node::Directory(_, old)), Node::Directory(_, metadata)) => *old = metadata,
                (Some(_), _) => return Err(twice(segment)),
            }
            return Ok(());
        }
        at = entries.entry((*segment).to_owned()).or_insert_with(empty);
    }
    Ok(())
}

fn empty() -> Node {
    Node::Directory(BTreeMap::new(), Metadata::default())
}

fn twice(name: &str) -> KuboError {
    let name: String = name.chars().take(256).collect();
    KuboError::failed(format!("directory already has an entry by the name `{name}`"))
}
