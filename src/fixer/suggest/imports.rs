//! Imports: the one that is missing, the module that was misspelt, the definition that moved to another file.

use super::library;
use super::names::Unknown;
use super::proposal::{Proposal, Site, insert_line, line, near, rename};
use super::resolve::Product;
use crate::failure::Scene;

/// Import lines for a bare name that nobody defines in this file.
pub fn missing(unknown: &Unknown, site: &Site, scene: &Scene<'_>, product: &Product) -> Vec<Proposal> {
    let Some(text) = scene.text(&site.file) else { return Vec::new() };
    let name = &unknown.name;
    let definers: Vec<&str> = product.definers(name).into_iter().filter(|f| *f != site.file).collect();
    let mut found = Vec::new();
    let mut add = |text: String, what: &str, rank: f64| {
        found.push(Proposal::one(&site.file, text, format!("{what}: {}", site.file), rank));
    };
    let extension = site.file.rsplit('.').next().unwrap_or_default();
    match extension {
        "py" => {
            if unknown.within.is_some() {
                // `from a import X`, and X lives in b
                for definer in definers.iter().take(2) {
                    let module = python_module(definer, scene);
                    let wrong = unknown.within.as_deref().unwrap_or_default();
                    let code = line(&text, site.line).unwrap_or_default();
                    if code.contains(wrong) && !code.contains(',') {
                        let new = code.replacen(wrong, &module, 1);
                        add(
                            super::proposal::with_line(&text, site.line, &new),
                            &format!("imports {name} from {module}"),
                            0.92,
                        );
                    }
                }
                return found;
            }
            for definer in definers.iter().take(3) {
                let import = format!("from {} import {name}", python_module(definer, scene));
                add(python_import(&text, &import), &import, 0.985);
            }
            for (n, import) in library::python(name).into_iter().enumerate() {
                add(python_import(&text, &import), &import, 0.98 - 0.01 * n as f64);
            }
        }
        "js" | "mjs" | "cjs" | "jsx" | "ts" | "tsx" | "mts" | "cts" => {
            for definer in definers.iter().take(3) {
                let path = script_path(&site.file, definer, &text);
                let import = script_import(&text, &format!("{{ {name} }}"), &path);
                let exported = product.files.get(*definer).is_some_and(|t| exports(t, name));
                add(insert_line(&text, script_head(&text), &import), &import, if exported { 0.985 } else { 0.5 });
            }
            if library::is_node_module(name) {
                let import = script_import(&text, name, &format!("node:{name}"));
                add(insert_line(&text, script_head(&text), &import), &import, 0.98);
            }
            if let Some(of) = unknown.within.as_deref().and_then(|m| file_of(m, &site.file, scene)) {
                found.extend(export(name, &of, product));
            }
        }
        "go" => {
            if let Some(path) = library::go(name) {
                add(go_import(&text, path), &format!("import \"{path}\""), 0.98);
            }
        }
        "java" => {
            if let Some(class) = library::java(name) {
                let at = text.lines().position(|l| l.starts_with("package ")).map_or(1, |n| n + 2);
                add(insert_line(&text, at, &format!("import {class};")), &format!("import {class}"), 0.98);
            }
        }
        _ => {}
    }
    found
}

/// A definition that is there and not exported.
fn export(name: &str, file: &str, product: &Product) -> Vec<Proposal> {
    let Some(text) = product.files.get(file) else { return Vec::new() };
    let heads = ["function ", "async function ", "class ", "const ", "let "];
    let at = text
        .lines()
        .position(|l| heads.iter().any(|h| l.strip_prefix(h).is_some_and(|rest| starts_with_word(rest, name))));
    let Some((number, code)) = at.and_then(|n| Some((n + 1, line(text, n + 1)?))) else { return Vec::new() };
    let new = super::proposal::with_line(text, number, &format!("export {code}"));
    vec![Proposal::one(file, new, format!("exports {name}: {file}:{number}"), 0.985)]
}

/// A misspelt module: the nearest one of the project (or the standard library).
pub fn module(unknown: &Unknown, sites: &[Site], scene: &Scene<'_>, product: &Product) -> Vec<Proposal> {
    let mut found = Vec::new();
    let last = unknown.name.rsplit(['.', '/']).next().unwrap_or(&unknown.name);
    let last = last.trim_end_matches(".js").trim_end_matches(".mjs").trim_end_matches(".ts");
    let site = sites
        .iter()
        .find(|s| scene.text(&s.file).and_then(|t| line(&t, s.line).map(|l| l.contains(last))).unwrap_or(false));
    // node names no line of the importing file: every file that says it is meant
    let files: Vec<(String, bool)> = match site {
        Some(site) => vec![(site.file.clone(), site.protected)],
        None => product
            .files
            .iter()
            .filter(|(_, t)| t.contains(&unknown.name))
            .map(|(p, _)| (p.clone(), false))
            .take(3)
            .collect(),
    };
    let mut near_names: Vec<(usize, String)> = Vec::new();
    for path in product.files.keys() {
        let stem = stem(path);
        near_names.extend(near(last, &stem).map(|d| (d, stem)));
        let folder = path.rsplit('/').nth(1).unwrap_or_default();
        near_names.extend(near(last, folder).map(|d| (d, folder.to_owned())));
    }
    if unknown.name == last {
        near_names.extend(library::python_modules().filter_map(|m| near(last, m).map(|d| (d, m.to_owned()))));
    }
    near_names.sort();
    near_names.dedup();
    for (file, protected) in files {
        let Some(text) = scene.text(&file) else { continue };
        for (distance, new) in near_names.iter().take(3) {
            let rank = 0.97 - 0.08 * *distance as f64;
            if !protected && let Some(changed) = rename(&text, last, new, None) {
                found.push(Proposal::one(&file, changed, format!("imports {new}, not {last}: {file}"), rank));
            }
        }
    }
    found
}

/// A test imports `name` from where it is no longer: its old home imports it from the new one.
pub fn moved(unknown: &Unknown, site: &Site, scene: &Scene<'_>, product: &Product) -> Vec<Proposal> {
    let Some(home) = unknown.within.as_deref().and_then(|m| file_of(m, &site.file, scene)) else { return Vec::new() };
    let Some(text) = product.files.get(&home) else { return Vec::new() };
    let name = &unknown.name;
    let definers = product.definers(name).into_iter().filter(|f| *f != home);
    definers
        .take(2)
        .map(|definer| {
            if home.ends_with(".py") {
                let import = format!("from {} import {name}", python_module(definer, scene));
                Proposal::one(&home, python_import(text, &import), format!("{import}: {home}"), 0.88)
            } else {
                let import = format!("export {{ {name} }} from '{}';", script_path(&home, definer, text));
                Proposal::one(&home, insert_line(text, script_head(text), &import), format!("{import} {home}"), 0.88)
            }
        })
        .chain(export(name, &home, product))
        .collect()
}

/// The file that a module name or path means, seen from `from`.
pub fn file_of(module: &str, from: &str, scene: &Scene<'_>) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(f, _)| f);
    if module.starts_with('.') {
        let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
        for part in module.split('/') {
            match part {
                "." | "" => {}
                ".." => {
                    parts.pop();
                }
                other => parts.push(other),
            }
        }
        let path = parts.join("/");
        let endings = ["", ".js", ".ts", ".tsx", ".mjs", ".jsx", "/index.js", "/index.ts"];
        let swapped = path.strip_suffix(".js").map(|p| format!("{p}.ts"));
        let exact = endings.iter().map(|e| format!("{path}{e}")).chain(swapped);
        return exact.into_iter().find(|p| scene.paths.contains(p));
    }
    let tail = module.replace('.', "/");
    let fits = |p: &&String| {
        let stem = p.strip_suffix("/__init__.py").or_else(|| p.strip_suffix(".py")).unwrap_or("");
        stem == tail || stem.ends_with(&format!("/{tail}"))
    };
    scene.paths.iter().filter(fits).min_by_key(|p| p.len()).cloned()
}

fn stem(path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or(path);
    base.split('.').next().unwrap_or(base).to_owned()
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
}

/// `src/shop/cart.py` is imported as `shop.cart`: folders without `__init__.py` at the top are not part of the name.
fn python_module(path: &str, scene: &Scene<'_>) -> String {
    let path = path.strip_suffix("/__init__.py").or_else(|| path.strip_suffix(".py")).unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let is_package = |n: usize| scene.paths.iter().any(|p| *p == format!("{}/__init__.py", parts[..n].join("/")));
    let dir = scene.suite.dir.to_string_lossy();
    let within = if dir.is_empty() { 0 } else { dir.split('/').count().min(parts.len() - 1) };
    let first = (within + 1..parts.len()).find(|n| is_package(*n)).map(|n| n - 1);
    // without any package: `src` and `lib` are roots, everything else is a namespace
    let plain = if matches!(parts.get(within), Some(&"src" | &"lib")) { within + 1 } else { within };
    parts[first.unwrap_or(plain).min(parts.len() - 1)..].join(".")
}

/// A Python text with an import before the first one (after the docstring and `from __future__`).
fn python_import(text: &str, import: &str) -> String {
    let mut at = None;
    let mut quote: Option<&str> = None;
    let mut after_head = 1;
    for (n, l) in text.lines().enumerate() {
        if let Some(mark) = quote {
            if l.contains(mark) {
                quote = None;
                after_head = n + 2;
            }
            continue;
        }
        let body = l.trim_start();
        if l.starts_with("from __future__") || l.starts_with('#') || l.trim().is_empty() {
            after_head = if l.trim().is_empty() { after_head } else { n + 2 };
            continue;
        }
        if let Some(mark) = ["\"\"\"", "'''"].iter().find(|m| body.starts_with(**m)) {
            if body[3..].contains(mark) {
                after_head = n + 2
            } else {
                quote = Some(mark)
            }
            continue;
        }
        if l.starts_with("import ") || l.starts_with("from ") {
            at = Some(n + 1);
        }
        break;
    }
    match at {
        Some(at) => insert_line(text, at, import),
        None => insert_line(text, after_head, &format!("{import}\n")),
    }
}

/// The line before which a script's import goes.
fn script_head(text: &str) -> usize {
    let directive = |l: &str| l.starts_with("#!") || l.starts_with("'use strict'") || l.starts_with("\"use strict\"");
    text.lines().take_while(|l| directive(l)).count() + 1
}

fn script_import(text: &str, what: &str, path: &str) -> String {
    let common = text.contains("require(") && !text.lines().any(|l| l.starts_with("import "));
    if common || text.contains("module.exports") {
        format!("const {what} = require('{path}');")
    } else {
        format!("import {what} from '{path}';")
    }
}

/// The path by which the script `from`, whose text is `text`, imports the script `to`.
pub fn script_path(from: &str, to: &str, text: &str) -> String {
    let folder = |p: &str| p.rsplit_once('/').map_or(Vec::new(), |(f, _)| f.split('/').map(str::to_owned).collect());
    let (a, b) = (folder(from), folder(to));
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let up = if a.len() == same { "./".to_owned() } else { "../".repeat(a.len() - same) };
    let mut path = up + &b[same..].iter().map(|p| format!("{p}/")).collect::<String>();
    let base = to.rsplit('/').next().unwrap_or(to);
    let common = text.contains("require(");
    path.push_str(match base.rsplit_once('.') {
        Some((stem, "ts" | "tsx")) => stem,
        Some((stem, _)) if common => stem,
        _ => base,
    });
    path
}

fn exports(text: &str, name: &str) -> bool {
    let heads =
        ["export function ", "export async function ", "export class ", "export const ", "export let ", "exports."];
    text.lines().any(|l| {
        heads.iter().any(|h| l.strip_prefix(h).is_some_and(|rest| starts_with_word(rest, name)))
            || (l.contains("module.exports") || l.starts_with("export {"))
                && super::proposal::identifiers(l).contains(name)
    })
}

fn go_import(text: &str, path: &str) -> String {
    if let Some(at) = text.lines().position(|l| l.trim_end() == "import (") {
        return insert_line(text, at + 2, &format!("\t\"{path}\""));
    }
    let at = text.lines().position(|l| l.starts_with("package ")).map_or(1, |n| n + 2);
    insert_line(text, at, &format!("\nimport \"{path}\""))
}
