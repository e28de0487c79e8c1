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

/// `mqttlistensrc`, for the schemes `mqtt+listen` and `mqtts+listen`.
pub(crate) fn spec() -> ElementSpec {
    let source = ElementSpec::source("mqttlistensrc", |args| {
        MqttListenOptions::take(args).map(|options| Box::new(MqttListenSource::new(options)) as _)
    });
    source
        .schemes(&["mqtt+listen", "mqtts+listen"])
        .about("takes messages from devices that publish straight to it over MQTT")
        .docs(include_str!("docs.md"))
        .options::<ListenerOptions>()
        .options::<Login>()
        .options::<TlsOptions>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_page_names_every_option_with_its_default() {
        let mut registry = lorry_core::registry::Registry::new();
        crate::register(&mut registry);
        let spec = registry.element("mqttlistensrc").unwrap();
        let table = include_str!("docs.md").split("## Options").nth(1).unwrap().split("##").next().unwrap();
        for option in spec.option_specs() {
            let row = table.lines().find(|line| line.contains(&format!("`{}`", option.name)));
            let row = row.unwrap_or_else(|| unreachable!("{} is not in docs.md", option.name)).replace(' ', "");
            let default = option.default.clone().unwrap_or_default();
            assert!(row.contains(&default), "{}: {default} is not in {row}", option.name);
        }
    }
}
