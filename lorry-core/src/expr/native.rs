//! Comparisons of fields without the interpreter: most filters that people write.
//!
//! `.celsius > 40 and .device != "x"` is read off the JSON text, and nothing is built of it. Whatever is not settled beyond doubt is left
//! to the interpreter, errors included; so both give the same, which a test shows.

use super::input::{DEEPEST, depth};
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::Cmp;
use jaq_core::path::{Opt, Part};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cmp::Ordering;
use std::fmt;

/// The most different fields in one expression.
const FIELDS: usize = 8;

/// Floats closer than this, as part of their size, may be the same number read in two ways.
const DOUBT: f64 = 1e-12;

/// A program of comparisons.
#[derive(Debug, PartialEq)]
pub(super) struct Native {
    root: Step,
    fields: usize,
    node: Node,
}

/// A name in an object, and what is asked of its value.
#[derive(Debug, Default, PartialEq)]
struct Step {
    name: Box<str>,
    /// The cell that takes the value.
    cell: Option<usize>,
    inner: Vec<Step>,
}

#[derive(Debug, PartialEq)]
enum Node {
    Field(usize),
    Literal(Literal),
    Compare(Box<Node>, Compare, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

#[derive(Debug, PartialEq)]
enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
}

/// A value, as far as it has to be known. The order is jq's order of types.
#[derive(Clone, Copy, Debug)]
enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Array,
    Object,
    /// A field of something that has no fields, or a number too large: for the interpreter.
    Unclear,
}

/// For the interpreter to settle.
struct Unsettled;

impl Native {
    /// The program of a term; `None` where it is more than comparisons of fields.
    pub(super) fn of(term: &Term<&str>) -> Option<Self> {
        let mut native = Self { root: Step::default(), fields: 0, node: Node::Literal(Literal::Null) };
        native.node = native.node_of(term)?;
        (native.fields > 0 && !matches!(native.node, Node::Literal(_))).then_some(native)
    }

    /// Whether the payload passes; `None` where the interpreter must say.
    pub(super) fn test(&self, payload: &[u8]) -> Option<bool> {
        if (payload.len() > 2 * DEEPEST && depth(payload) > DEEPEST) || has_surrogates(payload) {
            return None;
        }
        let text = std::str::from_utf8(payload).ok()?;
        let mut cells = [Cell::Null; FIELDS];
        let mut json = serde_json::Deserializer::from_str(text);
        let object = Object { steps: &self.root.inner, cells: &mut cells };
        json.deserialize_map(object).ok()?;
        json.end().ok()?;
        let value = self.node.value(&cells).ok()?;
        Some(!matches!(value, Cell::Null | Cell::Bool(false)))
    }

    fn node_of(&mut self, term: &Term<&str>) -> Option<Node> {
        match term {
            Term::Num(text) => number(text, false),
            Term::Neg(inner) => match &**inner {
                Term::Num(text) => number(text, true),
                _ => None,
            },
            Term::Str(None, parts) => Some(Node::Literal(Literal::Text(plain(parts)?.into()))),
            Term::Call(name, args) if args.is_empty() => Some(Node::Literal(match *name {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => return None,
            })),
            Term::Path(of, path) if matches!(**of, Term::Id) => {
                let names = path.0.iter().map(|(part, opt)| match (part, opt) {
                    (Part::Index(Term::Str(None, parts)), Opt::Essential) => plain(parts),
                    _ => None,
                });
                self.field(&names.collect::<Option<Vec<_>>>()?)
            }
            Term::BinOp(left, BinaryOp::Pipe(None), right) => match &**right {
                Term::Call("not", args) if args.is_empty() => Some(Node::Not(Box::new(self.node_of(left)?))),
                _ => None,
            },
            Term::BinOp(left, op, right) => {
                let (left, right) = (Box::new(self.node_of(left)?), Box::new(self.node_of(right)?));
                Some(match op {
                    BinaryOp::And => Node::And(left, right),
                    BinaryOp::Or => Node::Or(left, right),
                    BinaryOp::Cmp(Cmp::Lt) => Node::Compare(left, Compare::Lt, right),
                    BinaryOp::Cmp(Cmp::Le) => Node::Compare(left, Compare::Le, right),
                    BinaryOp::Cmp(Cmp::Gt) => Node::Compare(left, Compare::Gt, right),
                    BinaryOp::Cmp(Cmp::Ge) => Node::Compare(left, Compare::Ge, right),
                    BinaryOp::Cmp(Cmp::Eq) => Node::Compare(left, Compare::Eq, right),
                    BinaryOp::Cmp(Cmp::Ne) => Node::Compare(left, Compare::Ne, right),
                    _ => return None,
                })
            }
            _ => None,
        }
    }

    fn field(&mut self, names: &[&str]) -> Option<Node> {
        if names.is_empty() {
            return None;
        }
        let mut step = &mut self.root;
        for name in names {
            let at = match step.inner.iter().position(|inner| *inner.name == **name) {
                Some(at) => at,
                None => {
                    step.inner.push(Step { name: (*name).into(), ..Step::default() });
                    step.inner.len() - 1
                }
            };
            step = &mut step.inner[at];
        }
        let cell = *step.cell.get_or_insert(self.fields);
        self.fields = self.fields.max(cell + 1);
        (self.fields <= FIELDS).then_some(Node::Field(cell))
    }
}

/// Halves of characters are judged by the interpreter: what is skipped here is not looked at that closely.
fn has_surrogates(payload: &[u8]) -> bool {
    payload.contains(&b'\\') && payload.windows(3).any(|at| matches!(at, [b'\\', b'u', b'd' | b'D']))
}

/// A string without interpolation and escapes.
fn plain<'a>(parts: &[StrPart<&'a str, Term<&'a str>>]) -> Option<&'a str> {
    match parts {
        [] => Some(""),
        [StrPart::Str(text)] => Some(text),
        _ => None,
    }
}

fn number(text: &str, negative: bool) -> Option<Node> {
    let literal = match text.parse::<i64>() {
        Ok(int) => Literal::Int(if negative { -int } else { int }),
        Err(_) => {
            let float = text.parse::<f64>().ok().filter(|float| float.is_finite())?;
            Literal::Float(if negative { -float } else { float })
        }
    };
    Some(Node::Literal(literal))
}

impl Node {
    fn value<'a>(&'a self, cells: &[Cell<'a>; FIELDS]) -> Result<Cell<'a>, Unsettled> {
        let truth = |node: &'a Node| match node.value(cells)? {
            Cell::Null | Cell::Bool(false) => Ok(false),
            _ => Ok(true),
        };
        Ok(match self {
            Self::Field(at) => match cells[*at] {
                Cell::Unclear => return Err(Unsettled),
                cell => cell,
            },
            Self::Literal(literal) => match literal {
                Literal::Null => Cell::Null,
                Literal::Bool(value) => Cell::Bool(*value),
                Literal::Int(value) => Cell::Int(*value),
                Literal::Float(value) => Cell::Float(*value),
                Literal::Text(value) => Cell::Text(value),
            },
            Self::Compare(left, compare, right) => {
                let order = order(left.value(cells)?, right.value(cells)?)?;
                Cell::Bool(match compare {
                    Compare::Lt => order.is_lt(),
                    Compare::Le => order.is_le(),
                    Compare::Gt => order.is_gt(),
                    Compare::Ge => order.is_ge(),
                    Compare::Eq => order.is_eq(),
                    Compare::Ne => order.is_ne(),
                })
            }
            Self::And(left, right) => Cell::Bool(truth(left)? && truth(right)?),
            Self::Or(left, right) => Cell::Bool(truth(left)? || truth(right)?),
            Self::Not(inner) => Cell::Bool(!truth(inner)?),
        })
    }
}

fn order(left: Cell<'_>, right: Cell<'_>) -> Result<Ordering, Unsettled> {
    let rank = |cell| match cell {
        Cell::Null => 0,
        Cell::Bool(_) => 1,
        Cell::Int(_) | Cell::Float(_) => 2,
        Cell::Text(_) => 3,
        Cell::Array => 4,
        Cell::Object | Cell::Unclear => 5,
    };
    match (left, right) {
        (Cell::Bool(left), Cell::Bool(right)) => Ok(left.cmp(&right)),
        (Cell::Int(left), Cell::Int(right)) => Ok(left.cmp(&right)),
        (Cell::Int(left), Cell::Float(right)) => floats(left as f64, right),
        (Cell::Float(left), Cell::Int(right)) => floats(left, right as f64),
        (Cell::Float(left), Cell::Float(right)) => floats(left, right),
        (Cell::Text(left), Cell::Text(right)) => Ok(left.cmp(right)),
        (Cell::Null, Cell::Null) => Ok(Ordering::Equal),
        _ if rank(left) != rank(right) => Ok(rank(left).cmp(&rank(right))),
        _ => Err(Unsettled),
    }
}

fn floats(left: f64, right: f64) -> Result<Ordering, Unsettled> {
    let clear = (left - right).abs() > DOUBT * left.abs().max(right.abs());
    left.partial_cmp(&right).filter(|_| clear).ok_or(Unsettled)
}

/// An object that is being read.
struct Object<'s, 'c, 'a> {
    steps: &'s [Step],
    cells: &'c mut [Cell<'a>; FIELDS],
}

impl<'de> Visitor<'de> for Object<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&'de str>()? {
            match self.steps.iter().find(|step| *step.name == *name) {
                Some(step) => map.next_value_seed(Field { step, cells: self.cells })?,
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// The value of a field that is asked for.
struct Field<'s, 'c, 'a> {
    step: &'s Step,
    cells: &'c mut [Cell<'a>; FIELDS],
}

impl<'a> Field<'_, '_, 'a> {
    /// Of a name that comes twice the last value counts, and what was inside the first is gone.
    fn is(self, value: Cell<'a>) {
        let inside = if matches!(value, Cell::Null | Cell::Object) { Cell::Null } else { Cell::Unclear };
        self.step.inner.iter().for_each(|step| step.fill(self.cells, inside));
        if let Some(cell) = self.step.cell {
            self.cells[cell] = value;
        }
    }
}

impl Step {
    fn fill<'a>(&self, cells: &mut [Cell<'a>; FIELDS], with: Cell<'a>) {
        if let Some(cell) = self.cell {
            cells[cell] = with;
        }
        self.inner.iter().for_each(|step| step.fill(cells, with));
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.is(Cell::Null);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.is(Cell::Bool(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.is(Cell::Int(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.is(i64::try_from(value).map_or(Cell::Unclear, Cell::Int));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.is(Cell::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.is(Cell::Text(value));
        Ok(())
    }

    // A text with escapes is not what it looks like.
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.is(Cell::Unclear);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.is(Cell::Array);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Self { step, cells } = self;
        Field { step, cells }.is(Cell::Object);
        Object { steps: &step.inner, cells }.visit_map(map)
    }
}
