//! The checksum of what a file holds, made of pieces that are summed apart.

use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use std::fmt;

const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Nvme;

/// A CRC-64/NVME with the number of bytes that it stands for. Those of neighbours can be joined, so that workers sum the
/// bytes of a batch while they lie in the cache, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum {
    sum: u64,
    length: u64,
}

impl Checksum {
    /// The checksum of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let sum = if bytes.is_empty() {
            0
        } else {
            checksum(ALGORITHM, bytes)
        };
        Self {
            sum,
            length: bytes.len() as u64,
        }
    }

    /// Makes this the checksum of its own bytes and then those of the other.
    pub fn append(&mut self, other: Self) {
        if self.length == 0 {
            *self = other;
        } else if other.length > 0 {
            self.sum = checksum_combine(ALGORITHM, self.sum, other.sum, other.length);
            self.length += other.length;
        }
    }

    /// How many bytes it stands for.
    #[must_use]
    pub fn length(self) -> u64 {
        self.length
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_the_checksum_that_others_call_crc_64_nvme() {
        // The check value of the catalogue of parametrised CRC algorithms.
        assert_eq!(Checksum::of(b"123456789").to_string(), "ae8b14860a799888");
        assert_eq!(Checksum::of(b""), Checksum::default());
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut joined = Checksum::default();
            for piece in &pieces {
                joined.append(Checksum::of(piece));
            }
            prop_assert_eq!(joined, Checksum::of(&pieces.concat()));
        }
    }
}
