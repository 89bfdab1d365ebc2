//! Counts and fingerprints of records, and the check that they agree.

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::ledger::Counts;
use crate::record::Fate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A sum of hashes of record identities. Equal multisets of identities have equal sums; unequal ones have unequal sums
/// but for a chance of 1 in 2¹²⁷ or so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Adds a record.
    pub fn add(&mut self, input: u32, ordinal: u64) {
        self.0 = self.0.wrapping_add(identity(input, ordinal));
    }

    /// The fingerprint that was shown so.
    #[must_use]
    pub fn parse(shown: &str) -> Option<Self> {
        if shown.len() != 32 {
            return None;
        }
        u128::from_str_radix(shown, 16).ok().map(Self)
    }

    /// Adds all records of another sum.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shown = String::deserialize(deserializer)?;
        Self::parse(&shown).ok_or_else(|| serde::de::Error::custom("expected a fingerprint of 32 hexadecimal digits"))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Hashes a record's identity to 128 bits: two rounds of the finaliser of `SplitMix64` (Steele, Lea and Flood, 2014), each
/// over a differently keyed mix of both parts. Nobody gains from forging a collision in their own run, so speed decides.
fn identity(input: u32, ordinal: u64) -> u128 {
    let keyed = ordinal ^ u64::from(input).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = mix(keyed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let high = mix(low ^ keyed.rotate_left(32) ^ 0xd1b5_4a32_d192_ed03);
    u128::from(high) << 64 | u128::from(low)
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One side of the account: how many records, and which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// How many. On the side of what was read, only `read` is used; on the side of fates, all others.
    pub counts: Counts,
    /// Which.
    pub fingerprint: Fingerprint,
}

impl Account {
    /// The records of a batch that was decoded.
    #[must_use]
    pub fn of_read(batch: &Batch) -> Self {
        let mut account = Self::default();
        account.counts.read = batch.sources.len() as u64;
        for source in &batch.sources {
            account.fingerprint.add(batch.input, source.ordinal);
        }
        account
    }

    /// The records of a batch that was settled, by their fates.
    #[must_use]
    pub fn of_fates(batch: &Batch, fates: &[Fate]) -> Self {
        let mut account = Self::default();
        for (source, fate) in batch.sources.iter().zip(fates) {
            account.fingerprint.add(batch.input, source.ordinal);
            match fate {
                Fate::Out => account.counts.out += 1,
                Fate::Rejected => account.counts.rejected += 1,
                Fate::Quarantined => account.counts.quarantined += 1,
            }
        }
        account
    }

    /// Adds another account.
    pub fn merge(&mut self, other: &Self) {
        self.counts.read += other.counts.read;
        self.counts.out += other.counts.out;
        self.counts.rejected += other.counts.rejected;
        self.counts.quarantined += other.counts.quarantined;
        self.fingerprint.merge(other.fingerprint);
    }
}

/// Checks that each record that was read met exactly one fate.
pub fn check(read: &Account, fates: &Account) -> Result<()> {
    let Counts {
        out,
        rejected,
        quarantined,
        ..
    } = fates.counts;
    if read.counts.read != out + rejected + quarantined || read.fingerprint != fates.fingerprint {
        return Err(Error::Internal(format!(
            "The account of this run does not add up: {} records were read, {out} went out, {rejected} were rejected and \
             {quarantined} were quarantined (fingerprints {} and {}). Nothing was committed.",
            read.counts.read, read.fingerprint, fates.fingerprint
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_of_records_makes_no_difference(mut records in prop::collection::vec((0u32..4, any::<u64>()), 0..50)) {
            let sum = |records: &[(u32, u64)]| {
                let mut fingerprint = Fingerprint::default();
                for &(input, ordinal) in records {
                    fingerprint.add(input, ordinal);
                }
                fingerprint
            };
            let forward = sum(&records);
            records.reverse();
            prop_assert_eq!(forward, sum(&records));
        }

        #[test]
        fn one_lost_and_one_doubled_do_not_cancel(first in 0u64..1_000_000, second in 0u64..1_000_000) {
            prop_assume!(first != second);
            let mut read = Fingerprint::default();
            read.add(0, first);
            read.add(0, second);
            let mut wrong = Fingerprint::default();
            wrong.add(0, first);
            wrong.add(0, first);
            prop_assert_ne!(read, wrong);
        }
    }

    #[test]
    fn equal_counts_of_other_records_do_not_pass() {
        let mut read = Account::default();
        read.counts.read = 1;
        read.fingerprint.add(0, 0);
        let mut fates = Account::default();
        fates.counts.out = 1;
        fates.fingerprint.add(0, 1);
        assert!(matches!(check(&read, &fates), Err(Error::Internal(_))));
        fates.fingerprint = read.fingerprint;
        assert!(check(&read, &fates).is_ok());
    }
}
