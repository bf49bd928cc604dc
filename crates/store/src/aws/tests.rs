//! Settings of S3 as environments and profiles give them, and credentials from real services on this machine.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::*;
use crate::Location;
use crate::environment::tests::with;
use crate::tests::served::{Answered, Asked, Served};
use crate::wire::now;

fn read(set: &[(&str, &str)]) -> Result<AwsSettings, StoreError> {
    let nobody = [
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    AwsSettings::read("s3://b", &with(&[&nobody, set].concat()))
}

fn refusal(set: &[(&str, &str)]) -> String {
    read(set).unwrap_err().to_string()
}

#[test]
fn nothing_set_is_amazon_in_us_east_1() {
    let settings = read(&[("AWS_REGION", ""), ("AWS_ENDPOINT_URL", "")]).unwrap();
    assert_eq!(settings.endpoint, None);
    assert_eq!(settings.region, "us-east-1");
    assert!(!settings.is_plain_http());
}

#[test]
fn more_special_variable_wins_and_an_empty_one_does_not_count() {
    let settings = read(&[
        ("AWS_ENDPOINT_URL", "https://all"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:8333\n"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_REGION", "eu-north-1"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.endpoint.as_deref(), Some("http://127.0.0.1:8333"));
    assert_eq!(settings.region, "eu-north-1");
    assert!(settings.is_plain_http());
    let settings = read(&[
        ("AWS_ENDPOINT_URL_S3", ""),
        ("AWS_ENDPOINT_URL", " "),
        ("AWS_ENDPOINT", "http://localhost:1"),
    ]);
    assert_eq!(
        settings.unwrap().endpoint.as_deref(),
        Some("http://localhost:1")
    );
}

#[test]
fn endpoint_that_is_none_is_named_with_its_variable() {
    for endpoint in [
        "127.0.0.1:8333",
        "localhost:8333",
        "ftp://x",
        "http://",
        "http://h?x=1",
        "http://h#x",
    ] {
        for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"] {
            let message = refusal(&[(name, endpoint)]);
            let start = endpoint.split(['?', '#']).next().unwrap();
            assert!(message.contains(&format!("{name} = {start}")), "{message}");
        }
    }
    let message = refusal(&[("AWS_ENDPOINT_URL", "http://me:hidden@h")]);
    assert!(
        message.contains("AWS_ENDPOINT_URL") && !message.contains("hidden"),
        "{message}"
    );
}

#[test]
fn half_a_key_pair_is_refused() {
    for other in ["", " "] {
        let message = refusal(&[
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", other),
        ]);
        assert!(
            message.contains("AWS_SECRET_ACCESS_KEY is not"),
            "{message}"
        );
    }
}

#[test]
fn line_break_in_a_key_is_named_and_not_shown() {
    let message = refusal(&[
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "hidden\n"),
    ]);
    assert!(message.contains("AWS_SECRET_ACCESS_KEY has"), "{message}");
    assert!(!message.contains("hidden"), "{message}");
}

#[test]
fn region_and_endpoint_come_from_the_profile_too() {
    let home = home(
        "[default]\nregion = eu-west-2\n[profile lab]\nregion=eu-north-1\nservices = ours\n\
         [services ours]\ns3 =\n  endpoint_url = http://store:9000\n",
        "",
    );
    let home = home.path().to_str().unwrap();
    let settings = AwsSettings::read("s3://b", &with(&[("HOME", home)])).unwrap();
    assert_eq!(
        (settings.region.as_str(), settings.endpoint),
        ("eu-west-2", None)
    );
    let lab = [("HOME", home), ("AWS_PROFILE", "lab")];
    let settings = AwsSettings::read("s3://b", &with(&lab)).unwrap();
    assert_eq!(settings.region, "eu-north-1");
    assert_eq!(settings.endpoint.as_deref(), Some("http://store:9000"));
    let absent = with(&[("HOME", home), ("AWS_PROFILE", "nobody")]);
    let message = AwsSettings::read("s3://b", &absent)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("AWS_PROFILE = nobody names no profile"),
        "{message}"
    );
    let empty = with(&[("HOME", home), ("AWS_PROFILE", "")]);
    assert_eq!(
        AwsSettings::read("s3://b", &empty).unwrap().region,
        "eu-west-2"
    );
}

/// A home folder with the two files of the AWS tools.
fn home(config: &str, credentials: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".aws");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config"), config).unwrap();
    std::fs::write(folder.join("credentials"), credentials).unwrap();
    home
}

/// The time of day so many seconds from now, as services write it.
fn in_seconds(seconds: u64) -> String {
    let then = now() + Duration::from_secs(seconds);
    let seconds = then
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    aws_smithy_types::DateTime::from_secs(seconds as i64)
        .fmt(aws_smithy_types::date_time::Format::DateTime)
        .unwrap()
}

/// An S3 store that takes the keys that `is_good` takes, by the id in the signature, and holds one object.
fn store(is_good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Served {
    Served::start(move |asked| {
        let signed = asked.header("authorization").unwrap_or_default();
        let key = signed
            .split("Credential=")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        if key.is_some_and(&is_good) {
            let headers = "etag: \"e\"\r\nlast-modified: Mon, 30 Nov 2026 00:00:00 GMT\r\n";
            return (200, headers.to_owned(), "here".to_owned());
        }
        let body =
            "<Error><Code>ExpiredToken</Code><Message>The token has expired</Message></Error>";
        (400, String::new(), body.to_owned())
    })
}

/// What a service of a container or an instance hands out.
fn handed_out(key: &str, seconds: u64) -> Answered {
    let expiration = in_seconds(seconds);
    let body = format!(
        r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"s","Token":"t","Expiration":"{expiration}","LastUpdated":"{expiration}","Type":"AWS-HMAC"}}"#
    );
    (200, "content-type: application/json\r\n".to_owned(), body)
}

/// What STS hands out.
fn assumed(operation: &str, key: &str, seconds: u64) -> Answered {
    let expiration = in_seconds(seconds);
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </{operation}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    );
    (200, "content-type: text/xml\r\n".to_owned(), body)
}

async fn get(set: &[(&str, &str)], store: &Served) -> Result<String, StoreError> {
    let place = open(set, store);
    let got = place.get("x").await?;
    Ok(String::from_utf8(got.to_vec()).unwrap())
}

fn open(set: &[(&str, &str)], store: &Served) -> Location {
    let always = [
        ("AWS_ENDPOINT_URL_S3", store.url.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Location::open_in("s3://bucket/run", &with(&[&always, set].concat())).unwrap()
}

#[tokio::test]
async fn keys_of_a_profile_are_used_and_empty_ones_of_the_environment_are_not() {
    let store = store(|key| key == "PROFILE" || key == "LAB");
    let home = home(
        "",
        "[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n\
         [lab]\naws_access_key_id = LAB\naws_secret_access_key = s\naws_session_token = t\n",
    );
    let home = ("HOME", home.path().to_str().unwrap());
    let empty = [
        home,
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ""),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", ""),
        ("AWS_PROFILE", ""),
    ];
    assert_eq!(get(&empty, &store).await.unwrap(), "here");
    assert_eq!(
        store.asked().last().unwrap().header("x-amz-security-token"),
        None
    );
    assert_eq!(
        get(&[home, ("AWS_PROFILE", "lab")], &store).await.unwrap(),
        "here"
    );
    assert_eq!(
        store.asked().last().unwrap().header("x-amz-security-token"),
        Some("t")
    );
}

#[tokio::test]
async fn role_of_a_profile_is_assumed_with_its_source() {
    let sts = Served::start(|asked: &Asked| {
        match asked
            .body
            .contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr")
        {
            true => assumed("AssumeRole", "ASSUMED", 3600),
            false => (400, String::new(), String::new()),
        }
    });
    let store = store(|key| key == "ASSUMED");
    let home = home(
        "[profile lab]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nregion = eu-west-1\n",
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = s\n",
    );
    let set = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_PROFILE", "lab"),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
    ];
    assert_eq!(get(&set, &store).await.unwrap(), "here");
    let signed = sts.asked()[0].header("authorization").unwrap().to_owned();
    assert!(signed.contains("Credential=BASE/"), "{signed}");
}

#[tokio::test]
async fn process_of_a_profile_is_run() {
    let store = store(|key| key == "PROCESS");
    let answer = r#"{\"Version\":1,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}"#;
    let config = format!("[default]\ncredential_process = echo \"{answer}\"\n");
    let home = home(&config, "");
    let set = [("HOME", home.path().to_str().unwrap())];
    assert_eq!(get(&set, &store).await.unwrap(), "here");
}

#[tokio::test]
async fn token_of_a_web_identity_is_exchanged() {
    let sts = Served::start(|asked: &Asked| {
        match asked.body.contains("WebIdentityToken=token-of-a-pod") {
            true => assumed("AssumeRoleWithWebIdentity", "WEB", 3600),
            false => (400, String::new(), String::new()),
        }
    });
    let store = store(|key| key == "WEB");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "token-of-a-pod").unwrap();
    let set = [
        ("HOME", "/no-such"),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            token.path().to_str().unwrap(),
        ),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
        ("AWS_ENDPOINT_URL", ""),
    ];
    assert_eq!(get(&set, &store).await.unwrap(), "here");
}

#[tokio::test]
async fn service_of_a_container_is_asked_with_its_token() {
    let service = Served::start(|asked: &Asked| match asked.header("authorization") {
        Some("token-of-a-pod") => handed_out("CONTAINER", 3600),
        _ => (401, String::new(), String::new()),
    });
    let store = store(|key| key == "CONTAINER");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "token-of-a-pod").unwrap();
    let full = format!("{}/v1/credentials", service.url);
    let set = [
        ("HOME", "/no-such"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            token.path().to_str().unwrap(),
        ),
        // The service is on this machine, and so it is asked past the proxy.
        ("http_proxy", "http://127.0.0.1:9"),
    ];
    assert_eq!(get(&set, &store).await.unwrap(), "here");
}

#[tokio::test]
async fn service_of_an_instance_is_asked_last() {
    let service = Served::start(|asked: &Asked| match asked.line.as_str() {
        "PUT /latest/api/token" => (
            200,
            "x-aws-ec2-metadata-token-ttl-seconds: 600\r\n".to_owned(),
            "t".to_owned(),
        ),
        "GET /latest/meta-data/iam/security-credentials/" => {
            (200, String::new(), "role".to_owned())
        }
        "GET /latest/meta-data/iam/security-credentials/role" => handed_out("INSTANCE", 3600),
        _ => (404, String::new(), String::new()),
    });
    let store = store(|key| key == "INSTANCE");
    let set = [
        ("HOME", "/no-such"),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url.as_str()),
    ];
    assert_eq!(get(&set, &store).await.unwrap(), "here");
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire_and_outlast_a_service_that_fails() {
    let handed = AtomicU64::new(0);
    let service = Served::start(
        move |_: &Asked| match handed.fetch_add(1, Ordering::Relaxed) {
            // Due at once, since three quarters of no time have passed; good all the same.
            0 => handed_out("FIRST", 1),
            1 => handed_out("SECOND", 3600),
            _ => (500, String::new(), String::new()),
        },
    );
    let store = store(|key| key == "FIRST" || key == "SECOND");
    let full = format!("{}/v1/credentials", service.url);
    let place = open(
        &[
            ("HOME", "/no-such"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()),
        ],
        &store,
    );
    place.get("x").await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), async {
        while service.asked().len() < 2 {
            place.get("x").await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    place.get("x").await.unwrap();
    let last = store.asked().pop().unwrap();
    assert!(
        last.header("authorization").unwrap().contains("SECOND"),
        "{last:?}"
    );
    assert_eq!(service.asked().len(), 2);
}

#[tokio::test]
async fn keys_that_a_tool_replaces_in_the_file_are_read_again_when_the_store_refuses_the_old() {
    let now = AtomicU64::new(0);
    // The store takes the old keys once.
    let store = store(move |key| match key {
        "OLD" => now.fetch_add(1, Ordering::Relaxed) == 0,
        key => key == "NEW",
    });
    let file =
        |key: &str| format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n");
    let home = home("", &file("OLD"));
    let place = open(&[("HOME", home.path().to_str().unwrap())], &store);
    place.get("x").await.unwrap();
    let refused = place.get("x").await.unwrap_err().to_string();
    assert!(
        refused.contains("the credentials have expired"),
        "{refused}"
    );
    std::fs::write(home.path().join(".aws/credentials"), file("NEW")).unwrap();
    assert_eq!(place.get("x").await.unwrap(), "here");
}

#[tokio::test]
async fn nobody_to_ask_for_credentials_is_said_in_one_line() {
    let store = store(|_| true);
    let line = get(&[("HOME", "/no-such")], &store)
        .await
        .unwrap_err()
        .to_string();
    assert!(line.contains("no credentials are set"), "{line}");
    assert_eq!(store.asked().len(), 0);
}

#[tokio::test]
async fn service_that_refuses_is_the_reason() {
    let sts = Served::start(|_: &Asked| {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not allowed to assume</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        (
            403,
            "content-type: text/xml\r\n".to_owned(),
            body.to_owned(),
        )
    });
    let store = store(|_| true);
    let home = home(
        "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n",
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = HIDDEN\n",
    );
    let set = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
    ];
    let line = get(&set, &store).await.unwrap_err().to_string();
    assert!(
        line.contains("AccessDenied") && !line.contains("HIDDEN"),
        "{line}"
    );
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn files_that_are_no_profiles_are_named() {
    let home = home("this is no profile\n", "");
    let set = with(&[("HOME", path(home.path()))]);
    let line = AwsSettings::read("s3://b", &set).unwrap_err().to_string();
    assert!(
        line.contains("~/.aws/config") && !line.contains('\n'),
        "{line}"
    );
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
