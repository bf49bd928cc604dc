//! Addresses as people type them, and those that would name another place than they say.

use super::*;
use crate::environment::tests::with;

fn parse(text: &str) -> Result<Address, StoreError> {
    Address::parse(text, &with(&[("HOME", "/u/me")]))
}

fn parsed(text: &str) -> Address {
    parse(text).unwrap()
}

fn refusal(text: &str) -> String {
    match parse(text) {
        Err(error @ StoreError::BadAddress { .. }) => error.to_string(),
        other => panic!("{text:?} is not refused: {other:?}"),
    }
}

#[test]
fn relative_path_becomes_absolute() {
    let here = std::env::current_dir().unwrap();
    let address = parsed("runs/./first");
    assert_eq!(address.url, here.join("runs/first").to_string_lossy());
    assert_eq!(address.kind, Kind::Local);
}

#[test]
fn parent_steps_are_resolved() {
    assert_eq!(parsed("/no-such/a/../b/").url, "/no-such/b");
    assert_eq!(parsed("/no-such/a/../b").path.as_ref(), "no-such/b");
}

#[test]
fn parent_step_follows_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().canonicalize().unwrap().join("deep/real");
    std::fs::create_dir_all(&real).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let address = parsed(&format!("{}/../x", link.display()));
    assert_eq!(address.url, real.with_file_name("x").to_string_lossy());
}

#[test]
fn file_address_and_plain_path_are_the_same() {
    assert_eq!(parsed("file:///a/b%20c"), parsed("/a/b c"));
    assert_eq!(parsed("FILE:///a/b"), parsed("/a/b"));
    assert_eq!(parsed("file://localhost/a"), parsed("/a"));
}

#[test]
fn letters_of_a_local_path_are_kept() {
    for name in [
        "run#1",
        "q?x=1",
        "r%20x",
        "my run é+#1%20",
        "a:b",
        "x://y",
        "x\\y",
        "~",
    ] {
        let address = parsed(&format!("/a/{name}"));
        assert_eq!(address.url, format!("/a/{}", name.replace("//", "/")));
    }
    assert_eq!(parsed("file:///a/run#1?x").url, "/a/run#1?x");
    assert_eq!(parsed("file:///a/run%231").url, "/a/run#1");
}

#[test]
fn letters_of_a_key_are_kept() {
    for key in [
        "data#v2",
        "q?x=1",
        "a%20b",
        "a b",
        "100%",
        "x\\y",
        "run é+~@:",
        "~/x",
        "a/b.c/d",
        "C:/x",
    ] {
        for scheme in ["s3", "gs", "az"] {
            let address = parsed(&format!("{scheme}://bucket/{key}"));
            assert_eq!(address.path.as_ref(), key);
            assert_eq!(address.url, format!("{scheme}://bucket/{key}"));
        }
    }
}

#[test]
fn remote_address_keeps_its_path() {
    let address = parsed("s3://bucket/runs/one/");
    assert_eq!(address.url, "s3://bucket/runs/one");
    assert_eq!(address.path.as_ref(), "runs/one");
    assert_eq!(address.bucket, "bucket");
    assert_eq!(parsed("gs://bucket").path.as_ref(), "");
    assert_eq!(parsed("gs://bucket/").url, "gs://bucket");
    assert_eq!(parsed("az://container/x").kind, Kind::Azure);
    assert_eq!(parsed("S3://bucket/A"), parsed("s3://bucket/A"));
}

#[test]
fn container_of_an_account_is_no_credential() {
    let address = parsed("abfss://c@a.dfs.core.windows.net/x");
    assert_eq!(address.bucket, "c");
    assert_eq!(address.account.as_deref(), Some("a.dfs.core.windows.net"));
    assert_eq!(address.url, "abfss://c@a.dfs.core.windows.net/x");
}

#[test]
fn tilde_is_the_home_folder() {
    assert_eq!(parsed("~/runs/x").url, "/u/me/runs/x");
    assert_eq!(parsed("~").url, "/u/me");
    assert_eq!(parsed("~//x").url, "/u/me/x");
    let root = nix::unistd::User::from_name("root").unwrap().unwrap().dir;
    assert_eq!(parsed("~root/x").url, root.join("x").to_string_lossy());
    assert!(refusal("~no-such-user/x").contains("no user `no-such-user`"));
    assert!(parsed("./~/x").url.ends_with("/~/x"));
    assert!(parsed("a~").url.ends_with("/a~"));
}

#[test]
fn tilde_without_a_variable_is_what_the_system_says() {
    let address = Address::parse("~/x", &with(&[])).unwrap();
    assert!(address.url.starts_with('/') && !address.url.contains('~'));
    let error = Address::parse("~/x", &with(&[("HOME", "not/absolute")])).unwrap_err();
    assert!(error.to_string().contains("HOME"), "{error}");
}

#[test]
fn unknown_scheme_is_named() {
    let error = parse("ftp://u:p@host/x?t=1").unwrap_err();
    assert!(matches!(&error, StoreError::Unsupported { scheme, .. } if scheme == "ftp"));
    assert!(!error.to_string().contains("u:p"), "{error}");
}

#[test]
fn half_typed_addresses_are_refused() {
    for text in [
        "",
        "  ",
        "s3:/bucket/x",
        "S3:/bucket/x",
        "s3:bucket",
        "file:/x",
        "hdfs:/x",
        "s3://",
        "s3:///x",
        "file://host/x",
        "file://~/x",
        "file://x",
    ] {
        refusal(text);
    }
}

#[test]
fn what_would_be_another_place_is_refused() {
    for (text, reason) in [
        ("s3://b/a/../c", ".."),
        ("s3://b/./c", "`.`"),
        ("s3://b//c", "`//`"),
        ("s3://b/c//", "`//`"),
        ("gs://b/a/..", ".."),
        ("az://b/..", ".."),
        ("s3://b/run ", "blank"),
        (" s3://b/run", "blank"),
        ("runs/x\n", "blank"),
        ("runs/a\u{7}b", "control"),
        ("s3://b/a\tb", "control"),
        ("s3://b?x/run", "no `?`"),
        ("s3://b#1/run", "no `#`"),
        ("s3://b:9000/run", "no `:`"),
        ("C:\\data\\x", "Windows"),
        ("c:/data", "Windows"),
        ("D:", "Windows"),
        ("file:///C:/data", "Windows"),
        ("\\\\server\\share", "`\\`"),
        ("runs\\first", "`\\`"),
        ("file:///a/100%", "%20"),
        ("file:///a/%zz", "%20"),
        ("file:///a%00b", "%20"),
    ] {
        let line = refusal(text);
        assert!(line.contains(reason), "{text:?}: {line}");
        assert!(!line.contains('\n') && !line.contains('\u{7}'), "{line:?}");
    }
}

#[test]
fn credentials_in_an_address_are_refused_and_not_shown() {
    for text in [
        "s3://KEY:HIDDEN@b/run",
        "s3://HIDDEN@b/run",
        "gs://u:HIDDEN@b/run",
        "az://u:HIDDEN@b/run",
        "s3://b/k?X-Amz-Credential=a&X-Amz-Signature=HIDDEN",
        "az://c/k?sv=1&sig=HIDDEN",
        "s3://b/run?token=HIDDEN",
    ] {
        let line = refusal(text);
        assert!(!line.contains("HIDDEN"), "{line}");
    }
}
