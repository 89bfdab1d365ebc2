//! Reads the headers of Parquet's pages, as far as their lengths and checksums go. The library reads them too, and tells nobody.

use super::thrift::{END, I32, STRUCTURE, Walk};

/// The numbers of the fields of a page header, as the format has them.
const KIND: i64 = 1;
const UNPACKED: i64 = 2;
const PACKED: i64 = 3;
const CHECKSUM: i64 = 4;
const DATA_PAGE: i64 = 5;
const DICTIONARY_PAGE: i64 = 7;
const DATA_PAGE_V2: i64 = 8;
/// The number of values is the first field of the header of each kind of page.
const VALUES: i64 = 1;
/// What a page of a dictionary says that it is.
const IS_DICTIONARY: i32 = 2;

/// What a page says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// How many bytes the header takes.
    pub(super) length: usize,
    /// Whether it is the page of a dictionary.
    pub(super) is_dictionary: bool,
    /// How many bytes its page becomes.
    pub(super) unpacked: i32,
    /// How many bytes its page takes.
    pub(super) packed: i32,
    /// How many values its page has, nulls included, if it says that.
    pub(super) values: Option<i32>,
    /// The CRC-32 of its page, if it has one.
    pub(super) checksum: Option<u32>,
    /// Where the field of the checksum begins, or belongs.
    checksum_place: usize,
}

impl PageHeader {
    /// Reads the header at the begin of some bytes. `None` means that it does not lie within them.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut walk = Walk::new(bytes);
        let (mut kind, mut unpacked, mut packed, mut values, mut checksum) = (None, None, None, None, None);
        let (mut id, mut checksum_place) = (0, 0);
        loop {
            let place = bytes.len() - walk.left();
            if id < CHECKSUM {
                checksum_place = place;
            }
            match (walk.field(&mut id)?, id) {
                (END, _) => break,
                (I32, KIND) => kind = Some(walk.signed_32()?),
                (I32, UNPACKED) => unpacked = Some(walk.signed_32()?),
                (I32, PACKED) => packed = Some(walk.signed_32()?),
                (I32, CHECKSUM) => checksum = Some(walk.signed_32()?.cast_unsigned()),
                (STRUCTURE, DATA_PAGE | DICTIONARY_PAGE | DATA_PAGE_V2) => {
                    let mut id = 0;
                    loop {
                        match (walk.field(&mut id)?, id) {
                            (END, _) => break,
                            (I32, VALUES) => values = Some(walk.signed_32()?),
                            (other, _) => walk.pass(other)?,
                        }
                    }
                }
                (other, _) => walk.pass(other)?,
            }
        }
        Some(Self {
            length: bytes.len() - walk.left(),
            is_dictionary: kind? == IS_DICTIONARY,
            unpacked: unpacked?,
            packed: packed?,
            values,
            checksum,
            checksum_place,
        })
    }

    /// The header with a checksum in it. `bytes` is what it was read from. `None` means that it has one already, or that its
    /// fields are not in order.
    pub(super) fn with_checksum(&self, bytes: &[u8], checksum: u32) -> Option<Vec<u8>> {
        let (before, behind) = bytes.get(..self.length)?.split_at_checked(self.checksum_place)?;
        let (&next, rest) = behind.split_first()?;
        // The high four bits of what begins a field tell how far its number is from that of the field before. The end of
        // the structure is a zero.
        let next = match next {
            0 => next,
            0x20.. => next - 0x10,
            _ => return None,
        };
        if self.checksum.is_some() {
            return None;
        }
        let mut with = Vec::with_capacity(self.length + 6);
        with.extend_from_slice(before);
        with.push(0x10 | I32);
        // Signed numbers alternate: 0, -1, 1, -2, and so on.
        let signed = checksum.cast_signed();
        let mut number = ((signed << 1) ^ (signed >> 31)).cast_unsigned();
        while number >= 0x80 {
            with.push(number as u8 | 0x80);
            number >>= 7;
        }
        with.push(number as u8);
        with.push(next);
        with.extend_from_slice(rest);
        Some(with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A data page of 300 bytes that become 1000, with 50 values in PLAIN and levels in RLE.
    const HEADER: [u8; 17] = [
        0x15, 0, 0x15, 0xd0, 0x0f, 0x15, 0xd8, 0x04, 0x2c, 0x15, 0x64, 0x15, 0, 0x15, 6, 0, 0,
    ];

    #[test]
    fn lengths_and_values_are_read() {
        let header = PageHeader::read(&[&HEADER[..], b"data"].concat()).unwrap();
        let PageHeader {
            length,
            unpacked,
            packed,
            ..
        } = header;
        assert_eq!((length, unpacked, packed, header.values), (17, 1000, 300, Some(50)));
        assert_eq!((header.checksum, header.is_dictionary), (None, false));
    }

    #[test]
    fn a_header_that_is_cut_off_is_none() {
        for length in 0..HEADER.len() {
            assert_eq!(PageHeader::read(&HEADER[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn a_checksum_can_be_put_into_it(checksum: u32) {
            let without = PageHeader::read(&HEADER).unwrap();
            let bytes = without.with_checksum(&HEADER, checksum).unwrap();
            let with = PageHeader::read(&bytes).unwrap();
            prop_assert_eq!(with.checksum, Some(checksum));
            prop_assert_eq!(with.length, bytes.len());
            prop_assert_eq!((with.unpacked, with.packed, with.values), (1000, 300, Some(50)));
            prop_assert_eq!(with.with_checksum(&bytes, checksum), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let header = PageHeader::read(&bytes);
            prop_assert!(header.is_none_or(|header| header.with_checksum(&bytes, 1).is_none_or(|with| with.len() > header.length)));
        }
    }
}
