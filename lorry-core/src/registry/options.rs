//! Options: one ordered multi-map of strings, from which each typed struct takes its own keys.

use crate::registry::uri::is_secret;
use crate::{Error, Result, did_you_mean};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::fmt;

/// Option names and values in the order given. Names are kebab-case in lower case (`_` is accepted for `-`).
///
/// ```
/// use lorry_core::registry::{Options, Span};
///
/// #[derive(serde::Deserialize, Default)]
/// #[serde(default, rename_all = "kebab-case")]
/// struct Poll { interval: Span, path: Vec<String>, once: bool }
///
/// let mut options = Options::new("poll");
/// options.push("interval", Some("2s"));
/// options.push("path", Some("/a"));
/// options.push("path", Some("/b"));
/// let poll: Poll = options.take()?;
/// assert_eq!((poll.interval.0.as_secs(), poll.path.len(), poll.once), (2, 2, false));
/// options.finish()?;
///
/// options.push("intervall", Some("2s"));
/// assert_eq!(options.finish().unwrap_err().to_string(),
///     r#"unknown option "intervall" for poll; did you mean "interval"? (see: lorry inspect poll)"#);
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Options {
    subject: String,
    pairs: Vec<(String, Option<String>)>,
    known: Vec<&'static str>,
}

impl Options {
    /// No options yet, for `subject`: the scheme or element that errors name.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), pairs: Vec::new(), known: Vec::new() }
    }

    /// Adds one after those there are.
    pub fn push(&mut self, name: &str, value: Option<&str>) {
        self.pairs.push((name.to_ascii_lowercase().replace('_', "-"), value.map(str::to_owned)));
    }

    /// Whether an option of this (kebab-case) name was given and not taken yet.
    pub fn contains(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, _)| own == name)
    }

    /// Takes the options that `T` has fields for. `T` should be `#[serde(default, rename_all = "kebab-case")]`; a `Vec` field takes
    /// a repeated option, and one value of it may be a comma list only where the field's own type says so.
    ///
    /// # Errors
    /// A value that does not fit its field, a repeated option that is no list, in one line that names the option.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T> {
        let at = RefCell::new(None);
        let taken = T::deserialize(Fields { options: self, at: &at });
        taken.map_err(|error: Wrong| {
            let of =
                at.borrow().as_ref().map(|name| format!("option {name:?} of {}: ", self.subject)).unwrap_or_default();
            Error::usage(format!("{of}{error}")).hint(format!("see: lorry inspect {}", self.subject))
        })
    }

    /// Takes a single option.
    ///
    /// # Errors
    /// It was given twice or without a value.
    pub fn take_one(&mut self, name: &'static str) -> Result<Option<String>> {
        self.known.push(name);
        let mut values = self.remove(name);
        match (values.pop(), values.pop()) {
            (None, _) => Ok(None),
            (Some(Some(value)), None) => Ok(Some(value)),
            (Some(None), None) => Err(self.wrong(name, "needs a value")),
            (Some(_), Some(_)) => Err(self.wrong(name, "is given twice")),
        }
    }

    /// Takes every option whose name starts with this prefix, without the prefix: for options passed on to a driver.
    pub fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (taken, rest) = std::mem::take(&mut self.pairs).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.pairs = rest;
        let taken: Vec<(String, Option<String>)> = taken;
        taken.into_iter().map(|(name, value)| (name[prefix.len()..].to_owned(), value.unwrap_or_default())).collect()
    }

    /// Declares that nothing else is expected.
    ///
    /// # Errors
    /// The first option that nobody took, with the nearest known name or all of them.
    pub fn finish(&self) -> Result<()> {
        let Some((name, _)) = self.pairs.first() else { return Ok(()) };
        let see = format!("(see: lorry inspect {})", self.subject);
        let error = Error::usage(format!("unknown option {name:?} for {}", self.subject));
        Err(match did_you_mean(name, self.known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near:?}? {see}")),
            None if self.known.is_empty() => error.hint("it has no options"),
            None => {
                let mut known = self.known.clone();
                known.sort_unstable();
                known.dedup();
                error.hint(format!("it knows {} {see}", known.join(", ")))
            }
        })
    }

    fn remove(&mut self, name: &str) -> Vec<Option<String>> {
        let (taken, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(own, _)| own == name);
        self.pairs = rest;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::usage(format!("option {name:?} of {} {what}", self.subject))
            .hint(format!("see: lorry inspect {}", self.subject))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.pairs.iter().map(|(name, value)| match value {
            Some(_) if is_secret(name) => (name, Some("***")),
            value => (name, value.as_deref()),
        });
        f.debug_map().entries(shown).finish()
    }
}

/// A deserialisation error: text alone; `take` adds which option.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let near = did_you_mean(variant, expected.iter().copied()).map(|near| format!("; did you mean {near:?}?"));
        Self(format!("{variant:?} is not one of {}{}", expected.join(", "), near.unwrap_or_default()))
    }
}

/// The options as a struct: serde says which fields it has, and gets those that were given.
struct Fields<'a> {
    options: &'a mut Options,
    at: &'a RefCell<Option<&'static str>>,
}

impl<'de> de::Deserializer<'de> for Fields<'_> {
    type Error = Wrong;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.options.known.extend(fields);
        let given =
            fields.iter().map(|field| (*field, self.options.remove(field))).filter(|(_, values)| !values.is_empty());
        let given = given.collect::<Vec<_>>();
        visitor.visit_map(Given { given: given.into_iter(), values: Vec::new(), at: self.at })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("options are taken into structs with named fields"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Given<'a> {
    given: std::vec::IntoIter<(&'static str, Vec<Option<String>>)>,
    values: Vec<Option<String>>,
    at: &'a RefCell<Option<&'static str>>,
}

impl<'de> MapAccess<'de> for Given<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        *self.at.borrow_mut() = None;
        let Some((name, values)) = self.given.next() else { return Ok(None) };
        *self.at.borrow_mut() = Some(name);
        self.values = values;
        let name: StrDeserializer<'_, Wrong> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        seed.deserialize(Given1(std::mem::take(&mut self.values)))
    }
}

/// The values given for one option.
struct Given1(Vec<Option<String>>);

impl Given1 {
    fn one(mut self) -> Result<String, Wrong> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(Some(value)), true) => Ok(value),
            (Some(_), false) => Err(de::Error::custom("given twice, but it is no list")),
            _ => Err(de::Error::custom("needs a value")),
        }
    }

    fn parsed<N: std::str::FromStr>(self, what: &str, most: N) -> Result<N, Wrong> {
        let text = self.one()?;
        let wrong = || de::Error::custom(format!("{text:?} is not {what}"));
        let plain = text.trim();
        // As GStreamer has it, `max` is a number, and whole ones may be hexadecimal.
        if plain.eq_ignore_ascii_case("max") {
            return Ok(most);
        }
        match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
            Some(digits) if digits.chars().all(|c| c.is_ascii_hexdigit()) => {
                let number = u64::from_str_radix(digits, 16).map_err(|_| wrong())?;
                number.to_string().parse().map_err(|_| wrong())
            }
            _ => plain.parse().map_err(|_| wrong()),
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.parsed::<$type>($what, <$type>::MAX)?)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Given1 {
    type Error = Wrong;

    numbers! {
        deserialize_i8 visit_i8 i8, "a whole number from -128 to 127";
        deserialize_i16 visit_i16 i16, "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.0.len() == 1 && self.0[0].is_none() {
            return visitor.visit_bool(true);
        }
        let text = self.one()?;
        visitor.visit_bool(parse_bool(&text).ok_or_else(|| {
            <Wrong as de::Error>::custom(format!(
                "not a boolean: {text:?}; write true or false (yes, no, on, off, 1, 0)"
            ))
        })?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(Repeated(self.0.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let text = self.one()?;
        // By number too, as GStreamer has it.
        let numbered = text.parse().ok().and_then(|number: usize| variants.get(number));
        let name = if variants.contains(&&*text) { &text } else { numbered.copied().unwrap_or(&text) };
        visitor.visit_enum(<&str as IntoDeserializer<'_, Wrong>>::into_deserializer(name))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_string(self.one()?)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

struct Repeated(std::vec::IntoIter<Option<String>>);

impl<'de> SeqAccess<'de> for Repeated {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        self.0.next().map(|value| seed.deserialize(Given1(vec![value]))).transpose()
    }
}

/// `true false yes no on off t f y n 1 0`, in any case; empty is false.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "t" | "y" | "1" => Some(true),
        "false" | "no" | "off" | "f" | "n" | "0" | "" => Some(false),
        _ => None,
    }
}
