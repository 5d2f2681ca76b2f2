use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use proptest::prelude::*;

use super::{
    ChildCore, ContentEntry, ContractTemplate, DeviceKey, EVERY_OTHER, Encryption, SchemaError, SealedForm,
    SealedTo, TEMPLATE, Template, UserTemplate, Value, Visibility, WRAP_BYTES, check, check_new, read,
};
use crate::{
    CoreId, MapPath, codec,
    limits::{TEMPLATE_CONFIG_MAX, VALUE_BYTES_MAX},
};

fn path(text: &str) -> MapPath {
    text.parse().expect("a path")
}

fn entry() -> ContentEntry {
    ContentEntry::new(CoreId::of(b"content").cid(), 12, "text/html; charset=utf-8", Visibility::Public)
}

fn map(fields: &[(&str, Ipld)]) -> Ipld {
    Ipld::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn changed(field: &str, value: Option<Ipld>) -> Ipld {
    let Ipld::Map(mut fields) = entry().to_ipld() else { panic!("a map") };
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
    Ipld::Map(fields)
}

#[test]
fn content_comes_back_as_it_went() {
    let mut entry = entry();
    let at = path("content/site/index.html");
    assert_eq!(read(&at, &entry.to_ipld()), Ok(Value::Content(entry.clone())));
    entry.metadata.insert("title".to_owned(), Ipld::String("Home".to_owned()));
    entry.encryption = Some(BTreeMap::new());
    entry.partial = true;
    assert_eq!(read(&at, &entry.to_ipld()), Ok(Value::Content(entry)));
}

#[test]
fn content_of_another_shape_is_refused() {
    let at = path("content/a");
    let refused = |value: Ipld| check(&at, &value).expect_err("refused");
    let field = |value: Ipld| match refused(value) {
        SchemaError::Field { field, .. } => field,
        other => panic!("{other}"),
    };
    let text = |text: &str| Some(Ipld::String(text.to_owned()));
    assert_eq!(refused(changed("cid", None)), SchemaError::Missing("cid"));
    assert_eq!(refused(changed("colour", text("red"))), SchemaError::Unknown("colour".to_owned()));
    assert_eq!(refused(Ipld::Integer(1)), SchemaError::NotMap);
    assert_eq!(field(changed("cid", text("bafy"))), "cid");
    assert_eq!(field(changed("size", Some(Ipld::Integer(-1)))), "size");
    assert_eq!(field(changed("size", Some(Ipld::Integer(1 << 53)))), "size");
    assert_eq!(field(changed("visibility", text("everyone"))), "visibility");
    assert_eq!(field(changed("partial", Some(Ipld::Bool(false)))), "partial");
    assert_eq!(field(changed("metadata", Some(map(&[])))), "metadata");
    for media_type in ["", "html", "text/", "/html", "text/html\n", "text/ht ml", "text/html; a=\u{7f}"] {
        assert_eq!(field(changed("media_type", text(media_type))), "media_type", "{media_type:?}");
    }
}

#[test]
fn children_come_back_as_they_went() {
    let at = path("cores/shop");
    for (alias, visibility) in
        [(None, Visibility::Public), (Some("the shop".to_owned()), Visibility::Members)]
    {
        let child = ChildCore { core: CoreId::of(b"shop"), alias, visibility };
        assert_eq!(read(&at, &child.to_ipld()), Ok(Value::Core(child)));
    }
    let raw = cid::Cid::new_v1(0x55, *CoreId::of(b"shop").cid().hash());
    assert!(check(&at, &map(&[("core", Ipld::Link(raw))])).is_err());
    assert!(check(&at, &map(&[("core", Ipld::String("shop".to_owned()))])).is_err());
}

#[test]
fn each_part_of_the_map_has_its_shape() {
    let link = Ipld::Link(CoreId::of(b"x").cid());
    let text = Ipld::String("x".to_owned());
    let taken = [
        ("profile/name", text.clone()),
        ("profile/avatar", link.clone()),
        ("profile/bio", text.clone()),
        ("config/network/ipfs", Ipld::Bool(true)),
        ("functions/mint", map(&[("component", link.clone())])),
        ("databases/main", map(&[])),
        ("databases/main", map(&[("snapshot", link.clone())])),
        ("channels/lobby", map(&[])),
        ("keys/phone", map(&[("key", text.clone())])),
    ];
    for (at, value) in taken {
        assert_eq!(check(&path(at), &value), Ok(()), "{at}");
        assert_eq!(check(&path(at), &Ipld::Null), Ok(()), "{at}");
    }
    let refused = [
        ("profile", text.clone()),
        ("profile/name", Ipld::Integer(1)),
        ("profile/name", Ipld::String("a\nb".to_owned())),
        ("profile/avatar", text.clone()),
        ("profile/name/first", text.clone()),
        ("content", entry().to_ipld()),
        ("functions/mint", map(&[])),
        ("functions/mint", map(&[("component", text.clone())])),
        ("functions/mint/code", map(&[("component", link)])),
        ("databases/main", map(&[("snapshot", text.clone())])),
        ("gates/holders", text.clone()),
        ("elsewhere/x", text),
        ("elsewhere/x", Ipld::Null),
    ];
    for (at, value) in refused {
        assert!(check(&path(at), &value).is_err(), "{at}");
    }
}

#[test]
fn settings_are_checked_when_they_are_made_and_taken_where_they_are() {
    let text = |text: &str| Ipld::String(text.to_owned());
    let taken = [
        ("config/versions", Ipld::Null),
        ("config/versions", map(&[("keep", Ipld::Integer(1))])),
        ("config/versions", map(&[("keep", Ipld::Integer(1_000))])),
        ("config/versions", map(&[("keep", text("all"))])),
        ("config/versions/of/another/kind", Ipld::Integer(1)),
        ("config/pins", map(&[("visibility", text("private"))])),
        ("config/anything", Ipld::Integer(1)),
        ("names/acme.org", map(&[])),
        ("names/acme", map(&[("any", Ipld::Integer(1))])),
    ];
    for (at, value) in taken {
        assert_eq!(check_new(&path(at), &value), Ok(()), "{at} {value:?}");
    }
    let refused = [
        ("config/versions", Ipld::Integer(3)),
        ("config/versions", map(&[])),
        ("config/versions", map(&[("keep", Ipld::Integer(0))])),
        ("config/versions", map(&[("keep", Ipld::Integer(1_001))])),
        ("config/versions", map(&[("keep", Ipld::Integer(i64::MIN.into()))])),
        ("config/versions", map(&[("keep", Ipld::Float(3.0))])),
        ("config/versions", map(&[("keep", text("ALL"))])),
        ("config/versions", map(&[("keep", text("3"))])),
        ("config/versions", map(&[("keep", Ipld::Integer(3)), ("days", Ipld::Integer(3))])),
        ("config/pins", map(&[])),
        ("config/pins", map(&[("visibility", text("secret"))])),
        ("config/pins", map(&[("visiblity", text("private"))])),
        ("names/Acme.org", map(&[])),
        ("names/*.acme.org", map(&[])),
        ("names/acme.org:443", map(&[])),
        ("names/127.0.0.1", map(&[])),
        ("names/acme.org", map(&[("core", text("x"))])),
    ];
    for (at, value) in refused {
        assert!(check_new(&path(at), &value).is_err(), "{at} {value:?}");
        assert_eq!(check(&path(at), &value), Ok(()), "{at}: there already, it stays");
    }
    assert!(check_new(&path("elsewhere/x"), &Ipld::Null).is_err());
}

#[test]
fn values_have_a_greatest_size_and_depth() {
    let at = path("config/x");
    let bytes = |len| Ipld::Bytes(vec![0; len]);
    let overhead = codec::encode(&bytes(VALUE_BYTES_MAX)).len() - VALUE_BYTES_MAX;
    assert_eq!(check(&at, &bytes(VALUE_BYTES_MAX - overhead)), Ok(()));
    assert_eq!(
        check(&at, &bytes(VALUE_BYTES_MAX - overhead + 1)),
        Err(SchemaError::TooLarge(VALUE_BYTES_MAX + 1))
    );
    let nested = |levels| (0..levels).fold(Ipld::Null, |inner, _| Ipld::List(vec![inner]));
    assert_eq!(check(&at, &nested(16)), Ok(()));
    assert_eq!(check(&at, &nested(17)), Err(SchemaError::TooDeep));
}

proptest! {
    #[test]
    fn any_entry_comes_back(size in 0..1_u64 << 53, kind in "[a-z]{1,8}/[a-z0-9.+-]{1,16}", key in "[a-z]{1,8}", n in any::<i64>()) {
        let mut entry = ContentEntry::new(CoreId::of(key.as_bytes()).cid(), size, kind, Visibility::Members);
        entry.metadata.insert(key, Ipld::Integer(n.into()));
        prop_assert_eq!(ContentEntry::from_ipld(&entry.to_ipld()), Ok(entry));
    }
}

#[test]
fn cores_have_names_that_can_stand_in_an_address() {
    let id = CoreId::of(b"acme");
    let value = ChildCore::new(id).to_ipld();
    let long = "x".repeat(crate::limits::NAME_BYTES_MAX);
    for name in ["acme", "a-b_2", "Acme", long.as_str()] {
        let path = ChildCore::path(name).expect("a good name");
        check_new(&path, &value).expect("fits");
    }
    let (longer, own) = (format!("{long}x"), id.to_string());
    for name in ["", "a.b", "a b", "0xabc", "me", "-", "ä", longer.as_str(), own.as_str()] {
        assert_eq!(ChildCore::path(name), None, "{name}");
        if let Ok(path) = MapPath::new(format!("cores/{name}")) {
            assert!(check_new(&path, &value).is_err(), "{name}");
            assert!(check(&path, &value).is_ok(), "what is there is read: {name}");
        }
    }
}

#[test]
fn keys_of_devices_have_one_form_when_they_are_made() {
    let key = DeviceKey { x25519: [7; 32] };
    let at = DeviceKey::path("phone").expect("a good name");
    check_new(&at, &key.to_ipld()).expect("fits");
    assert_eq!(DeviceKey::read("phone", &key.to_ipld()), Ok(key));
    let bytes = |len| Ipld::Bytes(vec![7; len]);
    let refused =
        [map(&[]), map(&[("x25519", bytes(31))]), map(&[("x25519", bytes(32)), ("name", bytes(1))])];
    for value in refused {
        assert!(check_new(&at, &value).is_err(), "{value:?}");
    }
    for name in ["", "Phone", "a.b", "a/b", "ä", &"x".repeat(65)] {
        assert_eq!(DeviceKey::path(name), None, "{name}");
    }
    assert!(check_new(&path("keys/a/b"), &key.to_ipld()).is_err());
}

fn sealed(form: SealedForm, count: u8) -> Encryption {
    let wrap = (form == SealedForm::Chunks).then_some([9; WRAP_BYTES]);
    let to = |n| SealedTo {
        who: "0xaa".to_owned(),
        key: [n; 32],
        label: Some("phone".to_owned()),
        wrap,
        gate: None,
    };
    Encryption { form, gates: Vec::new(), to: (0..count).map(to).collect(), mac: [8; 32] }
}

#[test]
fn encryption_comes_back_as_it_went() {
    for form in [SealedForm::Chunks, SealedForm::Jwe] {
        for count in [1, 64] {
            let encryption = sealed(form, count);
            assert_eq!(Encryption::from_fields(&encryption.to_fields()), Ok(encryption.clone()));
            let mut entry = entry();
            entry.encryption = Some(encryption.to_fields());
            check_new(&path("content/a"), &entry.to_ipld()).expect("fits into an entry");
        }
    }
}

#[test]
fn encryption_of_another_shape_is_refused() {
    let mut twice = sealed(SealedForm::Chunks, 2);
    twice.to[1].key = twice.to[0].key;
    let mut without = sealed(SealedForm::Chunks, 1);
    without.to[0].wrap = None;
    let mut with = sealed(SealedForm::Jwe, 1);
    with.to[0].wrap = Some([0; WRAP_BYTES]);
    let refused = [sealed(SealedForm::Chunks, 0), sealed(SealedForm::Jwe, 65), twice, without, with]
        .map(|e| e.to_fields());
    let mut other = sealed(SealedForm::Jwe, 1).to_fields();
    other.insert("form".to_owned(), Ipld::String("zip".to_owned()));
    let mut more = sealed(SealedForm::Jwe, 1).to_fields();
    more.insert("key".to_owned(), Ipld::Null);
    for fields in refused.into_iter().chain([other, more, BTreeMap::new()]) {
        assert!(Encryption::from_fields(&fields).is_err(), "{fields:?}");
        let mut entry = entry();
        entry.encryption = Some(fields);
        assert!(check_new(&path("content/a"), &entry.to_ipld()).is_err());
        assert!(check(&path("content/a"), &entry.to_ipld()).is_ok(), "what is there is read");
    }
}

#[test]
fn templates_come_back_as_they_went() {
    let at = path(TEMPLATE);
    let full = Template {
        contract: Some(ContractTemplate::default()),
        children: [("club", "holders"), (EVERY_OTHER, "makers")]
            .map(|(name, gate)| (name.to_owned(), gate.to_owned()))
            .into(),
        user: Some(UserTemplate {
            gate: Some("holders".to_owned()),
            asks: ["read content/shared/**", "put content/inbox/**"]
                .map(|text| text.parse().expect("fits"))
                .into(),
            config: [("exposure".to_owned(), map(&[("ipfs", Ipld::Bool(false))]))].into(),
            blocks_max: Some(100),
            block_bytes_max: Some(1 << 30),
            ops_max: Some(1_000),
        }),
    };
    assert_eq!(["club", "else"].map(|name| full.gate_of(name)), [Some("holders"), Some("makers")]);
    assert_eq!(Template::default().gate_of("club"), None);
    let plain = Template { user: Some(UserTemplate::default()), ..Template::default() };
    for mut template in [Template::default(), plain, full] {
        check_new(&at, &template.to_ipld()).expect("fits");
        template.user.iter_mut().for_each(|user| user.asks.sort_unstable());
        assert_eq!(Template::from_ipld(&template.to_ipld()), Ok(template));
    }
}

#[test]
fn a_template_asks_for_no_authority_and_presets_what_fits() {
    let at = path(TEMPLATE);
    let text = |text: &str| Ipld::String(text.to_owned());
    let user = |field: &str, value: Ipld| map(&[("user", map(&[(field, value)]))]);
    for verb in ["grant **", "revoke **", "seal **", "vote **", "logout **", "read", "own **", ""] {
        let value = user("asks", Ipld::List(vec![text(verb)]));
        assert!(check_new(&at, &value).is_err(), "{verb}");
    }
    let settings = [
        ("exposure", text("shut")),
        ("template", map(&[("user", map(&[]))])),
        ("versions", map(&[("keep", Ipld::Integer(0))])),
        ("../x", Ipld::Null),
    ];
    for (name, value) in settings {
        assert!(check_new(&at, &user("config", map(&[(name, value)]))).is_err(), "{name}");
    }
    let many = (0..=TEMPLATE_CONFIG_MAX).map(|n| (format!("x{n}"), Ipld::Bool(true))).collect();
    for value in [
        user("config", Ipld::Map(many)),
        user("blocks_max", Ipld::Integer(0)),
        user("ops_max", Ipld::Integer(-1)),
        user("other", Ipld::Null),
        user("gate", text("no such name")),
        map(&[("contract", map(&[("opens", Ipld::List(vec![]))]))]),
        map(&[("children", map(&[("a b", text("holders"))]))]),
        map(&[("children", map(&[("club", text("a b"))]))]),
        map(&[("users", map(&[]))]),
        map(&[("user", Ipld::Bool(true))]),
    ] {
        assert!(check_new(&at, &value).is_err(), "{value:?}");
        // What stands there already is read as a template that admits nobody.
        assert!(check(&at, &value).is_ok(), "{value:?}");
    }
}
