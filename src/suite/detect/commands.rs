//! Which runner a command line ends up in.

use std::path::{Path, PathBuf};

use crate::suite::{Runner, shell};
use crate::system;

/// Scripts that start scripts are followed this far.
const DEPTH: usize = 8;

/// Script files larger than this are not looked through.
const SCRIPT_CAP_BYTES: u64 = 256 * 1024;

/// Which runner a command line ends up in, looking through `npm test`, `make test`, `python -m`, `npx`, `uv run`,
/// `poetry run`, `env A=B`, wrappers and `&&` chains (the last runner in a chain counts).
pub fn runner_of(command: &str, dir: &Path) -> Runner {
    line(command, dir, DEPTH).unwrap_or(Runner::Command)
}

fn line(command: &str, dir: &Path, depth: usize) -> Option<Runner> {
    let depth = depth.checked_sub(1)?;
    let mut dir = dir.to_path_buf();
    let mut last = None;
    for step in shell::read(command).steps {
        match step.argv.as_slice() {
            [cd, to] if cd == "cd" => dir.push(to),
            argv => last = words(argv, &dir, depth).or(last),
        }
    }
    last
}

/// Programs that only run another one, and how many words of their own they have besides options.
const WRAPPERS: [(&str, usize); 24] = [
    ("time", 0),
    ("nice", 0),
    ("timeout", 1),
    ("xvfb-run", 0),
    ("cross-env", 0),
    ("env", 0),
    ("exec", 0),
    ("command", 0),
    ("npx", 0),
    ("bunx", 0),
    ("c8", 0),
    ("nyc", 0),
    ("sudo", 0),
    ("dotenv", 0),
    ("unbuffer", 0),
    ("stdbuf", 0),
    ("ionice", 0),
    ("setsid", 0),
    ("nohup", 0),
    ("caffeinate", 0),
    ("chronic", 0),
    ("retry", 0),
    ("dbus-run-session", 0),
    ("cross-env-shell", 0),
];

/// Programs that run another one behind a word such as `run`.
const RUNNERS_OF: [(&str, &[&str]); 13] = [
    ("uv", &["run"]),
    ("poetry", &["run"]),
    ("pipenv", &["run"]),
    ("pdm", &["run"]),
    ("rye", &["run"]),
    ("hatch", &["run"]),
    ("pixi", &["run"]),
    ("conda", &["run"]),
    ("bundle", &["exec"]),
    ("pnpm", &["exec", "dlx"]),
    ("yarn", &["exec", "dlx"]),
    ("npm", &["exec"]),
    ("mise", &["exec", "x"]),
];

fn words(argv: &[String], dir: &Path, depth: usize) -> Option<Runner> {
    let depth = depth.checked_sub(1)?;
    let program = argv.first()?.rsplit('/').next()?;
    let rest = &argv[1..];
    if let Some((_, own)) = WRAPPERS.iter().find(|(name, _)| *name == program) {
        return words(behind(rest, *own), dir, depth);
    }
    let verbs = RUNNERS_OF.iter().find(|(name, _)| *name == program).map_or(&[][..], |(_, verbs)| verbs);
    if let Some(at) = rest.iter().position(|w| verbs.contains(&w.as_str())) {
        return words(behind(&rest[at + 1..], 0), dir, depth);
    }
    if program.starts_with("python") || program == "py" {
        return python(rest);
    }
    let verb = rest.iter().find(|w| !w.starts_with(['-', '+'])).map(String::as_str);
    match (program, verb) {
        ("pytest" | "py.test", _) => Some(Runner::Pytest),
        ("coverage", Some("run")) => python(&rest[1..]),
        ("cargo", Some("test" | "t")) => Some(Runner::CargoTest),
        ("cargo", Some("nextest")) | ("cargo-nextest", _) => Some(Runner::Nextest),
        ("go", Some("test")) => Some(Runner::Go),
        ("jest", _) | ("react-scripts", Some("test")) => Some(Runner::Jest),
        ("vitest", _) => Some(Runner::Vitest),
        ("mocha" | "_mocha", _) => Some(Runner::Mocha),
        ("node" | "nodejs", _) => node(rest),
        ("tsx", _) if rest.iter().any(|w| w == "--test") => Some(Runner::NodeTest),
        ("npm" | "yarn" | "pnpm" | "bun", _) => script(rest, program, dir, depth),
        ("mvn" | "mvnw", _) => goal(rest, &["test", "verify", "package", "install"]).then_some(Runner::Maven),
        ("gradle" | "gradlew", _) => goal(rest, &["test", "check", "build"]).then_some(Runner::Gradle),
        ("rspec", _) => Some(Runner::Rspec),
        ("prove" | "tape", _) => Some(Runner::Tap),
        ("make" | "gmake", _) => make(rest, dir, depth),
        ("sh" | "bash" | "dash" | "zsh", _) => shell_script(rest, dir, depth),
        _ if argv[0].contains('/') => file(&dir.join(&argv[0]), dir, depth),
        _ => None,
    }
}

/// The words after options, assignments and `own` further words.
fn behind(words: &[String], own: usize) -> &[String] {
    let mut at = 0;
    let mut left = own;
    while let Some(word) = words.get(at) {
        // an option with a value of its own (`--extra dev`) is not told apart: a known name ends the search
        let assignment = word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
        if word.starts_with('-') || assignment {
            at += 1;
        } else if left > 0 {
            left -= 1;
            at += 1;
        } else {
            let skips = matches!(
                words.get(at.wrapping_sub(1)).map(String::as_str),
                Some(
                    "--extra"
                        | "--group"
                        | "--with"
                        | "-n"
                        | "-p"
                        | "-f"
                        | "-u"
                        | "--project"
                        | "--directory"
                        | "--env-file"
                )
            );
            if !skips {
                break;
            }
            at += 1;
        }
    }
    &words[at..]
}

/// `python [-m] X`.
fn python(words: &[String]) -> Option<Runner> {
    let module = words.iter().position(|w| w == "-m").and_then(|at| Some((at, words.get(at + 1)?)));
    match module {
        Some((_, m)) if m == "pytest" || m == "py.test" => Some(Runner::Pytest),
        Some((_, m)) if m == "unittest" => Some(Runner::Unittest),
        Some((at, m)) if m == "coverage" => {
            let rest = words.get(at + 3..)?;
            if rest.first().is_some_and(|w| w == "-m") || rest.iter().any(|w| w == "-m") { python(rest) } else { None }
        }
        _ => None,
    }
}

/// `node --test`, or a runner's own file: `node node_modules/jest/bin/jest.js`.
fn node(words: &[String]) -> Option<Runner> {
    if words.iter().any(|w| w == "--test") {
        return Some(Runner::NodeTest);
    }
    let file = words.iter().find(|w| !w.starts_with('-'))?;
    let names = [("jest", Runner::Jest), ("vitest", Runner::Vitest), ("mocha", Runner::Mocha)];
    let stem = Path::new(file).file_stem()?.to_str()?;
    names
        .iter()
        .find(|(n, _)| stem == *n || file.contains(&format!("/{n}/bin/")) || stem == format!("_{n}"))
        .map(|(_, r)| *r)
}

/// `npm test`, `npm run X`, `yarn X`.
fn script(words: &[String], program: &str, dir: &Path, depth: usize) -> Option<Runner> {
    let mut dir = dir.to_path_buf();
    let mut names = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--prefix" | "-C" | "--cwd" | "--dir" => dir.push(words.next()?),
            "--" => break,
            w if w.starts_with('-') => {}
            w => names.push(w.to_owned()),
        }
    }
    let name = match names.first().map(String::as_str)? {
        "run" | "run-script" | "rum" | "urn" => names.get(1)?.as_str(),
        "t" | "tst" => "test",
        "test" if program == "bun" => return None,
        other => other,
    };
    if program != "npm" && script_of(&dir, name).is_none() {
        // yarn and pnpm run programs of node_modules/.bin by name
        return words_of_program(&names, &dir, depth);
    }
    line(&script_of(&dir, name)?, &dir, depth)
}

fn words_of_program(names: &[String], dir: &Path, depth: usize) -> Option<Runner> {
    let known = ["jest", "vitest", "mocha", "tape"];
    known.contains(&names.first()?.as_str()).then(|| words(names, dir, depth)).flatten()
}

/// A script of package.json.
pub(in crate::suite) fn script_of(dir: &Path, name: &str) -> Option<String> {
    let package: serde_json::Value = serde_json::from_str(&small(&dir.join("package.json"))?).ok()?;
    Some(package.get("scripts")?.get(name)?.as_str()?.to_owned())
}

fn goal(words: &[String], goals: &[&str]) -> bool {
    words.iter().any(|w| !w.starts_with('-') && goals.iter().any(|g| w == g || w.ends_with(&format!(":{g}"))))
}

/// `make X`: the lines of the target's recipe.
fn make(words: &[String], dir: &Path, depth: usize) -> Option<Runner> {
    let mut dir = dir.to_path_buf();
    let mut target = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-C" | "--directory" => dir.push(words.next()?),
            "-f" | "-j" | "-I" => {
                words.next();
            }
            w if w.starts_with('-') || w.contains('=') => {}
            w => target = Some(w.to_owned()),
        }
    }
    let (recipe, needs) = recipe(&dir, target.as_deref())?;
    let own = recipe.iter().rev().find_map(|l| line(l, &dir, depth));
    own.or_else(|| needs.iter().rev().find_map(|n| make(std::slice::from_ref(n), &dir, depth.checked_sub(1)?)))
}

/// The recipe lines of a target (the first one when none is named) and what it depends on.
pub(super) fn recipe(dir: &Path, target: Option<&str>) -> Option<(Vec<String>, Vec<String>)> {
    let text = ["GNUmakefile", "makefile", "Makefile"].iter().find_map(|n| small(&dir.join(n)))?;
    let joined = text.replace("\\\n", " ");
    let mut found: Option<(Vec<String>, Vec<String>)> = None;
    let mut inside = false;
    for text in joined.lines() {
        if let Some(command) = text.strip_prefix('\t') {
            if let Some((lines, _)) = found.as_mut().filter(|_| inside) {
                let command = command.trim_start_matches(['@', '-', '+', ' ']);
                let python = command.replace("$(PYTHON)", "python").replace("$(MAKE)", "make");
                lines.push(python.replace("$(CARGO)", "cargo").replace("$(GO)", "go").replace("${PYTHON}", "python"));
            }
            continue;
        }
        let rule = text.split_once(':').filter(|(names, rest)| {
            !names.starts_with(['#', '.', ' ']) && !names.contains('=') && !rest.starts_with('=')
        });
        let Some((names, needs)) = rule else {
            inside = inside && (text.trim().is_empty() || text.starts_with('#'));
            continue;
        };
        let wanted =
            target.is_none_or(|t| names.split_whitespace().any(|n| n == t)) && (target.is_some() || found.is_none());
        inside = wanted;
        if wanted {
            let needs = needs.split('#').next().unwrap_or_default().trim_start_matches(':');
            let (lines, all) = found.get_or_insert_default();
            let _ = lines;
            all.extend(needs.split_whitespace().map(str::to_owned));
        }
    }
    found
}

/// `sh -c "…"`, `bash script.sh`.
fn shell_script(words: &[String], dir: &Path, depth: usize) -> Option<Runner> {
    if let Some(at) = words.iter().position(|w| w.starts_with('-') && w.ends_with('c') && !w.starts_with("--")) {
        return line(words.get(at + 1)?, dir, depth);
    }
    let script = words.iter().find(|w| !w.starts_with('-'))?;
    file(&dir.join(script), dir, depth)
}

/// A shell script of the repository.
fn file(path: &Path, dir: &Path, depth: usize) -> Option<Runner> {
    let text = small(path)?;
    let shebang = text.lines().next().unwrap_or_default();
    let is_shell = path.extension().is_some_and(|e| e == "sh" || e == "bash")
        || (shebang.starts_with("#!") && shebang.ends_with("sh"));
    if is_shell { line(&text, dir, depth) } else { None }
}

/// A small text file of the tree; links that lead elsewhere are not followed.
pub(super) fn small(path: &Path) -> Option<String> {
    let data = std::fs::metadata(path).ok()?;
    if !data.is_file() || data.len() > SCRIPT_CAP_BYTES {
        return None;
    }
    std::fs::read(path).ok().map(|b| String::from_utf8_lossy(&b).into_owned())
}

/// Whether a program is on PATH.
pub fn is_on_path(program: &str) -> bool {
    on_path(program).is_some()
}

/// Where a program is on PATH.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    system::find_program(program, &std::env::var_os("PATH")?)
}
