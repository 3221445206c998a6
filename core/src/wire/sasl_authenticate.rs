//! SaslAuthenticate: a step of the exchange that SaslHandshake has chosen; its bytes are the mechanism's affair. Tables
//! only, as for SaslHandshake.
//!
//! Versions 0 to 2, flexible from 2. 1: how long the session lasts (KIP-368).
use super::schema::Api;

/// Key and versions.
pub const API: Api = Api { key: 36, oldest: 0, newest: 2, flexible_from: 2 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 ERROR_CODE "errorCode" INT16;
        0 ERROR_MESSAGE "errorMessage" TEXT.nullable(0);
        0 AUTH_BYTES "authBytes" BYTES;
        0 SESSION_LIFETIME_MS "sessionLifetimeMs" INT64.since(1);
    }
}

/// The request.
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 AUTH_BYTES "authBytes" BYTES;
    }
}
