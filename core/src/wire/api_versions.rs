//! ApiVersions: what the broker speaks.
//!
//! Versions 0 to 4, flexible from 3. 3: the client's name and version, and finalized features as tags.
//! The answer's header is always of version 0. A broker that does not know the version asked for answers
//! error 35 with a body of version 0 (KIP-511): the table says so and the walker goes on in version 0.
use super::{
    schema::Api,
    sink::{Emit, Sink},
};
use crate::feature;

/// Key and versions.
pub const API: Api =
    Api { key: 18, oldest: 0, newest: if feature::OLD_BROKERS { 4 } else { 3 }, flexible_from: 3 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API, version_0_if_first_is(35);
        0 ERROR_CODE "errorCode" INT16;
        0 API_KEYS "apiKeys" STRUCTS;
        1 API_KEY "apiKey" INT16;
        1 MIN_VERSION "minVersion" INT16;
        1 MAX_VERSION "maxVersion" INT16;
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32.since(1);
        0 SUPPORTED_FEATURES "supportedFeatures" STRUCTS.since(3).tagged(0);
        1 SUPPORTED_NAME "name" TEXT.since(3);
        1 SUPPORTED_MIN_VERSION "minVersion" INT16.since(3);
        1 SUPPORTED_MAX_VERSION "maxVersion" INT16.since(3);
        0 FINALIZED_FEATURES_EPOCH "finalizedFeaturesEpoch" INT64.since(3).tagged(1).or(MINUS_ONE);
        0 FINALIZED_FEATURES "finalizedFeatures" STRUCTS.since(3).tagged(2);
        1 FINALIZED_NAME "name" TEXT.since(3);
        1 FINALIZED_MAX_VERSION_LEVEL "maxVersionLevel" INT16.since(3);
        1 FINALIZED_MIN_VERSION_LEVEL "minVersionLevel" INT16.since(3);
        0 ZK_MIGRATION_READY "zkMigrationReady" BOOL.since(3).tagged(3);
    }
}

/// The request.
#[cfg(feature = "reverse")]
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 CLIENT_SOFTWARE_NAME "clientSoftwareName" TEXT.since(3);
        0 CLIENT_SOFTWARE_VERSION "clientSoftwareVersion" TEXT.since(3);
    }
}

/// Emits the body of a request, which is empty before version 3. Brokers take letters, digits, `-` and `.`
/// in name and version, beginning and ending with a letter or digit.
pub fn emit<'a, S: Sink<'a> + ?Sized>(
    sink: &mut S,
    version: i16,
    software_name: &'a str,
    software_version: &'a str,
) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    if !feature::OLD_BROKERS || version >= 3 {
        emit.text(software_name.as_bytes());
        emit.text(software_version.as_bytes());
    }
    emit.end();
}
