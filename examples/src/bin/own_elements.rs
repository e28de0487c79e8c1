//! A source, an operator and a sink of one's own, registered under names and used from launch text beside Lorry's.
//!
//! ```sh
//! cargo run -p lorry-examples --bin own_elements -- "countdownsrc from=5 ! filter expr=\". != 3\" ! multiply by=10 ! tallysink"
//! ```

use lorry::flow::{Item, Operator, Output};
use lorry::registry::{ElementSpec, Registry};
use lorry::relay::{Batch, Chunk, Context, Event, Identity, LaneId, Limits, Receipt, Settled, Sink, SinkInfo};
use lorry::relay::{Guarantee, Source, SourceInfo};
use lorry::{Error, ErrorKind, Message, Result, async_trait};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts down to 1.
struct Countdown {
    left: u64,
    given: u64,
}

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct CountdownOptions {
    /// The first number.
    from: u64,
}

#[async_trait]
impl Source for Countdown {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("countdownsrc", "countdown").guarantee(Guarantee::BestEffort)
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    // Nothing is awaited, so there is nothing that a cancelled call could leave half done.
    async fn next(&mut self, limit: usize) -> Result<Event<Message>> {
        let numbers = self.left.min(limit as u64);
        if numbers == 0 {
            return Ok(Event::End);
        }
        let (first, left) = (self.given, self.left);
        (self.given, self.left) = (self.given + numbers, self.left - numbers);
        let messages = (0..numbers).map(|n| Message::new((left - n).to_string())).collect();
        Ok(Event::Chunk(Chunk::sequential(LaneId(0), first, messages)))
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(()) // there is no peer to acknowledge to
    }
}

/// Multiplies numbers. Token rule: passed on; a message that is no number is rejected, and the relay's policy decides.
struct Multiply(i64);

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct MultiplyOptions {
    /// The factor.
    by: i64,
}

impl Default for MultiplyOptions {
    fn default() -> Self {
        Self { by: 2 }
    }
}

impl Operator<Message> for Multiply {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        let number = item.value.text().and_then(|text| text.trim().parse::<i64>().ok());
        match number.and_then(|number| number.checked_mul(self.0)) {
            Some(product) => out.emit(Message { payload: Some(product.to_string().into()), ..item.value }, item.token),
            None => {
                let error = Error::data(ErrorKind::Malformed, "multiply", "not a number that can be multiplied");
                item.token.reject(error);
            }
        }
    }
}

/// Adds up what it gets.
struct Tally(Arc<Mutex<i64>>);

#[async_trait]
impl Sink for Tally {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("tallysink", "tally")
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        let sum: i64 = batch.iter().filter_map(|message| message.text()?.parse::<i64>().ok()).sum();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += sum;
        Ok(Box::pin(async { Ok(()) })) // it is where it belongs; a sink with a peer resolves this when the peer says so
    }
}

/// Adds the three to a registry. A crate of elements has a function like this.
fn register(registry: &mut Registry, total: Arc<Mutex<i64>>) {
    let countdown = |args: &mut lorry::registry::Args| {
        let CountdownOptions { from } = args.take()?;
        Ok(Box::new(Countdown { left: from, given: 0 }) as Box<dyn Source>)
    };
    let multiply = |args: &mut lorry::registry::Args| {
        let MultiplyOptions { by } = args.take()?;
        Ok(Box::new(Multiply(by)) as Box<dyn Operator<Message>>)
    };
    registry.add(
        ElementSpec::source("countdownsrc", countdown)
            .schemes(&["countdown"])
            .optional_location()
            .about("counts down to 1")
            .options::<CountdownOptions>(),
    );
    registry.add(ElementSpec::operator("multiply", multiply).about("multiplies numbers").options::<MultiplyOptions>());
    registry.add(
        ElementSpec::sink("tallysink", move |_| Ok(Box::new(Tally(total.clone())) as Box<dyn Sink>))
            .schemes(&["tally"])
            .optional_location()
            .about("adds up numbers"),
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let Some(text) = std::env::args().nth(1) else { return Err("usage: own_elements PIPELINE".into()) };
    let (mut registry, total) = (lorry::registry_with_defaults(), Arc::<Mutex<i64>>::default());
    register(&mut registry, total.clone());
    let report = registry.parse_launch(&text)?.run().await?;
    println!("{} numbers, {} in all", report.delivered, total.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(())
}
