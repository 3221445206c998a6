//! ApiVersions: what the broker speaks.
//!
//! Source: `ApiVersionsRequest`, `ApiVersionsResponse` of Kafka 4.3; versions 0-4, and KIP-511: a version that is not
//! spoken is answered with error 35 in the body of version 0.
use std::borrow::Cow;

use crate::api;
use crate::bytes::{Malformed, Reader, Writer};
use crate::settings::{ApiRange, Settings};
use kurier_core::wire::ErrorCode;

/// An ApiVersions request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ApiVersionsRequest<'a> {
    /// From version 3 on.
    pub client_software_name: Cow<'a, str>,
    /// From version 3 on.
    pub client_software_version: Cow<'a, str>,
}

impl<'a> ApiVersionsRequest<'a> {
    pub(crate) fn read(r: &mut Reader<'a>, version: i16) -> Result<Self, Malformed> {
        let mut request = Self::default();
        if version >= 3 {
            request.client_software_name = r.string()?;
            request.client_software_version = r.string()?;
        }
        r.end()?;
        Ok(request)
    }

    /// Whether name and version are letters, digits, and in their middle '-' and '.'.
    fn is_valid(&self) -> bool {
        let word = |text: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            let ends = [text.bytes().next(), text.bytes().last()];
            ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
                && text.bytes().all(inner)
        };
        word(&self.client_software_name) && word(&self.client_software_version)
    }
}

/// The error of a request that could be read.
pub(crate) fn judge(request: &ApiVersionsRequest<'_>, version: i16) -> ErrorCode {
    if version < 3 || request.is_valid() { ErrorCode::NONE } else { ErrorCode::INVALID_REQUEST }
}

/// Writes the answer's body. With UNSUPPORTED_VERSION `version` is to be 0.
pub(crate) fn write(
    w: &mut Writer<'_>,
    version: i16,
    settings: &Settings,
    error: ErrorCode,
    throttle_ms: i32,
) {
    w.i16(error.0);
    let own = settings.range(api::API_VERSIONS);
    let ranges: Vec<ApiRange> = match error {
        ErrorCode::NONE => settings.apis.clone(),
        // Brokers before 2.4 (ApiVersions 3) named nothing here.
        ErrorCode::UNSUPPORTED_VERSION => own.filter(|own| own.max >= 3).into_iter().collect(),
        _ => Vec::new(),
    };
    w.count(ranges.len());
    for range in &ranges {
        w.i16(range.key);
        w.i16(range.min);
        w.i16(range.max);
        w.end();
    }
    if version >= 1 {
        w.i32(throttle_ms);
    }
    if settings.features.is_empty() || !error.is_none() {
        return w.end();
    }
    w.tags(if version >= 3 { 3 } else { 0 });
    if version < 3 {
        return;
    }
    // A client before version 4 would take a lowest level of 0 for damage, so it is not told of such features.
    let supported: Vec<_> =
        settings.features.iter().filter(|feature| version >= 4 || feature.min > 0).collect();
    w.tag(0, |w| {
        w.count(supported.len());
        for feature in supported {
            w.string(&feature.name);
            w.i16(feature.min);
            w.i16(feature.max);
            w.end();
        }
    });
    w.tag(1, |w| w.i64(1));
    w.tag(2, |w| {
        w.count(settings.features.len());
        for feature in &settings.features {
            w.string(&feature.name);
            w.i16(feature.level);
            w.i16(feature.level);
            w.end();
        }
    });
}
