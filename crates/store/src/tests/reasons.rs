//! Tests of the reasons that are given, with real servers, proxies and files in the place of sick ones.

use std::time::Duration;

use crate::environment::tests::with;
use crate::tests::served::{Answered, Asked, CERTIFICATE, Served};
use crate::wire::now;
use crate::{Location, StoreError};

fn place(set: &[(&str, &str)]) -> Location {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "HIDDEN"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    Location::open_in("s3://bucket/run", &with(&[&keys, set].concat())).unwrap()
}

async fn line(set: &[(&str, &str)]) -> String {
    let error = place(set).get("x").await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains("HIDDEN") && !line.contains('\n'), "{line}");
    line
}

/// What an S3 store answers that refuses.
fn refusal(status: u16, headers: &str, code: &str) -> Answered {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It is so.</Message></Error>"
    );
    (status, headers.to_owned(), body)
}

async fn answered(status: u16, headers: String, code: &'static str) -> String {
    let server = Served::start(move |_: &Asked| refusal(status, &headers, code));
    line(&[("AWS_ENDPOINT_URL", &server.url)]).await
}

#[tokio::test]
async fn clock_is_compared_with_the_stores_date() {
    for (seconds, words) in [(16 * 60, "16 min ahead of"), (-3 * 3600, "3 h behind")] {
        let distance = Duration::from_secs(i64::unsigned_abs(seconds) + 20);
        let theirs = match seconds > 0 {
            true => now() - distance,
            false => now() + distance,
        };
        let date = format!("date: {}\r\n", httpdate::fmt_http_date(theirs));
        for code in ["RequestTimeTooSkewed", "SignatureDoesNotMatch"] {
            let line = answered(403, date.clone(), code).await;
            assert!(
                line.contains(words) && line.contains("set the clock"),
                "{line}"
            );
        }
    }
    let date = format!("date: {}\r\n", httpdate::fmt_http_date(now()));
    let line = answered(403, date, "SignatureDoesNotMatch").await;
    assert!(
        line.contains("AWS_SECRET_ACCESS_KEY") && !line.contains("clock"),
        "{line}"
    );
}

#[tokio::test]
async fn region_of_the_bucket_is_named_where_the_store_says_it() {
    let header = "x-amz-bucket-region: eu-west-1\r\n".to_owned();
    for (status, code) in [
        (301, "PermanentRedirect"),
        (400, "AuthorizationHeaderMalformed"),
    ] {
        let line = answered(status, header.clone(), code).await;
        assert!(
            line.contains("it is in eu-west-1") && line.contains("us-east-1"),
            "{line}"
        );
        assert!(line.contains("AWS_REGION"), "{line}");
    }
    let line = answered(301, String::new(), "PermanentRedirect").await;
    assert!(line.contains("another region"), "{line}");
}

#[tokio::test]
async fn wrong_keys_and_missing_buckets_are_told_apart() {
    for (status, code, part) in [
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (403, "AccessDenied", "the bucket's policy"),
        (400, "ExpiredToken", "have expired"),
        (404, "NoSuchBucket", "create it or correct its name"),
        (404, "NoSuchKey", "does not exist"),
        (507, "InsufficientStorage", "is full"),
    ] {
        let line = answered(status, String::new(), code).await;
        assert!(line.contains(part), "{line}");
    }
}

#[tokio::test]
async fn proxy_that_refuses_is_named_and_not_the_keys() {
    let page = "<html><body>Blocked by policy</body></html>";
    for status in [403, 407] {
        // A proxy is asked for the whole address, which is on no machine here.
        let proxy = Served::start(move |_: &Asked| (status, String::new(), page.to_owned()));
        let with_password = proxy.url.replace("http://", "http://me:HIDDEN@");
        let line = line(&[
            ("AWS_ENDPOINT_URL", "http://store.example.com"),
            ("http_proxy", &with_password),
        ])
        .await;
        assert!(
            proxy.asked()[0]
                .line
                .starts_with("GET http://store.example.com/")
        );
        assert!(
            line.contains("of http_proxy") && line.contains("web page"),
            "{line}"
        );
        assert!(!line.contains("AWS_ACCESS_KEY_ID"), "{line}");
    }
}

#[tokio::test]
async fn proxy_that_is_not_there_is_named() {
    let set = [
        ("AWS_ENDPOINT_URL", "http://store.example.com"),
        ("ALL_PROXY", "127.0.0.1:9"),
    ];
    let line = line(&set).await;
    assert!(
        line.contains("through the proxy http://127.0.0.1:9 of ALL_PROXY"),
        "{line}"
    );
    assert!(line.contains("NO_PROXY"), "{line}");
}

#[tokio::test]
async fn store_on_this_machine_is_reached_past_a_proxy() {
    let server = Served::start(|_: &Asked| refusal(404, "", "NoSuchKey"));
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
        let place = place(&[
            ("AWS_ENDPOINT_URL", &server.url),
            (name, "http://127.0.0.1:9"),
        ]);
        let error = place.get("x").await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
        assert_eq!(place.proxy(), None);
    }
}

#[tokio::test]
async fn certificate_that_nobody_vouches_for_is_named_and_can_be_trusted() {
    let server = Served::start_tls(|_: &Asked| refusal(404, "", "NoSuchKey"));
    let line = line(&[("AWS_ENDPOINT_URL", &server.url)]).await;
    assert!(
        line.contains("certificate") && line.contains("AWS_CA_BUNDLE"),
        "{line}"
    );
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), CERTIFICATE).unwrap();
    let trusting = [
        ("AWS_ENDPOINT_URL", server.url.as_str()),
        ("AWS_CA_BUNDLE", bundle.path().to_str().unwrap()),
    ];
    let error = place(&trusting).get("x").await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn wrong_scheme_of_the_endpoint_is_told() {
    let plain = Served::start(|_: &Asked| refusal(404, "", "NoSuchKey"));
    let said = line(&[("AWS_ENDPOINT_URL", &plain.url.replace("http:", "https:"))]).await;
    assert!(said.contains("write http://"), "{said}");
    let encrypted = Served::start_tls(|_: &Asked| refusal(404, "", "NoSuchKey"));
    let said = line(&[(
        "AWS_ENDPOINT_URL",
        &encrypted.url.replace("https:", "http:"),
    )])
    .await;
    assert!(said.contains("write https://"), "{said}");
    let closing = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", closing.local_addr().unwrap());
    std::thread::spawn(move || {
        let read_and_close = |mut connection: std::net::TcpStream| {
            std::io::Read::read(&mut connection, &mut [0; 4096])
        };
        closing.incoming().flatten().map(read_and_close).count()
    });
    let said = line(&[("AWS_ENDPOINT_URL", &url)]).await;
    assert!(said.contains("write http://"), "{said}");
}

#[test]
fn bundle_that_holds_no_certificates_is_named() {
    for text in ["", "no certificate"] {
        let bundle = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), text).unwrap();
        let set = with(&[("AWS_CA_BUNDLE", bundle.path().to_str().unwrap())]);
        let line = Location::open_in("s3://b/x", &set).unwrap_err().to_string();
        assert!(line.contains("AWS_CA_BUNDLE"), "{line}");
    }
}

#[tokio::test]
async fn file_where_a_folder_is_needed_and_the_reverse_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let below = Location::open(file.join("run").to_str().unwrap()).unwrap();
    for error in [
        below.put("x", "x").await.unwrap_err(),
        below.get("x").await.unwrap_err(),
        below.probe().await.unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("where a folder is needed"),
            "{error}"
        );
    }
    let here = Location::open(folder.path().to_str().unwrap()).unwrap();
    std::fs::create_dir_all(folder.path().join("full/below")).unwrap();
    for error in [
        here.put("full", "x").await.unwrap_err(),
        here.get("full").await.unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("where a file is needed"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn letters_of_a_key_reach_the_store_as_they_are() {
    let server = Served::start(|_: &Asked| refusal(404, "", "NoSuchKey"));
    let keys = with(&[
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_ENDPOINT_URL", &server.url),
    ]);
    for (key, sent) in [
        ("data#v2", "data%23v2"),
        ("q?x=1", "q%3Fx%3D1"),
        ("a%20b", "a%2520b"),
        ("a b", "a%20b"),
        ("x\\y", "x%5Cy"),
    ] {
        let place = Location::open_in(&format!("s3://bucket/{key}"), &keys).unwrap();
        place.get("m").await.unwrap_err();
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.line, format!("GET /bucket/{sent}/m"));
    }
}

#[tokio::test]
async fn what_is_not_waited_for_ends() {
    // It takes a request and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let place = place(&[("AWS_ENDPOINT_URL", &url)]);
    let waiting = tokio::spawn(async move { place.get("x").await });
    let (connection, _) = tokio::task::spawn_blocking(move || silent.accept())
        .await
        .unwrap()
        .unwrap();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let closed = tokio::task::spawn_blocking(move || {
        let mut connection = connection;
        std::io::copy(&mut connection, &mut std::io::sink())
    });
    tokio::time::timeout(Duration::from_secs(30), closed)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
