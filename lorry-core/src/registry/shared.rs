//! Options that every source or every sink has, and the wrappers that give them their meaning.

use crate::message::Message;
use crate::registry::{Size, Span};
use crate::relay::{
    Batch, Context, Event, Identity, Limits, Positions, Receipt, Settled, Sink, SinkInfo, Source, SourceInfo,
};
use crate::{Error, Meta, Result};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of every sink.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct Batching {
    /// Most messages in one batch. Default: what suits the destination.
    pub batch_size: Option<usize>,
    /// Most bytes in one batch. Default: what suits the destination.
    pub batch_bytes: Option<Size>,
    /// How long a batch that is not full waits while the sink is busy; an idle sink gets what there is at once.
    pub linger: Option<Span>,
}

impl Batching {
    pub(crate) fn wrap(self, sink: Box<dyn Sink>) -> Result<Box<dyn Sink>> {
        match self {
            Self { batch_size: Some(0), .. } => Err(Error::usage("option \"batch-size\" must be at least 1")),
            Self { batch_size: None, batch_bytes: None, linger: None } => Ok(sink),
            batching => Ok(Box::new(Batched { sink, batching })),
        }
    }
}

/// A sink with other limits.
struct Batched {
    sink: Box<dyn Sink>,
    batching: Batching,
}

#[async_trait]
impl Sink for Batched {
    fn info(&self, identity: &Identity) -> SinkInfo {
        self.sink.info(identity)
    }

    fn limits(&self) -> Limits {
        let own = self.sink.limits();
        Limits {
            items: self.batching.batch_size.unwrap_or(own.items),
            bytes: self.batching.batch_bytes.map_or(own.bytes, Size::bytes),
            linger: self.batching.linger.map_or(own.linger, |linger| linger.0),
            receipts: own.receipts,
        }
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.sink.open(context).await
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        self.sink.send(batch).await
    }

    async fn positions(&mut self) -> Result<Positions> {
        self.sink.positions().await
    }

    async fn close(&mut self) -> Result<()> {
        self.sink.close().await
    }

    fn weigh(&self, value: &Message) -> usize {
        self.sink.weigh(value)
    }
}

/// Options of every source.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct Content {
    /// What the payloads are: `json`, `text` or `bytes` (or a media type of these). Stamped on messages that do not say themselves;
    /// under `json` a sink that needs rows refuses anything but objects.
    pub content_type: Option<String>,
}

impl Content {
    pub(crate) fn wrap(self, source: Box<dyn Source>) -> Result<Box<dyn Source>> {
        let Some(name) = self.content_type else { return Ok(source) };
        let mut meta = Meta::default();
        meta.properties.content_type = Some(media_type(&name)?.into());
        Ok(Box::new(Stamped { source, meta: Arc::new(meta) }))
    }
}

/// The media type of a content-type option.
///
/// # Errors
/// A content type that Lorry cannot read.
pub fn media_type(name: &str) -> Result<&'static str> {
    match name.trim().to_ascii_lowercase().as_str() {
        "json" | "application/json" => Ok("application/json"),
        "text" | "text/plain" => Ok("text/plain"),
        "bytes" | "raw" | "application/octet-stream" => Ok("application/octet-stream"),
        _ => Err(Error::usage(format!("unknown content type {name:?}")).hint("known are json, text and bytes")),
    }
}

/// A source whose messages have a content type.
struct Stamped {
    source: Box<dyn Source>,
    meta: Arc<Meta>,
}

impl Stamped {
    fn stamp(&self, message: &mut Message) {
        match &message.meta {
            None => message.meta = Some(self.meta.clone()),
            Some(meta) if meta.properties.content_type.is_none() => {
                let content_type = self.meta.properties.content_type.clone();
                message.meta_mut().properties.content_type = content_type;
            }
            Some(_) => {}
        }
    }
}

#[async_trait]
impl Source for Stamped {
    fn info(&self, identity: &Identity) -> SourceInfo {
        self.source.info(identity)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.source.open(context).await
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        match self.source.next(limit).await? {
            Event::Chunk(mut chunk) => {
                chunk.values.iter_mut().for_each(|message| self.stamp(message));
                Ok(Event::Chunk(chunk))
            }
            event => Ok(event),
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        self.source.settle(settled).await
    }

    async fn close(&mut self) -> Result<()> {
        self.source.close().await
    }

    fn weigh(&self, value: &Message) -> usize {
        self.source.weigh(value)
    }

    fn is_counted(&self, value: &Message) -> bool {
        self.source.is_counted(value)
    }
}
