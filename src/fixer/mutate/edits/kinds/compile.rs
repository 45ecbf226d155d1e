//! What a compiler complains about: unknown names, missing imports, wrong types, missing punctuation.

use std::collections::BTreeMap;

use super::super::EditKind;
use super::super::languages::{Role, level};
use super::super::piece::Piece;
use super::super::scope::Origin;
use super::{Bench, Place, Spot};
use crate::fixer::suggest::imports::script_path;
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

/// How much likelier a kind is when a compiler complained about the line.
pub(super) fn raise(kind: EditKind) -> f64 {
    match kind {
        EditKind::Conversion => 24.0,
        EditKind::Punctuation => 16.0,
        EditKind::Misspelt | EditKind::MissingImport => 2.0,
        EditKind::AddArgument
        | EditKind::DropArgument
        | EditKind::SwapArguments
        | EditKind::Unwrap
        | EditKind::Method
        | EditKind::Member => 2.0,
        EditKind::Variable | EditKind::Function => 1.5,
        // values of the right type don't become another number
        EditKind::ComparisonOperator
        | EditKind::ArithmeticOperator
        | EditKind::Numeral
        | EditKind::OffByOne
        | EditKind::Guard
        | EditKind::StrengthenCondition
        | EditKind::WeakenCondition => 0.1,
        _ => 1.0,
    }
}

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        match (spot.role, spot.place) {
            (Role::Ident, Place::Value) => unknown_name(bench, spot.node),
            (Role::Member, _) => {
                if let Some((_, property)) = bench.view.member(spot.node) {
                    unknown_member(bench, spot.node, property);
                }
            }
            (Role::Call, _) if bench.view.language == Language::Java => {
                if let Some(name) =
                    bench.view.call(spot.node).filter(|call| call.receiver.is_some()).and_then(|call| call.name)
                {
                    unknown_member(bench, spot.node, name);
                }
            }
            _ => {}
        }
        if spot.place == Place::Value && spot.role.is_expression() {
            convert(bench, spot.node);
        }
    }
    unknown_in_macros(bench, spots);
    unknown_types(bench);
    if bench.compiles || bench.source.has_errors() {
        punctuation(bench);
    }
    if bench.compiles {
        signatures(bench);
        shorthands(bench);
        mutability(bench, spots);
    }
}

/// Is a name bound at a node, or always there?
fn is_known(bench: &mut Bench<'_>, name: &str, node: Node<'_>) -> bool {
    bench.visible(node).iter().any(|binding| binding.name == name)
        || bench.view.words().words.builtins.contains(&name)
        || bench.names.bindings.iter().any(|binding| binding.name == name && binding.scope.contains(&node.start_byte()))
}

fn unknown_name(bench: &mut Bench<'_>, node: Node<'_>) {
    let name = bench.view.of(node).to_owned();
    if is_known(bench, &name, node) || name.len() < 2 && bench.view.language == Language::Rust {
        return;
    }
    import(bench, &name);
    let mut options: BTreeMap<String, f64> = BTreeMap::new();
    let visible: Vec<String> = bench.visible(node).iter().map(|binding| binding.name.clone()).collect();
    let builtins = bench.view.words().words.builtins.iter().map(|name| (*name).to_owned());
    let fields: Vec<String> = bench.fields(node).into_iter().map(|(name, _)| name).collect();
    for other in visible.into_iter().chain(builtins) {
        let alike = strsim::normalized_damerau_levenshtein(&other, &name);
        if other != name && (alike > 0.45 || (other.len() <= 3 && name.len() <= 3)) {
            options.insert(other, alike * alike);
        }
    }
    for field in fields {
        let bare = field.rsplit('.').next().unwrap_or("");
        let alike = strsim::normalized_damerau_levenshtein(bare, &name);
        if alike > 0.6 {
            options.insert(field.clone(), alike);
        }
    }
    // Go: another function of the package; Java: nothing outside the file is known
    for (other, fit) in bench.project_names(&name) {
        options.entry(other).or_insert(fit);
    }
    for (other, fit) in options {
        bench.replace(EditKind::Misspelt, node, &Piece { text: other, level: level::POSTFIX }, fit);
    }
}

impl Bench<'_> {
    /// Functions, classes and constants of the project's other files with nearly the same name.
    fn project_names(&self, name: &str) -> Vec<(String, f64)> {
        let mut found = Vec::new();
        for source in self
            .project
            .sources()
            .iter()
            .filter(|source| source.language == self.source.language && source.path != self.source.path)
            .take(60)
        {
            for binding in source
                .names()
                .bindings
                .iter()
                .filter(|binding| matches!(binding.origin, Origin::Function | Origin::Class | Origin::Global))
            {
                let alike = strsim::normalized_damerau_levenshtein(&binding.name, name);
                if alike > 0.65 && binding.name != name {
                    found.push((binding.name.clone(), alike * 0.8));
                }
            }
        }
        found
    }
}

/// `a.lenght` becomes `a.length`: a member that is used once and that nothing declares.
fn unknown_member(bench: &mut Bench<'_>, node: Node<'_>, property: Node<'_>) {
    let name = bench.view.of(property).to_owned();
    let used_once = bench.names.members.get(&name).is_none_or(|(count, _)| *count <= 1);
    if !used_once && !bench.compiles {
        return;
    }
    let called = bench.view.role(node) == Role::Call || bench.view.parent_role(node) == Role::Call;
    let mut options: BTreeMap<String, f64> = BTreeMap::new();
    let declared = bench.names.members.keys().cloned();
    let elsewhere: Vec<String> = bench
        .project
        .sources()
        .iter()
        .filter(|source| source.language == bench.source.language && source.path != bench.source.path)
        .take(60)
        .flat_map(|source| source.names().members.keys().cloned())
        .collect();
    let usual =
        bench.view.words().opposites.iter().filter(|_| called).flat_map(|(a, b)| [(*a).to_owned(), (*b).to_owned()]);
    let others = COMMON_MEMBERS.iter().map(|member| (*member).to_owned());
    for other in declared.chain(elsewhere).chain(usual).chain(others) {
        let alike = strsim::normalized_damerau_levenshtein(&other, &name);
        if other != name && alike > 0.6 {
            let best = options.entry(other).or_insert(0.0);
            *best = best.max(0.6 * alike * alike);
        }
    }
    for (other, fit) in options {
        bench.put(
            EditKind::Misspelt,
            property.byte_range(),
            other.clone(),
            fit,
            format!("`.{name}` becomes `.{other}`"),
        );
    }
}

const COMMON_MEMBERS: &[&str] = &[
    "length",
    "len",
    "size",
    "push",
    "append",
    "extend",
    "insert",
    "remove",
    "items",
    "keys",
    "values",
    "iter",
    "into_iter",
    "unwrap",
    "expect",
    "clone",
    "to_string",
    "to_owned",
    "collect",
    "is_empty",
    "contains",
    "contains_key",
    "starts_with",
    "ends_with",
    "toString",
    "indexOf",
    "includes",
    "forEach",
    "charAt",
    "hasOwnProperty",
    "toUpperCase",
    "toLowerCase",
    "substring",
    "isEmpty",
    "equals",
    "hashCode",
    "getOrDefault",
    "containsKey",
    "setdefault",
    "startswith",
    "endswith",
    "as_str",
    "as_bytes",
    "unwrap_or",
    "unwrap_or_default",
    "get_or_insert_with",
    "Println",
    "Sprintf",
    "Printf",
    "Errorf",
    "TrimSpace",
    "ToLower",
    "ToUpper",
    "HasPrefix",
    "HasSuffix",
    "sqrt",
    "floor",
    "abs",
];

/// Names inside Rust's macros are tokens.
fn unknown_in_macros(bench: &mut Bench<'_>, spots: &[Spot<'_>]) {
    for spot in spots.iter().filter(|spot| spot.role == Role::Macro && spot.touched) {
        let mut leaves = Vec::new();
        each_node(spot.node, &mut |inner| {
            if inner.kind() == "identifier" && inner.parent().is_some_and(|parent| parent.kind() == "token_tree") {
                leaves.push(inner);
            }
        });
        for leaf in leaves {
            let text = bench.view.of(leaf);
            let after_dot = bench.view.text[..leaf.start_byte()].ends_with('.');
            if !after_dot {
                unknown_name(bench, leaf);
            } else if bench.names.words.get(text).is_some_and(|count| *count == 1) {
                let near: Vec<String> = bench
                    .names
                    .members
                    .keys()
                    .chain(bench.names.words.keys())
                    .filter(|other| *other != text && strsim::normalized_damerau_levenshtein(other, text) > 0.65)
                    .cloned()
                    .collect();
                for other in near {
                    bench.put(
                        EditKind::Misspelt,
                        leaf.byte_range(),
                        other.clone(),
                        0.5,
                        format!("`.{text}` becomes `.{other}`"),
                    );
                }
            }
        }
    }
}

/// Types that nothing declares: misspelt, or not imported.
fn unknown_types(bench: &mut Bench<'_>) {
    let mut leaves = Vec::new();
    each_node(bench.source.tree.root_node(), &mut |inner| {
        let is_type = inner.kind() == "type_identifier"
            || (inner.kind() == "identifier"
                && matches!(bench.view.parent_role(inner), Role::Path | Role::Type)
                && inner.prev_sibling().is_none());
        if is_type && bench.touches(inner) && bench.view.ancestor(inner, |role| role == Role::Import).is_none() {
            leaves.push(inner);
        }
    });
    leaves.truncate(40);
    for leaf in leaves {
        let name = bench.view.of(leaf).to_owned();
        let declared = bench.names.bindings.iter().any(|binding| binding.name == name)
            || bench.view.words().words.builtins.contains(&name.as_str());
        if declared || name.len() < 2 || is_type_parameter(bench, &name) {
            continue;
        }
        import(bench, &name);
        let known: Vec<String> = bench
            .names
            .bindings
            .iter()
            .filter(|binding| matches!(binding.origin, Origin::Class | Origin::Import))
            .map(|binding| binding.name.clone())
            .chain(bench.view.words().words.builtins.iter().map(|name| (*name).to_owned()))
            .collect();
        for other in known {
            let alike = strsim::normalized_damerau_levenshtein(&other, &name);
            if alike > 0.5 && other != name {
                bench.put(
                    EditKind::Misspelt,
                    leaf.byte_range(),
                    other.clone(),
                    alike * alike,
                    format!("`{name}` becomes `{other}`"),
                );
            }
        }
    }
}

fn is_type_parameter(bench: &Bench<'_>, name: &str) -> bool {
    bench.view.text.contains(&format!("<{name}"))
        || bench.view.text.contains(&format!(", {name}>"))
        || bench.view.text.contains(&format!("type {name}"))
}

/// A line that imports a name, where the file's imports are.
fn import(bench: &mut Bench<'_>, name: &str) {
    let mut lines: Vec<(String, f64)> = bench
        .view
        .words()
        .imports
        .iter()
        .filter(|(known, _)| *known == name)
        .map(|(_, line)| ((*line).to_owned(), 1.0))
        .collect();
    for source in bench
        .project
        .sources()
        .iter()
        .filter(|source| source.language == bench.source.language && source.path != bench.source.path)
    {
        let declares = source.names().bindings.iter().any(|binding| {
            binding.name == name
                && matches!(binding.origin, Origin::Function | Origin::Class | Origin::Global)
                && binding.scope.len() == source.text.len()
        });
        if declares && let Some(line) = import_from(bench, source, name) {
            lines.push((line, 0.9));
        }
        // another file imports it: the same line
        if source.names().bindings.iter().any(|binding| binding.name == name && binding.origin == Origin::Import)
            && let Some(line) = source.text.lines().find(|line| {
                line.contains(name)
                    && (line.starts_with("import ")
                        || line.starts_with("from ")
                        || line.starts_with("use ")
                        || line.starts_with("const "))
                    && !line.trim_end().ends_with(['(', '{'])
            })
        {
            lines.push((line.to_owned(), 0.7));
        }
    }
    lines.dedup();
    lines.truncate(4);
    let at = import_place(bench);
    for (line, fit) in lines {
        let (at, text) = match bench.view.language {
            Language::Go => match bench.view.text.find("import (") {
                Some(open) => (open + "import (".len(), format!("\n\t{line}")),
                None => (at, format!("import {line}\n")),
            },
            _ => (at, format!("{line}\n")),
        };
        let about = bench.line(at);
        bench.put_at(EditKind::MissingImport, at..at, text, fit, format!("`{name}` is imported"), about, None);
    }
}

fn import_from(bench: &Bench<'_>, source: &super::super::Source, name: &str) -> Option<String> {
    let path = std::str::from_utf8(&source.path).ok()?;
    let own = std::str::from_utf8(&bench.source.path).ok()?;
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let file = stem.rsplit('/').next()?;
    let same_folder = path.rsplit_once('/').map(|(folder, _)| folder) == own.rsplit_once('/').map(|(folder, _)| folder);
    Some(match bench.view.language {
        Language::Python if same_folder && bench.view.text.contains("from .") => format!("from .{file} import {name}"),
        Language::Python if same_folder => {
            // as the file imports its other neighbours
            let prefix = bench.view.text.lines().find_map(|line| {
                line.strip_prefix("from ")
                    .and_then(|rest| rest.split_whitespace().next())
                    .and_then(|module| module.rsplit_once('.').map(|(package, _)| format!("{package}.")))
            });
            format!("from {}{file} import {name}", prefix.unwrap_or_default())
        }
        Language::Python => format!("from {} import {name}", stem.trim_start_matches("src/").replace('/', ".")),
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            let script = script_path(own, path, bench.view.text);
            if bench.view.text.contains("require(") {
                format!("const {{ {name} }} = require('{script}');")
            } else {
                format!("import {{ {name} }} from '{script}';")
            }
        }
        Language::Rust => format!("use {}::{name};", module_path(own, path)?),
        Language::Java => {
            let package =
                source.text.lines().find_map(|line| line.strip_prefix("package "))?.trim_end_matches(';').trim();
            format!("import {package}.{name};")
        }
        Language::Go => return None,
    })
}

/// The module of a file of Rust as another one names it: `crate::tree`, `other_crate::tree`. `None` for a crate whose name its
/// folder does not tell.
fn module_path(from: &str, to: &str) -> Option<String> {
    let split = |path: &str| match path.find("src/").filter(|at| *at == 0 || path[..*at].ends_with('/')) {
        Some(at) => (path[..at].trim_end_matches('/').to_owned(), path[at + "src/".len()..].to_owned()),
        None => (String::new(), path.to_owned()),
    };
    let ((own_crate, _), (other_crate, file)) = (split(from), split(to));
    let head = if own_crate == other_crate {
        "crate".to_owned()
    } else {
        let folder = other_crate.rsplit('/').next().filter(|folder| !folder.is_empty())?;
        folder.replace('-', "_")
    };
    let stem = file.strip_suffix(".rs").unwrap_or(&file);
    let module = stem.strip_suffix("/mod").unwrap_or(stem).replace('/', "::");
    Some(if matches!(module.as_str(), "lib" | "main") { head } else { format!("{head}::{module}") })
}

/// Where an import goes: before the first one, or after the head of the file.
fn import_place(bench: &Bench<'_>) -> usize {
    let root = bench.source.tree.root_node();
    let children = bench.view.children(root);
    let is_package = |node: &Node<'_>| matches!(node.kind(), "package_clause" | "package_declaration");
    if let Some(first) = children.iter().find(|child| {
        bench.view.role(**child) == Role::Import
            && !is_package(child)
            && !child.kind().starts_with("future")
            && child.kind() != "macro_definition"
    }) {
        return first.start_byte();
    }
    if let Some(package) = children.iter().find(|child| is_package(child)) {
        return bench.view.text[package.end_byte()..]
            .find('\n')
            .map_or(bench.view.text.len(), |at| package.end_byte() + at + 1);
    }
    children
        .iter()
        .find(|child| !crate::syntax::regions::is_docstring(**child) && child.kind() != "inner_attribute_item")
        .map_or(0, |first| first.start_byte())
}

/// Rust: `Glob { source }` becomes `Glob { source: source.to_owned() }`.
fn shorthands(bench: &mut Bench<'_>) {
    let mut found = Vec::new();
    each_node(bench.source.tree.root_node(), &mut |node| {
        if node.kind() == "shorthand_field_initializer" && bench.touches(node) {
            found.push((node.byte_range(), bench.view.of(node).to_owned()));
        }
    });
    for (range, name) in found {
        for (template, weight) in bench.view.words().conversions {
            let value = bench.fill(template, &[&Piece::atom(name.clone())]).text;
            let what = format!("`{name}` becomes `{value}`");
            bench.put(EditKind::Conversion, range.clone(), format!("{name}: {value}"), *weight, what);
        }
    }
}

/// `x` becomes `x as usize`, `&x`, `x.clone()`, `Some(x)`: generously only where a compiler complained.
fn convert(bench: &mut Bench<'_>, node: Node<'_>) {
    let role = bench.view.role(node);
    let parent = bench.view.parent_role(node);
    let typed = bench.view.words().has_types || matches!(bench.view.language, Language::TypeScript | Language::Tsx);
    if (!typed && !bench.compiles)
        || matches!(role, Role::Paren | Role::Path | Role::Slice | Role::Lambda | Role::Function)
        || bench.view.of(node).len() > 80
    {
        return;
    }
    let place = match parent {
        Role::Args => 1.0,
        Role::Return | Role::Declarator | Role::Assign | Role::AugAssign | Role::Pair => 0.9,
        Role::Binary => 0.8,
        Role::Index => 0.7,
        Role::Block | Role::Clause | Role::Function => 0.7,
        Role::Call | Role::Member => 0.5,
        Role::ForEach
        | Role::Range
        | Role::Switch
        | Role::Case
        | Role::If
        | Role::List
        | Role::Tuple
        | Role::Ternary
        | Role::Ref
        | Role::Unary
        | Role::Cast
        | Role::Question => 0.5,
        _ => return,
    };
    if !bench.compiles && !matches!(role, Role::Ident | Role::Call | Role::Member | Role::Index) {
        return;
    }
    let own = bench.piece(node);
    for (template, weight) in bench.view.words().conversions {
        let new = bench.fill(template, &[&own]);
        bench.replace(EditKind::Conversion, node, &new, weight * place);
    }
    // and the other way: a conversion that is too many
    if matches!(role, Role::Ref | Role::Cast | Role::Question | Role::Unary)
        && let Some(inner) = bench
            .view
            .field(node, &["value", "operand", "argument"])
            .or_else(|| bench.view.children(node).first().copied())
    {
        let inner = bench.piece(inner);
        bench.replace(EditKind::Conversion, node, &inner, 1.2 * place);
    }
    if role == Role::Ref {
        let text = bench.view.of(node);
        let new = match text.strip_prefix("&mut ") {
            Some(inner) => format!("&{inner}"),
            None => format!("&mut {}", text.trim_start_matches('&')),
        };
        bench.put(EditKind::Conversion, node.byte_range(), new.clone(), place, format!("`{text}` becomes `{new}`"));
    }
    if role == Role::Call
        && bench.view.arguments(node).is_empty()
        && bench.view.call(node).is_some_and(|call| call.receiver.is_some())
    {
        let receiver = bench.view.call(node).and_then(|call| call.receiver);
        if let Some(receiver) = receiver {
            let inner = bench.piece(receiver);
            bench.replace(EditKind::Conversion, node, &inner, 1.0 * place);
        }
    }
}

/// A semicolon, a colon, a bracket that is missing or too many.
fn punctuation(bench: &mut Bench<'_>) {
    let marks: &[&str] = match bench.view.language {
        Language::Python => &[":", ")", "]", "}", ",", "(", "\"", "'", " ="],
        Language::Go => &[")", "}", "{", "]", ",", "(", ":", "\""],
        _ => &[";", ")", "}", "]", ",", "{", "(", "\"", "'", ":", ">"],
    };
    let total = bench.view.text.lines().count();
    let mut start = 0;
    let lines: Vec<(usize, usize, usize)> = bench
        .view
        .text
        .split_inclusive('\n')
        .enumerate()
        .map(|(at, line)| {
            let from = start;
            start += line.len();
            (at + 1, from, from + line.trim_end().len())
        })
        .collect();
    let wanted: Vec<(usize, usize, usize)> = lines
        .into_iter()
        .filter(|(line, from, end)| {
            from < end && bench.lines.is_none_or(|lines| lines.contains(line)) && (bench.lines.is_some() || total < 200)
        })
        .collect();
    for (line, from, end) in wanted {
        for mark in marks {
            bench.put_at(
                EditKind::Punctuation,
                end..end,
                (*mark).to_owned(),
                1.0,
                format!("`{}` comes at the end of the line", mark.trim()),
                line,
                None,
            );
        }
        let text = &bench.view.text[from..end];
        if let Some(last) = text.chars().last().filter(|c| c.is_ascii_punctuation()) {
            let at = end - last.len_utf8();
            bench.put_at(
                EditKind::Punctuation,
                at..end,
                String::new(),
                1.0,
                format!("`{last}` goes from the end of the line"),
                line,
                None,
            );
            for mark in marks.iter().filter(|mark| **mark != last.to_string()) {
                bench.put_at(
                    EditKind::Punctuation,
                    at..at,
                    (*mark).to_owned(),
                    0.8,
                    format!("`{mark}` comes before `{last}`"),
                    line,
                    None,
                );
            }
        }
        for (offset, c) in text
            .char_indices()
            .filter(|(_, c)| matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | ':'))
            .take(12)
        {
            bench.put_at(
                EditKind::Punctuation,
                from + offset..from + offset + 1,
                String::new(),
                0.5,
                format!("`{c}` goes"),
                line,
                None,
            );
            let _ = c;
        }
        // a bracket inside the line: after each word, while the file does not parse
        if bench.source.has_errors() {
            inside(bench, line, from, text);
        }
    }
}

fn inside(bench: &mut Bench<'_>, line: usize, from: usize, text: &str) {
    let ends: Vec<usize> = text
        .char_indices()
        .zip(text.chars().skip(1).chain([' ']))
        .filter(|((_, c), next)| {
            (c.is_alphanumeric() || matches!(c, ')' | ']' | '"' | '\'')) && !next.is_alphanumeric() && *next != '_'
        })
        .map(|((at, c), _)| at + c.len_utf8())
        .take(16)
        .collect();
    for at in ends {
        for mark in [")", "]", ",", "(", "\"", ":", " ="] {
            bench.put_at(
                EditKind::Punctuation,
                from + at..from + at,
                mark.to_owned(),
                0.3,
                format!("`{}` comes", mark.trim()),
                line,
                None,
            );
        }
    }
    if bench.view.language == Language::Python && text.contains(" = ") {
        bench.put_at(
            EditKind::Punctuation,
            from..from + text.len(),
            text.replacen(" = ", " == ", 1),
            0.6,
            "`=` becomes `==`".to_owned(),
            line,
            None,
        );
    }
}

/// Types in signatures and declarations: `i32` becomes `i64`, `T` becomes `&T`, `Option<T>`.
fn signatures(bench: &mut Bench<'_>) {
    let mut types = Vec::new();
    each_node(bench.source.tree.root_node(), &mut |node| {
        let outer = node.parent().is_none_or(|parent| {
            bench.view.role(parent) != Role::Type
                || matches!(parent.kind(), "struct_item" | "type_annotation" | "field_declaration" | "type_arguments")
        });
        if bench.view.role(node) == Role::Type
            && outer
            && bench.touches(node)
            && node.byte_range().len() < 60
            && !matches!(
                node.kind(),
                "type_arguments" | "type_parameters" | "struct_item" | "enum_item" | "type_annotation"
            )
        {
            types.push(node);
        }
    });
    let (wraps, plain): (&[&str], &[&str]) = match bench.view.language {
        Language::Rust => (
            &["&{}", "&mut {}", "Option<{}>", "Vec<{}>", "Box<{}>", "&[{}]"],
            &["usize", "i32", "i64", "u32", "u64", "f64", "u8", "&str", "String", "bool", "()", "char", "isize"],
        ),
        Language::Go => (
            &["*{}", "[]{}", "({}, error)"],
            &["int", "int64", "string", "float64", "bool", "error", "byte", "rune", "uint64"],
        ),
        Language::Java => (
            &["List<{}>", "{}[]"],
            &["int", "long", "double", "boolean", "String", "char", "void", "Object", "Integer"],
        ),
        Language::TypeScript | Language::Tsx => (
            &["{}[]", "{} | null", "{} | undefined", "Promise<{}>"],
            &["number", "string", "boolean", "void", "any", "unknown"],
        ),
        _ => return,
    };
    for node in types.into_iter().take(12) {
        let text = bench.view.of(node);
        for other in plain.iter().filter(|other| **other != text) {
            bench.put(
                EditKind::Conversion,
                node.byte_range(),
                (*other).to_owned(),
                0.5,
                format!("type `{text}` becomes `{other}`"),
            );
        }
        for template in wraps {
            bench.put(
                EditKind::Conversion,
                node.byte_range(),
                template.replace("{}", text),
                0.5,
                format!("type `{text}` becomes `{}`", template.replace("{}", text)),
            );
        }
        if let Some(inner) = text
            .strip_prefix("&mut ")
            .or_else(|| text.strip_prefix('&'))
            .or_else(|| text.strip_prefix('*'))
            .or_else(|| text.strip_prefix("[]"))
            .or_else(|| text.strip_suffix("[]"))
        {
            bench.put(
                EditKind::Conversion,
                node.byte_range(),
                inner.to_owned(),
                0.6,
                format!("type `{text}` becomes `{inner}`"),
            );
        }
    }
}

/// Where `mut` comes into `&T`, behind a lifetime.
fn borrowed(bench: &Bench<'_>, of: Node<'_>) -> Option<usize> {
    let inner = of.child_by_field_name("type").filter(|_| of.kind() == "reference_type")?;
    (!bench.view.text[of.start_byte()..inner.start_byte()].contains("mut")).then(|| inner.start_byte())
}

/// Rust: `let x` becomes `let mut x`, `x: &T` becomes `x: &mut T`; `move` closures. JavaScript: `const` becomes `let`. Go: `:=` and `=`.
fn mutability(bench: &mut Bench<'_>, spots: &[Spot<'_>]) {
    let mut touched_names: Vec<String> = Vec::new();
    for spot in spots.iter().filter(|spot| spot.role == Role::Ident && spot.touched) {
        touched_names.push(bench.view.of(spot.node).to_owned());
    }
    let mut found: Vec<(usize, &str, String)> = Vec::new();
    each_node(bench.source.tree.root_node(), &mut |node| match (bench.view.language, node.kind()) {
        (Language::Rust, "let_declaration" | "parameter") => {
            let Some(pattern) = node.child_by_field_name("pattern") else { return };
            let named = touched_names.iter().any(|name| name == bench.view.of(pattern));
            let has = node.child(1).is_some_and(|child| child.kind() == "mutable_specifier")
                || bench.view.of(node).starts_with("mut ");
            if (named || bench.touches(node)) && !has && bench.view.role(pattern) == Role::Ident {
                found.push((pattern.start_byte(), "mut ", bench.view.of(pattern).to_owned()));
            }
            if (named || bench.touches(node))
                && let Some(at) = node.child_by_field_name("type").and_then(|of| borrowed(bench, of))
            {
                found.push((at, "mut ", format!("what `{}` refers to", bench.view.of(pattern))));
            }
        }
        (Language::Rust, "self_parameter") if !bench.view.of(node).contains("mut") => {
            let holds = node.parent().and_then(|list| list.parent()).is_some_and(|function| {
                bench.touches(node)
                    || bench.lines.is_none_or(|lines| {
                        lines
                            .range(function.start_position().row + 1..=function.end_position().row + 1)
                            .next()
                            .is_some()
                    })
            });
            if holds && let Some(this) = bench.view.of(node).find("self") {
                found.push((node.start_byte() + this, "mut ", "self".to_owned()));
            }
        }
        (Language::Rust, "closure_expression") if bench.touches(node) && !bench.view.of(node).starts_with("move") => {
            found.push((node.start_byte(), "move ", "closure".to_owned()))
        }
        _ => {}
    });
    for (at, text, name) in found {
        bench.put(EditKind::Punctuation, at..at, text.to_owned(), 2.0, format!("`{name}` is `{}`", text.trim()));
    }
    if matches!(bench.view.language, Language::JavaScript | Language::TypeScript | Language::Tsx) {
        let mut consts = Vec::new();
        each_node(bench.source.tree.root_node(), &mut |node| {
            if node.kind() == "lexical_declaration"
                && bench.view.of(node).starts_with("const ")
                && touched_names.iter().any(|name| bench.view.of(node).starts_with(&format!("const {name}")))
            {
                consts.push(node.start_byte());
            }
        });
        for at in consts {
            bench.put(EditKind::Punctuation, at..at + 5, "let".to_owned(), 1.0, "`const` becomes `let`".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixer::mutate::edits::{Project, apply, compile_edits};

    /// `own`, after what it needs is imported from `other`.
    fn imported(own: (&str, &str), other: (&str, &str)) -> Vec<String> {
        let files = [own, other].map(|(path, text)| (path.as_bytes().to_vec(), text.as_bytes().to_vec()));
        let project = Project::load(files.into(), |_| true);
        let found = compile_edits(&project, own.0.as_bytes(), None);
        found.iter().filter(|edit| edit.kind == EditKind::MissingImport).map(|edit| apply(own.1, edit)).collect()
    }

    #[test]
    fn a_script_is_imported_from_where_it_is() {
        let user = "import { a } from './a.js';\nexport function f() {\n  return a(parsed(1));\n}\n";
        let maker = "export function parsed(n) {\n  return n;\n}\n";
        let found = imported(("src/views/list.js", user), ("src/model/parse.js", maker));
        assert!(found.iter().any(|text| text.contains("from '../model/parse.js'")), "{found:?}");
        let common = "const a = require('./a');\nfunction f() {\n  return a(parsed(1));\n}\n";
        let found = imported(("lib/list.js", common), ("lib/parse/index.js", "function parsed(n) {\n  return n;\n}\n"));
        assert!(found.iter().any(|text| text.contains("require('./parse/index')")), "{found:?}");
    }

    #[test]
    fn a_module_is_named_from_its_own_crate_or_from_another_one() {
        for (from, to, module) in [
            ("src/a.rs", "src/b.rs", Some("crate::b")),
            ("src/a.rs", "src/lib.rs", Some("crate")),
            ("src/a.rs", "src/deep/mod.rs", Some("crate::deep")),
            ("crates/x/src/a.rs", "crates/x/src/deep/b.rs", Some("crate::deep::b")),
            ("crates/x/src/a.rs", "crates/my-y/src/lib.rs", Some("my_y")),
            ("crates/x/src/a.rs", "crates/y/src/b.rs", Some("y::b")),
            ("crates/x/src/a.rs", "src/b.rs", None),
        ] {
            assert_eq!(module_path(from, to).as_deref(), module, "{from} names {to}");
        }
    }
}
