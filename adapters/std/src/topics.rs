//! Topic names to handles. A name is looked up for every record, under the lock, so the usual case must be
//! quick without being open to crafted names: a small table that is indexed by a few bytes of the name and
//! verified by comparing all of it stands before an ordinary map.
use kurier_core::error::{TopicError, check_topic_name};
use kurier_core::record::Topic;
use std::collections::HashMap;
use std::sync::Arc;

/// Entries of the table; a program that sends to more topics at a time falls back to the map now and then.
const QUICK: usize = 64;

/// The topics of one producer, in the order of their handles.
#[derive(Debug)]
pub(crate) struct Topics {
    names: Vec<Arc<str>>,
    handles: HashMap<Arc<str>, u16>,
    /// Index into `names`, to be verified.
    quick: [u16; QUICK],
}

impl Topics {
    pub(crate) fn new() -> Self {
        Self { names: Vec::new(), handles: HashMap::new(), quick: [0; QUICK] }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.names.len()
    }

    /// The topic's name.
    pub(crate) fn name(&self, topic: Topic) -> Option<&Arc<str>> {
        self.names.get(usize::from(topic.0))
    }

    /// The handle of `name`, if it was used before.
    #[inline]
    pub(crate) fn find(&mut self, name: &str) -> Option<Topic> {
        let place = place(name);
        let guess = *self.quick.get(place)?;
        if self.names.get(usize::from(guess)).is_some_and(|known| **known == *name) {
            return Some(Topic(guess));
        }
        let handle = *self.handles.get(name)?;
        if let Some(quick) = self.quick.get_mut(place) {
            *quick = handle;
        }
        Some(Topic(handle))
    }

    /// A handle for a name that [`find`](Self::find) does not know; handles are given in order from 0.
    ///
    /// # Errors
    /// A name that Kafka would not accept, or no handle is left.
    pub(crate) fn add(&mut self, name: &str) -> Result<Topic, TopicError> {
        check_topic_name(name)?;
        let handle = u16::try_from(self.names.len()).map_err(|_| TopicError::Full)?;
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.handles.insert(name, handle);
        Ok(Topic(handle))
    }
}

/// Where a name stands in the table: by its length, its first and its last bytes.
#[inline]
fn place(name: &str) -> usize {
    let bytes = name.as_bytes();
    let ends = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(32),
        _ => bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    let mixed = (ends ^ bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The top six bits index 64 entries.
    usize::try_from(mixed >> 58).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_count_from_zero_and_are_found_again() {
        let mut topics = Topics::new();
        let names: Vec<String> = (0..500).map(|n| format!("topic-with-a-long-name-{n}-suffix")).collect();
        for (n, name) in names.iter().enumerate() {
            assert_eq!(topics.find(name), None);
            assert_eq!(usize::from(topics.add(name).unwrap().0), n);
        }
        for round in 0..3 {
            for (n, name) in names.iter().enumerate() {
                assert_eq!(topics.find(name).map(|t| usize::from(t.0)), Some(n), "{round}");
                assert_eq!(topics.name(Topic(u16::try_from(n).unwrap())).map(|n| &**n), Some(name.as_str()));
            }
        }
        assert_eq!(topics.find("t"), None);
        assert_eq!(topics.len(), 500);
    }

    #[test]
    fn a_name_kafka_would_refuse_gets_no_handle() {
        let mut topics = Topics::new();
        assert_eq!(topics.add("a b"), Err(TopicError::IllegalCharacter));
        assert_eq!(topics.add(""), Err(TopicError::Empty));
        assert_eq!(topics.len(), 0);
        assert_eq!(topics.find(""), None);
    }
}
