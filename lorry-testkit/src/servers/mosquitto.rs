//! mosquitto.

use super::certs::Certs;
use super::command::{find, run};
use super::port::free_port;
use super::process::{Process, wait_for};
use super::subscriber::Subscriber;
use rustix::process::Signal;
use std::fmt::Write;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// How the broker is to be.
///
/// By default it lets everybody in, queues without limit and keeps its data over a graceful restart. It acknowledges from memory: a
/// kill loses what came since the last save, so [`save`](Mosquitto::save) first, or set [`save_each_change`](Self::save_each_change).
#[derive(Clone, Debug, Default)]
pub struct MosquittoOptions {
    volatile: bool,
    save_each_change: bool,
    users: Vec<(String, String)>,
    acl: Option<String>,
    tls: Option<Certs>,
    client_certs: bool,
    config: String,
}

impl MosquittoOptions {
    /// Nothing is kept over a restart.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Saves in each loop that changed something. Nothing is lost by a kill then, but 1,000 queued messages take seconds.
    #[must_use]
    pub fn save_each_change(mut self) -> Self {
        self.save_each_change = true;
        self
    }

    /// Lets in only users with a password. The first one is the one that the helper clients log in as.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// The text of an access control file: `user u`, `topic readwrite a/#`.
    #[must_use]
    pub fn acl(mut self, text: &str) -> Self {
        self.acl = Some(text.to_owned());
        self
    }

    /// A second listener with TLS, at [`tls_port`](Mosquitto::tls_port).
    #[must_use]
    pub fn tls(mut self, certs: Certs) -> Self {
        self.tls = Some(certs);
        self
    }

    /// The TLS listener asks for a client certificate of the same authority.
    #[must_use]
    pub fn require_client_certs(mut self) -> Self {
        self.client_certs = true;
        self
    }

    /// Further lines of configuration, such as `max_inflight_messages 1000`; they stand before the listeners.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    fn write_files(&self, process: &Process) {
        if !self.users.is_empty() {
            let mut file = String::new();
            self.users.iter().for_each(|(user, password)| _ = writeln!(file, "{user}:{password}"));
            let path = process.write("passwords", file);
            // Replaces the clear text by hashes, in place.
            run(process.command(&find("mosquitto_passwd", PACKAGE, &[])).arg("-U").arg(path), b"");
        }
        if let Some(acl) = &self.acl {
            process.write("acl", acl);
        }
        if let Some(certs) = &self.tls {
            process.write("ca.pem", &certs.ca);
            process.write("server.pem", &certs.server);
            process.write("server.key", &certs.server_key);
        }
    }

    fn file(&self, process: &Process, port: u16, tls_port: u16) -> String {
        let dir = process.dir().display();
        let mut text = format!("allow_anonymous {}\nmax_queued_messages 0\nlog_dest stderr\n", self.users.is_empty());
        for kind in ["error", "warning", "notice", "information", "subscribe", "unsubscribe"] {
            _ = writeln!(text, "log_type {kind}");
        }
        if !self.volatile {
            _ = write!(text, "persistence true\npersistence_location {dir}/\n");
        }
        if self.save_each_change {
            text.push_str("autosave_on_changes true\nautosave_interval 1\n");
        }
        if !self.users.is_empty() {
            _ = writeln!(text, "password_file {dir}/passwords");
        }
        if self.acl.is_some() {
            _ = writeln!(text, "acl_file {dir}/acl");
        }
        text.push_str(&self.config);
        _ = writeln!(text, "listener {port} 127.0.0.1");
        if self.tls.is_some() {
            _ = write!(
                text,
                "listener {tls_port} 127.0.0.1\ncafile {dir}/ca.pem\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\n\
                 require_certificate {}\n",
                self.client_certs
            );
        }
        text
    }
}

/// A running broker; its [process](Process) is what it derefs to. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Mosquitto {
    process: Process,
    options: MosquittoOptions,
    port: u16,
    tls_port: u16,
}

const PACKAGE: &str = "mosquitto mosquitto-clients";
const READY: &str = " running";

impl Deref for Mosquitto {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Mosquitto {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Mosquitto {
    /// Starts a broker and waits until it listens.
    ///
    /// # Panics
    /// mosquitto is not installed (the message says what to do) or does not start.
    pub fn start(options: MosquittoOptions) -> Self {
        let program = find("mosquitto", PACKAGE, &[]);
        let mut process = Process::new("mosquitto", program, "mosquitto", Signal::TERM, READY);
        options.write_files(&process);
        let (mut port, mut tls_port) = (0, 0);
        process.start(|process| {
            (port, tls_port) = (free_port(), free_port());
            process.write("mosquitto.conf", options.file(process, port, tls_port));
            ["-c", "mosquitto.conf"].map(str::to_owned).to_vec()
        });
        Self { process, options, port, tls_port }
    }

    /// The port of the plain listener, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the TLS listener, on 127.0.0.1.
    ///
    /// # Panics
    /// The broker has none.
    pub fn tls_port(&self) -> u16 {
        assert!(self.options.tls.is_some(), "the broker was started without TLS");
        self.tls_port
    }

    /// The plain listener as an address without a topic: `mqtt://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Has the broker save all it holds, and waits until it has.
    pub fn save(&self) {
        let file = self.process.dir().join("mosquitto.db");
        // It writes another file and renames it.
        let version = || std::fs::metadata(&file).ok().map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec()));
        let before = version();
        self.process.signal(Signal::USR1);
        wait_for("mosquitto has saved", || version().is_some_and(|now| Some(now) != before));
    }

    /// A command of the package mosquitto-clients (`mosquitto_pub`, `mosquitto_sub`, `mosquitto_rr`) with address and login filled in.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(find(program, PACKAGE, &[]));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some((user, password)) = self.options.users.first() {
            command.args(["-u", user, "-P", password]);
        }
        command
    }

    /// Publishes one message and waits for its acknowledgement (if `qos` is not 0).
    ///
    /// # Panics
    /// It cannot be published.
    pub fn publish(&self, topic: &str, qos: u8, payload: impl AsRef<[u8]>) {
        self.publish_with(topic, &["-q", &qos.to_string()], payload);
    }

    /// Publishes with these further arguments of mosquitto_pub, such as `-V 5 -D publish user-property a b -r`; the payload is its
    /// standard input.
    ///
    /// # Panics
    /// It cannot be published.
    pub fn publish_with(&self, topic: &str, args: &[&str], payload: impl AsRef<[u8]>) {
        let mut command = self.client("mosquitto_pub");
        // It refuses an empty standard input.
        let from = if payload.as_ref().is_empty() { "-n" } else { "-s" };
        command.args(["-t", topic, from]).args(args);
        run(&mut command, payload.as_ref());
    }

    /// Publishes each line as a message, on one connection, and waits until the last is acknowledged (if `qos` is not 0).
    ///
    /// # Panics
    /// They cannot be published.
    pub fn publish_lines<L: AsRef<str>>(&self, topic: &str, qos: u8, lines: impl IntoIterator<Item = L>) {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_ref());
            text.push('\n');
        }
        let mut command = self.client("mosquitto_pub");
        command.args(["-t", topic, "-q", &qos.to_string(), "-l"]);
        run(&mut command, text.as_bytes());
    }

    /// A client that subscribes and collects lines until it is dropped. Subscribed when this returns.
    ///
    /// # Panics
    /// It cannot subscribe.
    pub fn subscribe(&self, filter: &str, qos: u8) -> Subscriber {
        self.subscribe_with(filter, qos, &[])
    }

    /// The same with further arguments of mosquitto_sub, such as `-V 5 -F "%t %p"`.
    ///
    /// # Panics
    /// It cannot subscribe.
    pub fn subscribe_with(&self, filter: &str, qos: u8, args: &[&str]) -> Subscriber {
        let id = format!("testkit-{:08x}", fastrand::u32(..));
        let mut command = self.client("mosquitto_sub");
        command.args(["-t", filter, "-q", &qos.to_string(), "-i", &id]).args(args);
        let subscriber = Subscriber::start(command);
        wait_for("the broker's log names the subscription", || self.log().contains(&format!(": {id} {qos} {filter}")));
        subscriber
    }

    /// Leaves a durable QoS 1 subscription of this client id behind: the broker queues for it from now on.
    ///
    /// # Panics
    /// It cannot subscribe.
    pub fn keep(&self, id: &str, filter: &str) {
        run(self.client("mosquitto_sub").args(["-i", id, "-c", "-q", "1", "-t", filter, "-E"]), b"");
    }

    /// Takes up a subscription of [`keep`](Self::keep) and returns its next messages, one line each, as soon as there are `count`.
    ///
    /// # Panics
    /// There are fewer within 10 s.
    pub fn resume_keeping(&self, id: &str, filter: &str, count: usize) -> Vec<String> {
        let count = count.to_string();
        let mut command = self.client("mosquitto_sub");
        command.args(["-i", id, "-c", "-q", "1", "-t", filter, "-C", &count, "-W", "10"]);
        run(&mut command, b"").lines().map(str::to_owned).collect()
    }
}
