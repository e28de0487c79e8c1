//! The parts of a count that sources have which meet in a join.

/// What a source may have of what `count` admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// So many are kept for others.
    pub(super) reserved: u64,
    /// It gets no more than so many now.
    most: u64,
}

/// An input of a join that still brings something, as the sources above it stand together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    /// The source that asks is one of them.
    pub(super) is_own: bool,
    /// Messages that are not decided.
    pub(super) held: u64,
    pub(super) delivered: u64,
}

impl Share {
    /// Of a source that meets no others.
    pub(super) const ALL: Self = Self { reserved: 0, most: u64::MAX };

    /// At a join of these parties, with so many that are not delivered yet. One that takes one of each shares them evenly: who is quicker, or
    /// has more before it, leaves the others what they need to go with its own. One that goes on with the newest needs one of each to begin.
    pub(super) fn at(parties: &[Party], remaining: u64, keeps_the_newest: bool) -> Self {
        let live = parties.len().max(1) as u64;
        let needs = |party: &Party| match keeps_the_newest {
            false => (remaining / live).saturating_sub(party.held),
            true => (remaining / live).min(1).saturating_sub(party.held + party.delivered),
        };
        let own = parties.iter().filter(|party| party.is_own);
        // Of an odd count somebody gets one more.
        let most = own.map(|party| remaining.div_ceil(live).saturating_sub(party.held)).max();
        Self {
            reserved: parties.iter().filter(|party| !party.is_own).map(needs).sum(),
            most: most.filter(|_| !keeps_the_newest).unwrap_or(u64::MAX),
        }
    }

    /// At two joins.
    pub(super) fn and(self, other: Self) -> Self {
        Self { reserved: self.reserved.max(other.reserved), most: self.most.min(other.most) }
    }

    /// How many it may have of so many that are admitted.
    pub(super) fn of(self, admits: u64) -> u64 {
        admits.saturating_sub(self.reserved).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(is_own: bool, held: u64, delivered: u64) -> Party {
        Party { is_own, held, delivered }
    }

    #[test]
    fn a_join_of_one_each_shares_evenly() {
        let share = |own, other, remaining| Share::at(&[party(true, own, 7), party(false, other, 7)], remaining, false);
        assert_eq!(share(0, 0, 20).of(20), 10);
        assert_eq!(share(4, 0, 20).of(16), 6);
        assert_eq!(share(10, 3, 20).of(7), 0);
        // However many the other has: some of them may be filtered out.
        assert_eq!(share(10, 10, 20).of(5), 0);
        // The odd one goes to who comes first, and to nobody twice.
        assert_eq!((share(0, 0, 5).of(5), share(2, 0, 5).of(3), share(3, 0, 5).of(2)), (3, 1, 0));
        assert_eq!(share(0, 3, 5).of(2), 2);
        // The last of all.
        assert_eq!(share(0, 0, 1).of(1), 1);
    }

    #[test]
    fn one_that_goes_on_with_the_newest_needs_one_of_each_to_begin() {
        let share = |other: Party, remaining| Share::at(&[party(true, 0, 0), other], remaining, true);
        assert_eq!(share(party(false, 0, 0), 20).of(20), 19);
        assert_eq!(share(party(false, 1, 0), 20).of(19), 19);
        assert_eq!(share(party(false, 0, 1), 20).of(20), 20);
        assert_eq!(share(party(false, 0, 0), 1).of(1), 1);
    }

    #[test]
    fn who_meets_nobody_has_all() {
        assert_eq!(Share::ALL.of(5), 5);
        assert_eq!(Share::at(&[party(true, 3, 0)], 20, false).of(17), 17);
    }
}
