//! Field tables: what a message looks like in each version, as data.
//!
//! A table lists a message's fields in the order of the wire, each container before what it holds, so a
//! field's position is its id and a container needs to know only how many fields are inside it. A field takes
//! four bytes; names and default values exist under the feature `reverse` only.
//!
//! Not here: bytes. [`walk`](super::walk) reads them. Source: the message schemas of Apache Kafka 4.3.
//!
//! Invariant of every table, checked when it is compiled: at most [`MAX_DEPTH`] containers are open at a
//! time, only structs hold fields, and there are 1 to 63 fields.

use crate::feature;

/// Containers that may be open inside one another, the message not counted.
pub const MAX_DEPTH: usize = 3;

/// Stands for "never" or "none" in a nibble.
const NONE: u8 = 15;
/// Set in [`Field::inside`] of an array.
const ARRAY: u8 = 0x80;
/// Set in [`Field::inside`] of the last field of its container.
const LAST: u8 = 0x40;
/// The newest version that a table can tell apart.
pub(super) const MAX_VERSION: u8 = 14;

/// One request/response pair: its key, the versions this project speaks, and the first flexible one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// The API key.
    pub key: i16,
    /// Oldest version spoken.
    pub oldest: i16,
    /// Newest version spoken.
    pub newest: i16,
    /// First version with compact lengths and tagged fields; above `newest` if none has them.
    pub flexible_from: i16,
}

impl Api {
    /// The highest version both sides speak, given the peer's range; `None` if the ranges do not meet.
    pub fn common(&self, oldest: i16, newest: i16) -> Option<i16> {
        let version = self.newest.min(newest);
        (version >= self.oldest && version >= oldest).then_some(version)
    }

    /// Whether `version` has compact lengths and tagged fields.
    pub const fn is_flexible(&self, version: i16) -> bool {
        !feature::OLD_BROKERS || version >= self.flexible_from
    }

    /// Version of the request header: 1, or 2 with tagged fields.
    pub const fn request_header(&self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Version of the response header: 0, or 1 with tagged fields. That of ApiVersions is always 0, because
    /// its reader does not know yet what the broker speaks (KIP-511).
    pub const fn response_header(&self, version: i16) -> i16 {
        if self.is_flexible(version) && self.key != super::api_versions::API.key { 1 } else { 0 }
    }
}

/// The type of a field, or of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// One byte; any but 0 is true.
    Bool,
    /// Signed, one byte.
    Int8,
    /// Signed, two bytes.
    Int16,
    /// Signed, four bytes.
    Int32,
    /// Signed, eight bytes.
    Int64,
    /// Sixteen bytes, most significant first.
    Uuid,
    /// A string of at most 32767 bytes.
    Text,
    /// Bytes or record batches.
    Bytes,
    /// The fields that follow in the table.
    Struct,
}

/// What an absent field means. Kept under the feature `reverse` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// 0, false, an empty string or array, a struct of presets.
    Zero,
    /// This number.
    Int(i64),
    /// Null.
    Null,
}

/// One field of a message. Built by the constants and methods below, in constants only.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    kind: Kind,
    /// First version in the high nibble, last one in the low nibble.
    versions: u8,
    /// First version in which it may be null in the high nibble, tag in the low nibble.
    options: u8,
    /// How many fields follow that are inside this one, at any depth, with [`ARRAY`] and [`LAST`]. Until the
    /// table is linked: the field's depth.
    inside: u8,
    #[cfg(feature = "reverse")]
    name: &'static str,
    #[cfg(feature = "reverse")]
    preset: Preset,
}

impl Field {
    /// A field of every version, never null, not tagged.
    pub const fn of(kind: Kind) -> Self {
        Self {
            kind,
            versions: NONE,
            options: NONE << 4 | NONE,
            inside: 0,
            #[cfg(feature = "reverse")]
            name: "",
            #[cfg(feature = "reverse")]
            preset: Preset::Zero,
        }
    }

    /// An array of these.
    pub const fn array(kind: Kind) -> Self {
        let mut field = Self::of(kind);
        field.inside = ARRAY;
        field
    }

    /// Exists from `version` (0 to 14) on.
    pub const fn since(mut self, version: u8) -> Self {
        assert!(version < NONE);
        self.versions = version << 4 | (self.versions & 0x0f);
        self
    }

    /// Exists up to `version` (0 to 14).
    pub const fn until(mut self, version: u8) -> Self {
        assert!(version < NONE);
        self.versions = (self.versions & 0xf0) | version;
        self
    }

    /// May be null from `version` (0 to 14) on.
    pub const fn nullable(mut self, version: u8) -> Self {
        assert!(version < NONE && !matches!(self.kind, Kind::Struct) | (self.inside & ARRAY != 0));
        self.options = version << 4 | (self.options & 0x0f);
        self
    }

    /// Travels among the tagged fields, under `tag` (0 to 14).
    pub const fn tagged(mut self, tag: u8) -> Self {
        assert!(tag < NONE);
        self.options = (self.options & 0xf0) | tag;
        self
    }

    /// What its absence means, if not zero or empty.
    pub const fn or(self, preset: Preset) -> Self {
        #[cfg(feature = "reverse")]
        return Self { preset, ..self };
        #[cfg(not(feature = "reverse"))]
        return (self, preset).0;
    }

    /// Kafka's name, in lower camel case. Not kept without the feature `reverse`.
    pub const fn named(self, name: &'static str) -> Self {
        #[cfg(feature = "reverse")]
        return Self { name, ..self };
        #[cfg(not(feature = "reverse"))]
        return (self, name).0;
    }

    /// Sits in so many containers.
    pub const fn at_depth(mut self, depth: u8) -> Self {
        assert!(depth as usize <= MAX_DEPTH);
        self.inside = (self.inside & ARRAY) | depth;
        self
    }

    /// Its type, or that of its elements.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is an array.
    pub const fn is_array(&self) -> bool {
        self.inside & ARRAY != 0
    }

    /// Whether it exists in `version` (0 to 14).
    pub const fn exists(&self, version: u8) -> bool {
        // "Until NONE" holds for every version, because none is above 14.
        self.versions >> 4 <= version && version <= self.versions & 0x0f
    }

    /// Whether it may be null in `version` (0 to 14).
    pub const fn is_nullable(&self, version: u8) -> bool {
        // "Since NONE" holds for no version.
        self.options >> 4 <= version
    }

    /// Its tag, if it is a tagged field.
    pub const fn tag(&self) -> Option<u8> {
        let tag = self.options & 0x0f;
        if tag == NONE { None } else { Some(tag) }
    }

    /// How many fields follow in the table that are inside this one.
    pub const fn inside(&self) -> u8 {
        self.inside & !(ARRAY | LAST)
    }

    /// Whether it is the last field of its container.
    pub const fn is_last(&self) -> bool {
        self.inside & LAST != 0
    }

    /// Kafka's name.
    #[cfg(feature = "reverse")]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What its absence means.
    #[cfg(feature = "reverse")]
    pub const fn preset(&self) -> Preset {
        self.preset
    }
}

/// Turns the depths of a table into the number of fields inside each, and checks the table.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::cast_possible_truncation)] // compile time
pub const fn link<const N: usize>(mut fields: [Field; N]) -> [Field; N] {
    assert!(0 < N && N < LAST as usize);
    let mut at = 0;
    while at < N {
        let depth = fields[at].inside();
        let mut end = at + 1;
        while end < N && fields[end].inside() > depth {
            end += 1;
        }
        let inside = end - at - 1;
        assert!(inside == 0 || fields[at + 1].inside() == depth + 1);
        let container = matches!(fields[at].kind, Kind::Struct);
        assert!(container == (inside > 0));
        // A container of its own, and an array of numbers, is one more open level.
        assert!(!(container || fields[at].is_array()) || (depth as usize) < MAX_DEPTH);
        let last = if end == N || fields[end].inside() < depth { LAST } else { 0 };
        fields[at].inside = (fields[at].inside & ARRAY) | last | inside as u8;
        at += 1;
    }
    fields
}

/// One message: a request or a response of an API.
#[derive(Debug)]
pub struct Message {
    /// The API it belongs to.
    pub api: Api,
    /// A first field of this value means that the rest is in version 0, whatever was asked for.
    pub(super) version_0_if_first_is: Option<i16>,
    fields: &'static [Field],
}

impl Message {
    /// A message of linked fields.
    pub const fn new(api: Api, fields: &'static [Field]) -> Self {
        Self { api, version_0_if_first_is: None, fields }
    }

    pub(super) const fn version_0_if_first_is(mut self, value: i16) -> Self {
        self.version_0_if_first_is = Some(value);
        self
    }

    /// Its fields, each container before what it holds.
    pub const fn fields(&self) -> &'static [Field] {
        self.fields
    }

    /// The field of this id.
    pub fn field(&self, id: u8) -> Option<&'static Field> {
        self.fields.get(usize::from(id))
    }
}

/// Defines one message: a constant for the id of each field, and the table. A line is the field's depth, its
/// constant, Kafka's name and its type.
macro_rules! message {
    (
        $(#[$doc:meta])* $message:ident of $api:path $(, $rule:ident($value:expr))?;
        $( $(#[$note:meta])* $depth:literal $id:ident $name:literal $field:expr; )*
    ) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Position { $( $id ),* }
        $(
            #[doc = concat!("Id of the field `", $name, "`.")]
            $(#[$note])*
            pub const $id: u8 = Position::$id as u8;
        )*
        $(#[$doc])*
        pub static $message: $crate::wire::schema::Message = {
            const FIELDS: &[$crate::wire::schema::Field] =
                &$crate::wire::schema::link([$( $field.named($name).at_depth($depth) ),*]);
            $crate::wire::schema::Message::new($api, FIELDS) $( .$rule($value) )?
        };
    };
}
pub(super) use message;

/// Short forms for the tables.
pub(super) mod short {
    use super::Field;
    pub(in super::super) use super::{Kind, Preset, message};

    pub(in super::super) const BOOL: Field = Field::of(Kind::Bool);
    #[cfg(feature = "reverse")]
    pub(in super::super) const INT8: Field = Field::of(Kind::Int8);
    pub(in super::super) const INT16: Field = Field::of(Kind::Int16);
    pub(in super::super) const INT32: Field = Field::of(Kind::Int32);
    pub(in super::super) const INT64: Field = Field::of(Kind::Int64);
    pub(in super::super) const UUID: Field = Field::of(Kind::Uuid);
    pub(in super::super) const TEXT: Field = Field::of(Kind::Text);
    #[cfg(feature = "reverse")]
    pub(in super::super) const BYTES: Field = Field::of(Kind::Bytes);
    pub(in super::super) const STRUCT: Field = Field::of(Kind::Struct);
    pub(in super::super) const STRUCTS: Field = Field::array(Kind::Struct);
    pub(in super::super) const INT32S: Field = Field::array(Kind::Int32);
    #[cfg(feature = "reverse")]
    pub(in super::super) const TEXTS: Field = Field::array(Kind::Text);

    /// A number other than zero, where the field is absent.
    pub(in super::super) const fn preset(value: i64) -> Preset {
        Preset::Int(value)
    }
    pub(in super::super) const MINUS_ONE: Preset = preset(-1);
    pub(in super::super) const NULL: Preset = Preset::Null;
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "old-brokers")]
    use crate::wire::api_versions;
    use crate::wire::produce;

    #[test]
    #[cfg(all(feature = "old-brokers", feature = "topic-ids"))]
    fn the_highest_version_both_sides_speak_is_chosen() {
        let api = produce::API;
        assert_eq!(api.common(0, 7), Some(7));
        assert_eq!(api.common(0, 99), Some(13));
        assert_eq!(api.common(13, 20), Some(13));
        assert_eq!(api.common(0, 2), None, "too old");
        assert_eq!(api.common(14, 20), None, "too new");
        assert_eq!(api.common(9, 5), None, "an empty range");
    }

    #[test]
    #[cfg(feature = "old-brokers")]
    fn the_answer_to_api_versions_has_the_old_header_in_every_version() {
        assert_eq!((produce::API.request_header(8), produce::API.response_header(8)), (1, 0));
        assert_eq!((produce::API.request_header(9), produce::API.response_header(9)), (2, 1));
        assert_eq!((api_versions::API.request_header(3), api_versions::API.response_header(3)), (2, 0));
    }

    #[test]
    fn a_container_knows_how_many_fields_are_inside() {
        use produce::response::{MESSAGE, NAME, PARTITION_RESPONSES, RECORD_ERRORS, RESPONSES};
        let inside = |id| MESSAGE.field(id).map(Field::inside);
        assert_eq!(inside(NAME), Some(0));
        assert_eq!(inside(RECORD_ERRORS), Some(2));
        assert_eq!(inside(PARTITION_RESPONSES), Some(12));
        assert_eq!(inside(RESPONSES), Some(15));
    }
}
