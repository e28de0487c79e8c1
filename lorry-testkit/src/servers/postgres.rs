//! PostgreSQL.

use super::certs::Certs;
use super::command::{find, output, run};
use super::port::free_port;
use super::process::Process;
use rustix::process::Signal;
use std::ops::{Deref, DerefMut};
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

    fn args(&self, port: u16) -> Vec<String> {
        let mut args = ["-D", "data", "-p", &port.to_string()].map(str::to_owned).to_vec();
        let mut set = |name: &str, value: &str| args.extend(["-c".to_owned(), format!("{name}={value}")]);
        set("listen_addresses", "127.0.0.1");
        set("unix_socket_directories", "");
        set("shared_buffers", "32MB");
        if self.tls.is_some() {
            set("ssl", "on");
            set("ssl_cert_file", "../server.pem");
            set("ssl_key_file", "../server.key");
        }
        self.settings.iter().for_each(|(name, value)| set(name, value));
        args
    }
}

/// A running server; its [process](Process) is what it derefs to. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    options: PostgresOptions,
    port: u16,
}

const PACKAGE: &str = "postgresql";
const READY: &str = "ready to accept connections";

impl Deref for Postgres {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Postgres {
    /// Makes a database cluster, starts a server on it and waits until it accepts connections.
    ///
    /// # Panics
    /// PostgreSQL is not installed (the message says what to do) or does not start.
    pub fn start(options: PostgresOptions) -> Self {
        let dirs = program_dirs();
        let (program, initdb) = (find("postgres", PACKAGE, &dirs), find("initdb", PACKAGE, &dirs));
        let mut process = Process::new("PostgreSQL", program, "postgres", Signal::INT, READY);
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
        let mut port = 0;
        process.start(|_| {
            port = free_port();
            options.args(port)
        });
        Self { process, options, port }
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
