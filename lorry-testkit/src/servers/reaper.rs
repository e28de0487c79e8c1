//! Cleans up when the test process was killed and could not do it itself.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell process that reads a pipe. A line from us: all is well, it ends. End-of-file without a line: we were killed, so it ends
/// what still works in the folder, gracefully first (a killed PostgreSQL leaves shared memory behind), and removes the folder.
///
/// (The kernel's own way, `PR_SET_PDEATHSIG`, fires when the *thread* that started the child ends, and each test has its thread.)
#[derive(Debug)]
pub(crate) struct Reaper(Child);

const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r line && exit 0
for signal in INT KILL KILL KILL KILL; do
    for process in /proc/[0-9]*; do
        at=$(readlink "$process/cwd" 2>/dev/null) || continue
        case $at in "$1"|"$1"/*) kill -s $signal "${process#/proc/}" 2>/dev/null;; esac
    done
    sleep 0.5
done
rm -rf "$1"
"#;

impl Reaper {
    /// Guards a folder, in which (or below which) all processes to be killed have their working directory.
    pub(crate) fn of(dir: &Path) -> Self {
        use std::os::unix::process::CommandExt;
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot run /bin/sh: {error}")))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.0.wait();
    }
}
