//! Arguments and options of a call.

use kubelt_content::{Cid, limits::PATH_SEGMENTS_MAX, parse_cid};
use percent_encoding::percent_decode_str;

use super::KuboError;
use crate::limits::{KUBO_ARGS_MAX, KUBO_QUERY_BYTES_MAX};

/// The query of a call: `arg` stands as often as there are arguments, the rest are options. Options that nobody
/// knows are passed over, as in Kubo.
#[derive(Debug)]
pub(super) struct Args(Vec<(String, String)>);

impl Args {
    pub(super) fn parse(query: &str) -> Result<Self, KuboError> {
        if query.len() > KUBO_QUERY_BYTES_MAX {
            return Err(KuboError::bad(format!("the query is over {KUBO_QUERY_BYTES_MAX} bytes")));
        }
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned)
        };
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Ok(name), Ok(value)) = (decode(name), decode(value)) else {
                return Err(KuboError::bad("the query is not percent-encoded UTF-8"));
            };
            pairs.push((name, value));
        }
        if pairs.len() > KUBO_ARGS_MAX {
            return Err(KuboError::bad(format!("more than {KUBO_ARGS_MAX} arguments")));
        }
        Ok(Self(pairs))
    }

    /// All arguments, in order.
    pub(super) fn all(&self) -> Vec<&str> {
        self.0.iter().filter(|(name, _)| name == "arg").map(|(_, value)| value.as_str()).collect()
    }

    /// All arguments, at least one.
    pub(super) fn some(&self, what: &str) -> Result<Vec<&str>, KuboError> {
        let all = self.all();
        if all.is_empty() { Err(KuboError::bad(format!("argument \"{what}\" is required"))) } else { Ok(all) }
    }

    /// The first argument.
    pub(super) fn first(&self, what: &str) -> Result<&str, KuboError> {
        self.some(what).map(|all| all[0])
    }

    /// An option by any of its names; the last one counts.
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        let found = self.0.iter().rev().find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, names: &[&str], default: bool) -> Result<bool, KuboError> {
        match self.get(names) {
            None => Ok(default),
            Some("" | "true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(_) => Err(KuboError::bad(format!("option `{}` is `true` or `false`", names[0]))),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, names: &[&str]) -> Result<Option<T>, KuboError> {
        let bad = |_| KuboError::bad(format!("option `{}` is not a number that fits", names[0]));
        self.get(names).map(str::parse).transpose().map_err(bad)
    }

    /// Refuses options that would change what comes out and are not here, unless they say what is done anyway.
    pub(super) fn refuse(&self, refused: &[(&str, &str)]) -> Result<(), KuboError> {
        for (name, harmless) in refused {
            match self.get(&[name]) {
                None => {}
                Some(value) if value == *harmless => {}
                Some(_) => {
                    return Err(KuboError::failed(format!("option `{name}` is not supported by this node")));
                }
            }
        }
        Ok(())
    }
}

/// A path of content: `/ipfs/{cid}/a/b` or `{cid}/a/b`.
pub(super) fn content_path(path: &str) -> Result<(Cid, Vec<String>), KuboError> {
    let invalid = |why: &str| {
        let path: String = path.chars().take(256).collect();
        KuboError::failed(format!("invalid path \"{path}\": {why}"))
    };
    let below = path.strip_prefix("/ipfs/").or_else(|| path.strip_prefix("/ipld/"));
    let below = below.or_else(|| (!path.starts_with('/')).then_some(path));
    let mut segments = below.ok_or_else(|| invalid("it begins with `/ipfs/`"))?.split('/');
    let root = segments.next().unwrap_or_default();
    let root = parse_cid(root).map_err(|error| invalid(&format!("invalid CID: {error}")))?;
    let segments: Vec<String> = segments.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if segments.len() > PATH_SEGMENTS_MAX || segments.iter().any(|name| name == "." || name == "..") {
        return Err(invalid("it is too long, or holds `.` or `..`"));
    }
    Ok((root, segments))
}
