//! The token: one message's right to be decided exactly once.

use super::group::Group;
use super::lane::Lane;
use super::run::Run;
use crate::Error;
use crate::relay::Position;
use std::fmt;
use std::sync::Arc;

/// What became of an item. Over all clones of a token the larger one wins: what failed anywhere must come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// An operator removed it on purpose.
    Filtered = 0,
    /// Every destination has it for good.
    Delivered = 1,
    /// It can never be delivered; the error policy decides.
    Rejected = 2,
    /// It must come again: the lane is held.
    Failed = 3,
}

impl Outcome {
    pub(super) fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Filtered,
            1 => Self::Delivered,
            2 => Self::Rejected,
            _ => Self::Failed,
        }
    }
}

/// Travels with an item from the source to wherever its fate is decided. Cloning adds one more that must be resolved. **A token that
/// is dropped unresolved counts as failed**, never as delivered: forgetting is safe.
///
/// Closures never see tokens; authors of operators do:
///
/// | an operator that | does |
/// |---|---|
/// | turns one item into one | passes the token on |
/// | removes an item | [`filtered`](Token::filtered) |
/// | turns one item into several | clones it, one for each |
/// | makes one item of several | [`join`](Token::join)s theirs |
/// | cannot process an item | [`reject`](Token::reject) |
pub struct Token(Inner);

#[derive(Default)]
enum Inner {
    /// Nobody waits.
    #[default]
    Void,
    /// Slot `.1` of a run.
    One(Arc<Run>, u32),
    /// All that went into one output.
    Many(Arc<Group>),
}

impl Token {
    /// A token that nobody waits for.
    pub fn none() -> Self {
        Self(Inner::Void)
    }

    pub(super) fn of(run: Arc<Run>, index: u32) -> Self {
        Self(Inner::One(run, index))
    }

    /// The destination has the item for good.
    pub fn delivered(self) {
        self.resolve(Outcome::Delivered, None);
    }

    /// The item was removed on purpose.
    pub fn filtered(self) {
        self.resolve(Outcome::Filtered, None);
    }

    /// The item can never be delivered, and why. The error policy decides what follows; siblings are not affected.
    pub fn reject(self, error: Error) {
        self.resolve(Outcome::Rejected, Some(error));
    }

    /// The item was not delivered and must come again.
    pub fn fail(self, error: Error) {
        self.resolve(Outcome::Failed, Some(error));
    }

    /// One token for an output made of several inputs: its outcome is the outcome of all of them.
    pub fn join(mut tokens: Vec<Self>) -> Self {
        tokens.retain(|token| !matches!(token.0, Inner::Void));
        match tokens.len() {
            0 => Self::none(),
            1 => tokens.remove(0),
            _ => Self(Inner::Many(Group::new(tokens))),
        }
    }

    /// [`join`](Token::join) for two. The two arms of a diamond (clones of one token) collapse into one, without an allocation.
    pub fn pair(a: Self, b: Self) -> Self {
        match (&a.0, &b.0) {
            (Inner::One(run, index), Inner::One(other, at)) if Arc::ptr_eq(run, other) && index == at => {
                // The weakest outcome leaves the other clone's say untouched.
                b.filtered();
                a
            }
            _ => Self::join(vec![a, b]),
        }
    }

    /// Whether anybody waits for it.
    pub fn is_none(&self) -> bool {
        matches!(self.0, Inner::Void)
    }

    /// Whether a source waits for it, rather than a caller of `emit` or nobody.
    pub(crate) fn is_of_a_lane(&self) -> bool {
        match &self.0 {
            Inner::Void => false,
            Inner::One(run, _) => run.at().is_some(),
            Inner::Many(group) => group.is_of_a_lane(),
        }
    }

    /// Whether all that went into it comes again: to deliver it would only repeat it.
    pub(crate) fn is_superseded(&self) -> bool {
        match &self.0 {
            Inner::Void => false,
            Inner::One(run, _) => run.lane().is_some_and(|lane| lane.is_superseded()),
            Inner::Many(group) => group.is_superseded(),
        }
    }

    /// Whether something that went into it is at or behind what ends its lane, so that it is not to go on.
    pub(crate) fn is_barred(&self) -> bool {
        match &self.0 {
            Inner::Void => false,
            Inner::One(..) => self.place().is_some_and(|(lane, position)| position >= lane.barrier()),
            Inner::Many(group) => group.is_barred(),
        }
    }

    /// Drops it, for something that went into it ends the relay: all of it stays with its sources, those of other lanes too.
    pub(crate) fn leave(self) {
        self.lanes().iter().for_each(|lane| lane.stopping());
    }

    /// The lane and position of the one item that it stands for.
    pub(crate) fn place(&self) -> Option<(&Arc<Lane>, Position)> {
        match &self.0 {
            Inner::One(run, index) => Some((run.lane()?, run.at()?.position(*index as usize))),
            Inner::Void | Inner::Many(_) => None,
        }
    }

    /// The lanes of all that went into it.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        match &self.0 {
            Inner::Void => Vec::new(),
            Inner::One(run, _) => run.lane().cloned().into_iter().collect(),
            Inner::Many(group) => group.lanes(),
        }
    }

    pub(super) fn resolve(mut self, outcome: Outcome, error: Option<Error>) {
        match std::mem::take(&mut self.0) {
            Inner::Void => {}
            Inner::One(run, index) => run.resolve(index, outcome, error),
            Inner::Many(group) => group.resolve(outcome, error),
        }
    }

    /// [`resolve`](Token::resolve) for what was [announced](Token::announce) before.
    pub(super) fn resolve_announced(mut self, outcome: Outcome, error: Error) {
        match std::mem::take(&mut self.0) {
            Inner::Void => {}
            Inner::One(run, index) => run.resolve_announced(index, outcome, error),
            Inner::Many(group) => group.resolve(outcome, Some(error)),
        }
    }

    /// Tells the lane about trouble at once, without resolving.
    pub(super) fn announce(&self, outcome: Outcome, error: &Error) {
        match &self.0 {
            Inner::Void => {}
            Inner::One(run, index) => run.announce(*index, outcome, error),
            Inner::Many(group) => group.announce(outcome, error),
        }
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Inner::Void => Inner::Void,
            Inner::One(run, index) => {
                run.add_clone(*index);
                Inner::One(run.clone(), *index)
            }
            Inner::Many(group) => Inner::Many(group.clone()),
        })
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        match std::mem::take(&mut self.0) {
            Inner::Void => {}
            Inner::One(run, index) => run.resolve(index, Outcome::Failed, None),
            Inner::Many(group) => group.resolve(Outcome::Failed, None),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Void => f.write_str("Token(none)"),
            Inner::One(_, index) => write!(f, "Token({index})"),
            Inner::Many(group) => write!(f, "Token({} joined)", group.len()),
        }
    }
}
