//! Numbers as a person reads them: thousands, sizes, times, rates.

use std::fmt::Write as _;

/// A count with thousands separators: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// A count with the word for what is counted: `1 record`, `2,000 records`. The plural is made with an `s`.
pub(super) fn counted(number: u64, word: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {word}{ending}", count(number))
}

/// A size in the binary units that file managers show: `512 B`, `1.5 MiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = 0;
    // 1,023.95 would be written as `1024.0`.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A duration: `0.012 s`, `3.21 s`, `2 min 05 s`, `3 h 07 min`.
pub(super) fn seconds(duration: f64) -> String {
    if !duration.is_finite() || duration < 0.0 {
        return "?".into();
    }
    if duration < 0.9995 {
        return format!("{duration:.3} s");
    }
    if duration < 59.995 {
        return format!("{duration:.2} s");
    }
    let whole = rounded(duration);
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", count(whole / 3600), whole % 3600 / 60)
    }
}

/// The nearest whole number of one that is not negative.
#[allow(clippy::cast_sign_loss, reason = "callers have excluded negative numbers")]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// A short duration, as one step takes for one text: `850 ns`, `12.3 µs`, `4.5 ms`, then as [`seconds`].
pub(super) fn nanoseconds(duration: u64) -> String {
    match duration {
        0..1_000 => format!("{duration} ns"),
        1_000..999_950 => format!("{:.1} µs", duration as f64 / 1e3),
        999_950..999_950_000 => format!("{:.1} ms", duration as f64 / 1e6),
        _ => seconds(duration as f64 / 1e9),
    }
}

/// How many a second, without decimals: `101,234`. Nothing where the time is too short to say.
pub(super) fn per_second(number: u64, duration: f64) -> Option<String> {
    let rate = number as f64 / duration;
    (number > 0 && duration > 0.0 && rate.is_finite()).then(|| count(rounded(rate)))
}

/// A share in percent: `2.4 %`. What is not nothing is never shown as nothing, and what is not all never as all.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    if part > 0 && percent < 0.05 {
        return "< 0.1 %".into();
    }
    if part < whole && percent >= 99.95 {
        return "> 99.9 %".into();
    }
    let mut written = String::new();
    let _ = write!(written, "{percent:.1} %");
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let written = [0, 7, 999, 1_000, 12_345, 999_999, 1_000_000, u64::MAX].map(count);
        assert_eq!(
            written,
            [
                "0",
                "7",
                "999",
                "1,000",
                "12,345",
                "999,999",
                "1,000,000",
                "18,446,744,073,709,551,615"
            ]
        );
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            [0, 1, 1_000].map(|number| counted(number, "record")),
            ["0 records", "1 record", "1,000 records"]
        );
    }

    #[test]
    fn sizes_have_one_unit() {
        let written = [0, 1_023, 1_024, 1_536, 1_048_575, 1_048_576, u64::MAX].map(bytes);
        assert_eq!(
            written,
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "16.0 EiB"]
        );
    }

    #[test]
    fn durations_are_as_exact_as_they_are_short() {
        let written = [0.0, 0.0124, 0.9996, 3.214, 59.996, 125.0, 11_220.0, f64::NAN].map(seconds);
        assert_eq!(
            written,
            [
                "0.000 s",
                "0.012 s",
                "1.00 s",
                "3.21 s",
                "1 min 00 s",
                "2 min 05 s",
                "3 h 07 min",
                "?"
            ]
        );
        let written = [0, 999, 1_000, 999_949, 999_950, 12_340_000, 2_500_000_000].map(nanoseconds);
        assert_eq!(
            written,
            ["0 ns", "999 ns", "1.0 µs", "999.9 µs", "1.0 ms", "12.3 ms", "2.50 s"]
        );
    }

    #[test]
    fn a_rate_needs_a_time() {
        assert_eq!(per_second(1_000, 0.5).as_deref(), Some("2,000"));
        assert_eq!(per_second(1_000, 0.0), None);
        assert_eq!(per_second(0, 1.0), None);
    }

    #[test]
    fn a_share_does_not_round_to_nothing_or_all() {
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(share(0, 10), "0.0 %");
        assert_eq!(share(10, 10), "100.0 %");
        assert_eq!(share(0, 0), "");
    }
}
