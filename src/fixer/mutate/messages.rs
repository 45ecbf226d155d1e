//! What the messages of red tests make likely: an interpreter that can't add a number to a list asks for another edit than
//! a wrong sum does. Pure.

use std::borrow::Cow;

use super::edits::{Edit, EditKind, is_exception};

/// An edit of a kind that a message speaks for comes this much earlier.
const LIKELY: f64 = 2.0;
/// One that does exactly what it asks for.
const ASKED_FOR: f64 = 5.0;

/// Which edits a message speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// Of these kinds.
    Kinds(&'static [EditKind]),
    /// What is put in place begins with this.
    Starts(&'static str),
    /// What is put in place has this in it.
    Holds(&'static str),
    /// What is put in place ends with this.
    Ends(String),
    /// What is put in place is this.
    Is(Cow<'static, str>),
}

use EditKind as K;

/// Parts of messages of interpreters and run-time libraries, and what they speak for: our own reading of them, by what each
/// says is wrong.
const RULES: &[(&str, Wish)] = &[
    ("can only concatenate list (not", Wish::Starts("[")),
    ("can only concatenate str (not", Wish::Starts("str(")),
    ("expected str instance", Wish::Starts("str(")),
    ("unsupported operand type(s)", Wish::Kinds(&[K::Wrap, K::Unwrap, K::Member, K::AddCall, K::Variable])),
    ("positional argument", Wish::Kinds(&[K::AddArgument, K::DropArgument])),
    ("has no attribute", Wish::Kinds(&[K::Member, K::Method, K::Receiver, K::Unwrap, K::Wrap])),
    ("'NoneType' object", Wish::Kinds(&[K::Guard, K::Return, K::StrengthenCondition, K::NullLiteral])),
    ("is not callable", Wish::Kinds(&[K::DropCall, K::Function, K::Variable])),
    ("is not a function", Wish::Kinds(&[K::DropCall, K::Function, K::Method])),
    ("is not iterable", Wish::Kinds(&[K::Wrap, K::Unwrap, K::Guard, K::Variable])),
    ("object is not subscriptable", Wish::Kinds(&[K::KeepPart, K::Unwrap, K::Variable, K::AddCall])),
    ("maximum recursion depth", Wish::Kinds(&[K::Guard, K::OffByOne, K::ComparisonOperator, K::Extend])),
    ("Maximum call stack", Wish::Kinds(&[K::Guard, K::OffByOne, K::ComparisonOperator, K::Extend])),
    ("has overflowed its stack", Wish::Kinds(&[K::Guard, K::OffByOne, K::ComparisonOperator, K::Extend])),
    ("index out of range", Wish::Kinds(BOUNDS)),
    ("index out of bounds", Wish::Kinds(BOUNDS)),
    ("out of range for slice", Wish::Kinds(BOUNDS)),
    ("ArrayIndexOutOfBounds", Wish::Kinds(BOUNDS)),
    ("division by zero", Wish::Kinds(&[K::Guard, K::ReplaceOperand, K::Variable, K::StrengthenCondition])),
    ("divide by zero", Wish::Kinds(&[K::Guard, K::ReplaceOperand, K::Variable, K::StrengthenCondition])),
    ("subtract with overflow", Wish::Kinds(&[K::SwapOperands, K::ComparisonOperator, K::OffByOne, K::RangeBound])),
    ("subtract with overflow", Wish::Holds(".saturating_sub(")),
    ("subtract with overflow", Wish::Holds(".abs_diff(")),
    ("subtract with overflow", Wish::Holds(".wrapping_sub(")),
    ("add with overflow", Wish::Holds(".wrapping_add(")),
    ("multiply with overflow", Wish::Holds(".wrapping_mul(")),
    ("Assignment to constant variable", Wish::Is(Cow::Borrowed("let"))),
    ("is not defined", Wish::Is(Cow::Borrowed("let "))),
    ("Cannot read properties of", Wish::Holds("?.")),
    ("local variable", Wish::Kinds(&[K::InsertStatement, K::MoveStatement, K::Variable, K::BorrowStatement])),
    ("changed size during iteration", Wish::Kinds(&[K::Wrap])),
    ("Cannot read properties of undefined", Wish::Kinds(BOUNDS)),
    ("assert None ==", Wish::Kinds(RETURNS)),
    ("undefined !==", Wish::Kinds(RETURNS)),
    ("object is not an iterator", Wish::Kinds(&[K::Wrap])),
    ("was never awaited", Wish::Kinds(&[K::Await])),
    ("[object Promise]", Wish::Kinds(&[K::Await])),
    ("Promise {", Wish::Kinds(&[K::Await])),
];

const BOUNDS: &[EditKind] = &[K::OffByOne, K::RangeBound, K::SliceBound, K::ComparisonOperator, K::LoopCondition];
const RETURNS: &[EditKind] = &[K::Return, K::InsertStatement, K::MoveStatement];

/// What all messages together speak for.
#[derive(Debug, Clone, Default)]
pub struct Wishes(Vec<Wish>);

impl Wishes {
    /// Of the messages of red tests.
    pub fn of<'m>(messages: impl Iterator<Item = &'m str>) -> Self {
        let mut wishes = Vec::new();
        for message in messages {
            for (_, wish) in RULES.iter().filter(|(part, _)| message.contains(part)) {
                if !wishes.contains(wish) {
                    wishes.push(wish.clone());
                }
            }
            for wish in conversions(message) {
                if !wishes.contains(&wish) {
                    wishes.push(wish);
                }
            }
            for name in exceptions(message).take(MOST_EXCEPTIONS) {
                let wish = Wish::Is(Cow::Owned(name.to_owned()));
                if !wishes.contains(&wish) {
                    wishes.push(wish);
                }
            }
        }
        Self(wishes)
    }

    /// How much earlier an edit comes.
    pub fn times(&self, edit: &Edit) -> f64 {
        let of = |wish: &Wish| match wish {
            Wish::Kinds(kinds) if kinds.contains(&edit.kind) => LIKELY,
            Wish::Starts(text) if edit.replacement.starts_with(text) => ASKED_FOR,
            Wish::Ends(text) if edit.replacement.ends_with(text) => ASKED_FOR,
            Wish::Is(text) if edit.replacement == *text => ASKED_FOR,
            // one of several ways
            Wish::Holds(text) if edit.replacement.contains(text) => LIKELY,
            Wish::Kinds(_) | Wish::Starts(_) | Wish::Holds(_) | Wish::Ends(_) | Wish::Is(_) => 1.0,
        };
        self.0.iter().map(of).fold(1.0, f64::max)
    }
}

/// A compiler is asked for no more conversions than this.
const MOST_CONVERSIONS: usize = 3;
/// Rust's numbers: one becomes another by `as`.
const NUMBERS: &[&str] =
    &["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];

/// Rust: "expected `usize`, found `u16`" asks for `as usize`.
fn conversions(message: &str) -> Vec<Wish> {
    let types = message.split("expected `").skip(1).filter_map(|rest| {
        let (wanted, rest) = rest.split_once('`')?;
        let (found, _) = rest.strip_prefix(", found `")?.split_once('`')?;
        Some((wanted, found))
    });
    let numbers = types.filter(|(wanted, found)| NUMBERS.contains(wanted) && NUMBERS.contains(found));
    numbers.take(MOST_CONVERSIONS).map(|(wanted, _)| Wish::Ends(format!(" as {wanted}"))).collect()
}

/// A message names what was raised and what was expected; a long one names those on the way too.
const MOST_EXCEPTIONS: usize = 6;

/// The exceptions that a message names.
fn exceptions(message: &str) -> impl Iterator<Item = &str> {
    let words = message.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with(char::is_uppercase) && is_exception(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(kind: EditKind, replacement: &str) -> Edit {
        Edit {
            path: b"a.py".to_vec(),
            range: 0..1,
            replacement: replacement.into(),
            kind,
            line: 1,
            weight: 1.0,
            what: String::new(),
            label: None,
        }
    }

    #[test]
    fn a_compiler_that_found_another_number_asks_for_its_conversion() {
        let wishes = Wishes::of(["widest.min(limit)\n  ^^^^^ expected `usize`, found `u16`\n"].into_iter());
        assert_eq!(wishes.times(&edit(EditKind::Conversion, "limit as usize")), ASKED_FOR);
        assert_eq!(wishes.times(&edit(EditKind::Conversion, "limit as u16")), 1.0);
        let other = Wishes::of(["expected `usize`, found `String`, expected `"].into_iter());
        assert_eq!(other.times(&edit(EditKind::Conversion, "limit as usize")), 1.0);
    }

    #[test]
    fn a_message_brings_forward_what_it_asks_for_and_nothing_else() {
        let lists = Wishes::of(["E  TypeError: can only concatenate list (not \"int\") to list"].into_iter());
        assert_eq!(lists.times(&edit(EditKind::Wrap, "[value]")), ASKED_FOR);
        assert_eq!(lists.times(&edit(EditKind::Wrap, "len(value)")), 1.0);
        let bounds =
            Wishes::of(["IndexError: list index out of range", "IndexError: list index out of range"].into_iter());
        assert_eq!(bounds.0.len(), 2);
        assert_eq!(bounds.times(&edit(EditKind::OffByOne, "n - 1")), LIKELY);
        assert_eq!(bounds.times(&edit(EditKind::Await, "await x")), 1.0);
        assert_eq!(Wishes::of(["assert 3 == 4"].into_iter()).times(&edit(EditKind::OffByOne, "n")), 1.0);
    }

    #[test]
    fn a_message_brings_forward_the_method_the_declaration_and_the_exception_that_it_names() {
        let times =
            |message: &str, kind, replacement: &str| Wishes::of([message].into_iter()).times(&edit(kind, replacement));
        let overflow = "thread panicked: attempt to subtract with overflow";
        assert_eq!(times(overflow, EditKind::Wrap, "a.saturating_sub(b)"), LIKELY);
        assert_eq!(times(overflow, EditKind::Wrap, "a.abs_diff(b)"), LIKELY);
        assert_eq!(times(overflow, EditKind::Wrap, "a.wrapping_add(b)"), 1.0);
        let constant = "TypeError: Assignment to constant variable.";
        assert_eq!(times(constant, EditKind::AssignmentOperator, "let"), ASKED_FOR);
        assert_eq!(times(constant, EditKind::AssignmentOperator, "let "), 1.0);
        let raised = "with pytest.raises(ValueError):\nE   KeyError: 3";
        assert_eq!(times(raised, EditKind::Function, "ValueError"), ASKED_FOR);
        assert_eq!(times(raised, EditKind::Function, "TypeError"), 1.0);
        let nothing = "TypeError: Cannot read properties of undefined (reading 'name')";
        assert_eq!(times(nothing, EditKind::Wrap, "?."), LIKELY);
    }
}
