//! Small questions to syntax trees that many rules ask: calls and their names, literals, enclosing functions.

use tree_sitter::Node;

use super::view::View;
use crate::syntax::functions::is_function;
use crate::syntax::language::Language;

/// A call: what is called, as text without blanks, and its arguments.
pub(super) struct Call<'t> {
    pub node: Node<'t>,
    pub callee: String,
    pub arguments: Option<Node<'t>>,
}

/// The call that `node` is, if it is one.
pub(super) fn call_of<'t>(view: &View<'_>, node: Node<'t>) -> Option<Call<'t>> {
    let field = |name: &str| node.child_by_field_name(name);
    let compact = |node: Node<'_>| view.text(node).split_whitespace().collect::<String>().replace("?.", ".");
    let (callee, arguments) = match node.kind() {
        "call" | "call_expression" => (compact(field("function")?), field("arguments")),
        "new_expression" => (format!("new {}", compact(field("constructor")?)), field("arguments")),
        "macro_invocation" => (
            format!("{}!", compact(field("macro")?)),
            (0..node.child_count()).filter_map(|i| node.child(i)).find(|n| n.kind() == "token_tree"),
        ),
        "method_invocation" => {
            let name = compact(field("name")?);
            let callee = field("object").map_or(name.clone(), |object| format!("{}.{name}", compact(object)));
            (callee, field("arguments"))
        }
        "object_creation_expression" => (format!("new {}", compact(field("type")?)), field("arguments")),
        _ => return None,
    };
    Some(Call { node, callee, arguments })
}

/// What a method is called on: `s` in `s.trim()`.
pub(super) fn receiver_of<'t>(call: Node<'t>) -> Option<Node<'t>> {
    let function = call.child_by_field_name("function");
    function
        .and_then(|f| ["object", "value", "operand"].iter().find_map(|n| f.child_by_field_name(n)))
        .or_else(|| call.child_by_field_name("object"))
}

/// The named arguments or children of `node`, comments left out.
pub(super) fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    (0..node.named_child_count() as u32)
        .filter_map(|i| node.named_child(i))
        .filter(|n| !n.kind().contains("comment"))
        .collect()
}

/// What a literal means, so that `'a'` and `"a"`, `1_000` and `1000` are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Literal {
    Number(String),
    Text(String),
    Bool(bool),
    Nothing,
}

impl Literal {
    /// What a piece of a text would be by itself.
    pub fn of_piece(piece: &str) -> Self {
        if piece.parse::<f64>().is_ok() { Self::Number(number(piece)) } else { Self::Text(piece.to_owned()) }
    }

    /// Literals that are everywhere are no evidence by themselves.
    pub fn is_rare(&self) -> bool {
        match self {
            Self::Number(n) => {
                !matches!(n.as_str(), "0" | "1" | "-1" | "2" | "-2" | "10" | "100" | "1000" | "0.5" | "0.0" | "1.0")
            }
            Self::Text(text) => text.trim().chars().count() > 1,
            Self::Bool(_) | Self::Nothing => false,
        }
    }
}

/// The literal that `node` is, signs and brackets included.
pub(super) fn literal_of(view: &View<'_>, node: Node<'_>) -> Option<Literal> {
    Some(match node.kind() {
        "integer"
        | "float"
        | "number"
        | "integer_literal"
        | "float_literal"
        | "int_literal"
        | "decimal_integer_literal"
        | "hex_integer_literal"
        | "decimal_floating_point_literal" => Literal::Number(number(view.text(node))),
        "string"
        | "string_literal"
        | "raw_string_literal"
        | "interpreted_string_literal"
        | "char_literal"
        | "character_literal"
        | "rune_literal"
        | "template_string"
        | "concatenated_string" => {
            // an f-string or a template with something in it is no literal
            if children(node).iter().any(|c| matches!(c.kind(), "interpolation" | "template_substitution")) {
                return None;
            }
            Literal::Text(string(view.text(node)))
        }
        "true" | "false" | "boolean_literal" => Literal::Bool(view.text(node).eq_ignore_ascii_case("true")),
        "none" | "null" | "nil" | "undefined" | "null_literal" => Literal::Nothing,
        "unary_operator" | "unary_expression" | "parenthesized_expression" | "reference_expression" => {
            let inner = literal_of(view, *children(node).last()?)?;
            let minus = view.text(node).starts_with('-');
            match inner {
                Literal::Number(n) if minus => {
                    Literal::Number(n.strip_prefix('-').map_or(format!("-{n}"), str::to_owned))
                }
                _ if view.text(node).starts_with('!') => return None,
                other => other,
            }
        }
        // `"x".to_string()`, `String::from("x")`, `Some(5)`, `Ok(5)`, `Decimal("1.5")`
        "call" | "call_expression" | "new_expression" => wrapped(view, node)?,
        _ => return None,
    })
}

fn wrapped(view: &View<'_>, node: Node<'_>) -> Option<Literal> {
    let call = call_of(view, node)?;
    let method = call.callee.rsplit(['.', ':']).next()?;
    if matches!(method, "to_string" | "to_owned" | "into" | "clone") && view.language == Language::Rust {
        let receiver = node.child_by_field_name("function")?.child_by_field_name("value")?;
        return literal_of(view, receiver);
    }
    let wrappers =
        ["Some", "Ok", "Err", "from", "Decimal", "new Date", "BigInt", "Number", "String", "Fraction", "Box::new"];
    if !wrappers.contains(&method) && !wrappers.contains(&call.callee.as_str()) {
        return None;
    }
    match children(call.arguments?)[..] {
        [only] => literal_of(view, only),
        _ => None,
    }
}

fn number(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    for suffix in ["usize", "isize", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64"]
    {
        if let Some(cut) = text.strip_suffix(suffix).filter(|_| !text.starts_with("0x")) {
            text = cut.to_owned();
        }
    }
    let text = text.trim_end_matches(['n', 'l']).to_owned();
    let whole = text.strip_suffix('.').or_else(|| text.strip_suffix(".0")).unwrap_or(&text);
    whole.to_owned()
}

fn string(text: &str) -> String {
    let start = text.find(['"', '\'', '`']).unwrap_or(0);
    let body = &text[start..];
    let body = body.trim_end_matches('#');
    let quotes = ["\"\"\"", "'''", "\"", "'", "`"];
    let quote = quotes.iter().find(|q| body.starts_with(**q)).copied().unwrap_or("");
    let body = body.strip_prefix(quote).unwrap_or(body);
    body.strip_suffix(quote).unwrap_or(body).to_owned()
}

/// All literals in `node`, outermost first, the insides of literals left out.
pub(super) fn literals_in(view: &View<'_>, node: Node<'_>) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if view.language == Language::Rust && node.kind() == "token_tree" {
            found.extend(token_literals(view, node));
            continue;
        }
        match literal_of(view, node) {
            Some(literal) => found.push(literal),
            None => open.extend(children(node).into_iter().rev()),
        }
    }
    found
}

/// Rust macros hold tokens, not expressions: a sign stands apart from its number.
fn token_literals(view: &View<'_>, tree: Node<'_>) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut minus = false;
    for i in 0..tree.child_count() {
        let Some(node) = tree.child(i) else { continue };
        if node.kind() == "token_tree" {
            found.extend(token_literals(view, node));
        } else if let Some(literal) = literal_of(view, node) {
            found.push(match literal {
                Literal::Number(n) if minus => Literal::Number(format!("-{n}")),
                other => other,
            });
        }
        minus = view.text(node) == "-";
    }
    found
}

/// The function around `node`, if any.
pub(super) fn enclosing<'t>(node: Node<'t>) -> Option<Node<'t>> {
    let mut at = node.parent();
    while let Some(parent) = at {
        if is_function(parent) {
            return Some(parent);
        }
        at = parent.parent();
    }
    None
}

/// The name of a function node; for a closure the name it is bound to; empty when it has none.
pub(super) fn function_name(view: &View<'_>, function: Node<'_>) -> String {
    let own = function.child_by_field_name("name");
    let bound = || {
        let parent = function.parent()?;
        ["name", "key", "left", "property", "pattern"].iter().find_map(|f| parent.child_by_field_name(f))
    };
    own.or_else(bound).map_or(String::new(), |name| view.text(name).to_owned())
}
