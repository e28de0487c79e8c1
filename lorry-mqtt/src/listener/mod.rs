#![doc = include_str!("docs.md")]

mod acceptor;
mod arrivals;
mod budget;
mod connection;
mod handshake;
mod hub;
mod login;
mod options;
mod packets;
mod sessions;
mod source;
mod wire;

pub use options::{ListenerOptions, MqttListenOptions};
pub use source::MqttListenSource;

use lorry_core::registry::{ElementSpec, Login};
use lorry_core::tls::TlsOptions;
use options::ListenerTopics;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `mqttlistensrc`, for the schemes `mqtt+listen` and `mqtts+listen`.
pub(crate) fn spec() -> ElementSpec {
    let source = ElementSpec::source("mqttlistensrc", |args| {
        MqttListenOptions::take(args).map(|options| Box::new(MqttListenSource::new(options)) as _)
    });
    source
        .schemes(&["mqtt+listen", "mqtts+listen"])
        .about("takes messages from devices that publish straight to it over MQTT")
        .docs(include_str!("docs.md"))
        .options::<ListenerTopics>()
        .options::<ListenerOptions>()
        .options::<Login>()
        .options::<TlsOptions>()
}

/// No panic happens under the locks of this module; should one, what they guard is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
