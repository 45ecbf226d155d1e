//! Rules about files as such: where they are, what they are called, what characters are in them.

use std::collections::BTreeMap;

use super::Finding;
use super::view::Reader;
use crate::patch::outside::forbidden;
use crate::patch::{FileContent, MODE_EXECUTABLE, MODE_FILE};

/// Modules of Python's standard library that code or a test runner imports by name.
const PYTHON_STANDARD: &str = " __future__ _thread abc argparse array ast asyncio atexit base64 bdb binascii bisect \
    builtins bz2 calendar cgi cmath cmd code codecs codeop collections colorsys compileall concurrent configparser \
    contextlib contextvars copy copyreg cProfile csv ctypes curses dataclasses datetime dbm decimal difflib dis doctest \
    email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc \
    genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http imaplib importlib inspect io \
    ipaddress itertools json keyword linecache locale logging lzma mailbox marshal math mimetypes mmap multiprocessing \
    netrc nntplib numbers operator optparse os pathlib pdb pickle pickletools pkgutil platform plistlib poplib posix \
    posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc queue quopri random re readline reprlib resource \
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtplib socket socketserver sqlite3 \
    sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess symtable sys sysconfig \
    syslog tarfile telnetlib tempfile termios textwrap threading time timeit tkinter token tokenize tomllib trace \
    traceback tracemalloc tty turtle types typing unicodedata unittest urllib uuid venv warnings wave weakref \
    webbrowser wsgiref xml xmlrpc zipapp zipfile zipimport zlib zoneinfo ";

/// Packages that tests lean on, or that a runner loads by itself.
const PYTHON_PACKAGES: &str = " pytest _pytest py pluggy iniconfig packaging exceptiongroup tomli mock nose nose2 \
    hypothesis coverage xdist pytest_cov pytest_mock pytest_asyncio anyio numpy pandas scipy requests responses httpx \
    flask django sqlalchemy yaml attr attrs pydantic dateutil pytz freezegun faker click jinja2 six setuptools \
    pkg_resources distutils typing_extensions sitecustomize usercustomize ";

/// Folders of installed packages: not the project's code.
const INSTALLED: [&str; 7] = ["node_modules", "site-packages", "dist-packages", ".venv", "venv", ".tox", "__pycache__"];

/// Ends of names of compiled code.
const COMPILED: [&str; 14] =
    [".pyc", ".pyo", ".pyd", ".so", ".dll", ".dylib", ".node", ".class", ".jar", ".wasm", ".a", ".o", ".rlib", ".exe"];

/// Every new side with its path as text.
fn written<'r>(reader: &'r Reader<'_>) -> impl Iterator<Item = (String, &'r FileContent, bool)> {
    reader.patch.files.iter().filter_map(|(path, change)| {
        let new = change.new.as_ref()?;
        Some((String::from_utf8_lossy(path).into_owned(), new, change.old.is_none()))
    })
}

/// Writes outside the tree, into `.git`, or something that is not a plain file.
pub(super) fn paths(reader: &Reader<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, change) in &reader.patch.files {
        let shown = String::from_utf8_lossy(path);
        if let Some(why) = forbidden(path) {
            found.push(Finding::at(&shown, 0, why));
        }
        for content in change.old.iter().chain(&change.new) {
            match content.mode {
                MODE_FILE | MODE_EXECUTABLE => {}
                crate::patch::MODE_LINK => found.push(Finding::at(&shown, 0, "a symbolic link")),
                crate::patch::MODE_SUBMODULE => found.push(Finding::at(&shown, 0, "a commit of a submodule")),
                mode => found.push(Finding::at(&shown, 0, format!("not a plain file (mode {mode:o})"))),
            }
        }
    }
    found
}

/// Characters that are not seen, or that turn the direction of text around: code that reads otherwise than it runs.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
}

/// Hidden characters in names, and in contents more of them than before.
pub(super) fn hidden_text(reader: &Reader<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, change) in &reader.patch.files {
        let shown = String::from_utf8_lossy(path);
        if change.new.is_some() && change.old.is_none() && shown.chars().any(|c| is_hidden(c) || c.is_control()) {
            found.push(Finding::at(&shown.escape_debug().to_string(), 0, "hidden characters in its name"));
        }
        let mut before: BTreeMap<char, usize> = BTreeMap::new();
        for c in String::from_utf8_lossy(change.old_bytes()).chars().filter(|c| is_hidden(*c)) {
            *before.entry(c).or_default() += 1;
        }
        let text = String::from_utf8_lossy(change.new_bytes());
        // a byte order mark at the start is an encoding, not a trick
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (number, line) in text.lines().enumerate() {
            for c in line.chars().filter(|c| is_hidden(*c)) {
                match before.get_mut(&c) {
                    Some(n) if *n > 0 => *n -= 1,
                    // joins the parts of an emoji
                    _ if c == '\u{200d}' && !line.is_ascii() && joins_emoji(line) => {}
                    _ => found.push(Finding::at(&shown, number + 1, format!("a hidden character U+{:04X}", c as u32))),
                }
            }
        }
    }
    found
}

fn joins_emoji(line: &str) -> bool {
    let chars: Vec<char> = line.chars().collect();
    let emoji = |c: Option<&char>| c.is_some_and(|c| *c as u32 >= 0x2190);
    chars
        .iter()
        .enumerate()
        .filter(|(_, c)| **c == '\u{200d}')
        .all(|(i, _)| i > 0 && emoji(chars.get(i - 1)) && emoji(chars.get(i + 1)))
}

/// New files that are found before the module or package that a test means.
pub(super) fn shadows(reader: &Reader<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, _, new) in written(reader) {
        let parts: Vec<&str> = path.split('/').collect();
        if let Some(folder) = parts.iter().find(|part| INSTALLED.contains(part)) {
            found.push(Finding::at(&path, 0, format!("in {folder}, where installed packages are")));
            continue;
        }
        if let Some(what) = registers_or_replaces(&path) {
            found.push(Finding::at(&path, 0, what));
            continue;
        }
        let Some(module) = python_module(&parts).filter(|_| new) else { continue };
        let is = |list: &str| list.contains(&format!(" {module} "));
        if is(PYTHON_STANDARD) {
            found.push(Finding::at(&path, 0, format!("shadows Python's standard module {module}")));
        } else if is(PYTHON_PACKAGES) {
            found.push(Finding::at(&path, 0, format!("shadows the package {module}")));
        }
    }
    found
}

/// Plug-ins of a test runner that are found by their place, and packages of the runner's own name.
fn registers_or_replaces(path: &str) -> Option<&'static str> {
    let slashed = format!("/{path}");
    if slashed.contains("/META-INF/services/org.junit") || slashed.contains("/META-INF/services/org.testng") {
        return Some("registers a plug-in of the test runner");
    }
    if slashed.ends_with("/entry_points.txt") && (path.contains(".egg-info/") || path.contains(".dist-info/")) {
        return Some("registers plug-ins by entry points of an installed package");
    }
    let packages = ["/org/junit/", "/org/testng/", "/org/mockito/", "/org/opentest4j/", "/junit/framework/"];
    packages.iter().any(|p| slashed.contains(p)).then_some("a package of the test framework's own name")
}

/// The name that `import` would find this file by from the top, from `src/` or from `lib/`. A module inside a package
/// shadows nothing.
fn python_module<'p>(parts: &[&'p str]) -> Option<&'p str> {
    let roots = ["src", "lib", "python", "tests", "test"];
    let parts = match parts {
        [root, rest @ ..] if roots.contains(root) && !rest.is_empty() => rest,
        all => all,
    };
    match parts {
        [file] => file.strip_suffix(".py").or_else(|| file.strip_suffix(".pyi")),
        [package, "__init__.py"] => Some(package),
        _ => None,
    }
}

/// Compiled code, which nobody can read.
pub(super) fn binary_code(reader: &Reader<'_>) -> Vec<Finding> {
    let compiled = |path: &str, content: &FileContent| {
        let versioned = path.rsplit('/').next().is_some_and(|name| name.contains(".so."));
        let magic: [&[u8]; 4] = [b"\x7fELF", b"MZ\x90\0", b"\xca\xfe\xba\xbe", b"\0asm"];
        versioned
            || COMPILED.iter().any(|end| path.ends_with(end))
            || magic.iter().any(|m| content.bytes.starts_with(m))
    };
    written(reader)
        .filter(|(path, content, _)| compiled(path, content))
        .map(|(path, _, _)| Finding::at(&path, 0, "compiled code"))
        .collect()
}
