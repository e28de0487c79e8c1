//! The pages of documentation and the option structs say the same.

#[test]
fn every_page_holds_its_element_s_options() {
    lorry_testkit::assert_pages(lorry_net::register);
}
