//! `try_map`: a map that can fail.

use crate::flow::{Item, Operator, Output};
use crate::{Result, Stream};

/// Applies a function that can fail. Token rule: passed on; an item for which the function fails is rejected, and the error policy
/// decides about the message it came from.
#[derive(Clone, Debug)]
pub struct TryMap<F>(pub F);

impl<I, O, F: FnMut(I) -> Result<O> + Send> Operator<I, O> for TryMap<F> {
    #[inline]
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>) {
        match (self.0)(item.value) {
            Ok(value) => out.emit(value, item.token),
            Err(error) => item.token.reject(error),
        }
    }

    fn remembers(&self) -> bool {
        false
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Applies `f` to each item; where it fails, the [error policy](crate::OnError) decides about the message.
    ///
    /// ```
    /// use lorry_core::{Error, ErrorKind, Message, Stream};
    ///
    /// let (_input, messages) = Stream::<Message>::input();
    /// let _numbers: Stream<f64> = messages.try_map(|message| {
    ///     let text = message.text().unwrap_or_default();
    ///     text.parse().map_err(|_| Error::data(ErrorKind::Malformed, "parse", format!("{text:?} is no number")))
    /// });
    /// ```
    pub fn try_map<O: Send + 'static>(self, f: impl FnMut(T) -> Result<O> + Send + 'static) -> Stream<O> {
        self.via_kind("try_map", TryMap(f))
    }
}
