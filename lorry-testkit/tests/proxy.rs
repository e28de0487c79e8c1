//! The proxy against a plain server.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_testkit::{Direction, Proxy};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn pair(proxy: &Proxy, server: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.addr()).unwrap();
    let (peer, _) = server.accept().unwrap();
    for stream in [&client, &peer] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    (client, peer)
}

fn start() -> (Proxy, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    (Proxy::start(server.local_addr().unwrap()), server)
}

fn read(stream: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn is_silent(stream: &mut TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    matches!(read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

const SHORT: Duration = Duration::from_millis(150);

#[test]
fn passes_bytes_both_ways_and_the_end_of_each() {
    let (proxy, server) = start();
    let (mut client, mut peer) = pair(&proxy, &server);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.write_all(&sent).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert!(got == sent);
    });
    peer.write_all(b"still open this way").unwrap();
    drop(peer);
    let mut got = String::new();
    client.read_to_string(&mut got).unwrap();
    assert_eq!(got, "still open this way");
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn a_cut_resets_both_ends_and_refuses_until_restored() {
    let (proxy, server) = start();
    let (mut client, mut peer) = pair(&proxy, &server);
    assert_eq!(proxy.open(), 1);
    proxy.cut();
    assert_eq!(proxy.open(), 0);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(TcpStream::connect(proxy.addr()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    proxy.restore();
    let (mut client, mut peer) = pair(&proxy, &server);
    client.write_all(b"x").unwrap();
    assert_eq!(read(&mut peer, 1), b"x");
}

#[test]
fn a_reset_leaves_the_door_open() {
    let (proxy, server) = start();
    let (mut client, _peer) = pair(&proxy, &server);
    proxy.reset();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    pair(&proxy, &server);
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_stall_holds_bytes_and_restore_delivers_them() {
    let (proxy, server) = start();
    let (mut client, mut peer) = pair(&proxy, &server);
    proxy.stall(Direction::Both);
    client.write_all(b"up").unwrap();
    peer.write_all(b"down").unwrap();
    assert!(is_silent(&mut peer, SHORT) && is_silent(&mut client, SHORT));
    proxy.restore();
    assert_eq!((read(&mut peer, 2), read(&mut client, 4)), (b"up".to_vec(), b"down".to_vec()));
}

#[test]
fn what_was_stalled_one_way_is_lost_by_a_cut() {
    let (proxy, server) = start();
    let (mut client, mut peer) = pair(&proxy, &server);
    proxy.stall(Direction::Down);
    client.write_all(b"request").unwrap();
    assert_eq!(read(&mut peer, 7), b"request");
    peer.write_all(b"answer").unwrap();
    assert!(is_silent(&mut client, SHORT));
    proxy.cut();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_delay_is_added_once_however_many_chunks_there_are() {
    let (proxy, server) = start();
    let (mut client, mut peer) = pair(&proxy, &server);
    proxy.delay(Duration::from_millis(200));
    let started = Instant::now();
    for _ in 0..20 {
        client.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    read(&mut peer, 20);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(took < Duration::from_secs(2), "the delay was added more than once: {took:?}");
}

#[test]
fn a_server_that_is_away_resets_the_client() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    drop(server);
    let proxy = Proxy::start(addr);
    let mut client = TcpStream::connect(proxy.addr()).unwrap();
    assert!(!matches!(client.read(&mut [0]), Ok(1)));
}

#[test]
fn dropping_it_ends_its_connections() {
    let (proxy, server) = start();
    let (mut client, _peer) = pair(&proxy, &server);
    drop(proxy);
    assert!(client.read(&mut [0]).is_err());
}
