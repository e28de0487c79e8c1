//! A pipeline to a relay.

use super::ast::{Chain, Element as Written, Item, Node, Pipeline};
use super::{Fault, parse, parse_args};
use crate::registry::secrets::{self, Secrets};
use crate::registry::{Element, ElementSpec, Registry, Role};
use crate::{Branch, Error, Message, Relay, Result, Stream};
use std::collections::HashSet;

impl Registry {
    /// The relay that a launch text describes. Nothing is opened. A chain that does not end in a sink ends in `stdoutsink`, where this
    /// registry has one.
    ///
    /// ```
    /// # use lorry_core::registry::Registry;
    /// let error = Registry::new().parse_launch("nosuchsrc ! nullsink").unwrap_err();
    /// assert_eq!(error.to_string(), "\
    /// no element \"nosuchsrc\"; see: lorry inspect
    ///   nosuchsrc ! nullsink
    ///   ^^^^^^^^^");
    /// ```
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage), with the text and a caret under the place: a syntax error, an unknown element or property, a
    /// value that does not fit, a chain without a source. There is never half a pipeline.
    pub fn parse_launch(&self, text: &str) -> Result<Relay> {
        self.launch(&parse(text)?)
    }

    /// The relay that the arguments of a command line describe; see [`launch::parse_args`](crate::launch::parse_args).
    ///
    /// # Errors
    /// As [`parse_launch`](Registry::parse_launch).
    pub fn parse_launch_args(&self, args: &[String]) -> Result<Relay> {
        self.launch(&parse_args(args)?)
    }

    /// The relay that a parsed pipeline describes.
    ///
    /// # Errors
    /// As [`parse_launch`](Registry::parse_launch).
    pub fn launch(&self, pipeline: &Pipeline) -> Result<Relay> {
        self.launch_with(pipeline, &[])
    }

    /// The relay that a parsed pipeline describes, with further operators before each of its sinks: element names and properties.
    ///
    /// # Errors
    /// As [`parse_launch`](Registry::parse_launch), and for the operators as [`make_named`](Registry::make_named).
    pub fn launch_with(&self, pipeline: &Pipeline, steps: &[Step]) -> Result<Relay> {
        for (name, properties) in steps {
            if !matches!(self.make_named(name, properties)?, Element::Operator(_)) {
                return Err(Error::usage(format!("{name} is no operator")));
            }
        }
        let mut secrets = secrets::of_text(&pipeline.text);
        for node in pipeline.elements() {
            match &node.item {
                Item::Element(element) => {
                    element.properties.iter().for_each(|property| secrets.add_value(&property.name, &property.value));
                }
                Item::Url(url) => secrets.add_value("", url),
                Item::Bin(_) | Item::Reference(_) => {}
            }
        }
        let build = Build { registry: self, pipeline, secrets: &secrets, steps };
        let branches = build.branches().map_err(|fault| fault.in_text(&pipeline.text, &secrets))?;
        for warning in pipeline.warnings() {
            tracing::warn!("{}", secrets.keep_out_of(warning));
        }
        Ok(Relay::new(branches))
    }
}

/// An operator by name, with its properties.
type Step = (String, Vec<(String, String)>);

struct Build<'a> {
    registry: &'a Registry,
    pipeline: &'a Pipeline,
    secrets: &'a Secrets,
    steps: &'a [Step],
}

/// An element that was made, with what the text says about it.
struct Made<'a> {
    element: Element,
    kind: &'static str,
    name: Option<&'a str>,
    node: &'a Node,
}

impl<'a> Build<'a> {
    fn branches(&self) -> Result<Vec<Branch>, Fault> {
        self.pipeline.chains.iter().try_for_each(linear)?;
        self.unique_names()?;
        // All elements are made before any is put together, so that the first error in the text is the one shown.
        let chains: Vec<_> = self.pipeline.chains.iter().map(|chain| self.made(chain)).collect::<Result<_, _>>()?;
        chains.into_iter().map(|chain| self.branch(chain)).collect()
    }

    fn unique_names(&self) -> Result<(), Fault> {
        let mut names = HashSet::new();
        for node in self.pipeline.elements() {
            let Item::Element(element) = &node.item else { continue };
            let Some(property) = element.properties.iter().rev().find(|property| property.name == "name") else {
                continue;
            };
            if !names.insert(&property.value) {
                return Err(Fault::new(
                    format!("two elements have the name {:?}", property.value),
                    property.span.clone(),
                ));
            }
        }
        Ok(())
    }

    fn made(&self, chain: &'a Chain) -> Result<Vec<Made<'a>>, Fault> {
        let last = chain.nodes.len() - 1;
        let one = |(place, node): (usize, &'a Node)| match &node.item {
            Item::Url(url) => {
                self.url_end(node, url, if place == last && last > 0 { Role::Sink } else { Role::Source })
            }
            Item::Element(element) => self.written_element(node, element),
            Item::Bin(_) | Item::Reference(_) => Err(not_linear("a reference", node)),
        };
        chain.nodes.iter().enumerate().map(one).collect()
    }

    fn url_end(&self, node: &'a Node, url: &str, role: Role) -> Result<Made<'a>, Fault> {
        let element =
            self.registry.make_from_uri(url, role).map_err(|error| Fault::new(error.to_string(), node.span.clone()))?;
        Ok(Made { element, kind: "", name: None, node })
    }

    fn written_element(&self, node: &'a Node, written: &'a Written) -> Result<Made<'a>, Fault> {
        let mut properties: Vec<(String, String)> = Vec::new();
        for property in written.properties.iter().filter(|property| property.name != "name") {
            let name = property.name.to_ascii_lowercase().replace('_', "-");
            properties.retain(|(own, _)| *own != name);
            properties.push((name, property.value.clone()));
        }
        let element = self.registry.make_named(&written.factory, &properties).map_err(|error| {
            let what = self.secrets.keep_out_of(error.to_string());
            // Under the property that the error names, if it names one, else under the element.
            let named = |name: &str| what.contains(&format!("\"{name}\"")) || what.contains(&format!(" {name}="));
            let place = written
                .properties
                .iter()
                .rev()
                .find(|property| named(&property.name.to_ascii_lowercase().replace('_', "-")));
            let element = node.span.start..node.span.start + written.factory.len();
            Fault::new(what, place.map_or(element, |property| property.span.clone()))
        })?;
        let kind = self.registry.element(&written.factory).map_or("", ElementSpec::name);
        Ok(Made { element, kind, name: written.property("name"), node })
    }

    fn branch(&self, made: Vec<Made<'a>>) -> Result<Branch, Fault> {
        let mut made = made.into_iter();
        let Some(first) = made.next() else { return Err(Fault::new("the chain is empty", 0..0)) };
        let Element::Source(source) = first.element else {
            let role = if matches!(first.element, Element::Sink(_)) { Role::Sink } else { Role::Operator };
            return Err(Fault::new(format!("no source: this {role} has nothing before it"), first.node.span.clone())
                .hint("a chain begins with a source, and has a ! between its elements"));
        };
        let mut stream = named(Stream::<Message>::from_source(source), first.name, Stream::named);
        let mut end = first.node;
        while let Some(next) = made.next() {
            end = next.node;
            match next.element {
                Element::Operator(operator) => {
                    stream = named(stream.via_kind(next.kind, operator), next.name, Stream::named);
                }
                Element::Sink(sink) => {
                    return match made.next() {
                        None => Ok(named(self.with_steps(stream, end)?.to(sink), next.name, Branch::named)),
                        Some(after) => Err(Fault::new("a sink has nothing after it", after.node.span.clone())
                            .hint("several sinks each have a chain of their own")),
                    };
                }
                Element::Source(_) => {
                    return Err(
                        Fault::new("a source has nothing before it", end.span.clone()).hint("a source begins a chain")
                    );
                }
            }
        }
        self.to_stdout(stream, end)
    }

    fn to_stdout(&self, stream: Stream<Message>, end: &Node) -> Result<Branch, Fault> {
        const STDOUT: &str = "stdoutsink";
        let no_sink = || {
            let fault = Fault::new("no sink: the chain ends here", end.span.clone());
            match self.pipeline.warnings().into_iter().next() {
                Some(warning) => fault.hint(warning),
                None => fault.hint("end it with ! and a sink, such as ! stdoutsink"),
            }
        };
        // A `!` in the last value is more likely a link without spaces than a wish to print.
        if self.registry.element(STDOUT).is_none() || !self.pipeline.warnings().is_empty() {
            return Err(no_sink());
        }
        match self.registry.make_named(STDOUT, &[]) {
            Ok(Element::Sink(sink)) => Ok(self.with_steps(stream, end)?.to(sink)),
            _ => Err(no_sink()),
        }
    }

    fn with_steps(&self, stream: Stream<Message>, end: &Node) -> Result<Stream<Message>, Fault> {
        self.steps.iter().try_fold(stream, |stream, (name, properties)| {
            let kind = self.registry.element(name).map_or("", ElementSpec::name);
            match self.registry.make_named(name, properties) {
                Ok(Element::Operator(operator)) => Ok(stream.via_kind(kind, operator)),
                Ok(_) => Err(Fault::new(format!("{name} is no operator"), end.span.clone())),
                Err(error) => Err(Fault::new(error.to_string(), end.span.clone())),
            }
        })
    }
}

fn named<T>(it: T, name: Option<&str>, give: impl Fn(T, String) -> T) -> T {
    match name {
        Some(name) => give(it, name.to_owned()),
        None => it,
    }
}

/// Refuses what makes a graph of a pipeline: it parses, but this version builds chains.
fn linear(chain: &Chain) -> Result<(), Fault> {
    for node in &chain.nodes {
        match &node.item {
            Item::Bin(_) => return Err(not_linear("a bin", node)),
            Item::Reference(_) => return Err(not_linear("a reference", node)),
            // `.sink` and `.src` are the pads that every element of a chain has.
            _ if node.into.iter().any(|pad| pad != "sink") || node.from.iter().any(|pad| pad != "src") => {
                return Err(not_linear("a pad of this name", node));
            }
            _ => {}
        }
    }
    match chain.links.iter().find(|link| link.caps.is_some()) {
        Some(link) => Err(Fault::new("a content type between links is not supported yet", link.span.clone())
            .hint("set content-type= on the source")),
        None => Ok(()),
    }
}

fn not_linear(what: &str, node: &Node) -> Fault {
    Fault::new(format!("{what} is not supported yet"), node.span.clone()).hint("write the chains out, side by side")
}
