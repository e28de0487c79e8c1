//! Programs that a launcher calls: found or a panic that says what to install, run to their end or a panic that shows their output.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A program, looked for in `PATH`, the folders of servers and `more`.
pub(crate) fn find(program: &str, package: &str, more: &[PathBuf]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = more.iter().cloned().chain(dirs).map(|dir| dir.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "this test needs {program}, which is not installed: run scripts/test, or: sudo apt-get install {package}"
        )
    })
}

/// Runs a program to its end with this standard input.
pub(crate) fn output(command: &mut Command, stdin: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", shown(command)));
    let mut pipe = child.stdin.take();
    std::thread::scope(|scope| {
        // A thread of its own, as the program may write before it has read everything.
        scope.spawn(move || {
            if let Some(pipe) = &mut pipe {
                // It need not read all of it.
                let _ = pipe.write_all(stdin);
            }
        });
        child.wait_with_output().unwrap_or_else(|error| panic!("cannot wait for a child: {error}"))
    })
}

/// Runs a program to its end; what it printed. Anything but success is a panic.
pub(crate) fn run(command: &mut Command, stdin: &[u8]) -> String {
    let output = output(command, stdin);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        panic!("{} failed ({}): {}{text}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    }
    text
}

fn shown(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned()
}
