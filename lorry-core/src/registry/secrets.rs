//! Where passwords stand in what a person typed, so that no error repeats one.
//!
//! The text may be broken just because of a password with a space, a quote or an @ in it. So this looks at the text, not at tokens, and
//! rather hides too much.

use super::uri::is_secret;
use percent_encoding::percent_decode_str;
use std::ops::Range;

/// What is shown in place of a password.
pub(crate) const MASK: &str = "***";

/// The places of passwords in a text, and the words that must not appear elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    pub(crate) places: Vec<Range<usize>>,
    words: Vec<String>,
}

/// The secrets of a text, such as a launch text or a command line.
pub(crate) fn of_text(text: &str) -> Secrets {
    let mut places = places(text);
    places.extend(logins(text));
    Secrets::at(merged(places), text)
}

/// The secrets of a text that is one address, in which spaces and quotes are characters like others.
pub(crate) fn of_address(text: &str) -> Secrets {
    let plain =
        |c: char| if c.is_whitespace() || matches!(c, '"' | '\'') { "x".repeat(c.len_utf8()) } else { c.to_string() };
    let plain = text.chars().map(plain).collect::<String>();
    let mut places = places(&plain);
    // A command has words of its own.
    places.extend(logins(if text.starts_with("exec:") { text } else { &plain }));
    Secrets::at(merged(places), text)
}

/// The value of an option as it may be shown. In one that is no address, such as an expression, `a:b@c` is no login.
pub(crate) fn shown(name: &str, value: &str) -> String {
    match is_secret(name) {
        true => MASK.to_owned(),
        false if name == "location" || like_address(value) => of_address(value).masked(value),
        false => Secrets::at(places(value), value).masked(value),
    }
}

/// A message or a name of a source or sink, with `***` for the password of each `user:password@`.
pub(crate) fn without_logins(text: String) -> String {
    if !text.contains('@') {
        return text;
    }
    let lines = text.split('\n').map(|line| Secrets { places: merged(logins(line)), words: Vec::new() }.masked(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn places(text: &str) -> Vec<Range<usize>> {
    let mut places = addresses(text);
    places.extend(options(text));
    merged(places)
}

fn merged(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.retain(|place| !place.is_empty());
    places.sort_by_key(|place| place.start);
    places.into_iter().fold(Vec::new(), |mut merged: Vec<Range<usize>>, place| {
        match merged.last_mut() {
            Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
            _ => merged.push(place),
        }
        merged
    })
}

impl Secrets {
    fn at(places: Vec<Range<usize>>, text: &str) -> Self {
        let words = places.iter().flat_map(|place| words(&text[place.clone()])).collect();
        Self { places, words }
    }

    /// The text with `***` for each password.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for place in &self.places {
            out.push_str(&text[done..place.start]);
            out.push_str(MASK);
            done = place.end;
        }
        out.push_str(&text[done..]);
        out
    }

    /// Adds what stands at these places of the text.
    pub(crate) fn hide(&mut self, text: &str, places: &[Range<usize>]) {
        self.words.extend(places.iter().filter_map(|place| text.get(place.clone())).flat_map(words));
        self.places.extend(places.iter().cloned());
        self.places = merged(std::mem::take(&mut self.places));
    }

    /// Adds these places of the text; what stands there is no password for certain, so it may stand elsewhere.
    pub(crate) fn cover(&mut self, places: impl IntoIterator<Item = Range<usize>>) {
        self.places.extend(places);
        self.places = merged(std::mem::take(&mut self.places));
    }

    /// Adds those of a property's value: it may differ from the text by quotes and backslashes.
    pub(crate) fn add_value(&mut self, name: &str, value: &str) {
        if is_secret(name) {
            self.words.extend(words(value));
        }
        self.words.extend(of_text(value).words);
    }

    /// The message without any word of a password that got into it, as the "port" of an address that broke off, say.
    pub(crate) fn keep_out_of(&self, message: String) -> String {
        let mut words: Vec<_> = self.words.iter().filter(|word| message.contains(*word)).collect();
        if words.is_empty() {
            return message;
        }
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let message = words.into_iter().fold(message, |message, word| message.replace(word, MASK));
        if !self.words.iter().any(|word| word.contains(['@', '/', '?', ' ', '"', '\''])) {
            return message;
        }
        format!(
            "{message}; special characters in a password are percent-encoded: %20 for a space, %40 for @, %2F for /, %3F for ?"
        )
    }
}

/// What could be recognised in a message: the password, as it is and decoded, and its parts, if it breaks at a special character.
fn words(secret: &str) -> Vec<String> {
    let decoded = percent_decode_str(secret).decode_utf8_lossy();
    let mut words = Vec::new();
    for text in [secret, &*decoded] {
        words.extend(
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 3).map(str::to_owned),
        );
        words.push(text.to_owned());
    }
    words.retain(|word| !word.trim().is_empty() && word.chars().count() >= 2);
    words
}

/// The password of each `scheme://user:password@`.
fn addresses(text: &str) -> Vec<Range<usize>> {
    let ats: Vec<_> = text.match_indices('@').map(|(at, _)| at).collect();
    let mut places: Vec<Range<usize>> = Vec::new();
    // Many addresses may be one long word, which is measured once.
    let mut word = (None, 0..0);
    for start in text.match_indices("://").map(|(at, _)| at + 3) {
        if places.last().is_some_and(|last| start < last.end) {
            continue;
        }
        let quote = quote_before(text, start);
        if word.0 != quote || word.1.end < start {
            word = (quote, start..word_end(text, start, quote));
        }
        places.extend(password(text, start..word.1.end, &ats));
    }
    places
}

/// The place of the password in the address whose authority begins this word.
fn password(text: &str, word: Range<usize>, ats: &[usize]) -> Option<Range<usize>> {
    let Range { start, end } = word;
    let last_at = |end: usize| ats[..ats.partition_point(|at| *at < end)].last().copied().filter(|at| *at >= start);
    let word = &text[word];
    let authority = word.split(['/', '?']).next().unwrap_or_default();
    let colon = word.find(':')?;
    if colon >= authority.len() && last_at(end).is_none() {
        return None;
    }
    // What stands after the colon should be a port, or a password up to its @. If it breaks off, an @ further on may be its end; not
    // beyond the next address, nor beyond the next link, unless this is no port either.
    let is_port = authority.starts_with('[')
        || authority
            .split(',')
            .all(|host| host.split_once(':').is_none_or(|(_, port)| port.chars().all(|c| c.is_ascii_digit())));
    let at = last_at(text.len()).and_then(|_| {
        let rest = &text[end..];
        let rest = &rest[..next_address(rest).unwrap_or(rest.len())];
        last_at(end + rest.find(" ! ").filter(|_| is_port).unwrap_or(rest.len()))
    });
    match at {
        Some(at) => (start + colon < at).then_some(start + colon + 1..at),
        None => (!is_port).then_some(start + colon + 1..end),
    }
}

/// Where the next address begins. `://` alone is none: a password may contain it. A scheme stands before it, at the beginning of a word.
fn next_address(text: &str) -> Option<usize> {
    text.match_indices("://").map(|(at, _)| at).find(|&at| {
        let scheme = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '_');
        let before = text[..at].trim_end_matches(scheme);
        before.len() < at && before.ends_with(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''))
    })
}

/// The quote in which an address began whose scheme ends here.
fn quote_before(text: &str, start: usize) -> Option<char> {
    /// No scheme is longer.
    const LONGEST_SCHEME: usize = 100;
    let scheme = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | ':' | '/');
    let before = text[..start].chars().rev().take(LONGEST_SCHEME).find(|c| !scheme(c));
    before.filter(|c| matches!(c, '"' | '\''))
}

/// How far an address reaches: to the closing quote if it began in one, else to white space.
fn word_end(text: &str, start: usize, quote: Option<char>) -> usize {
    let mut escaped = false;
    let ends = |c: char| {
        let ends = !escaped && quote.map_or(c.is_whitespace(), |quote| c == quote);
        escaped = c == '\\' && !escaped;
        ends
    };
    text[start..].find(ends).map_or(text.len(), |length| start + length)
}

/// The password of each `user:password@` before which the scheme, its colon or its slashes were forgotten. Everything after the first
/// colon counts, be it the scheme's: nobody knows which of two names is the user.
fn logins(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(sign) = text[at..].chars().next() {
        let rest = &text[at..];
        let quote = matches!(sign, '"' | '\'').then_some(sign);
        let start = at + quote.map_or(0, char::len_utf8);
        let mut escaped = false;
        let ends = |c: char| {
            let ends = !escaped && quote.map_or(c.is_whitespace() || matches!(c, '"' | '\''), |quote| c == quote);
            escaped = c == '\\' && !escaped;
            ends
        };
        let end = text[start..].find(ends).map(|length| start + length);
        let word = &text[start..end.unwrap_or(text.len())];
        at = match quote {
            // A quote that opens no address may be anything: what is in it is looked at word by word.
            Some(_) if end.is_none() || !like_address(word) => start,
            _ if rest.starts_with(char::is_whitespace) => at + sign.len_utf8(),
            _ => {
                places.extend(login(word).map(|place| start + place.start..start + place.end));
                start + word.len() + quote.map_or(0, char::len_utf8)
            }
        };
    }
    places
}

/// The place of the password in a word that may be an address.
fn login(word: &str) -> Option<Range<usize>> {
    // The server of a whole address is no login.
    let server = word.find("://").map(|scheme| scheme + 3).and_then(|start| {
        let server = word[start..].split('/').next().unwrap_or_default();
        let port = server.rsplit_once(':').is_none_or(|(_, port)| port.chars().all(|c| c.is_ascii_digit()));
        (port && !server.contains('@')).then_some(start + server.len())
    });
    let skip = server.unwrap_or(0);
    let at = word.rfind('@').filter(|at| *at > skip)?;
    let colons = word[skip..at].match_indices(':').map(|(colon, _)| skip + colon + 1);
    let start = colons.into_iter().find(|start| !word[*start..].starts_with("//"))?;
    let password = word[start..at].trim_start_matches('/');
    (!password.is_empty() && !password.starts_with(&format!("{MASK}@"))).then_some(at - password.len()..at)
}

/// Whether a value may be meant as an address: a name, and a colon or two slashes.
fn like_address(value: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | '%');
    let rest = value.trim_start_matches(name);
    value.starts_with(char::is_alphanumeric) && (rest.starts_with(':') || rest.starts_with('/'))
}

/// The values of `password=` and its like, as properties and as options of addresses.
fn options(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let before = text[..equals].trim_end();
        let word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name_at = before.trim_end_matches(word).len();
        if !is_secret(&before[name_at..]) {
            continue;
        }
        let of_address = before[..name_at].ends_with(['?', '&']);
        let start = text.len() - text[equals + 1..].trim_start().len();
        let value = &text[start..];
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        // It ends where the value ends that it stands in.
        if quote.is_none() && places.last().is_some_and(|last: &Range<usize>| start < last.end) {
            continue;
        }
        let mut escaped = false;
        let mut ends = |c: char| {
            let special = quote.map_or(c.is_whitespace() || (of_address && c == '&'), |quote| c == quote);
            let ends = special && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        };
        let skip = usize::from(quote.is_some());
        let length = value[skip..].find(&mut ends).map_or(value.len(), |end| end + skip);
        places.push(start..start + length);
    }
    places
}
