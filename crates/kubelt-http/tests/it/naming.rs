//! Content by name, and content under hosts of its own.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::{body::Body, http::Request};
use kubelt_api::ContentReceipt;
use kubelt_content::{
    Block, Cid, CidBase, Codec,
    car::CarWriter,
    format_cid,
    ipns::{Generations, NewRecord, Record, SecretKey},
    parse_cid,
    unixfs::{DirectoryBuilder, Profile},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Answer, Person, TestNode};

const RECORD: &str = "application/vnd.ipfs.ipns-record";
const HOUR: Duration = Duration::from_secs(3_600);

struct Site {
    node: TestNode,
    token: String,
    alice: Person,
}

impl Site {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        Self { node, token, alice }
    }

    /// Publishes a file and gives its CID.
    async fn file(&self, path: &str, text: &str) -> Cid {
        let path = format!("{}/-/content/{path}?visibility=public", self.alice.core());
        let receipt: ContentReceipt =
            self.node.put(&path, &self.token, text.to_owned()).await.expect(201).json();
        parse_cid(&receipt.cid).expect("a CID")
    }

    /// Publishes a directory of these files, and gives its CID.
    async fn directory(&self, files: &[(&str, &str)]) -> Cid {
        let mut dirs: BTreeMap<&str, DirectoryBuilder> = BTreeMap::new();
        let mut blocks: Vec<Block> = Vec::new();
        for (path, text) in files {
            let block = Block::new(Codec::Raw, text.as_bytes().to_vec().into()).expect("small");
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
            let builder = dirs.entry(dir).or_insert_with(|| DirectoryBuilder::new(Profile::default()));
            builder.add(name, *block.cid(), text.len() as u64).expect("a name");
            blocks.push(block);
        }
        let mut root = dirs.remove("").unwrap_or_else(|| DirectoryBuilder::new(Profile::default()));
        let mut sink = |block: Block| {
            blocks.push(block);
            Ok::<(), std::convert::Infallible>(())
        };
        for (name, builder) in dirs {
            let made = builder.finish(&mut sink).expect("a directory");
            root.add(name, made.cid, made.dag_size).expect("a name");
        }
        let made = root.finish(&mut sink).expect("a directory");
        let (mut writer, header) = CarWriter::v1(&[made.cid]);
        let mut car = header.to_vec();
        for block in &blocks {
            car.extend(writer.section(block).concat());
        }
        let core = self.alice.core();
        let headers = [("content-type", "application/vnd.ipld.car")];
        self.node.call("POST", &format!("{core}/-/car"), Some(&self.token), &headers, car).await.expect(201);
        let link = format!("{core}/-/content/dirs/{0}?cid={0}&visibility=public", made.cid);
        self.node.put(&link, &self.token, Body::empty()).await.expect(201);
        made.cid
    }

    async fn at(&self, host: &str, path: &str) -> Answer {
        self.ask(host, path, &[]).await
    }

    async fn ask(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.node.send(request.body(Body::empty()).expect("a request")).await
    }

    fn record(&self, key: &SecretKey, value: &str, sequence: u64) -> Record {
        let end = Duration::from_millis(self.node.now_ms()) + HOUR;
        let new = NewRecord { value: value.as_bytes(), sequence, validity_end: end, ttl: HOUR / 2 };
        Record::create(key, &new, Generations::V1AndV2).expect("a record")
    }

    async fn put_record(&self, name: &str, bytes: impl Into<Body>) -> Answer {
        let path = format!("/routing/v1/ipns/{name}");
        self.node.call("PUT", &path, None, &[("content-type", RECORD)], bytes).await
    }

    fn link(&self, links: &[(&str, String)]) {
        let map = links.iter().map(|(name, path)| ((*name).to_owned(), path.clone())).collect();
        self.node.node.dnslinks.set(map).expect("good links");
    }
}

#[tokio::test]
async fn content_by_path_is_sent_to_its_own_origin() {
    let site = Site::new().await;
    let cid = site.file("hello.txt", "hello").await;
    let (v1, v0) = (cid.to_string(), "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
    let v0_label = format_cid(&parse_cid(v0).expect("a CID"), CidBase::Base32);
    let check = async |host: &str, path: &str, headers: &[(&str, &str)], to: &str| {
        let answer = site.ask(host, path, headers).await.expect(301);
        assert_eq!(answer.header("location"), Some(to), "{host}{path}");
    };
    check("example.com", &format!("/ipfs/{v1}"), &[], &format!("http://{v1}.ipfs.example.com/")).await;
    check("example.com:8080", &format!("/ipfs/{v1}/"), &[], &format!("http://{v1}.ipfs.example.com:8080/"))
        .await;
    check("example.com", &format!("/ipfs/{v0}/"), &[], &format!("http://{v0_label}.ipfs.example.com/")).await;
    let odd = "/Portugal%252C+Espa%C3%B1a=Peninsula%20Ib%C3%A9rica.txt?a=b&c";
    check("example.com", &format!("/ipfs/{v1}{odd}"), &[], &format!("http://{v1}.ipfs.example.com{odd}"))
        .await;
    let https = [("x-forwarded-proto", "https")];
    check("example.com", &format!("/ipfs/{v1}/"), &https, &format!("https://{v1}.ipfs.example.com/")).await;
    let passed_on = [("x-forwarded-host", "example.com"), ("x-forwarded-proto", "https")];
    check("fake.domain.com", &format!("/ipfs/{v1}"), &passed_on, &format!("https://{v1}.ipfs.example.com/"))
        .await;
    check(
        "example.com",
        "/ipns/en.wikipedia-on-ipfs.org/wiki/",
        &[],
        "http://en-wikipedia--on--ipfs-org.ipns.example.com/wiki/",
    )
    .await;
    let name = SecretKey::from_seed(&[9; 32]).name();
    for spelled in [name.to_string(), name.to_peer_id()] {
        check("example.com", &format!("/ipns/{spelled}"), &[], &format!("http://{name}.ipns.example.com/"))
            .await;
    }
    check("127.0.0.1", "/ipfs/?uri=ipfs%3A%2F%2Fbafkqaaa%2Fa%20b", &[], "/ipfs/bafkqaaa/a%20b").await;
    check("example.com", "/ipns/?uri=ipns%3A%2F%2Fen.example.org", &[], "/ipns/en.example.org").await;

    // No host of a gateway: the path gateway.
    assert_eq!(site.at("fake.domain.com", &format!("/ipfs/{v1}")).await.expect(200).text(), "hello");
    // Verifiable bytes, and programs that sign in, need no origin.
    site.ask("localhost:4747", &format!("/ipfs/{v1}?format=raw"), &[]).await.expect(200);
    let signed_in = [("authorization", format!("Bearer {}", site.token))];
    let signed_in = signed_in.each_ref().map(|(name, value)| (*name, value.as_str()));
    site.ask("localhost:4747", &format!("/ipfs/{v1}"), &signed_in).await.expect(200);

    let bad = site.at("example.com", "/ipfs/QmInvalidCID").await.expect(400);
    assert!(bad.text().contains("invalid path \"/ipfs/QmInvalidCID\""), "{}", bad.text());
    for bad in ["/ipfs/?uri=http%3A%2F%2Fevil.example", "/ipfs/?uri=ipfs%3A%2F%2Fbafkqaaa%2F..%2F..%2Fx"] {
        site.at("127.0.0.1", bad).await.expect(400);
    }
    let long = Cid::new_v1(0x55, cid::multihash::Multihash::<64>::wrap(0x13, &[7; 64]).expect("fits"));
    let text = long.to_string();
    for answer in [
        site.at("example.com", &format!("/ipfs/{text}/")).await,
        site.at(&format!("{text}.ipfs.example.com"), "/").await,
    ] {
        let told = answer.expect(400).text();
        assert!(told.contains("CID incompatible with DNS label length limit of 63"), "{told}");
    }
}

#[tokio::test]
async fn an_origin_of_content_serves_that_content_alone() {
    let site = Site::new().await;
    let root =
        site.directory(&[("index.html", "<p>home"), ("ipfs/file.txt", "inside"), ("a b.txt", "x")]).await;
    let other = site.file("other.txt", "other").await;
    let host = format!("{root}.ipfs.localhost:4747");
    let home = site.at(&host, "/").await.expect(200);
    assert_eq!(home.text(), "<p>home");
    assert_eq!(site.at(&host, "/ipfs/file.txt").await.expect(200).text(), "inside");
    assert_eq!(site.at(&host, "/a%20b.txt").await.expect(200).text(), "x");
    // What the node serves elsewhere is not here.
    let account = site.alice.core();
    for path in [
        &format!("/ipfs/{other}") as &str,
        &account,
        &format!("{account}/other.txt"),
        "/-/session",
        "/-/",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/routing/v1/ipns/k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8",
    ] {
        let answer = site.at(&host, path).await;
        assert_eq!(answer.status.as_u16(), 404, "{path}: {}", answer.text());
    }
    for (method, path) in [("POST", "/-/session/challenge"), ("PUT", "/x"), ("DELETE", "/index.html")] {
        let request = Request::builder().method(method).uri(path).header("host", &host);
        let answer = site.node.send(request.body(Body::empty()).expect("a request")).await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{method} {path}: {}", answer.status);
    }
    // Not even for somebody who signed in: that is another origin's business.
    let secret: ContentReceipt = site
        .node
        .put(&format!("{account}/-/content/secret.txt"), &site.token, "secret")
        .await
        .expect(201)
        .json();
    let signed_in = format!("Bearer {}", site.token);
    let answer =
        site.ask(&format!("{}.ipfs.localhost", secret.cid), "/", &[("authorization", &signed_in)]).await;
    answer.expect(404);
    // Spelled otherwise, it is sent to where it belongs.
    let upper = site.at(&format!("{}.ipfs.localhost", root.to_string().to_uppercase()), "/a%20b.txt?x").await;
    let expected = format!("http://{root}.ipfs.localhost/a%20b.txt?x");
    assert_eq!(upper.expect(301).header("location"), Some(expected.as_str()));
    for host in ["index.ipfs.localhost", "x.y.ipfs.localhost", "no_cid.ipns.localhost"] {
        site.at(host, "/").await.expect(400);
    }
    site.at("evil@example.com", "/").await.expect(400);
}

#[tokio::test]
async fn records_are_put_got_and_followed() {
    let site = Site::new().await;
    let (one, two) = (site.file("1.txt", "one").await, site.file("2.txt", "two").await);
    let (key, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let name = key.name().to_string();
    let routing = format!("/routing/v1/ipns/{name}");
    site.node.get(&routing, None).await.expect(404);
    assert!(site.node.get(&format!("/ipns/{name}"), None).await.status.is_server_error());
    let first = site.record(&key, &format!("/ipfs/{one}"), 1);
    site.put_record(&other.name().to_string(), first.encode().clone()).await.expect(400);
    site.put_record("nonsense", first.encode().clone()).await.expect(400);
    site.put_record(&name, "nonsense").await.expect(400);
    site.put_record(&name, vec![0; 10 * 1_024 + 1]).await.expect(413);
    site.node.call("PUT", &routing, None, &[("content-type", "text/plain")], "x").await.expect(406);
    site.put_record(&name, first.encode().clone()).await.expect(200);
    let got = site.node.get(&routing, None).await.expect(200);
    assert_eq!(got.body, first.encode().to_vec());
    assert_eq!(got.header("content-type"), Some(RECORD));
    assert_eq!(got.header("cache-control"), Some("public, max-age=1800"));
    site.node.call("GET", &routing, None, &[("accept", "text/html")], Body::empty()).await.expect(406);
    let followed = site.node.get(&format!("/ipns/{name}"), None).await.expect(200);
    assert_eq!(followed.text(), "one");
    assert_eq!(site.at(&format!("{name}.ipns.example.com"), "/").await.expect(200).text(), "one");

    // The better record stays, whatever comes after it.
    let second = site.record(&key, &format!("/ipfs/{two}"), 2);
    site.put_record(&name, second.encode().clone()).await.expect(200);
    site.put_record(&name, first.encode().clone()).await.expect(409);
    assert_eq!(site.node.get(&format!("/ipns/{name}"), None).await.expect(200).text(), "two");

    // The record itself, by query and by header.
    for (path, headers) in [
        (format!("/ipns/{name}?format=ipns-record"), vec![]),
        (format!("/ipns/{name}"), vec![("accept", RECORD)]),
    ] {
        let got = site.ask("127.0.0.1", &path, &headers).await.expect(200);
        assert_eq!(got.body, second.encode().to_vec());
        assert!(got.header("content-disposition").is_some_and(|value| value.starts_with("attachment;")));
    }
    let named =
        site.node.get(&format!("/ipns/{name}?format=ipns-record&filename=t%D0%B5.ipns-record"), None).await;
    let disposition = "attachment; filename=\"t_.ipns-record\"; filename*=UTF-8''t%D0%B5.ipns-record";
    assert_eq!(named.header("content-disposition"), Some(disposition));

    // Other spellings of the name are sent to the one.
    let answer =
        site.node.get(&format!("/ipns/{}/root2/?x", key.name().to_peer_id()), None).await.expect(302);
    assert_eq!(answer.header("location"), Some(format!("/ipns/{name}/root2/?x").as_str()));

    // And when its time is over, it is nobody's.
    site.node.pass(u64::try_from(HOUR.as_millis()).expect("fits") + 1);
    site.node.get(&routing, None).await.expect(404);
    assert!(site.node.get(&format!("/ipns/{name}"), None).await.status.is_server_error());
    let expired = site.put_record(&name, second.encode().clone()).await.expect(400);
    assert!(expired.text().contains("valid"), "{}", expired.text());
}

#[tokio::test]
async fn names_lead_over_names_but_not_in_circles() {
    let site = Site::new().await;
    let root = site.directory(&[("docs/index.html", "docs"), ("index.html", "home")]).await;
    let key = SecretKey::from_seed(&[3; 32]);
    let name = key.name();
    let record = site.record(&key, "/ipns/deep.example.org/docs", 0);
    site.put_record(&name.to_string(), record.encode().clone()).await.expect(200);
    site.link(&[
        ("site.example.org", format!("/ipns/{}", name.to_peer_id())),
        ("deep.example.org", format!("/ipfs/{root}")),
        ("a.example.org", "/ipns/b.example.org".to_owned()),
        ("b.example.org", "/ipns/a.example.org".to_owned()),
        ("self.example.org", "/ipns/self.example.org".to_owned()),
    ]);
    for (host, path, text) in [
        ("site.example.org", "/", "docs"),
        ("site.example.org:8080", "/index.html", "docs"),
        ("DEEP.example.org", "/docs/index.html", "docs"),
        ("deep.example.org", "/", "home"),
        ("deep.example.org.ipns.example.com", "/", "home"),
        ("deep-example-org.ipns.example.com", "/", "home"),
        ("127.0.0.1", "/ipns/site.example.org/", "docs"),
        ("127.0.0.1", "/ipns/deep.example.org/docs/", "docs"),
    ] {
        assert_eq!(site.at(host, path).await.expect(200).text(), text, "{host}{path}");
    }
    // One label is enough for a certificate.
    let https = [("x-forwarded-proto", "https")];
    let inlined = site.ask("deep.example.org.ipns.example.com", "/docs/?q", &https).await.expect(301);
    assert_eq!(inlined.header("location"), Some("https://deep-example-org.ipns.example.com/docs/?q"));
    for circle in ["a.example.org", "self.example.org"] {
        let answer = site.at("127.0.0.1", &format!("/ipns/{circle}")).await;
        assert!(answer.expect(502).text().contains("leads back to itself"));
    }
    // A host without a DNSLink is the node's; it looks up nothing that it was not told to.
    site.at("other.example.org", "/healthz").await.expect(200);
    site.at("127.0.0.1", "/ipns/other.example.org").await.expect(502);
    // The node's API is not at a host that has one.
    site.at("deep.example.org", "/healthz").await.expect(404);
}

#[tokio::test]
async fn a_site_says_where_missing_paths_lead() {
    let site = Site::new().await;
    let rules = "/one /two.html\n/temporary /two.html 302\n/app/* /index.html 200\n\
                 /posts/:year/:title /articles/:title?y=:year\n/gone/* /gone.html 410\n/* /404.html 404\n";
    let root = site
        .directory(&[
            ("_redirects", rules),
            ("index.html", "the app"),
            ("two.html", "two"),
            ("404.html", "not here"),
            ("gone.html", "not any more"),
        ])
        .await;
    site.link(&[("site.example.org", format!("/ipfs/{root}"))]);
    let forever = Some("public, max-age=29030400, immutable");
    for (host, lasts) in [(format!("{root}.ipfs.example.com"), true), ("site.example.org".to_owned(), false)]
    {
        let location = async |path: &str, status: u16| {
            let answer = site.at(&host, path).await.expect(status);
            answer.header("location").unwrap_or_default().to_owned()
        };
        assert_eq!(location("/one", 301).await, "/two.html");
        assert_eq!(location("/temporary", 302).await, "/two.html");
        assert_eq!(location("/posts/2026/hello", 301).await, "/articles/hello?y=2026");
        // What is there is served as it is.
        assert_eq!(site.at(&host, "/two.html").await.expect(200).text(), "two");
        let app = site.at(&host, "/app/deep/down").await.expect(200);
        assert_eq!(app.text(), "the app");
        let etag = app.header("etag").expect("a tag").to_owned();
        site.ask(&host, "/app/other", &[("if-none-match", &etag)]).await.expect(304);
        for (path, status, text) in [("/gone/x", 410, "not any more"), ("/nothing", 404, "not here")] {
            let answer = site.ask(&host, path, &[("if-none-match", "*"), ("range", "bytes=0-1")]).await;
            assert_eq!(answer.header("cache-control") == forever, lasts, "{host}{path}");
            assert_eq!(answer.expect(status).text(), text, "{host}{path}");
        }
    }
    // A shared origin has no such rules.
    let plain = site.at("127.0.0.1", &format!("/ipfs/{root}/one")).await;
    assert_eq!(plain.status.as_u16(), 404);
    site.at("127.0.0.1", "/ipns/site.example.org/one").await.expect(404);
}

#[tokio::test]
async fn bad_rules_are_told_only_where_they_are_needed() {
    let site = Site::new().await;
    let large = "#".repeat(64 * 1_024 + 1);
    for (rules, told) in [("/a /b 301!", "could not parse _redirects:"), (&large, "file size cannot exceed")]
    {
        let root = site.directory(&[("_redirects", rules), ("found.html", "found")]).await;
        let host = format!("{root}.ipfs.example.com");
        assert_eq!(site.at(&host, "/found.html").await.expect(200).text(), "found");
        let answer = site.at(&host, "/missing").await.expect(500).text();
        assert!(answer.contains(told), "{answer}");
    }
}

/// Sends `requests` over one connection and gives all that comes back until the node closes it.
async fn talk(address: SocketAddr, requests: &[String]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the node listens");
    let (mut answer, mut piece) = (Vec::new(), [0; 1_024]);
    for (i, request) in requests.iter().enumerate() {
        stream.write_all(request.as_bytes()).await.expect("sent");
        while i + 1 < requests.len() && !answer.ends_with(b"\r\n\r\n") {
            let len = stream.read(&mut piece).await.expect("an answer");
            assert!(len > 0, "the tunnel was not opened: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..len]);
        }
    }
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_node_is_a_proxy_to_its_own_content_alone() {
    let site = Site::new().await;
    let cid = site.file("hello.txt", "hello").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(kubelt_http::serve(listener, None, site.node.router(), async {
        let _stopped = stopped.await;
    }));
    let host = format!("{cid}.ipfs.example.com");
    let last = "Connection: close\r\n\r\n";
    let absolute = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{last}");
    let answer = talk(address, &[absolute]).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    // Wherever a tunnel is said to lead, it leads here.
    for target in [host.as_str(), "192.0.2.1"] {
        let connect = format!("CONNECT {target}:80 HTTP/1.1\r\nHost: {target}:80\r\n\r\n");
        let get = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{last}");
        let answer = talk(address, &[connect.clone(), get]).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        // And a tunnel in a tunnel leads nowhere.
        let again = format!("CONNECT {target}:80 HTTP/1.1\r\nHost: {host}\r\n{last}");
        let answer = talk(address, &[connect, again]).await;
        assert!(
            !answer.rsplit("\r\n\r\nHTTP/1.1 ").next().is_some_and(|last| last.starts_with('2')),
            "{answer}"
        );
    }
    stop.send(()).expect("it serves");
    serving.await.expect("no panic").expect("an orderly end");
}
