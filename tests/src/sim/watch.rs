//! What no broker may ever see of a producer, looked at as requests arrive, whatever faults strike them afterwards.
use kurier_broker::{Body, ConnectionId, Fault, RequestInfo};
use kurier_core::wire::ErrorCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Looks at requests; clones share what was found.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    max_request_size: usize,
    /// Topics may be made by asking for them.
    creates: bool,
    found: Arc<Mutex<Option<String>>>,
    /// Connections on which a broker has sent the producer back to the bootstrap servers.
    sent_away: Arc<Mutex<Vec<ConnectionId>>>,
    struck: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn new(max_request_size: usize, creates: bool) -> Self {
        Self {
            max_request_size,
            creates,
            found: Arc::default(),
            sent_away: Arc::default(),
            struck: Arc::default(),
        }
    }

    /// Looks at one request.
    pub(super) fn look(&self, request: &RequestInfo<'_>) {
        let produce = match &request.body {
            Body::Produce(produce) => produce,
            // One at a time is asked, so the answer before was read.
            Body::Metadata(_)
                if self.sent_away.lock().is_ok_and(|away| away.contains(&request.connection)) =>
            {
                return self.note("a broker that has sent the producer away is asked again".to_owned());
            }
            // Older versions cannot say it.
            Body::Metadata(metadata)
                if metadata.allow_auto_topic_creation && request.version >= 4 && !self.creates =>
            {
                return self.note("brokers are asked to make topics, which is not allowed".to_owned());
            }
            _ => return,
        };
        let batches = || produce.topics.iter().flat_map(|topic| &topic.partitions);
        let sum: usize = batches().filter_map(|partition| partition.records).map(<[u8]>::len).sum();
        if sum > self.max_request_size && batches().count() > 1 {
            let most = self.max_request_size;
            self.note(format!("a request of {sum} bytes of batches, max.request.size is {most}"));
        }
        for partition in batches() {
            let batch = partition.records.unwrap_or_default();
            let stored =
                batch.get(17..21).and_then(|field| field.first_chunk()).map(|sum| u32::from_be_bytes(*sum));
            if stored != batch.get(21..).map(crc32c::crc32c) {
                self.note(format!("a batch for partition {} whose checksum is wrong", partition.index));
            }
        }
    }

    /// What will be said to a request.
    pub(super) fn answered(&self, request: &RequestInfo<'_>, fault: Option<&Fault>) {
        if fault.and_then(|fault| fault.error) == Some(ErrorCode::REBOOTSTRAP_REQUIRED)
            && let Ok(mut away) = self.sent_away.lock()
        {
            away.push(request.connection);
        }
    }

    /// A fault has struck a request.
    pub(super) fn strike(&self) {
        self.struck.store(true, Ordering::Relaxed);
    }

    /// Whether one has.
    pub(super) fn was_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    fn note(&self, what: String) {
        if let Ok(mut found) = self.found.lock() {
            found.get_or_insert(what);
        }
    }

    /// What was found since the last call.
    pub(super) fn take(&self) -> Option<String> {
        self.found.lock().ok()?.take()
    }
}
