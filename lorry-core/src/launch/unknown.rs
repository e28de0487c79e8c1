//! Values of options that nobody knows: one may be a password whose option was misspelt, so no line shows it.

use super::ast::{Item, Pipeline, Property};
use super::layout::Layout;
use crate::registry::{ElementSpec, Registry};
use std::ops::Range;

/// Their places in the text of a layout.
pub(super) fn of_layout(layout: &Layout, registry: &Registry) -> Vec<Range<usize>> {
    let places = layout.elements.iter().flat_map(|placed| match placed.address {
        Some(_) => of_address(&layout.text, &placed.span, registry),
        None => of_element(&layout.text, &placed.factory, &placed.properties, registry),
    });
    places.collect()
}

/// Their places in a text that is not laid out.
pub(super) fn of_pipeline(pipeline: &Pipeline, registry: &Registry) -> Vec<Range<usize>> {
    let places = pipeline.elements().flat_map(|node| match &node.item {
        Item::Url(_) => of_address(&pipeline.text, &node.span, registry),
        Item::Element(element) => of_element(&pipeline.text, &element.factory, &element.properties, registry),
        Item::Bin(_) | Item::Reference(_) => Vec::new(),
    });
    places.collect()
}

fn of_element(text: &str, factory: &str, properties: &[Property], registry: &Registry) -> Vec<Range<usize>> {
    let Some(spec) = registry.element(factory) else { return Vec::new() };
    let mut places = Vec::new();
    for Property { name, span, .. } in properties {
        let name = super::kebab(name);
        let Some(own) = text.get(span.clone()) else { continue };
        match &*name {
            "location" if spec.opaque => {}
            "location" => places.extend(of_query(own, span.start, &[spec])),
            "name" => {}
            name if knows(&[spec], name) => {}
            _ => places.extend(value(own).map(|place| span.start + place.start..span.start + place.end)),
        }
    }
    places
}

fn of_address(text: &str, span: &Range<usize>, registry: &Registry) -> Vec<Range<usize>> {
    let Some(own) = text.get(span.clone()) else { return Vec::new() };
    let scheme = own.trim_start_matches(['"', '\'']).split(':').next().unwrap_or_default().to_ascii_lowercase();
    let specs = registry.by_scheme(&scheme);
    if specs.is_empty() || specs.iter().any(|spec| spec.opaque) {
        return Vec::new();
    }
    of_query(own, span.start, &specs)
}

/// The values of unknown options behind the `?` of an address.
fn of_query(own: &str, offset: usize, specs: &[&ElementSpec]) -> Vec<Range<usize>> {
    let quoted = own.contains(['"', '\'']);
    let Some(query) = own.find('?') else { return Vec::new() };
    let signs = own[query..].match_indices(['?', '&']).map(|(at, _)| query + at + 1);
    let places = signs.filter_map(|start| {
        let one = &own[start..];
        let ends = |c: char| matches!(c, '&' | '"' | '\'') || (!quoted && c.is_whitespace());
        let end = start + one.find(ends).unwrap_or(one.len());
        let (name, value) = own[start..end].split_once('=')?;
        (!knows(specs, &super::kebab(name))).then_some(offset + end - value.len()..offset + end)
    });
    places.collect()
}

fn knows(specs: &[&ElementSpec], name: &str) -> bool {
    specs.iter().flat_map(|spec| spec.option_specs()).any(|option| option.name == name)
}

/// The place of the value: in `name=value`, or in the literal of `'value' -> NAME PROCESS`.
fn value(own: &str) -> Option<Range<usize>> {
    if own.starts_with(['"', '\'', '{', '[']) {
        return own.rfind("->").map(|arrow| 0..own[..arrow].trim_end().len());
    }
    let (_, value) = own.split_once('=')?;
    Some(own.len() - value.trim_start().len()..own.len())
}
