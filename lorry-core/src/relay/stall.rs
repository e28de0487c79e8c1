//! Noticing that nothing can move any more.

use super::control::{Control, Phase, SourceState};
use crate::ack::{Doubt, Full};
use crate::{Error, ErrorKind};
use std::sync::atomic::Ordering;

/// Why a relay can move no more, as far as the pump can see. It may have looked a moment too early: a source may hand something over,
/// or a sink make room, just after the pump had asked them. So only what is found twice running, and nothing moved between, is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// It cannot be told just now.
    Doubtful,
    /// What `count` admits is used up, and operators hold what is not delivered of it.
    CountedOut,
    /// Each source waits for what is kept of `count` for others.
    Shared,
    /// The sources give nothing more before something is decided, and operators wait for more.
    WindowFull,
    /// What comes next has no room before it, and what would make room does not come.
    Blocked,
}

/// What the roots said in a turn in which nothing moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roots {
    /// At least one has items that nothing below takes.
    pub(crate) any_blocked: bool,
    /// All that have not finished have.
    pub(crate) all_blocked: bool,
}

impl Control {
    /// Asked by the pump when it has nothing to do and waits for no moment.
    pub(crate) fn stall(&self, roots: Roots) -> Option<Stall> {
        if self.phase() != Phase::Running || !self.is_idle() {
            return None;
        }
        match self.is_used_up() {
            Err(Doubt) => return Some(Stall::Doubtful),
            Ok(true) => return Some(Stall::CountedOut),
            Ok(false) => {}
        }
        match self.is_all_reserved() {
            Err(Doubt) => return Some(Stall::Doubtful),
            Ok(true) => return Some(Stall::Shared),
            Ok(false) => {}
        }
        let live = self.live_sources();
        match live.iter().map(|source| self.full(source)).collect::<Result<Option<Vec<_>>, _>>() {
            Err(Doubt) => return Some(Stall::Doubtful),
            Ok(Some(why)) if !why.is_empty() => return Some(Stall::WindowFull),
            Ok(_) => {}
        }
        let waits_for_the_rest = roots.all_blocked && self.holder().1 > 0;
        (roots.any_blocked && (live.is_empty() || waits_for_the_rest)).then_some(Stall::Blocked)
    }

    fn full(&self, source: &SourceState) -> Result<Option<Full>, Doubt> {
        let peer = source.max_unacked.filter(|_| !source.counts_otherwise.load(Ordering::Acquire));
        let full = source.ledger.full(self.settings.bound, peer)?;
        // Asked last: of what is in the ledger by now some may not have reached the pump.
        if source.entering.load(Ordering::Acquire) > 0 { Err(Doubt) } else { Ok(full) }
    }

    /// Acts on it.
    pub(crate) fn cannot_move(&self, why: Stall) {
        let (holder, held) = self.holder();
        let held = if held == 1 { "1 message".to_owned() } else { format!("{held} messages") };
        let (text, hint) = match why {
            Stall::Doubtful => return,
            Stall::CountedOut => return self.end_counted(),
            Stall::Shared => return self.unshare(),
            Stall::WindowFull => {
                let full = self.live_sources().into_iter().find_map(|source| Some((self.full(&source).ok()??, source)));
                let Some((why, source)) = full else { return };
                let name = &source.name;
                let limit = match why {
                    Full::Peer(most) => format!("{name} gets no more than {most} before they are acknowledged"),
                    Full::Items(most) => format!("{name} gives no more than {most} before they are decided"),
                    Full::Bytes(most) => format!("{name} gives no more than {most} bytes before they are decided"),
                };
                (
                    format!("{holder} holds {held}, and {limit}"),
                    "make the operator hold less, give it a time limit, or let the relay hold more (--max-held)",
                )
            }
            Stall::Blocked => {
                let all = self.live_sources().is_empty();
                let why = if all { "all sources have ended" } else { "there is no room before it" };
                (
                    format!("{holder} holds {held}, and waits for some that will not come, for {why}"),
                    "let it hold more (ahead), or do not filter only one of the streams that it joins",
                )
            }
        };
        let text = format!("nothing can move any more: {text}");
        self.fail(Error::config(ErrorKind::Stalled, "", text).hint(hint));
    }

    fn holder(&self) -> (String, u64) {
        self.graph.fullest().map_or(("an operator".into(), 0), |(node, held)| (node.name.to_string(), held))
    }
}
