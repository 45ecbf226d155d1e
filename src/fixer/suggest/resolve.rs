//! From an unknown name to proposals: the name that was meant, the import that is missing, the definition that was
//! renamed or moved.

use std::collections::BTreeMap;

use super::imports;
use super::names::{Kind, Unknown};
use super::proposal::{Proposal, Site, identifiers, line, nearest, rename};
use crate::failure::Scene;
use crate::failure::symbols::symbols;
use crate::syntax::language::Language;

/// More product files than this are not searched for names.
const MOST_FILES: usize = 800;

/// The product code, read once.
pub struct Product {
    /// Texts by path.
    pub files: BTreeMap<String, String>,
    /// Top-level and inner symbols: (name, file, line, callable).
    pub symbols: Vec<(String, String, usize, bool)>,
}

impl Product {
    /// Reads the product files of the scene that have a grammar.
    pub fn read(scene: &Scene<'_>) -> Self {
        let code = |p: &&String| Language::of(std::path::Path::new(p)).is_some() && !scene.is_protected(p);
        let files: BTreeMap<String, String> = scene
            .paths
            .iter()
            .filter(code)
            .take(MOST_FILES)
            .filter_map(|p| Some((p.clone(), scene.text(p)?)))
            .collect();
        let symbols = files
            .iter()
            .flat_map(|(path, text)| {
                symbols(path, text.as_bytes()).into_iter().map(|s| (s.name, path.clone(), s.line, s.callable))
            })
            .collect();
        Self { files, symbols }
    }

    /// Files that define `name` at any level.
    pub fn definers(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<&str> =
            self.symbols.iter().filter(|(n, ..)| n == name).map(|(_, f, ..)| f.as_str()).collect();
        let constant = super::proposal::word(name);
        let assigned = |text: &str| {
            constant.as_ref().is_some_and(|w| {
                text.lines().any(|l| {
                    w.find(l).is_some_and(|m| m.start() == 0 && l[m.end()..].trim_start().starts_with(['=', ':']))
                })
            })
        };
        found.extend(self.files.iter().filter(|(_, text)| assigned(text)).map(|(path, _)| path.as_str()));
        found.dedup();
        found
    }

    /// `old` renamed to `new` in every file that has it.
    fn renamed_everywhere(&self, old: &str, new: &str) -> BTreeMap<String, String> {
        self.files.iter().filter_map(|(path, text)| Some((path.clone(), rename(text, old, new, None)?))).collect()
    }
}

/// Proposals for one unknown name.
pub fn propose(unknown: &Unknown, sites: &[Site], scene: &Scene<'_>, product: &Product) -> Vec<Proposal> {
    let mut found = Vec::new();
    if unknown.kind == Kind::Module {
        return imports::module(unknown, sites, scene, product);
    }
    // the innermost place that has the name is where it is wrong
    let has = |s: &&Site| {
        scene.text(&s.file).and_then(|t| line(&t, s.line).map(|l| l.contains(&unknown.name))).unwrap_or(false)
    };
    let Some(site) = sites.iter().find(has).or_else(|| sites.iter().find(|s| mentions(s, unknown, scene))) else {
        return found;
    };
    if site.protected {
        found.extend(wanted_by_test(unknown, site, scene, product));
    } else {
        found.extend(meant(unknown, site, scene, product));
        if matches!(unknown.kind, Kind::Bare | Kind::Imported) {
            found.extend(imports::missing(unknown, site, scene, product));
        }
    }
    found
}

fn mentions(site: &Site, unknown: &Unknown, scene: &Scene<'_>) -> bool {
    scene.text(&site.file).is_some_and(|t| identifiers(&t).contains(unknown.name.as_str()) || t.contains(&unknown.name))
}

/// Product code says `name`: what else may it have meant?
fn meant(unknown: &Unknown, site: &Site, scene: &Scene<'_>, product: &Product) -> Vec<Proposal> {
    let Some(text) = scene.text(&site.file) else { return Vec::new() };
    let name = &unknown.name;
    let mut names: Vec<(f64, String)> = unknown.meant.iter().map(|m| (0.99, m.clone())).collect();
    let ranked =
        |base: f64, list: Vec<(usize, String)>| list.into_iter().map(move |(d, n)| (base - 0.08 * d as f64, n));
    match unknown.kind {
        Kind::Key => {
            let all: Vec<&str> = product.files.values().flat_map(|t| quoted(t)).collect();
            names.extend(ranked(0.85, nearest(name, all, 3)));
        }
        Kind::Imported => {
            let of = unknown.within.as_deref().and_then(|m| imports::file_of(m, &site.file, scene));
            let all = product
                .symbols
                .iter()
                .filter(|(_, f, ..)| of.as_ref().is_none_or(|of| f == of))
                .map(|(n, ..)| n.as_str());
            names.extend(ranked(0.98, nearest(name, all, 2)));
        }
        Kind::Keyword => {
            let callee = unknown.within.as_deref().unwrap_or_default();
            let parameters: Vec<String> = product.files.values().flat_map(|t| parameters(t, callee)).collect();
            names.extend(ranked(0.98, nearest(name, parameters.iter().map(String::as_str), 2)));
        }
        Kind::Bare | Kind::Member | Kind::Module => {
            let symbols = product.symbols.iter().map(|(n, ..)| n.as_str());
            names.extend(ranked(0.97, nearest(name, symbols, 2)));
            let own = identifiers(&text).into_iter().filter(|n| n != name);
            names.extend(ranked(0.95, nearest(name, own, 3)));
            if unknown.kind == Kind::Member {
                let methods = match site.file.rsplit('.').next() {
                    Some("py") => super::library::PYTHON_METHODS,
                    Some("js" | "mjs" | "cjs" | "jsx" | "ts" | "tsx") => super::library::JAVASCRIPT_METHODS,
                    _ => "",
                };
                names.extend(ranked(0.96, nearest(name, methods.split(' '), 2)));
            }
            if unknown.kind == Kind::Bare && site.file.ends_with(".py") {
                names.extend(ranked(0.9, nearest(name, PYTHON_BUILTINS.split(' '), 1)));
            }
        }
    }
    // an imported name is used further down too; elsewhere only this line is known to be wrong
    let scope = (unknown.kind != Kind::Imported).then_some(site.line);
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|(_, new)| seen.insert(new.clone()));
    names
        .into_iter()
        .filter_map(|(rank, new)| {
            let changed = rename(&text, name, &new, scope)?;
            Some(Proposal::one(&site.file, changed, format!("{name} → {new}: {}:{}", site.file, site.line), rank))
        })
        .collect()
}

/// A test says `name`: something of the product was renamed or moved, and must have its name back.
fn wanted_by_test(unknown: &Unknown, site: &Site, scene: &Scene<'_>, product: &Product) -> Vec<Proposal> {
    let name = &unknown.name;
    let mut found = Vec::new();
    let mut near: Vec<(f64, String)> = unknown.meant.iter().map(|m| (0.9, m.clone())).collect();
    let candidates: Vec<String> = match unknown.kind {
        Kind::Keyword => {
            let callee = unknown.within.as_deref().unwrap_or_default();
            product.files.values().flat_map(|t| parameters(t, callee)).collect()
        }
        Kind::Key => product.files.values().flat_map(|t| quoted(t)).map(str::to_owned).collect(),
        _ => product.symbols.iter().map(|(n, ..)| n.clone()).collect(),
    };
    near.extend(
        nearest(name, candidates.iter().map(String::as_str), 3).into_iter().map(|(d, n)| (0.86 - 0.08 * d as f64, n)),
    );
    let test = scene.text(&site.file).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    for (rank, old) in near.into_iter().filter(|(_, n)| seen.insert(n.clone())) {
        // the tests use the near name too: it is right as it is
        if identifiers(&test).contains(old.as_str()) {
            continue;
        }
        let files = product.renamed_everywhere(&old, name);
        if !files.is_empty() && files.len() <= 20 {
            found.push(Proposal { files, idea: format!("{old} gets back the name that the tests use: {name}"), rank });
        }
    }
    if unknown.kind == Kind::Imported || unknown.kind == Kind::Member {
        found.extend(imports::moved(unknown, site, scene, product));
    }
    found
}

const PYTHON_BUILTINS: &str = "abs all any bool bytes callable chr dict dir divmod enumerate filter float format frozenset getattr hasattr hash hex id input int isinstance issubclass iter len list map max min next object open ord pow print property range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip True False None ValueError KeyError TypeError IndexError NotImplementedError RuntimeError";

/// Words in quotes.
fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for quote in ['\'', '"'] {
        for l in text.lines() {
            found.extend(l.split(quote).skip(1).step_by(2).filter(|w| (2..40).contains(&w.len())));
        }
    }
    found
}

/// Names of the parameters of `callee` where it is defined in `text` (of a class's constructor, when it is a class).
fn parameters(text: &str, callee: &str) -> Vec<String> {
    let mut found = Vec::new();
    for head in [format!("def {callee}("), format!("function {callee}("), format!("fn {callee}(")] {
        let Some(at) = text.find(&head) else { continue };
        let list = &text[at + head.len()..];
        let list = list.split("):").next().and_then(|l| l.split(") ->").next()).unwrap_or(list);
        let list = crate::failure::text::clip(list, 1000);
        found.extend(list.split(',').filter_map(|p| {
            let name: String =
                p.trim().trim_start_matches('*').chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            (!name.is_empty() && name != "self").then_some(name)
        }));
    }
    found
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
