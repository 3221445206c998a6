//! The verdict on each error a broker may answer a batch with, as one table.
//!
//! A code that is not in the table is final, and the batch may have been written. Sources: Kafka's `Errors` and
//! which of its exceptions are retriable; the KIPs named beside the rows.
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
    /// Send it again, to whoever leads the partition by then.
    RetryElsewhere,
    /// It is too large: send it in pieces, or fail it if it is one record.
    Split,
    /// Its sequence does not follow on.
    OutOfOrder,
    /// The broker does not know the producer any more (KIP-360).
    UnknownProducer,
    /// It fails.
    Fail,
    /// It fails, and with it the producer.
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

const fn row(action: Action, maybe_written: bool) -> Verdict {
    Verdict { action, maybe_written }
}

impl Verdict {
    /// The verdict on `code`.
    pub const fn on(code: ErrorCode) -> Self {
        use Action::{
            Duplicate, Fail, FailProducer, OutOfOrder, Retry, RetryElsewhere, Split, UnknownProducer, Written,
        };
        match code {
            ErrorCode::NONE => row(Written, false),
            // KIP-98: the broker has it, but not among the five batches it remembers.
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => row(Duplicate, false),

            // Retriable, and the leader stays the leader.
            ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::CONCURRENT_TRANSACTIONS
            // Not for a producer, but retriable in Kafka's classes, and refused before anything was done.
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::NOT_CONTROLLER
            | ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::UNSTABLE_OFFSET_COMMIT
            | ErrorCode::SHARE_SESSION_NOT_FOUND
            | ErrorCode::INVALID_SHARE_SESSION_EPOCH
            | ErrorCode::SHARE_SESSION_LIMIT_REACHED => row(Retry, false),
            // Retriable, and perhaps in the log.
            ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => row(Retry, true),

            // Retriable, with newer metadata (InvalidMetadataException).
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::LISTENER_NOT_FOUND
            | ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE
            | ErrorCode::ELECTION_NOT_NEEDED
            | ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE => row(RetryElsewhere, false),
            ErrorCode::NETWORK_EXCEPTION | ErrorCode::KAFKA_STORAGE_ERROR => row(RetryElsewhere, true),

            // KIP-98, KIP-360.
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER => row(OutOfOrder, false),
            ErrorCode::UNKNOWN_PRODUCER_ID => row(UnknownProducer, false),

            // Without this nothing that is idempotent can be written any more.
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => row(FailProducer, false),

            // `Sender.completeBatch`. RECORD_LIST_TOO_LARGE is not split there either.
            ErrorCode::MESSAGE_TOO_LARGE => row(Split, false),

            // Refused before anything was appended.
            ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::INVALID_RECORD
            | ErrorCode::INVALID_TIMESTAMP
            | ErrorCode::INVALID_REQUIRED_ACKS
            | ErrorCode::INVALID_TOPIC_EXCEPTION
            | ErrorCode::INVALID_REQUEST
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::PRODUCER_FENCED
            | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            | ErrorCode::INVALID_TXN_STATE
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTION_ABORTABLE
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
            | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::POLICY_VIOLATION
            | ErrorCode::SECURITY_DISABLED
            | ErrorCode::ILLEGAL_SASL_STATE
            | ErrorCode::SASL_AUTHENTICATION_FAILED => row(Fail, false),

            // UNKNOWN_SERVER_ERROR says nothing about the log, and neither does a code from the future.
            _ => row(Fail, true),
        }
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
        assert_eq!(Verdict::on(ErrorCode(999)), row(Action::Fail, true));
        assert_eq!(Verdict::on(ErrorCode::UNKNOWN_SERVER_ERROR), row(Action::Fail, true));
    }

    #[test]
    fn a_moved_leader_is_looked_for_and_a_corrupt_message_is_not() {
        assert_eq!(Verdict::on(ErrorCode::NOT_LEADER_OR_FOLLOWER).action, Action::RetryElsewhere);
        assert_eq!(Verdict::on(ErrorCode::CORRUPT_MESSAGE).action, Action::Retry);
    }
}
