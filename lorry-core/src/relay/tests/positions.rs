//! Positions that sinks keep.

use super::replay::{Answer, Books, Replay};
use super::script::Keep;
use crate::flow::{Item, Operator, Output};
use crate::relay::*;
use crate::{Error, ErrorKind, Stream};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// So many copies of each number, or an error.
struct Each(fn(u64) -> Result<usize, Error>);

impl Operator<u64> for Each {
    fn push(&mut self, item: Item<u64>, out: &mut Output<'_, u64>) {
        match (self.0)(item.value) {
            Err(error) => item.token.reject(error),
            Ok(0) => item.token.filtered(),
            Ok(copies) => {
                (1..copies).for_each(|_| out.push(item.clone()));
                out.push(item);
            }
        }
    }

    fn remembers(&self) -> bool {
        false
    }
}

fn numbers(end: u64) -> Stream<u64> {
    Stream::from_source(Replay::to(end, Guarantee::Replayable))
}

async fn run(stream: Stream<u64>, sink: super::replay::Ledger) -> Report {
    let relay = Relay::new([stream.to(sink)]).require(Guarantee::Replayable);
    tokio::time::timeout(600 * SECOND, relay.spawn().wait()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_batch_carries_how_far_it_reaches() {
    let books = Books::default();
    let report = run(numbers(25), books.sink(10)).await;
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(books.see().marks, [[9], [19], [24]]);
    assert_eq!(books.position(), Some(24));
}

#[tokio::test(start_paused = true)]
async fn the_next_process_begins_behind_it() {
    let books = Books::default();
    run(numbers(25), books.sink(10)).await;
    let source = Replay::to(40, Guarantee::Replayable);
    let line = source.line.clone();
    run(Stream::from_source(source), books.sink(10)).await;
    assert_eq!(*line.started_at.lock().unwrap(), Some(24));
    assert_eq!(books.see().rows, (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_filtered_out_between_is_covered() {
    let books = Books::default();
    run(numbers(25).via(Each(|n| Ok((n % 7 == 3) as usize))), books.sink(2)).await;
    assert_eq!(books.see().rows, [3, 10, 17, 24]);
    assert_eq!(books.see().marks, [[10], [24]]);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_of_one_message_stays_together() {
    let books = Books::default();
    run(numbers(6).via(Each(|_| Ok(3))), books.sink(10)).await;
    // Nine of ten: the tenth would be a third of a message.
    assert_eq!(books.see().marks, [[2], [5]]);
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_a_batch_counts_once_all_of_it_is_there() {
    let books = Books::default();
    run(numbers(3).via(Each(|n| Ok(if n == 1 { 25 } else { 1 }))), books.sink(10)).await;
    let marks = books.see().marks.clone();
    assert_eq!(marks[..3], [vec![0], vec![], vec![]], "{marks:?}");
    assert_eq!(books.position(), Some(2));
    assert_eq!(books.see().rows.len(), 27);
}

#[tokio::test(start_paused = true)]
async fn branches_do_not_wait_for_each_other_and_the_lowest_counts() {
    let (quick, slow) = (Books::default(), Books::default());
    let (one, two) = numbers(100).tee();
    let mut stuck = slow.sink(10);
    stuck.delay = 1_000 * SECOND;
    let running = Relay::new([one.to(quick.sink(10)), two.to(stuck)]).require(Guarantee::Replayable).spawn();
    tokio::time::sleep(1_500 * SECOND).await;
    drop(running);
    assert_eq!((quick.position(), slow.position()), (Some(29), Some(19)));
    let source = Replay::to(100, Guarantee::Replayable);
    let line = source.line.clone();
    let (one, two) = Stream::from_source(source).tee();
    let relay = Relay::new([one.to(quick.sink(10)), two.to(slow.sink(10))]).require(Guarantee::Replayable);
    let report = relay.run().await.unwrap();
    assert_eq!(*line.started_at.lock().unwrap(), Some(19));
    assert_eq!((report.received, report.delivered), (80, 80));
    let all: Vec<_> = (0..100).collect();
    assert_eq!((&quick.see().rows, &slow.see().rows), (&all, &all), "each once in each");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_knows_nothing_yet_gets_everything() {
    let (old, new) = (Books::default(), Books::default());
    run(numbers(30), old.sink(10)).await;
    let source = Replay::to(50, Guarantee::Replayable);
    let line = source.line.clone();
    let (one, two) = Stream::from_source(source).tee();
    Relay::new([one.to(old.sink(10)), two.to(new.sink(10))]).run().await.unwrap();
    assert_eq!(*line.started_at.lock().unwrap(), None);
    let all: Vec<_> = (0..50).collect();
    assert_eq!((&old.see().rows, &new.see().rows), (&all, &all));
}

#[tokio::test(start_paused = true)]
async fn a_sink_without_positions_gets_everything() {
    let (books, keep) = (Books::default(), Keep::new());
    run(numbers(30), books.sink(10)).await;
    let kept = keep.log.clone();
    let (one, two) = numbers(50).tee();
    Relay::new([one.to(books.sink(10)), two.to(keep)]).run().await.unwrap();
    assert_eq!(kept.lock().unwrap().values(), (0..50).collect::<Vec<_>>());
    assert_eq!(books.see().rows, (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_comes_again_with_its_positions() {
    let books = Books::default();
    books.see().answers = vec![Answer::Away, Answer::Away];
    run(numbers(25), books.sink(10)).await;
    assert_eq!(books.see().marks, [[9], [9], [9], [19], [24]]);
    assert_eq!(books.see().rows, (0..25).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_landed_unseen_is_not_sent_again() {
    let books = Books::default();
    books.see().answers = vec![Answer::Unknown];
    let report = run(numbers(25), books.sink(10)).await;
    assert_eq!(books.see().marks, [[9], [19], [24]]);
    assert_eq!(books.see().rows, (0..25).collect::<Vec<_>>());
    assert_eq!((report.delivered, report.retried), (25, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_dropped_by_policy_is_covered() {
    let books = Books::default();
    books.see().answers = vec![Answer::Refuses(9)];
    let relay = Relay::new([numbers(25).to(books.sink(10))]).on_error(OnError::Drop);
    assert_eq!(relay.run().await.unwrap().dropped, 1);
    assert_eq!(books.see().marks, [[9], [19], [24]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_behind_a_refused_message_is_called_done() {
    let books = Books::default();
    let refuse = |n| if n == 13 { Err(Error::data(ErrorKind::Malformed, "", "thirteen")) } else { Ok(1) };
    let report = run(numbers(100).via(Each(refuse)), books.sink(10)).await;
    assert!(report.error.unwrap().to_string().contains("#13"));
    assert!(books.position().is_none_or(|position| position < 13), "{:?}", books.position());
    let landed = books.see().rows.len() as u64;
    assert_eq!(landed, books.position().map_or(0, |position| position + 1));
    // Mended, it goes on with the message in question.
    let report = run(numbers(100), books.sink(10)).await;
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(books.see().rows, (0..100).collect::<Vec<_>>());
}

/// Whichever message of a batch it is that the sink refuses.
#[tokio::test(start_paused = true)]
async fn a_message_at_which_the_relay_ends_is_not_on_record() {
    for guilty in [0, 4, 9, 10, 15, 24] {
        let books = Books::default();
        // The batches before it land.
        books.see().answers = (0..guilty / 10).map(|_| Answer::Refuses(u64::MAX)).collect();
        books.see().answers.push(Answer::EndsAt(guilty));
        let report = run(numbers(25), books.sink(10)).await;
        assert!(report.error.unwrap().to_string().contains(&format!("#{guilty}")));
        assert_eq!(books.see().rows, (0..guilty).collect::<Vec<_>>());
        assert_eq!(books.position(), guilty.checked_sub(1));
        let report = run(numbers(25), books.sink(10)).await;
        assert!(report.error.is_none(), "{report:?}");
        assert_eq!(books.see().rows, (0..25).collect::<Vec<_>>(), "{guilty}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_repeats_nothing() {
    let books = Books::default();
    let source = Replay::to(100, Guarantee::Replayable);
    let line = source.line.clone();
    let mut sink = books.sink(10);
    sink.delay = SECOND;
    let relay = Relay::new([Stream::from_source(source).to(sink)]).require(Guarantee::Replayable);
    let running = relay.spawn();
    tokio::time::sleep(SECOND * 5 / 2).await;
    line.cut();
    let report = running.wait().await;
    assert_eq!(books.see().rows, (0..100).collect::<Vec<_>>());
    assert_eq!(report.received, report.delivered);
    assert!(report.superseded > 0);
}

#[tokio::test(start_paused = true)]
async fn below_an_operator_that_keeps_messages_only_what_is_decided_counts() {
    let books = Books::default();
    // Gives each number out when the next but one has come.
    struct Late(std::collections::VecDeque<Item<u64>>);
    impl Operator<u64> for Late {
        fn push(&mut self, item: Item<u64>, out: &mut Output<'_, u64>) {
            self.0.push_back(item);
            if self.0.len() > 2 {
                self.0.pop_front().into_iter().for_each(|item| out.push(item));
            }
        }

        fn finish(&mut self, out: &mut Output<'_, u64>) {
            self.0.drain(..).for_each(|item| out.push(item));
        }
    }
    let late = |end| numbers(end).via_kind("late", Late(Default::default()));
    let error = Relay::new([late(9).to(books.sink(10))]).require(Guarantee::Replayable).check().unwrap_err();
    assert!(error.to_string().contains("late0 remembers what it has seen"), "{error}");
    let running = Relay::new([late(30).to(books.sink(5))]).spawn();
    tokio::time::sleep(SECOND).await;
    drop(running);
    let landed = books.see().rows.len() as u64;
    assert_eq!(landed, 28, "two are held");
    assert!(books.position().is_some_and(|position| position < landed), "{:?}", books.position());
    // The next process repeats what is not covered, and leaves out nothing.
    let source = Replay::to(30, Guarantee::Replayable);
    Relay::new([Stream::from_source(source).to(books.sink(5))]).run().await.unwrap();
    let rows = books.see().rows.clone();
    assert!((0..30).all(|n| rows.contains(&n)), "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_without_a_key_is_no_basis_for_exactly_once() {
    let books = Books::default();
    let source = super::script::Numbers::to(9).promising(Guarantee::Replayable);
    let report = run(Stream::from_source(source), books.sink(10)).await;
    let error = report.error.unwrap();
    assert!(error.to_string().contains("numbersrc0 can be replayed, but has given a lane no key"), "{error}");
    assert!(books.see().rows.is_empty());
}
