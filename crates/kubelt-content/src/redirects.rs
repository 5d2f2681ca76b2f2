//! `_redirects`: where the missing paths of a site lead (Web Redirects File Specification).
//!
//! Reading a file and asking it take time in proportion to the file and the path. Targets come out as URIs
//! that can stand in a header.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use crate::limits::{REDIRECT_PLACEHOLDERS_MAX, REDIRECT_TARGET_BYTES_MAX, REDIRECTS_BYTES_MAX};

const SPLAT: &str = "splat";
const SCHEMES: [&str; 4] = ["http://", "https://", "ipfs://", "ipns://"];

/// What cannot stand in a URI; `%` stays, since it may be an escape already.
const IN_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const IN_VALUE: &AsciiSet = &IN_TARGET.add(b'?').add(b'#');

/// The rules of a site in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirects(Vec<Rule>);

/// What the first matching rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// 200 to serve the target, 301, 302, 303, 307 or 308 to send there, 404, 410 or 451 to serve it so.
    pub status: u16,
    /// A path from the root of the site, or a URL, percent-encoded; maybe with a query.
    pub to: String,
}

/// Why a file was refused, as a whole: half of its rules would be another site.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RedirectsError {
    /// Larger than [`REDIRECTS_BYTES_MAX`].
    #[error("redirects file size cannot exceed {REDIRECTS_BYTES_MAX} bytes, and it has `{0}`")]
    TooLarge(u64),
    /// Not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// A bad line.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LineProblem {
    /// Not two or three words.
    #[error("a rule is `from to` or `from to status`")]
    Words,
    /// `from` is no path.
    #[error("`from` must begin with `/`")]
    From,
    /// An asterisk that is not the last character.
    #[error("`from` may have one `*`, at its end")]
    Splat,
    /// A placeholder twice in `from`.
    #[error("placeholder `:{0}` stands twice in `from`")]
    Placeholder(String),
    /// More than [`REDIRECT_PLACEHOLDERS_MAX`] placeholders.
    #[error("`from` has more than {REDIRECT_PLACEHOLDERS_MAX} placeholders")]
    TooManyPlaceholders,
    /// `to` is neither a path nor a URL.
    #[error("`to` must begin with one `/`, `http://`, `https://`, `ipfs://` or `ipns://`")]
    To,
    /// A rule that would hide what is there.
    #[error("forced redirects (`{0}`) are not supported; leave the `!` out")]
    Forced(String),
    /// A status that rules do not have.
    #[error("status `{0}` is not supported; use 200, 301, 302, 303, 307, 308, 404, 410 or 451")]
    Status(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// The segments of `from`; with a splat, the last is what stands before the asterisk.
    from: Vec<Segment>,
    has_splat: bool,
    to: Vec<Piece>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Decoded.
    Literal(Vec<u8>),
    /// Filled by any segment that is not empty.
    Placeholder,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Encoded.
    Text(String),
    /// What stood at this segment of `from`.
    Value(usize),
    /// What stood at the asterisk.
    Splat,
}

/// What each name in `from` stands for.
type Names = Vec<(String, Piece)>;

impl Redirects {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RedirectsError`], which names the first bad line.
    pub fn parse(file: &[u8]) -> Result<Self, RedirectsError> {
        if file.len() > REDIRECTS_BYTES_MAX {
            return Err(RedirectsError::TooLarge(file.len() as u64));
        }
        let text = std::str::from_utf8(file).map_err(|_error| RedirectsError::NotText)?;
        let mut rules = Vec::new();
        for (number, line) in text.split('\n').enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let rule = Rule::parse(line);
            rules.push(rule.map_err(|problem| RedirectsError::Line { line: number + 1, problem })?);
        }
        Ok(Self(rules))
    }

    /// Asks for a path of the site that is not there: from the root, percent-encoded, with no query. A slash at its
    /// end matters to an asterisk only.
    ///
    /// `None` where no rule matches, or the target of the first that does would be longer than
    /// [`REDIRECT_TARGET_BYTES_MAX`].
    pub fn find(&self, path: &str) -> Option<Found> {
        let path = utf8_percent_encode(path, IN_VALUE).to_string();
        let raw: Vec<&str> = segments(&path).collect();
        let decoded: Vec<Vec<u8>> = raw.iter().map(|segment| decode(segment)).collect();
        let rule = self.0.iter().find(|rule| rule.matches(&decoded))?;
        Some(Found { status: rule.status, to: rule.target(&raw)? })
    }
}

impl Found {
    /// The target without its query and fragment.
    pub fn path(&self) -> &str {
        self.to.split(['?', '#']).next().unwrap_or_default()
    }

    /// The target with the query of a request: its parameters replace those of the same name in the rule.
    ///
    /// `query` is percent-encoded, as it stood behind the `?`.
    pub fn with_query(&self, query: Option<&str>) -> String {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return self.to.clone() };
        let (target, fragment) = self.to.split_at(self.to.find('#').unwrap_or(self.to.len()));
        let (path, own) = target.split_once('?').unwrap_or((target, ""));
        let name = |parameter: &str| decode(parameter.split('=').next().unwrap_or_default());
        let mut asked: Vec<Vec<u8>> = query.split('&').map(name).collect();
        asked.sort_unstable();
        let kept = own.split('&').filter(|own| !own.is_empty() && asked.binary_search(&name(own)).is_err());
        let query = utf8_percent_encode(query, IN_VALUE).to_string();
        let parameters: Vec<&str> = kept.chain([query.as_str()]).collect();
        format!("{path}?{}{fragment}", parameters.join("&"))
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, LineProblem> {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        let (from, to, status) = match words[..] {
            [from, to] => (from, to, 301),
            [from, to, status] => (from, to, parse_status(status)?),
            _ => return Err(LineProblem::Words),
        };
        let (from, has_splat) = match from.split_once('*') {
            None => (from, false),
            Some((from, "")) => (from, true),
            Some(_) => return Err(LineProblem::Splat),
        };
        if !from.starts_with('/') {
            return Err(LineProblem::From);
        }
        let is_path = to.starts_with('/') && !to.starts_with("//");
        if !is_path && !SCHEMES.iter().any(|scheme| starts_with_ignoring_case(to, scheme)) {
            return Err(LineProblem::To);
        }
        let (from, names) = parse_from(from, has_splat)?;
        Ok(Self { from, has_splat, to: parse_to(to, &names), status })
    }

    fn matches(&self, path: &[Vec<u8>]) -> bool {
        let fits = |(rule, found): (&Segment, &Vec<u8>)| match rule {
            Segment::Literal(literal) => literal == found,
            Segment::Placeholder => !found.is_empty(),
        };
        if !self.has_splat {
            let path = match path {
                [head @ .., last] if last.is_empty() => head,
                _ => path,
            };
            return self.from.len() == path.len() && self.from.iter().zip(path).all(fits);
        }
        let Some((Segment::Literal(start), whole)) = self.from.split_last() else { return false };
        match path.get(whole.len()) {
            Some(last) => last.starts_with(start) && whole.iter().zip(path).all(fits),
            None => false,
        }
    }

    /// The target for the segments of a path that matches.
    fn target(&self, path: &[&str]) -> Option<String> {
        let mut out = String::new();
        for piece in &self.to {
            let splat;
            let (text, set) = match piece {
                Piece::Text(text) => (text.as_str(), IN_TARGET),
                Piece::Value(at) => (path[*at], IN_VALUE),
                Piece::Splat => {
                    splat = self.splat(path);
                    (splat.as_str(), IN_VALUE)
                }
            };
            out.extend(utf8_percent_encode(text, set));
            if out.len() > REDIRECT_TARGET_BYTES_MAX {
                return None;
            }
        }
        // A path stays on its site, also where a value begins with a slash: `//` would name another host.
        let stays = out.starts_with('/').then(|| out.trim_start_matches('/'));
        Some(stays.map(|rest| format!("/{rest}")).unwrap_or(out))
    }

    fn splat(&self, path: &[&str]) -> String {
        let Some((Segment::Literal(start), whole)) = self.from.split_last() else { return String::new() };
        let mut rest = path[whole.len()..].join("/");
        // What the rule has before its asterisk is as long in the path, but may be encoded there.
        let mut end = 0;
        for _ in start {
            let is_escape =
                rest[end..].starts_with('%') && decode(rest.get(end..end + 3).unwrap_or_default()).len() == 1;
            end += if is_escape { 3 } else { 1 };
        }
        rest.split_off(end)
    }
}

/// The segments, and what each placeholder stands for, sorted by name.
fn parse_from(from: &str, has_splat: bool) -> Result<(Vec<Segment>, Names), LineProblem> {
    let mut names = Names::new();
    let mut from: Vec<&str> = segments(from).collect();
    if has_splat {
        names.push((SPLAT.to_owned(), Piece::Splat));
    } else if from.last() == Some(&"") {
        // A slash at the end says nothing.
        from.pop();
    }
    let mut out = Vec::with_capacity(from.len());
    for (index, segment) in from.iter().enumerate() {
        let is_before_asterisk = has_splat && index + 1 == from.len();
        match segment.strip_prefix(':').filter(|name| !name.is_empty() && !is_before_asterisk) {
            Some(name) => {
                names.push((name.to_owned(), Piece::Value(index)));
                out.push(Segment::Placeholder);
            }
            None => out.push(Segment::Literal(decode(segment))),
        }
    }
    if names.len() > REDIRECT_PLACEHOLDERS_MAX {
        return Err(LineProblem::TooManyPlaceholders);
    }
    names.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    if let Some(twice) = names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LineProblem::Placeholder(twice[0].0.clone()));
    }
    Ok((out, names))
}

/// Cuts a target at its placeholders: the longest known name counts, others are text. `names` is sorted.
fn parse_to(to: &str, names: &[(String, Piece)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = to;
    while let Some(at) = rest.find(':') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match longest_name(rest, names) {
            Some((name, piece)) => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(piece.clone());
                rest = &rest[name.len()..];
            }
            None => text.push(':'),
        }
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    pieces
}

/// Of sorted names that begin `text`, the longest stands last, and none that is greater than `text` begins it.
fn longest_name<'a>(text: &str, names: &'a [(String, Piece)]) -> Option<&'a (String, Piece)> {
    let end = names.partition_point(|(name, _)| name.as_str() <= text);
    names[..end].iter().rev().find(|(name, _)| text.starts_with(name.as_str()))
}

fn parse_status(text: &str) -> Result<u16, LineProblem> {
    if text.ends_with('!') {
        return Err(LineProblem::Forced(cut(text)));
    }
    match text {
        "200" => Ok(200),
        "301" => Ok(301),
        "302" => Ok(302),
        "303" => Ok(303),
        "307" => Ok(307),
        "308" => Ok(308),
        "404" => Ok(404),
        "410" => Ok(410),
        "451" => Ok(451),
        other => Err(LineProblem::Status(cut(other))),
    }
}

/// The segments behind the first slash; one empty segment for `/`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

/// Short enough for a message.
fn cut(word: &str) -> String {
    word.chars().take(16).collect()
}

#[cfg(test)]
mod tests;
