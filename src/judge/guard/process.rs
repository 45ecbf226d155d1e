//! Rules about ending the process and about running before or after the tests.

use tree_sitter::Node;

use super::Finding;
use super::calls::{Call, Literal, call_of, children, function_name, literal_of};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::language::Language;

/// Calls that end the process without anything of the runner's having a say: never right in code that tests import.
const HARD_EXITS: [&str; 15] = [
    "syscall.Exit",
    "syscall.Kill",
    "unix.Exit",
    "os._exit",
    "_exit",
    "os.abort",
    "os.kill",
    "os.killpg",
    "process.reallyExit",
    "process.abort",
    "process.kill",
    "libc::_exit",
    "libc::exit",
    "std::process::abort",
    "process::abort",
];

/// Calls that end the process with a code.
const EXITS: [&str; 11] = [
    "sys.exit",
    "exit",
    "quit",
    "SystemExit",
    "process.exit",
    "std::process::exit",
    "process::exit",
    "os.Exit",
    "System.exit",
    "Runtime.getRuntime().halt",
    "Runtime.getRuntime().exit",
];

/// Calls that leave something to run when the process ends.
const AT_EXIT: [&str; 8] = [
    "atexit.register",
    "atexit._run_exitfuncs",
    "weakref.finalize",
    "Runtime.getRuntime().addShutdownHook",
    "libc::atexit",
    "threading._register_atexit",
    "signal.alarm",
    "signal.setitimer",
];

/// Ending the process: hard exits anywhere, exits that claim success outside of a command line program's own places.
pub(super) fn exits(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            if let Some(call) = call_of(view, node)
                && ends_process(view, &call)
            {
                facts.push(fact(view, node, &call.callee, "ends the process"));
            }
            if sets_exit_code(view, node) {
                facts.push(fact(view, node, "process.exitCode", "sets the exit code to success"));
            }
            if let Some(name) = raises_exit(view, node) {
                facts.push(fact(view, node, name, "ends the process"));
            }
        }
        facts
    })
}

fn fact(view: &View<'_>, node: Node<'_>, key: &str, what: &str) -> Fact {
    let text = view.text(node).lines().next().unwrap_or("").trim();
    Fact { key: key.to_owned(), line: line_of(node), what: format!("`{text}` {what}") }
}

fn ends_process(view: &View<'_>, call: &Call<'_>) -> bool {
    let callee = call.callee.as_str();
    if HARD_EXITS.contains(&callee) {
        return true;
    }
    let local_exit = matches!(callee, "exit" | "quit");
    let foreign = local_exit && !matches!(view.language, Language::Python | Language::Rust);
    if !EXITS.contains(&callee) || foreign {
        return false;
    }
    !exit_is_honest(view, call.node, call.arguments.map(children).unwrap_or_default().first().copied())
}

/// `raise SystemExit` without a call.
fn raises_exit(view: &View<'_>, node: Node<'_>) -> Option<&'static str> {
    if node.kind() != "raise_statement" {
        return None;
    }
    let what = children(node).first().copied()?;
    let bare = matches!(view.text(what), "SystemExit" | "KeyboardInterrupt" | "GeneratorExit");
    (bare && !exit_is_honest(view, node, None)).then_some("SystemExit")
}

/// An exit with a code that is not success makes tests red, so nobody cheats with it; any other is for programs.
fn exit_is_honest(view: &View<'_>, node: Node<'_>, code: Option<Node<'_>>) -> bool {
    let failing = code.and_then(|code| literal_of(view, code)).is_some_and(|code| match code {
        Literal::Number(n) => n != "0",
        Literal::Text(text) => !text.is_empty(),
        Literal::Bool(yes) => yes,
        Literal::Nothing => false,
    });
    let formatted = code.is_some_and(|code| code.kind() == "string" && literal_of(view, code).is_none());
    failing || formatted || in_program(view, node)
}

/// Is this a place where a command line program ends: its main function, its own file, the `__main__` block?
pub(super) fn in_program(view: &View<'_>, node: Node<'_>) -> bool {
    let file = view.path.rsplit('/').next().unwrap_or(view.path);
    let stem = file.split('.').next().unwrap_or(file);
    let program_folder = view.path.split('/').any(|part| matches!(part, "bin" | "cmd" | "cli" | "scripts" | "tools"));
    let program_file = matches!(stem, "__main__" | "main" | "cli" | "cmd" | "manage") || stem.ends_with("_cli");
    let mut at = Some(node);
    let mut inside_function = false;
    while let Some(current) = at {
        if crate::syntax::functions::is_function(current) {
            inside_function = true;
            let name = function_name(view, current).to_ascii_lowercase();
            if matches!(name.as_str(), "main" | "_main" | "cli" | "run_cli" | "entry_point" | "entrypoint")
                || name.starts_with("main_")
                || name.ends_with("_main")
                || name.starts_with("cmd_")
                || name.ends_with("_command")
            {
                return true;
            }
        }
        if current.kind() == "if_statement"
            && let Some(condition) = current.child_by_field_name("condition")
        {
            let text = view.text(condition);
            if text.contains("__name__") && text.contains("__main__") || text.contains("require.main") {
                return true;
            }
        }
        at = current.parent();
    }
    // at the top of a module that tests import, an exit ends the tests: only a script may do that
    (program_file || program_folder) && (inside_function || view.source.starts_with(b"#!"))
}

fn sets_exit_code(view: &View<'_>, node: Node<'_>) -> bool {
    node.kind() == "assignment_expression"
        && node.child_by_field_name("left").is_some_and(|l| view.text(l) == "process.exitCode")
        && node.child_by_field_name("right").is_some_and(|r| matches!(view.text(r), "0" | "undefined" | "null"))
}

/// Something that runs when the process ends, or before `main`: after the tests, or before the runner.
pub(super) fn hooks(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            if let Some(call) = call_of(view, node) {
                let first = call.arguments.map(children).unwrap_or_default().first().copied();
                let event = first.and_then(|a| literal_of(view, a));
                let listens = matches!(call.callee.as_str(), "process.on" | "process.once" | "process.addListener")
                    && matches!(&event, Some(Literal::Text(t)) if matches!(t.as_str(), "exit" | "beforeExit" | "uncaughtException"));
                if AT_EXIT.contains(&call.callee.as_str()) || listens {
                    facts.push(fact(view, node, &call.callee, "runs when the process ends"));
                }
            }
            let decorator = node.kind() == "decorator" && view.text(node).trim_start_matches('@').starts_with("atexit.");
            if decorator {
                facts.push(fact(view, node, "atexit.register", "runs when the process ends"));
            }
            if node.kind() == "attribute_item" {
                let text = view.text(node);
                if ["ctor", "dtor", "link_section", "no_mangle", "export_name", "global_allocator"].iter().any(|a| text.contains(a)) {
                    facts.push(fact(view, node, text, "runs before or after the tests"));
                }
            }
        }
        facts
    })
}

/// Code that is made at run time from text, which a guard can't read.
pub(super) fn dynamic_code(reader: &Reader<'_>) -> Vec<Finding> {
    const CALLS: [&str; 14] = [
        "eval",
        "exec",
        "compile",
        "builtins.eval",
        "builtins.exec",
        "new Function",
        "Function",
        "marshal.loads",
        "types.CodeType",
        "types.FunctionType",
        "vm.runInThisContext",
        "vm.runInNewContext",
        "new vm.Script",
        "code.interact",
    ];
    reader.added(|view| {
        let scripts =
            matches!(view.language, Language::Python | Language::JavaScript | Language::TypeScript | Language::Tsx);
        if !scripts {
            return Vec::new();
        }
        let calls = view.product().into_iter().filter_map(|node| call_of(view, node));
        let mut facts: Vec<Fact> = calls
            .filter(|call| CALLS.contains(&call.callee.as_str()) || obfuscated(view, call))
            .map(|call| fact(view, call.node, &call.callee, "runs code that is made at run time"))
            .collect();
        // `exec = eval`, `f = os._exit`: a name for something that may not be called
        let aliases =
            view.product().into_iter().filter(|n| matches!(n.kind(), "attribute" | "member_expression" | "identifier"));
        for node in aliases {
            let text: String = view.text(node).split_whitespace().collect();
            let called = node.parent().is_some_and(|p| p.child_by_field_name("function") == Some(node));
            let whole = node.parent().is_none_or(|p| !matches!(p.kind(), "attribute" | "member_expression"));
            if whole && !called && HARD_EXITS.contains(&text.as_str()) && text.contains('.') {
                facts.push(fact(view, node, &text, "names a way to end the process"));
            }
        }
        facts
    })
}

/// `getattr(os, "_ex" + "it")`, `getattr(os, name)` on modules that can do anything; `from os import _exit`.
fn obfuscated(view: &View<'_>, call: &Call<'_>) -> bool {
    if matches!(call.callee.as_str(), "importlib.import_module" | "import_module" | "require" | "import") {
        return call.arguments.and_then(|a| children(a).first().copied()).is_some_and(|name| is_torn(view, name));
    }
    if !matches!(call.callee.as_str(), "getattr" | "__import__" | "Reflect.get") {
        return false;
    }
    let arguments = call.arguments.map(children).unwrap_or_default();
    let Some(first) = arguments.first() else { return false };
    if call.callee == "__import__" {
        return true;
    }
    let powerful = ["os", "sys", "builtins", "__builtins__", "signal", "posix", "gc", "process", "globalThis"];
    if !powerful.contains(&view.text(*first)) {
        return false;
    }
    match arguments.get(1).and_then(|n| literal_of(view, *n)) {
        Some(Literal::Text(name)) => {
            name.starts_with('_') || matches!(name.as_str(), "abort" | "kill" | "modules" | "settrace" | "exit")
        }
        _ => true,
    }
}

/// A name that was torn into pieces, so that nobody finds it: `"_py" + "test"`.
fn is_torn(view: &View<'_>, name: Node<'_>) -> bool {
    let sum = matches!(name.kind(), "binary_operator" | "binary_expression");
    sum && children(name).into_iter().all(|part| literal_of(view, part).is_some() || is_torn(view, part))
}

/// Names imported from `os` and the like under another name: `from os import _exit as done`.
pub(super) fn exit_imports(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        view.product()
            .into_iter()
            .filter(|node| node.kind() == "import_from_statement")
            .filter(|node| {
                let text: String = view.text(*node).split_whitespace().collect::<Vec<_>>().join(" ");
                let hard = text.contains(" _exit") || text.contains(" abort") || text.contains(" kill");
                (text.starts_with("from os import") || text.starts_with("from posix import")) && hard
                    || text.starts_with("from atexit import")
            })
            .map(|node| fact(view, node, "import-exit", "brings in a way to end the process"))
            .collect()
    })
}
