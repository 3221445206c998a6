//! FindCoordinator: one broker for every key, for there are neither groups nor transactions here.
//!
//! Source: the schema of Kafka 4.3; versions 0-6.
use std::borrow::Cow;

use crate::bytes::{Malformed, Reader, Writer};
use crate::state::State;
use kurier_core::wire::ErrorCode;

/// A FindCoordinator request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FindCoordinatorRequest<'a> {
    /// 0 a group, 1 a transaction.
    pub key_type: i8,
    /// One before version 4.
    pub keys: Vec<Cow<'a, str>>,
}

impl<'a> FindCoordinatorRequest<'a> {
    pub(crate) fn read(r: &mut Reader<'a>, version: i16) -> Result<Self, Malformed> {
        let mut request = Self { key_type: 0, keys: Vec::new() };
        if version < 4 {
            request.keys.push(r.string()?);
        }
        if version >= 1 {
            request.key_type = r.i8()?;
        }
        if version >= 4 {
            for _ in 0..r.count()? {
                request.keys.push(r.string()?);
            }
        }
        r.end()?;
        Ok(request)
    }
}

/// Writes the answer's body: the same broker for every key, for there are no groups to spread.
pub(crate) fn write(
    w: &mut Writer<'_>,
    version: i16,
    throttle_ms: i32,
    state: &State,
    request: &FindCoordinatorRequest<'_>,
    forced: Option<ErrorCode>,
) {
    let node = state.alive().next().filter(|_| forced.is_none());
    let error = forced.unwrap_or(node.map_or(ErrorCode::COORDINATOR_NOT_AVAILABLE, |_| ErrorCode::NONE));
    let (id, host, port) = node.map_or((-1, "", -1), |node| (node.id, node.host.as_str(), node.port));
    if version >= 1 {
        w.i32(throttle_ms);
    }
    if version < 4 {
        w.i16(error.0);
        if version >= 1 {
            w.nullable_string(None);
        }
        w.i32(id);
        w.string(host);
        w.i32(port);
        return w.end();
    }
    w.count(request.keys.len());
    for key in &request.keys {
        w.string(key);
        w.i32(id);
        w.string(host);
        w.i32(port);
        w.i16(error.0);
        w.nullable_string(None);
        w.end();
    }
    w.end();
}
