//! Tokens to a pipeline.

use super::Fault;
use super::ast::{Bin, Chain, Element, Item, Link, Node, Property};
use super::lexer::{Kind, Token};
use std::ops::Range;

/// The most places a pipeline may have: what the stack holds many times over, since stages call each other.
const MOST_NODES: usize = 500;

/// How deep parentheses may nest.
const DEEPEST: usize = 50;

/// All chains.
pub(super) fn parse(tokens: &[Token], length: usize) -> Result<Vec<Chain>, Fault> {
    let mut parser = Parser { tokens, at: 0, length, nodes: 0, depth: 0 };
    let chains = parser.chains()?;
    match parser.peek() {
        Some(token) => Err(Fault::new("a parenthesis is closed that was never opened", token.span.clone())),
        None if chains.is_empty() => Err(Fault::new("the pipeline is empty", 0..0)
            .hint("write elements with links between them: mqttsrc location=… ! stdoutsink")),
        None => Ok(chains),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    length: usize,
    nodes: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'t Token> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    /// Where the next token is, or the end.
    fn here(&self) -> Range<usize> {
        self.peek().map_or(self.length..self.length, |token| token.span.clone())
    }

    /// Chains up to the end or a closing parenthesis.
    fn chains(&mut self) -> Result<Vec<Chain>, Fault> {
        let mut chains = Vec::new();
        while self.peek().is_some_and(|token| token.kind != Kind::Close) {
            chains.push(self.chain()?);
        }
        Ok(chains)
    }

    fn chain(&mut self) -> Result<Chain, Fault> {
        let mut chain = Chain { nodes: vec![self.node(Vec::new())?], links: Vec::new() };
        while let Some(Token { kind: Kind::Link { all, caps }, span }) = self.peek() {
            // What came last has a link on its left already, unless it is the first.
            let last = &chain.nodes[chain.nodes.len() - 1];
            if !chain.links.is_empty() {
                match &last.item {
                    Item::Url(_) => {
                        return Err(Fault::new("an address can only stand first or last", last.span.clone())
                            .hint("begin another chain after it"));
                    }
                    Item::Reference(name) => {
                        return Err(Fault::new(format!("{name}. ends its chain"), span.clone())
                            .hint(format!("to go on from there, write {name}. again")));
                    }
                    Item::Element(_) | Item::Bin(_) => {}
                }
            }
            self.at += 1;
            let link = Link { all: *all, caps: caps.clone(), span: span.clone() };
            let into = self.pads();
            if self.peek().is_none_or(|token| matches!(token.kind, Kind::Close | Kind::Link { .. })) {
                return Err(Fault::new("nothing stands after this link", link.span)
                    .hint("a link stands between two elements: mqttsrc location=… ! stdoutsink"));
            }
            let node = self.node(into)?;
            if !node.into.is_empty() && matches!(node.item, Item::Url(_) | Item::Reference(_)) {
                return Err(Fault::new("a pad can only be named before an element", node.span));
            }
            chain.links.push(link);
            chain.nodes.push(node);
        }
        let last = &chain.nodes[chain.nodes.len() - 1];
        match &last.item {
            Item::Reference(name) if chain.links.is_empty() => {
                Err(Fault::new(format!("{name}. is linked to nothing"), last.span.clone())
                    .hint(format!("write {name}. ! ELEMENT, or ELEMENT ! {name}.")))
            }
            Item::Element(_) | Item::Bin(_) if !last.from.is_empty() => {
                Err(Fault::new(format!("the pad .{} is linked to nothing", last.from.join(",")), self.here()))
            }
            _ => Ok(chain),
        }
    }

    fn node(&mut self, into: Vec<String>) -> Result<Node, Fault> {
        let place = self.here();
        let Some(token) = self.next() else { return Err(Fault::new("an element is missing", place)) };
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Fault::new(format!("a pipeline has at most {MOST_NODES} elements"), place));
        }
        let (item, from) = match &token.kind {
            Kind::Word(factory) => {
                let properties = self.properties();
                (Item::Element(Element { factory: factory.clone(), properties }), self.pads())
            }
            Kind::Open(factory) => (Item::Bin(self.bin(factory.as_deref(), &place)?), self.pads()),
            Kind::Reference { name, pad } => {
                let mut pads: Vec<_> = pad.iter().cloned().collect();
                pads.extend(self.more_pads());
                (Item::Reference(name.clone()), pads)
            }
            Kind::Url(url) => (Item::Url(url.clone()), Vec::new()),
            Kind::Assign { name, .. } => {
                return Err(Fault::new(format!("{name}= stands before any element"), place)
                    .hint("properties follow their element"));
            }
            Kind::Link { .. } => {
                return Err(Fault::new("nothing stands before this link", place)
                    .hint("a link stands between two elements: mqttsrc location=… ! stdoutsink"));
            }
            Kind::Pad(pad) => {
                return Err(Fault::new(format!("the pad .{pad} belongs to no element"), place)
                    .hint("a pad stands between an element and its link"));
            }
            Kind::Comma => return Err(Fault::new("a comma stands where an element should", place)),
            Kind::Close => return Err(Fault::new("a parenthesis is closed where an element should stand", place)),
        };
        let end = self.tokens[self.at - 1].span.end;
        Ok(Node { item, into, from, span: place.start..end })
    }

    fn bin(&mut self, factory: Option<&str>, place: &Range<usize>) -> Result<Bin, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::new(format!("parentheses nest deeper than {DEEPEST}"), place.clone()));
        }
        let properties = self.properties();
        let chains = self.chains()?;
        match self.next() {
            Some(Token { kind: Kind::Close, .. }) if !chains.is_empty() => {}
            Some(_) => return Err(Fault::new("there is nothing in these parentheses", place.clone())),
            None => {
                return Err(Fault::new("this parenthesis is never closed", place.clone())
                    .hint("a parenthesis that closes needs a space before it, else it belongs to a value"));
            }
        }
        self.depth -= 1;
        Ok(Bin { factory: factory.unwrap_or("bin").to_owned(), properties, chains })
    }

    fn properties(&mut self) -> Vec<Property> {
        let mut properties = Vec::new();
        while let Some(Token { kind: Kind::Assign { name, value }, span }) = self.peek() {
            self.at += 1;
            properties.push(Property { name: name.clone(), value: value.clone(), span: span.clone() });
        }
        properties
    }

    fn pads(&mut self) -> Vec<String> {
        let Some(Token { kind: Kind::Pad(pad), .. }) = self.peek() else { return Vec::new() };
        self.at += 1;
        let mut pads = vec![pad.clone()];
        pads.extend(self.more_pads());
        pads
    }

    /// `, pad, pad` after a pad.
    fn more_pads(&mut self) -> Vec<String> {
        let mut pads = Vec::new();
        while let [Token { kind: Kind::Comma, .. }, Token { kind: Kind::Word(pad), .. }, ..] = &self.tokens[self.at..] {
            self.at += 2;
            pads.push(pad.clone());
        }
        pads
    }
}
