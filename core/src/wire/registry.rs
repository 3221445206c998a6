//! All messages by API key: what reads requests that it did not choose needs.
use super::{
    Api, Message, api_versions, fetch, find_coordinator, init_producer_id, list_offsets, metadata, produce,
    sasl_authenticate, sasl_handshake,
};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

/// Requests and responses. A new pair comes last: inputs of the fuzzer name one by its place.
pub static MESSAGES: [[&Message; 2]; 9] = [
    [&produce::request::MESSAGE, &produce::response::MESSAGE],
    [&fetch::request::MESSAGE, &fetch::response::MESSAGE],
    [&list_offsets::request::MESSAGE, &list_offsets::response::MESSAGE],
    [&metadata::request::MESSAGE, &metadata::response::MESSAGE],
    [&find_coordinator::request::MESSAGE, &find_coordinator::response::MESSAGE],
    [&api_versions::request::MESSAGE, &api_versions::response::MESSAGE],
    [&init_producer_id::request::MESSAGE, &init_producer_id::response::MESSAGE],
    [&sasl_handshake::request::MESSAGE, &sasl_handshake::response::MESSAGE],
    [&sasl_authenticate::request::MESSAGE, &sasl_authenticate::response::MESSAGE],
];

/// The API of this key.
pub fn api(key: i16) -> Option<&'static Api> {
    message(key, Direction::Request).map(|message| &message.api)
}

/// The table of one message.
pub fn message(key: i16, direction: Direction) -> Option<&'static Message> {
    let [request, response] = MESSAGES.iter().find(|[request, _]| request.api.key == key)?;
    Some(match direction {
        Direction::Request => request,
        Direction::Response => response,
    })
}
