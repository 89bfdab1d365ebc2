//! Looks through what Parquet files tell of themselves, in Thrift's compact protocol, before it is believed: the library that
//! reads a footer makes room for as many things as a list says that it has.

/// How deep structures may lie in each other. Parquet's own are five deep.
const DEPTH: usize = 32;

/// What stands where a structure ends instead of the type of a field, and the types that are read.
pub(super) const END: u8 = 0;
pub(super) const I32: u8 = 5;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCTURE: u8 = 12;

/// Whether each list and each text of a structure of Thrift's compact protocol lies within these bytes: so many things as it
/// says, of a byte at least.
pub(super) fn is_sound(bytes: &[u8]) -> bool {
    Walk::new(bytes).structure(DEPTH).is_some()
}

/// Whether a structure has a field of this number.
pub(super) fn has_field(bytes: &[u8], number: i64) -> bool {
    let (mut walk, mut id) = (Walk::new(bytes), 0);
    while let Some(r#type) = walk.field(&mut id)
        && r#type != END
    {
        if id == number {
            return true;
        }
        if walk.pass(r#type).is_none() {
            break;
        }
    }
    false
}

/// What was not looked at yet. `None` means that something does not lie within it.
pub(super) struct Walk<'b> {
    rest: &'b [u8],
}

impl<'b> Walk<'b> {
    /// A walk through a structure that begins where these bytes do.
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes were not looked at yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The type of the next field of a structure, or its end. `id` is the number of the field before, and becomes that of
    /// this one.
    pub(super) fn field(&mut self, id: &mut i64) -> Option<u8> {
        let header = self.byte()?;
        if header == END {
            return Some(END);
        }
        *id = match header >> 4 {
            0 => self.signed()?,
            further => id.checked_add(i64::from(further))?,
        };
        Some(header & 0xf)
    }

    /// A signed number: they alternate, 0, -1, 1, -2, and so on.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A signed number of 32 bits. The library would cut a larger one down to another number.
    pub(super) fn signed_32(&mut self) -> Option<i32> {
        self.signed()?.try_into().ok()
    }

    /// Bytes, or a text.
    pub(super) fn binary(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    /// How many things a list has, and of which type they are.
    pub(super) fn list(&mut self) -> Option<(u64, u8)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.count()?,
            count => u64::from(count),
        };
        Some((count, header & 0xf))
    }

    /// Passes over the value of a field of a type.
    pub(super) fn pass(&mut self, r#type: u8) -> Option<()> {
        // The value of a truth value stands in its type.
        if matches!(r#type, 1 | 2) {
            return Some(());
        }
        self.value(r#type, DEPTH)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things of which each takes a byte at least.
    fn count(&mut self) -> Option<u64> {
        self.number().filter(|&count| count <= self.rest.len() as u64)
    }

    fn structure(&mut self, depth: usize) -> Option<()> {
        loop {
            let header = self.byte()?;
            if header == END {
                return Some(());
            }
            if header >> 4 == 0 {
                self.number()?;
            }
            // The value of a truth value stands in its type.
            if !matches!(header & 0xf, 1 | 2) {
                self.value(header & 0xf, depth)?;
            }
        }
    }

    fn value(&mut self, r#type: u8, depth: usize) -> Option<()> {
        let below = depth.checked_sub(1)?;
        match r#type {
            1..=3 => self.skip(1),
            4..=6 => self.number().map(drop),
            7 => self.skip(8),
            BINARY => self.binary().map(drop),
            LIST | 10 => {
                let (count, of) = self.list()?;
                (0..count).try_for_each(|_| self.value(of, below))
            }
            11 => {
                let count = self.count()?;
                let types = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.value(types >> 4, below)?;
                    self.value(types & 0xf, below)
                })
            }
            STRUCTURE => self.structure(below),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_as_long_as_they_say() {
        // A field 1 with a list of two numbers, and one with a text of three bytes.
        let good = [0x19, 0x25, 0x02, 0x04, 0x18, 0x03, b'a', b'b', b'c', 0];
        assert!(is_sound(&good));
        for (place, byte) in [(1, 0x35), (1, 0xf5), (5, 0x7f), (9, 0x18)] {
            let mut bad = good;
            bad[place] = byte;
            assert!(!is_sound(&bad), "{place}");
        }
        // A list of two thousand millions of structures.
        assert!(!is_sound(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0]));
        assert!(!is_sound(&[0x1c; 100]), "structures without end");
        assert!(!is_sound(&[]));
    }

    #[test]
    fn fields_are_found_by_their_numbers() {
        // A field 1 with a list of two numbers, and a field 8 with a structure of nothing.
        let structure = [0x19, 0x25, 0x02, 0x04, 0x7c, 0, 0];
        let found: Vec<i64> = (0..20).filter(|&number| has_field(&structure, number)).collect();
        assert_eq!(found, [1, 8]);
        assert!(!has_field(&structure[..4], 8));
    }
}
