//! The `kurier` command.
fn main() {}
