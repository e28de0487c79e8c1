//! `session_window`: what belongs together because nothing lies between, by the time in the data.

use super::event_time::{EventTime, Window, nanos};
use super::timed_window::MOST;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Timestamp, Token};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Collects items with the same key into sessions: as long as one comes less than a gap of event time after another, they belong
/// together. An item that bridges two sessions makes one of them. A window begins with its first item and ends a gap after its last.
/// Token rule: joined.
///
/// # When a session is given out
///
/// When the highest time seen (of any key), less the allowed lateness, reaches its end. Also when nothing has come for the idle time,
/// if one is set; when more than `max_items` are held (the session that ends first goes); and at end of stream.
///
/// # Late items
///
/// An item that would be a session of its own whose end has been reached counts as filtered, or is rejected if
/// [`reject_late`](SessionWindow::reject_late) says so.
///
/// # Holds
///
/// Up to `max_items`: until later items come, or with an idle time no longer than that.
pub struct SessionWindow<T, K, F, G> {
    gap: i64,
    max_items: usize,
    key: F,
    time: G,
    clock: EventTime,
    /// Open sessions by their end, and among equal ends by their age.
    open: BTreeMap<(i64, u64), Session<T, K>>,
    /// The places of a key's sessions.
    places: HashMap<K, Vec<(i64, u64)>>,
    next: u64,
    held: usize,
}

struct Session<T, K> {
    key: K,
    first: i64,
    items: Vec<T>,
    tokens: Vec<Token>,
}

impl<T, K: Hash + Eq + Clone, F, G> SessionWindow<T, K, F, G> {
    /// Sessions that end when nothing comes for a gap (at least a nanosecond), by the key and the time that functions find in the items.
    pub fn new(gap: Duration, key: F, time: G) -> Self {
        let (open, places) = (BTreeMap::new(), HashMap::new());
        let clock = EventTime::new();
        Self { gap: nanos(gap).max(1), max_items: MOST, key, time, clock, open, places, next: 0, held: 0 }
    }

    /// How much later than its successors an item may come. Default: not at all.
    #[must_use]
    pub fn lateness(mut self, allowed: Duration) -> Self {
        self.clock.lateness = nanos(allowed);
        self
    }

    /// Late items are rejected (and follow the error policy), not filtered.
    #[must_use]
    pub fn reject_late(mut self) -> Self {
        self.clock.reject_late = true;
        self
    }

    /// All sessions are given out when nothing has come for so long.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.clock.idle = Some(idle);
        self
    }

    /// How many items all open sessions hold together (at least 1). Default: 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    fn give_first(&mut self, out: &mut Output<'_, Window<T>>) {
        let Some((place, session)) = self.open.pop_first() else { return };
        if let Some(places) = self.places.get_mut(&session.key) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.places.remove(&session.key);
            }
        }
        self.clock.close(place.0);
        self.held -= session.items.len();
        let (start, end) = (Timestamp::from_nanos(session.first), Timestamp::from_nanos(place.0));
        out.emit(Window { start, end, items: session.items }, Token::join(session.tokens));
    }

    /// Takes out the key's sessions that an item of this time belongs to, as one.
    fn take_near(&mut self, key: &K, time: i64, end: i64) -> Option<(i64, Session<T, K>)> {
        let places = self.places.get_mut(key)?;
        let open = &self.open;
        let near = |place: &(i64, u64)| time < place.0 && open.get(place).is_some_and(|session| session.first < end);
        let (mut near, far): (Vec<_>, Vec<_>) = places.drain(..).partition(near);
        *places = far;
        near.sort_unstable();
        let mut found: Option<(i64, Session<T, K>)> = None;
        for place in near {
            let Some(mut session) = self.open.remove(&place) else { continue };
            match &mut found {
                None => found = Some((place.0, session)),
                Some((last, all)) => {
                    *last = (*last).max(place.0);
                    all.first = all.first.min(session.first);
                    all.items.append(&mut session.items);
                    all.tokens.append(&mut session.tokens);
                }
            }
        }
        found
    }
}

impl<T, K, F, G> Operator<T, Window<T>> for SessionWindow<T, K, F, G>
where
    T: Send,
    K: Hash + Eq + Clone + Send,
    F: FnMut(&T) -> K + Send,
    G: FnMut(&T) -> Timestamp + Send,
{
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Window<T>>) {
        let (key, time) = ((self.key)(&item.value), (self.time)(&item.value).nanos());
        let end = time.saturating_add(self.gap);
        let near = self.take_near(&key, time, end);
        if near.is_none() && self.clock.is_closed(end) {
            if self.places.get(&key).is_some_and(Vec::is_empty) {
                self.places.remove(&key);
            }
            return self.clock.refuse(item, time);
        }
        let (last, mut session) = near
            .unwrap_or_else(|| (end, Session { key: key.clone(), first: time, items: Vec::new(), tokens: Vec::new() }));
        session.first = session.first.min(time);
        session.items.push(item.value);
        session.tokens.push(item.token);
        let place = (last.max(end), self.next);
        self.next += 1;
        self.open.insert(place, session);
        self.places.entry(key).or_default().push(place);
        self.held += 1;
        self.clock.saw(time, out.now());
        while let Some((&(end, _), _)) = self.open.first_key_value()
            && (self.clock.is_closed(end) || self.held > self.max_items)
        {
            self.give_first(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, Window<T>>) {
        if self.clock.is_idle(out.now()) {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Window<T>>) {
        while !self.open.is_empty() {
            self.give_first(out);
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.held)
    }

    fn holds(&self) -> Holds {
        match self.clock.idle {
            Some(_) => Holds::ForATime(self.max_items),
            None => Holds::Items(self.max_items),
        }
    }
}

impl<T, K, F, G> fmt::Debug for SessionWindow<T, K, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionWindow").field("gap", &self.gap).field("held", &self.held).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects items with the same key into sessions that end when nothing comes for `gap`, by the time that `time` finds in them.
    ///
    /// ```
    /// # use lorry_core::{Stream, Timestamp};
    /// # use std::time::Duration;
    /// # #[derive(Clone)] struct Click { user: u32, at: Timestamp }
    /// let (_input, clicks) = Stream::<Click>::input();
    /// let _visits = clicks.session_window(Duration::from_secs(1_800), |click| click.user, |click| click.at);
    /// ```
    pub fn session_window<K: Hash + Eq + Clone + Send + 'static>(
        self,
        gap: Duration,
        key: impl FnMut(&T) -> K + Send + 'static,
        time: impl FnMut(&T) -> Timestamp + Send + 'static,
    ) -> Stream<Window<T>> {
        self.via_kind("session_window", SessionWindow::new(gap, key, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    const SECOND: Duration = Duration::from_secs(1);
    type Visit = (char, i64);

    fn visits() -> SessionWindow<Visit, char, impl FnMut(&Visit) -> char + Send, impl FnMut(&Visit) -> Timestamp + Send>
    {
        SessionWindow::new(
            10 * SECOND,
            |visit: &Visit| visit.0,
            |visit: &Visit| Timestamp::from_millis(visit.1 * 1_000),
        )
    }

    fn shown(windows: Vec<Window<Visit>>) -> Vec<(i64, i64, Vec<i64>)> {
        let seconds = |at: Timestamp| at.nanos() / 1_000_000_000;
        let items = |window: &Window<Visit>| window.items.iter().map(|visit| visit.1).collect();
        windows.iter().map(|window| (seconds(window.start), seconds(window.end), items(window))).collect()
    }

    #[test]
    fn a_session_ends_a_gap_after_its_last_item() {
        let mut bench = Bench::new(visits());
        let all = [('a', 0), ('a', 9), ('b', 12), ('a', 18), ('b', 27)].map(|visit| bench.track(visit));
        assert_eq!(shown(bench.take()), [(12, 22, vec![12])]);
        assert_eq!(fates(&all), ["held", "held", "delivered", "held", "held"]);
        assert_eq!(bench.track(('b', 11)).get(), "filtered", "late: its end at 21 lies before 27");
        bench.push([('a', 20)]);
        assert_eq!(shown(bench.finish().take()), [(0, 30, vec![0, 9, 18, 20]), (27, 37, vec![27])]);
    }

    #[test]
    fn an_item_between_makes_one_session_of_two() {
        let mut bench = Bench::new(visits().lateness(100 * SECOND));
        bench.push([('a', 30), ('a', 15), ('b', 22), ('a', 22)]);
        assert_eq!(shown(bench.finish().take()), [(22, 32, vec![22]), (15, 40, vec![15, 30, 22])]);
        assert!(bench.op.places.is_empty() && bench.op.held == 0);
    }

    #[test]
    fn when_nothing_comes_and_when_too_much_comes() {
        let mut bench = Bench::new(visits().idle(SECOND));
        bench.push([('a', 1)]);
        assert_eq!(shown(bench.pass(SECOND).take()), [(1, 11, vec![1])]);
        let mut bench = Bench::new(visits().max_items(2));
        assert_eq!(shown(bench.push([('a', 1), ('b', 2), ('a', 3)]).take()), [(2, 12, vec![2])]);
        bench.push([('a', 1), ('a', 0)]);
        assert!(bench.op.places.len() <= 2);
    }

    #[test]
    fn times_at_the_end_of_all_time() {
        for gap in [Duration::ZERO, Duration::MAX] {
            let mut bench = Bench::new(SessionWindow::new(gap, |_: &i64| (), |n: &i64| Timestamp::from_nanos(*n)));
            bench.push([i64::MIN, 0, i64::MAX]);
            bench.finish();
            bench.take();
        }
    }
}
