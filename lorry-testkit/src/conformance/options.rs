//! Bad addresses and options, and passwords that must not be seen: the same for sources and sinks.

use super::{Case, Harness, Summary};
use lorry_core::registry::{Element, Registry, Role, Uri};
use lorry_core::{Error, ErrorKind};

const PASSWORD: &str = "pa55-w0rd-that-nobody-may-see";

pub(super) async fn run<H: Harness + ?Sized>(harness: &mut H, role: Role, summary: &mut Summary) {
    let (registry, address) = (harness.registry(), harness.fresh().await);
    if summary.applies(harness, Case::BadAddresses) {
        let bad = harness.bad_addresses();
        summary.run(Case::BadAddresses, async { bad_addresses(&registry, role, bad) }).await;
    }
    if summary.applies(harness, Case::WrongOptions) {
        summary.run(Case::WrongOptions, async { wrong_options(&registry, role, &address) }).await;
    }
    if summary.applies(harness, Case::Passwords) {
        let address = harness.with_password(&address, PASSWORD);
        summary.run(Case::Passwords, async { no_password_in_errors(&registry, role, &address) }).await;
    }
}

fn refused(registry: &Registry, role: Role, address: &str) -> Error {
    match registry.make_from_uri(address, role) {
        Ok(_) => panic!("this address must be refused, but is not: {address}"),
        Err(error) => {
            assert_eq!(
                error.kind(),
                ErrorKind::Usage,
                "{address} is refused as {:?}, not as a usage error: {error}",
                error.kind()
            );
            assert!(!error.to_string().contains('\n'), "an error is one line: {error}");
            error
        }
    }
}

fn bad_addresses(registry: &Registry, role: Role, bad: Vec<(String, &'static str)>) {
    assert!(!bad.is_empty(), "the harness names no bad addresses, nor does it exempt the case");
    for (address, expected) in bad {
        let error = refused(registry, role, &address).to_string();
        assert!(error.contains(expected), "{address} gives {error:?}, which does not say {expected:?}");
    }
}

/// The address with one more option.
fn with_option(address: &str, option: &str) -> String {
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{option}")
}

fn wrong_options(registry: &Registry, role: Role, address: &str) {
    let error = refused(registry, role, &with_option(address, "no-such-option-at-all=1")).to_string();
    assert!(error.contains("no-such-option-at-all"), "the error does not name the unknown option: {error}");

    let scheme =
        Uri::parse(address).unwrap_or_else(|error| panic!("{address} is no address: {error}")).scheme().to_owned();
    let specs = registry.by_scheme(&scheme);
    let Some(spec) = specs.iter().find(|spec| spec.role() == role) else { panic!("no {role} for {address}") };
    for option in spec.option_specs() {
        // Short names have no near neighbours.
        if option.name.len() < 4 {
            continue;
        }
        let wrong = format!("{}x", option.name);
        let error = refused(registry, role, &with_option(address, &format!("{wrong}=1"))).to_string();
        // Not every scheme of an element need know all of its options; then the error lists those that it knows.
        let mut known = error.split_once("it knows ").map(|(_, known)| known.split([',', ' ']));
        let unknown_here = known.as_mut().is_some_and(|known| known.all(|name| name != option.name));
        assert!(unknown_here || error.contains("did you mean"), "{wrong}= gives no suggestion: {error}");
    }
}

fn no_password_in_errors(registry: &Registry, role: Role, address: &str) {
    assert!(address.contains(PASSWORD), "with_password made an address without the password");
    for address in [with_option(address, "no-such-option-at-all=1"), address.replacen(':', "x:", 1)] {
        let error = refused(registry, role, &address);
        assert_hidden(&format!("{error} {error:?}"));
    }
    match registry.make_from_uri(address, role) {
        Ok(Element::Source(source)) => assert_hidden(&format!("{:?}", source.info(&Default::default()))),
        Ok(Element::Sink(sink)) => assert_hidden(&format!("{:?}", sink.info(&Default::default()))),
        Ok(Element::Operator(_)) => {}
        Err(error) => panic!("the address with a password is refused: {error:?}"),
    }
}

fn assert_hidden(text: &str) {
    assert!(!text.contains(PASSWORD), "a password is shown: {text}");
}
