//! Finding the publish at which a server ends the connection.

use crate::packet::Reason;
use std::time::Duration;
use tokio::time::Instant;

/// So many publishes are answered one at a time before many are on their way again.
const ANSWERS: u32 = 16;
/// So many connections must have ended at a publish before it is refused.
const ENDS: u32 = 3;
/// How long the first of them has to live before it is published; each next one twice as long, up to an end.
const QUIET: Duration = Duration::from_millis(500);
const QUIET_MAX: Duration = Duration::from_secs(32);

/// What publishes may go out, after connections that ended before any publish was answered.
///
/// A server of 3.1.1 has no way to refuse a message but to close the connection, and one that closes after a refusal may see it
/// outrun by the reset that what was published behind it brings about. Published again, the message would end every connection to
/// come. So from then on the publishes go *one at a time*: a refusal is read, or it is known at which one the server closes.
///
/// To be refused for that a publish must have been guilty several times in a row: each time the connection lived for a while without
/// it, the server still answered a ping, and then it ended the connection sooner after the publish than it had lived before. A server
/// that is restarted, a proxy that cuts connections, another client of the same id: all these end connections in that while, too.
///
/// Time is handed in.
#[derive(Debug, Default)]
pub(super) struct Caution {
    alone: bool,
    /// How long the next connection must live before anything is published.
    quiet: Duration,
    suspect: Option<Suspect>,
    connection: Connection,
}

/// A publish, by its number, and how often in a row it was guilty.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    sequence: u64,
    ends: u32,
}

/// What has happened on this connection.
#[derive(Debug, Default)]
struct Connection {
    begun: Option<Instant>,
    stage: Stage,
    published: Option<Instant>,
    answers: u32,
    /// The last answer was a refusal.
    refused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing is published yet.
    #[default]
    Quiet,
    /// Nor now: the answer to a ping is missing.
    Asked,
    Open,
}

/// What the end of a connection has to do with a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Nothing, as far as one can tell.
    None,
    /// It may have been one; the next connection will show.
    Suspected,
    /// It was one: the server refused it, or was seen to close at it.
    Shown,
    /// It was this one, once too often: it is refused.
    Guilty(u64),
}

impl Caution {
    /// A new connection.
    pub(super) fn restart(&mut self) {
        self.connection = Connection::default();
    }

    /// How many publishes may wait for an answer.
    pub(super) fn limit(&self) -> usize {
        match (self.connection.stage, self.alone) {
            (Stage::Open, false) => usize::MAX,
            (Stage::Open, true) => 1,
            _ => 0,
        }
    }

    /// When [`asks`](Self::asks) may have something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let begun = self.connection.begun.filter(|_| self.connection.stage == Stage::Quiet)?;
        Some(begun + self.quiet)
    }

    /// The time passes. Whether a ping is due; `pings` = the server can be asked for an answer.
    pub(super) fn asks(&mut self, now: Instant, pings: bool) -> bool {
        let begun = *self.connection.begun.get_or_insert(now);
        if self.connection.stage != Stage::Quiet || now < begun + self.quiet {
            return false;
        }
        let asks = pings && !self.quiet.is_zero();
        self.connection.stage = if asks { Stage::Asked } else { Stage::Open };
        asks
    }

    /// The server answers a ping.
    pub(super) fn heard(&mut self) {
        if self.connection.stage == Stage::Asked {
            self.connection.stage = Stage::Open;
        }
    }

    /// A publish is on its way.
    pub(super) fn published(&mut self, now: Instant) {
        self.connection.published.get_or_insert(now);
    }

    /// A publish was answered. The server takes them, then.
    pub(super) fn answered(&mut self, refused: bool) {
        self.connection.answers += 1;
        self.connection.refused = refused;
        self.acquit();
        if self.connection.answers >= ANSWERS {
            self.alone = false;
        }
    }

    /// No publish is suspected.
    pub(super) fn acquit(&mut self) {
        self.quiet = Duration::ZERO;
        self.suspect = None;
    }

    /// The server has ended the connection, the last bytes to it were written at `wrote`. So many publishes were `open`, which means
    /// written and not answered; `oldest` is the first of them. `said` = for a reason that may be a publish.
    pub(super) fn ended(
        &mut self,
        open: usize,
        oldest: Option<u64>,
        said: bool,
        now: Instant,
        wrote: Instant,
    ) -> Blame {
        let Connection { begun, stage, published, answers, refused } = self.connection;
        if stage != Stage::Open {
            // It does not live long with nothing published either.
            self.acquit();
            return Blame::None;
        }
        if refused {
            // Were more published behind the next such one, its refusal might not arrive.
            self.alone = true;
            return Blame::Shown;
        }
        if open == 0 || (answers > 0 && !said) {
            return Blame::None;
        }
        let was_alone = std::mem::replace(&mut self.alone, true);
        if answers > 0 {
            return Blame::Suspected;
        }
        // What is not answered at all (QoS 0) is published once: it is not why one connection ends after the other.
        let (Some(sequence), true) = (oldest, was_alone && open == 1) else { return Blame::Suspected };
        let lived = begun.zip(published).map_or(Duration::ZERO, |(begun, published)| published.duration_since(begun));
        let after = now.saturating_duration_since(wrote);
        let earlier = self.suspect.filter(|suspect| suspect.sequence == sequence).map_or(0, |suspect| suspect.ends);
        let is_guilty = !self.quiet.is_zero() && after <= lived;
        let ends = if is_guilty { earlier + 1 } else { 0 };
        if ends == ENDS {
            self.acquit();
            return Blame::Guilty(sequence);
        }
        self.suspect = Some(Suspect { sequence, ends });
        self.quiet = (self.quiet * 2).clamp(QUIET, QUIET_MAX);
        if is_guilty { Blame::Shown } else { Blame::Suspected }
    }
}

/// Whether a server may end a connection for this reason because of a publish: the others have their own.
pub(super) fn may_be_about_a_publish(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UNSPECIFIED
            | Reason::MALFORMED_PACKET
            | Reason::PROTOCOL_ERROR
            | Reason::IMPLEMENTATION_SPECIFIC
            | Reason::NOT_AUTHORIZED
            | Reason::TOPIC_NAME_INVALID
            | Reason::PACKET_TOO_LARGE
            | Reason::PAYLOAD_FORMAT_INVALID
            | Reason::RETAIN_NOT_SUPPORTED
            | Reason::QOS_NOT_SUPPORTED
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(10);

    /// A connection with one publish, number 7, that ends so long after it; unless it ends before, so long after the login.
    fn connection(caution: &mut Caution, now: &mut Instant, after: Duration, cut: Duration) -> Blame {
        caution.restart();
        let begun = *now;
        let mut asks = caution.asks(begun, true);
        if let Some(deadline) = caution.deadline() {
            if deadline - begun >= cut {
                *now += cut;
                return caution.ended(0, None, false, *now, begun);
            }
            *now = deadline;
            asks = caution.asks(*now, true);
        }
        if asks {
            assert_eq!(caution.limit(), 0, "the answer is missing");
            *now += MOMENT;
            caution.heard();
        }
        assert!(caution.limit() > 0);
        let wrote = *now;
        caution.published(wrote);
        *now = (wrote + after).min(begun + cut);
        caution.ended(1, Some(7), false, *now, wrote)
    }

    #[test]
    fn a_publish_that_ends_one_connection_after_the_other_is_guilty() {
        let (mut caution, mut now) = (Caution::default(), Instant::now());
        let begun = now;
        let blames = [(); 6].map(|()| connection(&mut caution, &mut now, MOMENT, Duration::MAX / 4));
        use Blame::*;
        assert_eq!(blames, [Suspected, Suspected, Shown, Shown, Guilty(7), Suspected]);
        assert!(now - begun > 7 * QUIET);
    }

    #[test]
    fn a_server_that_takes_its_time_is_waited_for() {
        let (mut caution, mut now) = (Caution::default(), Instant::now());
        let guilty = (0..12).find(|_| {
            let blame = connection(&mut caution, &mut now, Duration::from_secs(5), Duration::MAX / 4);
            blame == Blame::Guilty(7)
        });
        assert!(guilty.is_some_and(|at| at > 6));
    }

    #[test]
    fn connections_that_end_after_a_time_of_their_own_blame_nobody() {
        for cut in [50, 300, 499, 501, 700, 900, 1_400, 1_999, 2_100, 3_900, 9_000] {
            let (mut caution, mut now) = (Caution::default(), Instant::now());
            for _ in 0..40 {
                let blame = connection(&mut caution, &mut now, Duration::from_secs(60), Duration::from_millis(cut));
                assert!(!matches!(blame, Blame::Guilty(_)), "cut after {cut} ms");
            }
        }
    }

    #[test]
    fn an_answer_acquits_and_many_answers_end_the_caution() {
        let (mut caution, mut now) = (Caution::default(), Instant::now());
        for _ in 0..4 {
            connection(&mut caution, &mut now, MOMENT, Duration::MAX / 4);
        }
        caution.restart();
        caution.asks(now, true);
        now += Duration::from_secs(60);
        assert!(caution.asks(now, true));
        caution.heard();
        for _ in 0..ANSWERS {
            assert_eq!(caution.limit(), 1);
            caution.published(now);
            caution.answered(false);
        }
        assert_eq!(caution.limit(), usize::MAX);
        assert_eq!(caution.ended(1, Some(7), false, now, now), Blame::None);
        assert_eq!(connection(&mut caution, &mut now, MOMENT, Duration::MAX / 4), Blame::Suspected);
    }

    #[test]
    fn a_refusal_explains_the_end() {
        let (mut caution, now) = (Caution::default(), Instant::now());
        caution.asks(now, true);
        caution.published(now);
        caution.answered(true);
        assert_eq!(caution.ended(0, None, false, now, now), Blame::Shown);
        caution.restart();
        caution.asks(now, true);
        assert_eq!(caution.limit(), 1);
    }
}
