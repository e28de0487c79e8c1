//! The registry: a plain value that knows elements by name and by scheme.

use super::args::{Args, Resolver};
use super::shared::{Batching, Content};
use super::spec::{ElementSpec, Maker, Role};
use super::uri::{Uri, redact};
use crate::flow::Operator;
use crate::relay::{Sink, Source};
use crate::{Error, Message, Relay, Result, Stream, did_you_mean};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What can be built: elements by name (`mqttsrc`) and by URI scheme (`mqtt`). A connector crate has a
/// `register(&mut Registry)`; nothing registers itself.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    elements: BTreeMap<&'static str, Arc<ElementSpec>>,
    resolver: Option<Arc<dyn Resolver>>,
}

/// An element as made by the registry: nothing of it is open yet.
pub enum Element {
    /// A source.
    Source(Box<dyn Source>),
    /// An operator.
    Operator(Box<dyn Operator<Message>>),
    /// A sink.
    Sink(Box<dyn Sink>),
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "Source",
            Self::Operator(_) => "Operator",
            Self::Sink(_) => "Sink",
        })
    }
}

impl Registry {
    /// A registry that knows nothing but the operators of this crate.
    pub fn new() -> Self {
        let mut registry = Self::default();
        crate::ops::register(&mut registry);
        crate::launch::register(&mut registry);
        registry
    }

    /// Adds an element. One that is already there under the name is replaced: so a program can put its own in place of Lorry's.
    pub fn add(&mut self, spec: ElementSpec) {
        let spec = match spec.role {
            Role::Source => spec.options::<Content>(),
            Role::Sink => spec.options::<Batching>(),
            Role::Operator => spec,
        };
        self.elements.insert(spec.name, Arc::new(spec));
    }

    /// Has `${NAME}`, `password-env=` and `password-file=` looked up by this resolver; without one they are refused.
    pub fn resolve_with(&mut self, resolver: impl Resolver + 'static) {
        self.resolver = Some(Arc::new(resolver));
    }

    /// All elements, by name.
    pub fn elements(&self) -> impl Iterator<Item = &ElementSpec> {
        self.elements.values().map(|spec| &**spec)
    }

    /// The element of this name.
    pub fn element(&self, name: &str) -> Option<&ElementSpec> {
        self.elements.get(name).map(|spec| &**spec)
    }

    /// The elements that answer to a scheme, source first.
    pub fn by_scheme(&self, scheme: &str) -> Vec<&ElementSpec> {
        let mut specs: Vec<_> = self.elements().filter(|spec| spec.schemes.contains(&scheme)).collect();
        specs.sort_by_key(|spec| spec.role);
        specs
    }

    /// The source that an address names.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage): a malformed address, an unknown scheme or option, a scheme that cannot be read from.
    pub fn source(&self, uri: &str) -> Result<Box<dyn Source>> {
        match self.make_from_uri(uri, Role::Source)? {
            Element::Source(source) => Ok(source),
            _ => Err(Error::usage(format!("{:?} is no source", redact(uri)))),
        }
    }

    /// The sink that an address names.
    ///
    /// # Errors
    /// As [`source`](Registry::source).
    pub fn sink(&self, uri: &str) -> Result<Box<dyn Sink>> {
        match self.make_from_uri(uri, Role::Sink)? {
            Element::Sink(sink) => Ok(sink),
            _ => Err(Error::usage(format!("{:?} is no sink", redact(uri)))),
        }
    }

    /// A relay from one address to another.
    ///
    /// # Errors
    /// As [`source`](Registry::source).
    pub fn relay(&self, source: &str, sink: &str) -> Result<Relay> {
        let (source, sink) = (self.source(source)?, self.sink(sink)?);
        Ok(Relay::new([Stream::from_source(source).to(sink)]))
    }

    /// The element that an address names in this role.
    ///
    /// # Errors
    /// As [`source`](Registry::source).
    pub fn make_from_uri(&self, uri: &str, role: Role) -> Result<Element> {
        let uri = Uri::parse(uri)?;
        let spec = self.spec_for(&uri, role)?;
        self.make(spec, uri.scheme().to_owned(), uri, &[])
    }

    /// The element of this name with these properties, as launch text has them: `location=` is an address (or a path, where the
    /// element takes one), the others are options.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage): an unknown element or property, a malformed value.
    pub fn make_named(&self, name: &str, properties: &[(String, String)]) -> Result<Element> {
        let spec = self.element_or_hint(name)?;
        let (location, rest): (Vec<_>, Vec<_>) = properties.iter().cloned().partition(|(name, _)| name == "location");
        let uri = match (location.last(), spec.role) {
            (None, Role::Operator) => Uri::bare(name, ""),
            (None, _) if spec.optional_location => Uri::bare(spec.schemes.first().copied().unwrap_or(name), ""),
            (None, _) => {
                let scheme = spec.schemes.first().copied().unwrap_or("scheme");
                return Err(Error::usage(format!("{name} needs location=, such as location={scheme}://…")));
            }
            (Some(_), Role::Operator) => return Err(Error::usage(format!("unknown option \"location\" for {name}"))),
            (Some((_, path)), _) if spec.bare_path && !spec.schemes.iter().any(|scheme| is_of_scheme(path, scheme)) => {
                Uri::bare(spec.schemes.first().copied().unwrap_or(name), path)
            }
            (Some((_, text)), _) => {
                let uri = Uri::parse(text)?;
                if !spec.schemes.contains(&uri.scheme()) {
                    return Err(Error::usage(format!("{name} cannot open a {:?} address", uri.scheme()))
                        .hint(format!("its schemes are {}", spec.schemes.join(", "))));
                }
                uri
            }
        };
        self.make(spec, name.to_owned(), uri, &rest)
    }

    /// The operator of this name that [joins](ElementSpec::join) so many inputs.
    ///
    /// # Errors
    /// As [`make_named`](Registry::make_named); also if it joins nothing.
    pub fn make_join(
        &self,
        name: &str,
        properties: &[(String, String)],
        inputs: usize,
    ) -> Result<Box<dyn Operator<(usize, Message), Message>>> {
        let spec = self.element_or_hint(name)?;
        let Maker::Join(make) = &spec.maker else { return Err(Error::usage(format!("{name} joins no inputs"))) };
        let mut args = Args::new(name, Uri::bare(name, ""), properties, self.resolver.as_ref(), spec.opaque)?;
        let operator = make(&mut args, inputs)?;
        args.finish()?;
        Ok(operator)
    }

    /// The element of this name.
    ///
    /// # Errors
    /// There is none; with the nearest name there is.
    pub(crate) fn element_or_hint(&self, name: &str) -> Result<&ElementSpec> {
        self.element(name).ok_or_else(|| {
            let error = Error::usage(format!("no element {name:?}"));
            match did_you_mean(name, self.elements.keys().copied()) {
                Some(near) => error.hint(format!("did you mean {near:?}? (see: lorry inspect)")),
                None => error.hint("see: lorry inspect"),
            }
        })
    }

    fn make(&self, spec: &ElementSpec, subject: String, uri: Uri, properties: &[(String, String)]) -> Result<Element> {
        let mut args = Args::new(&subject, uri, properties, self.resolver.as_ref(), spec.opaque)?;
        let element = match &spec.maker {
            Maker::Source(make) => {
                let content: Content = args.take()?;
                Element::Source(content.wrap(make(&mut args)?)?)
            }
            Maker::Operator(make) => Element::Operator(make(&mut args)?),
            Maker::Tee => Element::Operator(Box::new(crate::launch::Identity)),
            Maker::Join(_) => {
                return Err(Error::usage(format!("{subject} joins several inputs"))
                    .hint("it has its place in a pipeline: lorry launch"));
            }
            Maker::Sink(make) => {
                let batching: Batching = args.take()?;
                Element::Sink(batching.wrap(make(&mut args)?)?)
            }
        };
        args.finish()?;
        Ok(element)
    }

    pub(crate) fn spec_for(&self, uri: &Uri, role: Role) -> Result<&ElementSpec> {
        let scheme = uri.scheme();
        let specs = self.by_scheme(scheme);
        if let Some(spec) = specs.iter().find(|spec| spec.role == role) {
            return Ok(spec);
        }
        if let Some(spec) = specs.first() {
            return Err(Error::usage(format!("{scheme} is no {role}, only a {}", spec.role)).with("address", uri));
        }
        // A driver suffix as SQLAlchemy has it: accepted and ignored.
        if let Some((base, _)) = scheme.split_once('+')
            && let Some(spec) =
                self.by_scheme(base).into_iter().find(|spec| spec.role == role && spec.name == "sqlsink")
        {
            return Ok(spec);
        }
        let known: Vec<_> =
            self.elements().filter(|spec| spec.role == role).flat_map(|spec| spec.schemes).copied().collect();
        let error = Error::usage(format!("unknown scheme {scheme:?}")).with("address", uri);
        Err(match did_you_mean(scheme, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(format!("known for a {role}: {}", known.join(", "))),
        })
    }
}

fn is_of_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        && text[scheme.len()..].starts_with(':')
}
