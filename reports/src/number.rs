//! Numbers for people: thousands separators, and units that fit the size.

use crate::table::divide;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 card`, `2,000 cards`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `units / 10^decimals`, its whole part grouped.
pub(crate) fn decimal(units: u64, decimals: u32) -> String {
    let one = 10u64.pow(decimals);
    if decimals == 0 {
        return grouped(units);
    }
    format!("{}.{:0width$}", grouped(units / one), units % one, width = decimals as usize)
}

/// A duration given in microseconds: `0.850 ms`, `12.3 ms`, `4.57 s`, `1,234.5 s`.
pub(crate) fn duration(us: u64) -> String {
    let rounded = |unit_us: u64, decimals: u32| {
        decimal(divide(u128::from(us) * 10u128.pow(decimals), u128::from(unit_us)), decimals)
    };
    match us {
        0..1_000 => format!("{} ms", rounded(1_000, 3)),
        1_000..999_950 => format!("{} ms", rounded(1_000, 1)),
        999_950..99_995_000 => format!("{} s", rounded(1_000_000, 2)),
        _ => format!("{} s", rounded(1_000_000, 1)),
    }
}

/// A length of time given in nanoseconds, in the largest unit that gives a whole number: `10 min`.
pub(crate) fn whole_time(ns: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000_000_000, "days"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
    ];
    match UNITS.iter().find(|(unit, _)| ns >= *unit && ns.is_multiple_of(*unit)) {
        Some((unit, "days")) if ns == *unit => "1 day".to_owned(),
        Some((unit, name)) => format!("{} {name}", grouped(ns / unit)),
        None => duration(ns / 1_000),
    }
}

/// Bytes in decimal units: `999 bytes`, `12.3 kB`, `4.6 GB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| n >= *unit) {
        Some((unit, name)) => format!("{} {name}", decimal(divide(u128::from(n) * 10, u128::from(*unit)), 1)),
        None => format!("{n} bytes"),
    }
}

/// `part / whole` in percent with one decimal, of less than 1 % with two significant digits; `-` where there is no whole.
pub(crate) fn percent(part: u64, whole: u128) -> String {
    const MOST: u32 = 6;
    if whole == 0 {
        return "-".to_owned();
    }
    let units = |decimals: u32| divide(u128::from(part) * 100 * 10u128.pow(decimals), whole);
    let decimals =
        if part == 0 { 1 } else { (1..MOST).find(|&decimals| units(decimals) >= 10).unwrap_or(MOST) };
    format!("{} %", decimal(units(decimals), decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (n, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(n), text);
        }
    }

    #[test]
    fn a_duration_takes_the_unit_that_fits() {
        let expected = [
            (0, "0.000 ms"),
            (850, "0.850 ms"),
            (12_345, "12.3 ms"),
            (999_949, "999.9 ms"),
            (999_950, "1.00 s"),
            (4_565_000, "4.57 s"),
            (99_995_000, "100.0 s"),
            (1_234_500_000, "1,234.5 s"),
        ];
        for (us, text) in expected {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn a_length_of_time_is_whole_where_it_can_be() {
        assert_eq!(whole_time(600_000_000_000), "10 min");
        assert_eq!(whole_time(86_400_000_000_000), "1 day");
        assert_eq!(whole_time(30 * 86_400_000_000_000), "30 days");
        assert_eq!(whole_time(90_000_000_000), "90 s");
        assert_eq!(whole_time(1_500_500_000), "1.50 s");
    }

    #[test]
    fn bytes_and_percent_have_one_decimal() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(1, 0), "-");
    }

    #[test]
    fn a_small_percentage_keeps_two_significant_digits() {
        let expected = [
            (0, "0.0 %"),
            (10_000_000, "1.0 %"),
            (9_400_000, "0.94 %"),
            (260_000, "0.026 %"),
            (26, "0.000003 %"),
            (1, "0.000000 %"),
        ];
        for (part, text) in expected {
            assert_eq!(percent(part, 1_000_000_000), text);
        }
    }
}
