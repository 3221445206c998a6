//! What a broker says of single records when it refuses a batch (KIP-467): the ones to blame are told the error, the
//! others that they failed with them, and its message is told as it was. The model's brokers refuse records without a key
//! that way, where a topic wants keys. A producer without the feature `notes` tells the error of every record.
use super::oracle::{Finding, Wrong};
use kurier_core::delivery::Told;
use kurier_core::error::DeliveryError;
use kurier_core::record::Ticket;
use kurier_core::wire::ErrorCode;

/// What the model's brokers say of the batch.
const MESSAGE: &str = "a record is not allowed";

/// Judges a delivery of which `keyless` says of each record whether it has no key. Where nothing keeps a broker's notes
/// from the user they must be there.
pub(super) fn check(
    told: &Told<'_>,
    keyless: impl Iterator<Item = bool>,
    always: bool,
) -> Result<(), Finding> {
    let refused = DeliveryError::Broker(ErrorCode::INVALID_RECORD.0);
    if told.outcome.error() != Some(refused) {
        return Ok(());
    }
    let wrong = |what: String| Err((Wrong::Broken, format!("batch {} was refused: {what}", told.serial)));
    if !told.has_notes {
        let must = always && cfg!(feature = "whole");
        return if must { wrong("nobody says for which records".to_owned()) } else { Ok(()) };
    }
    for (keyless, index) in keyless.zip(told.first..) {
        let of = told.of(Ticket { serial: told.serial, index }).and_then(|of| of.outcome.error());
        let right = if keyless { refused } else { DeliveryError::BatchRejected };
        if of != Some(right) {
            return wrong(format!("record {index} is told {of:?} instead of {right:?}"));
        }
    }
    let message = String::from_utf8_lossy(told.message());
    // It is cut to the room there is.
    if message.is_empty() || !MESSAGE.starts_with(&*message) {
        return wrong(format!("the broker is said to have said {message:?}"));
    }
    Ok(())
}
