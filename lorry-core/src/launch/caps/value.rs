//! Single values of parameters, with their types.

use std::fmt;

/// A value, as it is written without its type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Int(i32),
    Uint(u32),
    Float(f64),
    Double(f64),
    /// In lowest terms, the second above zero.
    Fraction(i32, i32),
    Bitmask(u64),
    Boolean(bool),
    String(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Uint,
    Float,
    Double,
    Fraction,
    Bitmask,
    Boolean,
    String,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int" | "i" | "gint" => Self::Int,
            "uint" | "u" | "guint" => Self::Uint,
            "float" | "f" | "gfloat" => Self::Float,
            "double" | "d" | "gdouble" => Self::Double,
            "fraction" | "GstFraction" => Self::Fraction,
            "bitmask" | "GstBitmask" => Self::Bitmask,
            "boolean" | "bool" | "b" | "gboolean" => Self::Boolean,
            "string" | "str" | "s" | "gchararray" => Self::String,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Float => "float",
            Self::Double => "double",
            Self::Fraction => "fraction",
            Self::Bitmask => "bitmask",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }

    /// What a text is as a value of this type.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Int => Value::Int(int(text)?),
            Self::Uint => Value::Uint(whole(text)?.try_into().ok()?),
            Self::Float => Value::Float(decimal(text)?),
            Self::Double => Value::Double(decimal(text)?),
            Self::Fraction => fraction(text)?,
            Self::Bitmask => Value::Bitmask(whole(text)?.try_into().ok()?),
            Self::Boolean => Value::Boolean(truth(text)?),
            Self::String => Value::String(text.to_owned()),
        })
    }
}

impl Value {
    /// A value that does not say what it is: the first type that it fits.
    pub(super) fn plain(text: &str) -> Value {
        let fraction = || Kind::Fraction.read(text).filter(|_| text.contains('/'));
        let read = Kind::Int.read(text).or_else(|| Kind::Double.read(text)).or_else(fraction);
        read.or_else(|| Kind::Boolean.read(text)).unwrap_or_else(|| Value::String(text.to_owned()))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Uint(_) => Kind::Uint,
            Self::Float(_) => Kind::Float,
            Self::Double(_) => Kind::Double,
            Self::Fraction(..) => Kind::Fraction,
            Self::Bitmask(_) => Kind::Bitmask,
            Self::Boolean(_) => Kind::Boolean,
            Self::String(_) => Kind::String,
        }
    }

    /// Whether this is what a message states.
    pub(super) fn is(&self, stated: &str) -> bool {
        match self {
            Self::String(own) => own.eq_ignore_ascii_case(stated),
            Self::Boolean(own) => truth(stated) == Some(*own),
            Self::Bitmask(own) => Kind::Bitmask.read(stated) == Some(Self::Bitmask(*own)),
            own => own.number().zip(number(stated)).is_some_and(|(own, stated)| own == stated),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(f64::from(*value)),
            Self::Uint(value) => Some(f64::from(*value)),
            Self::Float(value) | Self::Double(value) => Some(*value),
            Self::Fraction(over, under) => Some(f64::from(*over) / f64::from(*under)),
            Self::Bitmask(_) | Self::Boolean(_) | Self::String(_) => None,
        }
    }
}

/// A number as a message may state it: `1`, `1.5`, `30/1`.
pub(super) fn number(text: &str) -> Option<f64> {
    decimal(text).or_else(|| fraction(text)?.number())
}

fn decimal(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "t" | "1" => Some(true),
        "false" | "no" | "f" | "0" => Some(false),
        _ => None,
    }
}

fn whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, base) = hex.map_or((digits, 10), |digits| (digits, 16));
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    Some(if negative { -number } else { number })
}

fn int(text: &str) -> Option<i32> {
    match text {
        _ if text.eq_ignore_ascii_case("max") => Some(i32::MAX),
        _ if text.eq_ignore_ascii_case("min") => Some(i32::MIN),
        text => whole(text)?.try_into().ok(),
    }
}

fn fraction(text: &str) -> Option<Value> {
    let (over, under) = text.split_once('/').unwrap_or((text, "1"));
    let (over, under) = (i64::from(int(over)?), i64::from(int(under)?));
    let (mut common, mut rest) = (over.abs(), under.abs());
    while rest != 0 {
        (common, rest) = (rest, common % rest);
    }
    let common = common * under.signum();
    // Nothing is divided by zero: then there is no sign.
    let part = |number: i64| i32::try_from(number.checked_div(common)?).ok();
    Some(Value::Fraction(part(over)?, part(under)?))
}

/// Signs that a text may have without quotes.
pub(super) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.+/:".contains(c)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Float(value) | Self::Double(value) => value.fmt(f),
            Self::Fraction(over, under) => write!(f, "{over}/{under}"),
            Self::Bitmask(value) => write!(f, "{value:#018x}"),
            Self::Boolean(value) => value.fmt(f),
            Self::String(value) if !value.is_empty() && value.chars().all(is_plain) => f.write_str(value),
            Self::String(value) => {
                let escaped = |c: char| if c.is_ascii() && !is_plain(c) { format!("\\{c}") } else { c.to_string() };
                write!(f, "\"{}\"", value.chars().map(escaped).collect::<String>())
            }
        }
    }
}
