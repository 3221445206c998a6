//! The bridge on real sockets, before the embedded broker: what passes, and what never reaches a broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod page;

mod entry;
mod flow;
mod hostile;
mod logs;
mod passing;
mod sasl;
mod slow;
mod stopping;
mod tls;
