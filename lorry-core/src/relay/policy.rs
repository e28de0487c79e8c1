//! What is done about messages that can never be delivered.

use crate::ack::OnRejected;

/// The error policy: what happens to a message that was rejected (class data).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// The relay ends and says which message, why, and what to do. Nothing is acknowledged that was not delivered.
    #[default]
    Stop,
    /// The message is logged, counted and acknowledged; the relay goes on.
    Drop,
}

impl OnError {
    pub(crate) fn on_rejected(self) -> OnRejected {
        match self {
            Self::Stop => OnRejected::Hold,
            Self::Drop => OnRejected::Settle,
        }
    }
}
