//! The launchers against the real servers.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_testkit::servers::{Certs, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn numbers(to: usize) -> Vec<String> {
    (1..=to).map(|n| n.to_string()).collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// State letter of a process; `None` when there is none.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn is_gone(pid: u32) -> bool {
    state(pid).is_none_or(|state| state == 'Z')
}

#[test]
#[ignore = "needs mosquitto"]
fn what_mosquitto_saved_survives_a_kill_and_what_it_did_not_save_does_not() {
    let mut broker = Mosquitto::start(MosquittoOptions::default());
    broker.keep("keeper", "a/#");
    broker.publish_lines("a/b", 1, numbers(2_000));
    broker.save();
    broker.publish_lines("a/b", 1, ["lost"]);
    let (port, pid) = (broker.port(), broker.pid().unwrap());
    broker.kill9();
    assert!(is_gone(pid));
    assert_eq!(broker.pid(), None);
    broker.restart();
    assert_eq!(broker.port(), port);
    broker.publish_lines("a/b", 1, ["after"]);
    let mut expected = numbers(2_000);
    expected.push("after".to_owned());
    assert_eq!(broker.resume_keeping("keeper", "a/#", 2_001), expected);
}

#[test]
#[ignore = "needs mosquitto"]
fn mosquitto_saves_each_change_when_asked() {
    let mut broker = Mosquitto::start(MosquittoOptions::default().save_each_change());
    broker.keep("keeper", "a");
    broker.publish_lines("a", 1, numbers(20));
    // The save follows the acknowledgement, in the same round of its loop or the next.
    std::thread::sleep(Duration::from_millis(300));
    broker.kill9();
    broker.restart();
    assert_eq!(broker.resume_keeping("keeper", "a", 20), numbers(20));
}

#[test]
#[ignore = "needs mosquitto"]
fn mosquitto_forgets_when_volatile() {
    let mut broker = Mosquitto::start(MosquittoOptions::default().volatile());
    broker.publish_with("a", &["-r", "-q", "1"], "retained");
    assert_eq!(broker.subscribe("a", 1).lines(1), ["retained"]);
    broker.restart();
    assert!(broker.subscribe("a", 1).rest(Duration::from_millis(300)).is_empty());
}

#[test]
#[ignore = "needs mosquitto"]
fn a_subscriber_is_subscribed_when_it_is_there() {
    let broker = Mosquitto::start(MosquittoOptions::default());
    let subscriber = broker.subscribe_with("a/+", 0, &["-V", "5", "-F", "%t %P %p"]);
    broker.publish_with("a/x", &["-V", "5", "-D", "publish", "user-property", "unit", "mm"], "1");
    broker.publish("a/y", 0, "2");
    assert_eq!(subscriber.lines(2), ["a/x unit:mm 1", "a/y  2"]);
}

#[test]
#[ignore = "needs mosquitto"]
fn mosquitto_asks_for_passwords_and_obeys_its_acl() {
    let options =
        MosquittoOptions::default().user("ann", "secret").user("bob", "other").acl("user ann\ntopic readwrite a/#\n");
    let broker = Mosquitto::start(options);
    let subscriber = broker.subscribe("#", 0);
    broker.publish("b/x", 1, "refused");
    broker.publish("a/x", 1, "allowed");
    assert_eq!(subscriber.lines(1), ["allowed"]);
    let port = broker.port().to_string();
    let login = |user, password| {
        let mut command = Command::new("mosquitto_pub");
        command
            .args(["-h", "127.0.0.1", "-p", &port, "-t", "a/x", "-n", "-u", user, "-P", password])
            .stderr(Stdio::null());
        command.status().unwrap().success()
    };
    assert!(login("bob", "other"));
    assert!(!login("bob", "wrong"));
}

#[test]
#[ignore = "needs mosquitto"]
fn mosquitto_speaks_tls_and_asks_for_client_certificates() {
    let certs = Certs::generate();
    let broker = Mosquitto::start(MosquittoOptions::default().tls(certs.clone()).require_client_certs());
    let dir = broker.log_file().parent().unwrap().to_owned();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (cert, key) = (file("client.pem", &certs.client), file("client.key", &certs.client_key));
    let publish = |args: &[&Path]| {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "localhost", "-p", &broker.tls_port().to_string(), "-t", "a", "-n", "-q", "1", "--cafile"]);
        command.arg(dir.join("ca.pem")).args(args).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(publish(&[Path::new("--cert"), &cert, Path::new("--key"), &key]));
    assert!(!publish(&[]));
}

#[test]
#[ignore = "needs mosquitto"]
fn a_paused_mosquitto_answers_after_the_pause() {
    let mut broker = Mosquitto::start(MosquittoOptions::default());
    broker.pause();
    let mut publisher = broker.client("mosquitto_pub").args(["-t", "a", "-n", "-q", "1"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(publisher.try_wait().unwrap().is_none(), "a paused server answered");
    broker.resume();
    assert!(publisher.wait().unwrap().success());
}

#[test]
#[ignore = "needs postgresql"]
fn what_postgres_committed_survives_a_kill() {
    let mut server = Postgres::start(PostgresOptions::default());
    server.psql("CREATE TABLE t (n int)");
    for round in 1..=2 {
        server.psql("INSERT INTO t SELECT generate_series(1, 1000)");
        let pid = server.pid().unwrap();
        server.kill9();
        assert!(is_gone(pid));
        assert!(server.try_psql("SELECT 1").is_err());
        server.restart();
        assert_eq!(server.psql("SELECT count(*), sum(n) FROM t"), format!("{}|{}", round * 1_000, round * 500_500));
    }
    assert!(server.log().contains("database system was not properly shut down"));
    server.restart();
    assert_eq!(server.psql("SELECT count(*) FROM t"), "2000");
}

#[test]
#[ignore = "needs postgresql"]
fn a_paused_postgres_answers_after_the_pause_on_open_connections_too() {
    let mut server = Postgres::start(PostgresOptions::default());
    server.psql("CREATE TABLE t (n int)");
    let mut client =
        server.client().args(["-c", "SELECT pg_sleep(0.3)", "-c", "INSERT INTO t VALUES (1)"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    server.pause();
    std::thread::sleep(Duration::from_millis(500));
    assert!(client.try_wait().unwrap().is_none(), "a paused server answered");
    server.resume();
    assert!(client.wait().unwrap().success());
    assert_eq!(server.psql("SELECT count(*) FROM t"), "1");
}

#[test]
#[ignore = "needs postgresql"]
fn postgres_asks_for_passwords_and_speaks_tls() {
    let options = PostgresOptions::default().password("s3cret").tls(Certs::generate()).setting("max_connections", "7");
    let server = Postgres::start(options);
    assert_eq!(server.psql("SHOW max_connections"), "7");
    let mut wrong = server.client();
    wrong.env("PGPASSWORD", "wrong").args(["-c", "SELECT 1"]).stderr(Stdio::null());
    assert!(!wrong.status().unwrap().success());
    let mut tls = server.client();
    tls.env("PGSSLMODE", "require").args(["-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]);
    assert_eq!(String::from_utf8(tls.output().unwrap().stdout).unwrap().trim(), "t");
}

#[test]
#[ignore = "needs mosquitto and postgresql"]
fn servers_end_with_a_runner_that_is_killed() {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_lorry-test-servers"));
    let mut runner = runner.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<_> = BufReader::new(runner.stdout.take().unwrap()).lines().take(2).map(Result::unwrap).collect();
    let servers: Vec<(u32, String)> = lines
        .iter()
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            (words[2].parse().unwrap(), Path::new(words[4]).parent().unwrap().to_str().unwrap().to_owned())
        })
        .collect();
    assert!(servers.iter().all(|(pid, dir)| !is_gone(*pid) && Path::new(dir).is_dir()), "{lines:?}");
    runner.kill().unwrap();
    runner.wait().unwrap();
    for (pid, dir) in servers {
        wait_until("the server is gone", || is_gone(pid));
        wait_until("its data is gone", || !Path::new(&dir).exists());
    }
}

#[test]
#[ignore = "needs mosquitto and postgresql"]
fn dropping_a_server_leaves_nothing_behind() {
    let (mut mosquitto, postgres) =
        (Mosquitto::start(MosquittoOptions::default()), Postgres::start(PostgresOptions::default()));
    let pids = [mosquitto.pid().unwrap(), postgres.pid().unwrap()];
    let dirs = [mosquitto.log_file(), postgres.log_file()].map(|file| file.parent().unwrap().to_owned());
    mosquitto.pause();
    drop((mosquitto, postgres));
    assert!(pids.into_iter().all(is_gone));
    assert!(dirs.iter().all(|dir| !dir.exists()));
}
