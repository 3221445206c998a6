//! API keys, and which versions are flexible.
//!
//! Source: the message schemas of Kafka 4.3.

/// Produce, 3-13.
pub const PRODUCE: i16 = 0;
/// Fetch, 4-12.
pub const FETCH: i16 = 1;
/// ListOffsets, 1-7.
pub const LIST_OFFSETS: i16 = 2;
/// Metadata, 0-13.
pub const METADATA: i16 = 3;
/// FindCoordinator, 0-6.
pub const FIND_COORDINATOR: i16 = 10;
/// ApiVersions, 0-4.
pub const API_VERSIONS: i16 = 18;
/// InitProducerId, 0-5.
pub const INIT_PRODUCER_ID: i16 = 22;

/// The versions that this model can read and write, advertised or not.
pub(crate) fn spoken(api: i16) -> Option<(i16, i16)> {
    Some(match api {
        PRODUCE => (3, 13),
        FETCH => (4, 12),
        LIST_OFFSETS => (1, 7),
        METADATA => (0, 13),
        FIND_COORDINATOR => (0, 6),
        API_VERSIONS => (0, 4),
        INIT_PRODUCER_ID => (0, 5),
        _ => return None,
    })
}

/// Whether `version` of `api` has compact lengths, tagged fields, and a request header that ends in tagged fields.
pub(crate) fn flexible(api: i16, version: i16) -> bool {
    version
        >= match api {
            PRODUCE | METADATA => 9,
            FETCH => 12,
            LIST_OFFSETS => 6,
            FIND_COORDINATOR | API_VERSIONS => 3,
            INIT_PRODUCER_ID => 2,
            _ => return false,
        }
}
