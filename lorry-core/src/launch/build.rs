//! A layout to a relay.

use super::ast::{Pipeline, Property};
use super::graph::Shape;
use super::layout::{Layout, Placed};
use super::{Fault, kebab, parse, parse_args, secrets_of, unknown};
use crate::flow::Operator;
use crate::registry::secrets::{self, Secrets};
use crate::registry::{Element, ElementSpec, Registry, Role};
use crate::{Branch, Error, Message, Relay, Result, Stream};

impl Registry {
    /// The relay that a launch text describes. Nothing is opened. A pipeline without any sink, in which one end is open, ends in
    /// `stdoutsink`, where this registry has one.
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
    /// [`Usage`](crate::ErrorKind::Usage), with the text and a caret under the place: a syntax error, an unknown element, property or
    /// reference, a value that does not fit, an end that is linked to nothing, a loop. There is never half a pipeline.
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

    /// The relay that a parsed pipeline describes, with further operators behind its first source.
    ///
    /// # Errors
    /// As [`launch_layout`](Registry::launch_layout).
    pub fn launch_with(&self, pipeline: &Pipeline, steps: &[Step]) -> Result<Relay> {
        self.launch_layout(&pipeline.layout(self)?, steps)
    }

    /// The relay of a layout, with further operators behind its first source: element names and properties.
    ///
    /// # Errors
    /// As [`parse_launch`](Registry::parse_launch), and for the operators as [`make_named`](Registry::make_named).
    pub fn launch_layout(&self, layout: &Layout, steps: &[Step]) -> Result<Relay> {
        for (name, properties) in steps {
            if !matches!(self.make_named(name, properties)?, Element::Operator(_)) {
                return Err(Error::usage(format!("{name} is no operator")));
            }
        }
        let properties = layout.elements.iter().flat_map(|element| &element.properties);
        let mut secrets = secrets_of(&layout.text, properties);
        secrets.hide(&layout.text, &layout.hidden);
        secrets.cover(unknown::of_layout(layout, self));
        // As it stands before anything is added, so that an error is about what was written.
        let build = Build { registry: self, layout, secrets: &secrets };
        let ends = build.check().map_err(|fault| fault.in_text(&layout.text, &secrets))?;
        let mut longer = layout.clone();
        longer.end_in_stdout(&ends);
        longer.insert(steps)?;
        let build = Build { registry: self, layout: &longer, secrets: &secrets };
        let branches = build.branches().map_err(|fault| fault.in_text(&layout.text, &secrets))?;
        for warning in &layout.warnings {
            tracing::warn!("{}", secrets.keep_out_of(warning.clone()));
        }
        Ok(Relay::new(branches))
    }
}

/// An operator by name, with its properties.
pub type Step = (String, Vec<(String, String)>);

/// Where a pipeline goes that names no sink.
const STDOUT: &str = "stdoutsink";

struct Build<'a> {
    registry: &'a Registry,
    layout: &'a Layout,
    secrets: &'a Secrets,
}

/// An element, made.
enum Made {
    One(Element),
    Join(Box<dyn Operator<(usize, Message), Message>>),
    Tee,
}

impl Build<'_> {
    /// Looks at everything; answers with the elements whose output is to go to stdout.
    fn check(&self) -> Result<Vec<usize>, Fault> {
        let shape = Shape::of(self.layout);
        // Elements first, in the order of the text: the first mistake is the one shown.
        for place in shape.elements() {
            self.made(place, &shape)?;
        }
        let open = shape.open_ends(self.registry)?;
        if let Some(&first) = open.first() {
            let stdout = self.registry.element(STDOUT).is_some();
            let sink = shape.elements().any(|place| self.role(place) == Some(Role::Sink));
            // A `!` in the last value is more likely a link without spaces than a wish to print.
            if !stdout || sink || open.len() > 1 || !self.layout.warnings.is_empty() {
                return Err(self.no_sink(first));
            }
        }
        shape.order()?;
        shape.copies(self.registry)?;
        Ok(open)
    }

    fn no_sink(&self, place: usize) -> Fault {
        let fault = Fault::new("no sink: nothing is linked after this", self.layout.elements[place].span.clone());
        match self.layout.warnings.first() {
            Some(warning) => fault.hint(warning),
            None => fault.hint("end it with ! and a sink, such as ! stdoutsink"),
        }
    }

    fn role(&self, place: usize) -> Option<Role> {
        let placed = &self.layout.elements[place];
        placed.address.or_else(|| self.registry.element(&placed.factory).map(ElementSpec::role))
    }

    fn made(&self, place: usize, shape: &Shape<'_>) -> Result<Made, Fault> {
        let placed = &self.layout.elements[place];
        if let Some(role) = placed.address {
            let url = placed.properties.first().map(|property| &*property.value).unwrap_or_default();
            let made = self.registry.make_from_uri(url, role);
            return made.map(Made::One).map_err(|error| Fault::new(error.to_string(), placed.span.clone()));
        }
        let mut properties: Vec<(String, String)> = Vec::new();
        for property in &placed.properties {
            let name = kebab(&property.name);
            if property.name.contains(char::is_uppercase) {
                let what = format!("unknown option {:?} for {}", property.name, placed.factory);
                return Err(Fault::new(what, property.span.clone()).hint("names of options are in lower case"));
            }
            properties.retain(|(own, _)| *own != name);
            properties.push((name, property.value.clone()));
        }
        let spec = self.registry.element(&placed.factory);
        let made = if let Some(join) = spec.filter(|spec| spec.joins()) {
            let (inputs, least) = (shape.inputs(place).count(), join.least_inputs());
            // With its real number of inputs, or with enough, to see what its properties are worth.
            let made = self.registry.make_join(&placed.factory, &properties, inputs.max(least)).map(Made::Join);
            if made.is_ok() && (1..least).contains(&inputs) {
                return Err(Fault::new(
                    format!("{} has one input: there is nothing to join", placed.name),
                    placed.span.clone(),
                )
                .hint(format!("link at least two to it: … ! {0}.  … ! {0}.", placed.name)));
            }
            made
        } else {
            let made = self.registry.make_named(&placed.factory, &properties);
            made.map(|made| if spec.is_some_and(ElementSpec::branches) { Made::Tee } else { Made::One(made) })
        };
        made.map_err(|error| self.complaint(placed, &error))
    }

    /// An error about an element: under the property that it names, or whose value it repeats, else under the element.
    fn complaint(&self, placed: &Placed, error: &Error) -> Fault {
        let what = self.secrets.keep_out_of(error.to_string());
        let named = |name: &str| what.contains(&format!("\"{name}\"")) || what.contains(&format!(" {name}="));
        let repeated = |value: &str| !value.is_empty() && what.contains(&format!("{value:?}"));
        let mut properties = placed.properties.iter().rev();
        let place = properties.clone().find(|property| named(&kebab(&property.name)));
        let place = place.or_else(|| properties.find(|property| repeated(&property.value)));
        let start = placed.span.start;
        let element = start..placed.span.end.min(start + placed.factory.len());
        Fault::new(what, place.map_or(element, |property| property.span.clone()))
    }

    fn branches(&self) -> Result<Vec<Branch>, Fault> {
        let shape = Shape::of(self.layout);
        let mut streams: Vec<Option<Stream<Message>>> = self.layout.elements.iter().map(|_| None).collect();
        let mut branches = Vec::new();
        for place in shape.order()? {
            let placed = &self.layout.elements[place];
            let lost = || Fault::new("this is linked to nothing", placed.span.clone());
            let mut inputs = Vec::new();
            for from in shape.inputs(place) {
                let tee = self.registry.element(&self.layout.elements[from].factory).is_some_and(ElementSpec::branches);
                // A clone is a branch.
                let stream = if tee { streams[from].clone() } else { streams[from].take() };
                inputs.push(stream.ok_or_else(lost)?);
            }
            let kind = self.registry.element(&placed.factory).map_or("", ElementSpec::name);
            let settings = self.settings(placed);
            let made = self.made(place, &shape)?;
            if let Made::Join(operator) = made {
                let stream = Stream::join_all(inputs, kind, operator);
                streams[place] = Some(stream.named(&*placed.name).with_settings(settings));
                continue;
            }
            let input = inputs.pop();
            let stream = match made {
                Made::One(Element::Source(source)) => Stream::from_source(source),
                Made::One(Element::Operator(operator)) => input.ok_or_else(lost)?.via_kind(kind, operator),
                Made::Tee => input.ok_or_else(lost)?.via_kind(kind, super::Identity),
                Made::One(Element::Sink(sink)) => {
                    let branch = input.ok_or_else(lost)?.to(sink);
                    branches.push(branch.named(&*placed.name).with_settings(settings));
                    continue;
                }
                Made::Join(_) => continue,
            };
            streams[place] = Some(stream.named(&*placed.name).with_settings(settings));
        }
        Ok(branches)
    }

    /// The properties as they may be shown.
    fn settings(&self, placed: &Placed) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> = Vec::new();
        for property in &placed.properties {
            let name = kebab(&property.name);
            settings.retain(|(own, _)| *own != name);
            settings.push((name.clone(), secrets::shown(&name, &property.value)));
        }
        settings
    }
}

impl Layout {
    /// An element that the text does not have, named after the last of its kind.
    fn add(&mut self, factory: &str, properties: Vec<Property>) -> usize {
        let taken = |name: &String| self.elements.iter().any(|element| element.name == *name);
        let name = (0..).map(|number: usize| format!("{factory}{number}")).find(|name| !taken(name));
        let (factory, name) = (factory.to_owned(), name.unwrap_or_default());
        self.elements.push(Placed { factory, name, properties, bin: None, is_bin: false, address: None, span: 0..0 });
        self.elements.len() - 1
    }

    fn end_in_stdout(&mut self, ends: &[usize]) {
        for &from in ends {
            let to = self.add(STDOUT, Vec::new());
            self.wires.push(super::layout::Wire::plain(from, to));
        }
    }

    /// Puts operators behind the first source.
    fn insert(&mut self, steps: &[Step]) -> Result<()> {
        let Some((first, others)) = steps.split_first() else { return Ok(()) };
        let sources = |wire: &super::layout::Wire| !self.wires.iter().any(|other| other.to == wire.from);
        let places = self.wires.iter().enumerate().filter(|(_, wire)| sources(wire));
        let Some(link) = places.min_by_key(|(_, wire)| wire.from).map(|(place, _)| place) else {
            return Err(Error::usage("--filter and --map go behind a source, and there is none"));
        };
        let to = (self.wires[link].to, self.wires[link].to_pad.clone());
        let mut last = None;
        for (name, properties) in std::iter::once(first).chain(others) {
            let property =
                |(name, value): &(String, String)| Property { name: name.clone(), value: value.clone(), span: 0..0 };
            let place = self.add(name, properties.iter().map(property).collect());
            match last {
                None => (self.wires[link].to, self.wires[link].to_pad) = (place, "sink".to_owned()),
                Some(last) => self.wires.push(super::layout::Wire::plain(last, place)),
            }
            last = Some(place);
        }
        if let Some(last) = last {
            let mut wire = super::layout::Wire::plain(last, to.0);
            wire.to_pad = to.1;
            self.wires.push(wire);
        }
        Ok(())
    }
}
