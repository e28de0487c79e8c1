//! The pump: the one task that drives the graph.

use super::control::Control;
use super::queue::Queue;
use super::stall::Roots;
use crate::flow::{Downstream, Ending, Holds, Item, Turn};
use crate::{Result, Token};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::Sleep;

/// After so many turns without a pause the pump lets other tasks run.
const TURNS: usize = 64;

/// A source's way into the graph, whatever the type of its items.
pub(crate) trait Root: Send {
    /// One turn: due ticks, new items as far as there is room.
    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Progress;
}

/// What a turn brought.
pub(crate) struct Progress {
    pub(crate) moved: bool,
    /// It has items that nothing below takes.
    pub(crate) blocked: bool,
    pub(crate) finished: bool,
    pub(crate) deadline: Option<Instant>,
}

/// A queue into the graph.
pub(crate) struct Feed<T> {
    queue: Arc<Queue<Item<T>>>,
    graph: Option<Box<dyn Downstream<T>>>,
    pending: std::vec::IntoIter<Item<T>>,
    /// Whether some of the items may have become unwanted; see `Control::unwanted`.
    unwanted: Arc<AtomicUsize>,
    /// See `Control::crowded`.
    crowded: Arc<AtomicBool>,
}

impl<T> Feed<T> {
    pub(crate) fn new(
        queue: Arc<Queue<Item<T>>>,
        graph: Box<dyn Downstream<T>>,
        unwanted: Arc<AtomicUsize>,
        crowded: Arc<AtomicBool>,
    ) -> Self {
        Self { queue, graph: Some(graph), pending: Vec::new().into_iter(), unwanted, crowded }
    }
}

impl<T: Send> Root for Feed<T> {
    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Progress {
        let Some(graph) = &mut self.graph else {
            return Progress { moved: false, blocked: false, finished: true, deadline: None };
        };
        let status = graph.turn(turn);
        let mut ending = None;
        if self.pending.len() == 0 {
            let mut items = Vec::new();
            if let Poll::Ready(end) = self.queue.poll_take(turn.cx, &mut items) {
                ending = end;
                self.pending = items.into_iter();
            }
        }
        let before = self.pending.len();
        // Asked of every item: the one before it may be what ends the relay.
        let is_wanted =
            |token: &Token| self.unwanted.load(Ordering::Acquire) == 0 || !(token.is_superseded() || token.is_barred());
        let mut room = status.room;
        while room > 0
            && let Some(item) = self.pending.next()
        {
            // What is unwanted is dropped here, before any operator has seen it.
            if !is_wanted(&item.token) {
                item.token.leave();
                continue;
            }
            graph.push(item, turn.now);
            // Asked behind the first one: the flag may be another pump's, and this one must not stand still for it.
            room = if self.crowded.load(Ordering::Relaxed) { 0 } else { room - 1 };
        }
        let n = before - self.pending.len();
        if n > 0 {
            self.queue.done(n);
        }
        if let Some(ending) = ending {
            graph.finish(ending, turn.now);
            self.graph = None;
            return Progress { moved: true, blocked: false, finished: true, deadline: None };
        }
        let blocked = self.pending.len() > 0;
        if blocked {
            // It does not look for more; but the end of its source may be what shows that nothing can move any more.
            self.queue.watch_end(turn.cx);
        }
        Progress { moved: n > 0, blocked, finished: false, deadline: status.deadline }
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        self.queue.close_reader();
    }
}

/// Drives the graph until all roots have finished, or the relay fails.
pub(crate) async fn pump(mut roots: Vec<Box<dyn Root>>, control: Arc<Control>) -> Result<()> {
    let mut failed = std::pin::pin!(control.failed());
    let mut timer = Timer::default();
    let (mut moved_since, mut waits_until) = (false, None);
    let mut before = None;
    let holds = control.graph.nodes().iter().any(|node| node.holds != Holds::Nothing);
    poll_fn(|cx| {
        for _ in 0..TURNS {
            if failed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            control.crowded.store(false, Ordering::Relaxed);
            let now = tokio::time::Instant::now().into_std();
            // What goes out at a moment may be filtered out below.
            moved_since |= waits_until.take().is_some_and(|moment| moment <= now);
            let (mut moved, mut any_blocked, mut all_blocked, mut finished) = (false, false, true, true);
            let mut deadline = None;
            for root in &mut roots {
                let progress = root.turn(&mut Turn { now, cx });
                moved |= progress.moved;
                any_blocked |= progress.blocked;
                all_blocked &= progress.blocked || progress.finished;
                finished &= progress.finished;
                deadline = crate::flow::earliest(deadline, progress.deadline);
            }
            if finished {
                return Poll::Ready(());
            }
            if moved {
                (moved_since, before) = (true, None);
                continue;
            }
            if std::mem::take(&mut moved_since) {
                // What was filtered out or is held may let a source go on whose window is small.
                control.progressed();
                // One more look before sleeping, behind whoever is ready to bring more: a wake across threads costs more than a turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match deadline {
                Some(deadline) => {
                    waits_until = Some(deadline);
                    if timer.poll(deadline, cx).is_ready() {
                        continue;
                    }
                }
                None => {
                    let now = control.stall(Roots { any_blocked, all_blocked });
                    if let Some(why) = now {
                        if before == now {
                            control.cannot_move(why);
                        }
                        cx.waker().wake_by_ref();
                    }
                    before = now;
                    if now.is_none() && holds {
                        control.watch(cx);
                        if control.is_idle() && control.stall(Roots { any_blocked, all_blocked }).is_some() {
                            // Between the two looks.
                            cx.waker().wake_by_ref();
                        }
                    }
                }
            }
            return Poll::Pending;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    // Undecided items are dropped here, inside the task, before the sources look at their ledgers for the last time.
    drop(roots);
    control.progressed();
    Ok(())
}

/// A timer that exists once it is needed: most relays have no timed operators.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = tokio::time::Instant::from_std(deadline);
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        let ready = sleep.as_mut().poll(cx);
        if ready.is_ready() {
            self.0 = None;
        }
        ready
    }
}

/// How a source's stop ends its part of the graph; see [`Ending`].
pub(crate) fn ending_on_stop(gives_again: bool) -> Ending {
    if gives_again { Ending::Stop } else { Ending::EndOfStream }
}
