//! Rules about product code that reaches for the test framework, or bends what everything else stands on.

use tree_sitter::Node;

use super::Finding;
use super::calls::{Literal, call_of, children, literal_of};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::language::Language;

const PYTHON_FRAMEWORKS: [&str; 14] = [
    "pytest",
    "_pytest",
    "unittest",
    "mock",
    "nose",
    "nose2",
    "hypothesis",
    "pluggy",
    "doctest",
    "testtools",
    "ward",
    "xdist",
    "pytest_mock",
    "responses",
];
const SCRIPT_FRAMEWORKS: [&str; 20] = [
    "jest",
    "vitest",
    "mocha",
    "chai",
    "sinon",
    "ava",
    "tap",
    "tape",
    "jasmine",
    "expect",
    "node:test",
    "test",
    "uvu",
    "supertest",
    "nock",
    "jest-mock",
    "expect.js",
    "should",
    "proxyquire",
    "rewire",
];
const RUST_FRAMEWORKS: [&str; 10] =
    ["proptest", "quickcheck", "rstest", "mockall", "test", "insta", "assert_cmd", "trycmd", "wiremock", "test_log"];
const JAVA_FRAMEWORKS: [&str; 7] =
    ["org.junit", "org.mockito", "org.testng", "org.assertj", "org.hamcrest", "org.opentest4j", "junit.framework"];

/// The module that an import node brings in, as written; more than one for `import a, b`.
pub(super) fn imported(view: &View<'_>, node: Node<'_>) -> Vec<String> {
    let text = |node: Node<'_>| view.text(node).to_owned();
    match (view.language, node.kind()) {
        (Language::Python, "import_statement") => {
            children(node).into_iter().map(|n| text(n.child_by_field_name("name").unwrap_or(n))).collect()
        }
        (Language::Python, "import_from_statement") => {
            node.child_by_field_name("module_name").map(text).into_iter().collect()
        }
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "import_statement" | "export_statement") => {
            // a type is gone when the program runs
            let type_only = view.text(node).starts_with("import type ");
            let source = node.child_by_field_name("source").filter(|_| !type_only);
            source.and_then(|s| literal_of(view, s)).and_then(as_text).into_iter().collect()
        }
        (_, "call" | "call_expression") => {
            let Some(call) = call_of(view, node) else { return Vec::new() };
            let loads =
                ["require", "import", "require.resolve", "__import__", "importlib.import_module", "import_module"];
            if !loads.contains(&call.callee.as_str()) {
                return Vec::new();
            }
            let first = call.arguments.map(children).unwrap_or_default().first().copied();
            first.and_then(|a| literal_of(view, a)).and_then(as_text).into_iter().collect()
        }
        (Language::Rust, "use_declaration" | "extern_crate_declaration") => {
            let argument = node.child_by_field_name("argument").or_else(|| node.child_by_field_name("name"));
            argument.map(text).into_iter().collect()
        }
        (Language::Go, "import_spec") => {
            node.child_by_field_name("path").and_then(|p| literal_of(view, p)).and_then(as_text).into_iter().collect()
        }
        // a class that is named in full needs no import
        (Language::Java, "scoped_type_identifier" | "field_access") => vec![text(node)],
        (Language::Java, "import_declaration") => children(node).first().map(|n| text(*n)).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn as_text(literal: Literal) -> Option<String> {
    match literal {
        Literal::Text(text) => Some(text),
        _ => None,
    }
}

fn is_framework(language: Language, module: &str) -> bool {
    match language {
        Language::Python => PYTHON_FRAMEWORKS.contains(&module.split('.').next().unwrap_or(module)),
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            SCRIPT_FRAMEWORKS.contains(&module.split('/').next().unwrap_or(module))
                || ["@jest/", "@vitest/", "@testing-library/", "@sinonjs/", "vitest/", "@playwright/test"]
                    .iter()
                    .any(|p| module.starts_with(p))
        }
        Language::Rust => RUST_FRAMEWORKS.contains(&module.split("::").next().unwrap_or(module)),
        Language::Go => module == "testing" || module.starts_with("testing/") || module.contains("testify"),
        Language::Java => JAVA_FRAMEWORKS.iter().any(|p| module.starts_with(p)),
    }
}

/// Product code that imports a test framework.
pub(super) fn framework(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            for module in imported(view, node).into_iter().filter(|m| is_framework(view.language, m)) {
                let what = format!("product code imports the test framework `{module}`");
                facts.push(Fact { key: module, line: line_of(node), what });
            }
        }
        facts
    })
}

const PYTHON_BENT: [&str; 18] = [
    "builtins",
    "__builtins__",
    "math",
    "json",
    "random",
    "time",
    "datetime",
    "os",
    "os.path",
    "sys",
    "operator",
    "functools",
    "copy",
    "re",
    "itertools",
    "collections",
    "decimal",
    "importlib",
];
/// Attributes of those modules that programs set for good reasons.
const PYTHON_SETTABLE: [&str; 8] = [
    "sys.stdout",
    "sys.stderr",
    "sys.stdin",
    "sys.dont_write_bytecode",
    "sys.tracebacklimit",
    "sys.ps1",
    "os.environ",
    "sys.argv",
];
const SCRIPT_BENT: [&str; 16] = [
    "Object", "Array", "String", "Number", "Math", "JSON", "Date", "Promise", "Function", "Map", "Set", "assert",
    "Symbol", "Error", "Reflect", "Boolean",
];
/// Names that a test runner puts into the global scope.
const SCRIPT_GLOBALS: [&str; 13] = [
    "expect",
    "it",
    "test",
    "describe",
    "beforeEach",
    "afterEach",
    "beforeAll",
    "afterAll",
    "before",
    "after",
    "jest",
    "vi",
    "assert",
];

/// Builtins, standard modules or the test framework's globals that are replaced.
pub(super) fn bent_builtins(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            let target = match node.kind() {
                "assignment" | "assignment_expression" | "augmented_assignment" => node.child_by_field_name("left"),
                "delete_statement" => children(node).first().copied(),
                _ => None,
            };
            let mut bent = target.and_then(|t| bent_target(view, t));
            if let Some(call) = call_of(view, node) {
                bent = bent.or_else(|| bent_by_call(view, call.callee.as_str(), call.arguments));
            }
            bent = bent.or_else(|| redefined(view, node));
            if let Some(name) = bent {
                let what = format!("replaces `{name}`, which everything stands on");
                facts.push(Fact { key: name, line: line_of(node), what });
            }
        }
        facts
    })
}

fn bent_target(view: &View<'_>, target: Node<'_>) -> Option<String> {
    let text: String = view.text(target).split_whitespace().collect();
    match view.language {
        Language::Python => {
            if text.starts_with("__builtins__") || text.starts_with("sys.modules") || text.starts_with("globals()['__")
            {
                return Some(text);
            }
            let (module, _) = text.rsplit_once('.')?;
            let bent = PYTHON_BENT.contains(&module) && !PYTHON_SETTABLE.contains(&text.as_str())
                || PYTHON_FRAMEWORKS.contains(&module.split('.').next().unwrap_or(module));
            bent.then_some(text)
        }
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            let plain = plain_target(&text);
            let parts: Vec<&str> = plain.split(['.', '[']).collect();
            let global = matches!(parts[0], "globalThis" | "global" | "window" | "self");
            let name = if global { parts.get(1).copied().unwrap_or("") } else { parts[0] };
            let name = name.trim_end_matches(']').trim_matches(['"', '\'']);
            let on_builtin = parts.len() > 1 + usize::from(global) && SCRIPT_BENT.contains(&name);
            (on_builtin || global && (SCRIPT_GLOBALS.contains(&name) || SCRIPT_BENT.contains(&name))).then_some(text)
        }
        _ => None,
    }
}

/// `globalThis` of `(globalThis as any)`, `assert` of `require("node:assert")`.
fn plain_target(text: &str) -> String {
    let inner = text.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    if let Some((inner, rest)) = inner {
        let base = inner.strip_suffix("asany").or_else(|| inner.strip_suffix("asunknown")).unwrap_or(inner);
        return format!("{base}{rest}");
    }
    let loaded = text.strip_prefix("require(").and_then(|rest| rest.split_once(')'));
    let Some((module, rest)) = loaded else { return text.to_owned() };
    let module = module.trim_matches(['"', '\'', '`']).trim_start_matches("node:");
    format!("{}{rest}", module.split('/').next().unwrap_or(module))
}

fn bent_by_call(view: &View<'_>, callee: &str, arguments: Option<Node<'_>>) -> Option<String> {
    let arguments = arguments.map(children).unwrap_or_default();
    let first = view.text(*arguments.first()?);
    match (view.language, callee) {
        (Language::Python, "setattr" | "delattr") => {
            let module = PYTHON_BENT.contains(&first) || PYTHON_FRAMEWORKS.contains(&first);
            module.then(|| format!("{first}.…"))
        }
        (
            Language::JavaScript | Language::TypeScript | Language::Tsx,
            "Object.defineProperty"
            | "Object.assign"
            | "Reflect.set"
            | "Reflect.defineProperty"
            | "Object.setPrototypeOf",
        ) => {
            let base = first.split('.').next().unwrap_or(first);
            let global = matches!(base, "globalThis" | "global");
            (SCRIPT_BENT.contains(&base) || global).then(|| first.to_owned())
        }
        _ => None,
    }
}

/// A macro or function that takes the place of an assertion: `macro_rules! assert_eq`.
fn redefined(view: &View<'_>, node: Node<'_>) -> Option<String> {
    let name = view.text(node.child_by_field_name("name")?);
    let assertion = matches!(
        name,
        "assert" | "assert_eq" | "assert_ne" | "debug_assert" | "debug_assert_eq" | "panic" | "matches" | "unreachable"
    );
    let by_macro = node.kind() == "macro_definition" && assertion;
    let by_class = view.language == Language::Python && node.kind() == "class_definition" && name == "AssertionError";
    (by_macro || by_class).then(|| name.to_owned())
}
