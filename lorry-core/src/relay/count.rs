//! How many messages a relay lets in that is to deliver so many and no more, and of which source.

use super::control::{Control, SourceState};
use super::share::{Party, Share};
use crate::ack::Doubt;
use crate::sync::lock;
use crate::{Error, ErrorKind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

impl Control {
    /// How many more messages `count` admits of this source: never more than that many are undecided or delivered together. Stops the
    /// relay when they are all delivered.
    pub(crate) fn admits_of(&self, source: &SourceState) -> u64 {
        let Some(count) = self.settings.count else { return u64::MAX };
        let share = self.share(source);
        share.of(*self.admission(count, share.reserved))
    }

    /// Lets so many in, or as many as `count` admits of this source. It says when they [`are in`](Control::entered).
    pub(crate) fn admit(&self, source: &SourceState, wanted: usize) -> usize {
        let Some(count) = self.settings.count else {
            source.entering.store(wanted, Ordering::Release);
            return wanted;
        };
        let share = self.share(source);
        let mut admits = self.admission(count, share.reserved);
        let fits = usize::try_from(share.of(*admits)).unwrap_or(usize::MAX).min(wanted);
        *admits -= fits as u64;
        source.entering.store(fits, Ordering::Release);
        fits
    }

    /// What was admitted is in the ledger, and in the pump's queue.
    pub(crate) fn entered(&self, source: &SourceState) {
        source.entering.store(0, Ordering::Release);
        if self.settings.count.is_some() {
            // Meanwhile another source may have been told that there is less than there is.
            let sources = lock(&self.sources);
            let others = sources.iter().filter(|other| !std::ptr::eq(&***other, source));
            others.for_each(|other| other.ledger.signals.progress.notify_one());
        }
    }

    /// The part of this source where it meets others in joins.
    fn share(&self, source: &SourceState) -> Share {
        let shares = !self.meetings.is_empty() && !self.unshared.load(Ordering::Acquire);
        let Some(count) = self.settings.count.filter(|_| shares) else { return Share::ALL };
        let remaining = count.saturating_sub(self.tally().delivered);
        let sources = lock(&self.sources);
        let party = |names: &Vec<Arc<str>>| {
            let members: Vec<_> = sources.iter().filter(|one| names.contains(&one.name)).collect();
            let is_live = members.iter().any(|one| !one.ended.load(Ordering::Acquire));
            let tallies = members.iter().map(|one| one.ledger.tally());
            let (held, delivered) =
                tallies.fold((0, 0), |(held, done), tally| (held + tally.held(), done + tally.delivered));
            is_live.then_some(Party { is_own: names.contains(&source.name), held, delivered })
        };
        let mine =
            self.meetings.iter().filter(|meeting| meeting.inputs.iter().any(|names| names.contains(&source.name)));
        let shares = mine.map(|meeting| {
            let parties: Vec<_> = meeting.inputs.iter().filter_map(party).collect();
            Share::at(&parties, remaining, meeting.keeps_the_newest)
        });
        shares.fold(Share::ALL, Share::and)
    }

    /// Whether all sources that go on wait for what is kept for others.
    pub(crate) fn is_all_reserved(&self) -> Result<bool, Doubt> {
        if self.settings.count.is_none() || self.meetings.is_empty() || self.unshared.load(Ordering::Acquire) {
            return Ok(false);
        }
        let live = self.live_sources();
        let waits = !live.is_empty() && live.iter().all(|source| self.admits_of(source) == 0);
        if waits && !self.counts().1 { Err(Doubt) } else { Ok(waits) }
    }

    /// Nothing is kept for any source any more.
    pub(crate) fn unshare(&self) {
        self.unshared.store(true, Ordering::Release);
        self.progressed();
    }

    /// What is still admitted, looked at anew where it is no more than this: some of what was admitted may have been filtered out.
    fn admission(&self, count: u64, reserved: u64) -> MutexGuard<'_, u64> {
        let mut admits = lock(&self.admits);
        if *admits <= reserved {
            let entering =
                lock(&self.sources).iter().map(|source| source.entering.load(Ordering::Acquire)).sum::<usize>();
            let tally = self.tally();
            // What is entering may be in a ledger already, and counted twice: rather too few for a moment than too many.
            *admits = count.saturating_sub(tally.delivered + tally.held() + entering as u64);
            if tally.delivered >= count {
                self.stop();
            }
        }
        admits
    }

    /// Whether what `count` admits is used up, all of it delivered or undecided.
    pub(crate) fn is_used_up(&self) -> Result<bool, Doubt> {
        let Some(count) = self.settings.count else { return Ok(false) };
        // Nothing is admitted while this is held.
        let _admits = lock(&self.admits);
        match self.counts() {
            (tally, true) => Ok(tally.delivered + tally.held() >= count),
            (_, false) => Err(Doubt),
        }
    }

    /// What `count` admits is used up, and operators hold the rest of it: that is the end of the stream for them.
    pub(crate) fn end_counted(&self) {
        self.counted_out.store(true, Ordering::Release);
        self.hold_the_rest();
        self.stop();
    }

    /// Once everything has ended: what waited in joins for messages that `count` does not admit is no success.
    pub(crate) fn judge_count(&self) {
        let tally = self.tally();
        if let Some(count) = self.settings.count
            && self.has_ended_counted()
            && tally.delivered < count
            && tally.held() > 0
        {
            let held = tally.held();
            let text = format!(
                "{} of {count} delivered: the count admits no more, and those that wait for others ({held}) are not acknowledged",
                tally.delivered
            );
            let error = Error::config(ErrorKind::Stalled, "", text)
                .hint("limit the sources themselves, or what comes out of the join");
            lock(&self.failure).get_or_insert(error);
        }
    }

    /// Whether the relay was stopped so that operators give out what they hold.
    pub(crate) fn has_ended_counted(&self) -> bool {
        self.counted_out.load(Ordering::Acquire)
    }
}
