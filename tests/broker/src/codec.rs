//! Messages as values: any request or response of the tables in [`kurier_core::wire`], read into a [`Value`]
//! and written back, with heap.
//!
//! Reading goes through the same [`Walker`] as in a client, so that both sides of a test refuse the same
//! bytes; writing follows the same tables. Field names are Kafka's, in lower camel case. A field that a value
//! leaves out has Kafka's default. Not here: what a message means.
use kurier_core::wire::{
    Api, Damage, Item, Message, Walker, registry,
    schema::{Field, Kind, Preset},
    varint::{self, Varint},
};
use std::fmt;

pub use kurier_core::wire::registry::Direction;

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

/// Tagged fields that no table knows: tag and bytes, in the order of the wire.
pub type Tags = Vec<(u32, Vec<u8>)>;

/// All that was found in a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The message.
    pub value: Value,
    /// Unknown tagged fields by the JSON pointer (RFC 6901) of the struct that carries them.
    pub unknown: Vec<(String, Tags)>,
    /// Bytes behind the last field.
    pub unread: usize,
}

/// Why a message cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not such a message.
    Damage(Damage),
    /// There is no table for this API, or it does not have this version.
    UnknownMessage {
        /// The API key.
        key: i16,
        /// The version.
        version: i16,
    },
    /// A value has the wrong type for its field.
    WrongType(&'static str),
    /// A number, string or array does not fit its field.
    OutOfRange(&'static str),
    /// A value has a field that no version has.
    UnknownField(&'static str),
}

impl From<Damage> for CodecError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(damage) => damage.fmt(f),
            Self::UnknownMessage { key, version } => {
                write!(f, "no table for API key {key} in version {version}")
            }
            Self::WrongType(name) => write!(f, "the value of `{name}` has the wrong type"),
            Self::OutOfRange(name) => write!(f, "the value of `{name}` does not fit"),
            Self::UnknownField(name) => write!(f, "no version has a field `{name}`"),
        }
    }
}

impl std::error::Error for CodecError {}

fn table(key: i16, version: i16, direction: Direction) -> Result<&'static Message, CodecError> {
    registry::message(key, direction)
        .filter(|message| (message.api.oldest..=message.api.newest).contains(&version))
        .ok_or(CodecError::UnknownMessage { key, version })
}

/// Reads the body of a message; unknown tagged fields and what follows the last field are skipped.
///
/// # Errors
/// The API or version has no table, or the payload is damaged.
pub fn decode(key: i16, version: i16, direction: Direction, payload: &[u8]) -> Result<Value, CodecError> {
    decode_all(table(key, version, direction)?, version, payload)
        .map(|decoded| decoded.value)
        .map_err(Into::into)
}

/// Reads the body of a message and keeps what the table does not know.
///
/// # Errors
/// The payload is damaged.
pub fn decode_all(message: &'static Message, version: i16, payload: &[u8]) -> Result<Decoded, Damage> {
    let len = u32::try_from(payload.len()).map_err(|_| Damage::LengthBeyondEnd)?;
    let mut walker = Walker::new(message, version, len).verbose();
    let mut builder = Builder::new(message);
    let mut input = payload;
    loop {
        match walker.next(&mut input)? {
            Item::Done => return Ok(builder.finish()),
            Item::NeedMore => return Err(Damage::Truncated),
            item => builder.take(item),
        }
    }
}

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

/// Writes the body of a message. Fields that `value` leaves out have Kafka's defaults; a tagged field that has
/// its default is not sent; fields of other versions are left out, so that one value serves all versions.
///
/// # Errors
/// The API or version has no table, or the value does not fit it.
pub fn encode(key: i16, version: i16, direction: Direction, value: &Value) -> Result<Vec<u8>, CodecError> {
    encode_all(table(key, version, direction)?, version, value, &[])
}

/// Writes the body of a message with unknown tagged fields (see [`Decoded::unknown`]).
///
/// # Errors
/// The value does not fit the table.
pub fn encode_all(
    message: &'static Message,
    version: i16,
    value: &Value,
    unknown: &[(String, Tags)],
) -> Result<Vec<u8>, CodecError> {
    let mut encoder = Encoder {
        fields: message.fields(),
        version: u8::try_from(version).unwrap_or(0),
        flexible: message.api.is_flexible(version),
        unknown,
        path: String::new(),
        out: Vec::new(),
    };
    encoder.body(0..message.fields().len(), value, "")?;
    Ok(encoder.out)
}

struct Encoder<'v> {
    fields: &'static [Field],
    version: u8,
    flexible: bool,
    unknown: &'v [(String, Tags)],
    /// JSON pointer of the struct being written.
    path: String,
    out: Vec<u8>,
}

impl Encoder<'_> {
    /// The fields of one level in `range`, and the tagged ones behind them.
    fn body(
        &mut self,
        range: std::ops::Range<usize>,
        value: &Value,
        owner: &'static str,
    ) -> Result<(), CodecError> {
        let Value::Struct(given) = value else { return Err(CodecError::WrongType(owner)) };
        let fields = self.fields;
        let mut tagged = Vec::new();
        let mut names = Vec::new();
        let mut at = range.start;
        while let Some(field) = fields.get(at).filter(|_| at < range.end) {
            names.push(field.name());
            let found = given.iter().find(|(name, _)| *name == field.name()).map(|(_, value)| value);
            if field.exists(self.version) {
                match field.tag() {
                    None => self.field(at, field, found.unwrap_or(&default_of(field)))?,
                    Some(tag) if found.is_some_and(|value| !is_default(fields, at, value)) => {
                        tagged.push((tag, at, field));
                    }
                    Some(_) => {}
                }
            }
            at += 1 + usize::from(field.inside());
        }
        match given.iter().find(|(name, _)| !names.contains(name)) {
            Some((name, _)) => Err(CodecError::UnknownField(name)),
            None => self.tags(&tagged, given),
        }
    }

    fn tags(
        &mut self,
        tagged: &[(u8, usize, &Field)],
        given: &[(&'static str, Value)],
    ) -> Result<(), CodecError> {
        if !self.flexible {
            return Ok(());
        }
        let unknown = self.unknown;
        let extra = unknown.iter().find(|(path, _)| *path == self.path).map_or(&[][..], |(_, tags)| tags);
        self.varint(tagged.len() + extra.len());
        let mut tagged = tagged.to_vec();
        tagged.sort_by_key(|(tag, ..)| *tag);
        for (tag, at, field) in tagged {
            let Some((_, value)) = given.iter().find(|(name, _)| *name == field.name()) else { continue };
            let outer = std::mem::take(&mut self.out);
            let written = self.field(at, field, value);
            let inner = std::mem::replace(&mut self.out, outer);
            written?;
            self.varint(usize::from(tag));
            self.varint(inner.len());
            self.out.extend_from_slice(&inner);
        }
        for (tag, bytes) in extra {
            self.out.extend_from_slice(Varint::unsigned(u64::from(*tag)).as_bytes());
            self.varint(bytes.len());
            self.out.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn field(&mut self, at: usize, field: &Field, value: &Value) -> Result<(), CodecError> {
        let name = field.name();
        let inside = at + 1..at + 1 + usize::from(field.inside());
        let len = self.path.len();
        self.path.push('/');
        self.path.push_str(name);
        if field.is_array() {
            match value {
                Value::Null if field.is_nullable(self.version) => self.length(None, 4, name)?,
                Value::Array(items) => {
                    self.length(Some(items.len()), 4, name)?;
                    for (index, item) in items.iter().enumerate() {
                        let len = self.path.len();
                        self.path.push_str(&format!("/{index}"));
                        if field.kind() == Kind::Struct {
                            self.body(inside.clone(), item, name)?;
                        } else {
                            self.scalar(field.kind(), item, name, false)?;
                        }
                        self.path.truncate(len);
                    }
                }
                _ => return Err(CodecError::WrongType(name)),
            }
        } else if field.kind() == Kind::Struct {
            self.body(inside, value, name)?;
        } else {
            self.scalar(field.kind(), value, name, field.is_nullable(self.version))?;
        }
        self.path.truncate(len);
        Ok(())
    }

    fn scalar(
        &mut self,
        kind: Kind,
        value: &Value,
        name: &'static str,
        nullable: bool,
    ) -> Result<(), CodecError> {
        match (kind, value) {
            (Kind::Bool, Value::Bool(value)) => self.out.push(u8::from(*value)),
            (Kind::Bool, Value::Int(value)) => self.out.push(u8::from(*value != 0)),
            (Kind::Int8, Value::Int(value)) => self.number::<1>(*value, name)?,
            (Kind::Int16, Value::Int(value)) => self.number::<2>(*value, name)?,
            (Kind::Int32, Value::Int(value)) => self.number::<4>(*value, name)?,
            (Kind::Int64, Value::Int(value)) => self.number::<8>(*value, name)?,
            (Kind::Uuid, Value::Uuid(value)) => self.out.extend_from_slice(value),
            (Kind::Text, Value::Text(text)) => {
                if text.len() > 0x7fff {
                    return Err(CodecError::OutOfRange(name));
                }
                self.length(Some(text.len()), 2, name)?;
                self.out.extend_from_slice(text.as_bytes());
            }
            (Kind::Bytes, Value::Bytes(bytes)) => {
                self.length(Some(bytes.len()), 4, name)?;
                self.out.extend_from_slice(bytes);
            }
            (Kind::Text, Value::Null) if nullable => self.length(None, 2, name)?,
            (Kind::Bytes, Value::Null) if nullable => self.length(None, 4, name)?,
            _ => return Err(CodecError::WrongType(name)),
        }
        Ok(())
    }

    fn number<const N: usize>(&mut self, value: i64, name: &'static str) -> Result<(), CodecError> {
        let bits = 64 - 8 * N as u32;
        if value << bits >> bits != value {
            return Err(CodecError::OutOfRange(name));
        }
        self.out.extend(value.to_be_bytes().iter().skip(8 - N));
        Ok(())
    }

    fn length(&mut self, len: Option<usize>, classic: u8, name: &'static str) -> Result<(), CodecError> {
        let len = len.map(i32::try_from).transpose().map_err(|_| CodecError::OutOfRange(name))?;
        if self.flexible {
            self.out.extend_from_slice(
                Varint::unsigned(len.map_or(0, |len| u64::from(len.unsigned_abs()) + 1)).as_bytes(),
            );
            return Ok(());
        }
        let len = i64::from(len.unwrap_or(-1));
        if classic == 2 { self.number::<2>(len, name) } else { self.number::<4>(len, name) }
    }

    fn varint(&mut self, value: usize) {
        self.out.extend_from_slice(Varint::unsigned(value as u64).as_bytes());
    }
}

/// Kafka's default of a field.
fn default_of(field: &Field) -> Value {
    match (field.preset(), field.is_array(), field.kind()) {
        (Preset::Null, ..) => Value::Null,
        (Preset::Int(value), _, Kind::Bool) => Value::Bool(value != 0),
        (Preset::Int(value), ..) => Value::Int(value),
        (Preset::Zero, true, _) => Value::Array(Vec::new()),
        (Preset::Zero, false, Kind::Bool) => Value::Bool(false),
        (Preset::Zero, false, Kind::Uuid) => Value::Uuid([0; 16]),
        (Preset::Zero, false, Kind::Text) => Value::Text(String::new()),
        (Preset::Zero, false, Kind::Bytes) => Value::Bytes(Vec::new()),
        (Preset::Zero, false, Kind::Struct) => Value::Struct(Vec::new()),
        (Preset::Zero, false, _) => Value::Int(0),
    }
}

/// Whether `value` is the default of the field at `at`; a struct is if all its fields are.
fn is_default(fields: &[Field], at: usize, value: &Value) -> bool {
    let Some(field) = fields.get(at) else { return false };
    match value {
        Value::Struct(given) => given.iter().all(|(name, value)| {
            let inside = at + 1..at + 1 + usize::from(field.inside());
            inside
                .clone()
                .any(|at| fields.get(at).is_some_and(|f| f.name() == *name) && is_default(fields, at, value))
        }),
        Value::Bool(value) => default_of(field) == Value::Bool(*value),
        value => default_of(field) == *value,
    }
}

/// A request's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// API key.
    pub key: i16,
    /// Version of the body.
    pub version: i16,
    /// To be repeated in the answer.
    pub correlation: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
    /// Its tagged fields; none are known.
    pub tags: Tags,
}

/// Reads the header of a request (what follows the int32 size) and returns the body behind it. The version of
/// the header follows from `api`, which is found by key; ApiVersions may come in a version nobody knows.
///
/// # Errors
/// The header is damaged, or its API is not known.
pub fn request_header(payload: &[u8]) -> Result<(RequestHeader, &[u8]), CodecError> {
    let (key, rest) = split::<2>(payload)?;
    let (version, rest) = split::<2>(rest)?;
    let (correlation, rest) = split::<4>(rest)?;
    let (length, mut rest) = split::<2>(rest)?;
    let (key, version) = (i16::from_be_bytes(key), i16::from_be_bytes(version));
    let api: &Api = registry::api(key).ok_or(CodecError::UnknownMessage { key, version })?;
    let client_id = match usize::try_from(i16::from_be_bytes(length)) {
        Ok(length) => {
            let (id, after) = rest.split_at_checked(length).ok_or(Damage::LengthBeyondEnd)?;
            rest = after;
            Some(String::from_utf8_lossy(id).into_owned())
        }
        Err(_) => None,
    };
    let mut tags = Vec::new();
    if api.request_header(version) >= 2 {
        (tags, rest) = read_tags(rest)?;
    }
    Ok((RequestHeader { key, version, correlation: i32::from_be_bytes(correlation), client_id, tags }, rest))
}

/// Writes a response's header: the correlation id, and tagged fields if the API's version has them.
pub fn response_header(api: &Api, version: i16, correlation: i32, tags: &Tags) -> Vec<u8> {
    let mut out = correlation.to_be_bytes().to_vec();
    if api.response_header(version) >= 1 {
        out.extend_from_slice(Varint::unsigned(tags.len() as u64).as_bytes());
        for (tag, bytes) in tags {
            out.extend_from_slice(Varint::unsigned(u64::from(*tag)).as_bytes());
            out.extend_from_slice(Varint::unsigned(bytes.len() as u64).as_bytes());
            out.extend_from_slice(bytes);
        }
    }
    out
}

/// Puts the int32 size before a payload.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(payload);
    out
}

fn split<const N: usize>(input: &[u8]) -> Result<([u8; N], &[u8]), Damage> {
    input.split_first_chunk::<N>().map(|(head, rest)| (*head, rest)).ok_or(Damage::Truncated)
}

fn read_tags(input: &[u8]) -> Result<(Tags, &[u8]), Damage> {
    let varint = |input| {
        varint::unsigned(input).map_err(|error| match error {
            error if error.is_incomplete() => Damage::Truncated,
            _ => Damage::VarintTooLong,
        })
    };
    let (mut rest, count) = varint(input)?;
    let mut tags = Vec::new();
    for _ in 0..i32::try_from(count).unwrap_or(0) {
        let (after, tag) = varint(rest)?;
        let (after, size) = varint(after)?;
        let size = usize::try_from(size).map_err(|_| Damage::LengthBeyondEnd)?;
        let (bytes, after) = after.split_at_checked(size).ok_or(Damage::LengthBeyondEnd)?;
        tags.push((tag, bytes.to_vec()));
        rest = after;
    }
    Ok((tags, rest))
}
