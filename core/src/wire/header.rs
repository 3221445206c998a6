//! Request and response headers.
//!
//! A request is an int32 size, a header of version 1 (classic) or 2 (with tagged fields), and a body. The
//! client id keeps its int16 length in both. An answer is an int32 size, the correlation id, tagged fields if
//! the header is of version 1, and a body: whoever owns the link reads size and correlation id, finds out
//! what was asked, and leaves the rest to [`Walker::response`](super::Walker::response).
use super::{
    Api,
    sink::{Emit, Sink},
};

/// Emits the header of a request, without the size that precedes it (see
/// [`Counter::size_field`](super::Counter::size_field)). A client id is at most 32767 bytes long.
pub fn emit_request<'a, S: Sink<'a> + ?Sized>(
    sink: &mut S,
    api: &Api,
    version: i16,
    correlation: i32,
    client_id: Option<&'a str>,
) {
    let mut emit = Emit::new(sink, false);
    emit.int16(api.key);
    emit.int16(version);
    emit.int32(correlation);
    emit.classic_text(client_id.map(str::as_bytes));
    Emit::new(sink, api.request_header(version) >= 2).end();
}
