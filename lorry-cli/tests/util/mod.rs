//! Runs the built program, each test in a folder of its own.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, unreachable_pub)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that goes away with the value.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path as text, for an address.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts `lorry` in this folder, which is its home, too.
    pub fn start<S: AsRef<str>>(&self, args: &[S]) -> Run {
        Run::start(&self.0, args)
    }

    /// Runs `lorry` in this folder without input, to its end.
    pub fn run<S: AsRef<str>>(&self, args: &[S]) -> Ran {
        self.start(args).end()
    }

    /// The same with this input.
    pub fn feed<S: AsRef<str>>(&self, args: &[S], input: &str) -> Ran {
        let mut run = self.start(args);
        run.write(input);
        run.end()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `lorry`, which is killed if the test gives up on it.
pub struct Run {
    child: Child,
    out: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<Vec<u8>>>,
    shown: String,
}

/// How a `lorry` ended.
#[derive(Debug)]
pub struct Ran {
    pub shown: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    fn start<S: AsRef<str>>(dir: &Path, args: &[S]) -> Self {
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lorry"))
            .args(&args)
            .current_dir(dir)
            .env("HOME", dir)
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().map(drain);
        let err = child.stderr.take().map(drain);
        Self { child, out, err, shown: format!("lorry {}", args.join(" ")) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its stdin, which stays open.
    pub fn write(&mut self, text: &str) {
        // A program that refused its arguments has closed it.
        let _ = self.child.stdin.as_mut().unwrap().write_all(text.as_bytes());
    }

    /// Sends a signal by name: `INT`, `TERM`, `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name}: {}", self.shown);
    }

    /// Waits until this holds, while the program runs.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            if let Some(status) = self.child.try_wait().unwrap() {
                let err = self.err.take().map(text).unwrap_or_default();
                panic!("{}: ended ({status}) before {what}: {err}", self.shown);
            }
            assert!(Instant::now() < end, "{}: not within {PATIENCE:?}: {what}", self.shown);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end by itself; stdin stays open.
    pub fn wait(mut self) -> Ran {
        let status = self.status();
        self.ran(status)
    }

    /// Closes stdin and waits for the end.
    pub fn end(mut self) -> Ran {
        drop(self.child.stdin.take());
        self.wait()
    }

    fn status(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                panic!(
                    "{}: still running after {PATIENCE:?}: {}",
                    self.shown,
                    self.err.take().map(text).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ran(mut self, status: ExitStatus) -> Ran {
        let (out, err) = (self.out.take().map(text).unwrap_or_default(), self.err.take().map(text).unwrap_or_default());
        Ran { shown: self.shown.clone(), code: status.code(), out, err }.sane()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    /// What holds for every run there is.
    fn sane(self) -> Self {
        assert_ne!(self.code, Some(101), "{self:?}");
        assert!(!self.err.contains("internal error") && !self.err.contains("panicked"), "{self:?}");
        assert!(!self.err.contains('\x1b'), "escape sequences on a piped stderr: {self:?}");
        assert!(!self.out.contains("hunter2") && !self.err.contains("hunter2"), "a password: {self:?}");
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// stderr contains this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "does not say {text:?}: {self:#?}");
        self
    }

    /// A wrong request, refused as all are: exit 2, one line that begins with `error: ` and contains this, nothing on stdout.
    #[track_caller]
    pub fn refused(self, says: &str) -> Self {
        let ran = self.exits(2).says(says);
        assert!(ran.err.starts_with("error: ") && ran.err.lines().count() == 1, "not one line: {ran:#?}");
        assert_eq!(ran.out, "", "{ran:#?}");
        ran
    }
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap()).into_owned()
}
