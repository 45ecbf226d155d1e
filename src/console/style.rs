//! Colours and marks, and making text from outside harmless before a terminal sees it.

/// Colours on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

macro_rules! paint {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(self, text: &str) -> String {
            self.paint($code, text)
        })*
    };
}

impl Style {
    /// With colours, or without.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }
    /// Without.
    pub fn plain() -> Self {
        Self { colour: false }
    }
    /// Colours are on.
    pub fn has_colour(self) -> bool {
        self.colour
    }
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    paint! {
        /// For what matters most.
        bold = "1";
        /// For what may be overlooked.
        dim = "2";
        /// Good.
        green = "32";
        /// Bad.
        red = "31";
        /// Mind this.
        yellow = "33";
        /// Names and places.
        cyan = "36";
        /// A good headline.
        good = "1;32";
        /// A bad headline.
        bad = "1;31";
        /// A headline in between.
        warn = "1;33";
        /// The part of a removed line that differs.
        removed_part = "1;31;7";
        /// The part of an added line that differs.
        added_part = "1;32;7";
    }
}

/// Text from outside without anything that steers a terminal: escape sequences and control characters are dropped,
/// characters that reorder or hide text (bidirectional marks, zero width) are shown as `·`, tabs stay.
pub fn harmless(text: &str) -> String {
    let bytes = anstream::adapter::strip_str(text).to_string();
    let shown = bytes.chars().filter_map(|c| match c {
        '\n' | '\t' => Some(c),
        c if c.is_control() => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => Some('·'),
        c => Some(c),
    });
    shown.collect()
}

/// One line of it, at most `most` characters, the rest as `…`.
pub fn one_line(text: &str, most: usize) -> String {
    let flat = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= most {
        return flat;
    }
    let mut cut: String = flat.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Milliseconds for people: `0.4 s`, `41 s`, `2 min 5 s`.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 if ms % 1000 >= 100 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// A size for people: `312 KB`, `1.4 GB`.
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
    fn what_steers_a_terminal_does_not_pass() {
        for (hostile, shown) in [
            ("\x1b[2J\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("a\rb\x08c\0d", "abcd"),
            ("user\u{202e}gpj.exe", "user·gpj.exe"),
            ("keep\ttabs\nand lines", "keep\ttabs\nand lines"),
        ] {
            assert_eq!(harmless(hostile), shown);
        }
    }

    #[test]
    fn times_and_sizes_read_as_people_say_them() {
        for (ms, text) in [(0, "0.0 s"), (449, "0.4 s"), (11_800, "11.8 s"), (41_000, "41 s"), (125_000, "2 min 5 s")] {
            assert_eq!(seconds(ms), text);
        }
        for (bytes, text) in [(999, "999 B"), (312_000, "312 KB"), (1_440_000_000, "1.4 GB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_long_text_becomes_one_short_line() {
        assert_eq!(one_line("a\n  b\tc", 10), "a b c");
        assert_eq!(one_line("abcdefghij", 5), "abcd…");
    }
}
