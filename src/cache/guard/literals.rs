//! Literals of a question: numbers with their units, identifiers, paths and quoted strings, taken out of the text.

use std::sync::LazyLock;

use regex::Regex;

static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("\"([^\"\n]*)\"|`([^`\n]*)`|“([^”\n]*)”|‘([^’\n]*)’|(?:^|[\\s(=:,])'([^'\n]*)'(?:[\\s),.;:?!]|$)").ok()
});

/// Takes quoted strings out of `text`; returns the rest and the strings as they are.
pub(super) fn quoted(text: &str) -> (String, Vec<String>) {
    let Some(pattern) = QUOTED.as_ref() else { return (text.to_owned(), Vec::new()) };
    let mut found = Vec::new();
    let rest = pattern.replace_all(text, |groups: &regex::Captures<'_>| {
        let inside = (1..=5).find_map(|n| groups.get(n)).map_or("", |m| m.as_str());
        found.push(format!("\"{inside}\""));
        " "
    });
    (rest.into_owned(), found)
}

/// Is `word` (trimmed of punctuation) an identifier, a path or a number? Exactly such words must be equal on both sides.
pub(super) fn literal(word: &str) -> Option<String> {
    let inner: Vec<char> = word.chars().collect();
    let digit = inner.iter().any(char::is_ascii_digit);
    let joined = |c: &char| {
        matches!(c, '_' | '/' | '\\' | '=' | '<' | '>' | '$' | '#' | '@' | '&' | '|' | '*' | '%' | '+' | '~')
    };
    let symbol = inner.iter().any(joined) || word.starts_with('-') || word.contains("::") || word.contains("()");
    let dotted = inner.windows(3).any(|w| w[1] == '.' && w[0].is_alphanumeric() && w[2].is_alphanumeric())
        || word.starts_with('.') && inner.len() > 1;
    let colon = inner.windows(2).any(|w| w[0] == ':' && w[1].is_alphanumeric());
    // camelCase and PascalCase, but not `iPhone`'s plural or an acronym
    let humps = inner.windows(2).filter(|w| w[0].is_lowercase() && w[1].is_uppercase()).count() > 0;
    let money = inner.iter().any(|c| matches!(c, '£' | '€' | '¥'));
    (digit || symbol || dotted || colon || humps || money).then(|| word.to_owned())
}

/// The value of a spelled number, `None` for other words. `one` is left out: it is a pronoun more often.
pub(super) fn spelled(word: &str) -> Option<u64> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let unit = |w: &str| UNITS.iter().position(|u| *u == w).map(|n| n as u64);
    let ten = |w: &str| TENS.iter().position(|t| *t == w).map(|n| (n as u64 + 2) * 10);
    match word {
        "single" | "once" => Some(1),
        "twice" | "double" => Some(2),
        "thrice" | "triple" => Some(3),
        "dozen" => Some(12),
        "hundred" => Some(100),
        "thousand" => Some(1_000),
        "million" => Some(1_000_000),
        "billion" => Some(1_000_000_000),
        _ => unit(word).or_else(|| ten(word)).or_else(|| {
            let (tens, units) = word.split_once('-')?;
            Some(ten(tens)? + unit(units).filter(|n| (1..10).contains(n))?)
        }),
    }
}

/// A number and its unit in one spelling: `£50`, `50 pounds` and `fifty pounds`; `2kg` and `2 kilos`; `15%`.
pub(super) fn number_and_unit(word: &str) -> Option<(String, Option<String>)> {
    let bare = word.replace(',', "");
    let start = bare.find(|c: char| c.is_ascii_digit())?;
    let (front, rest) = bare.split_at(start);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, back) = rest.split_at(end);
    let number = number.trim_end_matches('.');
    if back.chars().any(|c| c.is_ascii_digit()) || !matches!(front, "" | "£" | "$" | "€" | "-" | "+" | "<" | ">" | "=")
    {
        return None;
    }
    let sign = if matches!(front, "-" | "<" | ">" | "=") { front } else { "" };
    let symbol = match front {
        "£" | "$" | "€" => Some(front),
        _ => None,
    };
    let back = back.trim_start_matches('-');
    let unit = symbol
        .or_else(|| (!back.is_empty()).then_some(back))
        .map(|u| unit(u).map_or_else(|| u.to_lowercase(), str::to_owned));
    // `1.50` and `1.5` are the same number, `1.10` and `1.1` may be versions: leave the text alone
    Some((format!("{sign}{number}"), unit))
}

/// The one name of a unit of measurement; `None` for other words.
pub(super) fn unit(word: &str) -> Option<&'static str> {
    Some(match word.to_lowercase().as_str() {
        "£" | "gbp" | "pound" | "pounds" | "quid" => "gbp",
        "$" | "usd" | "dollar" | "dollars" => "usd",
        "€" | "eur" | "euro" | "euros" => "eur",
        "%" | "percent" | "pct" => "%",
        "ms" | "msec" | "millisecond" | "milliseconds" => "ms",
        "us" | "µs" | "microsecond" | "microseconds" => "us",
        "ns" | "nanosecond" | "nanoseconds" => "ns",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "min",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "day" | "days" => "day",
        "week" | "weeks" => "week",
        "month" | "months" => "month",
        "year" | "years" | "yr" | "yrs" => "year",
        "byte" | "bytes" => "B",
        "kb" | "kilobyte" | "kilobytes" => "KB",
        "mb" | "megabyte" | "megabytes" => "MB",
        "gb" | "gigabyte" | "gigabytes" => "GB",
        "tb" | "terabyte" | "terabytes" => "TB",
        "kib" => "KiB",
        "mib" => "MiB",
        "gib" => "GiB",
        "kg" | "kgs" | "kilo" | "kilos" | "kilogram" | "kilograms" => "kg",
        "g" | "gram" | "grams" => "g",
        "lb" | "lbs" => "lb",
        "mm" | "millimetre" | "millimetres" | "millimeter" | "millimeters" => "mm",
        "cm" | "centimetre" | "centimetres" | "centimeter" | "centimeters" => "cm",
        "metre" | "metres" | "meter" | "meters" => "m",
        "km" | "kilometre" | "kilometres" | "kilometer" | "kilometers" => "km",
        "mile" | "miles" => "mile",
        "celsius" => "C",
        "fahrenheit" => "F",
        "kwh" => "kWh",
        _ => return None,
    })
}
