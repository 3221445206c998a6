//! The verdict on each error a broker may answer a batch with, as one table: every code of Kafka 4.3 is in one row.
//!
//! A code that is not in the table is final, told by its number, and the batch may have been written. Sources: Kafka's
//! `Errors` and the classes of its exceptions (`RetriableException`, `InvalidMetadataException`), `Sender.completeBatch`,
//! `TransactionManager.canRetry` and `maybeTransitionToErrorState`, and the KIPs named beside the rows.
use crate::wire::ErrorCode;

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is in the log.
    Written,
    /// It is in the log, at an offset nobody remembers.
    Duplicate,
    /// Send it again after a backoff.
    Retry,
    /// Ask for newer metadata, and send it again to whoever leads the partition by then.
    RetryElsewhere,
    /// It is too large: send it in pieces, or fail it if it is one record.
    Split,
    /// Its sequence does not follow on: send it again, or begin a new epoch.
    OutOfOrder,
    /// The broker does not know the producer any more (KIP-360): begin a new epoch.
    UnknownProducer,
    /// The records that the answer names fail for this, the others as part of their batch (KIP-467).
    FailRecords,
    /// It fails.
    Fail,
    /// It fails, and with it a producer that is idempotent.
    FailProducer,
}

/// What an error means for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// Whether this attempt may have written it.
    pub maybe_written: bool,
}

/// The codes that have one verdict.
struct Row {
    verdict: Verdict,
    codes: &'static [ErrorCode],
}

const fn row(action: Action, codes: &'static [ErrorCode]) -> Row {
    Row { verdict: Verdict { action, maybe_written: false }, codes }
}

/// A row of errors that say nothing about the log.
const fn maybe(action: Action, codes: &'static [ErrorCode]) -> Row {
    Row { verdict: Verdict { action, maybe_written: true }, codes }
}

type E = ErrorCode;

const ROWS: [Row; 14] = [
    row(Action::Written, &[E::NONE]),
    // KIP-98: the broker has it, but not among the five batches it remembers.
    row(Action::Duplicate, &[E::DUPLICATE_SEQUENCE_NUMBER]),
    // `Sender.completeBatch`. RECORD_LIST_TOO_LARGE is not split there.
    row(Action::Split, &[E::MESSAGE_TOO_LARGE]),
    // KIP-98, KIP-360; `TransactionManager.canRetry`.
    row(Action::OutOfOrder, &[E::OUT_OF_ORDER_SEQUENCE_NUMBER]),
    row(Action::UnknownProducer, &[E::UNKNOWN_PRODUCER_ID]),
    // `RetriableException`, refused before anything was appended, and the leader stays the leader.
    row(
        Action::Retry,
        &[
            E::CORRUPT_MESSAGE,
            E::NOT_ENOUGH_REPLICAS,
            E::THROTTLING_QUOTA_EXCEEDED, // KIP-599
            // From the coordinator that verifies a partition of a transaction (KIP-890).
            E::COORDINATOR_LOAD_IN_PROGRESS,
            E::COORDINATOR_NOT_AVAILABLE,
            E::NOT_COORDINATOR,
            E::CONCURRENT_TRANSACTIONS,
            // Retriable answers of other requests.
            E::NOT_CONTROLLER,
            E::FETCH_SESSION_ID_NOT_FOUND,
            E::INVALID_FETCH_SESSION_EPOCH,
            E::FETCH_SESSION_TOPIC_ID_ERROR,
            E::UNKNOWN_LEADER_EPOCH,
            E::OFFSET_NOT_AVAILABLE,
            E::UNSTABLE_OFFSET_COMMIT,
            E::SHARE_SESSION_NOT_FOUND,
            E::INVALID_SHARE_SESSION_EPOCH,
            E::SHARE_SESSION_LIMIT_REACHED,
        ],
    ),
    // `RetriableException` after the append.
    maybe(Action::Retry, &[E::REQUEST_TIMED_OUT, E::NOT_ENOUGH_REPLICAS_AFTER_APPEND]),
    // `InvalidMetadataException`, refused before anything was appended.
    row(
        Action::RetryElsewhere,
        &[
            E::UNKNOWN_TOPIC_ID,      // KIP-516
            E::INCONSISTENT_TOPIC_ID, // KIP-516
            E::LEADER_NOT_AVAILABLE,
            E::REPLICA_NOT_AVAILABLE,
            E::FENCED_LEADER_EPOCH, // KIP-951
            E::LISTENER_NOT_FOUND,
            E::PREFERRED_LEADER_NOT_AVAILABLE,
            E::ELECTION_NOT_NEEDED,
            E::ELIGIBLE_LEADERS_NOT_AVAILABLE,
        ],
    ),
    // `InvalidMetadataException` in the middle of the append.
    // NOT_LEADER_OR_FOLLOWER (KIP-951) is with acks=all also said of a batch that was appended, when the leader steps down
    // before its followers have it (`DelayedProduce`); the next leader may have got it. UNKNOWN_TOPIC_OR_PARTITION likewise,
    // when the topic is deleted meanwhile: the batch was in its log.
    maybe(
        Action::RetryElsewhere,
        &[
            E::NETWORK_EXCEPTION,
            E::KAFKA_STORAGE_ERROR,
            E::NOT_LEADER_OR_FOLLOWER,
            E::UNKNOWN_TOPIC_OR_PARTITION,
        ],
    ),
    // KIP-467: the answer may name the records.
    row(Action::FailRecords, &[E::INVALID_RECORD, E::INVALID_TIMESTAMP]),
    // Refused before anything was appended, by rights, by the request's or the batch's form, or by its producer's state.
    row(
        Action::Fail,
        &[
            E::TOPIC_AUTHORIZATION_FAILED,
            E::RECORD_LIST_TOO_LARGE, // larger than a segment
            E::INVALID_REQUIRED_ACKS,
            E::INVALID_TOPIC_EXCEPTION,
            E::INVALID_REQUEST,
            E::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            E::UNSUPPORTED_COMPRESSION_TYPE, // KIP-110
            E::POLICY_VIOLATION,
            // Another producer has a newer epoch of this id; what follows begins a new one.
            E::INVALID_PRODUCER_EPOCH,
            E::INVALID_TXN_STATE,
            E::TRANSACTION_ABORTABLE, // KIP-890
            E::UNSUPPORTED_SASL_MECHANISM,
            E::ILLEGAL_SASL_STATE,
            E::SASL_AUTHENTICATION_FAILED,
            E::SECURITY_DISABLED,
        ],
    ),
    // `TransactionManager.maybeTransitionToErrorState`: nothing that is idempotent can be written any more. Without
    // idempotence there is no such manager, and only the batch fails (`Sender.failBatch`).
    row(
        Action::FailProducer,
        &[
            E::UNSUPPORTED_VERSION,
            E::CLUSTER_AUTHORIZATION_FAILED,
            E::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            E::PRODUCER_FENCED, // KIP-588
            E::INVALID_PRODUCER_ID_MAPPING,
        ],
    ),
    // No exception of its own.
    maybe(Action::Fail, &[E::UNKNOWN_SERVER_ERROR]),
    // Answers of other requests. A broker that gives one of them to a batch does what nobody knows.
    maybe(
        Action::Fail,
        &[
            E::OFFSET_OUT_OF_RANGE,
            E::INVALID_FETCH_SIZE,
            E::BROKER_NOT_AVAILABLE,
            E::STALE_CONTROLLER_EPOCH,
            E::OFFSET_METADATA_TOO_LARGE,
            E::ILLEGAL_GENERATION,
            E::INCONSISTENT_GROUP_PROTOCOL,
            E::INVALID_GROUP_ID,
            E::UNKNOWN_MEMBER_ID,
            E::INVALID_SESSION_TIMEOUT,
            E::REBALANCE_IN_PROGRESS,
            E::INVALID_COMMIT_OFFSET_SIZE,
            E::GROUP_AUTHORIZATION_FAILED,
            E::TOPIC_ALREADY_EXISTS,
            E::INVALID_PARTITIONS,
            E::INVALID_REPLICATION_FACTOR,
            E::INVALID_REPLICA_ASSIGNMENT,
            E::INVALID_CONFIG,
            E::INVALID_TRANSACTION_TIMEOUT,
            E::TRANSACTION_COORDINATOR_FENCED,
            E::OPERATION_NOT_ATTEMPTED,
            E::LOG_DIR_NOT_FOUND,
            E::REASSIGNMENT_IN_PROGRESS,
            // Delegation tokens, KIP-48.
            E::DELEGATION_TOKEN_AUTH_DISABLED,
            E::DELEGATION_TOKEN_NOT_FOUND,
            E::DELEGATION_TOKEN_OWNER_MISMATCH,
            E::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
            E::DELEGATION_TOKEN_AUTHORIZATION_FAILED,
            E::DELEGATION_TOKEN_EXPIRED,
            E::INVALID_PRINCIPAL_TYPE,
            // Groups and their members.
            E::NON_EMPTY_GROUP,
            E::GROUP_ID_NOT_FOUND,
            E::MEMBER_ID_REQUIRED,
            E::GROUP_MAX_SIZE_REACHED,
            E::FENCED_INSTANCE_ID,
            E::GROUP_SUBSCRIBED_TO_TOPIC,
            E::FENCED_MEMBER_EPOCH,
            E::UNRELEASED_INSTANCE_ID,
            E::UNSUPPORTED_ASSIGNOR,
            E::STALE_MEMBER_EPOCH,
            E::INVALID_REGULAR_EXPRESSION,
            // Administration.
            E::TOPIC_DELETION_DISABLED,
            E::NO_REASSIGNMENT_IN_PROGRESS,
            E::RESOURCE_NOT_FOUND,
            E::DUPLICATE_RESOURCE,
            E::UNACCEPTABLE_CREDENTIAL,
            E::INVALID_UPDATE_VERSION,
            E::FEATURE_UPDATE_FAILED,
            E::PRINCIPAL_DESERIALIZATION_FAILURE,
            E::TRANSACTIONAL_ID_NOT_FOUND,
            // Among brokers and controllers.
            E::STALE_BROKER_EPOCH,
            E::INCONSISTENT_VOTER_SET,
            E::SNAPSHOT_NOT_FOUND,
            E::POSITION_OUT_OF_RANGE,
            E::DUPLICATE_BROKER_REGISTRATION,
            E::BROKER_ID_NOT_REGISTERED,
            E::INCONSISTENT_CLUSTER_ID,
            E::INELIGIBLE_REPLICA,
            E::NEW_LEADER_ELECTED,
            E::OFFSET_MOVED_TO_TIERED_STORAGE,
            E::INVALID_REGISTRATION,
            E::INVALID_VOTER_KEY,
            E::DUPLICATE_VOTER,
            E::VOTER_NOT_FOUND,
            // Where a client should turn to. REBOOTSTRAP_REQUIRED is metadata's (KIP-1102).
            E::MISMATCHED_ENDPOINT_TYPE,
            E::UNSUPPORTED_ENDPOINT_TYPE,
            E::UNKNOWN_CONTROLLER_ID,
            E::REBOOTSTRAP_REQUIRED,
            // Telemetry (KIP-714), share groups (KIP-932), streams groups (KIP-1071).
            E::UNKNOWN_SUBSCRIPTION_ID,
            E::TELEMETRY_TOO_LARGE,
            E::INVALID_RECORD_STATE,
            E::FENCED_STATE_EPOCH,
            E::STREAMS_INVALID_TOPOLOGY,
            E::STREAMS_INVALID_TOPOLOGY_EPOCH,
            E::STREAMS_TOPOLOGY_FENCED,
        ],
    ),
];

/// Codes from -1 to 133.
const CODES: usize = 135;
/// A code without a row.
const NO_ROW: u8 = 15;

/// The row of each code from -1 on: four bits for each instead of the lists above, the lower ones first.
static PLACES: [u8; CODES.div_ceil(2)] = places();
static VERDICTS: [Verdict; ROWS.len()] = verdicts();

#[allow(clippy::indexing_slicing, clippy::cast_sign_loss, clippy::cast_possible_truncation, clippy::panic)] // at compile time
const fn places() -> [u8; CODES.div_ceil(2)] {
    assert!(ROWS.len() <= NO_ROW as usize, "a row is four bits");
    let mut places = [NO_ROW << 4 | NO_ROW; CODES.div_ceil(2)];
    let mut row = 0;
    while row < ROWS.len() {
        let codes = ROWS[row].codes;
        let mut nth = 0;
        while nth < codes.len() {
            let place = (codes[nth].0 + 1) as usize;
            let shift = (place % 2) * 4;
            assert!(places[place / 2] >> shift & NO_ROW == NO_ROW, "a code has one row");
            places[place / 2] ^= (NO_ROW ^ row as u8) << shift;
            nth += 1;
        }
        row += 1;
    }
    places
}

#[allow(clippy::indexing_slicing)] // at compile time
const fn verdicts() -> [Verdict; ROWS.len()] {
    let mut verdicts = [Verdict::UNKNOWN; ROWS.len()];
    let mut row = 0;
    while row < ROWS.len() {
        verdicts[row] = ROWS[row].verdict;
        row += 1;
    }
    verdicts
}

impl Verdict {
    /// On a code from the future.
    const UNKNOWN: Self = Self { action: Action::Fail, maybe_written: true };

    fn listed(code: ErrorCode) -> Option<Self> {
        let place = usize::try_from(i32::from(code.0).saturating_add(1)).ok()?;
        let rows = *PLACES.get(place / 2)?;
        let row = if place % 2 == 0 { rows } else { rows >> 4 };
        VERDICTS.get(usize::from(row & NO_ROW)).copied()
    }

    /// The verdict on `code`.
    pub fn on(code: ErrorCode) -> Self {
        Self::listed(code).unwrap_or(Self::UNKNOWN)
    }

    /// Whether `code` has a row of its own.
    pub fn is_listed(code: ErrorCode) -> bool {
        Self::listed(code).is_some()
    }

    /// Whether the batch is sent again, if time and attempts are left.
    pub const fn is_retriable(self) -> bool {
        matches!(self.action, Action::Retry | Action::RetryElsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_final_and_says_nothing_about_the_log() {
        for code in [-2, 134, 999, i16::MIN, i16::MAX] {
            assert!(!Verdict::is_listed(ErrorCode(code)));
            assert_eq!(Verdict::on(ErrorCode(code)), Verdict { action: Action::Fail, maybe_written: true });
        }
        assert_eq!(Verdict::on(ErrorCode::UNKNOWN_SERVER_ERROR), Verdict::UNKNOWN);
    }

    #[test]
    fn each_code_of_kafka_has_its_own_row() {
        for code in -1..=133 {
            assert!(Verdict::is_listed(ErrorCode(code)), "{}", ErrorCode(code));
        }
        assert_eq!(ErrorCode(134).name(), "UNKNOWN_CODE", "the table is as long as Kafka's");
    }

    #[test]
    fn a_moved_leader_is_looked_for_and_a_corrupt_message_is_not() {
        assert_eq!(Verdict::on(ErrorCode::NOT_LEADER_OR_FOLLOWER).action, Action::RetryElsewhere);
        assert_eq!(Verdict::on(ErrorCode::CORRUPT_MESSAGE).action, Action::Retry);
    }

    #[test]
    fn only_what_a_broker_says_after_the_append_leaves_a_retry_in_doubt() {
        let doubtful: std::vec::Vec<_> = (-1..=133)
            .map(ErrorCode)
            .filter(|code| Verdict::on(*code).is_retriable() && Verdict::on(*code).maybe_written)
            .collect();
        let expected = [
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::REQUEST_TIMED_OUT,
            ErrorCode::NETWORK_EXCEPTION,
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ];
        assert_eq!(doubtful, expected);
    }
}
