//! What has arrived on one connection and is not acknowledged.

use crate::packet::{Ack, Reason};
use std::collections::VecDeque;

/// Messages in the order of their arrival, which is the order of their acknowledgements (MQTT-4.6.0-2). Nothing is found by its
/// packet id, which a careless device may use twice.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    entries: VecDeque<Entry>,
    /// The position of the first message that waits, and of the next one to come.
    first: u64,
    next: u64,
    /// Everything before this position is settled.
    settled: u64,
    /// Positions of refused messages, ascending.
    refused: VecDeque<(u64, Reason)>,
}

#[derive(Debug)]
enum Entry {
    /// Is in the relay. No packet id for QoS 0.
    Waiting { packet_id: u16, cost: usize },
    /// Never entered the relay, but has to be acknowledged in its turn.
    Decided(Ack),
}

impl Arrivals {
    /// A message enters the relay, at the position that is returned.
    pub(super) fn accept(&mut self, packet_id: u16, cost: usize) -> u64 {
        self.entries.push_back(Entry::Waiting { packet_id, cost });
        self.next += 1;
        self.next - 1
    }

    /// A message stays outside.
    pub(super) fn decide(&mut self, ack: Ack) {
        self.entries.push_back(Entry::Decided(ack));
    }

    /// The relay refused a message, before it settles it.
    pub(super) fn refuse(&mut self, position: u64, reason: Reason) {
        if position >= self.settled {
            let at = self.refused.partition_point(|(other, _)| *other < position);
            self.refused.insert(at, (position, reason));
        }
    }

    /// The relay is done with everything up to and including this position.
    pub(super) fn settle(&mut self, up_to: u64) {
        self.settled = self.settled.max(up_to.saturating_add(1).min(self.next));
    }

    /// Takes out what is settled and stands first. The cost that was freed.
    pub(super) fn drain(&mut self, mut acknowledge: impl FnMut(Ack)) -> usize {
        let mut freed = 0;
        while let Some(entry) = self.entries.front() {
            if matches!(entry, Entry::Waiting { .. }) && self.first >= self.settled {
                break;
            }
            match self.entries.pop_front() {
                Some(Entry::Decided(ack)) => acknowledge(ack),
                Some(Entry::Waiting { packet_id, cost }) => {
                    let reason = match self.refused.front() {
                        Some((position, reason)) if *position == self.first => *reason,
                        _ => Reason::SUCCESS,
                    };
                    while self.refused.front().is_some_and(|(position, _)| *position <= self.first) {
                        self.refused.pop_front();
                    }
                    self.first += 1;
                    freed += cost;
                    if packet_id != 0 {
                        acknowledge(Ack::with_reason(packet_id, reason));
                    }
                }
                None => {}
            }
        }
        freed
    }

    /// How many stand here.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any message entered the relay.
    pub(super) fn has_delivered(&self) -> bool {
        self.next > 0
    }

    /// The cost of all that waits.
    pub(super) fn cost(&self) -> usize {
        let cost = |entry: &Entry| match entry {
            Entry::Waiting { cost, .. } => *cost,
            Entry::Decided(_) => 0,
        };
        self.entries.iter().map(cost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(arrivals: &mut Arrivals) -> Vec<Ack> {
        let mut acks = Vec::new();
        arrivals.drain(|ack| acks.push(ack));
        acks
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_settled() {
        let mut arrivals = Arrivals::default();
        for id in [7, 0, 9] {
            arrivals.accept(id, 10);
        }
        assert!(drain(&mut arrivals).is_empty());
        arrivals.settle(1);
        assert_eq!(drain(&mut arrivals), [Ack::new(7)], "QoS 0 is not acknowledged");
        assert_eq!((arrivals.len(), arrivals.cost()), (1, 10));
        arrivals.settle(2);
        assert_eq!(drain(&mut arrivals), [Ack::new(9)]);
        assert!(arrivals.is_empty());
    }

    #[test]
    fn what_stays_outside_waits_for_its_turn() {
        let mut arrivals = Arrivals::default();
        arrivals.accept(1, 0);
        arrivals.decide(Ack::with_reason(2, Reason::NOT_AUTHORIZED));
        arrivals.accept(3, 0);
        assert!(drain(&mut arrivals).is_empty());
        arrivals.settle(0);
        assert_eq!(drain(&mut arrivals), [Ack::new(1), Ack::with_reason(2, Reason::NOT_AUTHORIZED)]);
        arrivals.refuse(1, Reason::PAYLOAD_FORMAT_INVALID);
        arrivals.settle(1);
        assert_eq!(drain(&mut arrivals), [Ack::with_reason(3, Reason::PAYLOAD_FORMAT_INVALID)]);
    }

    #[test]
    fn settling_ahead_does_not_acknowledge_what_comes_later() {
        let mut arrivals = Arrivals::default();
        arrivals.accept(1, 0);
        arrivals.settle(u64::MAX);
        assert_eq!(drain(&mut arrivals).len(), 1);
        arrivals.accept(2, 0);
        assert!(drain(&mut arrivals).is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Accept(bool),
        Decide,
        Refuse(u64),
        Settle(u64),
        Drain,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<bool>().prop_map(Step::Accept),
            1 => Just(Step::Decide),
            1 => (0_u64..20).prop_map(Step::Refuse),
            2 => (0_u64..20).prop_map(Step::Settle),
            2 => Just(Step::Drain),
        ]
    }

    proptest! {
        #[test]
        fn acknowledgements_are_in_order_never_early_and_all_come(steps in prop::collection::vec(step(), 0..60)) {
            let mut arrivals = Arrivals::default();
            // Packet ids in the order of arrival; for those in the relay their position.
            let (mut expected, mut acked, mut position, mut settled, mut id) = (Vec::new(), Vec::new(), 0, 0, 0_u16);
            for step in steps {
                match step {
                    Step::Accept(acknowledged) => {
                        id += 1;
                        prop_assert_eq!(arrivals.accept(if acknowledged { id } else { 0 }, 1), position);
                        if acknowledged {
                            expected.push((id, Some(position)));
                        }
                        position += 1;
                    }
                    Step::Decide => {
                        id += 1;
                        arrivals.decide(Ack::new(id));
                        expected.push((id, None));
                    }
                    Step::Refuse(at) if at >= settled => arrivals.refuse(at, Reason::UNSPECIFIED),
                    Step::Refuse(_) => {}
                    Step::Settle(to) => {
                        arrivals.settle(to);
                        settled = settled.max((to + 1).min(position));
                    }
                    Step::Drain => {
                        arrivals.drain(|ack| acked.push(ack.packet_id));
                    }
                }
                for id in &acked {
                    let own = expected.iter().find(|(other, _)| other == id).and_then(|(_, position)| *position);
                    prop_assert!(own.is_none_or(|own| own < settled), "{id} is early");
                }
            }
            arrivals.settle(u64::MAX);
            arrivals.drain(|ack| acked.push(ack.packet_id));
            prop_assert_eq!(acked, expected.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            prop_assert!(arrivals.is_empty() && arrivals.cost() == 0);
        }
    }
}
