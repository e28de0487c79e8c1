//! How many messages a relay lets in that is to deliver so many and no more, and of which source.

use super::control::{Control, SourceState};
use crate::ack::Doubt;
use crate::flow::Meeting;
use crate::sync::lock;
use crate::{Error, ErrorKind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

impl Control {
    /// How many more messages `count` admits: never more than that many are undecided or delivered together. Stops the relay when they
    /// are all delivered.
    pub(crate) fn admits(&self) -> u64 {
        match self.settings.count {
            None => u64::MAX,
            Some(count) => *self.admission(count, 0),
        }
    }

    /// How many more messages `count` admits of this source.
    pub(crate) fn admits_of(&self, source: &SourceState) -> u64 {
        let Some(count) = self.settings.count else { return u64::MAX };
        let reserved = self.reserved(source);
        self.admission(count, reserved).saturating_sub(reserved)
    }

    /// Lets so many in, or as many as `count` admits of this source. It says when they [`are in`](Control::entered).
    pub(crate) fn admit(&self, source: &SourceState, wanted: usize) -> usize {
        let Some(count) = self.settings.count else {
            source.entering.store(wanted, Ordering::Release);
            return wanted;
        };
        let reserved = self.reserved(source);
        let mut admits = self.admission(count, reserved);
        let fits = usize::try_from(admits.saturating_sub(reserved)).unwrap_or(usize::MAX).min(wanted);
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

    /// How many of those that `count` admits are for the sources that this one meets in a join: a source that is quicker, or has more before
    /// it, must not use up what the others need to go with its own.
    fn reserved(&self, source: &SourceState) -> u64 {
        let Some(count) = self.settings.count.filter(|_| !self.meetings.is_empty()) else { return 0 };
        let remaining = count.saturating_sub(self.tally().delivered);
        let sources = lock(&self.sources);
        let needed_at = |meeting: &Meeting| {
            let members = |names: &Vec<Arc<str>>| sources.iter().filter(|other| names.contains(&other.name)).collect();
            let inputs: Vec<Vec<&Arc<SourceState>>> = meeting.inputs.iter().map(members).collect();
            let is_live = |input: &&Vec<&Arc<SourceState>>| input.iter().any(|one| !one.ended.load(Ordering::Acquire));
            let share = remaining / inputs.iter().filter(is_live).count().max(1) as u64;
            let others = inputs.iter().filter(is_live).filter(|input| input.iter().all(|one| one.name != source.name));
            let needs = others.map(|input| {
                let tallies = input.iter().map(|one| one.ledger.tally());
                match meeting.keeps_the_newest {
                    false => share.saturating_sub(tallies.map(|tally| tally.held()).sum()),
                    true => share.min(1).saturating_sub(tallies.map(|tally| tally.held() + tally.delivered).sum()),
                }
            });
            needs.sum()
        };
        let mine =
            self.meetings.iter().filter(|meeting| meeting.inputs.iter().flatten().any(|name| *name == source.name));
        mine.map(needed_at).max().unwrap_or(0)
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
