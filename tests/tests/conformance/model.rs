//! The wire to the model.
use crate::normal::Names;
use crate::talk::{Answer, read};
use kurier_broker::{Cluster, ConnectionId, Server};

/// The model with a connection to one of its brokers.
pub struct Model {
    pub cluster: Cluster,
    pub broker: i32,
    connection: ConnectionId,
    pub names: Names,
    /// Ahead of the clock where it waited.
    pub now: i64,
}

impl Model {
    /// With broker 1.
    pub fn new(mut cluster: Cluster) -> Self {
        let connection = cluster.open(1).unwrap();
        Self { cluster, broker: 1, connection, names: Names::default(), now: 0 }
    }

    pub fn reconnect(&mut self) {
        self.cluster.close(self.connection);
        self.connection = self.cluster.open(self.broker).unwrap();
    }

    pub fn send(&mut self, bytes: &[u8], expected: &[(i16, i16)]) -> Vec<Answer> {
        let cluster = &mut self.cluster;
        self.now = self.now.max(Server::now_ms());
        // A throttled connection is read again later.
        while !cluster.is_reading(self.connection)
            && let Some(at) = cluster.next_deadline()
        {
            self.now = self.now.max(at);
            cluster.poll(self.now);
        }
        let _ = cluster.handle(self.connection, bytes, self.now);
        while !cluster.is_reading(self.connection)
            && cluster.closed(self.connection).is_none()
            && cluster.output(self.connection).is_none_or(|output| output.is_empty())
            && let Some(at) = cluster.next_deadline()
        {
            self.now = self.now.max(at);
            cluster.poll(self.now);
        }
        let output = cluster.take_output(self.connection);
        let mut rest = output.as_slice();
        let mut answers = Vec::new();
        for &(api, version) in expected {
            let Some((size, tail)) = rest.split_first_chunk::<4>() else { break };
            let (payload, tail) = tail.split_at(u32::from_be_bytes(*size) as usize);
            rest = tail;
            answers.push(read(&mut self.names, api, version, payload));
        }
        assert!(rest.is_empty(), "the model answered more than was expected");
        if cluster.closed(self.connection).is_some() {
            answers.push(Answer::Closed);
        } else if answers.len() < expected.len() {
            answers.push(Answer::Silence);
        } else {
            return answers;
        }
        self.reconnect();
        answers
    }
}
