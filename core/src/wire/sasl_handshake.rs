//! SaslHandshake: which mechanism a client means to authenticate by, and which ones the broker has. Tables only: the
//! core does not authenticate yet, and the bridge lets it through.
//!
//! Versions 0 and 1, alike. What follows version 0 has no Kafka header (KIP-152).
use super::schema::Api;

/// Key and versions. No version has tagged fields.
pub const API: Api = Api { key: 17, oldest: 0, newest: 1, flexible_from: 2 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 ERROR_CODE "errorCode" INT16;
        0 MECHANISMS "mechanisms" TEXTS;
    }
}

/// The request.
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 MECHANISM "mechanism" TEXT;
    }
}
