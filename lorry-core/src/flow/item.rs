//! A value and its token.

use crate::ack::Token;

/// What travels: a value, and the token that decides about it. Closures only see the value.
#[derive(Clone, Debug)]
pub struct Item<T> {
    /// The value.
    pub value: T,
    /// Its token.
    pub token: Token,
}

impl<T> Item<T> {
    /// An item that nobody waits for.
    pub fn untracked(value: T) -> Self {
        Self { value, token: Token::none() }
    }
}
