//! The shape of an expression: how deep it nests, and whether a function calls itself.
//!
//! jaq evaluates recursively, and a function that calls itself, other than as its last act, ends the whole process when the stack does.
//! A name can only be called inside its own definition or after it, so a recursive call is always a call to a definition around it.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Part, Path};

/// What there is to say against an expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// This function calls itself.
    Recursive(String),
    /// It nests deeper than the limit.
    Deep,
}

/// The first fault found. `own` is the name that the expression itself goes by.
pub(super) fn check(term: &Term<&str>, own: &str, deepest: usize) -> Option<Fault> {
    let own = Name { name: own, arity: 0, open: true };
    Walk { deepest, scope: vec![own] }.term(term, 0).err()
}

struct Walk<'t> {
    deepest: usize,
    /// What a call may mean, innermost last.
    scope: Vec<Name<'t>>,
}

struct Name<'t> {
    name: &'t str,
    arity: usize,
    /// Whether it is the function whose body is being looked at.
    open: bool,
}

impl<'t> Walk<'t> {
    fn term(&mut self, term: &'t Term<&'t str>, depth: usize) -> Result<(), Fault> {
        if depth > self.deepest {
            return Err(Fault::Deep);
        }
        let depth = depth + 1;
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => Ok(()),
            Term::Str(_, parts) => parts.iter().try_for_each(|part| match part {
                StrPart::Term(term) => self.term(term, depth),
                StrPart::Str(_) | StrPart::Char(_) => Ok(()),
            }),
            Term::Arr(inner) => inner.iter().try_for_each(|inner| self.term(inner, depth)),
            Term::Obj(pairs) => pairs.iter().try_for_each(|(key, value)| {
                self.term(key, depth)?;
                value.iter().try_for_each(|value| self.term(value, depth))
            }),
            Term::Neg(inner) | Term::Label(_, inner) => self.term(inner, depth),
            Term::BinOp(left, op, right) => {
                self.term(left, depth)?;
                if let BinaryOp::Pipe(Some(pattern)) = op {
                    self.pattern(pattern, depth)?;
                }
                self.term(right, depth)
            }
            Term::Fold(_, over, pattern, args) => {
                self.term(over, depth)?;
                self.pattern(pattern, depth)?;
                args.iter().try_for_each(|arg| self.term(arg, depth))
            }
            Term::TryCatch(body, catch) => {
                self.term(body, depth)?;
                catch.iter().try_for_each(|catch| self.term(catch, depth))
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, then) in branches {
                    self.term(condition, depth)?;
                    self.term(then, depth)?;
                }
                otherwise.iter().try_for_each(|otherwise| self.term(otherwise, depth))
            }
            Term::Def(defs, body) => self.defs(defs, body, depth),
            Term::Call(name, args) => {
                self.call(name, args.len())?;
                args.iter().try_for_each(|arg| self.term(arg, depth))
            }
            Term::Path(of, Path(parts)) => {
                self.term(of, depth)?;
                parts.iter().try_for_each(|(part, _)| match part {
                    Part::Index(index) => self.term(index, depth),
                    Part::Range(from, to) => from.iter().chain(to).try_for_each(|bound| self.term(bound, depth)),
                })
            }
        }
    }

    fn pattern(&mut self, pattern: &'t Pattern<&'t str>, depth: usize) -> Result<(), Fault> {
        if depth > self.deepest {
            return Err(Fault::Deep);
        }
        match pattern {
            Pattern::Var(_) => Ok(()),
            Pattern::Arr(inner) => inner.iter().try_for_each(|inner| self.pattern(inner, depth + 1)),
            Pattern::Obj(pairs) => pairs.iter().try_for_each(|(key, inner)| {
                self.term(key, depth + 1)?;
                self.pattern(inner, depth + 1)
            }),
        }
    }

    fn defs(&mut self, defs: &'t [Def<&'t str>], body: &'t Term<&'t str>, depth: usize) -> Result<(), Fault> {
        let outside = self.scope.len();
        for def in defs {
            let own = self.scope.len();
            self.scope.push(Name { name: def.name, arity: def.args.len(), open: true });
            // An argument `$x` is a variable and a function `x` as well.
            self.scope.extend(def.args.iter().map(|arg| Name {
                name: arg.trim_start_matches('$'),
                arity: 0,
                open: false,
            }));
            self.term(&def.body, depth)?;
            self.scope.truncate(own + 1);
            self.scope[own].open = false;
        }
        self.term(body, depth)?;
        self.scope.truncate(outside);
        Ok(())
    }

    fn call(&self, name: &str, arity: usize) -> Result<(), Fault> {
        match self.scope.iter().rev().find(|own| own.name == name && own.arity == arity) {
            Some(own) if own.open => Err(Fault::Recursive(format!("{name}/{arity}"))),
            _ => Ok(()),
        }
    }
}
