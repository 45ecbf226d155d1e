//! Every small edit that could be the fix, at given lines: one engine for six languages, ranked by how common such fixes are.

mod asked;
mod axes;
mod beside;
mod check;
mod fields;
mod kinds;
mod languages;
mod pair;
mod piece;
mod priors;
mod project;
mod scope;
mod signs;
mod view;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

pub use check::check;
pub(super) use kinds::is_exception;
pub use pair::{Pair, pair};
pub use project::{Project, Source};

use crate::words::Label;

/// What kind of change an edit is: the key of its prior.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum EditKind {
    /// `<` becomes `<=`, `is` becomes `is not`, `in` becomes `not in`.
    ComparisonOperator,
    /// `+` becomes `-`, `//` becomes `/`.
    ArithmeticOperator,
    /// `and` becomes `or`.
    LogicalOperator,
    /// `&` becomes `|`, `<<` becomes `>>`.
    BitwiseOperator,
    /// `+=` becomes `-=` or `=`.
    AssignmentOperator,
    /// A minus or a not comes or goes.
    UnaryOperator,
    /// A number becomes another one.
    Numeral,
    /// `True` becomes `False`.
    BooleanLiteral,
    /// A literal becomes nothing (`None`, `null`), or nothing becomes something.
    NullLiteral,
    /// A string literal becomes another one of the file.
    StringLiteral,
    /// `[]` becomes `[[]]` or `[n]`.
    CollectionLiteral,
    /// `x` becomes `x + 1` or `x - 1`, or loses it.
    OffByOne,
    /// Start, end or step of a range.
    RangeBound,
    /// Start or end of a slice.
    SliceBound,
    /// `if x` becomes `if not x`.
    NegateCondition,
    /// One side of an `and` or `or` goes.
    DropCondition,
    /// A condition becomes true or false for ever.
    ConstantCondition,
    /// `if x` becomes `if x and y`.
    StrengthenCondition,
    /// `if x` becomes `if x or y`.
    WeakenCondition,
    /// `while True` becomes `while queue`.
    LoopCondition,
    /// `a - b` becomes `b - a`.
    SwapOperands,
    /// `f(a, b)` becomes `f(b, a)`.
    SwapArguments,
    /// `x if c else y` becomes `y if c else x`; the branches of an `if` change places.
    SwapBranches,
    /// A name becomes another name in scope.
    Variable,
    /// A member becomes another member: `self.left` becomes `self.right`.
    Member,
    /// A method becomes another method: `push` becomes `unshift`.
    Method,
    /// A function becomes another function: `min` becomes `max`.
    Function,
    /// `a.f()` becomes `b.f()`.
    Receiver,
    /// An expression becomes one of its parts.
    KeepPart,
    /// An expression becomes another one that is not just a name.
    ReplaceOperand,
    /// `x` becomes `len(x)`, `sorted(x)`, `x[0]`, `x.copy()`.
    Wrap,
    /// `x` becomes `x + y`.
    Extend,
    /// A call is taken away from around its argument.
    Unwrap,
    /// An argument goes.
    DropArgument,
    /// An argument comes.
    AddArgument,
    /// `f` becomes `f()`.
    AddCall,
    /// `f()` becomes `f`.
    DropCall,
    /// A statement goes.
    DeleteStatement,
    /// A statement comes.
    InsertStatement,
    /// Two neighbours change places.
    SwapStatements,
    /// A statement moves in or out of a block.
    MoveStatement,
    /// A `return` comes before an expression, or its value changes to another kind.
    Return,
    /// `await` comes or goes.
    Await,
    /// `yield` becomes `yield from`, or the reverse.
    Yield,
    /// `break` becomes `continue` or `return`.
    Jump,
    /// `if xs is empty: return []` comes.
    Guard,
    /// `if` becomes `elif`, an `else` goes.
    ElseBranch,
    /// An expression of the same file or of a similar function.
    BorrowExpression,
    /// A statement of the same file or of a similar function.
    BorrowStatement,
    /// `x` becomes `x as usize`, `&x`, `x.clone()`, `Some(x)`.
    Conversion,
    /// An unknown name becomes the nearest known one.
    Misspelt,
    /// An import comes.
    MissingImport,
    /// `mut`, a semicolon, a colon, a bracket comes or goes.
    Punctuation,
}

/// One edit: replace `range` (bytes) of file `path` by `replacement`.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The file, relative to the top of the tree.
    pub path: Vec<u8>,
    /// Bytes that go.
    pub range: Range<usize>,
    /// Text that comes.
    pub replacement: String,
    /// What kind of change it is.
    pub kind: EditKind,
    /// The line (from 1) that the edit is about.
    pub line: usize,
    /// How common this kind of fix is, times how small and how fitting this one is; the place plays no part. Above 0.
    pub weight: f64,
    /// For people: `<` becomes `<=`.
    pub what: String,
    /// A remark that makes the edit come last.
    pub label: Option<Label>,
}

/// The text with the edit applied.
pub fn apply(text: &str, edit: &Edit) -> String {
    let mut new = String::with_capacity(text.len() + edit.replacement.len());
    new.push_str(text.get(..edit.range.start).unwrap_or(text));
    new.push_str(&edit.replacement);
    new.push_str(text.get(edit.range.end..).unwrap_or(""));
    new
}

/// Every edit at nodes of `path` that touch `lines` (from 1; `None`: the whole file), the most probable first.
/// Each parses, differs from the file as a syntax tree, and no two give the same tree. The order depends on nothing but the arguments.
pub fn edits(project: &Project, path: &[u8], lines: Option<&BTreeSet<usize>>) -> Vec<Edit> {
    checked(project, path, lines, false)
}

/// The same for lines that a compiler complained about: names, types, imports and punctuation come first.
pub fn compile_edits(project: &Project, path: &[u8], lines: Option<&BTreeSet<usize>>) -> Vec<Edit> {
    checked(project, path, lines, true)
}

fn checked(project: &Project, path: &[u8], lines: Option<&BTreeSet<usize>>, compiles: bool) -> Vec<Edit> {
    let Some(source) = project.source(path) else { return Vec::new() };
    let mut found = unchecked(project, path, lines, compiles);
    let mut seen: HashSet<u64> = HashSet::new();
    found.retain(|edit| check(source, &apply(&source.text, edit)).is_some_and(|hash| seen.insert(hash)));
    found
}

/// The same without a look at whether they parse, and at whether two of them are one: a search asks that of those whose turn
/// comes, since it costs as much as all the rest.
pub fn unchecked(project: &Project, path: &[u8], lines: Option<&BTreeSet<usize>>, compiles: bool) -> Vec<Edit> {
    let Some(source) = project.source(path) else { return Vec::new() };
    let mut found = kinds::generate(project, source, lines, compiles);
    found.sort_by(by_weight);
    found
}

/// Heaviest first; the place and the text decide between equals.
fn by_weight(a: &Edit, b: &Edit) -> Ordering {
    (b.weight.total_cmp(&a.weight))
        .then_with(|| a.range.start.cmp(&b.range.start))
        .then_with(|| a.range.end.cmp(&b.range.end))
        .then_with(|| a.replacement.cmp(&b.replacement))
        .then_with(|| a.kind.cmp(&b.kind))
}

#[cfg(test)]
mod tests;
