//! Every gate as one command.
fn main() {}
