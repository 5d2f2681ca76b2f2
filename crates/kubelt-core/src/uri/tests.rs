use super::{is_authority, is_scheme, is_uri};

#[test]
fn uris_of_rfc_3986() {
    let taken = [
        "ftp://ftp.is.co.za/rfc/rfc1808.txt",
        "http://www.ietf.org/rfc/rfc2396.txt",
        "ldap://[2001:db8::7]/c=GB?objectClass?one",
        "mailto:John.Doe@example.com",
        "news:comp.infosystems.www.servers.unix",
        "tel:+1-816-555-1212",
        "telnet://192.0.2.16:80/",
        "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
        "a:",
        "a:/",
        "a://",
        "http://[v1.a:b]/",
        "http://h:/",
    ];
    let refused = [
        "",
        ":",
        "a",
        "1a:b",
        "http",
        "//h/p",
        "/p",
        "a b:c",
        "a:b c",
        "a:%",
        "a:%4",
        "a:%4g",
        "a:\\",
        "a:[",
        "a:b#c#d",
        "http://[::1",
        "http://[::1]x",
        "http://[v1.]/",
        "http://h:80a/",
        "http://a@b@c/",
        "a:é",
        "a:b\n",
        "http://[1.2.3.4]/",
    ];
    for uri in taken {
        assert!(is_uri(uri), "{uri:?}");
    }
    for uri in refused {
        assert!(!is_uri(uri), "{uri:?}");
    }
}

#[test]
fn authorities_and_schemes() {
    for authority in ["", "h", "h:1", "u@h", "u:p@h:1", "[::]", "[::]:1", "a%20b", "1.2.3.4", "_"] {
        assert!(is_authority(authority), "{authority:?}");
    }
    for authority in ["h:1:2", "h/p", "h?q", "h#f", "[::", "::", "u@v@h", "a b", "[h]", "h:p", "a%2"] {
        assert!(!is_authority(authority), "{authority:?}");
    }
    assert!(is_scheme("a+b-c.1") && !is_scheme("") && !is_scheme("1") && !is_scheme("a_b"));
}
