//! The memory of a chunk's items.

/// How many bytes the items of a chunk hold: together, and each where they differ much.
#[derive(Debug, Default)]
pub(crate) struct Weight {
    total: usize,
    each: Option<Box<[u32]>>,
}

impl Weight {
    /// Of items that weigh so much each.
    pub(crate) fn of(items: impl ExactSizeIterator<Item = usize> + Clone) -> Self {
        let (total, most) = items.clone().fold((0, 0), |(total, most), item| (total + item, item.max(most)));
        // While the average is about right nobody needs to know more.
        let differ = most > 2 * (total / items.len().max(1));
        let each = differ.then(|| items.map(|item| u32::try_from(item).unwrap_or(u32::MAX)).collect());
        Self { total, each }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Of the items of these indices, of `len` in all.
    pub(super) fn part(&self, len: usize, indices: impl Iterator<Item = usize>) -> usize {
        match &self.each {
            Some(each) => indices.map(|index| each[index] as usize).sum(),
            None => indices.count() * (self.total / len.max(1)),
        }
    }
}

impl From<usize> for Weight {
    fn from(total: usize) -> Self {
        Self { total, each: None }
    }
}
