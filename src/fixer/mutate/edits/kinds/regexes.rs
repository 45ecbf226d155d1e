//! Regular expressions of JavaScript: flags, anchors and how often a part comes.

/// What a literal such as `/ab+/g` may become, with how fitting each is; empty for anything else.
pub(super) fn others(text: &str) -> Vec<(String, f64)> {
    let Some(inner) = text.strip_prefix('/') else { return Vec::new() };
    let Some((pattern, flags)) = inner.rsplit_once('/') else { return Vec::new() };
    let write = |pattern: &str, flags: &str| format!("/{pattern}/{flags}");
    let mut made: Vec<(String, f64)> = Vec::new();
    for (flag, fit) in [('g', 0.6), ('i', 0.4), ('m', 0.1), ('u', 0.1)] {
        let new = if flags.contains(flag) { flags.replace(flag, "") } else { format!("{flags}{flag}") };
        made.push((write(pattern, &new), fit));
    }
    let anchored = [
        (pattern.strip_prefix('^').map_or(format!("^{pattern}"), str::to_owned), 0.4),
        (ending(pattern).map_or(format!("{pattern}$"), str::to_owned), 0.4),
    ];
    made.extend(anchored.map(|(new, fit)| (write(&new, flags), fit)));
    if !pattern.starts_with('^') && ending(pattern).is_none() {
        made.push((write(&format!("^{pattern}$"), flags), 0.35));
    }
    made.extend(repeated(pattern).into_iter().map(|new| (write(&new, flags), 0.35)));
    made.retain(|(new, _)| new != text && new != "//");
    made
}

/// The pattern without the `$` at its end.
fn ending(pattern: &str) -> Option<&str> {
    pattern.strip_suffix('$').filter(|rest| !rest.ends_with('\\'))
}

/// Each `+`, `*` and `?` becomes another one of them, or goes.
fn repeated(pattern: &str) -> Vec<String> {
    /// A pattern with more of them is not a slip's.
    const MOST: usize = 4;
    let mut made = Vec::new();
    let mut in_class = false;
    let mut before = None;
    let mut marks = Vec::new();
    for (at, c) in pattern.char_indices() {
        // what is escaped stands for itself
        if before == Some('\\') {
            before = Some('x');
            continue;
        }
        match c {
            '[' => in_class = true,
            ']' => in_class = false,
            // `(?:` and `a+?` are other matters
            '+' | '*' | '?' if !in_class && !matches!(before, None | Some('(' | '+' | '*' | '?' | '}')) => {
                marks.push((at, c));
            }
            _ => {}
        }
        before = Some(c);
    }
    for (at, mark) in marks.into_iter().take(MOST) {
        let with = |new: &str| format!("{}{new}{}", &pattern[..at], &pattern[at + 1..]);
        made.extend(["+", "*", "?", ""].into_iter().filter(|new| *new != mark.to_string()).map(with));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_changes_in_one_place() {
        let texts = |text: &str| others(text).into_iter().map(|(new, _)| new).collect::<Vec<_>>();
        for (old, new) in [
            ("/ab/", "/ab/g"),
            ("/ab/gi", "/ab/i"),
            ("/^ab/", "/ab/"),
            ("/^ab/", "/^ab$/"),
            ("/ab$/", "/ab/"),
            ("/ab/", "/^ab$/"),
            ("/a*b/", "/a+b/"),
            ("/\\d?/", "/\\d*/"),
            ("/a+/", "/a/"),
        ] {
            assert!(texts(old).iter().any(|text| text == new), "{old}: {:?}", texts(old));
        }
        // what is escaped, in a class or the head of a group is no repetition
        for text in ["/a\\+/", "/[+*]/", "/(?:a)/", "/a\\$/"] {
            assert!(texts(text).iter().all(|new| new.contains(&text[1..text.len() - 1])), "{:?}", texts(text));
        }
    }
}
