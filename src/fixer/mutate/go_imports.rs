//! Imports of a Go file after an edit: Go takes neither an import that nobody uses nor a package that is not imported. Pure.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::{Node, Tree};

use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// Packages of the standard library whose names mean one of them only, with their paths.
const STANDARD: &[(&str, &str)] = &[
    ("bits", "math/bits"),
    ("bufio", "bufio"),
    ("bytes", "bytes"),
    ("cmp", "cmp"),
    ("context", "context"),
    ("errors", "errors"),
    ("filepath", "path/filepath"),
    ("fmt", "fmt"),
    ("heap", "container/heap"),
    ("io", "io"),
    ("json", "encoding/json"),
    ("maps", "maps"),
    ("math", "math"),
    ("os", "os"),
    ("reflect", "reflect"),
    ("regexp", "regexp"),
    ("slices", "slices"),
    ("sort", "sort"),
    ("strconv", "strconv"),
    ("strings", "strings"),
    ("sync", "sync"),
    ("time", "time"),
    ("unicode", "unicode"),
    ("utf8", "unicode/utf8"),
];

static QUALIFIED: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"\b([a-zA-Z_]\w*)\s*\.").unwrap()
});

/// One import as it is written.
struct Import {
    /// What the file calls the package.
    name: String,
    path: String,
    /// Its bytes, without the `import` of the declaration around it.
    spec: Range<usize>,
    declaration: Range<usize>,
    in_list: bool,
}

/// `new`, which an edit made of `old`, without the imports whose last use went, and with those of the standard library that
/// came into use; `None`: there are none of either.
pub fn settled(old: &str, new: &str) -> Option<String> {
    let (removed, added) = differing(old, new);
    let (removed, added) = (packages(removed), packages(added));
    // imports stand before all functions: most edits are known not to be about them without a look at the tree
    let head = &old[..old.find("\nfunc ").unwrap_or(old.len())];
    if !removed.union(&added).any(|name| head.contains(*name) || path_of(name).is_some()) {
        return None;
    }
    let tree = Language::Go.parse(new.as_bytes())?;
    let (used, imports) = (used(&tree, new), imports(&tree, new));
    let unused: Vec<&Import> =
        imports.iter().filter(|i| removed.contains(i.name.as_str()) && !used.contains(i.name.as_str())).collect();
    let is_new = |name: &str| used.contains(name) && !imports.iter().any(|i| i.name == name) && !is_own_name(old, name);
    let missing: Vec<&str> = added.iter().copied().filter(|name| is_new(name)).filter_map(path_of).collect();
    if unused.is_empty() && missing.is_empty() {
        return None;
    }
    let mut text = new.to_owned();
    for import in unused.iter().rev() {
        let is_only = imports.iter().filter(|other| other.declaration == import.declaration).count() == 1;
        text.replace_range(lines_of(&text, if is_only { &import.declaration } else { &import.spec }), "");
    }
    Some(with(&text, &missing))
}

/// `text` with imports of these paths where they are missing.
pub fn with(text: &str, paths: &[&str]) -> String {
    let mut text = text.to_owned();
    for path in paths {
        let Some(tree) = Language::Go.parse(text.as_bytes()) else { return text };
        let imports = imports(&tree, &text);
        if imports.iter().any(|import| import.path == *path) {
            continue;
        }
        match imports.first() {
            Some(first) if first.in_list => add_to_list(&mut text, &imports, path),
            Some(first) => {
                let both = BTreeSet::from([text[first.spec.clone()].to_owned(), format!("\"{path}\"")]);
                let lines: String = both.iter().map(|spec| format!("\t{spec}\n")).collect();
                text.replace_range(first.declaration.clone(), &format!("import (\n{lines})"));
            }
            None => {
                let Some(package) = package_clause(&tree) else { return text };
                text.insert_str(package.end, &format!("\n\nimport \"{path}\""));
            }
        }
    }
    text
}

/// Before the first one that sorts behind it, within the first group.
fn add_to_list(text: &mut String, imports: &[Import], path: &str) {
    let list = imports.iter().filter(|import| import.declaration == imports[0].declaration);
    let mut end = None;
    for import in list {
        if end.is_some_and(|end: usize| text[end..import.spec.start].matches('\n').count() > 1) {
            break;
        }
        if import.path.as_str() > path {
            text.insert_str(import.spec.start, &format!("\"{path}\"\n\t"));
            return;
        }
        end = Some(import.spec.end);
    }
    if let Some(end) = end {
        let end = text[end..].find('\n').map_or(text.len(), |at| end + at);
        text.insert_str(end, &format!("\n\t\"{path}\""));
    }
}

/// `new` with the imports that `old` has, and the paths that `new` imports beyond those.
pub fn apart(old: &str, new: &str) -> Option<(String, Vec<String>)> {
    let (before, after) = (Language::Go.parse(old.as_bytes())?, Language::Go.parse(new.as_bytes())?);
    let (of_old, of_new) = (section(&before, old)?, section(&after, new)?);
    if old[of_old.clone()] == new[of_new.clone()] {
        return Some((new.to_owned(), Vec::new()));
    }
    let known: BTreeSet<String> = imports(&before, old).into_iter().map(|import| import.path).collect();
    let further = imports(&after, new).into_iter().map(|import| import.path).filter(|path| !known.contains(path));
    let further = further.collect();
    let mut text = new.to_owned();
    text.replace_range(of_new, &old[of_old]);
    Some((text, further))
}

/// What lies between the package's name and the first thing behind the imports.
fn section(tree: &Tree, text: &str) -> Option<Range<usize>> {
    let start = package_clause(tree)?.end;
    let mut cursor = tree.root_node().walk();
    let children: Vec<Node<'_>> = tree.root_node().children(&mut cursor).filter(|n| n.is_named()).collect();
    let last = children.iter().rposition(|node| node.kind() == "import_declaration");
    let last = last.or_else(|| children.iter().position(|node| node.kind() == "package_clause"))?;
    Some(start..children.get(last + 1).map_or(text.len(), Node::start_byte))
}

fn package_clause(tree: &Tree) -> Option<Range<usize>> {
    let mut cursor = tree.root_node().walk();
    tree.root_node().children(&mut cursor).find(|node| node.kind() == "package_clause").map(|node| node.byte_range())
}

/// Where the texts differ, as far as words and selectors reach.
fn differing<'a>(old: &'a str, new: &'a str) -> (&'a str, &'a str) {
    let (a, b) = (old.as_bytes(), new.as_bytes());
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || !byte.is_ascii();
    let mut start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - start;
    let mut same = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    start -= a[..start].iter().rev().take_while(|byte| is_word(byte)).count();
    same -= a[a.len() - same..].iter().take_while(|byte| is_word(byte)).count();
    (old.get(start..old.len() - same).unwrap_or(old), new.get(start..new.len() - same).unwrap_or(new))
}

/// Names with a selector behind them: packages, and variables.
fn packages(text: &str) -> BTreeSet<&str> {
    QUALIFIED.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str())).collect()
}

fn path_of(name: &str) -> Option<&'static str> {
    STANDARD.iter().find(|(known, _)| *known == name).map(|(_, path)| *path)
}

/// The file has something else of that name: a variable, a parameter.
fn is_own_name(text: &str, name: &str) -> bool {
    let Some(tree) = Language::Go.parse(text.as_bytes()) else { return true };
    let mut found = false;
    each_node(tree.root_node(), &mut |node| {
        let is_operand = || node.parent().is_some_and(|parent| parent.kind() == "selector_expression");
        found |= node.kind() == "identifier" && &text[node.byte_range()] == name && !is_operand();
    });
    found
}

/// Names that a file uses as packages: before a selector, and of types.
fn used<'a>(tree: &Tree, text: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    each_node(tree.root_node(), &mut |node| {
        let name = match node.kind() {
            "selector_expression" => node.child_by_field_name("operand").filter(|n| n.kind() == "identifier"),
            "qualified_type" => node.child_by_field_name("package"),
            _ => None,
        };
        found.extend(name.map(|name| &text[name.byte_range()]));
    });
    found
}

/// The imports that have a name to be used by.
fn imports(tree: &Tree, text: &str) -> Vec<Import> {
    let mut found = Vec::new();
    let mut cursor = tree.root_node().walk();
    for declaration in tree.root_node().children(&mut cursor).filter(|node| node.kind() == "import_declaration") {
        each_node(declaration, &mut |node| {
            let Some(path) = node.child_by_field_name("path").filter(|_| node.kind() == "import_spec") else { return };
            let path = text[path.byte_range()].trim_matches(['"', '`']).to_owned();
            let alias = node.child_by_field_name("name").map(|name| &text[name.byte_range()]);
            let name = alias.unwrap_or_else(|| usual_name(&path)).to_owned();
            if matches!(name.as_str(), "_" | "." | "C") {
                return;
            }
            let in_list = node.parent().is_some_and(|parent| parent.kind() == "import_spec_list");
            let declaration = declaration.byte_range();
            found.push(Import { name, path, spec: node.byte_range(), declaration, in_list });
        });
    }
    found
}

/// `gopkg.in/yaml.v3` is `yaml`, `example.org/shop/v2` is `shop`.
fn usual_name(path: &str) -> &str {
    let is_version =
        |part: &str| part.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let last = path.rsplit('/').find(|part| !is_version(part)).unwrap_or(path);
    match last.rsplit_once('.') {
        Some((name, version)) if is_version(version) => name,
        _ => last,
    }
}

/// The whole lines that `range` is on, and a blank one behind a declaration.
fn lines_of(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
    let is_declaration = text[range.clone()].starts_with("import");
    start..if is_declaration && text[end..].starts_with('\n') { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "package a\n\nimport (\n\t\"fmt\"\n\t\"strings\"\n\n\t\"example.org/b/v2\"\n)\n\n// F does.\nfunc F(s string) string {\n\treturn strings.ToUpper(fmt.Sprint(s, b.C))\n}\n";

    #[test]
    fn an_import_goes_with_its_last_use() {
        let new = LIST.replace("strings.ToUpper(fmt.Sprint(s, b.C))", "fmt.Sprint(s, b.C)");
        let wanted = new.replace("\t\"strings\"\n", "");
        assert_eq!(settled(LIST, &new), Some(wanted));
        let new = LIST.replace(", b.C", "");
        assert_eq!(settled(LIST, &new), Some(new.replace("\t\"example.org/b/v2\"\n", "")));
        let twice = LIST.replace("return", "s = strings.Trim(s, \" \")\n\treturn");
        assert_eq!(settled(&twice, &twice.replace("strings.ToUpper(fmt.Sprint(s, b.C))", "fmt.Sprint(s, b.C)")), None);
        let single = "package a\n\nimport \"strings\"\n\nfunc F(s string) string { return strings.ToUpper(s) }\n";
        let wanted = "package a\n\nfunc F(s string) string { return s }\n";
        assert_eq!(settled(single, &single.replace("strings.ToUpper(s)", "s")).as_deref(), Some(wanted));
    }

    #[test]
    fn a_package_of_the_standard_library_that_comes_into_use_is_imported() {
        let new = LIST.replace("fmt.Sprint(s, b.C)", "fmt.Sprint(s, b.C, math.MaxInt)");
        assert_eq!(settled(LIST, &new), Some(new.replace("\t\"strings\"", "\t\"math\"\n\t\"strings\"")));
        let new = LIST.replace("fmt.Sprint(s, b.C)", "fmt.Sprint(s, b.C, utf8.RuneError)");
        assert_eq!(settled(LIST, &new), Some(new.replace("\t\"strings\"", "\t\"strings\"\n\t\"unicode/utf8\"")));
        let none = "package a\n\nfunc F(n int) string { return \"\" }\n";
        let new = none.replace("\"\" }", "strconv.Itoa(n) }");
        let wanted = "package a\n\nimport \"strconv\"\n\nfunc F(n int) string { return strconv.Itoa(n) }\n";
        assert_eq!(settled(none, &new).as_deref(), Some(wanted));
        let one = none.replace("func", "import \"fmt\"\n\nvar _ = fmt.Sprint\n\nfunc");
        let new = one.replace("\"\" }", "strconv.Itoa(n) }");
        let wanted = new.replace("import \"fmt\"", "import (\n\t\"fmt\"\n\t\"strconv\"\n)");
        assert_eq!(settled(&one, &new), Some(wanted));
    }

    #[test]
    fn names_of_the_file_and_unknown_packages_are_left_alone() {
        let own = "package a\n\nfunc F(sort T) int { return 1 }\n";
        assert_eq!(settled(own, &own.replace('1', "sort.N")), None);
        assert_eq!(settled(own, &own.replace('1', "rand.N")), None);
        assert_eq!(settled(own, &own.replace('1', "2")), None);
        assert_eq!(settled(own, "package a\n\nfunc {{{ sort.N"), None);
    }

    #[test]
    fn imports_are_told_apart_from_the_rest_of_an_edit() {
        let new = LIST.replace("strings.ToUpper(fmt.Sprint(s, b.C))", "fmt.Sprint(s, math.Pi)");
        let whole = settled(LIST, &new).unwrap();
        assert!(whole.contains("import (\n\t\"fmt\"\n\t\"math\"\n\n)") && !whole.contains("strings"), "{whole}");
        assert_eq!(apart(LIST, &whole), Some((new, vec!["math".to_owned()])));
        assert_eq!(apart(LIST, LIST), Some((LIST.to_owned(), Vec::new())));
        let none = "package a\n\n// F does.\nfunc F() int { return 1 }\n";
        let new = none.replace('1', "math.MaxInt");
        assert_eq!(apart(none, &settled(none, &new).unwrap()), Some((new, vec!["math".to_owned()])));
        assert_eq!(with(none, &["math"]), none.replace("\n\n//", "\n\nimport \"math\"\n\n//"));
    }
}
