//! What one evaluation may take: steps, depth, size.
//!
//! jaq has no such limits, and three things end a process that a filter should not: a loop that never ends holds its thread; a value
//! that nests some ten thousand levels deep overflows the stack when it is compared, written or dropped; a string doubled forty times does not fit
//! any memory. What loops in jq is `reduce`, `foreach` and the recursive functions of the library (functions of an expression may not
//! call themselves), and `range`. Into each of these, and into each function that the expression defines, goes a call of [`TICK`], which
//! counts and looks at what passes.

use super::program::Kinds;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::{Fun, bome, v};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Exn, Native, ValXs};
use jaq_json::{Error, Num, Rc, Val};
use std::cell::Cell;
use std::collections::HashMap;

/// Counts a step. The name cannot be written in an expression.
const TICK: &str = "!tick";

/// Multiplication, of strings too, with a limit.
const TIMES: &str = "!times";

/// jaq's `range`, which stands under its own name with a step for each number.
const RANGE: &str = "!range";

/// The most steps for one message. Tests, which are built without optimization, have no time for so many.
const MOST_STEPS: u64 = if cfg!(test) { 110_000 } else { 1_000_000 };

/// How deep values may nest while they are made; what is written may nest less, see `output.rs`. Between two looks at a value it grows by
/// no more than this, so that twice as much must fit the stack of a worker thread (2 MiB), in a debug build too.
const DEEPEST: usize = 256;

/// How deep updates (`|=`) through `reduce` and recursive functions may nest.
const DEEPEST_UPDATE: usize = 192;

/// The most bytes of text, or sixteenth as many elements, in one value.
const LARGEST: usize = 256 << 20;

/// What has been used up by one evaluation.
#[derive(Debug)]
pub(super) struct Limits {
    steps: Cell<u64>,
    /// After so many steps a value is looked at.
    every: u64,
    next_look: Cell<u64>,
    updates: Cell<usize>,
}

impl Limits {
    /// For an expression that makes values in so many places.
    pub(super) fn new(weight: usize) -> Self {
        let every = (DEEPEST / weight.max(1)).max(1) as u64;
        Self { steps: Cell::new(0), every, next_look: Cell::new(every), updates: Cell::new(0) }
    }

    fn step(&self, value: &Val) -> Result<(), Error> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > MOST_STEPS {
            return Err(Error::str(format!("more than {MOST_STEPS} steps; it may never end")));
        }
        let size = match value {
            Val::TStr(text) | Val::BStr(text) => text.len(),
            Val::Arr(values) => values.len().saturating_mul(16),
            Val::Obj(pairs) => pairs.len().saturating_mul(32),
            _ => return Ok(()),
        };
        if size > LARGEST {
            return Err(too_large());
        }
        if steps >= self.next_look.get() {
            self.next_look.set(steps + self.every);
            look(value)?;
        }
        Ok(())
    }
}

fn too_large() -> Error {
    Error::str("a value of more than 256 MiB")
}

/// Whether a value nests too deep or is too large. Not recursive; what is shared is looked at once for each depth.
fn look(value: &Val) -> Result<(), Error> {
    let mut seen: HashMap<*const (), usize> = HashMap::new();
    let mut size = 0_usize;
    let mut rest = vec![(value, 1)];
    while let Some((value, depth)) = rest.pop() {
        if depth > DEEPEST {
            return Err(Error::str(format!("a value nests deeper than {DEEPEST}")));
        }
        let shared = match value {
            Val::Arr(values) if Rc::strong_count(values) > 1 => Some(Rc::as_ptr(values).cast()),
            Val::Obj(pairs) if Rc::strong_count(pairs) > 1 => Some(Rc::as_ptr(pairs).cast()),
            _ => None,
        };
        if let Some(shared) = shared {
            let before = seen.entry(shared).or_default();
            if *before >= depth {
                continue;
            }
            *before = depth;
        }
        let parts: Box<dyn Iterator<Item = &Val>> = match value {
            Val::Arr(values) => Box::new(values.iter()),
            Val::Obj(pairs) => Box::new(pairs.iter().flat_map(|(key, value)| [key, value])),
            _ => continue,
        };
        for part in parts {
            match part {
                Val::Arr(_) | Val::Obj(_) => rest.push((part, depth + 1)),
                Val::TStr(text) | Val::BStr(text) => size = size.saturating_add(text.len()),
                _ => {}
            }
        }
        if size > LARGEST {
            return Err(too_large());
        }
    }
    Ok(())
}

/// The functions that are called where limits are.
pub(super) fn functions() -> [Fun<Kinds>; 2] {
    let tick = Native::<Kinds>::new(|cv| {
        let limits = cv.0.data().limits;
        bome(limits.step(&cv.1).map(|()| cv.1))
    })
    .with_paths(|cv| {
        let limits = cv.0.data().limits;
        let stepped = match cv.1.1.iter().nth(DEEPEST) {
            None => limits.step(&cv.1.0),
            // Paths are lists that are dropped one part within the other.
            Some(_) => Err(Error::str(format!("a path of more than {DEEPEST} parts"))),
        };
        let stepped = stepped.map_err(Exn::from);
        Box::new(std::iter::once(stepped.map(|()| cv.1)))
    })
    .with_update(|cv, update| {
        let limits = cv.0.data().limits;
        if let Err(error) = limits.step(&cv.1) {
            return bome(Err(error));
        }
        match limits.nested(|| update(cv.1)) {
            Ok(inner) => Box::new(Nested { limits, inner }),
            Err(error) => bome(Err(error)),
        }
    });
    let times = Native::<Kinds>::new(|mut cv| {
        let right = cv.0.pop_var();
        let left = cv.0.pop_var();
        bome(times(left, right))
    });
    [(TICK, v(0), tick), (TIMES, v(2), times)]
}

impl Limits {
    /// Runs a part of an update, which may have others within.
    fn nested<T>(&self, run: impl FnOnce() -> T) -> Result<T, Error> {
        let depth = self.updates.get();
        if depth >= DEEPEST_UPDATE {
            return Err(Error::str(format!("an update nests deeper than {DEEPEST_UPDATE}")));
        }
        self.updates.set(depth + 1);
        let ran = run();
        self.updates.set(depth);
        Ok(ran)
    }
}

/// The outputs of an update, each of which may begin others.
struct Nested<'a> {
    limits: &'a Limits,
    inner: ValXs<'a, Val>,
}

impl<'a> Iterator for Nested<'a> {
    type Item = jaq_core::ValX<'a, Val>;

    fn next(&mut self) -> Option<Self::Item> {
        self.limits.nested(|| self.inner.next()).unwrap_or_else(|error| Some(Err(Exn::from(error))))
    }
}

fn times(left: Val, right: Val) -> jaq_json::ValR {
    if let (Val::TStr(text) | Val::BStr(text), Val::Num(count)) | (Val::Num(count), Val::TStr(text) | Val::BStr(text)) =
        (&left, &right)
    {
        let count = match count {
            Num::Int(count) => *count as f64,
            Num::Float(count) => *count,
            Num::BigInt(_) => f64::INFINITY,
            Num::Dec(count) => count.parse().unwrap_or(f64::INFINITY),
        };
        if count * text.len() as f64 > LARGEST as f64 {
            return Err(too_large());
        }
    }
    left * right
}

/// jaq's `range` under its other name.
pub(super) fn renamed((name, arguments, native): Fun<Kinds>) -> Fun<Kinds> {
    let is_range = name == "range" && arguments.len() == 3;
    (if is_range { RANGE } else { name }, arguments, native)
}

/// `range` as it is to be called.
pub(super) fn range() -> Def<&'static str> {
    let args = vec!["$from", "$upto", "$by"];
    let call = Term::Call(RANGE, args.iter().map(|arg| Term::Var(*arg)).collect());
    Def { name: "range", body: pipe(call, Term::Call(TICK, Vec::new())), args }
}

fn pipe<'t>(left: Term<&'t str>, right: Term<&'t str>) -> Term<&'t str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

fn ticked(term: &mut Term<&str>) {
    *term = pipe(Term::Call(TICK, Vec::new()), std::mem::take(term));
}

/// Puts the limits into a function of the library.
pub(super) fn into_definition<'t>(mut def: Def<&'static str>) -> Def<&'t str> {
    into(&mut def.body);
    def
}

/// Puts the limits into an expression. Gives in how many places it makes values.
pub(super) fn into(term: &mut Term<&str>) -> usize {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => 0,
        Term::Str(_, parts) => parts.iter_mut().map(part).sum(),
        Term::Arr(inner) => 1 + inner.iter_mut().map(|inner| into(inner)).sum::<usize>(),
        Term::Obj(pairs) => {
            let pair = |(key, value): &mut (Term<_>, Option<Term<_>>)| into(key) + value.as_mut().map_or(0, into);
            1 + pairs.iter_mut().map(pair).sum::<usize>()
        }
        Term::Neg(inner) | Term::Label(_, inner) => into(inner),
        Term::BinOp(left, op, right) => {
            let mut weight = into(left) + into(right);
            match op {
                BinaryOp::Pipe(Some(bound)) => weight += pattern(bound),
                BinaryOp::Math(Math::Mul) => {
                    let (left, right) = (std::mem::take(&mut **left), std::mem::take(&mut **right));
                    *term = Term::Call(TIMES, vec![left, right]);
                }
                _ => {}
            }
            weight
        }
        Term::Fold(_, over, bound, args) => {
            let weight = into(over) + pattern(bound) + args.iter_mut().map(into).sum::<usize>();
            if let Some(update) = args.get_mut(1) {
                ticked(update);
            }
            weight
        }
        Term::TryCatch(body, catch) => into(body) + catch.iter_mut().map(|catch| into(catch)).sum::<usize>(),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.iter_mut().map(|(condition, then)| into(condition) + into(then));
            branches.sum::<usize>() + otherwise.iter_mut().map(|otherwise| into(otherwise)).sum::<usize>()
        }
        Term::Def(defs, body) => {
            let mut weight = into(body);
            for def in defs {
                weight += into(&mut def.body);
                ticked(&mut def.body);
            }
            weight
        }
        // What the library makes of a value nests it by two at most (`to_entries`).
        Term::Call(_, args) => 2 + args.iter_mut().map(into).sum::<usize>(),
        Term::Path(of, Path(parts)) => {
            let inner = parts.iter_mut().map(|(part, _)| match part {
                Part::Index(index) => into(index),
                Part::Range(from, to) => from.iter_mut().chain(to).map(into).sum(),
            });
            into(of) + inner.sum::<usize>()
        }
    }
}

fn part(part: &mut StrPart<&str, Term<&str>>) -> usize {
    match part {
        StrPart::Term(term) => into(term),
        StrPart::Str(_) | StrPart::Char(_) => 0,
    }
}

fn pattern(bound: &mut Pattern<&str>) -> usize {
    match bound {
        Pattern::Var(_) => 0,
        Pattern::Arr(inner) => inner.iter_mut().map(pattern).sum(),
        Pattern::Obj(pairs) => pairs.iter_mut().map(|(key, inner)| into(key) + pattern(inner)).sum(),
    }
}
