#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use lorry_core::registry::Size;
use lorry_core::relay::{Context, Event, LaneKey, Position, Source};
use std::time::Duration;
use tokio::time::{Instant, timeout};

async fn opened(options: TestOptions) -> TestSource {
    let mut source = TestSource::new(options).unwrap();
    source.open(Context::detached("testsrc0")).await.unwrap();
    assert!(matches!(source.next(1).await.unwrap(), Event::LaneOpened(..)));
    source
}

async fn all(source: &mut TestSource, limit: usize) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    loop {
        match source.next(limit).await.unwrap() {
            Event::Chunk(chunk) => {
                assert!(!chunk.values.is_empty() && chunk.values.len() <= limit);
                assert_eq!(chunk.at.position(0), Position(got.len() as u64));
                got.extend(chunk.values.iter().map(|message| message.bytes().to_vec()));
            }
            Event::End => return got,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn numbered_reproducible_and_valid_json() {
    let options = |seed| TestOptions { count: Some(1_000), seed, ..TestOptions::default() };
    let one = all(&mut opened(options(7)).await, 256).await;
    assert_eq!(one, all(&mut opened(options(7)).await, 3).await);
    assert_ne!(one, all(&mut opened(options(8)).await, 256).await);
    for (index, payload) in one.iter().enumerate() {
        let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(json["id"], index);
        assert!((0.0..40.0).contains(&json["value"].as_f64().unwrap()) && json["device"].as_u64().unwrap() < 8);
    }
}

#[tokio::test]
async fn every_size_with_room_is_exact() {
    for size in 40..200 {
        let options = TestOptions { count: Some(20), size: Some(Size(size)), ..TestOptions::default() };
        for payload in all(&mut opened(options).await, 256).await {
            assert_eq!(payload.len(), size as usize);
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_on_virtual_time_and_survives_cancelling() {
    let began = Instant::now();
    let mut source = opened(TestOptions { count: Some(500), rate: Some(100.0), ..TestOptions::default() }).await;
    let mut got = Vec::new();
    loop {
        // Cancelled again and again in the middle of a wait.
        match timeout(Duration::from_micros(3_300), source.next(256)).await {
            Err(_) => {}
            Ok(Ok(Event::Chunk(chunk))) => got.extend(chunk.values),
            Ok(Ok(Event::End)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got.len(), 500);
    let took = began.elapsed().as_secs_f64();
    assert!((4.98..5.03).contains(&took), "{took}");
}

#[tokio::test]
async fn resumes_behind_the_settled_position() {
    let mut source = TestSource::new(TestOptions { count: Some(10), ..TestOptions::default() }).unwrap();
    let mut context = Context::detached("testsrc0");
    context.start = [(LaneKey::new("testsrc0", "test", ""), Position(6))].into_iter().collect();
    source.open(context).await.unwrap();
    source.next(256).await.unwrap();
    let Event::Chunk(chunk) = source.next(256).await.unwrap() else { panic!() };
    assert_eq!((chunk.at.position(0), chunk.values.len()), (Position(7), 3));
}

#[test]
fn wrong_options_are_named() {
    let mut registry = lorry_core::registry::Registry::new();
    crate::register(&mut registry);
    for (uri, word) in [
        ("test://?count=many", "count"),
        ("test://?count=-1", "count"),
        ("test://?rate=0", "rate"),
        ("test://?rate=nan", "rate"),
        ("test://?size=x", "size"),
        ("test://?cuont=1", "count"),
        ("test://count=1", "count=1"),
    ] {
        let error = registry.source(uri).err().unwrap();
        assert_eq!(error.kind(), lorry_core::ErrorKind::Usage);
        assert!(error.to_string().contains(word), "{error}");
    }
}
