//! Launch text to tokens, each with its place.
//!
//! GStreamer's lexical rules, with three of its traps made errors: a quote that is never closed, a value that is not there, and a quoted
//! value that something is glued to.

use super::Fault;
use std::ops::Range;

/// A token and its place in the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `mqttsrc`
    Word(String),
    /// `location=mqtt://…`
    Assign { name: String, value: String },
    /// `t.` and `t.src_1`
    Reference { name: String, pad: Option<String> },
    /// `.src_1`
    Pad(String),
    /// `(`, `bin.(`
    Open(Option<String>),
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `!`, `:`, `! application/json !`
    Link { all: bool, caps: Option<String> },
    /// `mqtt://…`, `stdin:`
    Url(String),
}

/// All tokens.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let Some(first) = lexer.peek() else { return Ok(tokens) };
        let kind = lexer.token(first)?;
        tokens.push(Token { kind, span: start..lexer.at });
    }
}

/// What several arguments of a command line stand for: each is one token, whatever spaces are in it.
pub(super) fn join(args: &[String]) -> String {
    let one = |arg: &String| match assignment(arg) {
        Some((name, value)) if !stands_alone(value) => format!("{name}={}", quote(value)),
        Some((name, value)) => format!("{name}={value}"),
        None if url_length(arg).is_some() => escape(arg),
        None => arg.clone(),
    };
    args.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// A value as launch text that reads back as this very value.
pub(super) fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || c.is_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn assignment(arg: &str) -> Option<(&str, &str)> {
    let (name, value) = arg.split_once('=')?;
    let name = name.trim_end();
    (name.starts_with(is_word_start) && name.chars().all(is_word)).then_some((name, value))
}

/// Whether a value means the same with and without quotes around it, or has its own quotes.
fn stands_alone(value: &str) -> bool {
    let quoted = value.starts_with(['"', '\'']) && quoted_length(value) == Some(value.len());
    let plain = value != "!" && !value.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\'));
    quoted || plain
}

fn is_word_start(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word(c: char) -> bool {
    is_word_start(c) || matches!(c, '-' | '%' | ':')
}

/// The length of `scheme://…` at the start of the text, with its backslashes.
fn url_length(text: &str) -> Option<usize> {
    let scheme = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')))?;
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text[scheme..].starts_with("://");
    valid.then(|| bare_length(text))
}

/// The length of what ends with the next white space that no backslash stands before.
fn bare_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = c.is_whitespace() && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// The length of a quoted text with both quotes; `None` if the second is missing.
fn quoted_length(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next()?;
    let mut escaped = false;
    let (at, _) = chars.find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    })?;
    Some(at + quote.len_utf8())
}

/// A backslash protects the next character, but for what is in double quotes inside the text: that may be a content type, which has
/// backslashes of its own.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut previous) = (false, ' ');
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if !quoted => out.extend(chars.next()),
            c => {
                quoted ^= c == '"' && !(quoted && previous == '\\');
                out.push(c);
            }
        }
        previous = c;
    }
    out
}

/// In single quotes a backslash is itself, except before a single quote or another backslash: so regular expressions can be written.
fn unescape_single(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\\' | '\'')) => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, length: usize) -> &'t str {
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    fn word(&mut self) -> &'t str {
        let length = self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len());
        self.take(length)
    }

    fn token(&mut self, first: char) -> Result<Kind, Fault> {
        match first {
            '!' | ':' => Ok(self.link(first)),
            '(' => {
                self.take(1);
                Ok(Kind::Open(None))
            }
            ')' => {
                self.take(1);
                Ok(Kind::Close)
            }
            ',' => {
                self.take(1);
                Ok(Kind::Comma)
            }
            '.' if self.rest()[1..].starts_with(is_word_start) => {
                self.take(1);
                Ok(Kind::Pad(self.word().to_owned()))
            }
            c if is_word_start(c) => self.named(),
            '-' if bare_length(self.rest()) == 1 => {
                self.take(1);
                Ok(Kind::Url("-".to_owned()))
            }
            c => Err(self.unexpected(c)),
        }
    }

    fn unexpected(&self, c: char) -> Fault {
        let fault = Fault::new(format!("{c:?} has no meaning here"), self.at..self.at + c.len_utf8());
        match c {
            '#' => fault.hint("there are no comments in a pipeline"),
            '"' | '\'' => fault.hint("only values are quoted, right after their = sign"),
            '@' => fault.hint("presets are not known here"),
            '=' => fault.hint("a property is NAME=VALUE"),
            '/' => fault.hint("a content type stands between two links: ! application/json !"),
            _ => fault,
        }
    }

    /// What begins with a name.
    fn named(&mut self) -> Result<Kind, Fault> {
        if let Some(length) = url_length(self.rest()) {
            return Ok(Kind::Url(unescape(self.take(length))));
        }
        let name = self.word().to_owned();
        let after = self.rest();
        let next = after.trim_start();
        if let Some(value) = next.strip_prefix('=') {
            self.at = self.text.len() - value.len();
            return self.value(name);
        }
        if let Some(open) = next.strip_prefix('.').map(str::trim_start).and_then(|open| open.strip_prefix('(')) {
            self.at = self.text.len() - open.len();
            return Ok(Kind::Open(Some(name)));
        }
        if after.starts_with('.') {
            self.take(1);
            let pad = self.peek().filter(|c| is_word_start(*c)).map(|_| self.word().to_owned());
            return Ok(Kind::Reference { name, pad });
        }
        // `stdin:`, `exec:COMMAND`: a colon in a name is not for elements.
        match name.find(':') {
            Some(at) if at > 1 => {
                let length = bare_length(self.rest());
                Ok(Kind::Url(name + &unescape(self.take(length))))
            }
            _ => Ok(Kind::Word(name)),
        }
    }

    fn value(&mut self, name: String) -> Result<Kind, Fault> {
        let equals = self.at - 1;
        self.skip_space();
        let start = self.at;
        let value = match self.peek() {
            None => return Err(missing_value(&name, equals..equals + 1)),
            Some(quote @ ('"' | '\'')) => {
                let length = quoted_length(self.rest()).ok_or_else(|| {
                    Fault::new(format!("the quote that begins the value of {name} is never closed"), start..start + 1)
                })?;
                let inner = &self.take(length)[1..length - 1];
                if let Some(glued) = self.peek().filter(|c| !c.is_whitespace()) {
                    let place = self.at..self.at + glued.len_utf8();
                    return Err(Fault::new(format!("something is glued to the quoted value of {name}"), place)
                        .hint("put a space after the quote, or a backslash before a quote that is part of the value"));
                }
                if quote == '"' { unescape(inner) } else { unescape_single(inner) }
            }
            Some(_) => {
                let length = bare_length(self.rest());
                unescape(self.take(length))
            }
        };
        if value == "!" && &self.text[start..self.at] == "!" {
            return Err(missing_value(&name, equals..equals + 1));
        }
        Ok(Kind::Assign { name, value })
    }

    /// A link, and the content type that may stand inside it: `! application/json !`.
    fn link(&mut self, sign: char) -> Kind {
        self.take(1);
        let inside = self.rest();
        let Some(end) = caps_length(inside.trim_start()) else { return Kind::Link { all: sign == ':', caps: None } };
        let from = inside.len() - inside.trim_start().len();
        let caps = inside[from..from + end].trim_end().to_owned();
        let all = inside[from + end..].starts_with(':');
        self.take(from + end + 1);
        Kind::Link { all, caps: Some(caps) }
    }
}

/// The longest content type between two links, in bytes: so that each link looks only so far for one.
const LONGEST_CAPS: usize = 10_000;

/// The length of `type/subtype, key=value; …` up to the sign of the link that ends it; `None` if this is nothing of the kind.
fn caps_length(text: &str) -> Option<usize> {
    let mime = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+');
    let kind = text.find(|c| !mime(c)).filter(|kind| *kind > 0)?;
    let after = text[kind..].strip_prefix('/')?;
    let subtype = after.find(|c| !(mime(c) || matches!(c, '.' | '_'))).filter(|subtype| *subtype > 0)?;
    let rest = &after[subtype..];
    if !rest.trim_start().starts_with([',', ';', '!', ':']) && !rest.starts_with('(') {
        return None;
    }
    let (mut depth, mut quoted, mut escaped, mut previous) = (0_usize, false, false, ' ');
    let (end, _) = rest.char_indices().take_while(|(at, _)| *at < LONGEST_CAPS).find(|(_, c)| {
        match c {
            _ if escaped => {}
            '"' => quoted = !quoted,
            '(' | '[' | '{' | '<' if !quoted => depth += 1,
            ')' | ']' | '}' | '>' if !quoted => depth = depth.saturating_sub(1),
            '!' if !quoted && depth == 0 => return true,
            // Else it belongs to a value.
            ':' if !quoted && depth == 0 && previous.is_whitespace() => return true,
            _ => {}
        }
        previous = *c;
        escaped = quoted && !escaped && *c == '\\';
        false
    })?;
    Some(text.len() - rest.len() + end)
}

fn missing_value(name: &str, span: Range<usize>) -> Fault {
    Fault::new(format!("{name} has no value"), span)
        .hint(format!("write {name}=\"\" for an empty one, {name}=\"!\" for an exclamation mark"))
}
