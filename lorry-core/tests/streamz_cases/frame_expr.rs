//! Arithmetic and comparisons with the columns of a row: `x + 2 * y`, `df.x > 1`.

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Column(String),
    Number(f64),
    Of(Box<Expr>, String, Box<Expr>),
}

/// From what binds least to what binds most.
const LEVELS: [&[&str]; 3] = [&["==", "!=", ">=", "<=", ">", "<"], &["+", "-"], &["*", "/", "%"]];

impl Expr {
    /// None if it is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words = words(text)?;
        let mut rest = words.as_slice();
        let expr = level(&mut rest, 0)?;
        rest.is_empty().then_some(expr)
    }

    pub(crate) fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(name) => vec![name],
            Self::Number(_) => Vec::new(),
            Self::Of(a, _, b) => [a.columns(), b.columns()].concat(),
        }
    }

    /// What it is of a row; null if a part of it is.
    pub(crate) fn of(&self, row: &Value) -> Value {
        match self.number(row) {
            None => Value::Null,
            Some(x) if self.compares() => json!(x != 0.0),
            Some(x) if x.fract() == 0.0 && x.abs() < 9e15 => json!(x as i64),
            Some(x) => json!(x),
        }
    }

    fn compares(&self) -> bool {
        matches!(self, Self::Of(_, op, _) if LEVELS[0].contains(&op.as_str()))
    }

    /// True is 1.
    fn number(&self, row: &Value) -> Option<f64> {
        let (a, op, b) = match self {
            Self::Column(name) => return row[name].as_f64(),
            Self::Number(x) => return Some(*x),
            Self::Of(a, op, b) => (a.number(row)?, op.as_str(), b.number(row)?),
        };
        let truth = |truth| f64::from(u8::from(truth));
        Some(match op {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "%" => a.rem_euclid(b),
            "==" => truth(a == b),
            "!=" => truth(a != b),
            ">=" => truth(a >= b),
            "<=" => truth(a <= b),
            ">" => truth(a > b),
            _ => truth(a < b),
        })
    }
}

/// Names, numbers, operators and brackets.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let word_like = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let length = match first {
            c if word_like(c) => rest.find(|c| !word_like(c)).unwrap_or(rest.len()),
            '=' | '!' | '<' | '>' if rest[1..].starts_with('=') => 2,
            '+' | '-' | '*' | '/' | '%' | '<' | '>' | '(' | ')' => 1,
            _ => return None,
        };
        let (word, after) = rest.split_at(length);
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Some(words)
}

fn level(rest: &mut &[String], at: usize) -> Option<Expr> {
    let Some(ops) = LEVELS.get(at) else { return operand(rest) };
    let mut left = level(rest, at + 1)?;
    while let [op, after @ ..] = *rest
        && ops.contains(&op.as_str())
    {
        *rest = after;
        left = Expr::Of(Box::new(left), op.clone(), Box::new(level(rest, at + 1)?));
    }
    Some(left)
}

fn operand(rest: &mut &[String]) -> Option<Expr> {
    let [word, after @ ..] = *rest else { return None };
    *rest = after;
    if word == "(" {
        let inner = level(rest, 0)?;
        let [close, after @ ..] = *rest else { return None };
        *rest = after;
        return (close == ")").then_some(inner);
    }
    match word.parse() {
        Ok(number) => Some(Expr::Number(number)),
        Err(_) => {
            let name = word.strip_prefix("df.").unwrap_or(word);
            is_name(name).then(|| Expr::Column(name.to_owned()))
        }
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    let starts = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    starts && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
