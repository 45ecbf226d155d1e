//! Numbers that are written to another base: `0xff`, `0b101`, `0o17`.

/// What a number to base two, eight or sixteen may become, with how fitting each is; empty for any other number. Base, case,
/// width and suffix stay as they are.
pub(super) fn others(text: &str) -> Vec<(String, f64)> {
    let Some((prefix, rest)) = text.split_at_checked(2) else { return Vec::new() };
    let (base, bits) = match prefix {
        "0x" | "0X" => (16, 4),
        "0b" | "0B" => (2, 1),
        "0o" | "0O" => (8, 3),
        _ => return Vec::new(),
    };
    let end = rest.find(|c: char| !(c.is_digit(base) || c == '_')).unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(rest[..end].trim_end_matches('_').len());
    let plain = digits.replace('_', "");
    let Ok(value) = u64::from_str_radix(&plain, base) else { return Vec::new() };
    let is_upper = plain.contains(|c: char| c.is_ascii_uppercase());
    let full = (1_u64 << bits) - 1;
    let last = value & full;
    let near = [
        (value.checked_add(1), 0.5),
        (value.checked_sub(1), 0.5),
        // a digit more at the end, or one less
        (value.checked_mul(full + 1), 0.3),
        (value.checked_mul(full + 1).map(|more| more | last), 0.4),
        (Some(value >> bits), 0.4),
        (value.checked_mul(2), 0.3),
        (Some(value / 2), 0.3),
        // each bit of it
        (low_bits(value), 0.4),
        (Some(0), 0.2),
    ];
    let write = |number: u64| match (base, is_upper) {
        (16, true) => format!("{prefix}{number:0width$X}{suffix}", width = plain.len()),
        (16, false) => format!("{prefix}{number:0width$x}{suffix}", width = plain.len()),
        (8, _) => format!("{prefix}{number:0width$o}{suffix}", width = plain.len()),
        _ => format!("{prefix}{number:0width$b}{suffix}", width = plain.len()),
    };
    let mut made: Vec<(String, f64)> = Vec::new();
    for (number, fit) in near.into_iter().filter_map(|(number, fit)| Some((number?, fit))) {
        let new = write(number);
        if number != value && made.iter().all(|(known, _)| *known != new) {
            made.push((new, fit));
        }
    }
    made
}

/// All bits below the highest one of a number set.
fn low_bits(value: u64) -> Option<u64> {
    let high = u64::BITS - value.leading_zeros();
    (value != 0).then(|| u64::MAX >> (u64::BITS - high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_to_another_base_keeps_base_width_and_suffix() {
        let texts = |text: &str| others(text).into_iter().map(|(new, _)| new).collect::<Vec<_>>();
        assert_eq!(texts("0xf"), ["0x10", "0xe", "0xf0", "0xff", "0x0", "0x1e", "0x7"]);
        for (old, new) in [
            ("0x7f", "0x80"),
            ("0x0F", "0x10"),
            ("0xFE", "0xFF"),
            ("0b0100", "0b0101"),
            ("0b0110", "0b0011"),
            ("0o17", "0o20"),
            ("0xff_u8", "0x7f_u8"),
            ("0xFFL", "0xFFFL"),
        ] {
            assert!(texts(old).iter().any(|text| text == new), "{old}: {:?}", texts(old));
        }
        for plain in ["17", "0", "1.5", "0x", "ä"] {
            assert_eq!(texts(plain), Vec::<String>::new(), "{plain}");
        }
    }
}
