//! The checksum of what a file holds, made of pieces that are summed apart.

use crc_fast::{CrcAlgorithm, checksum};
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
            self.sum = multiply(self.sum, power_of_x(other.length)) ^ other.sum;
            self.length += other.length;
        }
    }

    /// How many bytes it stands for.
    #[must_use]
    pub fn length(self) -> u64 {
        self.length
    }
}

/// The polynomial of CRC-64/NVME, without its highest power. The lowest power stands in the highest bit, here and in all
/// that follows.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;
/// The polynomial 1.
const ONE: u64 = 1 << 63;

/// `x` to the powers of 8 times 1, 2, 4, and so on: what appending so many zero bytes multiplies a sum with.
const POWERS: [u64; 64] = {
    // This is `x`; squaring it three times makes its eighth power.
    let mut power = ONE >> 1;
    let mut squared = 0;
    while squared < 3 {
        power = multiply(power, power);
        squared += 1;
    }
    let mut powers = [power; 64];
    let mut index = 1;
    while index < 64 {
        powers[index] = multiply(powers[index - 1], powers[index - 1]);
        index += 1;
    }
    powers
};

/// The product of two polynomials, modulo that of the checksum. The library joins two sums by way of matrices, which takes
/// a hundred times as long: longer than to sum a whole batch.
const fn multiply(left: u64, right: u64) -> u64 {
    let (mut product, mut left, mut right) = (0, left, right);
    while left != 0 {
        // All ones where the bit is set, so that nothing depends on guessing it.
        product ^= right & 0_u64.wrapping_sub(left >> 63);
        left <<= 1;
        right = (right >> 1) ^ (POLYNOMIAL & 0_u64.wrapping_sub(right & 1));
    }
    product
}

/// `x` to the power of 8 times `bytes`.
fn power_of_x(bytes: u64) -> u64 {
    let powers = POWERS.iter().enumerate();
    powers
        .filter(|&(index, _)| bytes >> index & 1 == 1)
        .fold(ONE, |product, (_, &power)| multiply(product, power))
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
