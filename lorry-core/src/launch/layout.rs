//! A pipeline with its references, bins and pads resolved: which element is linked to which.

use super::Fault;
use super::ast::Property;
use crate::registry::{ElementSpec, Registry, Role};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// The most elements of a graph: what the stack holds many times over, since stages call each other.
pub(super) const MOST_ELEMENTS: usize = 500;

/// A graph as a text describes it: elements with their names, and the links between their pads. The elements are known to the registry
/// that it was laid out with; they are not made, and whether the graph is complete comes out when it is
/// [built](crate::registry::Registry::launch).
///
/// ```
/// use lorry_core::launch;
/// use lorry_core::registry::Registry;
///
/// let text = "( identity ! tee name=t ) ! queue  t. ! text/csv ! identity";
/// let layout = launch::parse(text)?.layout(&Registry::new())?;
/// let links: Vec<_> = layout.links().map(|[from, to]| format!("{from} {to}")).collect();
/// assert_eq!(links, ["identity0.src t.sink", "t.src_0 queue0.sink", "t.src_1 capsfilter0.sink", "capsfilter0.src identity1.sink"]);
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Layout {
    pub(super) text: Arc<str>,
    pub(super) elements: Vec<Placed>,
    pub(super) wires: Vec<Wire>,
    /// What is odd about the text, but allowed.
    pub(super) warnings: Vec<String>,
    /// Literals of the text that are secrets although nothing in front of them says so, by their place in it.
    pub(super) hidden: Vec<Range<usize>>,
}

/// An element of a [`Layout`], or a bin.
#[derive(Clone)]
#[non_exhaustive]
pub struct Placed {
    /// What kind of element (`filesrc`); `bin` or `pipeline` for a bin.
    pub factory: String,
    /// Its unique name: what the text calls it, or kind and number (`filesrc0`).
    pub name: String,
    /// Its properties, without the name. An address in the text is the property `location`.
    pub properties: Vec<Property>,
    /// The bin that it is in, by its place in [`Layout::elements`].
    pub bin: Option<usize>,
    pub(super) is_bin: bool,
    /// For an address: what it stands for.
    pub(super) address: Option<Role>,
    /// Its place in the text, in bytes.
    pub(super) span: Range<usize>,
}

/// A link between two pads.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) from: usize,
    pub(super) from_pad: String,
    pub(super) to: usize,
    pub(super) to_pad: String,
}

impl Layout {
    /// Elements and bins, in the order of the text; what stands for a content type between links comes after them.
    pub fn elements(&self) -> &[Placed] {
        &self.elements
    }

    /// The links, each by the names of its two pads: `t.src_0`, `queue0.sink`.
    pub fn links(&self) -> impl Iterator<Item = [String; 2]> {
        let name = |place: usize, pad: &str| format!("{}.{pad}", self.elements[place].name);
        self.wires.iter().map(move |wire| [name(wire.from, &wire.from_pad), name(wire.to, &wire.to_pad)])
    }
}

impl Placed {
    /// Whether it was written as an address, and what that stands for.
    pub fn written_as_address(&self) -> Option<Role> {
        self.address
    }
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.links()).finish()
    }
}

impl std::fmt::Debug for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.name, self.properties)
    }
}

/// One side of a link, as written.
#[derive(Clone)]
pub(super) struct End {
    pub(super) at: At,
    /// Empty: whichever fits.
    pub(super) pads: Vec<String>,
    pub(super) span: Range<usize>,
}

/// What a link leads to.
#[derive(Clone)]
pub(super) enum At {
    Place(usize),
    Name(String),
}

/// A link, as written.
pub(super) struct Written {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) caps: Option<String>,
    pub(super) span: Range<usize>,
}

/// How many links a side of an element takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pads {
    None,
    One,
    Request,
}

/// Puts a layout together: first elements, then links.
pub(super) struct Planner<'a> {
    pub(super) registry: &'a Registry,
    pub(super) elements: Vec<Placed>,
    wires: Vec<Wire>,
    names: HashMap<String, usize>,
    /// Names that the text gives; no automatic name is one of them.
    reserved: HashSet<String>,
    counts: HashMap<String, usize>,
    /// For each bin what its links lead to: its first element, and its last.
    ends: HashMap<usize, Ends>,
    linked: HashSet<(usize, String)>,
    /// Inputs that are asked for by name somewhere.
    asked: HashMap<usize, BTreeSet<u32>>,
}

/// The element at the beginning of a chain or bin, and the one at its end; `None` where a reference stands.
pub(super) type Ends = [Option<usize>; 2];

impl<'a> Planner<'a> {
    pub(super) fn new(registry: &'a Registry, reserved: HashSet<String>) -> Self {
        Self {
            registry,
            elements: Vec::new(),
            wires: Vec::new(),
            names: HashMap::new(),
            reserved,
            counts: HashMap::new(),
            ends: HashMap::new(),
            linked: HashSet::new(),
            asked: HashMap::new(),
        }
    }

    /// The specification of an element.
    pub(super) fn spec(&self, factory: &str, span: &Range<usize>) -> Result<&'a ElementSpec, Fault> {
        self.registry.element_or_hint(factory).map_err(|error| {
            let end = span.end.min(span.start + factory.len());
            Fault::new(error.to_string(), span.start..end)
        })
    }

    /// Adds an element or a bin; its name is given with [`name`](Self::name).
    pub(super) fn place(&mut self, placed: Placed) -> Result<usize, Fault> {
        if self.elements.iter().filter(|element| !element.is_bin).count() >= MOST_ELEMENTS && !placed.is_bin {
            let what = format!("a pipeline has at most {MOST_ELEMENTS} elements, content types between links included");
            return Err(Fault::new(what, placed.span));
        }
        self.elements.push(placed);
        Ok(self.elements.len() - 1)
    }

    /// Gives an element its name, or the next automatic one. A bin uses up a number in any case, as in GStreamer.
    pub(super) fn name(&mut self, place: usize, given: Option<&str>) {
        let Placed { factory, is_bin, .. } = &self.elements[place];
        let count = self.counts.entry(factory.clone()).or_default();
        let mut next = || {
            *count += 1;
            format!("{factory}{}", *count - 1)
        };
        let name = match given {
            Some(name) => {
                if *is_bin {
                    next();
                }
                name.to_owned()
            }
            None => loop {
                let name = next();
                if !self.reserved.contains(&name) {
                    break name;
                }
            },
        };
        self.names.insert(name.clone(), place);
        self.elements[place].name = name;
    }

    /// Says what links to a bin and from it lead to.
    pub(super) fn set_ends(&mut self, bin: usize, ends: Ends) {
        self.ends.insert(bin, ends);
    }

    /// The element at this end of what stands here, which may be a bin.
    pub(super) fn end_of(&self, place: usize, out: bool) -> Option<usize> {
        self.ends.get(&place).map_or(Some(place), |ends| ends[usize::from(out)])
    }

    /// Links what is written, in this order: it decides which pads are first.
    pub(super) fn link_all(&mut self, written: &[Written]) -> Result<(), Fault> {
        for Written { from, to, .. } in written {
            self.find(from, true)?;
            let numbers = to.pads.iter().filter_map(|pad| number(pad, false));
            let place = self.find(to, false)?;
            self.asked.entry(place).or_default().extend(numbers);
        }
        written.iter().try_for_each(|link| self.link(link))
    }

    /// The element that an end of a link is at.
    fn find(&self, end: &End, out: bool) -> Result<usize, Fault> {
        let place = match &end.at {
            At::Place(place) => *place,
            At::Name(name) => self.names.get(name).copied().ok_or_else(|| {
                let fault = Fault::new(format!("no element is named {name:?}"), end.span.clone());
                match crate::did_you_mean(name, self.names.keys().map(String::as_str)) {
                    Some(near) => fault.hint(format!("did you mean {near}. ?")),
                    None => fault.hint(format!("give the element that is meant name={name}")),
                }
            })?,
        };
        self.end_of(place, out).ok_or_else(|| {
            let (links, stands) = if out { ("from", "last") } else { ("to", "first") };
            let name = &self.elements[place].name;
            Fault::new(
                format!("nothing can be linked {links} {name}: what stands {stands} in it is a reference"),
                end.span.clone(),
            )
            .hint(format!("a link {links} a bin takes its {stands} element"))
        })
    }

    fn pads(&self, place: usize, out: bool) -> Pads {
        let placed = &self.elements[place];
        let Some(spec) = self.registry.element(&placed.factory).filter(|_| placed.address.is_none()) else {
            return match (placed.address, out) {
                (Some(Role::Source), true) | (Some(Role::Sink), false) => Pads::One,
                _ => Pads::None,
            };
        };
        match (spec.role(), out) {
            (Role::Source, false) | (Role::Sink, true) => Pads::None,
            (Role::Operator, true) if spec.branches() => Pads::Request,
            (Role::Operator, false) if spec.joins() => Pads::Request,
            _ => Pads::One,
        }
    }

    fn link(&mut self, link: &Written) -> Result<(), Fault> {
        let (from, to) = (self.find(&link.from, true)?, self.find(&link.to, false)?);
        let (outs, ins) = (&link.from.pads, &link.to.pads);
        if !outs.is_empty() && !ins.is_empty() && outs.len() != ins.len() {
            return Err(Fault::new(format!("{} pads are linked to {}", outs.len(), ins.len()), link.span.clone())
                .hint("name as many before the link as after it"));
        }
        let pairs = outs.len().max(ins.len());
        for pair in 0..pairs.max(1) {
            let out = self.pad(from, outs.get(pair), true, &link.from.span)?;
            let into = self.pad(to, ins.get(pair), false, &link.to.span)?;
            self.wire(out, into, link)?;
        }
        Ok(())
    }

    fn wire(&mut self, out: (usize, String), into: (usize, String), link: &Written) -> Result<(), Fault> {
        self.linked.extend([out.clone(), into.clone()]);
        let span = link.span.clone();
        let (mut from, mut from_pad) = out;
        if let Some(caps) = &link.caps {
            let caps: super::Caps = caps.parse().map_err(|error: String| Fault::new(error, span.clone()))?;
            let property = Property { name: "caps".to_owned(), value: caps.to_string(), span: span.clone() };
            let filter = self.place(Placed {
                factory: "capsfilter".to_owned(),
                name: String::new(),
                properties: vec![property],
                bin: self.elements[from].bin,
                is_bin: false,
                address: None,
                span: span.clone(),
            })?;
            self.name(filter, None);
            self.linked.extend([(filter, "sink".to_owned()), (filter, "src".to_owned())]);
            self.wires.push(Wire { from, from_pad, to: filter, to_pad: "sink".to_owned() });
            (from, from_pad) = (filter, "src".to_owned());
        }
        self.wires.push(Wire { from, from_pad, to: into.0, to_pad: into.1 });
        Ok(())
    }

    /// The pad that a link takes.
    fn pad(
        &self,
        place: usize,
        asked: Option<&String>,
        out: bool,
        span: &Range<usize>,
    ) -> Result<(usize, String), Fault> {
        let plain = if out { "src" } else { "sink" };
        let name = &self.elements[place].name;
        match self.pads(place, out) {
            Pads::None if out => Err(Fault::new("a sink has nothing after it", span.clone())
                .hint("several sinks each have a branch of their own: tee name=t ! … t. ! …")),
            Pads::None => {
                Err(Fault::new("a source has nothing before it", span.clone()).hint("a source begins a chain"))
            }
            Pads::One => {
                if let Some(pad) = asked.filter(|pad| *pad != plain) {
                    return Err(Fault::new(format!("{name} has no pad {pad:?}; it has {plain}"), span.clone()));
                }
                if self.linked.contains(&(place, plain.to_owned())) {
                    let fault =
                        |what: &str| Fault::new(format!("the {what} of {name} is linked already"), span.clone());
                    return Err(match out {
                        true => fault("output").hint("to branch, put a tee there: … ! tee name=t  t. ! …  t. ! …"),
                        false => fault("input").hint(
                            "to bring several together, put a funnel before it: funnel name=f ! …  … ! f.  … ! f.",
                        ),
                    });
                }
                Ok((place, plain.to_owned()))
            }
            Pads::Request => {
                let pad = match asked.filter(|pad| !is_template(pad, out)) {
                    None => self.next_pad(place, out),
                    Some(pad) => match number(pad, out) {
                        Some(number) => format!("{plain}_{number}"),
                        None => {
                            let what =
                                format!("{name} has no pad {pad:?}; its pads are {plain}_0, {plain}_1 and so on");
                            return Err(Fault::new(what, span.clone()));
                        }
                    },
                };
                match self.linked.contains(&(place, pad.clone())) {
                    true => Err(Fault::new(format!("{name}.{pad} is linked already"), span.clone())),
                    false => Ok((place, pad)),
                }
            }
        }
    }

    /// The pad that a link gets that asks for none. The inputs of a join have an order, so what others ask for is left to them; the
    /// outputs of a tee have none, and are numbered on from the highest, as in GStreamer.
    fn next_pad(&self, place: usize, out: bool) -> String {
        let own = self.linked.iter().filter(|(own, _)| *own == place);
        let taken: BTreeSet<u32> = own.filter_map(|(_, pad)| number(pad, out)).collect();
        if out {
            return format!("src_{}", taken.last().map_or(0, |last| last.saturating_add(1)));
        }
        let asked = self.asked.get(&place);
        let free = |number: &u32| !taken.contains(number) && !asked.is_some_and(|asked| asked.contains(number));
        // There are fewer links than numbers.
        format!("sink_{}", (0..u32::MAX).find(free).unwrap_or_default())
    }

    pub(super) fn finish(self, text: Arc<str>) -> Layout {
        Layout { text, elements: self.elements, wires: self.wires, warnings: Vec::new(), hidden: Vec::new() }
    }
}

fn is_template(pad: &str, out: bool) -> bool {
    pad == if out { "src_%u" } else { "sink_%u" }
}

/// The number of a pad that is made on request: `src_3`.
pub(super) fn number(pad: &str, out: bool) -> Option<u32> {
    pad.strip_prefix(if out { "src_" } else { "sink_" })?.parse().ok()
}
