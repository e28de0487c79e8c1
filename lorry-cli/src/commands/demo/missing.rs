//! `lorry demo` in a build without what it shows.

use crate::args::DemoArgs;
use crate::exit::{Failure, Outcome};

/// Refuses.
pub(crate) fn run(_: &DemoArgs) -> Outcome {
    Err(Failure::Usage("this build has no demo; it needs the features mqtt and sqlite".to_owned()))
}
