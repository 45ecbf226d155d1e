//! Durations and sizes as people write them: `1h30m`, `90s`, `16 MiB`.

use std::time::Duration;

const UNITS_MS: [(&str, u64); 5] =
    [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

/// Reads `10m`, `1h30m`, `90s`, `500ms`, `2d`, `0s`; units from large to small, each once.
///
/// # Errors
/// In words, when the text is not a duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("the unit is missing: `{text}s` for seconds, `{text}m` for minutes"));
    }
    let (mut rest, mut total_ms, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        rest = rest[digits + letters..].trim_start();
        let Some(&(_, unit_ms)) = UNITS_MS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{text}` is not a duration: use d, h, m, s, ms"));
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
        if unit_ms >= last {
            return Err(format!("`{text}`: write larger units first, each once"));
        }
        last = unit_ms;
        total_ms = number
            .checked_mul(unit_ms)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or_else(|| format!("`{text}` is too long"))?;
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration so that [`parse_duration`] reads it back (to the millisecond).
pub fn show_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, unit_ms) in UNITS_MS {
        let n = left / unit_ms;
        left %= unit_ms;
        if n > 0 {
            out.push_str(&format!("{n}{unit}"));
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

const SIZES: [(&str, u64); 4] = [("gib", 1 << 30), ("mib", 1 << 20), ("kib", 1 << 10), ("b", 1)];

/// Reads `16 MiB`, `512KiB`, `1 GiB`, `4096` (bytes).
///
/// # Errors
/// In words, when the text is not a size.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim().to_ascii_lowercase();
    let scale = match unit.as_str() {
        "" => 1,
        unit => SIZES
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, n)| *n)
            .ok_or_else(|| format!("`{text}` is not a size: use B, KiB, MiB or GiB"))?,
    };
    let number: u64 = text[..digits].parse().map_err(|_| format!("`{text}` is not a size"))?;
    number.checked_mul(scale).ok_or_else(|| format!("`{text}` is too large"))
}

/// Writes a size so that [`parse_size`] reads it back exactly.
pub fn show_size(bytes: u64) -> String {
    let names = ["GiB", "MiB", "KiB"];
    for ((_, scale), name) in SIZES.iter().zip(names) {
        if bytes >= *scale && bytes.is_multiple_of(*scale) {
            return format!("{} {name}", bytes / scale);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90), ("10m", 600), ("6h", 21_600), ("1h30m", 5400), ("1h 30m", 5400), ("2d", 172_800), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1s500ms"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_not_a_duration_is_said_in_words() {
        for (text, words) in [
            ("", "empty"),
            ("10", "`10s` for seconds"),
            ("10x", "use d, h, m, s, ms"),
            ("m", "not a duration"),
            ("30m1h", "larger units first"),
            ("1m1m", "each once"),
            ("-5m", "use d, h"),
            ("1.5h", "use d, h"),
            ("99999999999999999999s", "not a duration"),
            ("999999999999999999d", "too long"),
            ("5 µs", "use d, h"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("4096", 4096), ("512KiB", 512 << 10), ("16 MiB", 16 << 20), ("1 gib", 1 << 30), ("7 B", 7)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "16 MB", "-1", "99999999999 GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_survives_writing_and_reading(ms in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
        #[test]
        fn a_size_survives_writing_and_reading(bytes in 0_u64..1 << 45) {
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC*") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
