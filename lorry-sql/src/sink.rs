//! The sink: batches into transactions.

use crate::database::Database;
use crate::options::{IfExists, Settings, SqlOptions};
use crate::session::Session;
use lorry_core::registry::Args;
use lorry_core::relay::{Batch, Context, Failures, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

/// Writes messages as rows into a table of a SQL database.
///
/// A batch is one transaction, and its receipt resolves when that is committed. What the database refuses for its data is looked
/// for until the guilty messages are alone; the rows of one message land together or not at all. Whether good messages behind a
/// guilty one may land, the relay's policy says: not under `stop`.
///
/// ```
/// use lorry_sql::{SqlOptions, SqlSink};
///
/// let sink = SqlSink::new(SqlOptions::new("sqlite:///hot.db").table("means")).batch_size(500);
/// ```
#[derive(Debug)]
pub struct SqlSink {
    /// What the options make, or what is wrong with them; told when it is opened.
    ready: Result<Ready>,
    limits: Limits,
    stop: bool,
    running: Option<Running>,
}

/// Work that is ended with its owner, where it can be ended.
#[derive(Debug)]
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Ready {
    session: Arc<Mutex<Session>>,
    blocks: bool,
    if_exists: IfExists,
    identity: String,
}

impl SqlSink {
    /// A sink of these options. They are checked when it is opened.
    pub fn new(options: SqlOptions) -> Self {
        let made = options.args().and_then(|mut args| {
            let made = Self::from_args(&mut args)?;
            args.finish()?;
            Ok(made)
        });
        made.unwrap_or_else(|error| Self { ready: Err(error), limits: Limits::default(), stop: true, running: None })
    }

    pub(crate) fn from_args(args: &mut Args) -> Result<Self> {
        let settings = Settings::take(args)?;
        let Database { writer, identity, batch } = Database::take(args)?;
        let ready = Ready {
            blocks: writer.blocks(),
            if_exists: settings.if_exists,
            identity: format!("{identity} {}", settings.target),
            session: Arc::new(Mutex::new(Session::new(settings, writer))),
        };
        let limits = Limits { items: batch, ..Limits::default() };
        Ok(Self { ready: Ok(ready), limits, stop: true, running: None })
    }

    /// Most messages in one batch; at least 1.
    #[must_use]
    pub fn batch_size(mut self, items: usize) -> Self {
        self.limits.items = items.max(1);
        self
    }

    /// Most bytes in one batch.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// How long a batch that is not full waits while the database is busy with the one before.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.limits.linger = linger;
        self
    }
}

impl Ready {
    /// Starts work with the session. It goes on when the handle is dropped: a transaction is never left half-way by that.
    async fn start<T, F>(&self, work: impl FnOnce(tokio::sync::OwnedMutexGuard<Session>) -> F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let work = work(self.session.clone().lock_owned().await);
        if self.blocks {
            let handle = Handle::current();
            tokio::task::spawn_blocking(move || handle.block_on(work))
        } else {
            tokio::spawn(work)
        }
    }

    /// Work that ends when nobody waits for it any more.
    async fn run<F>(
        &self,
        op: &'static str,
        work: impl FnOnce(tokio::sync::OwnedMutexGuard<Session>) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let handle = self.start(work).await;
        let _running = Running(handle.abort_handle());
        handle.await.map_err(|error| gone(op, error))?
    }
}

fn gone(op: &'static str, error: JoinError) -> Error {
    if error.is_panic() {
        return Error::config(ErrorKind::Panic, op, error);
    }
    Error::new(ErrorKind::Closed, Class::Ambiguous, op, "the writer ended before it answered").caused_by(error)
}

#[async_trait]
impl Sink for SqlSink {
    fn info(&self, _: &Identity) -> SinkInfo {
        let identity = self.ready.as_ref().map(|ready| ready.identity.as_str()).unwrap_or_default();
        SinkInfo::new("sqlsink", identity).loses(["headers", "properties", "the key", "the address"])
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        let ready = self.ready.as_ref().map_err(Error::clone)?;
        self.stop = context.stop_on_refusal;
        if ready.if_exists == IfExists::Replace && context.identity.is_durable() {
            return Err(Error::usage(
                "if-exists=replace empties the table at each start, which a relay with --name must not",
            )
            .hint("leave out --name, or write if-exists=append"));
        }
        context.status.connecting();
        ready.run("open the database", |mut session| async move { session.open().await }).await?;
        context.status.up();
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        let ready = self.ready.as_ref().map_err(Error::clone)?;
        let (stop, len) = (self.stop, batch.len());
        let written = ready.start(move |mut session| async move { session.write(&batch, stop).await }).await;
        self.running = Some(Running(written.abort_handle()));
        Ok(Box::pin(async move {
            match written.await {
                Ok(written) => written,
                Err(error) => Err(Failures::all(len, &gone("insert rows", error))),
            }
        }))
    }

    async fn close(&mut self) -> Result<()> {
        let Ok(ready) = &self.ready else { return Ok(()) };
        ready.run("close the database", |mut session| async move { session.close().await }).await
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::table::{Dialect, Table, TableName};
    use crate::writer::{Part, Refused, Writer};
    use lorry_core::Message;

    /// A database with a fault in it, or one that never answers.
    #[derive(Debug)]
    struct Broken {
        hangs: bool,
        blocks: bool,
        alive: Arc<()>,
    }

    #[async_trait]
    impl Writer for Broken {
        fn dialect(&self) -> &'static dyn Dialect {
            &crate::sqlite::Sqlite
        }

        fn blocks(&self) -> bool {
            self.blocks
        }

        async fn connect(&mut self) -> Result<()> {
            let _alive = self.alive.clone();
            if self.hangs { std::future::pending().await } else { Ok(()) }
        }

        async fn describe(&mut self, _: &TableName) -> Result<Option<Table>> {
            Ok(None)
        }

        async fn execute(&mut self, _: &[String]) -> Result<()> {
            panic!("a fault in the code")
        }

        async fn insert(&mut self, _: &[Part<'_>]) -> Result<(), Refused> {
            Ok(())
        }

        async fn close(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn sink(writer: Broken) -> SqlSink {
        let settings = Settings::take(&mut SqlOptions::new("sqlite::memory:").table("t").args().unwrap()).unwrap();
        let ready = Ready {
            blocks: writer.blocks(),
            if_exists: settings.if_exists,
            identity: String::new(),
            session: Arc::new(Mutex::new(Session::new(settings, Box::new(writer)))),
        };
        SqlSink { ready: Ok(ready), limits: Limits::default(), stop: true, running: None }
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_and_no_doubt() {
        for blocks in [false, true] {
            let mut sink = sink(Broken { hangs: false, blocks, alive: Arc::default() });
            sink.open(Context::detached("s")).await.unwrap();
            let batch = Batch::new(vec![Message::new(r#"{"a":1}"#)]);
            let failures = sink.send(batch).await.unwrap().await.unwrap_err().into_vec();
            assert_eq!((failures[0].error.kind(), failures[0].error.class()), (ErrorKind::Panic, Class::Config));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_open_leaves_nothing_behind() {
        let alive = Arc::new(());
        let mut sink = sink(Broken { hangs: true, blocks: false, alive: alive.clone() });
        let opening = tokio::time::timeout(Duration::from_secs(1), sink.open(Context::detached("s")));
        assert!(opening.await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&alive), 2, "it still connects");
    }
}
