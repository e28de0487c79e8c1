//! The text of a graph to processes and connections.

use super::{Case, Connection, Export, Fbp, Origin, PortOf, Process};
use crate::launch::Fault;
use crate::launch::layout::MOST_ELEMENTS;
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::ops::Range;

/// The whole text.
pub(super) fn parse(text: &str, case: Case) -> Result<Fbp, Fault> {
    let graph = Fbp {
        text: text.into(),
        case,
        processes: Vec::new(),
        connections: Vec::new(),
        inports: Vec::new(),
        outports: Vec::new(),
        properties: Map::new(),
    };
    let defaults = ["IN", "OUT"].map(|name| cased(name, case));
    let mut parser = Parser { text, at: 0, graph, defaults, places: HashMap::new(), anonymous: HashMap::new() };
    parser.lines()?;
    parser.complete()?;
    Ok(parser.graph)
}

/// The length of a literal in single quotes, both included; `None` if the second is missing. Only a quote can be escaped.
pub(super) fn literal_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    let inner = text.get(1..)?;
    let end = inner.find(|c: char| {
        let ends = c == '\'' && !escaped;
        escaped = c == '\\';
        ends
    })?;
    Some(end + 2)
}

/// The length of the JSON value that the text begins with; `None` if it is none.
pub(super) fn json_length(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

fn cased(name: &str, case: Case) -> String {
    if case == Case::Sensitive { name.to_owned() } else { name.to_lowercase() }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    graph: Fbp,
    /// The ports that are meant where none is named: of the input, of the output.
    defaults: [String; 2],
    /// Processes by name.
    places: HashMap<String, usize>,
    /// How many processes without a name there are, by what stands for the name.
    anonymous: HashMap<String, usize>,
}

/// What stands between two arrows: `[PORT] process [PORT]`.
#[derive(Default)]
struct Part {
    words: Vec<Word>,
    /// Which of the words is the process, if it stands with its element.
    process: Option<usize>,
}

struct Word {
    text: String,
    index: Option<u32>,
    span: Range<usize>,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let space = |c: char| c.is_whitespace() && c != '\n';
        self.at = self.text.len() - self.rest().trim_start_matches(space).len();
    }

    fn take(&mut self, length: usize) -> &'t str {
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    fn line(&mut self) -> &'t str {
        self.take(self.rest().find('\n').unwrap_or(self.rest().len()))
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        let length = self.peek().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        Fault::new(what, self.at..self.at + length)
    }

    fn lines(&mut self) -> Result<(), Fault> {
        loop {
            self.skip_space();
            match self.peek() {
                None => return Ok(()),
                Some('\n' | ',') => self.at += 1,
                Some('#') => self.comment(),
                Some(_) => {
                    if !self.directive()? {
                        self.chain()?;
                    }
                    self.skip_space();
                    if !matches!(self.peek(), None | Some('\n' | ',' | '#')) {
                        return Err(self.unexpected());
                    }
                }
            }
        }
    }

    fn unexpected(&self) -> Fault {
        let c = self.peek().unwrap_or_default();
        self.fault(format!("nothing is known to begin with {c:?}")).hint("a link is written ->")
    }

    /// `# @name value` says something about the graph.
    fn comment(&mut self) {
        let line = self.line();
        let Some(rest) = line[1..].trim_start().strip_prefix('@') else { return };
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let (name, value) = (name.to_owned(), value.trim());
        if name == "runtime" {
            self.graph.properties.insert("environment".to_owned(), serde_json::json!({ "type": value }));
        } else if !name.is_empty() {
            self.graph.properties.insert(name, value.into());
        }
    }

    /// `INPORT=process.PORT:NAME` and the like; false if this is none.
    fn directive(&mut self) -> Result<bool, Fault> {
        let line = &self.rest()[..self.rest().find(['\n', '#']).unwrap_or(self.rest().len())];
        let Some((name, value)) = line.split_once('=') else { return Ok(false) };
        let value = value.split(',').next().unwrap_or_default();
        let span = self.at..self.at + name.len() + 1 + value.trim_end().len();
        match name.trim_end() {
            "INPORT" | "OUTPORT" => {
                let wrong = || {
                    Fault::new(format!("{value:?} is no port of a process"), span.clone())
                        .hint(format!("write {}=PROCESS.PORT:NAME", name.trim_end()))
                };
                let (process, rest) = value.trim().split_once('.').ok_or_else(wrong)?;
                let (port, public) = rest.split_once(':').ok_or_else(wrong)?;
                if [process, port, public].iter().any(|word| word.is_empty() || !word.chars().all(is_name)) {
                    return Err(wrong());
                }
                let case = self.graph.case;
                let export =
                    Export { name: cased(public, case), process: process.to_owned(), port: cased(port, case), span };
                let exports = if name.starts_with('I') { &mut self.graph.inports } else { &mut self.graph.outports };
                exports.push(export);
            }
            "DEFAULT_INPORT" | "DEFAULT_OUTPORT" => {
                let value = value.trim();
                if value.is_empty() || !value.chars().all(is_name) {
                    return Err(Fault::new(format!("{value:?} is no name of a port"), span));
                }
                let place = usize::from(name.starts_with("DEFAULT_O"));
                self.defaults[place] = cased(value, self.graph.case);
            }
            "EXPORT" => {
                return Err(Fault::new("EXPORT= is known no longer", span).hint("write INPORT= or OUTPORT="));
            }
            _ => return Ok(false),
        }
        self.at += name.len() + 1 + value.len();
        Ok(true)
    }

    /// Links one after the other, or a single process.
    fn chain(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut from = match self.literal()? {
            Some(data) => {
                let span = start..self.at;
                self.arrow(true)?;
                Some((Origin::Literal(data), span))
            }
            None => None,
        };
        loop {
            let part_at = self.at;
            let part = self.part()?;
            let follows = self.arrow(false)?;
            if part.words.is_empty() {
                return Err(self.unexpected());
            }
            let (into, out) = self.ends(part, from.is_some(), follows)?;
            if let Some((from, span)) = from.take() {
                let to = into.clone();
                self.graph.connections.push(Connection { from, span: span.start..to.span.end, to });
            }
            if !follows {
                return Ok(());
            }
            from = Some((Origin::Process(out), part_at..self.at));
        }
    }

    /// `->`, if it is there or must be.
    fn arrow(&mut self, must: bool) -> Result<bool, Fault> {
        self.skip_space();
        if self.rest().starts_with("->") {
            self.at += 2;
            self.skip_space();
            return Ok(true);
        }
        if must { Err(self.fault("a literal leads to a port").hint("'VALUE' -> PORT PROCESS")) } else { Ok(false) }
    }

    fn literal(&mut self) -> Result<Option<Json>, Fault> {
        match self.peek() {
            Some('\'') => {
                let Some(length) = literal_length(self.rest()) else {
                    return Err(self.fault("this quote is never closed").hint("a quote in a literal is written \\'"));
                };
                let inner = &self.take(length)[1..length - 1];
                Ok(Some(inner.replace("\\'", "'").into()))
            }
            Some(c) if matches!(c, '{' | '[' | '"') || is_number(self.rest()) => {
                let value = json_length(self.rest()).and_then(|length| {
                    let value = serde_json::from_str(&self.rest()[..length]).ok()?;
                    self.at += length;
                    Some(whole_where_it_can_be(value))
                });
                value.map(Some).ok_or_else(|| self.fault("this begins like JSON, and is none"))
            }
            _ => Ok(None),
        }
    }

    fn part(&mut self) -> Result<Part, Fault> {
        let mut part = Part::default();
        loop {
            self.skip_space();
            let start = self.at;
            let word = self.word();
            if self.peek() == Some('(') && part.process.is_none() {
                let (component, metadata) = self.component()?;
                let name = self.declare(word, component, metadata, start..self.at)?;
                part.process = Some(part.words.len());
                part.words.push(Word { text: name, index: None, span: start..self.at });
            } else if word.is_empty() {
                return Ok(part);
            } else {
                let index = self.index()?;
                part.words.push(Word { text: word, index, span: start..self.at });
            }
            if part.words.len() > 3 {
                return Err(Fault::new("too many words", start..self.at).hint("write PORT PROCESS PORT -> …"));
            }
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return String::new();
        }
        let end = rest.char_indices().find(|(at, c)| !is_name(*c) || rest[*at..].starts_with("->"));
        self.take(end.map_or(rest.len(), |(at, _)| at)).to_owned()
    }

    /// `[3]` after a port.
    fn index(&mut self) -> Result<Option<u32>, Fault> {
        if self.peek() != Some('[') {
            return Ok(None);
        }
        let inner = self.rest()[1..].split_once(']').map(|(inner, _)| inner);
        let index = inner.and_then(|inner| inner.trim().parse().ok().map(|index| (index, inner.len() + 2)));
        let Some((index, length)) = index else {
            return Err(self.fault("this is no number of a port").hint("write IN[0]"));
        };
        self.at += length;
        Ok(Some(index))
    }

    /// `(element:key=value,key=value)`; empty for a process that stands elsewhere with its element.
    fn component(&mut self) -> Result<(String, Map<String, Json>), Fault> {
        let open = self.at;
        let inner = self.rest().split_once(')').map(|(inner, _)| &inner[1..]).filter(|inner| !inner.contains('\n'));
        let Some(inner) = inner else {
            return Err(Fault::new("this parenthesis is never closed", open..open + 1));
        };
        self.at += inner.len() + 2;
        let (component, meta) = inner.split_once(':').unwrap_or((inner, ""));
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        if !component.trim().chars().all(valid) {
            return Err(Fault::new(format!("{:?} is no name of an element", component.trim()), open + 1..self.at - 1));
        }
        let mut metadata = Map::new();
        for pair in meta.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or(("routes", pair));
            let (key, value) = (key.trim(), value.trim());
            let number = value.parse::<i64>().ok().filter(|_| key == "x" || key == "y");
            metadata.insert(key.to_owned(), number.map_or_else(|| value.into(), Json::from));
        }
        Ok((component.trim().to_owned(), metadata))
    }

    /// Notes a process with its element.
    fn declare(
        &mut self,
        name: String,
        component: String,
        metadata: Map<String, Json>,
        span: Range<usize>,
    ) -> Result<String, Fault> {
        let name = match (name.is_empty(), component.is_empty()) {
            (true, true) => return Err(Fault::new("neither a process nor an element is named", span)),
            (true, false) => {
                let name = plain(&component);
                let count = self.anonymous.entry(name.clone()).or_default();
                *count += 1;
                format!("_{name}_{count}")
            }
            (false, _) => name,
        };
        if let Some(&place) = self.places.get(&name) {
            let process = &mut self.graph.processes[place];
            let before = process.component.as_deref().unwrap_or_default();
            if !component.is_empty() && before != component {
                return Err(Fault::new(format!("{name} is a {before} already"), span));
            }
            if !metadata.is_empty() {
                process.metadata = metadata;
            }
            return Ok(name);
        }
        if component.is_empty() {
            return Ok(name);
        }
        if self.graph.processes.len() >= MOST_ELEMENTS {
            return Err(Fault::new(format!("a graph has at most {MOST_ELEMENTS} processes"), span));
        }
        self.places.insert(name.clone(), self.graph.processes.len());
        let process = Process { name: name.clone(), component: Some(component), metadata, span };
        self.graph.processes.push(process);
        Ok(name)
    }

    /// Which of the words are ports: the process's place is known, or follows from where the arrows are.
    fn ends(&self, part: Part, comes: bool, goes: bool) -> Result<(PortOf, PortOf), Fault> {
        let Part { mut words, process } = part;
        let known = |word: &Word| self.places.contains_key(&word.text);
        let process = process.unwrap_or(match (words.len(), comes, goes) {
            (1, ..) => 0,
            (2, true, true) if known(&words[0]) && !known(&words[1]) => 0,
            (2, false, _) => 0,
            _ => 1,
        });
        let odd =
            |word: &Word| Fault::new(format!("{:?} is a port that nothing is linked to", word.text), word.span.clone());
        let out = match words.len() - process - 1 {
            0 => None,
            1 => words.pop(),
            _ => return Err(odd(&words[words.len() - 1])),
        };
        let Some(owner) = words.pop() else { return Err(self.unexpected()) };
        let into = words.pop();
        if let Some(extra) = words.first() {
            return Err(odd(extra));
        }
        if let Some(word) = into.as_ref().filter(|_| !comes).or(out.as_ref().filter(|_| !goes)) {
            return Err(odd(word));
        }
        let port = |word: Option<Word>, default: &String| {
            let by_default = word.is_none();
            let (port, index) =
                word.map_or((default.clone(), None), |word| (cased(&word.text, self.graph.case), word.index));
            PortOf { process: owner.text.clone(), port, index, by_default, span: owner.span.clone() }
        };
        Ok((port(into, &self.defaults[0]), port(out, &self.defaults[1])))
    }

    /// Every process that is mentioned has its element.
    fn complete(&self) -> Result<(), Fault> {
        let missing = |process: &str, span: &Range<usize>| {
            (!self.places.contains_key(process)).then(|| {
                Fault::new(format!("{process} has no element"), span.clone())
                    .hint(format!("write {process}(ELEMENT) where it is first named"))
            })
        };
        let ends = self.graph.connections.iter().flat_map(|connection| {
            let from = match &connection.from {
                Origin::Process(from) => Some(from),
                Origin::Literal(_) => None,
            };
            from.into_iter().chain([&connection.to])
        });
        let ends = ends.map(|port| (&port.process, &port.span));
        let exports = self.graph.inports.iter().chain(&self.graph.outports);
        let exports = exports.map(|export| (&export.process, &export.span));
        match ends.chain(exports).find_map(|(process, span)| missing(process, span)) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}

/// The name of an element in that of a process without one: the first run of other characters is an underscore, for the reference parser
/// replaces no more.
fn plain(component: &str) -> String {
    let other = |c: char| !c.is_ascii_alphanumeric();
    match component.find(other) {
        None => component.to_owned(),
        Some(at) => format!("{}_{}", &component[..at], component[at..].trim_start_matches(other)),
    }
}

/// The number 1.0 is 1, for an option that takes whole numbers; JSON does not tell them apart.
fn whole_where_it_can_be(value: Json) -> Json {
    /// Up to here a float counts one by one.
    const MOST: f64 = 9_007_199_254_740_992.0;
    match value {
        Json::Number(number) if number.is_f64() => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation)]
            Some(float) if float.fract() == 0.0 && float.abs() <= MOST => Json::from(float as i64),
            _ => Json::Number(number),
        },
        Json::Array(values) => values.into_iter().map(whole_where_it_can_be).collect(),
        Json::Object(fields) => fields.into_iter().map(|(name, value)| (name, whole_where_it_can_be(value))).collect(),
        other => other,
    }
}

fn is_number(text: &str) -> bool {
    text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}
