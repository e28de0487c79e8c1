//! The notation of content types, read.

use super::value::{Kind, Value, is_plain};
use super::{Alternative, Wanted};

/// How deep lists may nest.
const DEEPEST: usize = 10;

/// The whole text.
pub(super) fn alternatives(text: &str) -> Option<Vec<Alternative>> {
    let mut reader = Reader { rest: text };
    let mut all = vec![reader.alternative()?];
    while reader.takes(';') {
        all.push(reader.alternative()?);
    }
    reader.is_at_end().then_some(all)
}

/// What is left of a text. Where a method answers `None`, the text is wrong.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn is_at_end(&self) -> bool {
        self.rest.trim_start().is_empty()
    }

    /// Takes the sign, if it is the next; white space before it does not count.
    fn takes(&mut self, sign: char) -> bool {
        let after = self.rest.trim_start().strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn must(&mut self, sign: char) -> Option<()> {
        self.takes(sign).then_some(())
    }

    fn word(&mut self) -> Option<&'t str> {
        let start = self.rest.trim_start();
        let (word, rest) = start.split_at(start.find(|c| !is_plain(c)).unwrap_or(start.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn alternative(&mut self) -> Option<Alternative> {
        let media = self.word()?;
        let (kind, subtype) = media.split_once('/')?;
        if !kind.starts_with(|c: char| c.is_ascii_alphabetic())
            || subtype.is_empty()
            || subtype.contains('/')
            || media.contains(':')
        {
            return None;
        }
        let features = if self.rest.starts_with('(') { self.features()? } else { Vec::new() };
        let mut parameters: Vec<(String, Wanted)> = Vec::new();
        while self.takes(',') && !self.is_at_end() {
            let name = self.word()?.to_owned();
            self.must('=')?;
            let wanted = self.wanted(None, 0)?;
            match parameters.iter_mut().find(|(own, _)| *own == name) {
                Some((_, own)) => *own = wanted,
                None => parameters.push((name, wanted)),
            }
        }
        Some(Alternative { media: media.to_owned(), features, parameters })
    }

    /// `(memory:DMABuf, meta:X)`, `(ANY)`. System memory is what is meant without any.
    fn features(&mut self) -> Option<Vec<String>> {
        let mut features = Vec::new();
        self.must('(')?;
        loop {
            let feature = self.word().filter(|word| word.contains(':') || *word == "ANY")?;
            features.extend((feature != "memory:SystemMemory").then(|| feature.to_owned()));
            if !self.takes(',') {
                return self.must(')').map(|()| features);
            }
        }
    }

    /// A value of a type that stands before it, else of the type that holds for the list that it is in.
    fn wanted(&mut self, outer: Option<Kind>, depth: usize) -> Option<Wanted> {
        if depth > DEEPEST {
            return None;
        }
        let given = match self.takes('(') {
            true => {
                let kind = Kind::named(self.word()?)?;
                self.must(')')?;
                Some(kind)
            }
            false => outer,
        };
        if self.takes('{') {
            return self.list('}', given, depth).map(Wanted::OneOf);
        }
        if self.takes('<') {
            return self.list('>', given, depth).map(Wanted::Array);
        }
        if self.takes('[') {
            return self.range(given);
        }
        self.value(given).map(Wanted::Is)
    }

    fn list(&mut self, close: char, given: Option<Kind>, depth: usize) -> Option<Vec<Wanted>> {
        let mut values: Vec<Wanted> = Vec::new();
        while !self.takes(close) {
            let value = self.wanted(given, depth + 1)?;
            // One type holds for all, else the text would not read back.
            if values.first().is_some_and(|first| first.kind() != value.kind()) {
                return None;
            }
            values.push(value);
            if !self.takes(',') {
                return self.must(close).map(|()| values);
            }
        }
        Some(values)
    }

    fn range(&mut self, given: Option<Kind>) -> Option<Wanted> {
        let from = self.value(given)?;
        self.must(',')?;
        let to = self.value(given)?;
        let step = match self.takes(',') {
            true => Some(self.value(given)?),
            false => None,
        };
        self.must(']')?;
        let ordered = from.kind() == to.kind() && from.number()? <= to.number()?;
        let step = match (&from, &to, step) {
            (Value::Int(_) | Value::Double(_) | Value::Fraction(..), _, None) => None,
            (Value::Int(from), Value::Int(to), Some(Value::Int(step))) => {
                (step > 0 && from % step == 0 && to % step == 0).then_some(Some(step))?
            }
            _ => return None,
        };
        ordered.then_some(Wanted::Within { from, to, step })
    }

    fn value(&mut self, given: Option<Kind>) -> Option<Value> {
        if !self.takes('"') {
            let word = self.word()?;
            return given.map_or_else(|| Some(Value::plain(word)), |kind| kind.read(word));
        }
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => text.push(chars.next()?),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        match given {
            None => Some(Value::plain(&text)),
            Some(Kind::String) => Some(Value::String(text)),
            Some(_) => None,
        }
    }
}
