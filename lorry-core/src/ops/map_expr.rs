//! `map` with an expression: the element `map expr=…`.

use crate::expr::Expr;
use crate::flow::{Item, Operator, Output};
use crate::{Message, Stream};

/// Makes a message of each output of an expression; see [`Expr::map`]. Token rule: cloned for each; a message without outputs counts as
/// filtered; one for which the expression fails is rejected, and nothing of it goes out.
#[derive(Clone, Debug)]
pub struct MapExpr(pub Expr);

impl Operator<Message> for MapExpr {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        let mut last = None;
        let mapped = self.0.map(&item.value, |message| {
            if let Some(before) = last.replace(message) {
                out.emit(before, item.token.clone());
            }
        });
        match (mapped, last) {
            (Err(error), _) => item.token.reject(error),
            (Ok(()), None) => item.token.filtered(),
            // The last one takes the token itself.
            (Ok(()), Some(last)) => out.emit(last, item.token),
        }
    }

    fn remembers(&self) -> bool {
        false
    }
}

impl Stream<Message> {
    /// Makes a message of each output of the expression.
    ///
    /// ```
    /// # use lorry_core::{Message, Stream, expr::Expr};
    /// let (_input, packets) = Stream::<Message>::input();
    /// let _readings = packets.map_expr(Expr::compile(".readings[]")?);
    /// # Ok::<(), lorry_core::Error>(())
    /// ```
    pub fn map_expr(self, expr: Expr) -> Self {
        self.via_kind("map", MapExpr(expr))
    }
}
