//! The bytes of all devices that are on their way through the relay, and of the large packets that are being read.

use super::lock;
use std::sync::Mutex;
use tokio::sync::watch;

/// A limit that everybody draws on. Whoever found no room is woken when there is some again.
///
/// Parts of large packets take no more than half of it, so that devices which send a part and stop hold up nobody's messages. When
/// they have taken that, one large packet at a time is read on all the same: it has the *turn*.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: Mutex<Held>,
    freed: watch::Sender<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    messages: usize,
    parts: usize,
    is_turn_taken: bool,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::default(), freed: watch::Sender::new(()) }
    }

    /// Changes when room was made where there was none.
    pub(super) fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }

    /// Whether a message may be taken in.
    pub(super) fn has_room(&self) -> bool {
        self.admits_message(*lock(&self.held))
    }

    /// Takes a message in, which is in memory already.
    pub(super) fn take(&self, bytes: usize) {
        lock(&self.held).messages += bytes;
    }

    /// A message is delivered.
    pub(super) fn give_back(&self, bytes: usize) {
        self.change(|held| held.messages -= bytes);
    }

    /// Takes so many more bytes of the large packet `part` in, which are in memory already. Whether more of it may be read.
    pub(super) fn grow(&self, part: &mut Part, bytes: usize) -> bool {
        let mut held = lock(&self.held);
        part.bytes += bytes;
        held.parts += bytes;
        // Where messages take all the room, their delivery will make some.
        if !part.has_turn && !self.admits_part(*held) && held.messages < self.limit && !held.is_turn_taken {
            (part.has_turn, held.is_turn_taken) = (true, true);
        }
        part.has_turn || self.admits_part(*held)
    }

    /// A large packet has been read, or never will be.
    pub(super) fn give_up(&self, part: Part) {
        self.change(|held| {
            held.parts -= part.bytes;
            held.is_turn_taken &= !part.has_turn;
        });
    }

    fn admits_message(&self, held: Held) -> bool {
        held.messages + held.parts.min(self.limit / 2) < self.limit
    }

    fn admits_part(&self, held: Held) -> bool {
        held.messages + held.parts < self.limit && held.parts < self.limit / 2
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let mut held = lock(&self.held);
        let before = *held;
        change(&mut held);
        let made_room = |admits: fn(&Self, Held) -> bool| !admits(self, before) && admits(self, *held);
        let turn_is_free = before.is_turn_taken && !held.is_turn_taken;
        // Whoever waits for the turn may have it once there is room for messages.
        let wakes = made_room(Self::admits_message) || made_room(Self::admits_part) || turn_is_free;
        let wakes = wakes || (before.messages >= self.limit && held.messages < self.limit);
        drop(held);
        if wakes {
            self.freed.send_replace(());
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        let held = lock(&self.held);
        (held.messages, held.parts)
    }
}

/// What a large packet that is being read holds.
#[derive(Debug, Default)]
pub(super) struct Part {
    bytes: usize,
    has_turn: bool,
}

impl Part {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_turn(&self) -> bool {
        self.has_turn
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn whoever_found_no_room_is_woken() {
        let budget = Budget::new(100);
        let mut freed = budget.freed();
        budget.take(150);
        assert!(!budget.has_room());
        budget.give_back(20);
        assert!(!freed.has_changed().unwrap(), "still full");
        budget.give_back(60);
        assert!(freed.changed().await.is_ok());
        assert!(budget.has_room() && budget.held() == (70, 0));
    }

    #[tokio::test]
    async fn parts_leave_half_of_the_room_to_messages_and_go_on_one_at_a_time() {
        let budget = Budget::new(100);
        let (mut one, mut two, mut three) = (Part::default(), Part::default(), Part::default());
        assert!(budget.grow(&mut one, 30));
        assert!(budget.grow(&mut two, 30) && two.has_turn());
        assert!(budget.grow(&mut two, 300));
        assert!(!budget.grow(&mut one, 0) && !budget.grow(&mut three, 1));
        assert!(budget.has_room());
        budget.take(49);
        assert!(budget.has_room());
        budget.take(1);
        assert!(!budget.has_room());
        let mut freed = budget.freed();
        budget.give_up(two);
        assert!(freed.changed().await.is_ok());
        assert!(budget.grow(&mut three, 0) && budget.held() == (50, 31));
        budget.give_up(one);
        budget.give_up(three);
        assert_eq!(budget.held(), (50, 0));
    }

    #[test]
    fn while_messages_take_all_the_room_no_part_has_the_turn() {
        let budget = Budget::new(100);
        let (mut freed, mut part) = (budget.freed(), Part::default());
        budget.take(100);
        assert!(!budget.grow(&mut part, 60) && !part.has_turn());
        budget.give_back(10);
        assert!(freed.has_changed().unwrap());
        freed.mark_unchanged();
        assert!(budget.grow(&mut part, 0) && part.has_turn());
    }
}
