//! `lorry relay SOURCE [SINK…]`.

use crate::args::{RelayArgs, Step};
use crate::drive::{self, Host};
use crate::exit::Outcome;
use crate::registry::registry;
use crate::terminal::Terminal;
use lorry::registry::{Element, Registry, redact};
use lorry::{Error, Message, Relay, Result, Stream};

/// Relays.
pub(crate) fn run(args: &RelayArgs, terminal: &Terminal) -> Outcome {
    let host = Host::start()?;
    let relay = build(&registry(), &args.source, &args.sinks, &args.flags.steps.0)?;
    drive::start(host, relay, &args.flags, terminal)
}

/// A relay from addresses and expressions; nothing is opened.
///
/// # Errors
/// Whatever is wrong with any of them.
pub(crate) fn build(registry: &Registry, source: &str, sinks: &[String], steps: &[Step]) -> Result<Relay> {
    let address = |address: &str| vec![("location".to_owned(), redact(address))];
    let mut stream = Stream::<Message>::from_source(registry.source(source)?).with_settings(address(source));
    for step in steps {
        stream = apply(registry, stream, step)?;
    }
    let stdout = ["-".to_owned()];
    let sinks = if sinks.is_empty() { &stdout } else { sinks };
    let branches = sinks
        .iter()
        .map(|sink| Ok(stream.clone().to(registry.sink(sink)?).with_settings(address(sink))))
        .collect::<Result<Vec<_>>>()?;
    Ok(Relay::new(branches))
}

fn apply(registry: &Registry, stream: Stream<Message>, step: &Step) -> Result<Stream<Message>> {
    let properties = [("expr".to_owned(), step.expression().to_owned())];
    match registry.make_named(step.element(), &properties)? {
        Element::Operator(operator) => Ok(stream.via_kind(step.element(), operator).with_settings(properties.into())),
        _ => Err(Error::usage(format!("{} is no operator in this build", step.element()))),
    }
}
