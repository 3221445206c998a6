//! The package for pages: what `node --test` says of `tests/browser`. `cargo xtask browser` makes all that they need.
#![cfg(feature = "browser")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests and their helpers")]
use std::path::Path;
use std::process::Command;

fn node(file: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let status =
        Command::new("node").arg("--test").arg(file).current_dir(folder).status().expect("node runs");
    assert!(status.success(), "node --test {file}: {status}");
}

#[test]
fn pages_in_chromium() {
    node("page.test.mjs");
}

#[test]
fn pages_with_a_bad_network() {
    node("network.test.mjs");
}

#[test]
fn pages_that_are_hidden_or_left() {
    node("hidden.test.mjs");
}

#[test]
fn the_same_package_in_node() {
    node("node.test.mjs");
}

#[test]
fn a_package_that_has_failed() {
    node("broken.test.mjs");
}

#[test]
fn records_of_the_package_that_wait() {
    node("waiting.test.mjs");
}

#[test]
fn the_same_package_through_wss() {
    node("wss.test.mjs");
}

#[test]
fn the_demo_page_in_chromium() {
    node("demo.test.mjs");
}

#[test]
fn sites_that_are_bundled() {
    node("bundled.test.mjs");
}

#[test]
fn what_is_published() {
    node("package.test.mjs");
}
