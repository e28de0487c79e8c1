//! A server that closes the connection at a message it does not like.

use super::*;

/// How a server parts from a client whose message it does not like.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Closes,
    Resets,
    /// Version 5 has words for it.
    Says(Reason),
    /// Refuses it with a reason, and closes.
    RefusesAndCloses,
}

/// Serves until it is dropped: confirms everything but what contains "poison". What it has confirmed, in order.
async fn serve(server: Server, manner: Manner, delivered: &std::sync::Mutex<Vec<String>>) {
    loop {
        let mut peer = server.accept(false).await;
        loop {
            let publish = match peer.read().await {
                Some(Packet::Publish(publish)) => publish,
                Some(Packet::PingReq) => {
                    peer.write(&Packet::PingResp).await;
                    continue;
                }
                Some(other) => panic!("{other:?}"),
                None => break,
            };
            let text = std::str::from_utf8(&publish.payload).unwrap().to_owned();
            if !text.contains("poison") {
                delivered.lock().unwrap().push(text);
                // Who publishes much ahead is reset by what was left unread.
                peer.try_write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
                continue;
            }
            match manner {
                Manner::Closes => {}
                Manner::Resets => peer.reset(),
                Manner::Says(reason) => peer.try_write(&Packet::Disconnect(Disconnect::new(reason))).await,
                Manner::RefusesAndCloses => {
                    let refusal = Ack::with_reason(publish.packet_id, Reason::NOT_AUTHORIZED);
                    peer.try_write(&Packet::PubAck(refusal)).await;
                }
            }
            break;
        }
    }
}

/// Sends these and waits for what becomes of them. Fails if another client is suspected meanwhile.
async fn send_all(version: Protocol, manner: Manner, texts: &[&str]) -> (Vec<Failure>, Vec<String>) {
    let server = Server::start().await;
    let mut sink = MqttSink::new(server.options().topic("t").version(version));
    let context = context();
    let status = context.status.clone();
    let delivered = std::sync::Mutex::new(Vec::new());
    let batch = Batch::new(texts.iter().map(|text| Message::new((*text).to_owned())).collect());
    let sending = async {
        within(sink.open(context)).await.unwrap();
        let receipt = sink.send(batch).await.unwrap();
        within(receipt).await.err().map_or_else(Vec::new, Failures::into_vec)
    };
    let watching = async {
        loop {
            assert!(!matches!(status.state(), State::Degraded(_)), "{manner:?}: {:?}", status.state());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let failures = tokio::select! {
        failures = sending => failures,
        () = serve(server, manner, &delivered) => unreachable!(),
        () = watching => unreachable!(),
    };
    let mut delivered = delivered.into_inner().unwrap();
    let all = delivered.clone();
    // It may have come again; the first time counts.
    let mut seen = BTreeSet::new();
    delivered.retain(|text| seen.insert(text.clone()));
    assert!(delivered.is_sorted_by_key(|text| texts.iter().position(|other| other == text)), "{manner:?}: {all:?}");
    (failures, delivered)
}

fn texts(poison: &[usize]) -> Vec<String> {
    (0..20).map(|n| if poison.contains(&n) { format!("poison {n}") } else { n.to_string() }).collect()
}

async fn poison_is_refused_alone(version: Protocol, manner: Manner, poison: &[usize]) {
    let texts = texts(poison);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let (failures, delivered) = send_all(version, manner, &texts).await;
    let failed: Vec<_> = failures.iter().map(|failure| failure.index).collect();
    assert_eq!(failed, poison, "{version:?} {manner:?}: {failures:?}");
    for Failure { error, .. } in failures {
        assert_eq!(error.class(), Class::Data, "{error}");
        let text = error.to_string();
        let named = match manner {
            Manner::RefusesAndCloses => text.contains("not authorized"),
            Manner::Says(_) => text.contains("ends the connection at this message") && text.contains("not authorized"),
            _ => text.contains("ends the connection at this message") && text.contains("bytes"),
        };
        assert!(named && text.contains("topic"), "{manner:?}: {text}");
    }
    assert_eq!(delivered.len(), texts.len() - poison.len());
}

#[tokio::test]
async fn a_message_at_which_the_server_closes_is_refused_alone() {
    use Protocol::{V4, V5};
    tokio::join!(
        poison_is_refused_alone(V4, Manner::Closes, &[5]),
        poison_is_refused_alone(V5, Manner::Closes, &[0, 19]),
        poison_is_refused_alone(V4, Manner::Resets, &[5]),
        poison_is_refused_alone(V5, Manner::Resets, &[5]),
        poison_is_refused_alone(V5, Manner::Says(Reason::NOT_AUTHORIZED), &[5]),
    );
}

// mosquitto with max_queued_messages 0: the reset that followed the refusal outran it, since more had been published behind it.

#[tokio::test]
async fn a_refusal_after_which_the_server_closes_is_read() {
    let every_second: Vec<_> = (0..20).filter(|n| n % 2 == 1).collect();
    let begin = Instant::now();
    poison_is_refused_alone(Protocol::V5, Manner::RefusesAndCloses, &every_second).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

// A proxy that cuts whatever connection there is, in the middle of publishing too, says nothing about a message.

#[tokio::test]
async fn no_message_is_blamed_for_connections_that_end_in_any_case() {
    let server = Server::start().await;
    let mut sink = MqttSink::new(server.options().topic("t"));
    let (opened, mut peer) = tokio::join!(within(sink.open(context())), server.accept(false));
    opened.unwrap();
    let receipt = sink.send(numbers(0..3)).await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(6) {
        let cut = Instant::now() + Duration::from_millis(800);
        while let Ok(packet) = tokio::time::timeout_at(cut.into(), peer.read()).await {
            match packet {
                Some(Packet::PingReq) => peer.write(&Packet::PingResp).await,
                Some(Packet::Publish(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        peer.reset();
        peer = server.accept(false).await;
    }
    let answering = async {
        loop {
            match peer.read().await {
                Some(Packet::PingReq) => peer.write(&Packet::PingResp).await,
                Some(Packet::Publish(publish)) => peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await,
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::select! {
        answer = within(receipt) => answer.unwrap(),
        () = answering => unreachable!(),
    }
}
