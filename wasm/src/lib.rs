//! The core as a page drives it: one object with calls that return at once, and a page that lends it sockets.
//!
//! ```text
//!   page's JavaScript (js/kurier.js)            this crate              core
//!   send() ──────────────────────────► Core::send ──────────► append half
//!   a socket's event, the timer ─────► Core::poll ──────────► send half
//!   WebSockets, Promises ◄──────────── Page (imported) ◄───── transport, deliveries
//! ```
//! Promises, events, timers and WebSockets are JavaScript's own; what is here knows none of them. It is not for others:
//! the package's contract is `js/kurier.d.ts`.
#![cfg_attr(target_arch = "wasm32", no_std)]
extern crate alloc;

mod checksum;
mod heap;
mod page;
mod producer;
mod settings;

pub use page::Page;
pub use producer::Core;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A panic ends the module; its words would cost more than the producer.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
