//! The ledger against a model: whatever the interleaving, no commit past an unresolved or failed item.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::flow::Item;
use crate::relay::{Chunk, LaneId, Position, Settled, Settlement};
use crate::{Error, ErrorKind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn refusal() -> Error {
    Error::data(ErrorKind::Malformed, "", "no")
}

fn ledger(settlement: Settlement, on_rejected: OnRejected) -> Ledger {
    Ledger::new(settlement, on_rejected, Default::default())
}

fn issue(ledger: &Ledger, first: u64, n: usize) -> Vec<Item<u64>> {
    let mut items = Vec::new();
    ledger.issue(Chunk::sequential(LaneId(1), first, (first..first + n as u64).collect()), n * 8, &mut items);
    items
}

fn up_to(settled: &[Settled]) -> Option<u64> {
    settled.iter().rev().find_map(|settled| match settled {
        Settled::UpTo(_, position) => Some(position.0),
        Settled::Items(..) => None,
    })
}

/// What a test does with one clone of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Filter,
    Deliver,
    Reject,
    Fail,
    Forget,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Filter),
        12 => Just(Fate::Deliver),
        1 => Just(Fate::Reject),
        1 => Just(Fate::Fail),
        1 => Just(Fate::Forget),
    ]
}

fn meet(token: Token, fate: Fate) {
    match fate {
        Fate::Filter => token.filtered(),
        Fate::Deliver => token.delivered(),
        Fate::Reject => token.reject(refusal()),
        Fate::Fail => token.fail(refusal()),
        Fate::Forget => drop(token),
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Issue a chunk; each item is cloned so many times.
    Issue(Vec<usize>),
    /// Decide one of the tokens under way (by index modulo their number).
    Decide(usize, Fate),
    /// Join two of the tokens under way into one.
    Join(usize, usize),
    /// Ask what may be settled.
    Take(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => prop::collection::vec(0usize..3, 1..6).prop_map(Step::Issue),
        12 => (any::<usize>(), fate()).prop_map(|(which, fate)| Step::Decide(which, fate)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Step::Join(a, b)),
        3 => any::<bool>().prop_map(Step::Take),
    ];
    prop::collection::vec(step, 1..120)
}

/// What is known of each item: how many clones are undecided, and the worst fate so far.
#[derive(Default)]
struct Model {
    items: BTreeMap<u64, (usize, Option<Fate>)>,
    /// Items about which an error was said.
    wrong: BTreeSet<u64>,
    /// Something ends the lane: what is forgotten from then on stays with the source.
    barred: bool,
    /// Forgotten before that.
    forgotten: BTreeSet<u64>,
}

impl Model {
    fn decide(&mut self, position: u64, fate: Fate, on_rejected: OnRejected) {
        if matches!(fate, Fate::Reject | Fate::Fail) {
            self.wrong.insert(position);
        }
        self.barred |= fate == Fate::Fail || fate == Fate::Reject && on_rejected == OnRejected::Hold;
        let item = self.items.get_mut(&position).unwrap();
        item.0 -= 1;
        item.1 = item.1.max(Some(fate));
        if *item == (0, Some(Fate::Forget)) && !self.barred {
            self.forgotten.insert(position);
        }
    }

    /// How many items count as decided, at least and at most: one forgotten before the lane ended may have been counted by then.
    fn decided(&self) -> (u64, u64) {
        let done = self.items.iter().filter(|(_, (left, _))| *left == 0);
        let stays = |(position, item): &(&u64, &(usize, Option<Fate>))| {
            self.barred && item.1 == Some(Fate::Forget) && !self.wrong.contains(position)
        };
        let sure = done.clone().filter(|item| !stays(item)).count();
        let perhaps = done.filter(|item| stays(item) && self.forgotten.contains(item.0)).count();
        (sure as u64, (sure + perhaps) as u64)
    }

    fn settles(&self, position: u64, on_rejected: OnRejected) -> bool {
        match self.items[&position] {
            (0, Some(Fate::Filter | Fate::Deliver)) => true,
            (0, Some(Fate::Reject)) => on_rejected == OnRejected::Settle,
            _ => false,
        }
    }

    /// The highest position below which everything may be settled.
    fn contiguous(&self, on_rejected: OnRejected) -> Option<u64> {
        self.items.keys().copied().take_while(|position| self.settles(*position, on_rejected)).last()
    }
}

/// Tokens under way, with the items each stands for.
type Under = Vec<(Vec<u64>, Token)>;

fn play(steps: Vec<Step>, settlement: Settlement, on_rejected: OnRejected) -> Result<(), TestCaseError> {
    let ledger = ledger(settlement, on_rejected);
    let mut model = Model::default();
    let mut under: Under = Vec::new();
    let mut next = 0;
    let mut settled_to = None;
    let mut refused = BTreeMap::<u64, usize>::new();
    let mut each = BTreeMap::<u64, usize>::new();

    let mut judge = |ledger: &Ledger, model: &Model, exact: bool| -> Result<(), TestCaseError> {
        for settled in ledger.take(exact) {
            match settled {
                Settled::UpTo(lane, Position(position)) => {
                    prop_assert_eq!(lane, LaneId(1));
                    prop_assert!(Some(position) > settled_to, "settled again");
                    prop_assert!(
                        Some(position) <= model.contiguous(on_rejected),
                        "{} is past an undecided or failed item",
                        position
                    );
                    settled_to = Some(position);
                }
                Settled::Items(_, verdicts) => {
                    for verdict in verdicts {
                        let position = verdict.position.0;
                        prop_assert!(model.settles(position, on_rejected), "{} reported, but not decided", position);
                        prop_assert_eq!(verdict.refused.is_some(), model.items[&position].1 == Some(Fate::Reject));
                        if verdict.refused.is_some() {
                            *refused.entry(position).or_default() += 1;
                        }
                        if settlement == Settlement::Each {
                            *each.entry(position).or_default() += 1;
                        }
                    }
                }
            }
        }
        if exact && settlement == Settlement::InOrder {
            // Exact means exact: nothing that could be settled is kept back for the rest of its chunk.
            prop_assert_eq!(settled_to, model.contiguous(on_rejected));
        }
        Ok(())
    };

    for step in steps {
        match step {
            Step::Issue(clones) => {
                for (item, clones) in issue(&ledger, next, clones.len()).into_iter().zip(clones) {
                    model.items.insert(item.value, (clones + 1, None));
                    for _ in 0..clones {
                        under.push((vec![item.value], item.token.clone()));
                    }
                    under.push((vec![item.value], item.token));
                }
                next = model.items.len() as u64;
            }
            Step::Decide(which, fate) if !under.is_empty() => {
                let (positions, token) = under.swap_remove(which % under.len());
                meet(token, fate);
                positions.into_iter().for_each(|position| model.decide(position, fate, on_rejected));
            }
            Step::Join(a, b) if under.len() > 1 => {
                let (mut positions, one) = under.swap_remove(a % under.len());
                let (others, two) = under.swap_remove(b % under.len());
                let same = positions == others && positions.len() == 1;
                let joined = Token::pair(one, two);
                if same {
                    // The arms of a diamond: one clone less.
                    model.items.get_mut(&positions[0]).unwrap().0 -= 1;
                } else {
                    positions.extend(others);
                }
                under.push((positions, joined));
            }
            Step::Take(exact) => {
                judge(&ledger, &model, false)?;
                // Several calls: each moves over one open chunk.
                if exact {
                    judge(&ledger, &model, true)?;
                }
            }
            Step::Decide(..) | Step::Join(..) => {}
        }
        let tally = ledger.tally();
        prop_assert_eq!(tally.received, model.items.len() as u64);
        let (least, most) = model.decided();
        prop_assert!((least..=most).contains(&(tally.received - tally.held())), "{least} to {most}: {tally:?}");
    }
    for (positions, token) in under.drain(..) {
        meet(token, Fate::Deliver);
        positions.into_iter().for_each(|position| model.decide(position, Fate::Deliver, on_rejected));
    }
    judge(&ledger, &model, true)?;
    prop_assert!(ledger.is_empty(), "every token is gone, so every run must be");
    prop_assert!(refused.values().all(|times| *times == 1), "a refusal was reported twice");
    if settlement == Settlement::Each {
        let expected: Vec<u64> =
            model.items.keys().copied().filter(|position| model.settles(*position, on_rejected)).collect();
        prop_assert!(each.values().all(|times| *times == 1), "an item was reported twice");
        prop_assert_eq!(each.keys().copied().collect::<Vec<_>>(), expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_ordered_lane_never_passes_an_open_or_failed_item(steps in steps()) {
        play(steps, Settlement::InOrder, OnRejected::Hold)?;
    }

    #[test]
    fn an_ordered_lane_passes_rejected_items_by_policy(steps in steps()) {
        play(steps, Settlement::InOrder, OnRejected::Settle)?;
    }

    #[test]
    fn an_unordered_lane_reports_each_item_once(steps in steps()) {
        play(steps, Settlement::Each, OnRejected::Settle)?;
    }
}

/// 32,000 items, each in four clones that resolve on four threads: every item counts once, and the worst of its clones decides.
#[test]
fn clones_on_several_threads_tally_exactly() {
    const CHUNKS: u64 = 125;
    let ledger = ledger(Settlement::InOrder, OnRejected::Settle);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| std::sync::mpsc::channel::<(u64, Token)>()).unzip();
    let threads: Vec<_> = receivers
        .into_iter()
        .enumerate()
        .map(|(number, receiver)| {
            std::thread::spawn(move || {
                for (value, token) in receiver {
                    match (number, value % 10) {
                        (3, 0) => token.reject(refusal()),
                        (2, 1) => token.filtered(),
                        _ => token.delivered(),
                    }
                }
            })
        })
        .collect();
    for chunk in 0..CHUNKS {
        for Item { value, token } in issue(&ledger, chunk * 256, 256) {
            for sender in &senders[1..] {
                sender.send((value, token.clone())).unwrap();
            }
            senders[0].send((value, token)).unwrap();
        }
    }
    drop(senders);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let tally = ledger.tally();
    let total = CHUNKS * 256;
    assert_eq!((tally.received, tally.held()), (total, 0));
    assert_eq!(tally.dropped, total / 10);
    assert_eq!(tally.delivered, total - total / 10);
    assert_eq!(up_to(&ledger.take(false)), Some(total - 1));
}

#[test]
fn a_forgotten_token_fails_and_holds_the_lane() {
    let ledger = ledger(Settlement::InOrder, OnRejected::Settle);
    let mut items = issue(&ledger, 0, 3);
    drop(items.remove(1));
    items.into_iter().for_each(|item| item.token.delivered());
    assert_eq!(up_to(&ledger.take(true)), Some(0));
    let troubles = ledger.take_troubles();
    assert_eq!(troubles.len(), 1);
    assert_eq!(troubles[0].1.position, Position(1));
    assert_eq!(ledger.tally().failed, 1);
}

#[test]
fn what_is_dropped_while_stopping_is_held_not_failed() {
    let ledger = ledger(Settlement::InOrder, OnRejected::Hold);
    let items = issue(&ledger, 0, 4);
    ledger.stopping();
    drop(items);
    assert!(ledger.take_troubles().is_empty());
    assert!(ledger.take(true).is_empty());
    assert_eq!((ledger.tally().failed, ledger.tally().held()), (0, 4));
}

#[test]
fn a_lost_lane_settles_nothing_any_more() {
    let ledger = ledger(Settlement::InOrder, OnRejected::Hold);
    let items = issue(&ledger, 0, 4);
    ledger.lose(LaneId(1));
    items.into_iter().for_each(|item| item.token.delivered());
    assert!(ledger.take(true).is_empty());
    assert_eq!(ledger.tally().delivered, 4, "it was delivered all the same");
    assert!(ledger.is_empty());
}

#[test]
fn trouble_is_told_before_the_chunk_is_done() {
    let ledger = ledger(Settlement::InOrder, OnRejected::Hold);
    let mut items = issue(&ledger, 0, 100);
    let clone = items[50].token.clone();
    clone.reject(refusal());
    assert_eq!(ledger.take_troubles()[0].1.position, Position(50));
    items.drain(..).for_each(|item| item.token.delivered());
    assert_eq!(up_to(&ledger.take(false)), Some(49));
}

#[test]
fn refused_items_of_a_chunk_go_to_the_policy() {
    let ledger = ledger(Settlement::InOrder, OnRejected::Settle);
    let mut chunk = Chunk::sequential(LaneId(1), 0, vec!['a', 'b', 'c']);
    chunk.refuse(1, refusal());
    let mut items = Vec::new();
    ledger.issue(chunk, 3, &mut items);
    assert_eq!(items.iter().map(|item| item.value).collect::<String>(), "ac");
    items.into_iter().for_each(|item| item.token.delivered());
    let settled = ledger.take(false);
    assert!(matches!(&settled[0], Settled::Items(_, verdicts) if verdicts[0].position == Position(1)));
    assert_eq!(up_to(&settled), Some(2));
}

#[test]
fn small_types_stay_small() {
    assert_eq!(size_of::<Token>(), 16);
    assert!(size_of::<crate::Message>() <= 112, "{}", size_of::<crate::Message>());
}

#[test]
fn what_is_dropped_of_a_lane_that_comes_again_is_superseded_and_nothing_else_of_it() {
    let superseded = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let lanes = || superseded.load(std::sync::atomic::Ordering::SeqCst);
    let ledger = Ledger::new(Settlement::InOrder, OnRejected::Settle, superseded.clone());
    let mut tokens: Vec<_> = issue(&ledger, 0, 7).into_iter().map(|item| item.token).rev().collect();
    let mut next = || tokens.pop().unwrap();
    next().delivered();
    ledger.supersede(LaneId(1));
    assert_eq!(lanes(), 0, "it is not lost");
    ledger.lose(LaneId(1));
    ledger.supersede(LaneId(1));
    ledger.supersede(LaneId(1));
    assert_eq!(lanes(), 1);
    drop(next());
    // One branch has it, the other has not.
    let both = next();
    both.clone().delivered();
    drop(both);
    // One branch refuses it, the other never sees it: it will be refused again.
    let both = next();
    both.clone().reject(refusal());
    drop(both);
    next().filtered();
    next().fail(refusal());
    let last = next();
    // Joined with a message that does not come again, it goes on.
    let mut others = Vec::new();
    ledger.issue(Chunk::sequential(LaneId(2), 0, vec![0_u64]), 8, &mut others);
    let joined = Token::join(vec![last, others.remove(0).token]);
    assert!(!joined.is_superseded());
    let tally = ledger.tally();
    assert_eq!((tally.superseded, tally.held(), lanes()), (3, 2, 2), "one is superseded, and one has failed for good");
    joined.delivered();
    let tally = ledger.tally();
    assert_eq!((tally.received, tally.delivered, tally.filtered, tally.dropped), (8, 3, 1, 0));
    assert_eq!((tally.superseded, tally.failed, tally.held(), lanes()), (3, 1, 0, 1));
}

/// While the count is 0 nobody looks at single items: it must go back to 0, and not below.
#[test]
fn superseded_lanes_are_counted_only_while_something_of_them_is_on_its_way() {
    let superseded = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let lanes = || superseded.load(std::sync::atomic::Ordering::SeqCst);
    let ledger = Ledger::new(Settlement::InOrder, OnRejected::Settle, superseded.clone());
    issue(&ledger, 0, 3).into_iter().for_each(|item| item.token.delivered());
    ledger.lose(LaneId(1));
    ledger.supersede(LaneId(1));
    assert_eq!(lanes(), 0, "all of it is decided");
    ledger.keep_lost();
    assert_eq!(lanes(), 0);

    let items = issue(&ledger, 3, 3);
    ledger.lose(LaneId(1));
    ledger.supersede(LaneId(1));
    assert!(items.iter().all(|item| item.token.is_superseded()));
    ledger.keep_lost();
    assert_eq!(lanes(), 0, "it is wanted after all");
    assert!(!items.iter().any(|item| item.token.is_superseded()));
    items.into_iter().for_each(|item| item.token.delivered());
    assert_eq!((ledger.tally().delivered, ledger.tally().superseded, lanes()), (6, 0, 0));
}

/// The end of a run comes from whoever drops its last token, and may come while its decided items are being counted.
#[test]
fn counting_a_run_that_ends_meanwhile_settles_nothing_of_the_next() {
    const LEN: usize = 64;
    for round in 0..500 {
        let ledger = ledger(Settlement::InOrder, OnRejected::Hold);
        let first = issue(&ledger, 0, LEN);
        let mut second = issue(&ledger, LEN as u64, 2 * LEN);
        // Of the next run the first half waits.
        second.drain(LEN..).for_each(|item| item.token.delivered());
        let started = std::sync::Barrier::new(2);
        let last = std::thread::scope(|scope| {
            scope.spawn(|| {
                started.wait();
                first.into_iter().for_each(|item| item.token.delivered());
            });
            started.wait();
            let mut last = None;
            while last < Some(LEN as u64 - 1) {
                let settled = up_to(&ledger.take(true));
                assert!(settled.is_none() || settled >= last, "round {round}: back from {last:?} to {settled:?}");
                last = settled.or(last);
            }
            last
        });
        assert_eq!(up_to(&ledger.take(true)).or(last), Some(LEN as u64 - 1), "round {round}");
    }
}

/// Each input of an output hears once that it was refused, at once, however many clones of it are refused.
#[test]
fn a_refused_output_is_told_to_each_of_its_inputs_once() {
    let ledgers = [ledger(Settlement::InOrder, OnRejected::Hold), ledger(Settlement::InOrder, OnRejected::Hold)];
    let tokens = ledgers.iter().map(|ledger| issue(ledger, 0, 1).remove(0).token).collect();
    let joined = Token::join(tokens);
    let (other, waits) = (joined.clone(), joined.clone());
    joined.reject(refusal());
    assert_eq!(ledgers.each_ref().map(|ledger| ledger.take_troubles().len()), [1, 1]);
    other.reject(refusal());
    assert_eq!(ledgers.each_ref().map(|ledger| ledger.take_troubles().len()), [0, 0]);
    // What is worse is said, too.
    waits.fail(refusal());
    for ledger in &ledgers {
        let troubles = ledger.take_troubles();
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].1.outcome, Outcome::Failed);
        assert_eq!(ledger.tally().failed, 1);
    }
}

/// Of a chunk in which items differ much, each counts with its own weight.
#[test]
fn what_is_not_decided_weighs_what_it_weighs() {
    for (weights, all, last) in [(vec![1_000, 1, 1], 1_002, 1), (vec![10, 12, 11], 33, 11)] {
        let ledger = ledger(Settlement::InOrder, OnRejected::Hold);
        let (mut items, bound) = (Vec::new(), Bound { items: 10, bytes: 20 });
        let weight = Weight::of(weights.iter().copied());
        ledger.issue(Chunk::sequential(LaneId(1), 0, vec![0_u64, 1, 2]), weight, &mut items);
        assert_eq!(ledger.full(bound, None), Ok(Some(Full::Bytes(20))), "{all}");
        let waits = items.pop().unwrap();
        items.into_iter().for_each(|item| item.token.delivered());
        assert_eq!((ledger.full(bound, None), ledger.room(bound)), (Ok(None), 7), "{last}");
        waits.token.delivered();
    }
}

/// Connections come and go for years.
#[test]
fn a_lost_lane_is_forgotten_once_all_of_it_is_decided() {
    let ledger = ledger(Settlement::InOrder, OnRejected::Hold);
    let mut waits = Vec::new();
    for lane in 0..100 {
        let mut items = Vec::new();
        ledger.issue(Chunk::sequential(LaneId(lane), 0, vec![0_u64, 1]), 0, &mut items);
        waits.extend(items.pop().filter(|_| lane % 50 == 0));
        items.into_iter().for_each(|item| item.token.delivered());
        ledger.lose(LaneId(lane));
    }
    assert_eq!((waits.len(), ledger.lanes()), (2, 2));
    waits.into_iter().for_each(|item| item.token.delivered());
    assert_eq!((ledger.tally().delivered, ledger.lanes()), (200 - 98, 0));
}

/// What is left alone, for the sake of another input, is no fault of the operator that joined them.
#[test]
fn what_is_left_stays_with_all_of_its_sources() {
    let ledgers = [ledger(Settlement::InOrder, OnRejected::Hold), ledger(Settlement::InOrder, OnRejected::Hold)];
    let mut items = issue(&ledgers[0], 0, 2);
    let (later, guilty) = (items.remove(1).token, items.remove(0).token);
    let joined = Token::join(vec![later, issue(&ledgers[1], 0, 1).remove(0).token]);
    guilty.reject(refusal());
    assert!(joined.is_barred());
    joined.leave();
    assert_eq!(ledgers.each_ref().map(|ledger| ledger.take_troubles().len()), [1, 0]);
    assert_eq!(ledgers.each_ref().map(|ledger| (ledger.tally().failed, ledger.tally().held())), [(1, 1), (0, 1)]);
}
