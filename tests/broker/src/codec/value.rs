//! A message's value, and how to look into it.

/// A value of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Null, of whatever type.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number of 8 to 64 bits.
    Int(i64),
    /// A string.
    Text(String),
    /// Bytes, or record batches.
    Bytes(Vec<u8>),
    /// A UUID, most significant byte first.
    Uuid([u8; 16]),
    /// An array.
    Array(Vec<Value>),
    /// Fields by name, in the order of the wire when read, in any order when written.
    Struct(Vec<(&'static str, Value)>),
}

impl Value {
    /// The field `name`, if this is a struct that has it. A field that the message's version does not have is
    /// not there, nor is a tagged field that was not sent.
    pub fn find(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The field `name`, or null.
    pub fn field(&self, name: &str) -> &Value {
        self.find(name).unwrap_or(&Value::Null)
    }

    /// The number or truth value in the field `name`, or `default` if there is none.
    pub fn int_or(&self, name: &str, default: i64) -> i64 {
        match self.find(name) {
            Some(Self::Int(value)) => *value,
            Some(Self::Bool(value)) => i64::from(*value),
            _ => default,
        }
    }

    /// The number in the field `name`, which the version has; 0 otherwise.
    pub fn int(&self, name: &str) -> i64 {
        self.int_or(name, 0)
    }

    /// The truth value in the field `name`; false if there is none.
    pub fn bool(&self, name: &str) -> bool {
        self.int(name) != 0
    }

    /// The string in the field `name`, unless it is null or absent.
    pub fn text_or_null(&self, name: &str) -> Option<&str> {
        self.field(name).as_text()
    }

    /// The string in the field `name`; empty if null or absent.
    pub fn text(&self, name: &str) -> &str {
        self.text_or_null(name).unwrap_or_default()
    }

    /// The bytes in the field `name`, unless null or absent.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.field(name) {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The UUID in the field `name`; zero if absent.
    pub fn uuid(&self, name: &str) -> [u8; 16] {
        match self.field(name) {
            Self::Uuid(uuid) => *uuid,
            _ => [0; 16],
        }
    }

    /// The array in the field `name`, unless null or absent.
    pub fn list_or_null(&self, name: &str) -> Option<&[Value]> {
        match self.field(name) {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The array in the field `name`; empty if null or absent.
    pub fn list(&self, name: &str) -> &[Value] {
        self.list_or_null(name).unwrap_or_default()
    }

    /// This string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// This number.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}

/// A struct of these fields.
pub fn object<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Struct(fields.into())
}

macro_rules! from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(value: $number) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}
from_number!(i8, i16, i32, i64, u8, u16, u32);

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<[u8; 16]> for Value {
    fn from(value: [u8; 16]) -> Self {
        Self::Uuid(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::Array(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::Array(items.into_iter().collect())
    }
}
