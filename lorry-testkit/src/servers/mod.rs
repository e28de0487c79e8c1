//! Real servers for tests: private, on loopback ports of their own, with data that is thrown away.
//!
//! Each server is a direct child of the test, runs in a process group of its own and, where the tests run as root, as the server's
//! own user. Dropping it ends it and removes its data; if the test process itself is killed, a small shell process does that.
//! A server that is not installed is a panic that says what to install, so that a test can never pass by skipping.
//!
//! The launchers need Linux (`/proc`). They block for as long as a server takes to start, some 0.05 s for mosquitto, 1 s for PostgreSQL.
//!
//! ```no_run
//! use lorry_testkit::servers::{Mosquitto, MosquittoOptions};
//!
//! let mut broker = Mosquitto::start(MosquittoOptions::default());
//! broker.keep("lorry-test", "a/#");
//! broker.publish_lines("a/b", 1, ["1", "2", "3"]);
//! broker.save();
//! broker.kill9();
//! broker.restart();
//! assert_eq!(broker.resume_keeping("lorry-test", "a/#", 3), ["1", "2", "3"]);
//! ```

mod certs;
mod command;
mod mosquitto;
mod port;
mod postgres;
mod process;
mod reaper;
mod subscriber;

pub use certs::Certs;
pub use mosquitto::{Mosquitto, MosquittoOptions};
pub use port::free_port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::Process;
pub use subscriber::Subscriber;
