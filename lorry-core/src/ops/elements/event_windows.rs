//! `tumbling-window` and `session-window`: arrays of what belongs together by the time in the data.

use super::key::Key;
use super::moment::{EventTime, EventTimeOptions, Moment};
use super::{Adapted, Made, malformed, needed, some_time};
use crate::flow::{Item, Output};
use crate::ops::{SessionWindow, TumblingWindow, Window, gather};
use crate::registry::{Args, ElementSpec, Registry, Span};
use crate::{Message, Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct TumblingOptions {
    /// How long a window is; windows begin at whole multiples of it since 1970.
    interval: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct SessionOptions {
    /// A session ends when nothing comes for so long.
    gap: Option<Span>,
    /// What has sessions of its own: a part of the payload (`user`, `main.id`), or a template (`{{ topic }}`). Default: everything is one.
    key: Option<String>,
}

pub(super) fn register(registry: &mut Registry) {
    registry.add(
        ElementSpec::operator("tumbling-window", tumbling)
            .about("an array of what lies within an interval by the time in the data")
            .options::<TumblingOptions>()
            .options::<EventTimeOptions>(),
    );
    registry.add(
        ElementSpec::operator("session-window", session)
            .about("an array of what lies near together by the time in the data")
            .options::<SessionOptions>()
            .options::<EventTimeOptions>(),
    );
}

fn tumbling(args: &mut Args) -> Made {
    const NAME: &str = "tumbling-window";
    let own: TumblingOptions = args.take()?;
    let event_time = args.take::<EventTimeOptions>()?.check(NAME)?;
    let interval = some_time(needed(own.interval, NAME, "interval", "1m")?, NAME, "interval")?;
    let EventTime { moment, lateness, reject_late, idle, max_items } = event_time;
    let mut window = TumblingWindow::new(interval, time).lateness(lateness).max_items(max_items);
    if reject_late {
        window = window.reject_late();
    }
    if let Some(idle) = idle {
        window = window.idle(idle);
    }
    Ok(Box::new(Adapted::new(window, move |message| timed(&moment, message), write)))
}

fn session(args: &mut Args) -> Made {
    const NAME: &str = "session-window";
    let own: SessionOptions = args.take()?;
    let event_time = args.take::<EventTimeOptions>()?.check(NAME)?;
    let gap = some_time(needed(own.gap, NAME, "gap", "30s")?, NAME, "gap")?;
    let key = own.key.as_deref().map(|key| Key::new("key", Some(key))).transpose()?;
    let key = move |timed: &Timed| key.as_ref().and_then(|key| key.of(&timed.1));
    let EventTime { moment, lateness, reject_late, idle, max_items } = event_time;
    let mut window = SessionWindow::new(gap, key, time).lateness(lateness).max_items(max_items);
    if reject_late {
        window = window.reject_late();
    }
    if let Some(idle) = idle {
        window = window.idle(idle);
    }
    Ok(Box::new(Adapted::new(window, move |message| timed(&moment, message), write)))
}

type Timed = (Timestamp, Message);

fn time(timed: &Timed) -> Timestamp {
    timed.0
}

fn timed(moment: &Moment, message: Message) -> Result<Timed> {
    let payload = match moment.is_part() {
        false => Value::Null,
        true => serde_json::from_slice(message.bytes())
            .map_err(|error| malformed("window", format!("the payload is not JSON: {error}"), &message))?,
    };
    Ok((moment.of("window", &message, &payload)?, message))
}

/// An array, whose time is the beginning of the window.
fn write(window: Item<Window<Timed>>, out: &mut Output<'_, Message>) {
    let Window { start, items, .. } = window.value;
    let mut all = gather(items.into_iter().map(|(_, message)| message).collect());
    all.timestamp = Some(start);
    out.emit(all, window.token);
}
