//! InitProducerId: producer ids and epochs.
//!
//! Without a transactional id every request gets a new id, whatever it says of an old one. With one, the epoch is
//! bumped, and who names an old id or epoch is fenced; transactions themselves are not modelled, so none is ever open.
//! Source: `TransactionCoordinator.handleInitProducerId`, `TransactionMetadata` of Kafka 4.3; versions 0-5.
use std::collections::BTreeMap;

use crate::access::Access;
use crate::bytes::{Malformed, Reader, Writer};
use crate::settings::Settings;
use kurier_core::wire::ErrorCode;

/// An InitProducerId request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitProducerIdRequest {
    /// None without transactions.
    pub transactional_id: Option<String>,
    /// How long a transaction may stay open, in ms.
    pub transaction_timeout_ms: i32,
    /// The id it has, or -1.
    pub producer_id: i64,
    /// The epoch it has, or -1.
    pub producer_epoch: i16,
}

impl InitProducerIdRequest {
    pub(crate) fn read(r: &mut Reader<'_>, version: i16) -> Result<Self, Malformed> {
        let request = Self {
            transactional_id: r.nullable_string()?.map(Into::into),
            transaction_timeout_ms: r.i32()?,
            producer_id: if version >= 3 { r.i64()? } else { -1 },
            producer_epoch: if version >= 3 { r.i16()? } else { -1 },
        };
        r.end()?;
        Ok(request)
    }
}

/// Whether the client may have an id.
pub(crate) fn authorize(request: &InitProducerIdRequest, access: &Access) -> Result<(), ErrorCode> {
    match &request.transactional_id {
        Some(name) if !access.may_use(name) => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        None if !access.may_be_idempotent() => Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
        _ => Ok(()),
    }
}

/// An id with its epoch, or the reason why there is none.
pub(crate) type Outcome = Result<(i64, i16), ErrorCode>;

pub(crate) fn write(w: &mut Writer<'_>, version: i16, throttle_ms: i32, outcome: Outcome) {
    let (error, id, epoch) = match outcome {
        Ok((id, epoch)) => (ErrorCode::NONE, id, epoch),
        // Clients before version 4 do not know the newer code.
        Err(ErrorCode::PRODUCER_FENCED) if version < 4 => (ErrorCode::INVALID_PRODUCER_EPOCH, -1, -1),
        Err(error) => (error, -1, -1),
    };
    w.i32(throttle_ms);
    w.i16(error.0);
    w.i64(id);
    w.i16(epoch);
    w.end();
}

#[derive(Debug, Clone, Copy)]
struct Transactional {
    id: i64,
    epoch: i16,
    previous_id: i64,
    /// The epoch before the last bump that its owner asked for by name; -1 if it did not.
    previous_epoch: i16,
}

/// The ids handed out.
#[derive(Debug, Clone)]
pub(crate) struct Identities {
    next: i64,
    transactional: BTreeMap<String, Transactional>,
}

impl Identities {
    pub(crate) fn new(first: i64) -> Self {
        Self { next: first, transactional: BTreeMap::new() }
    }

    fn new_id(&mut self) -> i64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// The ids handed out so far begin at the setting's first and end before this one.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    pub(crate) fn init(&mut self, request: &InitProducerIdRequest, settings: &Settings) -> Outcome {
        let expected = match (request.producer_id, request.producer_epoch) {
            (-1, -1) => None,
            (-1, _) | (_, -1) => return Err(ErrorCode::INVALID_REQUEST),
            expected => Some(expected),
        };
        let Some(name) = &request.transactional_id else { return Ok((self.new_id(), 0)) };
        if name.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if !(1..=settings.transaction_max_timeout_ms).contains(&request.transaction_timeout_ms) {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let known = self.transactional.get(name).copied();
        let current = match known {
            Some(known) => known,
            None => Transactional { id: self.new_id(), epoch: -1, previous_id: -1, previous_epoch: -1 },
        };
        let next = self.bump(current, expected)?;
        self.transactional.insert(name.clone(), next);
        Ok((next.id, next.epoch))
    }

    fn bump(
        &mut self,
        current: Transactional,
        expected: Option<(i64, i16)>,
    ) -> Result<Transactional, ErrorCode> {
        let exhausted = |epoch: i16| epoch >= i16::MAX - 1;
        let retry_of_rotation = |(id, epoch)| id == current.previous_id && exhausted(epoch);
        if let Some(expected) = expected
            && current.epoch != -1
            && expected.0 != current.id
            && !retry_of_rotation(expected)
        {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        let named = expected.map(|(_, epoch)| epoch);
        if exhausted(current.epoch) && named.is_none_or(|epoch| epoch == current.epoch) {
            let previous_epoch = if named.is_some() { current.epoch } else { -1 };
            return Ok(Transactional {
                id: self.new_id(),
                epoch: 0,
                previous_id: current.id,
                previous_epoch,
            });
        }
        match named {
            None if exhausted(current.epoch) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
            None => Ok(Transactional { epoch: current.epoch + 1, previous_epoch: -1, ..current }),
            Some(epoch) if current.epoch == -1 || epoch == current.epoch => {
                Ok(Transactional { epoch: current.epoch + 1, previous_epoch: current.epoch, ..current })
            }
            // A repeated request whose first answer was lost.
            Some(epoch) if epoch == current.previous_epoch => Ok(current),
            Some(_) => Err(ErrorCode::PRODUCER_FENCED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: Option<&str>, expected: (i64, i16)) -> InitProducerIdRequest {
        InitProducerIdRequest {
            transactional_id: name.map(str::to_owned),
            transaction_timeout_ms: 60_000,
            producer_id: expected.0,
            producer_epoch: expected.1,
        }
    }

    fn init(ids: &mut Identities, name: Option<&str>, expected: (i64, i16)) -> Outcome {
        ids.init(&request(name, expected), &Settings::default())
    }

    #[test]
    fn without_a_transactional_id_each_request_gets_a_new_id() {
        let mut ids = Identities::new(5);
        assert_eq!(init(&mut ids, None, (-1, -1)), Ok((5, 0)));
        assert_eq!(init(&mut ids, None, (5, 0)), Ok((6, 0)), "an id it names changes nothing");
        assert_eq!(init(&mut ids, None, (5, -1)), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(init(&mut ids, None, (-1, 0)), Err(ErrorCode::INVALID_REQUEST));
    }

    #[test]
    fn a_transactional_id_keeps_its_producer_id_and_bumps_the_epoch() {
        let mut ids = Identities::new(0);
        assert_eq!(init(&mut ids, Some("t"), (-1, -1)), Ok((0, 0)));
        assert_eq!(init(&mut ids, Some("t"), (-1, -1)), Ok((0, 1)));
        assert_eq!(init(&mut ids, Some("u"), (-1, -1)), Ok((1, 0)));
        assert_eq!(init(&mut ids, Some("t"), (0, 1)), Ok((0, 2)));
        assert_eq!(init(&mut ids, Some("t"), (0, 1)), Ok((0, 2)), "a repeated request gets the same answer");
    }

    #[test]
    fn an_old_epoch_or_id_is_fenced() {
        let mut ids = Identities::new(0);
        for _ in 0..3 {
            init(&mut ids, Some("t"), (-1, -1)).unwrap();
        }
        assert_eq!(init(&mut ids, Some("t"), (0, 0)), Err(ErrorCode::PRODUCER_FENCED));
        assert_eq!(init(&mut ids, Some("t"), (7, 2)), Err(ErrorCode::PRODUCER_FENCED));
    }

    #[test]
    fn a_used_up_epoch_gets_a_new_id() {
        let mut ids = Identities::new(0);
        init(&mut ids, Some("t"), (-1, -1)).unwrap();
        ids.transactional.get_mut("t").unwrap().epoch = i16::MAX - 1;
        assert_eq!(init(&mut ids, Some("t"), (0, i16::MAX - 1)), Ok((1, 0)));
        assert_eq!(init(&mut ids, Some("t"), (0, i16::MAX - 1)), Ok((1, 0)), "the retry of that");
    }

    #[test]
    fn bad_names_and_timeouts_are_refused() {
        let mut ids = Identities::new(0);
        assert_eq!(init(&mut ids, Some(""), (-1, -1)), Err(ErrorCode::INVALID_REQUEST));
        for timeout in [0, -1, 900_001] {
            let request =
                InitProducerIdRequest { transaction_timeout_ms: timeout, ..request(Some("t"), (-1, -1)) };
            assert_eq!(ids.init(&request, &Settings::default()), Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
        }
    }

    #[test]
    fn fenced_is_told_by_the_name_the_version_knows() {
        for (version, code) in [(3, 47), (4, 90)] {
            let mut out = Vec::new();
            write(&mut Writer::new(&mut out, true), version, 0, Err(ErrorCode::PRODUCER_FENCED));
            assert_eq!(out[4..6], i16::to_be_bytes(code));
        }
    }
}
