#![doc = include_str!("../README.md")]
//!
#![doc = include_str!("docs.md")]

mod client;
pub mod codec;
mod error;
pub mod listener;
mod mapping;
mod options;
pub mod packet;
mod session;
mod sink;
mod source;
pub mod topic;

pub use listener::{ListenerOptions, MqttListenOptions, MqttListenSource};
pub use options::{ClientOptions, MqttOptions, MqttSinkOptions, MqttSourceOptions, Protocol, Retain};
pub use sink::MqttSink;
pub use source::MqttSource;

use options::{SinkTopic, SourceTopics};

use lorry_core::registry::{ElementSpec, Login, Registry};
use lorry_core::tls::TlsOptions;

/// Adds `mqttsrc` and `mqttsink` for the schemes `mqtt` and `mqtts`, and `mqttlistensrc` for `mqtt+listen` and `mqtts+listen`.
///
/// ```
/// let mut registry = lorry_core::registry::Registry::new();
/// lorry_mqtt::register(&mut registry);
/// registry.source("mqtt://localhost/sensors/#")?;
/// # Ok::<(), lorry_core::Error>(())
/// ```
pub fn register(registry: &mut Registry) {
    let source = ElementSpec::source("mqttsrc", |args| {
        let (options, own) = MqttOptions::take_source(args)?;
        Ok(Box::new(MqttSource::new(options).options(|options| *options = own)))
    });
    registry.add(
        source
            .schemes(&["mqtt", "mqtts"])
            .about("subscribes to topics of an MQTT server")
            .docs(include_str!("docs.md"))
            .options::<ClientOptions>()
            .options::<MqttSourceOptions>()
            .options::<SourceTopics>()
            .options::<Login>()
            .options::<TlsOptions>(),
    );
    registry.add(listener::spec());
    let sink = ElementSpec::sink("mqttsink", |args| {
        let (options, own) = MqttOptions::take_sink(args)?;
        Ok(Box::new(MqttSink::new(options).options(|options| *options = own)))
    });
    registry.add(
        sink.schemes(&["mqtt", "mqtts"])
            .about("publishes to an MQTT server")
            .docs(include_str!("docs.md"))
            .options::<ClientOptions>()
            .options::<MqttSinkOptions>()
            .options::<SinkTopic>()
            .options::<Login>()
            .options::<TlsOptions>(),
    );
}
