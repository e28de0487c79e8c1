//! `check --connect`: opens each end that has a server behind it, and closes it again.
//!
//! Under no name, so that the session of a relay that runs under it is not disturbed, and without anything that a mere check must not
//! do: files are not made, tables are not emptied, messages are not taken.

use crate::drive;
use crate::exit::{Failure, Outcome};
use crate::output;
use lorry::launch::{Layout, Placed};
use lorry::registry::{Element, ElementSpec, Registry, Role, Span, Uri};
use lorry::relay::{Context, Sink, Source, State, Status};
use lorry::{Error, ErrorKind, Result};
use std::time::Duration;

/// Ends without a server: opening one makes a file, starts a program or takes lines from stdin.
const LOCAL: [&str; 11] =
    ["-", "exec", "file", "inproc", "null", "sqlite", "stderr", "stdin", "stdio", "stdout", "test"];

/// A source or a sink as it was written.
#[derive(Debug)]
pub(crate) enum End {
    Address(Role, String),
    Named(String, Vec<(String, String)>),
}

/// The ends of `SOURCE SINK…`.
pub(crate) fn ends_of_addresses(source: &str, sinks: &[String]) -> Vec<End> {
    let sinks = sinks.iter().map(|sink| End::Address(Role::Sink, sink.clone()));
    std::iter::once(End::Address(Role::Source, source.to_owned())).chain(sinks).collect()
}

/// The ends of a graph.
pub(crate) fn ends_of_layout(registry: &Registry, layout: &Layout) -> Vec<End> {
    let end = |placed: &Placed| {
        let location = placed.properties.iter().find(|property| property.name == "location");
        if let (Some(role), Some(location)) = (placed.written_as_address(), location) {
            return Some(End::Address(role, location.value.clone()));
        }
        let role = registry.element(&placed.factory).map(ElementSpec::role);
        let pairs = placed.properties.iter().map(|property| (property.name.clone(), property.value.clone()));
        matches!(role, Some(Role::Source | Role::Sink)).then(|| End::Named(placed.factory.clone(), pairs.collect()))
    };
    layout.elements().iter().filter_map(end).collect()
}

/// Tries them one after the other and says how it went; fails if one does.
pub(crate) fn all(registry: &Registry, ends: Vec<End>, timeout: Duration) -> Outcome {
    output::stdout("\nConnections\n")?;
    drive::on_runtime(async {
        let mut failed = None;
        for end in &ends {
            let shown = end.shown();
            let said = match end.is_local() {
                true => "no server, not opened".to_owned(),
                false => match connect(end.make(registry)?, timeout).await {
                    Ok(()) => "connected".to_owned(),
                    Err(error) => {
                        failed.get_or_insert_with(|| format!("{shown}: {error}"));
                        "failed".to_owned()
                    }
                },
            };
            output::stdout(&format!("  {shown}  {said}\n"))?;
        }
        failed.map_or(Ok(()), |error| Err(Failure::Failed(error)))
    })
}

impl End {
    fn address(&self) -> Option<&str> {
        match self {
            Self::Address(_, address) => Some(address),
            Self::Named(_, pairs) => {
                pairs.iter().rev().find(|(name, _)| name == "location").map(|(_, value)| value.as_str())
            }
        }
    }

    fn shown(&self) -> String {
        let address = self.address().map(|address| Uri::parse(address).map_or("?".to_owned(), |uri| uri.to_string()));
        match (self, address) {
            (Self::Address(..), address) => address.unwrap_or_default(),
            (Self::Named(name, _), None) => name.clone(),
            (Self::Named(name, _), Some(address)) => format!("{name} {address}"),
        }
    }

    fn is_local(&self) -> bool {
        // A bare path has no scheme, and an element without a location no server.
        let scheme = self.address().and_then(|address| Uri::parse(address).ok()).map(|uri| uri.scheme().to_owned());
        scheme.is_none_or(|scheme| LOCAL.contains(&scheme.split('+').next().unwrap_or_default()))
    }

    fn make(&self, registry: &Registry) -> Result<Element> {
        match self {
            Self::Address(role, address) => registry.make_from_uri(&harmless(address), *role),
            Self::Named(name, pairs) => {
                let pairs = pairs.iter().filter(|(name, value)| name != "name" && !empties(name, value));
                let pairs: Vec<_> = pairs.map(|(name, value)| (name.clone(), harmless(value))).collect();
                registry.make_named(name, &pairs)
            }
        }
    }
}

/// The address without `if-exists=replace`, which empties a table as soon as it is opened.
fn harmless(address: &str) -> String {
    let Some((before, options)) = address.split_once('?') else { return address.to_owned() };
    let kept =
        options.split('&').filter(|option| !option.split_once('=').is_some_and(|(name, value)| empties(name, value)));
    format!("{before}?{}", kept.collect::<Vec<_>>().join("&"))
}

fn empties(name: &str, value: &str) -> bool {
    name.to_ascii_lowercase().replace('_', "-") == "if-exists" && value.eq_ignore_ascii_case("replace")
}

async fn connect(element: Element, timeout: Duration) -> Result<()> {
    let context = Context::detached("check");
    let status = context.status.clone();
    let opened = async {
        match element {
            Element::Source(mut source) => {
                source.open(context).await?;
                settled(&status).await?;
                source.close().await
            }
            Element::Sink(mut sink) => {
                sink.open(context).await?;
                settled(&status).await?;
                sink.close().await
            }
            Element::Operator(_) => Ok(()),
        }
    };
    tokio::select! {
        opened = opened => opened,
        error = trouble(&status) => Err(error),
        () = tokio::time::sleep(timeout) => {
            Err(Error::transient(ErrorKind::Timeout, "connect", format!("no answer within {}", Span(timeout))))
        }
    }
}

const LOOK: Duration = Duration::from_millis(10);

/// Ready when an element that connects in the background is through; one that does not say how it is doing is through once it is open.
async fn settled(status: &Status) -> Result<()> {
    while matches!(status.state(), State::Connecting) {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Ready at the first failure: a relay would try again, a check says so.
async fn trouble(status: &Status) -> Error {
    loop {
        if let State::Retrying(error) | State::Degraded(error) = status.state() {
            return error;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_empties_no_table() {
        let cases = [
            ("postgresql://h/d?table=t&if-exists=replace&linger=1s", "postgresql://h/d?table=t&linger=1s"),
            ("postgresql://h/d?IF_EXISTS=Replace", "postgresql://h/d?"),
            ("postgresql://h/d?if-exists=fail&table=t", "postgresql://h/d?if-exists=fail&table=t"),
            ("mqtt://h/a", "mqtt://h/a"),
        ];
        for (address, wanted) in cases {
            assert_eq!(harmless(address), wanted);
        }
    }

    #[test]
    fn only_servers_are_tried() {
        let local = |address: &str| End::Address(Role::Sink, address.to_owned()).is_local();
        for address in ["-", "file:///a", "sqlite:///a.db", "sqlite+pysqlite:///a.db", "exec:cat", "null:", "test://"] {
            assert!(local(address), "{address}");
        }
        for address in ["mqtt://h/a", "postgresql://h/d", "mqtt+listen://h/#", "tcp://h:1"] {
            assert!(!local(address), "{address}");
        }
    }
}
