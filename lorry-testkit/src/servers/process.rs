//! A server as a child process: started as its own user, stopped, killed with all its descendants, paused.

use super::reaper::Reaper;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The process of a server, to be ended, killed, paused and started again. Every launcher hands it out as what it derefs to.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    dir: PathBuf,
    owner: Option<(u32, u32)>,
    graceful: Signal,
    /// What a line of its log contains once it is up.
    ready: &'static str,
    program: PathBuf,
    args: Vec<String>,
    child: Option<Child>,
    paused: bool,
    _reaper: Reaper,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Process {
    /// Makes a short folder in /tmp (a socket's path has 107 bytes) that the server's own user may enter.
    pub(crate) fn new(name: &'static str, program: PathBuf, user: &str, graceful: Signal, ready: &'static str) -> Self {
        let dir = loop {
            let dir = PathBuf::from(format!("/tmp/lorry-{:08x}", fastrand::u32(..)));
            match fs::create_dir(&dir) {
                Ok(()) => break dir,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make {}: {error}", dir.display()),
            }
        };
        let reaper = Reaper::of(&dir);
        let owner = geteuid().is_root().then(|| ids_of(user)).flatten();
        let (args, child) = (Vec::new(), None);
        let process = Self { name, dir, owner, graceful, ready, program, args, child, paused: false, _reaper: reaper };
        must("chmod", fs::set_permissions(&process.dir, fs::Permissions::from_mode(0o711)));
        process.give(&process.dir);
        process
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file it logs to.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// What it has logged so far, over all restarts.
    pub fn log(&self) -> String {
        self.log_from(0)
    }

    fn log_from(&self, start: usize) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
    }

    /// Writes a file that only the server (and root) can read.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.join(name);
        must("write", fs::write(&path, text));
        must("chmod", fs::set_permissions(&path, fs::Permissions::from_mode(0o600)));
        self.give(&path);
        path
    }

    /// Makes a file or folder the server's own.
    pub(crate) fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.owner {
            must("chown", chown(path, Some(uid), Some(gid)));
        }
    }

    /// A command that runs in the server's folder as the server's user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir).stdin(Stdio::null());
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts the server on one free port after the other, until it gets one that no other test has taken meanwhile. The function makes
    /// its arguments.
    pub(crate) fn start(&mut self, mut args: impl FnMut(&Self) -> Vec<String>) {
        for _ in 0..5 {
            self.args = args(self);
            match self.spawn() {
                Ok(()) => return,
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("{} did not start:\n{log}", self.name),
            }
        }
        panic!("{} found no free port", self.name)
    }

    /// Starts it and waits until it is ready. `Err` has the log of a server that ended instead.
    fn spawn(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let seen = fs::metadata(self.log_file()).map_or(0, |meta| meta.len() as usize);
        let log = must("open the log", File::options().create(true).append(true).open(self.log_file()));
        let log2 = must("open the log", log.try_clone());
        let mut command = self.command(&self.program);
        let child = command.args(&self.args).stdout(log).stderr(log2).process_group(0).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name)));
        self.paused = false;
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.log_from(seen);
            if log.contains(self.ready) {
                return Ok(());
            }
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended {
                self.child = None;
                return Err(self.log_from(seen));
            }
            assert!(Instant::now() < until, "{} did not become ready; its log:\n{log}", self.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The main process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            send(pid, signal);
        }
    }

    /// Kills it and all its descendants (SIGKILL), as a power cut would, and waits until they are gone. See [`restart`](Self::restart).
    pub fn kill9(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It must not fork between our look at /proc and the kill.
        send(child.id(), Signal::STOP);
        let all = descendants(child.id());
        all.iter().for_each(|&pid| send(pid, Signal::KILL));
        // A zombie keeps its pid, and PostgreSQL looks whether the pid in its lock file exists.
        must("wait", child.wait());
        wait_for("the killed processes are gone", || all.iter().all(|&pid| is_gone(pid)));
    }

    /// Starts it again on the same ports and data; a running one is stopped first.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.spawn().unwrap_or_else(|log| panic!("{} did not start again:\n{log}", self.name));
    }

    /// Ends it gracefully, so that it saves what it has and its clients are disconnected; if that takes longer than 10 s, it is killed.
    pub fn stop(&mut self) {
        self.resume();
        self.signal(self.graceful);
        let until = Instant::now() + Duration::from_secs(10);
        while let Some(child) = &mut self.child {
            if !matches!(child.try_wait(), Ok(None)) {
                self.child = None;
            } else if Instant::now() > until {
                self.kill9();
            } else {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Stops all its processes in their tracks (SIGSTOP): connections are still accepted by the kernel, and nothing answers.
    pub fn pause(&mut self) {
        let Some(pid) = self.pid() else { return };
        send(pid, Signal::STOP);
        descendants(pid).into_iter().for_each(|pid| send(pid, Signal::STOP));
        self.paused = true;
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        if !std::mem::take(&mut self.paused) {
            return;
        }
        let Some(pid) = self.pid() else { return };
        descendants(pid).into_iter().rev().for_each(|pid| send(pid, Signal::CONT));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!("--- the last lines of {}'s log", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Waits for a condition of the machine, for a minute at most.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited a minute in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn must<T>(what: &str, result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("cannot {what}: {error}"))
}

/// A process that has gone meanwhile is no error.
fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// User and group numbers of a user of this machine.
fn ids_of(user: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields =
        passwd.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(user))?.skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Some container inits never reap orphans: a zombie counts as gone.
fn is_gone(pid: u32) -> bool {
    stat(pid).is_none_or(|(state, _)| matches!(state, 'Z' | 'X'))
}

/// This process and all that descend from it, ancestors first.
fn descendants(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some((_, parent)) = stat(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(parent) = all.get(at) {
        all.extend(children.remove(parent).unwrap_or_default());
        at += 1;
    }
    all
}
