//! `filter` with an expression: the element `filter expr=…`.

use crate::expr::Expr;
use crate::flow::{Item, Operator, Output};
use crate::{Message, Stream};

/// Keeps the messages for which an expression's first output is truthy. Token rule: passed on; a removed message counts as filtered; one
/// for which the expression fails is rejected.
#[derive(Clone, Debug)]
pub struct FilterExpr(pub Expr);

impl Operator<Message> for FilterExpr {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        match self.0.test(&item.value) {
            Ok(true) => out.push(item),
            Ok(false) => item.token.filtered(),
            Err(error) => item.token.reject(error),
        }
    }

    fn remembers(&self) -> bool {
        false
    }
}

impl Stream<Message> {
    /// Keeps the messages for which the expression is true.
    ///
    /// ```
    /// # use lorry_core::{Message, Stream, expr::Expr};
    /// let (_input, readings) = Stream::<Message>::input();
    /// let _hot = readings.filter_expr(Expr::compile(".celsius > 40")?);
    /// # Ok::<(), lorry_core::Error>(())
    /// ```
    pub fn filter_expr(self, expr: Expr) -> Self {
        self.via_kind("filter", FilterExpr(expr))
    }
}
