//! Numbers as people read them.

/// Milliseconds: `0.4 s`, `41 s`, `2 min 5 s`.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..60_000 if ms % 1000 >= 100 || ms < 10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        0..60_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// Bytes: `312 KB`, `1.4 GB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// `1 test`, `3 tests`.
pub fn count(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_as_people_say_them() {
        for (ms, text) in [(0, "0.0 s"), (449, "0.4 s"), (11_800, "11.8 s"), (41_000, "41 s"), (125_000, "2 min 5 s")] {
            assert_eq!(seconds(ms), text);
        }
        for (bytes, text) in [(999, "999 B"), (312_000, "312 KB"), (1_440_000_000, "1.4 GB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((count(1, "test"), count(0, "test")), ("1 test".into(), "0 tests".into()));
    }
}
