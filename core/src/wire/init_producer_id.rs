//! InitProducerId: the broker hands out a producer id and an epoch.
//!
//! Versions 0 to 5, flexible from 2. 3: the request carries the producer's own id and epoch, so that the
//! epoch can be bumped (KIP-360).
use super::{
    schema::Api,
    sink::{Emit, Sink},
};
use crate::feature;

/// Key and versions.
pub const API: Api =
    Api { key: 22, oldest: if feature::OLD_BROKERS { 0 } else { 4 }, newest: 5, flexible_from: 2 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32;
        0 ERROR_CODE "errorCode" INT16;
        0 PRODUCER_ID "producerId" INT64.or(MINUS_ONE);
        0 PRODUCER_EPOCH "producerEpoch" INT16;
    }
}

/// The request.
#[cfg(feature = "reverse")]
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 TRANSACTIONAL_ID "transactionalId" TEXT.nullable(0);
        0 TRANSACTION_TIMEOUT_MS "transactionTimeoutMs" INT32;
        0 PRODUCER_ID "producerId" INT64.since(3).or(MINUS_ONE);
        0 PRODUCER_EPOCH "producerEpoch" INT16.since(3).or(MINUS_ONE);
    }
}

/// Emits the body of a request. `producer_id` and `producer_epoch` are -1 for a producer that has none yet,
/// and are not sent before version 3.
pub fn emit<'a, S: Sink<'a> + ?Sized>(
    sink: &mut S,
    version: i16,
    transactional_id: Option<&'a str>,
    transaction_timeout_ms: i32,
    producer_id: i64,
    producer_epoch: i16,
) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    emit.nullable_text(transactional_id);
    emit.int32(transaction_timeout_ms);
    if !feature::OLD_BROKERS || version >= 3 {
        emit.int64(producer_id);
        emit.int16(producer_epoch);
    }
    emit.end();
}
