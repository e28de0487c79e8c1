//! The names of the cases.

use std::fmt;

/// A case of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Case {
    /// Bad addresses are refused before anything is opened.
    BadAddresses,
    /// Options that there are not are refused, and the right ones named.
    WrongOptions,
    /// No error and no description shows a password.
    Passwords,
    /// Messages arrive with all that the connector carries.
    Whole,
    /// Order is kept, by a source also its caller's limits.
    Order,
    /// Source: a `next` whose future is dropped loses nothing.
    Cancelled,
    /// Source: what was not settled comes again to the next one.
    ComesAgain,
    /// Source: what was settled does not come again.
    StaysAway,
    /// Source: a relay loses nothing behind a sink that fails now and then.
    FailingSink,
    /// Source: it goes on after its peer was away.
    ComesBack,
    /// Sink: it goes on where an earlier one has ended.
    GoesOn,
    /// Sink: a relay loses nothing before a source that fails now and then.
    FailingSource,
    /// Sink: a message that is refused is named, and harms no other.
    Refused,
    /// Sink: positions are kept with the batch.
    Positions,
    /// Sink: nothing is confirmed while the peer is away.
    Away,
    /// Sink: nothing is lost when the peer goes in mid-flow.
    MidFlow,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAddresses => "bad addresses are refused at once",
            Self::WrongOptions => "wrong options are refused and the right ones named",
            Self::Passwords => "passwords are not shown",
            Self::Whole => "messages arrive whole",
            Self::Order => "order is kept",
            Self::Cancelled => "a cancelled next loses nothing",
            Self::ComesAgain => "what was not settled comes again",
            Self::StaysAway => "what was settled does not come again",
            Self::FailingSink => "nothing is lost behind a failing sink",
            Self::ComesBack => "it comes back after its peer was away",
            Self::GoesOn => "it goes on where another has ended",
            Self::FailingSource => "nothing is lost from a failing source",
            Self::Refused => "a refused message is named, and harms no other",
            Self::Positions => "positions are kept with the batch",
            Self::Away => "nothing is confirmed while the peer is away",
            Self::MidFlow => "nothing is lost when the peer goes in mid-flow",
        })
    }
}
