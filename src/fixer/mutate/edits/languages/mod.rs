//! One description per language: which node kind plays which role, operators and their precedence, words and templates.

mod go;
mod java;
mod javascript;
mod python;
mod rust;

use std::collections::HashMap;
use std::sync::OnceLock;

use tree_sitter::Node;

use crate::syntax::language::Language;

/// What a node is to the engine. Kinds without a role are walked through in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[rustfmt::skip]
pub(in crate::fixer::mutate::edits) enum Role {
    None,
    // statements and their parts
    Function, Class, Block, If, Elif, Else, While, DoWhile, ForEach, ForC, Loop, Try, With, Switch, Case,
    Return, Raise, Break, Continue, ExprStmt, Declare, Declarator, Assign, AugAssign, Pass, Simple,
    // expressions
    Binary, Unary, Not, Ternary, Call, New, Index, Slice, Range, Member, Path, Ident, SelfWord,
    Number, Str, Bool, Null, List, Tuple, Dict, SetLit, Comprehension, Paren, Lambda, Update, Question, Ref, Cast,
    Macro, Await, Yield, Literal,
    // neither
    Args, KeywordArg, Spread, Pair, Params, Param, Type, Import, Decorator, Comment, Pattern, Clause, IfClause, ForIn, As,
    Tokens,
}

impl Role {
    #[rustfmt::skip]
    pub(in crate::fixer::mutate::edits) fn is_expression(self) -> bool {
        use Role::*;
        matches!(self, Binary | Unary | Not | Ternary | Call | New | Index | Range | Member | Path | Ident | SelfWord
            | Number | Str | Bool | Null | List | Tuple | Dict | SetLit | Comprehension | Paren | Lambda | Update | Question
            | Ref | Cast | Macro | Await | Yield | Literal | Slice)
    }
    /// Starts a body that runs more than once.
    pub(in crate::fixer::mutate::edits) fn is_loop(self) -> bool {
        matches!(self, Role::While | Role::DoWhile | Role::ForEach | Role::ForC | Role::Loop)
    }
    /// Has a body and a head.
    pub(in crate::fixer::mutate::edits) fn is_compound(self) -> bool {
        use Role::*;
        self.is_loop() || matches!(self, If | Elif | Else | Try | With | Switch | Case | Function | Class)
    }
}

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::fixer::mutate::edits) enum OperatorClass {
    /// `<`, `>=`
    Order,
    /// `==`, `is`
    Equality,
    /// `in`
    Membership,
    /// `+`, `//`
    Arithmetic,
    /// `&`, `<<`
    Bitwise,
    /// `and`, `??`
    Logical,
    /// `+=`
    Assignment,
}

/// How tightly an operator binds, and what it may become.
#[derive(Debug)]
pub(in crate::fixer::mutate::edits) struct Operator {
    pub text: &'static str,
    pub class: OperatorClass,
    /// Higher binds tighter: see [`level`].
    pub level: u8,
    /// What it becomes, the likeliest first.
    pub others: &'static [&'static str],
}

/// Levels of binding that templates need; the operators' own levels lie between `TERNARY` and `UNARY`.
pub(in crate::fixer::mutate::edits) mod level {
    pub(in crate::fixer::mutate::edits) const LOWEST: u8 = 0;
    pub(in crate::fixer::mutate::edits) const TERNARY: u8 = 1;
    pub(in crate::fixer::mutate::edits) const ABOVE_TERNARY: u8 = 2;
    pub(in crate::fixer::mutate::edits) const UNARY: u8 = 20;
    pub(in crate::fixer::mutate::edits) const POSTFIX: u8 = 30;
    pub(in crate::fixer::mutate::edits) const ATOM: u8 = 40;
}

/// What is known of a value, as bits: nothing known is 0.
pub(in crate::fixer::mutate::edits) mod shape {
    pub(in crate::fixer::mutate::edits) const NUM: u16 = 1;
    pub(in crate::fixer::mutate::edits) const STR: u16 = 2;
    pub(in crate::fixer::mutate::edits) const SEQ: u16 = 4;
    pub(in crate::fixer::mutate::edits) const MAP: u16 = 8;
    pub(in crate::fixer::mutate::edits) const BOOL: u16 = 16;
    pub(in crate::fixer::mutate::edits) const FUNC: u16 = 32;
    pub(in crate::fixer::mutate::edits) const NULLABLE: u16 = 64;
    pub(in crate::fixer::mutate::edits) const OBJECT: u16 = 128;
    /// Whatever has a length.
    pub(in crate::fixer::mutate::edits) const SIZED: u16 = STR | SEQ | MAP;
    pub(in crate::fixer::mutate::edits) const ANY: u16 = 0;
}

/// An expression around an expression: `len({})`.
#[derive(Debug)]
pub(in crate::fixer::mutate::edits) struct Wrap {
    pub template: &'static str,
    /// Shapes it fits (`ANY`: all).
    pub fits: u16,
    /// What comes out (`ANY`: unknown).
    pub gives: u16,
    /// How common, 1.0 being the most common one.
    pub weight: f64,
    /// A name that must be known in the file (an import), or empty.
    pub needs: &'static str,
}

/// Words and spellings.
#[derive(Debug)]
pub(in crate::fixer::mutate::edits) struct Words {
    pub and: &'static str,
    pub or: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub nulls: &'static [&'static str],
    pub this: &'static [&'static str],
    /// `{} if {} else {}` with value, condition, other; empty where there is none.
    pub ternary: &'static str,
    /// `{} is None`, `{} == null`
    pub is_null: &'static str,
    pub is_not_null: &'static str,
    /// `not {}`, `{}.length === 0`
    pub is_empty: &'static str,
    pub is_not_empty: &'static str,
    pub length: &'static str,
    pub empty_list: &'static str,
    pub equal: &'static str,
    pub unequal: &'static str,
    /// `if {}:\n{}` with condition and body.
    pub indents: bool,
    pub if_open: &'static str,
    pub if_close: &'static str,
    pub end: &'static str,
    pub add_to_list: &'static str,
    pub add_to_set: &'static str,
    /// `{} in {}`: value and container; empty where there is none.
    pub contains: &'static str,
    /// Calls that name a range: its arguments are bounds.
    pub ranges: &'static [&'static str],
    /// Receivers and functions that are always there.
    pub builtins: &'static [&'static str],
}

/// A language as the engine sees it.
#[derive(Debug)]
pub(in crate::fixer::mutate::edits) struct Description {
    pub roles: &'static [(&'static str, Role)],
    pub operators: &'static [Operator],
    pub words: Words,
    pub wraps: &'static [Wrap],
    /// Conversions that mend a type error.
    pub conversions: &'static [(&'static str, f64)],
    /// Return values worth a guess, by what is known of the function's other returns.
    pub identities: &'static [(&'static str, u16)],
    /// Functions and methods that mean the contrary or nearly the same, besides the common ones.
    pub opposites: &'static [(&'static str, &'static str)],
    /// A name and the line that imports it.
    pub imports: &'static [(&'static str, &'static str)],
    pub has_types: bool,
}

impl Description {
    pub(in crate::fixer::mutate::edits) fn of(language: Language) -> &'static Self {
        match language {
            Language::Python => &python::DESCRIPTION,
            Language::JavaScript | Language::TypeScript | Language::Tsx => &javascript::DESCRIPTION,
            Language::Rust => &rust::DESCRIPTION,
            Language::Go => &go::DESCRIPTION,
            Language::Java => &java::DESCRIPTION,
        }
    }
    pub(in crate::fixer::mutate::edits) fn operator(&self, text: &str) -> Option<&'static Operator> {
        // the tables are static, only `self` is not known to be
        let operators: &'static [Operator] = self.operators;
        operators.iter().find(|operator| operator.text == text)
    }
}

/// The role of each kind, by the grammar's number of the kind.
pub(in crate::fixer::mutate::edits) fn role(language: Language, node: Node<'_>) -> Role {
    static TABLES: OnceLock<HashMap<Language, Vec<Role>>> = OnceLock::new();
    if !node.is_named() {
        return Role::None;
    }
    let tables = TABLES.get_or_init(|| {
        use Language::*;
        [Python, JavaScript, TypeScript, Tsx, Rust, Go, Java].map(|language| (language, roles_of(language))).into()
    });
    tables.get(&language).and_then(|table| table.get(usize::from(node.kind_id()))).copied().unwrap_or(Role::None)
}

fn roles_of(language: Language) -> Vec<Role> {
    let known: HashMap<&str, Role> = Description::of(language).roles.iter().copied().collect();
    let grammar = language.grammar();
    (0..grammar.node_kind_count())
        .map(|id| u16::try_from(id).unwrap_or(u16::MAX))
        .map(|id| {
            let kind = grammar.node_kind_for_id(id).filter(|_| grammar.node_kind_is_named(id));
            kind.and_then(|kind| known.get(kind)).copied().unwrap_or(Role::None)
        })
        .collect()
}

/// Names and parts of names that are often mistaken for each other.
pub(in crate::fixer::mutate::edits) const COMMON_OPPOSITES: &[(&str, &str)] = &[
    ("min", "max"),
    ("any", "all"),
    ("some", "every"),
    ("first", "last"),
    ("floor", "ceil"),
    ("floor", "round"),
    ("ceil", "round"),
    ("lower", "upper"),
    ("keys", "values"),
    ("left", "right"),
    ("start", "end"),
    ("begin", "end"),
    ("width", "height"),
    ("row", "col"),
    ("rows", "cols"),
    ("row", "column"),
    ("rows", "columns"),
    ("x", "y"),
    ("i", "j"),
    ("lo", "hi"),
    ("low", "high"),
    ("head", "tail"),
    ("prev", "next"),
    ("previous", "next"),
    ("before", "after"),
    ("top", "bottom"),
    ("insert", "remove"),
    ("add", "remove"),
    ("push", "pop"),
    ("get", "set"),
    ("src", "dst"),
    ("source", "target"),
    ("from", "to"),
    ("parent", "child"),
    ("parent", "children"),
    ("take", "skip"),
    ("map", "filter"),
    ("inc", "dec"),
    ("increment", "decrement"),
    ("open", "close"),
    ("input", "output"),
    ("old", "new"),
    ("odd", "even"),
    ("less", "greater"),
    ("positive", "negative"),
    ("horizontal", "vertical"),
    ("success", "failure"),
    ("in", "out"),
    ("read", "write"),
    ("load", "store"),
    ("encode", "decode"),
    ("enqueue", "dequeue"),
    ("front", "back"),
    ("up", "down"),
    ("ascending", "descending"),
    ("asc", "desc"),
    ("key", "value"),
    ("sin", "cos"),
    ("minimum", "maximum"),
    ("begin", "finish"),
    ("inner", "outer"),
    ("before", "since"),
    ("valid", "invalid"),
    ("index", "value"),
    ("debit", "credit"),
    ("numerator", "denominator"),
    ("u", "v"),
    ("a", "b"),
    ("count", "total"),
    ("sum", "total"),
    ("size", "capacity"),
    ("minutes", "seconds"),
    ("hours", "minutes"),
];
