//! The pages of documentation and the option structs say the same.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::registry::{Registry, options_table};

#[test]
fn every_page_holds_its_element_s_options() {
    let mut registry = Registry::new();

    lorry_mqtt::register(&mut registry);
    let mut wrong = String::new();
    for spec in ["mqttsrc", "mqttsink"].map(|name| registry.element(name).unwrap()) {
        let table = options_table(spec);
        if !spec.docs_text().contains(&table) {
            wrong += &format!("\n@@{}@@\n{table}", spec.name());
        }
        for part in ["Guarantee", "Order", "Headers", "When something fails"] {
            assert!(spec.docs_text().contains(part), "the page of {} does not speak of {part}", spec.name());
        }
        assert!(!spec.about_text().is_empty(), "{}", spec.name());
    }
    assert!(wrong.is_empty(), "these tables are missing from the pages, or are not what the structs say:\n{wrong}");
}
