//! What every connector must do, as tests that any connector can run.
//!
//! A connector's test implements [`SourceHarness`] or [`SinkHarness`] (how to make the element, how to feed or read its peer without
//! Lorry, how to break the peer), and calls [`source`] or [`sink`]. Which cases apply follows from what the element says of itself
//! ([`SourceInfo`](lorry_core::relay::SourceInfo), [`SinkInfo`](lorry_core::relay::SinkInfo)). One that cannot be had where the
//! connector lives (a file has no peer that could be away) the harness [exempts](Harness::exempt) with a reason; what it neither
//! provides nor exempts fails. The [`Summary`] names what was left out, and why, and so does standard error.
//!
//! A typed sink takes part through [`Typed`].

mod case;
mod options;
mod sink;
mod source;
mod typed;

use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_core::relay::Identity;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

pub use case::Case;
pub use sink::{SinkHarness, sink};
pub use source::{SourceHarness, source};
pub use typed::Typed;

/// What a harness says about either kind of element.
#[lorry_core::async_trait]
pub trait Harness: Send {
    /// A registry that knows the connector. One that knows nothing will do for an element that has no address.
    fn registry(&self) -> Registry;

    /// Why this case cannot apply to the connector, in words for whoever reads the test's output. By default every case applies, save
    /// those that the element's own description rules out.
    fn exempt(&self, _case: Case) -> Option<&'static str> {
        None
    }

    /// A new, empty origin or destination (a topic, a table, a file), as an address for the registry. Called once per case.
    async fn fresh(&mut self) -> String;

    /// Messages to send there and back, with all the metadata that the connector is to carry. All payloads differ.
    fn samples(&self) -> Vec<Message>;

    /// Message number `n` of many: small, its payload unlike that of any other number, in the form that the peer takes.
    fn numbered(&self, n: usize) -> Message {
        Message::new(format!("message {n:06}"))
    }

    /// The part of a message that must be the same after the way; by default all but event time and properties.
    fn view(&self, message: &Message) -> Message {
        let mut view = Message { timestamp: None, meta: None, ..message.clone() };
        for (name, value) in message.headers().iter() {
            view = view.header(name, value.clone());
        }
        view
    }

    /// Kills the peer, or cuts the way to it.
    async fn break_peer(&mut self) {
        panic!("the harness can neither break the connector's peer nor does it exempt the cases that do")
    }

    /// Ends what [`break_peer`](Self::break_peer) began, with the peer's data as they were.
    async fn restore_peer(&mut self) {}

    /// The same address with this password for a login.
    fn with_password(&self, _address: &str, _password: &str) -> String {
        panic!("the harness neither knows how an address has a password nor exempts {:?}", Case::Passwords)
    }

    /// Addresses that must be refused before anything is opened, each with a text that the error must contain.
    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        panic!("the harness neither names bad addresses nor exempts {:?}", Case::BadAddresses)
    }

    /// Who the relay is. By default it has a name, so that the connector gives its best guarantee.
    fn identity(&self) -> Identity {
        Identity { name: Some("conformance".into()), instance: None }
    }
}

/// The cases that ran, and those that did not apply.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Cases that ran (and passed).
    pub ran: Vec<Case>,
    /// Cases left out, each with the reason.
    pub left_out: Vec<(Case, &'static str)>,
}

impl Summary {
    fn leave_out(&mut self, case: Case, why: &'static str) {
        eprintln!("conformance: left out: {case}, since {why}");
        self.left_out.push((case, why));
    }

    /// Whether a case is to run; one that is exempt is noted as such.
    fn applies<H: Harness + ?Sized>(&mut self, harness: &H, case: Case) -> bool {
        match harness.exempt(case) {
            Some(why) => {
                self.leave_out(case, why);
                false
            }
            None => true,
        }
    }

    /// Runs one case; a failure names it.
    async fn run(&mut self, case: Case, test: impl Future<Output = ()>) {
        use futures_util::FutureExt;
        eprintln!("conformance: {case}");
        let limit = Duration::from_secs(60);
        match tokio::time::timeout(limit, AssertUnwindSafe(test).catch_unwind()).await {
            Ok(Ok(())) => self.ran.push(case),
            Ok(Err(panic)) => {
                eprintln!("conformance: the case {case:?} failed");
                std::panic::resume_unwind(panic);
            }
            Err(_) => panic!("conformance: the case {case:?} did not end within {limit:?}"),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ran: Vec<_> = self.ran.iter().map(Case::to_string).collect();
        write!(f, "{} cases ran: {}", ran.len(), ran.join(", "))?;
        self.left_out.iter().try_for_each(|(case, why)| write!(f, "; left out: {case}, since {why}"))
    }
}

/// The payloads as text, for comparing and showing.
fn texts<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<String> {
    messages.into_iter().map(|message| String::from_utf8_lossy(message.bytes()).into_owned()).collect()
}

/// What was sent must have arrived, whatever came twice: every text at least once.
fn assert_all_there(sent: &[String], got: &[String]) {
    let missing: Vec<_> = sent.iter().filter(|text| !got.contains(text)).collect();
    let first: Vec<_> = missing.iter().take(5).collect();
    assert!(missing.is_empty(), "{} of {} messages were lost, such as {first:?}", missing.len(), sent.len());
}
