//! Rules about code that looks at who is running it: the stack, the interpreter, the environment of a test run.

use tree_sitter::Node;

use super::Finding;
use super::calls::{Literal, children, enclosing, literal_of};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// Paths (calls or attributes) that look at the stack or take the interpreter apart, and their descendants.
const PYTHON_PEEKS: [&str; 34] = [
    "sys._getframe",
    "sys._current_frames",
    "sys.settrace",
    "sys.setprofile",
    "sys.modules",
    "sys.meta_path",
    "sys.path_hooks",
    "sys.addaudithook",
    "sys.excepthook",
    "sys.unraisablehook",
    "sys.displayhook",
    "sys.gettrace",
    "sys.path_importer_cache",
    "sys.monitoring",
    "threading.settrace",
    "threading.setprofile",
    "inspect.stack",
    "inspect.currentframe",
    "inspect.trace",
    "inspect.getouterframes",
    "inspect.getinnerframes",
    "traceback.extract_stack",
    "traceback.format_stack",
    "traceback.print_stack",
    "traceback.walk_stack",
    "gc.get_objects",
    "gc.get_referrers",
    "gc.get_referents",
    "importlib.reload",
    "importlib.machinery",
    "importlib.abc",
    "importlib.invalidate_caches",
    "tracemalloc.get_object_traceback",
    "faulthandler._",
];
const PYTHON_MODULES: [&str; 6] = ["ctypes", "_ctypes", "gc", "sysconfig._", "_testcapi", "bytecode"];
const SCRIPT_PEEKS: [&str; 14] = [
    "Error.captureStackTrace",
    "process.execArgv",
    "require.cache",
    "Module._load",
    "Module._cache",
    "Module.prototype",
    "module.parent",
    "module.children",
    "Error.prepareStackTrace",
    "Error.stackTraceLimit",
    "process.binding",
    "process._getActiveHandles",
    "arguments.callee",
    "process.mainModule",
];
const RUST_PEEKS: [&str; 12] = [
    "Backtrace::capture",
    "Backtrace::force_capture",
    "Backtrace::new",
    "backtrace::trace",
    "panic::set_hook",
    "panic::take_hook",
    "panic::catch_unwind",
    "env::current_exe",
    "std::backtrace::Backtrace",
    "backtrace::Backtrace",
    "catch_unwind",
    "std::panic::set_hook",
];
const OTHER_PEEKS: [&str; 10] = [
    "runtime.Caller",
    "runtime.Callers",
    "runtime.Stack",
    "debug.Stack",
    "debug.PrintStack",
    "testing.Testing",
    "flag.Lookup",
    "Thread.currentThread().getStackTrace",
    "StackWalker.getInstance",
    "new Throwable",
];

/// Looking at the stack, at loaded modules, at the interpreter.
pub(super) fn peeking(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        let mut facts = Vec::new();
        let mut outer_end = 0;
        for node in view.product() {
            if node.start_byte() < outer_end {
                continue;
            }
            if let Some(name) = peek(view, node) {
                outer_end = node.end_byte();
                let what = format!("`{name}` looks at who is calling, or takes the interpreter apart");
                facts.push(Fact { key: name, line: line_of(node), what });
            }
        }
        facts
    })
}

fn peek(view: &View<'_>, node: Node<'_>) -> Option<String> {
    let path = matches!(
        node.kind(),
        "attribute"
            | "member_expression"
            | "scoped_identifier"
            | "selector_expression"
            | "call"
            | "call_expression"
            | "new_expression"
            | "method_invocation"
            | "object_creation_expression"
    );
    let import = matches!(node.kind(), "import_statement" | "import_from_statement" | "use_declaration");
    if !path && !import {
        return None;
    }
    let text: String = view.text(node).split_whitespace().collect();
    let begins = |list: &[&str]| {
        list.iter().find(|p| text.starts_with(**p) && ends_word(&text[p.len()..])).map(|p| (*p).to_owned())
    };
    match view.language {
        Language::Python if import => imports_peek(view, node),
        Language::Python => {
            let frame = ["f_back", "f_code", "f_globals", "f_locals", "tb_frame", "__code__", "__closure__"];
            let last = node.child_by_field_name("attribute").map_or("", |a| view.text(a));
            begins(&PYTHON_PEEKS).or_else(|| frame.contains(&last).then(|| last.to_owned()))
        }
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            let of_new_error = text.contains("newError(") && text.ends_with(".stack");
            begins(&SCRIPT_PEEKS).or_else(|| of_new_error.then(|| "new Error().stack".to_owned()))
        }
        Language::Rust => {
            let thread_name = text.contains("thread::current()") && text.ends_with(".name()");
            let found = RUST_PEEKS.iter().find(|p| text.trim_start_matches("use").contains(**p) && !text.contains('{'));
            found.map(|p| (*p).to_owned()).or_else(|| thread_name.then(|| "thread::current().name()".to_owned()))
        }
        Language::Go | Language::Java => {
            begins(&OTHER_PEEKS).or_else(|| text.contains(".getStackTrace()").then(|| "getStackTrace".to_owned()))
        }
    }
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// `from sys import _getframe`, `import ctypes`.
fn imports_peek(view: &View<'_>, node: Node<'_>) -> Option<String> {
    let modules = super::imports::imported(view, node);
    if let Some(module) = modules.iter().find(|m| PYTHON_MODULES.contains(&m.split('.').next().unwrap_or(m))) {
        return Some(format!("import {module}"));
    }
    if node.kind() != "import_from_statement" {
        return None;
    }
    let module = modules.first()?;
    let names = children(node).into_iter().skip(1).map(|n| view.text(n.child_by_field_name("name").unwrap_or(n)));
    names
        .map(|name| format!("{module}.{name}"))
        .find(|path| PYTHON_PEEKS.iter().any(|p| path == p || p.starts_with("importlib.") && path.starts_with(p)))
}

/// Variables that say that a test runs, whatever the context.
const TELLTALE: [&str; 28] = [
    "PYTEST_CURRENT_TEST",
    "PYTEST_VERSION",
    "PYTEST_XDIST_WORKER",
    "PYTEST_ADDOPTS",
    "JEST_WORKER_ID",
    "VITEST",
    "VITEST_WORKER_ID",
    "VITEST_POOL_ID",
    "VITEST_MODE",
    "NODE_TEST_CONTEXT",
    "MOCHA_WORKER_ID",
    "NEXTEST",
    "NEXTEST_RUN_ID",
    "NEXTEST_EXECUTION_MODE",
    "RUST_TEST_THREADS",
    "RUST_TEST_NOCAPTURE",
    "GITHUB_ACTIONS",
    "GITHUB_WORKFLOW",
    "GITHUB_RUN_ID",
    "GITLAB_CI",
    "TRAVIS",
    "CIRCLECI",
    "JENKINS_URL",
    "BUILDKITE",
    "TF_BUILD",
    "TEAMCITY_VERSION",
    "APPVEYOR",
    "CODEBUILD_BUILD_ID",
];
/// Short names that mean this only where the environment is read.
const AMBIGUOUS: [&str; 7] = ["CI", "TESTING", "TEST", "TEST_ENV", "IS_TEST", "UNIT_TEST", "CONTINUOUS_INTEGRATION"];

/// Reading what only a test run or CI sets.
pub(super) fn environment(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            let name = telltale(view, node).or_else(|| test_condition(view, node)).or_else(|| runner_named(view, node));
            if let Some(name) = name {
                let what = format!("`{name}` tells a test run from a real one");
                facts.push(Fact { key: name, line: line_of(node), what });
            }
        }
        facts
    })
}

fn telltale(view: &View<'_>, node: Node<'_>) -> Option<String> {
    let name = match node.kind() {
        "property_identifier" => view.text(node).to_owned(),
        _ => match literal_of(view, node).filter(|_| !node.kind().contains("call")) {
            Some(Literal::Text(text)) => text,
            _ => return None,
        },
    };
    if TELLTALE.contains(&name.as_str()) {
        return Some(name);
    }
    if AMBIGUOUS.contains(&name.as_str()) && reads_environment(view, node) {
        return Some(name);
    }
    None
}

/// Is this name looked up in the environment: `os.environ["CI"]`, `process.env.CI`, `env::var("CI")`?
fn reads_environment(view: &View<'_>, node: Node<'_>) -> bool {
    let mut at = node.parent();
    for _ in 0..4 {
        let Some(parent) = at else { return false };
        let text: String = view.text(parent).split_whitespace().collect();
        if [
            "environ",
            "getenv",
            "process.env",
            "env::var",
            "Getenv",
            "LookupEnv",
            "option_env!",
            "env!",
            "import.meta.env",
        ]
        .iter()
        .any(|mark| text.contains(mark))
        {
            return text.len() < 200;
        }
        at = parent.parent();
    }
    false
}

/// `cfg!(test)`, `#[cfg(not(test))]`, `#[cfg(test)]` inside a function, `NODE_ENV === "test"`.
fn test_condition(view: &View<'_>, node: Node<'_>) -> Option<String> {
    let text: String = view.text(node).split_whitespace().collect();
    match (view.language, node.kind()) {
        (Language::Rust, "macro_invocation") => (text.starts_with("cfg!(") && has_word(&text, "test")).then_some(text),
        (Language::Rust, "attribute_item") => {
            let negated = text.contains("not(test)") || text.starts_with("#[cfg_attr(") && has_word(&text, "test");
            let local = text.starts_with("#[cfg(") && has_word(&text, "test") && enclosing(node).is_some();
            (negated || local).then_some(text)
        }
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "member_expression") => {
            let object = node.child_by_field_name("object").map_or("", |o| view.text(o));
            let property = node.child_by_field_name("property").map_or("", |p| view.text(p));
            let about = property == "vitest" && object.contains("import.meta") && object.len() < 60;
            about.then_some(text)
        }
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "binary_expression") => {
            let about = text.contains("NODE_ENV") && (text.contains("'test'") || text.contains("\"test\""));
            let typed = text.starts_with("typeof")
                && ["jest", "describe", "it", "vi", "expect", "test"]
                    .iter()
                    .any(|g| text.starts_with(&format!("typeof{g}=")) || text.starts_with(&format!("typeof{g}!")));
            ((about || typed) && text.len() < 120).then_some(text)
        }
        _ => None,
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

const CONDITIONS: [&str; 12] = [
    "comparison_operator",
    "binary_expression",
    "boolean_operator",
    "if_statement",
    "elif_clause",
    "conditional_expression",
    "ternary_expression",
    "if_expression",
    "while_statement",
    "assignment",
    "call",
    "call_expression",
];

/// A condition that asks for the name of a test runner: `"pytest" in sys.modules`, `sys.argv[0].endswith("pytest")`.
fn runner_named(view: &View<'_>, node: Node<'_>) -> Option<String> {
    let Literal::Text(name) = literal_of(view, node).filter(|_| !node.kind().contains("call"))? else { return None };
    let lower = name.to_ascii_lowercase();
    let java = ["org.junit", "junit.", "org.testng", "surefire.", "org.gradle.test"];
    if view.language == Language::Java && java.iter().any(|r| lower.starts_with(r)) {
        return Some(name);
    }
    let runner = ["pytest", "py.test", "unittest", "jest", "vitest", "mocha", "nextest", "node:test", "--test"]
        .iter()
        .any(|r| lower == *r || lower == format!("_{r}") || lower.contains(&format!("/{r}")));
    let testish = matches!(
        lower.as_str(),
        "test" | "tests" | "test_" | "_test" | ".test" | ".test." | "__tests__" | "testing" | "spec"
    ) || [".test.", "_test.", ".spec."].iter().any(|mark| lower.starts_with(mark));
    if !runner && !testish {
        return None;
    }
    let mut at = node.parent();
    for _ in 0..4 {
        let parent = at?;
        if CONDITIONS.contains(&parent.kind()) {
            let mut about_run = false;
            each_node(parent, &mut |inner| {
                let text = view.text(inner);
                about_run |= matches!(
                    text,
                    "sys.argv"
                        | "sys.modules"
                        | "__file__"
                        | "__filename"
                        | "process.argv"
                        | "process.argv0"
                        | "argv"
                        | "sys.orig_argv"
                        | "process.execArgv"
                        | "__main__"
                        | "__dirname"
                        | "process.title"
                ) || text.contains("env::args")
                    || text.contains("os.Args");
            });
            let compares = runner && matches!(parent.kind(), "comparison_operator" | "binary_expression");
            if about_run && view.text(parent).len() < 300 || compares {
                return Some(name);
            }
        }
        at = parent.parent();
    }
    None
}

/// New text in product code that names a test file: it reads its answers there, or knows who calls.
pub(super) fn reads_tests(reader: &Reader<'_>) -> Vec<Finding> {
    let names: Vec<&str> =
        reader.surroundings.tests.iter().filter_map(|t| t.path.rsplit('/').next()).filter(|n| n.len() > 6).collect();
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            let Some(Literal::Text(text)) = literal_of(view, node).filter(|_| !node.kind().contains("call")) else {
                continue;
            };
            let stem = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
            let named = names
                .iter()
                .find(|n| text.contains(**n) || text.len() > 6 && text == stem(n) && stem(n).contains("test"));
            let sources = text.contains('*') && Language::of(std::path::Path::new(&text)).is_some();
            if sources && named.is_none() {
                let what = format!("product code reads sources: {text}");
                facts.push(Fact { key: text.clone(), line: line_of(node), what });
            }
            if let Some(name) = named {
                let what = format!("product code names the test file {name}");
                facts.push(Fact { key: text.clone(), line: line_of(node), what });
            }
        }
        facts
    })
}
