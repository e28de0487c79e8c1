//! The typed door: values of a host program's own type, into its own tables, through its own Diesel model and connections.

mod error;
mod writer;

use diesel::QueryResult;
use diesel_async::AsyncConnection;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lorry_core::relay::{Batch, Context, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Class, Error, Result, async_trait};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use writer::Writer;

/// How long one transaction may take unless [`DieselSink::timeout`] says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A sink for values of the host program's own type `T`: its own Diesel model, its own tables, its own connections `C`.
///
/// It is made of two closures. The first gives a connection: from a pool, or newly established. The second inserts a batch through
/// it; every statement of Diesel may stand there: several tables, `ON CONFLICT`, an upsert. Everything else is the sink's work.
///
/// ```
/// use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
/// use lorry_core::relay::Batch;
/// use lorry_sql::DieselSink;
///
/// diesel::table! {
///     readings (id) {
///         id -> Int8,
///         celsius -> Float8,
///     }
/// }
///
/// #[derive(diesel::Insertable)]
/// #[diesel(table_name = readings)]
/// struct Reading {
///     id: i64,
///     celsius: f64,
/// }
///
/// let sink = DieselSink::new(
///     || AsyncPgConnection::establish("postgres://weather@localhost/weather"),
///     async |conn: &mut AsyncPgConnection, rows: Batch<Reading>| {
///         let rows: Vec<&Reading> = rows.iter().collect();
///         diesel::insert_into(readings::table).values(rows).execute(conn).await
///     },
/// )
/// .identity("weather/readings");
/// ```
///
/// With a pool the first closure is `move || { let pool = pool.clone(); async move { pool.get().await } }`. The sink keeps the one
/// connection that it was given until something goes wrong with it, so that prepared statements stay cached.
///
/// # What it promises
///
/// * A batch is one transaction: the closure runs inside it and must not open or end one of its own (nested ones, savepoints, are
///   fine). The receipt says `Ok` after COMMIT.
/// * When rows are refused by the database, the batch is halved, each half in a transaction of its own, until the guilty rows stand
///   alone and are named, class `data`. All others are committed; under the policy `stop` only those before the first guilty one, and
///   the rest is left for the next run.
/// * When the connection breaks, the sink takes a new one at the next batch. What was in flight is sent again by the relay. If the
///   answer to COMMIT is lost nobody knows whether the rows are in (class `ambiguous`): they come again, and `ON CONFLICT DO NOTHING`
///   on a key of your own makes that harmless.
/// * A closure that panics fails its rows (class `data`) and nothing else. One that returns
///   [`RollbackTransaction`](diesel::result::Error::RollbackTransaction) refuses them.
///
/// # What the errors mean
///
/// Diesel tells eight kinds of database errors apart. Violated constraints are class `data`; serialization failures, a server that
/// went read-only and lost connections are `transient`. For all others only the server's text is left: the known ones (deadlock,
/// shutdown, disk full, busy; missing table or permission) are recognised in English. What is not recognised is tried once more
/// through a new connection, and is `data` when it fails again. [`classify`](DieselSink::classify) knows better where you do.
///
/// # SQLite
///
/// diesel-async has no multi-row insert for SQLite, and awaiting each row costs a thread hop per row. Run the batch in one hop instead;
/// a [`Batch`] is cheap to clone and needs no borrow:
///
/// ```
/// # use diesel::RunQueryDsl;
/// # use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
/// # use lorry_core::relay::Batch;
/// # use lorry_sql::DieselSink;
/// # diesel::table! { readings (id) { id -> BigInt, celsius -> Double, } }
/// # #[derive(diesel::Insertable)]
/// # #[diesel(table_name = readings)]
/// # struct Reading { id: i64, celsius: f64 }
/// type Connection = SyncConnectionWrapper<diesel::SqliteConnection>;
///
/// let sink = DieselSink::new(
///     || <Connection as diesel_async::AsyncConnection>::establish("weather.db"),
///     async |conn: &mut Connection, rows: Batch<Reading>| {
///         conn.spawn_blocking(move |conn| {
///             diesel::insert_into(readings::table).values(rows.iter().collect::<Vec<_>>()).execute(conn)
///         })
///         .await
///     },
/// );
/// ```
///
/// SQLite takes 32,766 values in a statement: with more than 32 columns lower the [`batch_size`](DieselSink::batch_size).
/// PostgreSQL takes 65,535.
pub struct DieselSink<T, C> {
    identity: String,
    limits: Limits,
    writer: Arc<Mutex<Writer<T, C>>>,
}

impl<T, C> DieselSink<T, C>
where
    T: Send + Sync + 'static,
    C: AsyncConnection + 'static,
{
    /// A sink that takes a connection from `connect` and writes each batch by `insert`.
    ///
    /// `insert` is cloned for each batch: let it capture handles (`Arc`), if anything. The number it returns is not looked at; 0 rows
    /// written is a success, as `ON CONFLICT DO NOTHING` has it.
    pub fn new<F, Fut, E, W, R>(connect: F, insert: W) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
        for<'c> W: AsyncFnOnce(&'c mut C, Batch<T>) -> QueryResult<R>
            + AsyncInsert<&'c mut C, Batch<T>, QueryResult<R>, Fut: Send>
            + Clone
            + Send
            + Sync
            + 'static,
        R: Send + 'static,
    {
        let connect =
            move || -> BoxFuture<'static, Result<C>> { connect().map(|made| made.map_err(error::connecting)).boxed() };
        let insert = Insert(Arc::new(move |conn: &mut C, rows: Batch<T>| {
            let insert = insert.clone();
            async move { insert(conn, rows).await.map(drop) }.boxed()
        }));
        Self {
            identity: std::any::type_name::<T>().to_owned(),
            limits: Limits::default(),
            writer: Arc::new(Mutex::new(Writer::new(Box::new(connect), insert, TIMEOUT))),
        }
    }

    /// The destination's canonical name, for reports: database and table. Without it, the name of the type `T`.
    #[must_use]
    pub fn identity(mut self, name: impl Into<String>) -> Self {
        self.identity = name.into();
        self
    }

    /// Most values in one batch; 1,000 without it, 1 at least.
    #[must_use]
    pub fn batch_size(mut self, items: usize) -> Self {
        self.limits.items = items.max(1);
        self
    }

    /// How long a batch that is not full may wait while the sink is busy; an idle sink gets what there is at once.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.limits.linger = linger;
        self
    }

    /// How long connecting, and then a transaction, may take before the connection is given up as hung; 60 s without it.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.configure(|writer| writer.timeout = timeout)
    }

    /// Tells the class of the errors that `judge` knows better; `None` leaves one to the sink.
    ///
    /// ```
    /// # use diesel::result::{DatabaseErrorKind::Unknown, Error::DatabaseError};
    /// # use lorry_core::Class;
    /// fn ours(error: &diesel::result::Error) -> Option<Class> {
    ///     match error {
    ///         DatabaseError(Unknown, info) if info.message().starts_with("quota") => Some(Class::Transient),
    ///         _ => None,
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn classify(self, judge: impl Fn(&diesel::result::Error) -> Option<Class> + Send + Sync + 'static) -> Self {
        self.configure(|writer| writer.judge = Some(Box::new(judge)))
    }

    fn configure(self, change: impl FnOnce(&mut Writer<T, C>)) -> Self {
        // Nothing else holds the writer before the sink is opened.
        if let Ok(mut writer) = self.writer.try_lock() {
            change(&mut writer);
        }
        self
    }
}

#[async_trait]
impl<T, C> Sink<T> for DieselSink<T, C>
where
    T: Send + Sync + 'static,
    C: AsyncConnection + 'static,
{
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("dieselsink", self.identity.clone())
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        let mut writer = self.writer.lock().await;
        writer.stop_on_refusal = context.stop_on_refusal;
        writer.connect().await.map_err(|error| error.with("sink", &self.identity))
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        let writer = self.writer.clone();
        Ok(async move { writer.lock().await.write(&batch).await }.boxed())
    }

    async fn close(&mut self) -> Result<()> {
        self.writer.lock().await.disconnect();
        Ok(())
    }
}

impl<T, C> fmt::Debug for DieselSink<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DieselSink")
            .field("identity", &self.identity)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// An async closure of two arguments whose future can be named, so that it can be bound to `Send`. Implemented for all of them;
/// there is nothing to do with it but to read the signature of [`DieselSink::new`].
pub trait AsyncInsert<A, B, R>: AsyncFnOnce(A, B) -> R + FnOnce(A, B) -> <Self as AsyncInsert<A, B, R>>::Fut {
    /// What the closure returns.
    type Fut: Future<Output = R>;
}

impl<F, A, B, R, Fut> AsyncInsert<A, B, R> for F
where
    F: AsyncFnOnce(A, B) -> R + FnOnce(A, B) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

type DynInsert<T, C> = dyn for<'c> Fn(&'c mut C, Batch<T>) -> BoxFuture<'c, QueryResult<()>> + Send + Sync;

/// The host's insert closure, without its type.
struct Insert<T, C>(Arc<DynInsert<T, C>>);

impl<T, C> Clone for Insert<T, C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

type Connect<C> = Box<dyn Fn() -> BoxFuture<'static, Result<C, Error>> + Send + Sync>;
type Judge = Box<dyn Fn(&diesel::result::Error) -> Option<Class> + Send + Sync>;
