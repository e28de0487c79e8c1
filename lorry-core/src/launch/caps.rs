//! Content types between links: `application/json, charset=utf-8; text/csv`.

use std::fmt;

/// Content types that may pass, in GStreamer's notation: alternatives between semicolons, each a media type and what its parameters may
/// be. A value stands as it is, in quotes, with its type before it (`(int)1`), as a list (`{a, b}`) or as a range (`[1, 9]`).
///
/// ```
/// use lorry_core::launch::Caps;
///
/// let caps: Caps = "application/json, charset={utf-8, us-ascii}; text/csv".parse()?;
/// assert!(caps.allow("application/json") && caps.allow("Application/JSON; charset=UTF-8") && caps.allow("text/csv"));
/// assert!(!caps.allow("text/plain") && !caps.allow("application/json; charset=latin1"));
/// assert_eq!(caps.to_string(), "application/json, charset=(string){ utf-8, us-ascii }; text/csv");
/// assert!("application/json, charset=(antwerp)x".parse::<Caps>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Caps(Vec<Alternative>);

#[derive(Clone, Debug, PartialEq)]
struct Alternative {
    media: String,
    parameters: Vec<(String, Type, Wanted)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Double,
    Fraction,
    Boolean,
    String,
}

#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Is(String),
    OneOf(Vec<Wanted>),
    Within(String, String),
}

impl Caps {
    /// Whether a message of this content type may pass: its media type is one of them, and each of its parameters that is named here
    /// has a value that is wanted. A parameter that it does not state is no obstacle.
    pub fn allow(&self, content_type: &str) -> bool {
        let mut parts = content_type.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let stated: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        self.0.iter().filter(|alternative| alternative.media.eq_ignore_ascii_case(media)).any(|alternative| {
            alternative.parameters.iter().all(|(name, kind, wanted)| {
                let value = stated.iter().find(|(own, _)| own.trim().eq_ignore_ascii_case(name));
                value.is_none_or(|(_, value)| wanted.allows(value.trim().trim_matches('"'), *kind))
            })
        })
    }

    /// The first media type: what a message is taken to be that does not say.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |alternative| &alternative.media)
    }
}

impl Wanted {
    fn allows(&self, value: &str, kind: Type) -> bool {
        match self {
            Self::Is(own) => match kind {
                Type::Int | Type::Double => number(own).zip(number(value)).is_some_and(|(own, value)| own == value),
                _ => own.eq_ignore_ascii_case(value),
            },
            Self::OneOf(values) => values.iter().any(|one| one.allows(value, kind)),
            Self::Within(from, to) => match (number(from), number(to), number(value)) {
                (Some(from), Some(to), Some(value)) => from <= value && value <= to,
                _ => false,
            },
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl std::str::FromStr for Caps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no content type; write application/json, or application/json, charset=utf-8");
        let alternatives = split(text, ';').ok_or_else(wrong)?;
        let alternatives = alternatives.into_iter().map(|part| alternative(part).ok_or_else(wrong));
        Ok(Self(alternatives.collect::<Result<_, _>>()?))
    }
}

/// The parts of a text between signs that stand in no quotes and no brackets; `None` if those do not match.
fn split(text: &str, sign: char) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut open, mut quoted) = (Vec::new(), 0, Vec::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return None,
            _ if c == sign && open.is_empty() => {
                parts.push(text[from..at].trim());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    (open.is_empty() && !quoted).then_some(parts)
}

fn alternative(text: &str) -> Option<Alternative> {
    let mut parts = split(text, ',')?.into_iter();
    let media = parts.next()?;
    let (kind, subtype) = media.split_once('/')?;
    let word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'))
    };
    if !word(kind) || !word(subtype) {
        return None;
    }
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let (kind, value) = typed(value.trim())?;
        word(name.trim()).then(|| (name.trim().to_owned(), kind, value))
    };
    Some(Alternative { media: media.to_owned(), parameters: parts.map(parameter).collect::<Option<_>>()? })
}

fn typed(text: &str) -> Option<(Type, Wanted)> {
    let (given, text) = match text.strip_prefix('(') {
        None => (None, text),
        Some(rest) => {
            let (name, rest) = rest.split_once(')')?;
            (Some(Type::named(name.trim())?), rest.trim())
        }
    };
    let inner = |open, close| text.strip_prefix(open).and_then(|text: &str| text.strip_suffix(close));
    let several = |text: &str, given: Option<Type>| {
        let mut kinds = Vec::new();
        let values = split(text, ',')?.into_iter().map(|value| {
            let (kind, value) = scalar(value, given)?;
            kinds.push(kind);
            Some(value)
        });
        let values = values.collect::<Option<Vec<_>>>()?;
        // Of several types the first: GStreamer refuses to mix them.
        let kind = *kinds.first()?;
        kinds.iter().all(|other| *other == kind).then_some((kind, values))
    };
    if let Some(list) = inner('{', '}') {
        let (kind, values) = several(list, given)?;
        return Some((kind, Wanted::OneOf(values.into_iter().map(Wanted::Is).collect())));
    }
    if let Some(range) = inner('[', ']') {
        let (kind, values) = several(range, given)?;
        let [from, to] = <[String; 2]>::try_from(values).ok()?;
        let ordered = number(&from)? <= number(&to)?;
        return (ordered && matches!(kind, Type::Int | Type::Double)).then_some((kind, Wanted::Within(from, to)));
    }
    scalar(text, given).map(|(kind, value)| (kind, Wanted::Is(value)))
}

fn scalar(text: &str, given: Option<Type>) -> Option<(Type, String)> {
    let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    let plain = if quoted { text[1..text.len() - 1].replace("\\\"", "\"") } else { text.to_owned() };
    if !quoted && (plain.is_empty() || plain.contains(|c: char| c.is_whitespace() || "\"(){}[]".contains(c))) {
        return None;
    }
    let truth = match plain.to_ascii_lowercase().as_str() {
        "true" | "yes" | "t" => Some("true"),
        "false" | "no" | "f" => Some("false"),
        _ => None,
    };
    let fraction = || plain.split_once('/').is_some_and(|(a, b)| a.parse::<i32>().is_ok() && b.parse::<u32>().is_ok());
    let kind = given.unwrap_or_else(|| match () {
        () if quoted => Type::String,
        () if plain.parse::<i32>().is_ok() => Type::Int,
        () if number(&plain).is_some() => Type::Double,
        () if fraction() => Type::Fraction,
        () if truth.is_some() && plain.len() > 1 => Type::Boolean,
        () => Type::String,
    });
    match kind {
        Type::Int => plain.parse::<i64>().ok().map(|number| (kind, number.to_string())),
        Type::Double => number(&plain).map(|number| (kind, number.to_string())),
        Type::Fraction => fraction().then_some((kind, plain)),
        Type::Boolean => truth.map(|truth| (kind, truth.to_owned())),
        Type::String => Some((kind, plain)),
    }
}

impl Type {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int" | "i" | "uint" | "int64" | "uint64" | "gint" => Self::Int,
            "float" | "f" | "double" | "d" => Self::Double,
            "fraction" => Self::Fraction,
            "boolean" | "bool" | "b" => Self::Boolean,
            "string" | "str" | "s" => Self::String,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Double => "double",
            Self::Fraction => "fraction",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) if value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+/:".contains(c)) => {
                f.write_str(value)
            }
            Self::Is(value) => write!(f, "\"{}\"", value.replace('"', "\\\"")),
            Self::OneOf(values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                write!(f, "{{ {} }}", values.join(", "))
            }
            Self::Within(from, to) => write!(f, "[ {from}, {to} ]"),
        }
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, alternative) in self.0.iter().enumerate() {
            write!(f, "{}{}", if place > 0 { "; " } else { "" }, alternative.media)?;
            for (name, kind, wanted) in &alternative.parameters {
                write!(f, ", {name}=({}){wanted}", kind.name())?;
            }
        }
        Ok(())
    }
}
