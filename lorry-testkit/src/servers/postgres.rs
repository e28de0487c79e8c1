//! PostgreSQL.

use super::certs::Certs;
use super::command::{find, output, run};
use super::port::free_port;
use super::process::Process;
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::Command;

/// How the server is to be. By default it trusts everybody, and is as durable as in production.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    password: Option<String>,
    tls: Option<Certs>,
    settings: Vec<(String, String)>,
}

impl PostgresOptions {
    /// The password of user `postgres`; without one, any is accepted.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Accepts TLS (beside plain connections).
    #[must_use]
    pub fn tls(mut self, certs: Certs) -> Self {
        self.tls = Some(certs);
        self
    }

    /// A server setting, such as `max_connections` = `10`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without durability, for measuring other things than the disk.
    #[must_use]
    pub fn without_fsync(self) -> Self {
        self.setting("fsync", "off").setting("synchronous_commit", "off").setting("full_page_writes", "off")
    }
}

/// A running server. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    options: PostgresOptions,
    port: u16,
    program: PathBuf,
}

const PACKAGE: &str = "postgresql";
const READY: &str = "ready to accept connections";

impl Postgres {
    /// Makes a database cluster, starts a server on it and waits until it accepts connections.
    ///
    /// # Panics
    /// PostgreSQL is not installed (the message says what to do) or does not start.
    pub fn start(options: PostgresOptions) -> Self {
        let dirs = program_dirs();
        let (program, initdb) = (find("postgres", PACKAGE, &dirs), find("initdb", PACKAGE, &dirs));
        let process = Process::new("postgres", "postgres", Signal::INT);
        let mut command = process.command(&initdb);
        command.args(["-D", "data", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        match &options.password {
            None => command.args(["-A", "trust"]),
            Some(password) => {
                command.args(["-A", "scram-sha-256", "--pwfile"]).arg(process.write("password", password))
            }
        };
        run(&mut command, b"");
        if let Some(certs) = &options.tls {
            process.write("server.pem", &certs.server);
            process.write("server.key", &certs.server_key);
        }
        let mut server = Self { process, options, port: 0, program };
        for _ in 0..5 {
            server.port = free_port();
            match server.spawn() {
                Ok(()) => return server,
                // Another test was faster to take the port.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("PostgreSQL did not start:\n{log}"),
            }
        }
        panic!("PostgreSQL found no free port")
    }

    fn spawn(&mut self) -> Result<(), String> {
        let mut command = self.process.command(&self.program);
        command.args(["-D", "data", "-p", &self.port.to_string()]);
        let mut set = |name: &str, value: &str| _ = command.args(["-c", &format!("{name}={value}")]);
        set("listen_addresses", "127.0.0.1");
        set("unix_socket_directories", "");
        set("shared_buffers", "32MB");
        if self.options.tls.is_some() {
            set("ssl", "on");
            set("ssl_cert_file", "../server.pem");
            set("ssl_key_file", "../server.key");
        }
        self.options.settings.iter().for_each(|(name, value)| set(name, value));
        self.process.spawn(&mut command, READY)
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database `postgres` as its owner: `postgresql://postgres@127.0.0.1:PORT/postgres`, with the password if there is one.
    pub fn url(&self) -> String {
        let password = self.options.password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        format!("postgresql://postgres{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// The main process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// What the server has logged so far, over all restarts.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The file it logs to.
    pub fn log_file(&self) -> PathBuf {
        self.process.log_file()
    }

    /// Kills all its processes (SIGKILL). See [`restart`](Self::restart).
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Ends it ("fast": clients are disconnected).
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts it again on the same port and data; a running one is stopped first.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.process.stop();
        self.spawn().unwrap_or_else(|log| panic!("PostgreSQL did not start again:\n{log}"));
    }

    /// Stops all its processes in their tracks (SIGSTOP): connections are still accepted by the kernel, and nothing answers.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// psql with address and login filled in: no start-up file, bare values separated by `|`, stops at the first error.
    pub fn client(&self) -> Command {
        let mut command = Command::new(find("psql", PACKAGE, &program_dirs()));
        command.args([
            "-X",
            "-At",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-d",
            "postgres",
        ]);
        command.args(["-p", &self.port.to_string()]);
        // What the environment says about other servers is not meant for this one.
        for name in ["PGOPTIONS", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT", "PGTARGETSESSIONATTRS", "PGCLIENTENCODING"]
        {
            command.env_remove(name);
        }
        command.env("PGPASSWORD", self.options.password.as_deref().unwrap_or_default());
        command
    }

    /// Runs SQL; the rows, one a line, columns separated by `|`.
    ///
    /// # Panics
    /// The SQL fails.
    pub fn psql(&self, sql: &str) -> String {
        run(&mut self.client(), sql.as_bytes()).trim_end_matches('\n').to_owned()
    }

    /// Runs SQL that may fail, such as a query of a table that does not exist yet.
    ///
    /// # Errors
    /// What psql said.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        let output = output(&mut self.client(), sql.as_bytes());
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A killed server leaves its System V shared memory behind: key and number are in the seventh line of its lock file.
        if self.process.pid().is_some() {
            return;
        }
        let lock = std::fs::read_to_string(self.process.dir().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(id) = lock.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            let _ = Command::new("ipcrm").args(["-m", id]).output();
        }
    }
}

/// Debian keeps the server's programs off the PATH, by version; newest first.
fn program_dirs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))).collect()
}
