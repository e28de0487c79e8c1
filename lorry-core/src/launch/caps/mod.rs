//! Content types between links: `application/json, charset=utf-8; text/csv`.

mod parse;
mod value;

use std::fmt;
use value::{Kind, Value};

/// Content types that may pass, in GStreamer's notation: alternatives between semicolons, each a media type and what its parameters may
/// be. A value stands as it is, in quotes, with its type before it (`(int)1`), as a list of which one holds (`{a, b}`), as a range
/// (`[1, 9]`, `[0, 10, 2]`) or as an array (`<1, 2>`). Features (`video/x-raw(memory:DMABuf)`) are read and have no effect.
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
    features: Vec<String>,
    parameters: Vec<(String, Wanted)>,
}

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Is(Value),
    OneOf(Vec<Wanted>),
    Array(Vec<Wanted>),
    Within { from: Value, to: Value, step: Option<i32> },
}

impl Caps {
    /// Whether a message of this content type may pass: its media type is one of them, and each of its parameters that is named here
    /// has a value that is wanted. A parameter that it does not state is no obstacle.
    pub fn allow(&self, content_type: &str) -> bool {
        let mut parts = content_type.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let stated: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        self.0.iter().filter(|alternative| alternative.media.eq_ignore_ascii_case(media)).any(|alternative| {
            alternative.parameters.iter().all(|(name, wanted)| {
                let value = stated.iter().find(|(own, _)| own.trim().eq_ignore_ascii_case(name));
                value.is_none_or(|(_, value)| wanted.allows(value.trim().trim_matches('"')))
            })
        })
    }

    /// The first media type: what a message is taken to be that does not say.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |alternative| &alternative.media)
    }
}

impl std::str::FromStr for Caps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse::alternatives(text).map(Self).ok_or_else(|| {
            format!("{text:?} is no content type; write application/json, or application/json, charset=utf-8")
        })
    }
}

impl Wanted {
    fn allows(&self, value: &str) -> bool {
        match self {
            Self::Is(own) => own.is(value),
            Self::OneOf(values) => values.iter().any(|one| one.allows(value)),
            Self::Array(values) => {
                let stated: Vec<_> = value.split(',').map(str::trim).collect();
                stated.len() == values.len() && values.iter().zip(stated).all(|(own, value)| own.allows(value))
            }
            Self::Within { from, to, step } => match (from.number(), to.number(), value::number(value)) {
                (Some(from), Some(to), Some(value)) => {
                    from <= value && value <= to && step.is_none_or(|step| value % f64::from(step) == 0.0)
                }
                _ => false,
            },
        }
    }

    /// The type of its values; an empty list counts as one of whole numbers.
    fn kind(&self) -> Kind {
        match self {
            Self::Is(value) | Self::Within { from: value, .. } => value.kind(),
            Self::OneOf(values) | Self::Array(values) => values.first().map_or(Kind::Int, Self::kind),
        }
    }

    /// The value without its type; where `typed`, each value in it has its own.
    fn text(&self, typed: bool) -> String {
        let several = |values: &[Self]| {
            let one = |value: &Self| match value {
                // A list in a list: only its values say what they are.
                Self::OneOf(_) | Self::Array(_) => value.text(true),
                value if typed => format!("({}){}", value.kind().name(), value.text(false)),
                value => value.text(false),
            };
            values.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Is(value) => value.to_string(),
            Self::OneOf(values) => format!("{{ {} }}", several(values)),
            Self::Array(values) => format!("< {} >", several(values)),
            Self::Within { from, to, step: None } => format!("[ {from}, {to} ]"),
            Self::Within { from, to, step: Some(step) } => format!("[ {from}, {to}, {step} ]"),
        }
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Alternative { media, features, parameters }) in self.0.iter().enumerate() {
            write!(f, "{}{media}", if place > 0 { "; " } else { "" })?;
            if !features.is_empty() {
                write!(f, "({})", features.join(", "))?;
            }
            for (name, wanted) in parameters {
                write!(f, ", {name}=({}){}", wanted.kind().name(), wanted.text(false))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Caps;

    fn shown(text: &str) -> Option<String> {
        let caps: Caps = text.parse().ok()?;
        assert_eq!(caps.to_string().parse::<Caps>().as_ref(), Ok(&caps), "{text} does not read back");
        Some(caps.to_string())
    }

    #[test]
    fn values_are_read_as_gstreamer_reads_them() {
        for (value, expected) in [
            ("1", "(int)1"),
            ("0x10", "(int)16"),
            ("-0X10", "(int)-16"),
            ("+5", "(int)5"),
            ("max", "(int)2147483647"),
            ("99999999999", "(double)99999999999"),
            ("(uint)5", "(uint)5"),
            ("(gint) 5", "(int)5"),
            ("( int )5", "(int)5"),
            ("(f)5", "(float)5"),
            ("(float)1.5", "(float)1.5"),
            ("1.0", "(double)1"),
            (".5", "(double)0.5"),
            ("1e3", "(double)1000"),
            ("60/2", "(fraction)30/1"),
            ("6/-4", "(fraction)-3/2"),
            ("1/0", "(string)1/0"),
            ("(fraction)30", "(fraction)30/1"),
            ("(bitmask)0x3f", "(bitmask)0x000000000000003f"),
            ("t", "(boolean)true"),
            ("NO", "(boolean)false"),
            ("(boolean)1", "(boolean)true"),
            ("a-b_c.d+e/f:g", "(string)a-b_c.d+e/f:g"),
            ("\"5\"", "(int)5"),
            ("(string)5", "(string)5"),
            ("(string)\"a b\"", r#"(string)"a\ b""#),
            (r#""a\"b""#, r#"(string)"a\"b""#),
            (r#""a\,b\\""#, r#"(string)"a\,b\\""#),
            ("[16,  32]", "(int)[ 16, 32 ]"),
            ("[1,max]", "(int)[ 1, 2147483647 ]"),
            ("[0,10,2]", "(int)[ 0, 10, 2 ]"),
            ("[1.0,2.5]", "(double)[ 1, 2.5 ]"),
            ("(fraction)[0,max]", "(fraction)[ 0/1, 2147483647/1 ]"),
            ("[2/4,60/2]", "(fraction)[ 1/2, 30/1 ]"),
            ("{ a , b }", "(string){ a, b }"),
            ("(string){1,2}", "(string){ 1, 2 }"),
            ("{(int)1,2,}", "(int){ 1, 2 }"),
            ("{5,[1,2]}", "(int){ 5, [ 1, 2 ] }"),
            ("{}", "(int){  }"),
            ("(int)<0, 1>", "(int)< 0, 1 >"),
            ("<<1,2>,<3,4>>", "(int)< < (int)1, (int)2 >, < (int)3, (int)4 > >"),
            ("{{1,2},3}", "(int){ { (int)1, (int)2 }, 3 }"),
        ] {
            let expected = format!("application/json, x={expected}");
            assert_eq!(shown(&format!("application/json,x={value}")), Some(expected), "{value}");
        }
        for value in [
            "",
            "(antwerp)x",
            "(int)99999999999",
            "(int)abc",
            "(int)\"5\"",
            "(int)1.5",
            "(uint)-5",
            "(fraction)1.5",
            "(boolean)2",
            "a@b",
            "'a'",
            "a b",
            "ü",
            "1,5",
            "[1]",
            "[]",
            "[a,b]",
            "[1,2.5]",
            "[1.0,2.5,0.5]",
            "[5,1]",
            "[0,9,2]",
            "[0,9,0]",
            "(uint)[1,5]",
            "{1",
            "<1]",
            "\"a",
            "{1,a}",
            &"{".repeat(100_000),
        ] {
            assert_eq!(shown(&format!("application/json,x={value}")), None, "{value}");
        }
    }

    #[test]
    fn types_features_and_parameters() {
        for (text, expected) in [
            ("application/json,", "application/json"),
            ("a/b,x=1,y=2,x=3", "a/b, x=(int)3, y=(int)2"),
            ("application/x_y", "application/x_y"),
            ("video/x-raw(memory:DMABuf, meta:Foo),width=5", "video/x-raw(memory:DMABuf, meta:Foo), width=(int)5"),
            ("video/x-raw(ANY);text/csv", "video/x-raw(ANY); text/csv"),
            ("video/x-raw(memory:SystemMemory)", "video/x-raw"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "x",
            "a/",
            "/b",
            "1a/b",
            "a/b;",
            "a/b,,x=1",
            "a/b,x",
            "a/b,=1",
            "a/b x=1",
            "a/b(x)",
            "a/b (ANY)",
            "a/b(ANY",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wanted_may_pass() {
        let allows = |caps: &str, content_type: &str| caps.parse::<Caps>().unwrap().allow(content_type);
        assert!(allows("a/b, x=[0,10,2]", "a/b; x=4") && !allows("a/b, x=[0,10,2]", "a/b; x=5"));
        assert!(allows("a/b, x=<1,2>", "a/b; x=\"1, 2\"") && !allows("a/b, x=<1,2>", "a/b; x=1"));
        assert!(allows("a/b, x={[1,2],5}", "a/b; x=5") && !allows("a/b, x={[1,2],5}", "a/b; x=3"));
        assert!(allows("a/b, x=60/2", "a/b; x=30/1") && allows("a/b, x=1", "a/b; x=1.0"));
        assert!(allows("a/b, x=yes", "a/b; x=TRUE") && !allows("a/b, x=yes", "a/b; x=no"));
        assert!(allows("video/x-raw(memory:DMABuf)", "video/x-raw"));
    }
}
