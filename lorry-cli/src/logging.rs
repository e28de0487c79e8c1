//! Log lines of the libraries, on stderr.

use crate::args::{LogFlags, LogFormat};
use crate::terminal::Terminal;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Installs the log for this process. The terminal that is returned owns stderr's last line: the status line and log lines must
/// not write across each other.
pub(crate) fn install(flags: LogFlags, silent: bool) -> Terminal {
    let terminal = Terminal::new(flags.quiet);
    let writer = terminal.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let levels = if silent { Targets::new() } else { levels(flags) };
    let registry = tracing_subscriber::registry().with(levels);
    // Only the first call in a process can succeed, and this is it.
    let _ = match flags.log_format {
        LogFormat::Text => registry.with(layer.event_format(Line)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init(),
    };
    terminal
}

/// Our own crates at the level asked for; those below us one level less, so that `-v` shows connections and not their packets.
fn levels(flags: LogFlags) -> Targets {
    let (own, others) = match (flags.quiet, flags.verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::OFF),
        (_, 0) => (LevelFilter::WARN, LevelFilter::ERROR),
        (_, 1) => (LevelFilter::INFO, LevelFilter::WARN),
        (_, 2) => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Targets::new().with_default(others).with_target("lorry", own)
}

/// `2026-11-22T16:15:34Z warning mqttsrc0: connect: refused; trying again (retry_in_ms: 80)`
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut out)?;
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        write!(out, " {level} ")?;
        if let Some(element) = &fields.element {
            write!(out, "{element}: ")?;
        }
        out.write_str(&fields.message)?;
        if !fields.rest.is_empty() {
            write!(out, " ({})", fields.rest)?;
        }
        out.write_char('\n')
    }
}

/// An event's fields: the message, the element it is about, and the rest as `name: value`. Control characters, which may stem from
/// a peer, are escaped: a log line stays a line and commands no terminal.
#[derive(Default)]
struct Fields {
    message: String,
    element: Option<String>,
    rest: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = plain(&format!("{value:?}"));
        match field.name() {
            "message" => self.message = text,
            "element" => self.element = Some(text),
            name => {
                let comma = if self.rest.is_empty() { "" } else { ", " };
                let _ = write!(self.rest, "{comma}{name}: {text}");
            }
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}
