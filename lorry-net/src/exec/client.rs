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
        // the program has started can be ended, too, even when the program itself has gone.
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

/// A running program and all that it has started. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    group: Mutex<Group>,
}

/// The program's process group, of which it is the first.
#[derive(Debug)]
struct Group {
    child: Child,
    /// How the program has ended, once it was waited for. Till then its number, which is the group's, cannot become somebody else's.
    waited: Option<ExitStatus>,
    /// Nobody is left.
    over: bool,
}

#[derive(Clone, Copy)]
enum Signal {
    #[cfg(unix)]
    Terminate,
    Kill,
}

impl Program {
    fn new(name: &str, child: Child) -> Self {
        Self { name: name.to_owned(), group: Mutex::new(Group { child, waited: None, over: false }) }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it has ended, if it has.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.group().status()
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

    /// Gives it and all that it has started this long to end by themselves. Whether they did. What follows is to end them: after this
    /// only those that are left keep the group's number from becoming somebody else's.
    pub(super) async fn is_over_within(&self, grace: Duration) -> bool {
        let over = async {
            while !self.group().is_over() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(grace, over).await.is_ok()
    }

    /// Asks all to end, and kills those that have not done so within this time.
    pub(super) async fn terminate(&self, grace: Duration) {
        #[cfg(unix)]
        {
            self.signal(Signal::Terminate);
            if self.is_over_within(grace).await {
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
        let mut group = self.group();
        if group.over {
            return;
        }
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal as Posix, kill_process_group};
            let posix = match signal {
                Signal::Terminate => Posix::TERM,
                Signal::Kill => Posix::KILL,
            };
            if let Err(error) = kill_process_group(Pid::from_child(&group.child), posix) {
                tracing::debug!(program = %self.name, "cannot be signalled: {error}");
            }
        }
        if let Signal::Kill = signal {
            group.over = true;
            // After this signal the wait is short. One that we may not kill (it has become another user's) is not waited for.
            if group.waited.is_none() && group.child.kill().is_ok() {
                group.waited = group.child.wait().ok();
            }
        }
    }

    fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// How the program has ended, without waiting for it: what it has started may have to be signalled later.
    #[cfg(unix)]
    fn status(&self) -> Option<ExitStatus> {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        use std::os::unix::process::ExitStatusExt;
        if self.waited.is_some() {
            return self.waited;
        }
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(Pid::from_child(&self.child)), look).ok().flatten()?;
        let code = ended.exit_status().map(|code| (code & 0xff) << 8);
        let signal = ended.terminating_signal().map(|signal| signal | if ended.dumped() { 0x80 } else { 0 });
        code.or(signal).map(ExitStatus::from_raw)
    }

    #[cfg(not(unix))]
    fn status(&mut self) -> Option<ExitStatus> {
        self.waited = self.child.try_wait().ok().flatten();
        self.waited
    }

    /// Whether the program and all that it has started have ended.
    fn is_over(&mut self) -> bool {
        if self.waited.is_none() {
            self.waited = self.child.try_wait().ok().flatten();
        }
        if self.waited.is_some() && !self.over {
            self.over = !self.anybody_left();
        }
        self.over
    }

    #[cfg(unix)]
    fn anybody_left(&self) -> bool {
        use rustix::process::{Pid, test_kill_process_group};
        test_kill_process_group(Pid::from_child(&self.child)) != Err(rustix::io::Errno::SRCH)
    }

    #[cfg(not(unix))]
    fn anybody_left(&self) -> bool {
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
