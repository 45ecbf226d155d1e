//! Arguments and calls: swapped, missing, superfluous; `await`.

use std::collections::BTreeSet;

use super::super::languages::{Role, level, shape};
use super::super::piece::Piece;
use super::super::scope::Origin;
use super::super::view::View;
use super::super::{EditKind, Source};
use super::atoms::is_there_once;
use super::{Bench, Place, Spot};
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        match spot.role {
            Role::Call | Role::New => {
                swap(bench, spot.node);
                drop_or_add(bench, spot.node);
                keywords(bench, spot.node);
                awaited(bench, spot.node, None);
                uncall(bench, spot.node);
            }
            Role::Await => {
                if let Some(inner) = bench.view.children(spot.node).first().copied() {
                    let piece = bench.piece(inner);
                    bench.replace(EditKind::Await, spot.node, &piece, 0.3);
                }
            }
            Role::Ident | Role::Member if spot.place == Place::Value => {
                call(bench, spot.node);
                promised(bench, spot.node);
            }
            Role::Params if spot.node.kind() == "formal_parameters" => {}
            _ => {}
        }
    }
}

/// Can it stand in front of a method as well as be its argument?
fn changes_places(bench: &Bench<'_>, node: Node<'_>) -> bool {
    matches!(bench.view.role(node), Role::Ident | Role::Member | Role::Call | Role::Index)
}

fn swap(bench: &mut Bench<'_>, node: Node<'_>) {
    let arguments = bench.view.arguments(node);
    for (at, one) in arguments.iter().enumerate() {
        for (distance, other) in arguments[at + 1..].iter().enumerate().take(3) {
            if bench.view.role(*one) == Role::KeywordArg || bench.view.role(*other) == Role::KeywordArg {
                continue;
            }
            let (first, second) = (bench.view.of(*one), bench.view.of(*other));
            let middle = &bench.view.text[one.end_byte()..other.start_byte()];
            let alike = super::compatible(bench.shape(*one), bench.shape(*other));
            let fit = alike.max(0.4) / (1.0 + distance as f64);
            let what = format!("arguments `{}` and `{}` change places", super::short(first), super::short(second));
            bench.put(
                EditKind::SwapArguments,
                one.start_byte()..other.end_byte(),
                format!("{second}{middle}{first}"),
                fit,
                what,
            );
        }
    }
    // `a.f(b)` becomes `b.f(a)`
    if let ([only], Some(receiver)) = (&arguments[..], bench.view.call(node).and_then(|call| call.receiver))
        && changes_places(bench, *only)
        && changes_places(bench, receiver)
    {
        let (a, b) = (bench.view.of(receiver), bench.view.of(*only));
        let middle = &bench.view.text[receiver.end_byte()..only.start_byte()];
        let rest = &bench.view.text[only.end_byte()..node.end_byte()];
        bench.put(
            EditKind::SwapArguments,
            node.byte_range(),
            format!("{b}{middle}{a}{rest}"),
            0.4,
            format!("`{a}` and `{b}` change places"),
        );
    }
}

fn drop_or_add(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(list) = bench.view.call(node).and_then(|call| call.arguments) else { return };
    let arguments = bench.view.children(list);
    let called = bench.view.called(node).to_owned();
    let arity = bench.names.functions.iter().find(|known| known.name == called).map(|known| known.arity);
    // a compiler counts arguments, but for Java's and Go's functions that take several numbers of them
    let is_counted = bench.view.language == Language::Rust && !bench.compiles;
    for (at, argument) in arguments.iter().enumerate() {
        let range = match (at.checked_sub(1).and_then(|before| arguments.get(before)), arguments.get(at + 1)) {
            (_, Some(next)) => argument.start_byte()..next.start_byte(),
            (Some(before), None) => before.end_byte()..argument.end_byte(),
            (None, None) => argument.byte_range(),
        };
        let fit = match arity {
            Some(arity) if arity < arguments.len() => 1.0,
            _ if is_counted => COUNTED,
            Some(_) => 0.15,
            None => 0.4,
        };
        bench.put(
            EditKind::DropArgument,
            range,
            String::new(),
            fit,
            format!("argument `{}` goes", super::short(bench.view.of(*argument))),
        );
    }
    if arguments.is_empty() {
        compared(bench, list, &called);
    }
    let fit = match arity {
        Some(arity) if arity > arguments.len() => 1.0,
        _ if is_counted => COUNTED,
        Some(_) => 0.1,
        None => 0.35,
    };
    let inside = list.start_byte() + 1;
    let mut options = bench.candidates(node, 0);
    let function = bench.view.function(node).map_or(bench.view.text, |function| bench.view.of(function));
    options.iter_mut().filter(|(name, _)| is_there_once(function, name)).for_each(|(_, fit)| *fit *= NEVER_READ);
    options.sort_by(|a, b| b.1.total_cmp(&a.1));
    options.truncate(6);
    options.extend(handed_down(bench, node, &called));
    let is_script = matches!(bench.view.language, Language::JavaScript | Language::TypeScript | Language::Tsx);
    if is_script && called == "slice" && arguments.len() == 1 {
        // without the last one
        options.push(("-1".to_owned(), 0.6));
    }
    for word in bench
        .view
        .words()
        .words
        .nulls
        .iter()
        .chain(&["0", "1"])
        .chain(&[bench.view.words().words.yes, bench.view.words().words.no])
    {
        options.push(((*word).to_owned(), 0.25));
    }
    // nothing without a name comes behind something with one
    let is_named = |argument: &&Node<'_>| bench.view.role(**argument) == Role::KeywordArg;
    let plain = arguments.iter().take_while(|argument| !is_named(argument)).count();
    for (name, part) in options {
        let what = format!("argument `{name}` comes into `{called}()`");
        match plain.checked_sub(1).and_then(|at| arguments.get(at)) {
            Some(last) => {
                let at = last.end_byte();
                bench.put(EditKind::AddArgument, at..at, format!(", {name}"), fit * part, what.clone());
            }
            None if arguments.is_empty() => {
                bench.put(EditKind::AddArgument, inside..inside, name.clone(), fit * part, what.clone());
            }
            None => {}
        }
        for (at, next) in arguments.iter().enumerate().take(plain.clamp(1, MOST_GAPS)) {
            let share = if at == 0 { 0.6 } else { BETWEEN };
            let at = next.start_byte();
            bench.put(EditKind::AddArgument, at..at, format!("{name}, "), fit * part * share, what.clone());
        }
    }
    named(bench, list, &arguments, &called);
}

/// A name that is bound and never read was most likely meant to be handed on. An estimate.
const NEVER_READ: f64 = 2.0;
/// An argument has the name of its parameter, or that of another one. Estimates.
const AS_NAMED: f64 = 2.0;
const AS_ANOTHER: f64 = 0.4;
/// An argument more or less, where the compiler counts them. An estimate.
const COUNTED: f64 = 0.02;
/// So many gaps between arguments are tried.
const MOST_GAPS: usize = 4;
/// What is missing is missing at the end or at the start more often than in the middle (estimate).
const BETWEEN: f64 = 0.45;

/// `f(x)` becomes `f(x, limit=limit)`, where a parameter has the name of something that is known here.
fn named(bench: &mut Bench<'_>, list: Node<'_>, arguments: &[Node<'_>], called: &str) {
    if bench.view.language != Language::Python || called.is_empty() {
        return;
    }
    let is_named = |argument: &&Node<'_>| bench.view.role(**argument) == Role::KeywordArg;
    let taken: Vec<&str> = arguments
        .iter()
        .filter(is_named)
        .filter_map(|argument| argument.child_by_field_name("name"))
        .map(|name| bench.view.of(name))
        .collect();
    let plain = arguments.iter().filter(|argument| !is_named(argument)).count();
    let parameters = bench.parameters_of(called);
    let known: Vec<String> = bench.candidates(list, 0).into_iter().map(|(name, _)| name).collect();
    let field = |name: &str| format!("self.{name}");
    for name in parameters.iter().skip(plain).filter(|name| !taken.contains(&name.as_str())) {
        for (value, fit) in [(name.clone(), 0.8), (field(name), 0.6)] {
            if !known.contains(&value) {
                continue;
            }
            let (at, text) = match arguments.last() {
                Some(last) => (last.end_byte(), format!(", {name}={value}")),
                None => (list.start_byte() + 1, format!("{name}={value}")),
            };
            let what = format!("`{name}={value}` comes into `{called}()`");
            bench.put(EditKind::AddArgument, at..at, text, fit, what);
        }
    }
}

/// A parameter among those of its function.
pub(super) struct Parameter {
    all: Vec<String>,
    at: usize,
}

impl Parameter {
    /// How well `text` stands for it, by its name. 1.0: nothing says.
    pub(super) fn fit(&self, text: &str) -> f64 {
        let name = text.rsplit_once('.').map_or(text, |(_, last)| last);
        if name == self.all[self.at] {
            AS_NAMED
        } else if self.all.iter().any(|other| other == text) {
            AS_ANOTHER
        } else {
            1.0
        }
    }
}

impl Bench<'_> {
    /// The parameter that the argument `node` is for; `None`: it is none, or nothing is known of what is called.
    pub(super) fn parameter(&self, node: Node<'_>) -> Option<Parameter> {
        let list = node.parent().filter(|list| self.view.role(*list) == Role::Args)?;
        let call = list.parent().filter(|call| self.view.role(*call) == Role::Call)?;
        let called = self.view.call(call).and_then(|call| call.name).map_or("", |name| self.view.of(name));
        let all = self.parameters_of(called);
        let at = self.view.arguments(call).iter().position(|argument| argument.id() == node.id())?;
        (at < all.len()).then_some(Parameter { all, at })
    }

    /// The parameters of a function or of a class of this file, or of a file that it may be imported from, in their order.
    fn parameters_of(&self, called: &str) -> Vec<String> {
        let of = |source: &Source| {
            let names = source.names();
            let view = source.view();
            let root = source.tree.root_node();
            let made = |range: &std::ops::Range<usize>| {
                let node = root.descendant_for_byte_range(range.start, range.end.saturating_sub(1))?;
                let class = view.ancestor(node, |role| role == Role::Class)?;
                class.child_by_field_name("name").map(|name| view.of(name) == called)
            };
            let known = names
                .functions
                .iter()
                .find(|known| known.name == called || known.name == "__init__" && made(&known.range) == Some(true))?;
            let mut found: Vec<(usize, String)> = names
                .bindings
                .iter()
                .filter(|binding| binding.origin == Origin::Parameter && binding.scope == known.range)
                .filter_map(|binding| Some((place_of_parameter(&view, &known.range, &binding.name)?, binding)))
                .map(|(at, binding)| (at, binding.name.clone()))
                .collect();
            found.sort();
            Some(found.into_iter().map(|(_, name)| name).collect::<Vec<String>>())
        };
        let is_imported = || self.names.bindings.iter().any(|b| b.name == called && b.origin == Origin::Import);
        let others = self.project.sources().iter().filter(|source| {
            source.language == self.source.language && source.path != self.source.path && is_imported()
        });
        of(self.source).or_else(|| others.take(MOST_SOURCES).find_map(of)).unwrap_or_default()
    }
}

/// So many files are asked for the parameters of an imported function.
const MOST_SOURCES: usize = 60;

/// Where a parameter stands in the head of its function.
fn place_of_parameter(view: &View<'_>, function: &std::ops::Range<usize>, name: &str) -> Option<usize> {
    let text = view.text.get(function.clone())?;
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let open = text.find('(')?;
    text.match_indices(name).map(|(at, _)| at).find(|at| {
        *at > open && !is_word(text[..*at].chars().next_back()) && !is_word(text[at + name.len()..].chars().next())
    })
}

/// What is sorted by a field, by one that the tests have and the file never reads, by another one. Estimates.
const BY_UNREAD: f64 = 1.0;
const BY_READ: f64 = 0.3;
/// So many fields are compared by.
const MOST_FIELDS: usize = 6;

/// JavaScript sorts as text unless it is told how: `.sort()` becomes `.sort((a, b) => a.place - b.place)`.
fn compared(bench: &mut Bench<'_>, list: Node<'_>, called: &str) {
    let is_script = matches!(bench.view.language, Language::JavaScript | Language::TypeScript | Language::Tsx);
    if !is_script || !matches!(called, "sort" | "toSorted") {
        return;
    }
    let others = bench.project.sources().iter().chain(bench.project.material());
    let records = others.filter(|source| source.language == bench.source.language).flat_map(|source| source.records());
    let fields: BTreeSet<&String> = records.flatten().collect();
    let mut weighed: Vec<(&String, f64)> = fields
        .into_iter()
        .map(|field| (field, if bench.view.text.contains(&format!(".{field}")) { BY_READ } else { BY_UNREAD }))
        .collect();
    weighed.sort_by(|a, b| b.1.total_cmp(&a.1));
    let by_field: Vec<(String, f64)> = weighed
        .into_iter()
        .take(MOST_FIELDS)
        .flat_map(|(field, fit)| {
            let ways = [(format!("a.{field} - b.{field}"), fit), (format!("b.{field} - a.{field}"), fit * 0.3)];
            ways.map(|(way, fit)| (format!("(a, b) => {way}"), fit))
        })
        .collect();
    let inside = list.start_byte() + 1;
    for (way, fit) in by_field {
        let what = format!("`{called}()` goes by `{way}`");
        bench.put(EditKind::AddArgument, inside..inside, way, fit, what);
    }
}

/// A function that calls itself hands down its own parameters, one less or one more: `walk(child, depth - 1)`.
fn handed_down(bench: &mut Bench<'_>, node: Node<'_>, called: &str) -> Vec<(String, f64)> {
    // through closures inside of it
    let mut around = bench.view.function(node);
    let is_own = |function: Node<'_>| {
        !called.is_empty() && function.child_by_field_name("name").is_some_and(|name| bench.view.of(name) == called)
    };
    while let Some(function) = around.filter(|function| !is_own(*function)) {
        around = bench.view.function(function);
    }
    if around.is_none() {
        return Vec::new();
    }
    let parameters = bench.visible(node).into_iter().filter(|binding| binding.origin == Origin::Parameter);
    let names: Vec<String> = parameters.map(|binding| binding.name.clone()).take(4).collect();
    names.iter().flat_map(|name| [(format!("{name} - 1"), 0.8), (format!("{name} + 1"), 0.8)]).collect()
}

/// `sorted(x)` becomes `sorted(x, reverse=True)`; `max(x)` gets a default.
fn keywords(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let called = bench.view.called(node).to_owned();
    let Some(list) = bench.view.call(node).and_then(|call| call.arguments) else { return };
    let arguments = bench.view.children(list);
    let extra: &[&str] = match (bench.view.language, called.as_str()) {
        (Language::Python, "sorted" | "sort") => &[
            "reverse=True",
            "key=len",
            "key=str.lower",
            "key=lambda item: item[1]",
            "key=lambda item: item[0]",
            "key=lambda item: -item[1]",
            "key=abs",
        ],
        (Language::Python, "max" | "min") => &["default=0", "default=None", "key=len", "key=abs"],
        (Language::Python, "sum") => &["0", "[]"],
        (Language::Python, "enumerate") => &["1", "start=1"],
        (Language::Python, "round") => &["2"],
        (Language::Python, "zip") => &["strict=True"],
        (Language::Python, "next" | "get" | "getattr") => &["None", "0"],
        (Language::Python, "int") => &["2", "16"],
        (Language::Python, "pop") => &["0", "-1", "None"],
        (Language::Python, "range") => &["-1"],
        (Language::Python, "split") => &["','", "' '", "1"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "sort") => {
            &["(a, b) => a - b", "(a, b) => b - a"]
        }
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "reduce") => &["0", "[]", "{}", "''", "1"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "parseInt" | "toString") => &["10", "2", "16"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "join" | "split") => &["''", "' '", "','"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "fill") => &["0", "null", "false"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "filter") => &["Boolean"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "flat") => &["Infinity"],
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "max" | "min" | "push") => {
            // an array where numbers were meant
            for argument in arguments.iter().filter(|argument| view.role(**argument) != Role::Spread) {
                let text = format!("...{}", bench.view.of(*argument));
                bench.put(
                    EditKind::Wrap,
                    argument.byte_range(),
                    text,
                    0.5,
                    format!("`{}` is spread", super::short(bench.view.of(*argument))),
                );
            }
            &[]
        }
        _ => &[],
    };
    let ends_named = arguments.last().is_some_and(|last| bench.view.role(*last) == Role::KeywordArg);
    for text in extra.iter().filter(|text| !ends_named || text.contains('=')) {
        let (at, text) = match arguments.last() {
            Some(last) => (last.end_byte(), format!(", {text}")),
            None => (list.start_byte() + 1, (*text).to_owned()),
        };
        bench.put(
            EditKind::AddArgument,
            at..at,
            text.clone(),
            0.6,
            format!("`{}` comes into `{called}()`", text.trim_start_matches(", ")),
        );
    }
    for argument in arguments.iter().filter(|argument| view.role(**argument) == Role::Spread) {
        if let Some(inner) = bench.view.children(*argument).first() {
            let text = bench.view.of(*inner).to_owned();
            bench.put(
                EditKind::Unwrap,
                argument.byte_range(),
                text,
                0.5,
                format!("`{}` is not spread", bench.view.of(*argument)),
            );
        }
    }
    // Python: one star more or less
    if bench.view.language == Language::Python && !bench.view.words().words.builtins.contains(&called.as_str()) {
        for argument in arguments.iter().filter(|argument| matches!(view.role(**argument), Role::Ident)) {
            let text = format!("*{}", bench.view.of(*argument));
            bench.put(
                EditKind::Wrap,
                argument.byte_range(),
                text,
                0.25,
                format!("`{}` is spread", bench.view.of(*argument)),
            );
        }
    }
}

/// A function that the file declares async is waited for.
fn call_fit(bench: &Bench<'_>, node: Node<'_>) -> f64 {
    let called = bench.view.called(node);
    let heads = ["async def ", "async function ", "async ", "async fn "];
    let is_declared =
        !called.is_empty() && heads.iter().any(|head| bench.view.text.contains(&format!("{head}{called}")));
    if is_declared { 1.0 } else { 0.3 }
}

/// `return result` becomes `return await result`: a name may hold a promise.
fn promised(bench: &mut Bench<'_>, node: Node<'_>) {
    let plain = shape::NUM | shape::STR | shape::BOOL | shape::SEQ | shape::MAP | shape::FUNC;
    let stands = matches!(bench.view.parent_role(node), Role::Return | Role::Assign | Role::Declarator);
    // in Rust every guess costs a build
    if stands && bench.shape(node) & plain == 0 && bench.view.language != Language::Rust {
        awaited(bench, node, Some(0.25));
    }
}

/// `f()` becomes `await f()` inside async code; `fit` is known of what is no call.
fn awaited(bench: &mut Bench<'_>, node: Node<'_>, fit: Option<f64>) {
    let Some(function) = bench.view.function(node) else { return };
    let head = &bench.view.text
        [function.start_byte()..bench.view.body(function).map_or(function.end_byte(), |body| body.start_byte())];
    let is_async = head.contains("async ");
    if !is_async
        || bench.view.parent_role(node) == Role::Await
        || matches!(bench.view.language, Language::Go | Language::Java)
    {
        return;
    }
    let own = bench.piece(node);
    let new = if bench.view.language == Language::Rust {
        Piece { text: format!("{}.await", own.text), level: level::POSTFIX }
    } else {
        Piece { text: format!("await {}", own.text), level: level::UNARY }
    };
    let fit = fit.unwrap_or_else(|| call_fit(bench, node));
    bench.replace(EditKind::Await, node, &new, fit);
}

/// `f()` becomes `f`.
fn uncall(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(called) = node.child_by_field_name("function") else { return };
    let arguments = bench.view.arguments(node);
    let is_statement = bench.view.parent_role(node) == Role::ExprStmt;
    if arguments.is_empty() && !is_statement {
        let piece = bench.piece(called);
        bench.replace(EditKind::DropCall, node, &piece, 0.5);
    }
}

/// `f` becomes `f()`.
fn call(bench: &mut Bench<'_>, node: Node<'_>) {
    let parent = node.parent();
    let is_called = parent.is_some_and(|parent| {
        matches!(bench.view.role(parent), Role::Call | Role::New)
            && parent.child_by_field_name("function").is_some_and(|called| called.id() == node.id())
    });
    if is_called || matches!(parent.map(|parent| bench.view.role(parent)), Some(Role::Member)) {
        return;
    }
    let name = match bench.view.member(node) {
        Some((_, property)) => bench.view.of(property),
        None => bench.view.of(node),
    };
    let method =
        bench.view.role(node) == Role::Member && bench.names.members.get(name).is_some_and(|(_, called)| *called);
    let known_method = bench.view.role(node) == Role::Member
        && bench.view.words().wraps.iter().any(|wrap| wrap.template.contains(&format!(".{name}(")));
    let function = bench.view.role(node) == Role::Ident
        && bench.visible(node).iter().any(|binding| binding.name == name && binding.origin == Origin::Function);
    let shaped = bench.shape(node) & shape::FUNC != 0;
    let fit = if method || known_method {
        1.0
    } else if function || shaped {
        0.5
    } else if bench.view.role(node) == Role::Member {
        0.1
    } else {
        return;
    };
    let new = Piece { text: format!("{}()", bench.view.of(node)), level: level::POSTFIX };
    bench.replace(EditKind::AddCall, node, &new, fit);
}
