//! Reading nodes: the same questions in every language (which is the condition, which are the arguments).

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::Node;

use super::languages::{Description, Operator, Role, level, role};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// A text with its language: what a node's range means.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'s> {
    pub text: &'s str,
    pub language: Language,
}

/// `left operator right`
#[derive(Debug, Clone)]
pub(super) struct Binary<'t> {
    pub left: Node<'t>,
    pub right: Node<'t>,
    /// Bytes of the operator itself.
    pub at: Range<usize>,
}

/// `receiver.name(arguments)`
#[derive(Debug, Clone)]
pub(super) struct Call<'t> {
    pub receiver: Option<Node<'t>>,
    /// The last part of what is called: an identifier, or a member's name.
    pub name: Option<Node<'t>>,
    pub arguments: Option<Node<'t>>,
}

impl<'s> View<'s> {
    pub fn of(self, node: Node<'_>) -> &'s str {
        self.text.get(node.byte_range()).unwrap_or("")
    }
    pub fn role(self, node: Node<'_>) -> Role {
        role(self.language, node)
    }
    pub fn words(self) -> &'static Description {
        Description::of(self.language)
    }
    pub fn parent_role(self, node: Node<'_>) -> Role {
        node.parent().map_or(Role::None, |parent| self.role(parent))
    }
    /// Named children without comments.
    pub fn children<'t>(self, node: Node<'t>) -> Vec<Node<'t>> {
        let mut cursor = node.walk();
        node.named_children(&mut cursor).filter(|child| !child.is_extra()).collect()
    }
    pub fn field<'t>(self, node: Node<'t>, names: &[&str]) -> Option<Node<'t>> {
        names.iter().find_map(|name| node.child_by_field_name(name))
    }
    /// Each operator of a binary node: one, but for Python's `a < b < c`.
    pub fn binaries<'t>(self, node: Node<'t>) -> Vec<Binary<'t>> {
        let operands: Vec<Node<'t>> = match (node.child_by_field_name("left"), node.child_by_field_name("right")) {
            (Some(left), Some(right)) => vec![left, right],
            _ => self.children(node),
        };
        operands.windows(2).filter_map(|pair| self.between(pair[0], pair[1])).collect()
    }
    fn between<'t>(self, left: Node<'t>, right: Node<'t>) -> Option<Binary<'t>> {
        let gap = self.text.get(left.end_byte()..right.start_byte())?;
        let start = left.end_byte() + (gap.len() - gap.trim_start().len());
        let end = start + gap.trim().len();
        (start < end && gap.trim().len() <= 10).then_some(Binary { left, right, at: start..end })
    }
    /// The first operator's text of a binary node.
    pub fn operator_text(self, node: Node<'_>) -> &'s str {
        self.binaries(node).first().and_then(|binary| self.text.get(binary.at.clone())).unwrap_or("")
    }
    pub fn operator(self, node: Node<'_>) -> Option<&'static Operator> {
        self.words().operator(self.operator_text(node))
    }
    /// Operator and operand of a prefix operator.
    pub fn unary<'t>(self, node: Node<'t>) -> Option<(&'s str, Node<'t>)> {
        let operand = self.field(node, &["argument", "operand"]).or_else(|| self.children(node).last().copied())?;
        let operator = self.text.get(node.start_byte()..operand.start_byte())?.trim();
        Some((operator, operand))
    }
    pub fn unwrap_parens<'t>(self, mut node: Node<'t>) -> Node<'t> {
        while self.role(node) == Role::Paren {
            match self.children(node).first() {
                Some(inner) if self.children(node).len() == 1 => node = *inner,
                _ => break,
            }
        }
        node
    }
    /// What an `if`, a loop, a ternary or a comprehension's `if` asks, without parentheses.
    pub fn condition<'t>(self, node: Node<'t>) -> Option<Node<'t>> {
        let found = match self.role(node) {
            Role::If | Role::Elif | Role::While | Role::DoWhile => node.child_by_field_name("condition"),
            Role::Ternary if self.language == Language::Python => self.children(node).get(1).copied(),
            Role::Ternary => node.child_by_field_name("condition"),
            Role::IfClause => self.children(node).first().copied(),
            Role::ForC if self.language == Language::Go => {
                let head = *self.children(node).first()?;
                match self.role(head) {
                    Role::Clause => head.child_by_field_name("condition"),
                    role if role.is_expression() => Some(head),
                    _ => None,
                }
            }
            Role::ForC => node.child_by_field_name("condition"),
            _ => None,
        }?;
        // JavaScript's `for (;c;)` holds `c` in a statement
        let found = if self.role(found) == Role::ExprStmt { *self.children(found).first()? } else { found };
        let inner = self.unwrap_parens(found);
        self.role(inner).is_expression().then_some(inner)
    }
    /// The names that an expression relies on.
    pub fn names_in(self, node: Node<'_>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        each_node(node, &mut |inner| {
            if self.role(inner) == Role::Ident && self.parent_role(inner) != Role::Path {
                names.insert(self.of(inner).to_owned());
            }
        });
        names
    }
    /// Value if so, condition, value if not.
    pub fn ternary<'t>(self, node: Node<'t>) -> Option<(Node<'t>, Node<'t>, Node<'t>)> {
        if self.language == Language::Python {
            let parts = self.children(node);
            return (parts.len() == 3).then(|| (parts[0], parts[1], parts[2]));
        }
        Some((
            node.child_by_field_name("consequence")?,
            node.child_by_field_name("condition")?,
            node.child_by_field_name("alternative")?,
        ))
    }
    pub fn call<'t>(self, node: Node<'t>) -> Option<Call<'t>> {
        let arguments = node.child_by_field_name("arguments").filter(|list| self.role(*list) == Role::Args);
        if self.role(node) == Role::New {
            return Some(Call { receiver: None, name: self.field(node, &["constructor", "type"]), arguments });
        }
        if self.role(node) != Role::Call {
            return None;
        }
        if let Some(name) = node.child_by_field_name("name") {
            return Some(Call { receiver: node.child_by_field_name("object"), name: Some(name), arguments });
        }
        let called = node.child_by_field_name("function")?;
        Some(match self.role(called) {
            Role::Member => {
                let (object, name) = self.member(called)?;
                Call { receiver: Some(object), name: Some(name), arguments }
            }
            Role::Ident => Call { receiver: None, name: Some(called), arguments },
            Role::Path => Call { receiver: None, name: called.child_by_field_name("name"), arguments },
            _ => Call { receiver: None, name: None, arguments },
        })
    }
    /// Called by what name? Empty for anything computed.
    pub fn called(self, node: Node<'_>) -> &'s str {
        self.call(node).and_then(|call| call.name).map_or("", |name| self.of(name))
    }
    pub fn arguments<'t>(self, node: Node<'t>) -> Vec<Node<'t>> {
        self.call(node).and_then(|call| call.arguments).map_or(Vec::new(), |list| self.children(list))
    }
    /// Object and property of a member access.
    pub fn member<'t>(self, node: Node<'t>) -> Option<(Node<'t>, Node<'t>)> {
        if self.role(node) != Role::Member {
            return None;
        }
        let object = self.field(node, &["object", "value", "operand"])?;
        let property = self.field(node, &["attribute", "property", "field"])?;
        Some((object, property))
    }
    /// Object and index.
    pub fn index<'t>(self, node: Node<'t>) -> Option<(Node<'t>, Node<'t>)> {
        if self.role(node) != Role::Index {
            return None;
        }
        let children = self.children(node);
        let object = self.field(node, &["value", "object", "operand", "array"]).or(children.first().copied())?;
        let index = self.field(node, &["subscript", "index"]).or(children.get(1).copied())?;
        (children.len() == 2).then_some((object, index))
    }
    /// Target and value of an assignment or declaration.
    pub fn assignment<'t>(self, node: Node<'t>) -> Option<(Node<'t>, Node<'t>)> {
        let left = self.field(node, &["left", "name", "pattern", "property"])?;
        let right = self.field(node, &["right", "value"])?;
        Some((self.only(left), self.only(right)))
    }
    /// Go's lists of one expression are that expression.
    pub fn only<'t>(self, node: Node<'t>) -> Node<'t> {
        if node.kind() == "expression_list" && self.language == Language::Go {
            let children = self.children(node);
            if children.len() == 1 {
                return children[0];
            }
        }
        node
    }
    pub fn body<'t>(self, node: Node<'t>) -> Option<Node<'t>> {
        self.field(node, &["body", "consequence"])
    }
    /// What a string says without its quotes; `None`: it is none.
    pub fn unquoted(self, node: Node<'_>) -> Option<&'s str> {
        (self.role(node) == Role::Str).then(|| self.of(node).trim_matches(['"', '\'']))
    }
    /// The statements of a block (Go's list inside it included).
    pub fn statements<'t>(self, block: Node<'t>) -> Vec<Node<'t>> {
        let children = self.children(block);
        match children.first() {
            Some(list) if list.kind() == "statement_list" => self.children(*list),
            _ => children,
        }
    }
    /// Is it one of the statements of a block?
    pub fn is_statement(self, node: Node<'_>) -> bool {
        node.is_named()
            && node.kind() != "statement_list"
            && self.role(node) != Role::Comment
            && match self.parent_role(node) {
                Role::Block => true,
                // a `case` of a switch; its label or value is no statement
                Role::Case => matches!(
                    self.role(node),
                    Role::ExprStmt
                        | Role::Return
                        | Role::Break
                        | Role::If
                        | Role::Declare
                        | Role::Assign
                        | Role::AugAssign
                        | Role::ForC
                        | Role::ForEach
                ),
                _ => false,
            }
    }
    /// The statement that a node is in.
    pub fn statement<'t>(self, node: Node<'t>) -> Option<Node<'t>> {
        let mut at = Some(node);
        while let Some(node) = at {
            if self.is_statement(node) {
                return Some(node);
            }
            at = node.parent();
        }
        None
    }
    /// The innermost ancestor for which `wanted` holds.
    pub fn ancestor<'t>(self, node: Node<'t>, wanted: impl Fn(Role) -> bool) -> Option<Node<'t>> {
        let mut at = node.parent();
        while let Some(node) = at {
            if wanted(self.role(node)) {
                return Some(node);
            }
            at = node.parent();
        }
        None
    }
    pub fn function<'t>(self, node: Node<'t>) -> Option<Node<'t>> {
        self.ancestor(node, |role| matches!(role, Role::Function | Role::Lambda))
    }
    /// White space before the first token of a node's line.
    pub fn indent(self, byte: usize) -> &'s str {
        let start = self.text[..byte].rfind('\n').map_or(0, |at| at + 1);
        let line = &self.text[start..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }
    /// One more step of indentation, as the file does it most often.
    pub fn step(self) -> &'static str {
        const STEPS: [&str; 3] = ["    ", "  ", "\t"];
        let mut counts = [0_usize; 3];
        let mut before = "";
        for line in self.text.lines().filter(|line| !line.trim().is_empty()) {
            let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
            // by how much a line goes in; alignment and docstrings seldom do so by one step
            if let Some(at) = indent.strip_prefix(before).and_then(|more| STEPS.iter().position(|step| *step == more)) {
                counts[at] += 1;
            }
            before = indent;
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        let at = counts.iter().position(|count| *count == most).unwrap_or(0);
        STEPS[at]
    }
    /// How tightly the text of an expression holds together.
    pub fn level(self, node: Node<'_>) -> u8 {
        match self.role(node) {
            Role::Binary => self.operator(node).map_or(level::ABOVE_TERNARY, |operator| operator.level),
            Role::Not => 5,
            Role::Unary | Role::Ref | Role::Await
                if self.language != Language::Rust || self.role(node) != Role::Await =>
            {
                level::UNARY
            }
            Role::Cast => {
                if self.language == Language::Rust {
                    13
                } else if self.language == Language::Java {
                    level::UNARY
                } else {
                    9
                }
            }
            Role::Ternary => level::TERNARY,
            Role::Lambda
            | Role::Yield
            | Role::Assign
            | Role::AugAssign
            | Role::Declarator
            | Role::Function
            | Role::If
            | Role::Switch => level::LOWEST,
            Role::Range => level::LOWEST,
            Role::Tuple if node.kind() == "expression_list" => level::LOWEST,
            Role::Comprehension => level::ATOM,
            Role::Update => level::UNARY,
            Role::Call | Role::Member | Role::Index | Role::Slice | Role::Question | Role::Macro => level::POSTFIX,
            Role::Literal if node.kind() == "instanceof_expression" => 9,
            _ => level::ATOM,
        }
    }
    /// What the place of an expression asks for: anything looser needs parentheses there.
    pub fn wanted_level(self, node: Node<'_>) -> u8 {
        let Some(parent) = node.parent() else { return level::LOWEST };
        let is_field = |names: &[&str]| self.field(parent, names).is_some_and(|child| child.id() == node.id());
        match self.role(parent) {
            Role::Binary => {
                let own = self.operator(parent).map_or(level::UNARY, |operator| operator.level);
                let is_right = node.prev_named_sibling().is_some_and(|before| !before.is_extra());
                if is_right || own == 6 { own + 1 } else { own }
            }
            Role::Not => 5,
            Role::Unary | Role::Ref | Role::Await | Role::Update => level::UNARY,
            Role::Cast => {
                if self.language == Language::Rust {
                    13
                } else {
                    level::UNARY
                }
            }
            Role::Question => level::POSTFIX,
            Role::Member => level::POSTFIX,
            Role::Call if is_field(&["function", "object"]) => level::POSTFIX,
            Role::Index | Role::Slice if is_field(&["value", "object", "operand", "array"]) => level::POSTFIX,
            Role::Index
                if self.language == Language::Rust
                    && self.children(parent).first().is_some_and(|first| first.id() == node.id()) =>
            {
                level::POSTFIX
            }
            Role::Ternary => level::ABOVE_TERNARY,
            Role::IfClause | Role::ForIn => level::ABOVE_TERNARY,
            Role::Range => 3,
            Role::Spread => 7,
            Role::If | Role::While | Role::Elif if self.language == Language::Rust => 1,
            Role::Literal => 10,
            _ => level::LOWEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_indentation_is_the_commonest_one() {
        let step = |text: &str| View { text, language: Language::Python }.step();
        let docstring = "def f(a):\n    \"\"\"One.\n\n  two\n    \"\"\"\n    if a:\n        return a\n";
        assert_eq!(step(docstring), "    ");
        assert_eq!(step("def f(a):\n  if a:\n    return a\n"), "  ");
        assert_eq!(step("func f() {\n\tif a {\n\t\treturn\n\t}\n}\n"), "\t");
        assert_eq!(step("x = 1\n"), "    ");
        // lines that are as far in as the one before say nothing
        assert_eq!(step("f(a,\n  b,\n  c)\ndef g():\n    if a:\n        b\n"), "    ");
    }
}
