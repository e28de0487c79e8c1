//! The connection as a task of its own: it connects, reads, writes, pings and comes back, whether or not anybody polls the source or
//! sink that owns it.

mod arrivals;
mod batches;
mod connect;
mod connection;
mod drops;
mod receive;
mod serve;
mod tls;
mod wire;

pub(crate) use arrivals::{Delivery, Inbox};
pub(crate) use batches::{Reply, Token};
pub(crate) use connect::Endpoint;

use crate::packet::Publish;
use crate::session::{Blame, Session, Setup};
use arrivals::Arrivals;
use batches::Batches;
use connection::Connection;
use drops::{Drops, Suspicion};
use lorry_core::relay::{Failure, LaneId, Settled, Status};
use lorry_core::{Backoff, Class, Error, ErrorKind, Next, Result, Retry};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        len: usize,
        publishes: Vec<(usize, Publish)>,
        failures: Vec<Failure>,
        reply: Reply,
    },
    Settled(Vec<Settled>),
    /// The queue of arrivals was emptied.
    Taken,
    Close(oneshot::Sender<()>),
}

/// How far the task has come.
#[derive(Clone, Debug)]
enum Progress {
    Beginning,
    Up,
    Ended(Error),
}

/// The task, from outside. Dropping it ends the connection at once.
#[derive(Debug)]
pub(crate) struct Client {
    /// Bounded by what a sink may have outstanding ([`Limits::receipts`](lorry_core::relay::Limits::receipts)), and by what a source has
    /// handed over and not settled.
    commands: mpsc::UnboundedSender<Command>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

impl Client {
    /// Starts the task. What arrives goes to the inbox; a message with a larger payload than this is refused there.
    pub(crate) fn spawn(
        endpoint: Endpoint,
        setup: Setup,
        max_message_size: usize,
        retry: Retry,
        status: Status,
    ) -> (Self, Inbox) {
        let (commands, orders) = mpsc::unbounded_channel();
        let (reached, progress) = watch::channel(Progress::Beginning);
        let (arrivals, inbox) = arrivals::queue();
        let task = Task {
            endpoint,
            session: Session::new(setup),
            max_message_size,
            status,
            retry,
            backoff: Backoff::new(retry),
            wrote: Instant::now(),
            drops: Drops::default(),
            logged_in: None,
            orders,
            arrivals,
            batches: Batches::default(),
            progress: reached,
        };
        let task = tokio::spawn(task.run());
        (Self { commands, progress, task }, inbox)
    }

    /// Waits for the first login.
    ///
    /// # Errors
    /// It was given up.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let progress = self.progress.wait_for(|progress| !matches!(progress, Progress::Beginning)).await;
        match progress.as_deref() {
            Ok(Progress::Ended(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(ended()),
        }
    }

    /// Why the task has ended.
    pub(crate) fn verdict(&self) -> Error {
        match &*self.progress.borrow() {
            Progress::Ended(error) => error.clone(),
            _ => ended(),
        }
    }

    /// Hands a command over.
    ///
    /// # Errors
    /// The task has ended; why.
    pub(crate) fn tell(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| self.verdict())
    }

    /// Ends the connection gracefully: what was told before is written first.
    pub(crate) async fn close(self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Close(reply)).is_ok() {
            let _ = done.await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn ended() -> Error {
    Error::transient(ErrorKind::Closed, "", "the MQTT connection has been closed")
}

/// Why a connection is over.
enum Ending {
    /// `close` was called, or nobody is there any more.
    Closed,
    /// Something went wrong, and who ended the connection.
    Lost { error: Error, by: Party },
}

/// Who ended a connection, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    /// We did, or there was none.
    Us,
    /// The server closed it in good order.
    Server,
    /// It was broken off: the server died, or did not want to hear more.
    Nobody,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Without further notice: with another version.
    Quietly,
    AtOnce,
    /// As the schedule says.
    InTime,
}

struct Task {
    endpoint: Endpoint,
    session: Session<Token>,
    max_message_size: usize,
    status: Status,
    retry: Retry,
    backoff: Backoff,
    /// When something was last written.
    wrote: Instant,
    drops: Drops,
    logged_in: Option<Instant>,
    orders: mpsc::UnboundedReceiver<Command>,
    arrivals: Arrivals,
    batches: Batches,
    progress: watch::Sender<Progress>,
}

impl Task {
    async fn run(mut self) {
        self.status.connecting();
        loop {
            let ending = match self.connect().await {
                Some(Ok(connection)) => self.serve(connection).await,
                Some(Err(error)) => Ending::Lost { error, by: Party::Us },
                None => Ending::Closed,
            };
            let (error, again) = match ending {
                Ending::Closed => break,
                Ending::Lost { error, by } => self.ended(error, by),
            };
            let delay = match self.backoff.failed(&error) {
                _ if again != Again::InTime => Duration::ZERO,
                // Of two sources of one session neither gets all. A sink may have its turn again, as after any error that needs a
                // person: what it holds is nowhere else.
                Next::Wait(_) if self.session.is_taken_over() && self.session.subscribes() => {
                    return self.give_up(error);
                }
                Next::Wait(delay) => delay,
                Next::GiveUp => return self.give_up(error),
            };
            if again != Again::Quietly {
                self.status.failed(&error, delay);
            }
            if !self.wait(delay).await {
                break;
            }
        }
        self.batches.fail_all(&ended());
        self.status.ended();
    }

    /// The books after a connection: the error that counts, and when to try again.
    fn ended(&mut self, error: Error, by: Party) -> (Error, Again) {
        let logged_in = self.session.is_logged_in();
        let lost = Error::transient(
            ErrorKind::Connection,
            "publish",
            "the connection was lost before the message was written",
        );
        for token in self.session.take_written() {
            self.batches.answered((token, Err(lost.clone())));
        }
        let blame = self.session.blame(by != Party::Us, Instant::now(), self.wrote);
        for outcome in self.session.take_failed() {
            self.batches.answered(outcome);
        }
        let suspicion = self.suspicion(by, blame);
        let another_version = self.session.ended(by != Party::Us);
        if logged_in {
            self.arrivals.push(Delivery::Lost(LaneId(self.session.generation())));
        }
        if matches!(blame, Blame::Shown | Blame::Guilty(_)) {
            // The server is well. It may dislike many messages, and each of them takes some connections.
            self.backoff = Backoff::new(self.retry);
            self.backoff.succeeded();
        }
        if blame != Blame::None {
            // Whatever the server said: it is about a message.
            return (error.classed(Class::Transient), Again::InTime);
        }
        match suspicion {
            Suspicion::Fight => (self.session.assume_taken_over(), Again::InTime),
            Suspicion::Some => (error, Again::AtOnce),
            Suspicion::None if another_version => (error, Again::Quietly),
            Suspicion::None => (error, Again::InTime),
        }
    }

    /// Whether another client of our id may be behind the end of this connection.
    fn suspicion(&mut self, by: Party, blame: Blame) -> Suspicion {
        match self.logged_in.take() {
            // Not yet known; the next connection will show.
            _ if blame == Blame::Suspected => Suspicion::None,
            _ if blame != Blame::None => {
                self.drops.clear();
                Suspicion::None
            }
            Some(since) if by == Party::Server => self.drops.closed(since.elapsed()),
            _ => {
                self.drops.clear();
                Suspicion::None
            }
        }
    }

    fn give_up(mut self, error: Error) {
        self.batches.fail_all(&error);
        self.status.ended();
        // The source's queue closes with this task; whoever finds it closed asks for this.
        self.progress.send_replace(Progress::Ended(error));
    }

    /// A connection; `None` when it was closed meanwhile.
    async fn connect(&mut self) -> Option<Result<Connection>> {
        let Self { endpoint, orders, session, batches, .. } = self;
        let mut connecting = std::pin::pin!(endpoint.connect());
        loop {
            tokio::select! {
                connection = &mut connecting => return Some(connection),
                order = orders.recv() => if !offline(order, session, batches) { return None },
            }
        }
    }

    /// Waits without a connection. Says whether to go on.
    async fn wait(&mut self, delay: Duration) -> bool {
        let mut sleep = std::pin::pin!(tokio::time::sleep(delay));
        loop {
            tokio::select! {
                () = &mut sleep => return true,
                order = self.orders.recv() => if !offline(order, &mut self.session, &mut self.batches) { return false },
            }
        }
    }
}

/// A command while there is no connection. Says whether to go on.
fn offline(order: Option<Command>, session: &mut Session<Token>, batches: &mut Batches) -> bool {
    match order {
        Some(Command::Publish { len, publishes, failures, reply }) => {
            hand_over(session, batches, len, publishes, failures, reply);
            true
        }
        // What arrived on a connection that is gone is void with it.
        Some(Command::Settled(_) | Command::Taken) => true,
        Some(Command::Close(reply)) => {
            let _ = reply.send(());
            false
        }
        None => false,
    }
}

fn hand_over(
    session: &mut Session<Token>,
    batches: &mut Batches,
    len: usize,
    publishes: Vec<(usize, Publish)>,
    failures: Vec<Failure>,
    reply: Reply,
) {
    let batch = batches.open(len, publishes.iter().map(|(index, _)| *index), failures, reply);
    for (index, publish) in publishes {
        session.publish(Batches::token(batch, index), publish);
    }
}
