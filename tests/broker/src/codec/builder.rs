//! Items of a walk, put together to a value.
use super::{Decoded, Tags, Value};
use kurier_core::wire::{
    Item, Message,
    schema::{Field, Kind},
};

/// Puts items together to a value. Feeding it is up to the caller, so that items may come from a stream.
#[derive(Debug)]
pub struct Builder {
    message: &'static Message,
    /// Open containers with the field each belongs to, outermost first; the message has none.
    open: Vec<(Option<u8>, Value)>,
    bytes: Vec<u8>,
    tag: Vec<u8>,
    unknown: Vec<(String, Tags)>,
    unread: usize,
}

impl Builder {
    /// Nothing taken yet.
    pub fn new(message: &'static Message) -> Self {
        let open = vec![(None, Value::Struct(Vec::new()))];
        Self { message, open, bytes: Vec::new(), tag: Vec::new(), unknown: Vec::new(), unread: 0 }
    }

    /// Takes the next item; `NeedMore` and `Done` are ignored.
    pub fn take(&mut self, item: Item<'_>) {
        match item {
            Item::NeedMore | Item::Done => {}
            Item::Int { field, value } if self.kind(field) == Some(Kind::Bool) => {
                self.add(field, Value::Bool(value != 0));
            }
            Item::Int { field, value } => self.add(field, Value::Int(value)),
            Item::Uuid { field, value } => self.add(field, Value::Uuid(*value)),
            Item::Null { field } => self.add(field, Value::Null),
            Item::Chunk { field, chunk, last, .. } => {
                self.bytes.extend_from_slice(chunk);
                if last {
                    let bytes = std::mem::take(&mut self.bytes);
                    let value = match self.kind(field) {
                        Some(Kind::Text) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
                        _ => Value::Bytes(bytes),
                    };
                    self.add(field, value);
                }
            }
            Item::Begin { field, .. } => self.open.push((Some(field), Value::Array(Vec::new()))),
            Item::Element { field } => self.open.push((Some(field), Value::Struct(Vec::new()))),
            Item::End { field } | Item::ElementEnd { field } => {
                if let Some((_, value)) = self.open.pop() {
                    self.add(field, value);
                }
            }
            Item::Unknown { tag, chunk, last } => {
                self.tag.extend_from_slice(chunk);
                if last {
                    let bytes = std::mem::take(&mut self.tag);
                    let path = self.path();
                    match self.unknown.iter_mut().find(|(known, _)| *known == path) {
                        Some((_, tags)) => tags.push((tag, bytes)),
                        None => self.unknown.push((path, vec![(tag, bytes)])),
                    }
                }
            }
            Item::Trailing { chunk } => self.unread += chunk.len(),
        }
    }

    /// What was put together, complete after the item `Done`.
    pub fn finish(mut self) -> Decoded {
        let value = if self.open.is_empty() { Value::Null } else { self.open.swap_remove(0).1 };
        Decoded { value, unknown: self.unknown, unread: self.unread }
    }

    fn kind(&self, field: u8) -> Option<Kind> {
        self.message.field(field).map(Field::kind)
    }

    fn add(&mut self, field: u8, value: Value) {
        let name = self.message.field(field).map_or("", Field::name);
        match self.open.last_mut() {
            Some((_, Value::Array(items))) => items.push(value),
            Some((_, Value::Struct(fields))) => match fields.iter_mut().find(|(known, _)| *known == name) {
                // A tagged field once more: the last one counts.
                Some((_, known)) => *known = value,
                None => fields.push((name, value)),
            },
            _ => {}
        }
    }

    /// The JSON pointer of the innermost open struct.
    fn path(&self) -> String {
        let mut path = String::new();
        for window in self.open.windows(2) {
            let [(_, outer), (field, _)] = window else { continue };
            match outer {
                Value::Array(items) => path.push_str(&format!("/{}", items.len())),
                _ => {
                    path.push('/');
                    path.push_str(field.and_then(|id| self.message.field(id)).map_or("", Field::name));
                }
            }
        }
        path
    }
}
