//! The program: how it is started, and how it is brought to an end.

use lorry_core::{Class, Error, ErrorKind, Result};
use std::fmt;
use std::io;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a program is looked at that is about to end.
const LOOK: Duration = Duration::from_millis(10);

/// A program and its arguments. No shell is involved. `Debug` shows the program alone: arguments may hold secrets.
///
/// ```
/// use lorry_net::exec::CommandLine;
///
/// let command = CommandLine::parse("grep -e 'two words' in.txt")?;
/// assert_eq!(command.program(), "grep");
/// assert!(CommandLine::parse("grep 'unbalanced").is_err());
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone)]
pub struct CommandLine {
    program: String,
    arguments: Vec<String>,
}

impl CommandLine {
    /// Splits words as a shell does: at blanks, with quotes and backslashes. A word that begins with `#` begins a comment.
    ///
    /// # Errors
    /// [`Usage`](ErrorKind::Usage): no word at all, or a quote without its end.
    pub fn parse(text: &str) -> Result<Self> {
        let words = shlex::split(text).ok_or_else(|| {
            Error::usage("a quote in the command has no end").hint("quote as in a shell: exec:grep -e 'two words'")
        })?;
        let mut words = words.into_iter();
        match words.next().filter(|program| !program.is_empty()) {
            Some(program) => Ok(Self { program, arguments: words.collect() }),
            None => Err(Error::usage("exec needs a command").hint("write exec:COMMAND WORDS")),
        }
    }

    /// A program with these arguments, taken as they are.
    pub fn new(program: impl Into<String>, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The program's name.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Starts it with its output in our hands.
    pub(super) fn spawn_reading(&self) -> Result<(Program, ChildStdout)> {
        let mut child = self.spawn(Stdio::null(), Stdio::piped())?;
        let stdout = child.stdout.take().ok_or_else(|| self.trouble(io::ErrorKind::Other.into()))?;
        Ok((Program::new(&self.program, child), stdout))
    }

    /// Starts it with its input in our hands.
    pub(super) fn spawn_writing(&self) -> Result<(Program, ChildStdin)> {
        let mut child = self.spawn(Stdio::piped(), Stdio::inherit())?;
        let stdin = child.stdin.take().ok_or_else(|| self.trouble(io::ErrorKind::Other.into()))?;
        Ok((Program::new(&self.program, child), stdin))
    }

    fn spawn(&self, stdin: Stdio, stdout: Stdio) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(stdin).stdout(stdout).stderr(Stdio::inherit());
        // A group of its own: Ctrl-C at the terminal is for the relay, which then ends the program when all is delivered. And what
        // the program has started ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map_err(|error| self.trouble(error))
    }

    fn trouble(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => {
                Error::config(ErrorKind::NotFound, "run a program", format!("{:?} was not found", self.program))
                    .hint("no shell is involved: for pipes and variables write exec:sh -c '…'")
            }
            _ => crate::error::io_error("run a program", error).with("program", &self.program).classed(Class::Config),
        }
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLine({:?}, {} arguments)", self.program, self.arguments.len())
    }
}

/// A running program. Dropping it kills it, with all that it has started.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    child: Mutex<Child>,
}

#[derive(Clone, Copy)]
enum Signal {
    #[cfg(unix)]
    Terminate,
    Kill,
}

impl Program {
    fn new(name: &str, child: Child) -> Self {
        Self { name: name.to_owned(), child: Mutex::new(child) }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it has ended, if it has.
    fn status(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// How it ends. Cancel-safe.
    pub(super) async fn ended(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.status() {
                return status;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How it has ended, if it does so within this time. Blocks.
    pub(super) fn ended_within(&self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        loop {
            match self.status() {
                None if Instant::now() < until => std::thread::sleep(LOOK),
                status => return status,
            }
        }
    }

    /// Gives it this long to end by itself. Whether it did, and how.
    pub(super) async fn end_by_itself(&self, grace: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(grace, self.ended()).await.ok()
    }

    /// Asks it to end, and kills it when it has not done so within this time.
    pub(super) async fn terminate(&self, grace: Duration) {
        #[cfg(unix)]
        {
            self.signal(Signal::Terminate);
            if self.end_by_itself(grace).await.is_some() {
                return;
            }
            tracing::warn!(program = %self.name, "does not end when asked to; killing it");
        }
        #[cfg(not(unix))]
        let _ = grace;
        self.kill();
    }

    /// Kills it at once, with all that it has started.
    pub(super) fn kill(&self) {
        self.signal(Signal::Kill);
    }

    /// The error when it has ended with anything but success; of kind `Closed`, so that it is final.
    pub(super) fn failure(&self, status: ExitStatus) -> Option<Error> {
        let failed =
            || Error::config(ErrorKind::Closed, "run a program", format!("{:?} ended with {status}", self.name));
        (!status.success()).then(failed)
    }

    fn signal(&self, signal: Signal) {
        let mut child = self.child();
        // While it is not waited for its number cannot become somebody else's.
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal as Posix, kill_process_group};
            let posix = match signal {
                Signal::Terminate => Posix::TERM,
                Signal::Kill => Posix::KILL,
            };
            if let Err(error) = kill_process_group(Pid::from_child(&child), posix) {
                tracing::debug!(program = %self.name, "cannot be signalled: {error}");
            }
        }
        if let Signal::Kill = signal {
            // After this signal the wait is short.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
