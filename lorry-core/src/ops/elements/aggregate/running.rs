//! `aggregate emit=running`: with each message, what is now known of its group.

use super::function::Function;
use super::row::{Reader, Row, Table, Writer};
use crate::flow::{Item, Operator, Output};
use crate::ops::aggregate::{Aggregate, Following};
use crate::{Message, Timestamp};
use std::time::Instant;

/// Token rule: passed on; a message that does not count is filtered, one that cannot be read, or begins a group too many, is rejected.
/// Holds nothing.
pub(super) struct Running {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) following: Following<Row, Table<Vec<Function>>>,
    /// When the first message came: the beginning of time where the messages' own does not count.
    pub(super) start: Option<Instant>,
}

impl Operator<Message> for Running {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        let mut row = match self.reader.read(item.value) {
            Ok(row) => row,
            Err(error) => return item.token.reject(error),
        };
        if self.reader.moment.is_none() {
            let since = out.now().saturating_duration_since(*self.start.get_or_insert(out.now()));
            row.time = Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        }
        let message = std::mem::take(&mut row.message);
        let key = row.key.clone();
        match self.following.take(row) {
            Ok(true) => {
                let known = self.following.state().group(&key).map(Aggregate::<Row>::result);
                let known = known.unwrap_or_else(|| self.writer.nothing());
                out.emit(self.writer.message(message, &key, known), item.token);
            }
            Ok(false) => item.token.filtered(),
            Err(error) => item.token.reject(error),
        }
    }
}
