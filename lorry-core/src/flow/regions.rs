//! Which parts of a graph run in which task.

use super::node::AnyNode;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a node stands to the task that drives its upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Crossing {
    /// In the same task.
    #[default]
    None,
    /// A task of its own begins here.
    Into,
    /// Such tasks end here; it goes on in the one they began in.
    OutOf,
}

/// The region of each node; 0 is the relay's main task. `nodes` stand after their upstream.
///
/// # Errors
/// A join of streams from different regions: its state would belong to two tasks.
pub(crate) fn regions(nodes: &[Arc<dyn AnyNode>], names: &[Arc<str>]) -> Result<Vec<usize>> {
    let mut known: BTreeMap<*const (), usize> = BTreeMap::new();
    let mut parents = vec![0];
    let mut regions = Vec::with_capacity(nodes.len());
    for (node, name) in nodes.iter().zip(names) {
        let crossing = node.info().crossing;
        let above = node.upstream().iter().filter_map(|up| known.get(&Arc::as_ptr(up).cast()).copied());
        let mut above = above.map(|region| if crossing == Crossing::OutOf { parents[region] } else { region });
        let mut region = above.next().unwrap_or(0);
        if above.any(|other| other != region) {
            return Err(Error::usage(format!("{name} joins a stream within partition_by with one outside"))
                .hint("join them before or behind partition_by"));
        }
        if crossing == Crossing::Into {
            parents.push(region);
            region = parents.len() - 1;
        }
        known.insert(Arc::as_ptr(node).cast(), region);
        regions.push(region);
    }
    Ok(regions)
}
