//! `_redirects`: rules that were taken answer any path with a status that exists and a target that stays where it is.
#![no_main]

use kubelt_content::redirects::Redirects;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let (path, query) = (text(), text());
    let file = lines.next().unwrap_or_default();
    let Ok(rules) = Redirects::parse(file) else { return };
    let Some(found) = rules.find(path) else { return };
    assert!(matches!(found.status, 200 | 301 | 302 | 303 | 307 | 308 | 404 | 410 | 451));
    for target in [found.to.clone(), found.with_query(Some(query))] {
        assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
        let is_path = target.starts_with('/') && !target.starts_with("//") && !target.starts_with("/\\");
        assert!(
            is_path || target.split_once("://").is_some_and(|(scheme, _)| scheme.is_ascii()),
            "{target:?}"
        );
    }
    assert!(found.to.starts_with(found.path()));
});
