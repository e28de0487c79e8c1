//! A relay in a process of its own: this program again, with other arguments.

use crate::bare::Drained;
use lorry_testkit::servers::Process;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `relay SOURCE SINK COUNT NAME`: until COUNT messages are delivered (0: until killed), under a name unless that is `-`.
/// Prints the CPU seconds that it used, and the seconds from its start until the last message was delivered and until it had ended: then
/// the broker has taken all acknowledgements, for it closes the connection after the last of them.
pub(crate) fn relay(args: &[String]) {
    let [source, sink, count, name] = args else { panic!("relay SOURCE SINK COUNT NAME") };
    let began = Instant::now();
    let (delivered, ended) = crate::tools::runtime().block_on(async {
        let mut relay = lorry::registry_with_defaults().relay(source, sink).unwrap();
        let count = count.parse::<u64>().unwrap();
        if count > 0 {
            relay = relay.count(count);
        }
        if name != "-" {
            relay = relay.name(Arc::<str>::from(name.as_str()));
        }
        let running = relay.spawn();
        let monitor = running.monitor();
        let delivered = tokio::spawn(async move {
            while count > 0 && monitor.snapshot().counts.delivered < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            began.elapsed()
        });
        let report = running.wait().await;
        if let Some(error) = report.error {
            panic!("{error}");
        }
        let ended = began.elapsed();
        (delivered.await.unwrap(), ended)
    });
    println!("{} {} {}", cpu("self"), delivered.as_secs_f64(), ended.as_secs_f64());
}

/// CPU seconds that a process has used, by /proc (in ticks of 10 ms).
pub(crate) fn cpu(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// CPU seconds that a server and its children have used, those that have ended included.
pub(crate) fn cpu_of_server(server: &Process) -> f64 {
    let pid = server.pid().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = std::iter::once(pid.to_string()).chain(children.split_whitespace().map(str::to_owned));
    let stats = pids.filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    // utime, stime and those of the children that were waited for.
    let ticks = stats.map(|stat| {
        let after = stat.rsplit(')').next().unwrap_or_default();
        after.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
    });
    ticks.sum::<f64>() / 100.0
}

pub(crate) struct Relay(Child);

impl Relay {
    pub(crate) fn start(source: &str, sink: &str, count: usize, name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["relay", source, sink, &count.to_string(), name]).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Waits for its end; the CPU seconds that it used.
    pub(crate) fn wait(self) -> f64 {
        self.drained().0
    }

    /// Waits for its end; the CPU seconds that it used, and how long it took.
    pub(crate) fn drained(mut self) -> (f64, Drained) {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.0.wait().unwrap().success(), "the relay failed");
        let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        let [cpu, there, gone] = figures[..] else { panic!("the relay printed {text:?}") };
        (cpu, Drained { there: Duration::from_secs_f64(there), gone: Duration::from_secs_f64(gone) })
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(crate) fn cpu(&self) -> f64 {
        cpu(&self.0.id().to_string())
    }

    /// Resident memory in MB (10^6 bytes).
    pub(crate) fn rss(&self) -> f64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.0.id())).unwrap_or_default();
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or_default() * 4096.0 / 1e6
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}
