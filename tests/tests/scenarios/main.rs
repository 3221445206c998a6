//! Single rules of the producer, one after the other, over the model broker in virtual time: each history is written
//! down here and ends with the same comparison of what was told with what lies in the logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
mod availability;
mod backoff;
mod doubt;
mod endings;
mod expiry;
mod half_written;
mod hints;
mod idempotence;
mod identity;
mod rebootstrap;
mod refusals;
mod restart;
mod room;
mod sleep;
mod split;
mod stage;
mod sticky;
mod throttle;
mod trouble;
mod unanswered;
