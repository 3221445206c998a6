//! A value, written along the table of its message.
use super::{CodecError, Tags, Value};
use kurier_core::wire::{
    Message,
    schema::{Field, Kind, Preset},
    varint::Varint,
};

/// The body of `message`.
pub(super) fn encode(
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
            self.out.extend_from_slice(Varint::unsigned(*tag).as_bytes());
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
            self.out
                .extend_from_slice(Varint::unsigned(len.map_or(0, |len| len.unsigned_abs() + 1)).as_bytes());
            return Ok(());
        }
        let len = i64::from(len.unwrap_or(-1));
        if classic == 2 { self.number::<2>(len, name) } else { self.number::<4>(len, name) }
    }

    fn varint(&mut self, value: usize) {
        self.out.extend_from_slice(Varint::unsigned(value as u32).as_bytes());
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
