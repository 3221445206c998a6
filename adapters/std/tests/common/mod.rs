//! What the tests of this folder share.
#![allow(clippy::expect_used)]
#![allow(dead_code)] // each test binary uses its part

use kurier::config::Config;
use kurier::{RecordError, RecordFuture, RecordMetadata};
use kurier_broker::Server;
use std::time::Duration;

/// A configuration for this server, with everything else as Kafka has it.
pub(crate) fn config(server: &Server) -> Config {
    Config::new().bootstrap(&server.bootstrap())
}

/// How a record ended, which it does in time.
pub(crate) fn end(record: RecordFuture) -> Result<RecordMetadata, RecordError> {
    record.wait_timeout(Duration::from_secs(20)).expect("the record has an end")
}

/// The values that lie in a partition, in order, as text.
pub(crate) fn values(server: &Server, topic: &str, partition: i32) -> Vec<String> {
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    server.with(|cluster| cluster.records(topic, partition).map(|record| text(record.value)).collect())
}

/// The smallest executor there is: the futures must not need more.
pub(crate) mod executor {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::Thread;

    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Runs a future on this thread.
    pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            std::thread::park();
        }
    }
}
