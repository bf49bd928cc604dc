//! Tests of the operations on objects, and the store that misbehaves on purpose.
//! Owns [`Oddity`], which the probe's tests use too.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};

use super::*;
use crate::environment::tests::with;

/// How a store misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// Overwrites on create.
    IgnoresCreate,
    /// Performs the first write and reports a failure.
    LosesFirstAnswer,
}

/// A location on a store in memory with an oddity.
pub(crate) fn odd(oddity: Oddity) -> Location {
    let store = OddStore {
        inner: InMemory::new(),
        oddity,
        done: AtomicBool::new(false),
    };
    Location::over(Arc::new(store), "root", "odd://root")
}

#[derive(Debug)]
struct OddStore {
    inner: InMemory,
    oddity: Oddity,
    done: AtomicBool,
}

impl fmt::Display for OddStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "odd store ({:?})", self.oddity)
    }
}

#[async_trait]
impl ObjectStore for OddStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> StoreResult<PutResult> {
        if self.oddity == Oddity::IgnoresCreate {
            options.mode = PutMode::Overwrite;
        }
        let result = self.inner.put_opts(path, payload, options).await?;
        if self.oddity == Oddity::LosesFirstAnswer && !self.done.swap(true, Ordering::Relaxed) {
            return Err(object_store::Error::Generic {
                store: "odd",
                source: "answer lost".into(),
            });
        }
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn folder() -> (tempfile::TempDir, Location) {
    let folder = tempfile::tempdir().unwrap();
    let root = Location::open(&folder.path().to_string_lossy()).unwrap();
    (folder, root)
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn put_replaces_and_get_reads_back() {
    let (_folder, root) = folder();
    root.put("a/b.json", bytes("old")).await.unwrap();
    root.put("a/b.json", bytes("new")).await.unwrap();
    assert_eq!(root.get("a/b.json").await.unwrap(), "new");
    assert_eq!(root.join("a").get("b.json").await.unwrap(), "new");
}

#[tokio::test]
async fn create_tells_new_ours_and_taken_apart() {
    let (_folder, root) = folder();
    let first = root.create("x", bytes("one")).await.unwrap();
    let again = root.create("x", bytes("one")).await.unwrap();
    let other = root.create("x", bytes("two")).await.unwrap();
    assert_eq!(
        (first, again, other),
        (Created::New, Created::Ours, Created::Taken)
    );
    assert_eq!(root.get("x").await.unwrap(), "one");
}

#[tokio::test]
async fn create_whose_answer_was_lost_is_ours_when_repeated() {
    let root = odd(Oddity::LosesFirstAnswer);
    root.create("x", bytes("one")).await.unwrap_err();
    assert_eq!(root.create("x", bytes("one")).await.unwrap(), Created::Ours);
}

#[tokio::test]
async fn missing_object_is_told_apart() {
    let (_folder, root) = folder();
    assert_eq!(root.get_if_present("no").await.unwrap(), None);
    let url = format!("{}/no/such", root.url());
    assert_eq!(
        root.get("no/such").await.unwrap_err(),
        StoreError::NotFound { url }
    );
}

#[tokio::test]
async fn list_is_sorted_relative_and_empty_where_nothing_is() {
    let (_folder, root) = folder();
    for name in ["b/2", "a/10", "a/1", "ab"] {
        root.put(name, bytes("xyz")).await.unwrap();
    }
    let listed = root.list("").await.unwrap();
    let names: Vec<_> = listed.iter().map(|entry| entry.relative.as_str()).collect();
    assert_eq!(names, ["a/1", "a/10", "ab", "b/2"]);
    assert!(listed.iter().all(|entry| entry.size == 3));
    let below: Vec<_> = root.list("a").await.unwrap();
    assert_eq!(below[0].relative, "a/1");
    assert_eq!(below.len(), 2);
    assert_eq!(root.list_folders("").await.unwrap(), ["a", "b"]);
    assert_eq!(root.join("none").list("").await.unwrap(), []);
    assert_eq!(root.join("none").list_folders("x").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn delete_twice_is_fine() {
    let (_folder, root) = folder();
    root.put("x", bytes("1")).await.unwrap();
    root.delete("x").await.unwrap();
    root.delete("x").await.unwrap();
    assert_eq!(root.get_if_present("x").await.unwrap(), None);
}

#[tokio::test]
async fn names_with_odd_characters_survive_a_round_trip() {
    let base = tempfile::tempdir().unwrap();
    let odd = base.path().join("a b [1] ü%20#2");
    let root = Location::open(&odd.to_string_lossy()).unwrap();
    root.put("case_01/x", bytes("1")).await.unwrap();
    assert!(odd.join("case_01/x").is_file());
    assert_eq!(root.list("").await.unwrap()[0].relative, "case_01/x");
}

#[tokio::test]
async fn write_that_fails_leaves_nothing_under_the_name() {
    let (folder, root) = folder();
    std::fs::create_dir(folder.path().join("x")).unwrap();
    root.put("x", bytes("1")).await.unwrap_err();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a staged file was left behind: {left:?}");
}

#[tokio::test]
async fn store_that_is_down_is_one_line_soon() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let endpoint = format!("http://127.0.0.1:{port}");
    let environment = with(&[
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    let root = Location::open_in("s3://bucket/run", &environment).unwrap();
    let error = root.get("x").await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn parquet_is_called_that_where_the_store_keeps_types() {
    let parquet =
        Attributes::from_iter([(Attribute::ContentType, "application/vnd.apache.parquet")]);
    for kind in [Kind::S3, Kind::Gcs, Kind::Azure] {
        assert_eq!(attributes(kind, "shards/shard-00000.parquet"), parquet);
        assert_eq!(attributes(kind, "manifest.json"), Attributes::new());
    }
    // The local file system refuses attributes.
    assert_eq!(attributes(Kind::Local, "a.parquet"), Attributes::new());
}
