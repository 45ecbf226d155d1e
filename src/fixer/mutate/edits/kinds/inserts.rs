//! Statements that are missing: added to a collection, assigned, counted, returned, broken out.

use std::collections::{BTreeMap, BTreeSet};

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::super::scope::Origin;
use super::stores::Stores;
use super::{Bench, Spot, onward, stores, yields};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

/// Where a statement may come, and how it is laid out there.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub at: usize,
    pub line: usize,
    before: String,
    after: String,
    /// Indentation of the statement, for statements of several lines.
    pub indent: String,
}

impl Gap {
    pub(super) fn lay(&self, statement: &str) -> String {
        format!("{}{statement}{}", self.before, self.after)
    }
}

impl Bench<'_> {
    pub(super) fn gap_before(&self, node: Node<'_>) -> Option<Gap> {
        let line = self.line(node.start_byte());
        let indent = self.view.indent(node.start_byte()).to_owned();
        if self.opens_line(node) {
            return Some(Gap {
                at: node.start_byte(),
                line,
                before: String::new(),
                after: format!("\n{indent}"),
                indent,
            });
        }
        let inline = !self.view.words().words.indents;
        inline.then(|| Gap { at: node.start_byte(), line, before: String::new(), after: " ".to_owned(), indent })
    }

    pub(super) fn gap_after(&self, node: Node<'_>) -> Option<Gap> {
        // after a loop: about the loop's last line
        let line = self.line(node.end_byte().saturating_sub(1).max(node.start_byte()));
        let indent = self.view.indent(node.start_byte()).to_owned();
        let rest = &self.view.text[node.end_byte()..];
        let rest = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let comment = matches!(rest.trim_start().chars().next(), Some('#')) || rest.trim_start().starts_with("//");
        if !self.opens_line(node) {
            let inline = !self.view.words().words.indents;
            return inline.then(|| Gap {
                at: node.end_byte(),
                line,
                before: " ".to_owned(),
                after: String::new(),
                indent,
            });
        }
        let at = if comment { node.end_byte() + rest.len() } else { node.end_byte() };
        Some(Gap { at, line, before: format!("\n{indent}"), after: String::new(), indent })
    }
}

/// The inside of an empty block.
fn gap_inside(bench: &Bench<'_>, block: Node<'_>) -> Option<Gap> {
    let text = bench.view.of(block);
    if bench.view.words().words.indents || !text.starts_with('{') || !bench.view.statements(block).is_empty() {
        return None;
    }
    let outer = bench.view.indent(block.start_byte());
    let indent = format!("{outer}{}", bench.source.step());
    let after = if text.contains('\n') { String::new() } else { format!("\n{outer}") };
    Some(Gap {
        at: block.start_byte() + 1,
        line: bench.line(block.start_byte()),
        before: format!("\n{indent}"),
        after,
        indent,
    })
}

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    let mut seen = BTreeSet::new();
    let mut known: BTreeMap<usize, Stores> = BTreeMap::new();
    for spot in spots.iter().filter(|spot| spot.role == Role::Block && spot.touched) {
        if let Some(gap) = gap_inside(bench, spot.node) {
            insert(bench, spot.node, &gap, true, true, &Stores::default());
        }
    }
    for spot in spots {
        let node = spot.node;
        if !bench.view.is_statement(node) || !bench.is_in_function_or_script(node) || !bench.touches_edges(node) {
            continue;
        }
        let stores = match bench.view.function(node) {
            Some(function) => known.entry(function.start_byte()).or_insert_with(|| Stores::of(bench, function)),
            None => known.entry(usize::MAX).or_default(),
        };
        let siblings = node.parent().map_or(Vec::new(), |parent| bench.view.statements(parent));
        let at = siblings.iter().position(|sibling| sibling.id() == node.id()).unwrap_or(0);
        let previous = at.checked_sub(1).and_then(|at| siblings.get(at));
        let leaves = matches!(bench.view.role(node), Role::Return | Role::Raise | Role::Break | Role::Continue)
            || (bench.view.language == Language::Rust && bench.view.role(node).is_expression());
        let ends_here = bench.is_simple(node) || bench.is_wanted(bench.line(node.end_byte().saturating_sub(1)));
        if !leaves
            && ends_here
            && let Some(gap) = bench.gap_after(node)
            && seen.insert((gap.at, gap.indent.clone()))
        {
            let is_last = at + 1 == siblings.len();
            insert(bench, node, &gap, true, is_last, stores);
        }
        let covered = previous.is_some_and(|previous| bench.touches_edges(*previous) && !leaves);
        if !covered
            && let Some(gap) = bench.gap_before(node)
            && seen.insert((gap.at, gap.indent.clone()))
        {
            insert(bench, node, &gap, false, false, stores);
        }
    }
}

fn insert(bench: &mut Bench<'_>, node: Node<'_>, gap: &Gap, after: bool, is_last: bool, stores: &Stores) {
    let end = bench.view.words().words.end;
    let mut options: Vec<(String, f64)> = Vec::new();
    let all = bench.candidates_at(node, gap.at);
    let names: Vec<(String, f64)> = all.iter().take(8).cloned().collect();
    collections(bench, node, &names, &mut options);
    counters(bench, node, &names, &mut options);
    remainders(bench, node, &names, &mut options);
    assignments(bench, node, &names, &mut options);
    handed_on(bench, node, &all, &mut options);
    resets(bench, node, &names, &mut options);
    fields_anew(bench, node, &mut options);
    stores::statements(bench, node, gap.at, &all, stores, &mut options);
    onward::statements(bench, node, &mut options);
    yields::statements(bench, node, &names, &mut options);
    // before a statement a jump would leave dead code behind: that is no statement that somebody forgot
    if after && is_last {
        jumps(bench, node, &mut options);
    }
    for (text, fit) in options {
        let what = format!("`{}` comes", super::short(&text));
        bench.put_at(
            EditKind::InsertStatement,
            gap.at..gap.at,
            gap.lay(&format!("{text}{end}")),
            fit,
            what,
            gap.line,
            None,
        );
    }
}

impl Bench<'_> {
    /// Like `candidates`, but of what is known right after a node.
    fn candidates_at(&mut self, node: Node<'_>, at: usize) -> Vec<(String, f64)> {
        let mut found = self.candidates(node, 0);
        // what the statement itself binds is known after it
        if at >= node.end_byte() {
            for binding in &self.names.bindings {
                let own = binding.from <= node.end_byte()
                    && binding.from > node.start_byte()
                    && binding.scope.contains(&node.start_byte())
                    && !node.byte_range().contains(&binding.scope.start);
                if own
                    && found.iter().all(|(name, _)| *name != binding.name)
                    && matches!(binding.origin, Origin::Local | Origin::LoopVariable)
                {
                    found.insert(0, (binding.name.clone(), 1.0));
                }
            }
        }
        found
    }
}

/// `x.append(y)`, `seen.add(y)`
fn collections(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    let words = &bench.view.words().words;
    let mut holders: Vec<(&str, f64, Vec<&str>)> = Vec::new();
    for (name, fit) in names {
        let used = bench.names.members_of.get(name);
        let has = |member: &str| used.is_some_and(|members| members.contains_key(member));
        let known = bench.shape_of_name(name, node);
        let mut templates = Vec::new();
        let is_set = has("add")
            || has("has")
            || has("discard")
            || matches!(name.as_str(), "seen" | "visited" | "found" | "done")
            || name.contains("visited")
            || name.contains("seen");
        if is_set {
            templates.push(if bench.view.language == Language::Go {
                words.add_to_set
            } else if bench.view.language == Language::Rust {
                "{}.insert({})"
            } else {
                "{}.add({})"
            });
        }
        let is_list = has("append")
            || has("push")
            || has("pop")
            || has("popleft")
            || has("extend")
            || has("push_back")
            || known & shape::SEQ != 0;
        if is_list && !(is_set && bench.view.language != Language::Python) {
            templates.push(words.add_to_list);
        }
        if has("push_back") {
            templates.push("{}.push_back({})");
        }
        // what a function is given is seldom what it fills
        let given = bench
            .names
            .visible(node.start_byte())
            .iter()
            .any(|binding| binding.name == *name && binding.origin == Origin::Parameter);
        if !templates.is_empty() {
            holders.push((name, if given { 0.5 * fit } else { *fit }, templates));
        }
    }
    // fields and outer names count too
    for (holder, holder_fit, templates) in holders.into_iter().take(4) {
        for (value, value_fit) in names.iter().filter(|(value, _)| value != holder).take(6) {
            let is_holder = bench.shape_of_name(value, node) & shape::SEQ != 0;
            for template in &templates {
                let text =
                    bench.fill(template, &[&super::atoms::name_piece(holder), &super::atoms::name_piece(value)]).text;
                let fit = 0.8 * holder_fit * value_fit * if is_holder { 0.5 } else { 1.0 };
                options.push((text, fit));
            }
        }
        if bench.view.language == Language::Python {
            options.push((format!("{holder}.pop()"), 0.15));
        }
    }
}

/// `x += 1`
fn counters(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    let statement_ends_loop = bench.view.ancestor(node, Role::is_loop);
    for (name, fit) in names {
        let known = bench.shape_of_name(name, node);
        if known & shape::NUM == 0 || known & (shape::SEQ | shape::STR) != 0 || !bench.is_assigned(name) {
            continue;
        }
        // a `while` that asks for it but never changes it
        let waits = statement_ends_loop.is_some_and(|at| {
            bench.view.condition(at).is_some_and(|condition| bench.view.of(condition).contains(name.as_str()))
        });
        let last = name.rsplit(['.', '_']).next().unwrap_or("");
        let named = matches!(
            last,
            "count"
                | "size"
                | "total"
                | "length"
                | "len"
                | "depth"
                | "steps"
                | "index"
                | "i"
                | "j"
                | "position"
                | "counter"
        );
        let part = if waits || named { 1.0 } else { 0.45 };
        let up = if matches!(bench.view.language, Language::Go) { format!("{name}++") } else { format!("{name} += 1") };
        let down =
            if matches!(bench.view.language, Language::Go) { format!("{name}--") } else { format!("{name} -= 1") };
        options.extend([(up, part * fit), (down, 0.7 * part * fit)]);
        options.push((format!("{name} = 0"), 0.2 * fit));
        for (other, other_fit) in names.iter().filter(|(other, _)| other != name).take(4) {
            if bench.shape_of_name(other, node) & shape::NUM != 0 {
                options.push((format!("{name} += {other}"), 0.3 * fit * other_fit));
                options.push((format!("{name} -= {other}"), 0.2 * fit * other_fit));
            }
        }
    }
}

/// `x %= len(y)`: what may go around the end of something.
fn remainders(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    let odd = shape::SEQ | shape::STR | shape::MAP | shape::BOOL | shape::FUNC;
    let length = bench.view.words().words.length;
    let numbers = names.iter().filter(|(name, _)| bench.shape_of_name(name, node) & odd == 0);
    for (name, fit) in numbers.filter(|(name, _)| bench.is_assigned(name)).take(3) {
        let lists = names
            .iter()
            .filter(|(other, _)| bench.shape_of_name(other, node) & (shape::SEQ | shape::STR) != 0 && other != name);
        for (list, list_fit) in lists.take(2) {
            let length = bench.fill(length, &[&super::atoms::name_piece(list)]).text;
            options.push((format!("{name} %= {length}"), 0.35 * fit * list_fit));
        }
    }
}

impl Bench<'_> {
    /// Is a name assigned somewhere (a local, a global, a field), so that assigning it once more makes sense?
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        name.contains('.')
            || self.names.bindings.iter().any(|binding| {
                binding.name == name
                    && matches!(binding.origin, Origin::Local | Origin::Parameter | Origin::Field)
                    && binding.mutable
            })
    }
}

/// A name that a loop reads and never sets, though it is set before it, most likely has to be set in it.
const STALE: f64 = 3.0;

/// Does the loop around a node read a name that it never sets?
pub(super) fn is_stale(bench: &Bench<'_>, node: Node<'_>, name: &str) -> bool {
    let Some(around) = bench.view.ancestor(node, Role::is_loop) else { return false };
    let has_word = |text: &str| super::words(text).any(|word| word == name);
    let sets = |line: &str| {
        let line = line.trim_start();
        let is_head = ["if ", "elif ", "while ", "return "].iter().any(|head| line.starts_with(head));
        // `node != None` and `n >= 1` set nothing, `n >>= 1` does
        let compares =
            |before: &str| before.ends_with(['=', '!', '<', '>']) && !before.ends_with("<<") && !before.ends_with(">>");
        let mut signs = line.match_indices("= ").map(|(at, _)| at);
        let Some(at) = signs.find(|at| !compares(&line[..*at])).filter(|_| !is_head) else {
            return has_word(line) && (line.contains("++") || line.contains("--"));
        };
        has_word(&line[..at])
    };
    let text = bench.view.of(around);
    has_word(text) && !text.lines().any(sets)
}

/// `x = y`
fn assignments(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    for (target, target_fit) in names.iter().filter(|(name, _)| bench.is_assigned(name)).take(6) {
        let stale = if is_stale(bench, node, target) { STALE } else { 1.0 };
        for (value, value_fit) in names.iter().filter(|(value, _)| value != target).take(6) {
            let fit = super::compatible(bench.shape_of_name(target, node), bench.shape_of_name(value, node));
            let alike = if value.contains(target.as_str()) || target.contains(value.as_str()) { 1.3 } else { 1.0 };
            options.push((format!("{target} = {value}"), 0.4 * target_fit * value_fit * fit * alike * stale));
        }
        let known = bench.shape_of_name(target, node);
        if known & shape::SEQ != 0
            && !bench.view.words().words.empty_list.is_empty()
            && bench.view.language != Language::Java
        {
            options.push((format!("{target} = {}", bench.view.words().words.empty_list), 0.25 * target_fit));
        }
    }
}

/// `previous = current`, where a loop reads `previous` and never sets it: whatever the loop itself makes may be handed on.
fn handed_on(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    let Some(around) = bench.view.ancestor(node, Role::is_loop).map(|at| at.byte_range()) else { return };
    let made_here = |name: &str| {
        let binding = bench.names.bindings.iter().find(|b| b.name == name && around.contains(&b.from));
        binding.is_some_and(|b| matches!(b.origin, Origin::Local))
    };
    let stale = names.iter().filter(|(name, _)| bench.is_assigned(name) && !made_here(name));
    for (target, target_fit) in stale.filter(|(name, _)| is_stale(bench, node, name)).take(4) {
        for (value, value_fit) in names.iter().filter(|(name, _)| name != target && made_here(name)).take(6) {
            let fit = super::compatible(bench.shape_of_name(target, node), bench.shape_of_name(value, node));
            options.push((format!("{target} = {value}"), 0.6 * target_fit * value_fit * fit * STALE));
        }
    }
}

/// What a name begins with comes once more: a counter or a buffer that has to start anew.
fn resets(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    let Some(function) = bench.view.function(node) else { return };
    if bench.view.ancestor(node, Role::is_loop).is_none() {
        return;
    }
    each_node(function, &mut |inner| {
        if inner.end_byte() > node.start_byte()
            || !matches!(bench.view.role(inner), Role::Assign | Role::Declarator | Role::Declare)
        {
            return;
        }
        let Some((left, right)) = bench.view.assignment(inner) else { return };
        let (name, value) = (bench.view.of(left), bench.view.of(right));
        let starts = matches!(
            bench.view.role(right),
            Role::Number | Role::Str | Role::Null | Role::Bool | Role::List | Role::Dict
        );
        let Some((_, fit)) = names.iter().find(|(known, _)| known == name) else { return };
        if starts && value.len() <= 8 && bench.is_assigned(name) {
            options.push((format!("{name} = {value}"), 0.6 * fit));
        }
    });
}

/// A field is set to what it begins with: what happened before counts no more. Not in a block that sets it anyway, as what
/// makes the object does.
fn fields_anew(bench: &Bench<'_>, node: Node<'_>, options: &mut Vec<(String, f64)>) {
    /// An object has few fields that start anew.
    const MOST: usize = 6;
    let Some(function) = bench.view.function(node).filter(|at| bench.view.role(*at) == Role::Function) else { return };
    let text = bench.view.of(function);
    let block = node.parent().map_or("", |block| bench.view.of(block));
    let sets = |text: &str, field: &str| text.contains(&format!("{field} = "));
    let has_object = bench.view.language != Language::Rust || text.contains("self");
    let of_class = bench.source.beginnings().iter().filter(|one| has_object && one.class.contains(&node.start_byte()));
    for one in of_class.filter(|one| !sets(block, &one.field)).take(MOST) {
        let fit = if sets(text, &one.field) { 0.25 } else { 0.4 };
        options.push((format!("{} = {}", one.field, one.value), fit));
    }
}

/// Does a `case` of a `switch` end here, and run on into the next one?
fn falls_through(bench: &Bench<'_>, node: Node<'_>) -> bool {
    const CASES: &[&str] = &["switch_case", "switch_block_statement_group"];
    let Some(parent) = node.parent() else { return false };
    let case = if bench.view.role(parent) == Role::Block { parent.parent().unwrap_or(parent) } else { parent };
    CASES.contains(&case.kind()) && case.next_named_sibling().is_some()
}

fn jumps(bench: &Bench<'_>, node: Node<'_>, options: &mut Vec<(String, f64)>) {
    let near = bench.view.ancestor(node, |role| role.is_loop() || role == Role::Function);
    let in_loop = near.is_some_and(|at| bench.view.role(at).is_loop());
    let in_branch = node
        .parent()
        .and_then(|block| block.parent())
        .is_some_and(|at| matches!(bench.view.role(at), Role::If | Role::Elif | Role::Else | Role::Case | Role::Block));
    if in_loop {
        let part = if in_branch { 0.8 } else { 0.1 };
        options.extend([("break".to_owned(), part), ("continue".to_owned(), 0.8 * part)]);
    }
    if falls_through(bench, node) {
        options.push(("break".to_owned(), 0.9));
    }
    if let Some(function) = bench.view.function(node) {
        let ends_function = bench
            .view
            .body(function)
            .is_some_and(|body| bench.view.statements(body).last().is_some_and(|last| last.id() == node.id()));
        let part = if ends_function { 1.0 } else { 0.4 };
        // neutral elements are a guess that few functions need
        for (value, fit) in bench.return_values(node).into_iter().filter(|(_, fit)| *fit > 0.5).take(5) {
            options.push((if value.is_empty() { "return".to_owned() } else { format!("return {value}") }, part * fit));
        }
        for binding in bench
            .names
            .visible(node.end_byte())
            .into_iter()
            .filter(|binding| matches!(binding.origin, Origin::Local | Origin::Parameter))
            .take(4)
        {
            options.push((format!("return {}", binding.name), 0.7 * part));
        }
        if let Some(this) = bench.view.words().words.this.first()
            && bench.view.ancestor(node, |role| role == Role::Class).is_some()
        {
            options.push((format!("return {this}"), 0.3 * part));
        }
    }
}
