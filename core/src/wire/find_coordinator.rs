//! FindCoordinator: which broker coordinates a group or a transaction. Tables only: the model broker answers
//! it to consumers.
//!
//! Versions 0 to 6, flexible from 3. 1: key type; 4: an array of keys.
use super::schema::Api;

/// Key and versions.
pub const API: Api = Api { key: 10, oldest: 0, newest: 6, flexible_from: 3 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32.since(1);
        0 ERROR_CODE "errorCode" INT16.until(3);
        0 ERROR_MESSAGE "errorMessage" TEXT.since(1).until(3).nullable(1);
        0 NODE_ID "nodeId" INT32.until(3);
        0 HOST "host" TEXT.until(3);
        0 PORT "port" INT32.until(3);
        0 COORDINATORS "coordinators" STRUCTS.since(4);
        1 KEY "key" TEXT;
        1 COORDINATOR_NODE_ID "nodeId" INT32;
        1 COORDINATOR_HOST "host" TEXT;
        1 COORDINATOR_PORT "port" INT32;
        1 COORDINATOR_ERROR_CODE "errorCode" INT16;
        1 COORDINATOR_ERROR_MESSAGE "errorMessage" TEXT.nullable(4);
    }
}

/// The request.
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 KEY "key" TEXT.until(3);
        0 KEY_TYPE "keyType" INT8.since(1);
        0 COORDINATOR_KEYS "coordinatorKeys" TEXTS.since(4);
    }
}
