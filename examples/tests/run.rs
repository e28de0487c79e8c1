//! Runs the examples: devices publish to them over real MQTT, rows appear, an interrupt ends them gracefully.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry::{Message, Relay, Stream};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Below the ephemeral range, so that no client's own port is in the way.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..1_000)
        .map(|_| 20_000 + ((std::process::id() * 131 + NEXT.fetch_add(17, Relaxed)) % 12_000) as u16)
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn interrupt(mut example: Example) -> String {
    let pid = rustix::process::Pid::from_child(&example.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut stdout = String::new();
    std::io::Read::read_to_string(&mut example.0.stdout.take().unwrap(), &mut stdout).unwrap();
    assert!(example.0.wait().unwrap().success());
    stdout
}

/// Publishes `n` readings and waits until each is acknowledged, which is when the example has committed it.
async fn publish(port: u16, n: i64) {
    let (input, readings) = Stream::<Message>::input();
    let sink = lorry::registry_with_defaults().sink(&format!("mqtt://127.0.0.1:{port}/readings")).unwrap();
    let running = Relay::new([readings.to(sink)]).spawn();
    let mut taken = Vec::new();
    for id in 0..n {
        let reading = format!(r#"{{"id": {id}, "celsius": {}.5}}"#, id % 40);
        taken.push(input.send(Message::new(reading)).await.unwrap());
    }
    for one in taken {
        one.await.unwrap();
    }
    drop(input);
    assert_eq!(running.wait().await.delivered, n as u64);
}

async fn run(program: &str, sink: impl Fn(&str) -> String) {
    const READINGS: i64 = 500;
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("readings.db").to_str().unwrap().to_owned();
    let port = free_port();
    let source = format!("mqtt+listen://127.0.0.1:{port}/readings");
    let child = Command::new(program).args([source, sink(&database)]).stdout(Stdio::piped()).spawn().unwrap();
    let mut example = Example(child);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(example.0.try_wait().unwrap().is_none(), "the example has ended");
        assert!(began.elapsed() < Duration::from_secs(30), "the example does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    publish(port, READINGS).await;
    let count = rusqlite::Connection::open(&database)
        .unwrap()
        .query_row("SELECT count(DISTINCT id) FROM readings WHERE celsius > 0", [], |row| row.get::<_, i64>(0))
        .unwrap();
    assert_eq!(count, READINGS, "acknowledged, so committed");
    assert_eq!(interrupt(example), format!("{READINGS} readings stored\n"));
}

#[tokio::test]
async fn embedded_in_a_service_with_a_table_of_its_own() {
    run(env!("CARGO_BIN_EXE_embedded"), str::to_owned).await;
}

#[tokio::test]
async fn the_same_from_addresses() {
    run(env!("CARGO_BIN_EXE_from_uris"), |database| format!("sqlite:///{database}?table=readings")).await;
}

fn own_elements(text: &str) -> (bool, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_own_elements")).arg(text).output().unwrap();
    (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

#[test]
fn elements_of_ones_own_in_launch_text() {
    let text = r#"countdownsrc from=5 ! filter expr=". != 3" ! multiply by=10 ! tallysink"#;
    assert_eq!(own_elements(text), (true, "4 numbers, 120 in all\n".to_owned()));
    let (ran, said) = own_elements("countdownsrc from=5 ! multiply buy=10 ! tallysink");
    assert!(!ran && said.contains("did you mean \"by\""), "{said}");
}
