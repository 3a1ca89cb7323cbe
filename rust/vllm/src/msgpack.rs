//! Msgpack, read where it lies: nothing is copied, and what is not wanted is stepped over.

use rmp::Marker;
use rmp::decode;

/// Nothing, as it is written.
pub(crate) const NIL: &[u8] = &[0xc0];

/// Writes the beginning of an array of so many items.
pub(crate) fn write_array(to: &mut Vec<u8>, length: usize) {
    to.push(Marker::Array32.to_u8());
    to.extend_from_slice(&(length as u32).to_be_bytes());
}

/// A place in a message. What is there and is not as asked for is `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn at(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Enters an array, and answers how many items follow.
    pub(crate) fn array(&mut self) -> Option<u32> {
        decode::read_array_len(&mut self.rest).ok()
    }

    /// Enters a map, and answers how many pairs follow.
    pub(crate) fn map(&mut self) -> Option<u32> {
        decode::read_map_len(&mut self.rest).ok()
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        decode::read_int(&mut self.rest).ok()
    }

    pub(crate) fn unsigned<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let number: u64 = decode::read_int(&mut self.rest).ok()?;
        number.try_into().ok()
    }

    pub(crate) fn float(&mut self) -> Option<f64> {
        let rest = self.rest;
        match self.marker()? {
            Marker::F64 => self.fixed().map(f64::from_be_bytes),
            Marker::F32 => self.fixed().map(f32::from_be_bytes).map(f64::from),
            _ => {
                self.rest = rest;
                self.integer().map(|number| number as f64)
            }
        }
    }

    pub(crate) fn boolean(&mut self) -> Option<bool> {
        match self.marker()? {
            Marker::True => Some(true),
            Marker::False => Some(false),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = decode::read_str_len(&mut self.rest).ok()?;
        str::from_utf8(self.bytes(length.into())?).ok()
    }

    /// The bytes of an extension of type `code`.
    pub(crate) fn extension(&mut self, code: i8) -> Option<&'a [u8]> {
        let meta = decode::read_ext_meta(&mut self.rest).ok()?;
        let bytes = self.bytes(meta.size.into())?;
        (meta.typeid == code).then_some(bytes)
    }

    /// Steps over nil, where it is there.
    pub(crate) fn nil(&mut self) -> bool {
        match self.rest.strip_prefix(NIL) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// One value of any kind, as it lies.
    pub(crate) fn value(&mut self) -> Option<&'a [u8]> {
        let start = *self;
        // Of all that are open: no recursion, which a message could make as deep as it is long.
        let mut left = 1_u64;
        while left > 0 {
            let (bytes, items) = match self.marker()? {
                Marker::FixPos(_) | Marker::FixNeg(_) => (0, 0),
                Marker::Null | Marker::False | Marker::True => (0, 0),
                Marker::U8 | Marker::I8 => (1, 0),
                Marker::U16 | Marker::I16 => (2, 0),
                Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
                Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
                Marker::FixStr(length) => (length.into(), 0),
                Marker::Str8 | Marker::Bin8 => (self.length(1)?, 0),
                Marker::Str16 | Marker::Bin16 => (self.length(2)?, 0),
                Marker::Str32 | Marker::Bin32 => (self.length(4)?, 0),
                // Their type takes a byte more.
                Marker::Ext8 => (self.length(1)? + 1, 0),
                Marker::Ext16 => (self.length(2)? + 1, 0),
                Marker::Ext32 => (self.length(4)? + 1, 0),
                Marker::FixExt1 => (2, 0),
                Marker::FixExt2 => (3, 0),
                Marker::FixExt4 => (5, 0),
                Marker::FixExt8 => (9, 0),
                Marker::FixExt16 => (17, 0),
                Marker::FixArray(length) => (0, length.into()),
                Marker::Array16 => (0, self.length(2)?),
                Marker::Array32 => (0, self.length(4)?),
                Marker::FixMap(length) => (0, 2 * u64::from(length)),
                Marker::Map16 => (0, 2 * self.length(2)?),
                Marker::Map32 => (0, 2 * self.length(4)?),
                Marker::Reserved => return None,
            };
            self.bytes(bytes)?;
            left = left - 1 + items;
        }
        Some(self.since(start))
    }

    /// What lies between an earlier place of this cursor and this one.
    pub(crate) fn since(&self, earlier: Self) -> &'a [u8] {
        let length = earlier.rest.len().saturating_sub(self.rest.len());
        earlier.rest.get(..length).unwrap_or_default()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn marker(&mut self) -> Option<Marker> {
        self.rest.split_off_first().copied().map(Marker::from_u8)
    }

    fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        self.rest.split_off(..usize::try_from(length).ok()?)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// A length of so many bytes.
    fn length(&mut self, width: usize) -> Option<u64> {
        let bytes = self.bytes(width as u64)?;
        let join = |length, byte: &u8| length << 8 | u64::from(*byte);
        Some(bytes.iter().fold(0, join))
    }
}

#[cfg(test)]
mod tests;
