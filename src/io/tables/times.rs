//! Dates, times and durations that cannot be said in words: they lie beyond the years, the day, or the milliseconds that
//! the library can count.

use arrow_array::cast::AsArray as _;
use arrow_array::temporal_conversions::{as_datetime, as_duration, as_time};
use arrow_array::types::{
    ArrowTimestampType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};

/// The values of a column of dates, times or durations.
pub(super) struct Times<'a> {
    /// The value of a row, as a number of its unit.
    pub(super) number: Box<dyn Fn(usize) -> i64 + 'a>,
    /// Whether such a number can be said.
    pub(super) is_sayable: fn(i64) -> bool,
}

impl<'a> Times<'a> {
    /// `None` for a column that holds something else.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        use DataType::{Date32, Date64, Duration, Time32, Time64, Timestamp};
        Some(match array.data_type() {
            Date32 => Self::new::<Date32Type>(array, |number| as_datetime::<Date32Type>(number).is_some()),
            Date64 => Self::new::<Date64Type>(array, |number| as_datetime::<Date64Type>(number).is_some()),
            Time32(TimeUnit::Second) => Self::hours::<Time32SecondType>(array),
            Time32(_) => Self::hours::<Time32MillisecondType>(array),
            Time64(TimeUnit::Nanosecond) => Self::hours::<Time64NanosecondType>(array),
            Time64(_) => Self::hours::<Time64MicrosecondType>(array),
            Timestamp(TimeUnit::Second, _) => Self::timestamps::<TimestampSecondType>(array),
            Timestamp(TimeUnit::Millisecond, _) => Self::timestamps::<TimestampMillisecondType>(array),
            Timestamp(TimeUnit::Microsecond, _) => Self::timestamps::<TimestampMicrosecondType>(array),
            Timestamp(TimeUnit::Nanosecond, _) => Self::timestamps::<TimestampNanosecondType>(array),
            Duration(TimeUnit::Second) => Self::durations::<DurationSecondType>(array),
            Duration(TimeUnit::Millisecond) => Self::durations::<DurationMillisecondType>(array),
            Duration(TimeUnit::Microsecond) => Self::durations::<DurationMicrosecondType>(array),
            Duration(TimeUnit::Nanosecond) => Self::durations::<DurationNanosecondType>(array),
            _ => return None,
        })
    }

    /// Whether there is one that cannot be said, be it under a null.
    pub(super) fn has_unsayable(&self, rows: usize) -> bool {
        !(0..rows).all(|row| (self.is_sayable)((self.number)(row)))
    }

    fn new<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &'a dyn Array, is_sayable: fn(i64) -> bool) -> Self {
        let values = array.as_primitive::<T>().values();
        Self {
            number: Box::new(|row| values[row].into()),
            is_sayable,
        }
    }

    fn hours<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &'a dyn Array) -> Self {
        Self::new::<T>(array, |number| as_time::<T>(number).is_some())
    }

    /// In a time zone it is another day than in Greenwich, for which there must be room.
    fn timestamps<T: ArrowTimestampType>(array: &'a dyn Array) -> Self {
        Self::new::<T>(array, |number| {
            let day = match T::UNIT {
                TimeUnit::Second => 86_400,
                TimeUnit::Millisecond => 86_400_000,
                TimeUnit::Microsecond => 86_400_000_000,
                TimeUnit::Nanosecond => 86_400_000_000_000,
            };
            let is_there = |number: i64| as_datetime::<T>(number).is_some();
            is_there(number.saturating_add(day)) && is_there(number.saturating_sub(day))
        })
    }

    fn durations<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &'a dyn Array) -> Self {
        Self::new::<T>(array, |number| as_duration::<T>(number).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Date32Array, DurationSecondArray, Time64MicrosecondArray, TimestampNanosecondArray};
    use arrow_cast::display::{ArrayFormatter, FormatOptions};
    use std::sync::Arc;

    fn sayable(array: &ArrayRef) -> Vec<bool> {
        let times = Times::of(array).expect("a column of times");
        let sayable = (0..array.len()).map(|row| (times.is_sayable)((times.number)(row)));
        sayable.collect()
    }

    #[test]
    fn what_the_library_cannot_say_is_told_of() {
        let columns: [(ArrayRef, &[bool]); 4] = [
            (
                Arc::new(Date32Array::from(vec![0, i32::MAX, i32::MIN])),
                &[true, false, false],
            ),
            (
                Arc::new(Time64MicrosecondArray::from(vec![
                    0,
                    -1,
                    86_399_999_999,
                    86_400_000_000,
                ])),
                &[true, false, true, false],
            ),
            (
                Arc::new(TimestampNanosecondArray::from(vec![0, i64::MAX, i64::MIN])),
                &[true, true, true],
            ),
            (Arc::new(DurationSecondArray::from(vec![0, i64::MAX])), &[true, false]),
        ];
        for (column, expected) in &columns {
            assert_eq!(sayable(column), *expected, "{}", column.data_type());
            let formatter = ArrayFormatter::try_new(column, &FormatOptions::default()).expect("it can be written");
            for row in 0..column.len() {
                let said = formatter.value(row).to_string();
                assert_eq!(
                    expected[row],
                    !said.contains("ERROR") && !said.contains("invalid"),
                    "{said}"
                );
            }
        }
    }
}
