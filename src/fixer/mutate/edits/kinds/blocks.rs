//! Statements that move into or out of a block; `else` that comes or goes.

use super::super::EditKind;
use super::super::languages::Role;
use super::{Bench, Spot, short};
use crate::syntax::language::Language;
use tree_sitter::Node;

/// Longer statements are not moved.
const MAX_LINES: usize = 8;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots {
        let node = spot.node;
        if bench.view.is_statement(node) && bench.is_in_function_or_script(node) {
            if bench.touches_edges(node)
                && node.end_position().row - node.start_position().row <= MAX_LINES
                && bench.opens_line(node)
            {
                outward(bench, node);
                inward(bench, node);
            }
            chained(bench, node);
        }
        if matches!(spot.role, Role::Elif | Role::Else) && bench.touches(node) {
            else_branch(bench, node);
        }
        if spot.role == Role::If && bench.touches(node) {
            swap_branches(bench, node);
        }
        if matches!(spot.role, Role::If | Role::While) && bench.touches(node) {
            once_or_often(bench, node);
        }
    }
}

/// `if` becomes `while`, and the reverse.
fn once_or_often(bench: &mut Bench<'_>, node: Node<'_>) {
    let has_else = node.child_by_field_name("alternative").is_some();
    let often = if bench.view.language == Language::Go { "for" } else { "while" };
    let is_if = bench.view.role(node) == Role::If;
    let (old, new, fit) = if is_if { ("if", often, 0.7) } else { (often, "if", 0.4) };
    if has_else || !bench.view.of(node).starts_with(&format!("{old} ")) || !bench.view.is_statement(node) {
        return;
    }
    let start = node.start_byte();
    let what = format!("`{old}` becomes `{new}`");
    bench.put(EditKind::LoopCondition, start..start + old.len(), new.to_owned(), fit, what);
}

/// The text with every line but the first moved from one indentation to another.
pub(super) fn reindent(text: &str, old: &str, new: &str) -> String {
    let mut lines = text.split('\n');
    let mut result = lines.next().unwrap_or("").to_owned();
    for line in lines {
        result.push('\n');
        match line.strip_prefix(old) {
            Some(rest) if !line.trim().is_empty() => {
                result.push_str(new);
                result.push_str(rest);
            }
            _ => result.push_str(line),
        }
    }
    result
}

/// The statement that a block belongs to (through `else`, `elif`, clauses).
fn owner<'t>(bench: &Bench<'_>, statement: Node<'t>) -> Option<Node<'t>> {
    let mut at = statement.parent()?;
    while !bench.view.is_statement(at) {
        if matches!(bench.view.role(at), Role::Function | Role::Class) {
            return None;
        }
        at = at.parent()?;
    }
    (!matches!(bench.view.role(at), Role::Function | Role::Class) && at.id() != statement.id()).then_some(at)
}

/// Out of its block: after the statement that holds it, or before it.
fn outward(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(holder) = owner(bench, node).filter(|holder| bench.opens_line(*holder)) else { return };
    let Some(block) = node.parent() else { return };
    let siblings = bench.view.statements(block);
    if siblings.len() < 2 || bench.view.role(block) != Role::Block {
        return;
    }
    let line = bench.line(node.start_byte());
    let text = bench.view.text;
    let (own, outer) = (bench.view.indent(node.start_byte()), bench.view.indent(holder.start_byte()));
    let moved = reindent(bench.view.of(node), own, outer);
    let whole = bench.whole_line(node);
    let is_last = siblings.last().is_some_and(|last| last.id() == node.id());
    let is_first = siblings.first().is_some_and(|first| first.id() == node.id());
    if is_last || bench.is_simple(node) {
        // cut it, and set it after the holder
        let end = holder.end_byte();
        let (range, replacement) = if whole.end < end {
            (whole.start..end, format!("{}\n{outer}{moved}", &text[whole.end..end]))
        } else {
            let tail = if text[whole.clone()].ends_with('\n') { "\n" } else { "" };
            (whole.clone(), format!("{outer}{moved}{tail}"))
        };
        let fit = if is_last { 1.0 } else { 0.2 };
        bench.put_at(
            EditKind::MoveStatement,
            range,
            replacement,
            fit,
            format!("`{}` moves out, after its block", short(bench.view.of(node))),
            line,
            None,
        );
    }
    if is_first || bench.is_simple(node) {
        let head = &text[holder.start_byte()..whole.start];
        let replacement = format!("{moved}\n{outer}{head}");
        let fit = if is_first { 0.6 } else { 0.1 };
        bench.put_at(
            EditKind::MoveStatement,
            holder.start_byte()..whole.end,
            replacement,
            fit,
            format!("`{}` moves out, before its block", short(bench.view.of(node))),
            line,
            None,
        );
    }
}

/// Blocks of a compound statement, in the order of the text.
fn blocks<'t>(bench: &Bench<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    for child in bench.view.children(node) {
        match bench.view.role(child) {
            Role::Block => found.push(child),
            Role::Elif
            | Role::Else
            | Role::If
            | Role::Case
            | Role::ExprStmt
            | Role::Loop
            | Role::ForEach
            | Role::While => found.extend(blocks(bench, child)),
            _ => {}
        }
    }
    found
}

/// Into a neighbour's block: at the end of the block before it, or at the start of the loop after it.
fn inward(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(parent) = node.parent() else { return };
    let siblings = bench.view.statements(parent);
    let Some(at) = siblings.iter().position(|sibling| sibling.id() == node.id()) else { return };
    let line = bench.line(node.start_byte());
    let text = bench.view.text;
    let own = bench.view.indent(node.start_byte()).to_owned();
    if let Some(before) = at.checked_sub(1).and_then(|at| siblings.get(at)).filter(|before| bench.opens_line(**before))
    {
        for block in blocks(bench, *before) {
            let Some(last) = bench.view.statements(block).last().copied().filter(|last| bench.opens_line(*last)) else {
                continue;
            };
            let indent = bench.view.indent(last.start_byte());
            let moved = reindent(bench.view.of(node), &own, indent);
            let rest = text[last.end_byte()..before.end_byte()].to_owned();
            let is_only_block = block.end_byte() == before.end_byte() || blocks(bench, *before).len() == 1;
            let fit = if is_only_block { 1.0 } else { 0.5 };
            bench.put_at(
                EditKind::MoveStatement,
                last.end_byte()..node.end_byte(),
                format!("\n{indent}{moved}{rest}"),
                fit,
                format!("`{}` moves into the block before it", short(bench.view.of(node))),
                line,
                None,
            );
        }
    }
    if let Some(next) = siblings.get(at + 1).filter(|next| bench.is_loop_statement(**next) && bench.opens_line(**next))
    {
        let Some(first) = blocks(bench, *next).first().and_then(|block| bench.view.statements(*block).first().copied())
        else {
            return;
        };
        if !bench.opens_line(first) {
            return;
        }
        let indent = bench.view.indent(first.start_byte());
        let moved = reindent(bench.view.of(node), &own, indent);
        let head = text[next.start_byte()..first.start_byte()].to_owned();
        bench.put_at(
            EditKind::MoveStatement,
            node.start_byte()..first.start_byte(),
            format!("{head}{moved}\n{indent}"),
            0.7,
            format!("`{}` moves into the loop after it", short(bench.view.of(node))),
            line,
            None,
        );
    }
}

impl Bench<'_> {
    fn is_loop_statement(&self, node: Node<'_>) -> bool {
        let inner = if self.view.role(node) == Role::ExprStmt {
            self.view.children(node).first().copied().unwrap_or(node)
        } else {
            node
        };
        self.view.role(inner).is_loop()
    }
}

/// `if` after `if` becomes `elif`; what follows an `if` becomes its `else`.
fn chained(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let inner =
        if view.role(node) == Role::ExprStmt { view.children(node).first().copied().unwrap_or(node) } else { node };
    let Some(parent) = node.parent() else { return };
    let siblings = view.statements(parent);
    let Some(at) = siblings.iter().position(|sibling| sibling.id() == node.id()) else { return };
    let Some(before) = at.checked_sub(1).and_then(|at| siblings.get(at)).copied() else { return };
    let before_inner = if view.role(before) == Role::ExprStmt {
        view.children(before).first().copied().unwrap_or(before)
    } else {
        before
    };
    if view.role(before_inner) != Role::If
        || before_inner
            .child_by_field_name("alternative")
            .is_some_and(|alternative| view.role(alternative) == Role::Else && view.language == Language::Python)
    {
        return;
    }
    if !bench.touches(inner) || !bench.opens_line(node) {
        return;
    }
    if view.role(inner) == Role::If && before_inner.child_by_field_name("alternative").is_none() {
        let (range, text) = if view.language == Language::Python {
            (inner.start_byte()..inner.start_byte() + 2, "elif".to_owned())
        } else {
            (before.end_byte()..inner.start_byte(), " else ".to_owned())
        };
        bench.put_at(
            EditKind::ElseBranch,
            range,
            text,
            1.0,
            "`if` becomes `else if`".to_owned(),
            bench.line(inner.start_byte()),
            None,
        );
        return;
    }
    let simple = bench.is_simple(node) && !matches!(view.role(node), Role::Declarator | Role::Declare);
    if simple && before_inner.child_by_field_name("alternative").is_none() {
        let indent = view.indent(node.start_byte()).to_owned();
        let step = bench.source.step();
        let body = reindent(view.of(node), &indent, &format!("{indent}{step}"));
        let text = if view.words().words.indents {
            format!("else:\n{indent}{step}{body}")
        } else {
            format!(" else {{\n{indent}{step}{body}\n{indent}}}")
        };
        let range = if view.words().words.indents { node.byte_range() } else { before.end_byte()..node.end_byte() };
        bench.put_at(
            EditKind::ElseBranch,
            range,
            text,
            0.7,
            format!("`{}` only else", short(view.of(node))),
            bench.line(node.start_byte()),
            None,
        );
    }
}

/// `elif` becomes `if`; an `else` goes and leaves what it held.
fn else_branch(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let line = bench.line(node.start_byte());
    if view.role(node) == Role::Elif {
        bench.put_at(
            EditKind::ElseBranch,
            node.start_byte()..node.start_byte() + 4,
            "if".to_owned(),
            0.8,
            "`elif` becomes `if`".to_owned(),
            line,
            None,
        );
        return;
    }
    let Some(inner) = view.children(node).first().copied() else { return };
    if view.role(inner) == Role::If {
        let indent = view.indent(node.start_byte());
        bench.put_at(
            EditKind::ElseBranch,
            node.start_byte()..inner.start_byte(),
            format!("\n{indent}"),
            0.8,
            "`else if` becomes `if`".to_owned(),
            line,
            None,
        );
        return;
    }
    let Some(block) = view.field(node, &["body"]).or(Some(inner)).filter(|block| view.role(*block) == Role::Block)
    else {
        return;
    };
    let statements = view.statements(block);
    let (Some(first), Some(last)) = (statements.first(), statements.last()) else { return };
    asks_once_more(bench, node, *first);
    if view.language == Language::Python || bench.opens_line(*first) {
        let (inner_indent, outer) = (view.indent(first.start_byte()), view.indent(node.start_byte()));
        let body = reindent(&view.text[first.start_byte()..last.end_byte()], inner_indent, outer);
        let text = if view.language == Language::Python { body } else { format!("\n{outer}{body}") };
        bench.put_at(
            EditKind::ElseBranch,
            node.byte_range(),
            text,
            0.7,
            "`else` goes, what it holds stays".to_owned(),
            line,
            None,
        );
    }
}

/// So many conditions are tried for an `else`.
const MOST_ASKED: usize = 14;

/// `else` becomes `else if c`; `inside` is the first statement of what it holds.
fn asks_once_more(bench: &mut Bench<'_>, node: Node<'_>, inside: Node<'_>) {
    let start = node.start_byte();
    let line = bench.line(start);
    let asks = bench.view.words().words.if_open.trim_end_matches([' ', '{', ':']);
    let word = if bench.view.language == Language::Python { "el" } else { "else " };
    for atom in bench.atoms(inside).into_iter().take(MOST_ASKED) {
        let text = format!("{word}{}", asks.replacen("{}", &atom.piece.text, 1));
        let what = format!("`else` only if `{}`", atom.piece.text);
        bench.put_at(EditKind::ElseBranch, start..start + "else".len(), text, 0.6 * atom.fit, what, line, None);
    }
}

/// `if c: a else: b` becomes `if c: b else: a`
fn swap_branches(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let (Some(yes), Some(no)) = (node.child_by_field_name("consequence"), node.child_by_field_name("alternative"))
    else {
        return;
    };
    let no = match view.role(no) {
        Role::Else => match view.field(no, &["body"]).or_else(|| view.children(no).first().copied()) {
            Some(block) => block,
            None => return,
        },
        _ => no,
    };
    if view.role(no) != view.role(yes) || no.end_position().row - yes.start_position().row > 14 {
        return;
    }
    let middle = &view.text[yes.end_byte()..no.start_byte()];
    let text = format!("{}{middle}{}", view.of(no), view.of(yes));
    let line = bench.line(node.start_byte());
    bench.put_at(
        EditKind::SwapBranches,
        yes.start_byte()..no.end_byte(),
        text,
        0.6,
        "the branches change places".to_owned(),
        line,
        None,
    );
}
