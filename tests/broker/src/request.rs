//! A request as tests see it, and what they may do to it.
use std::borrow::Cow;

use crate::api;
use crate::api_versions::ApiVersionsRequest;
use crate::bytes::{Malformed, Reader};
use crate::cluster::ConnectionId;
use crate::fetch::FetchRequest;
use crate::find_coordinator::FindCoordinatorRequest;
use crate::init_producer_id::InitProducerIdRequest;
use crate::list_offsets::ListOffsetsRequest;
use crate::metadata::MetadataRequest;
use crate::produce::ProduceRequest;
use kurier_core::wire::ErrorCode;

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// Produce. Topics of version 13 carry their names as far as they are known.
    Produce(ProduceRequest<'a>),
    /// Fetch.
    Fetch(FetchRequest<'a>),
    /// ListOffsets.
    ListOffsets(ListOffsetsRequest<'a>),
    /// Metadata.
    Metadata(MetadataRequest<'a>),
    /// FindCoordinator.
    FindCoordinator(FindCoordinatorRequest<'a>),
    /// ApiVersions.
    ApiVersions(ApiVersionsRequest<'a>),
    /// ApiVersions of a version that is not spoken; it is not read.
    UnsupportedApiVersions,
    /// InitProducerId.
    InitProducerId(InitProducerIdRequest),
}

impl<'a> Body<'a> {
    /// Reads the body of an API and version that are spoken.
    pub(crate) fn read(api: i16, version: i16, mut r: Reader<'a>) -> Result<Self, Malformed> {
        let r = &mut r;
        Ok(match api {
            api::PRODUCE => Self::Produce(ProduceRequest::read(r, version)?),
            api::FETCH => Self::Fetch(FetchRequest::read(r, version)?),
            api::LIST_OFFSETS => Self::ListOffsets(ListOffsetsRequest::read(r, version)?),
            api::METADATA => Self::Metadata(MetadataRequest::read(r, version)?),
            api::FIND_COORDINATOR => Self::FindCoordinator(FindCoordinatorRequest::read(r, version)?),
            api::API_VERSIONS => Self::ApiVersions(ApiVersionsRequest::read(r, version)?),
            api::INIT_PRODUCER_ID => Self::InitProducerId(InitProducerIdRequest::read(r, version)?),
            _ => return Err(Malformed),
        })
    }
}

/// A request that was read, before it is carried out.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestInfo<'a> {
    /// Requests before this one, in the whole cluster.
    pub index: u64,
    /// The broker it reached.
    pub broker: i32,
    /// The connection it came on.
    pub connection: ConnectionId,
    /// Milliseconds, as given to `handle`.
    pub now: i64,
    /// The API key.
    pub api: i16,
    /// The version.
    pub version: i16,
    /// The correlation id.
    pub correlation: i32,
    /// The client id; None if null.
    pub client_id: Option<Cow<'a, str>>,
    /// The frame's size without its length field.
    pub size: usize,
    /// What it asks.
    pub body: Body<'a>,
}

/// What becomes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reply {
    /// It is sent.
    #[default]
    Send,
    /// It is lost; the connection stays and later requests are served.
    Lose,
    /// It is lost, and nothing is read from this connection any more: a broker that hangs.
    Hang,
    /// It is lost and the connection is closed.
    Close,
}

/// Something that goes wrong with one request. The default does nothing.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Fault {
    /// Not carried out: nothing is appended, created or counted. With `error` none, Produce answers NONE at offset 0.
    pub skip: bool,
    /// This code in the answer: of every partition (Produce), topic (Metadata), key (FindCoordinator) or of the whole.
    pub error: Option<ErrorCode>,
    /// `skip` and `error` hold for these partitions of a Produce request only; the others are served.
    pub only: Option<Vec<(String, i32)>>,
    /// What becomes of the answer.
    pub reply: Reply,
    /// The answer comes so much later, in ms, and with it everything after it on the connection.
    pub delay_ms: i64,
    /// `throttle_time_ms` of the answer; the connection is not read for that long.
    pub throttle_ms: Option<i32>,
    /// Changes the answer's frame (size, header, body) before it is sent.
    pub alter: Option<fn(&mut Vec<u8>)>,
}

impl Fault {
    /// Answered with `error` and not carried out.
    pub fn refuse(error: ErrorCode) -> Self {
        Self { skip: true, error: Some(error), ..Self::default() }
    }

    /// Carried out, but answered with `error`.
    pub fn fail_after(error: ErrorCode) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// Neither carried out nor answered.
    pub fn ignore() -> Self {
        Self { skip: true, reply: Reply::Lose, ..Self::default() }
    }

    /// Carried out, but never answered.
    pub fn lose_answer() -> Self {
        Self { reply: Reply::Lose, ..Self::default() }
    }

    /// The connection is closed before anything is done.
    pub fn close_before() -> Self {
        Self { skip: true, reply: Reply::Close, ..Self::default() }
    }

    /// The connection is closed after it was carried out, without an answer.
    pub fn close_after() -> Self {
        Self { reply: Reply::Close, ..Self::default() }
    }

    /// Carried out, answered `ms` later.
    pub fn delay(ms: i64) -> Self {
        Self { delay_ms: ms, ..Self::default() }
    }

    /// The answer's bytes are changed.
    pub fn alter(change: fn(&mut Vec<u8>)) -> Self {
        Self { alter: Some(change), ..Self::default() }
    }

    /// Only these partitions of a Produce request are struck.
    pub fn only(mut self, partitions: &[(&str, i32)]) -> Self {
        self.only = Some(partitions.iter().map(|&(topic, index)| (topic.to_owned(), index)).collect());
        self
    }

    /// And the answer comes `ms` later.
    pub fn and_delay(mut self, ms: i64) -> Self {
        self.delay_ms = ms;
        self
    }

    /// Whether a partition is struck by `skip` and `error`.
    pub(crate) fn strikes(&self, topic: &str, partition: i32) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.iter().any(|(name, index)| name == topic && *index == partition))
    }
}

/// Judges each request before it is carried out.
pub type Injector = Box<dyn FnMut(&RequestInfo<'_>) -> Option<Fault> + Send>;
