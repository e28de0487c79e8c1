//! A pipeline as it was written.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A parsed pipeline: chains side by side. Nothing is looked up or made yet.
#[derive(Clone)]
pub struct Pipeline {
    pub(super) text: Arc<str>,
    /// The chains, in the order written.
    pub chains: Vec<Chain>,
}

/// Elements with links between them.
#[derive(Clone, PartialEq)]
pub struct Chain {
    /// What the links link; at least one.
    pub nodes: Vec<Node>,
    /// One less than nodes.
    pub links: Vec<Link>,
}

/// One place of a chain.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// What stands there.
    pub item: Item,
    /// Pads named before it: `! .sink_1 element`.
    pub into: Vec<String>,
    /// Pads named after it: `element .src_1 !`, `t.src_1 !`.
    pub from: Vec<String>,
    /// Its place in the text, in bytes.
    pub span: Range<usize>,
}

/// What may stand in a chain.
#[derive(Clone, PartialEq)]
pub enum Item {
    /// An element with its properties.
    Element(Element),
    /// Chains in parentheses.
    Bin(Bin),
    /// The name of an element that stands elsewhere: `t.`
    Reference(String),
    /// An address, which makes a source or a sink.
    Url(String),
}

/// An element with its properties.
#[derive(Clone, PartialEq)]
pub struct Element {
    /// What kind of element: `mqttsrc`.
    pub factory: String,
    /// Its properties.
    pub properties: Vec<Property>,
}

/// `NAME=VALUE`.
#[derive(Clone, PartialEq)]
pub struct Property {
    /// The name as it was written.
    pub name: String,
    /// The value, without quotes and backslashes.
    pub value: String,
    /// Its place in the text, in bytes.
    pub span: Range<usize>,
}

/// Chains in parentheses.
#[derive(Clone, PartialEq)]
pub struct Bin {
    /// What kind of bin: `bin` where nothing stands before the parenthesis.
    pub factory: String,
    /// Its properties.
    pub properties: Vec<Property>,
    /// What is in it.
    pub chains: Vec<Chain>,
}

/// A link between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Written `:`, which GStreamer has for all pads that fit. Elements have one here that does, so that it is the same as `!`.
    pub all: bool,
    /// The content type that may pass.
    pub caps: Option<String>,
    /// Its place in the text, in bytes.
    pub span: Range<usize>,
}

impl Pipeline {
    /// The chains of a pipeline without references, bins, pads and content types, each as its nodes in order.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Node> {
        self.chains.iter().flat_map(Chain::elements)
    }

    /// All properties; an address is one without a name.
    pub(super) fn properties(&self) -> impl Iterator<Item = &Property> {
        self.elements().flat_map(|node| match &node.item {
            Item::Element(element) => &*element.properties,
            Item::Bin(bin) => &*bin.properties,
            Item::Url(_) | Item::Reference(_) => &[],
        })
    }

    /// What is odd, but allowed: a value with `!` in it, which may be a link that lacks its spaces.
    pub fn warnings(&self) -> Vec<String> {
        let elements = self.elements().filter_map(|node| match &node.item {
            Item::Element(element) => Some(element),
            _ => None,
        });
        elements
            .flat_map(|element| element.properties.iter().map(move |property| (element, property)))
            .filter(|(_, property)| {
                property.value.contains('!') && !self.text[property.span.clone()].contains(['"', '\''])
            })
            .map(|(element, property)| {
                format!(
                    "the value of {} of {} has a ! in it; a link needs a space on either side",
                    property.name, element.factory
                )
            })
            .collect()
    }
}

impl Chain {
    fn elements(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        Box::new(self.nodes.iter().flat_map(|node| {
            let inside: Box<dyn Iterator<Item = &Node>> = match &node.item {
                Item::Bin(bin) => Box::new(bin.chains.iter().flat_map(Chain::elements)),
                _ => Box::new(std::iter::empty()),
            };
            std::iter::once(node).chain(inside)
        }))
    }
}

impl Item {
    /// The property that names it. Where it is given more than once, GStreamer takes the first for an element and the last for a bin.
    pub(super) fn name(&self) -> Option<&Property> {
        let is_name = |property: &&Property| property.name == "name";
        match self {
            Self::Element(element) => element.properties.iter().find(is_name),
            Self::Bin(bin) => bin.properties.iter().rev().find(is_name),
            Self::Reference(_) | Self::Url(_) => None,
        }
    }
}

impl Element {
    /// The value of a property; the last where it is given more than once.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().rev().find(|property| property.name == name).map(|property| &*property.value)
    }
}

/// Values may hold passwords, so only names are shown.
impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.factory, self.properties)
    }
}

impl fmt::Debug for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.( {:?} {:?} )", self.factory, self.properties, self.chains)
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => element.fmt(f),
            Self::Bin(bin) => bin.fmt(f),
            Self::Reference(name) => write!(f, "{name}."),
            Self::Url(url) => write!(f, "{}:…", url.split(':').next().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.item.fmt(f)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.nodes).finish()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.chains).finish()
    }
}
