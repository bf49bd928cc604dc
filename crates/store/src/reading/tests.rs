//! A store whose answers break off, end early, stall or change, and what is read from it all the same.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};

use super::*;
use crate::RetryPolicy;

/// What becomes of one answer.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Unavailable,
    Reset,
    EndsEarly,
    Stalls,
    NeverAnswers,
    Replaced,
}

#[derive(Debug)]
struct Faulty {
    inner: InMemory,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Option<GetRange>>>,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

fn broken(kind: HttpErrorKind) -> object_store::Error {
    let cause = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    object_store::Error::Generic {
        store: "faulty",
        source: Box::new(HttpError::new(kind, cause)),
    }
}

impl Faulty {
    fn spoil(&self, mut answer: GetResult, bytes: &Bytes, fault: Fault) -> GetResult {
        let half = bytes.slice(..bytes.len() / 2);
        let first = stream::iter([Ok(half)]);
        let body: BoxStream<'static, StoreResult<Bytes>> = match fault {
            Fault::Reset => first
                .chain(stream::iter([Err(broken(HttpErrorKind::Decode))]))
                .boxed(),
            Fault::Stalls => first.chain(stream::pending()).boxed(),
            _ => first.boxed(),
        };
        answer.payload = GetResultPayload::Stream(body);
        answer
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.asked.lock().unwrap().push(options.range.clone());
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::Unavailable) => return Err(broken(HttpErrorKind::Connect)),
            Some(Fault::NeverAnswers) => std::future::pending().await,
            _ => {}
        }
        let answer = self.inner.get_opts(path, options.clone()).await?;
        let Some(fault) = fault else {
            return Ok(answer);
        };
        let bytes = answer.bytes().await?;
        let answer = self.inner.get_opts(path, options).await?;
        if matches!(fault, Fault::Replaced) {
            self.inner.put(path, vec![9; 100].into()).await?;
        }
        Ok(self.spoil(answer, &bytes, fault))
    }

    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
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

const RETRY: RetryPolicy = RetryPolicy {
    stall: Duration::from_millis(60),
    total: Duration::from_secs(20),
};

/// A location whose object `x` holds the numbers from 0 to 99, behind these faults; the store has answered before.
async fn faulty(faults: &[Fault]) -> (Arc<Faulty>, Location) {
    let store = Arc::new(Faulty {
        inner: InMemory::new(),
        faults: Mutex::new(faults.iter().copied().collect()),
        asked: Mutex::default(),
    });
    let root = Location::over(Arc::clone(&store) as _, "", "s3://b").with_retry_policy(RETRY);
    let numbers: Vec<u8> = (0..100).collect();
    root.put("x", numbers).await.unwrap();
    (store, root)
}

fn numbers(range: Range<u8>) -> Vec<u8> {
    range.collect()
}

#[tokio::test]
async fn a_body_goes_on_from_where_it_stopped_whatever_stopped_it() {
    let faults = [
        Fault::Unavailable,
        Fault::Reset,
        Fault::EndsEarly,
        Fault::NeverAnswers,
        Fault::Stalls,
    ];
    let (store, root) = faulty(&faults).await;
    assert_eq!(root.get("x").await.unwrap(), numbers(0..100));
    let asked = store.asked.lock().unwrap().clone();
    // Half of what is left comes each time.
    let from = |at| Some(GetRange::Offset(at));
    assert_eq!(asked, [None, None, from(50), from(75), from(75), from(87)]);
    assert_eq!(root.failures(), 5);
}

#[tokio::test]
async fn ranges_come_back_as_asked_for() {
    let (_, root) = faulty(&[Fault::Reset, Fault::Stalls]).await;
    let found = root.get_ranges("x", &[3..7, 20..21, 90..120]).await;
    let expected = [numbers(3..7), numbers(20..21), numbers(90..100)];
    assert_eq!(found.unwrap(), expected);
    assert_eq!(root.size("x").await.unwrap(), 100);
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_read_anew() {
    let (_, root) = faulty(&[Fault::Replaced]).await;
    assert_eq!(root.get("x").await.unwrap(), vec![9; 100]);
}

#[tokio::test]
async fn patience_ends_in_one_line_with_tries_and_last_cause() {
    let (_, root) = faulty(&[Fault::Reset; 1000]).await;
    let root = root.with_retry_policy(RetryPolicy {
        total: Duration::from_millis(300),
        ..RETRY
    });
    let error = root.get("x").await.unwrap_err();
    let line = error.to_string();
    assert!(error.is_transient(), "{line}");
    assert!(
        line.contains("s3://b/x") && line.contains("tries in 0 s"),
        "{line}"
    );
    assert!(line.contains("connection reset"), "{line}");
}

#[tokio::test]
async fn a_store_that_never_answered_is_given_up_at_its_first_refusal() {
    let (store, _) = faulty(&[Fault::Unavailable]).await;
    let root = Location::over(Arc::clone(&store) as _, "", "s3://b");
    assert!(root.get("x").await.unwrap_err().is_transient());
    assert_eq!(store.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_another_has_reached_is_borne_with_from_the_first_call() {
    let (store, _) = faulty(&[Fault::Unavailable]).await;
    let root = Location::over(Arc::clone(&store) as _, "", "s3://b").assume_reachable();
    root.get("x").await.unwrap();
    assert_eq!(store.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_twice() {
    let (store, root) = faulty(&[]).await;
    let error = root.get("y").await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    assert_eq!(store.asked.lock().unwrap().len(), 1);
}
