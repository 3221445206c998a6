//! What clients may not do, as the rules of an authorizer deny it.
//!
//! All clients are one: users are not modelled, nor are rules that allow. Source: `KafkaApis`, `StandardAuthorizer` of Kafka 4.3.

/// Something that clients may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// Write to the topic of this name, to any if it is `*`.
    Write(String),
    /// See the topic of this name in metadata.
    Describe(String),
    /// Be an idempotent producer. It changes nothing as long as any topic may be written to.
    IdempotentWrite,
    /// Use this transactional id.
    TransactionalId(String),
}

/// The denials of a cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    denied: Vec<Denial>,
}

impl Access {
    pub(crate) fn deny(&mut self, denial: Denial) {
        if !self.denied.contains(&denial) {
            self.denied.push(denial);
        }
    }

    pub(crate) fn allow(&mut self, denial: &Denial) {
        self.denied.retain(|denied| denied != denial);
    }

    pub(crate) fn may_write(&self, topic: &str) -> bool {
        !self.any(|denied| matches!(denied, Denial::Write(name) if name == topic || name == "*"))
    }

    pub(crate) fn may_describe(&self, topic: &str) -> bool {
        !self.any(|denied| matches!(denied, Denial::Describe(name) if name == topic))
    }

    pub(crate) fn may_be_idempotent(&self) -> bool {
        !self.any(|denied| *denied == Denial::IdempotentWrite) || self.may_write("*")
    }

    pub(crate) fn may_use(&self, transactional_id: &str) -> bool {
        !self.any(|denied| matches!(denied, Denial::TransactionalId(name) if name == transactional_id))
    }

    fn any(&self, is: impl Fn(&Denial) -> bool) -> bool {
        self.denied.iter().any(is)
    }
}
