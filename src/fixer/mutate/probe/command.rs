//! From a test command line to how a warm Python runner is started: interpreter, mode, arguments, folder, variables.

use crate::suite::shell::{self, Step};
use crate::suite::{CommandLine, Runner};

/// Which framework runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// pytest
    Pytest,
    /// `python -m unittest`
    Unittest,
}

/// How the suite's own command starts Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonStart {
    /// The interpreter as written (`python`, `.venv/bin/python`), or the path of a `pytest` script whose first line names it.
    pub program: String,
    /// `program` is a script, not an interpreter.
    pub script: bool,
    /// The framework.
    pub mode: Mode,
    /// Arguments after `pytest` or `unittest`.
    pub args: Vec<String>,
    /// Folder below the suite's folder, from `cd` in front of the command.
    pub cd: String,
    /// Variables set in front of the command.
    pub env: Vec<(String, String)>,
}

/// Reads the command line; `None` when it can't be told. What comes before the last runner in a chain is not
/// understood and not needed: a warm runner is believed only when it gives the results of the red run.
pub fn python_start(command: &CommandLine, runner: Runner) -> Option<PythonStart> {
    let mode = match runner {
        Runner::Pytest => Mode::Pytest,
        Runner::Unittest => Mode::Unittest,
        _ => return None,
    };
    let steps = match command {
        CommandLine::Argv(argv) => vec![Step { env: Vec::new(), argv: argv.clone() }],
        CommandLine::Shell(line) => shell::read(line).steps,
    };
    let mut start = PythonStart {
        program: "python".into(),
        script: false,
        mode,
        args: Vec::new(),
        cd: String::new(),
        env: Vec::new(),
    };
    let mut found = false;
    for Step { env, argv } in &steps {
        match argv.first().map(String::as_str) {
            Some("cd") if argv.len() == 2 => start.cd = join(&start.cd, &argv[1]),
            Some("export") => start.env.extend(argv[1..].iter().filter_map(|w| assignment(w))),
            _ => found |= take(env, argv, &mut start),
        }
    }
    // a Makefile or a script in between: the framework's own defaults are tried
    let plain = found || !steps.iter().flat_map(|s| &s.argv).any(|w| w.contains("pytest") || w.contains("unittest"));
    plain.then_some(start)
}

/// Reads one simple command; true when it starts the framework.
fn take(env: &[(String, String)], argv: &[String], start: &mut PythonStart) -> bool {
    let mut rest = argv;
    let mut env = env.to_vec();
    loop {
        match rest {
            [first, tail @ ..] if assignment(first).is_some() => {
                env.extend(assignment(first));
                rest = tail;
            }
            [first, tail @ ..] if matches!(first.as_str(), "env" | "exec" | "time" | "command") => rest = tail,
            [first, second, tail @ ..]
                if matches!(first.as_str(), "uv" | "poetry" | "pdm" | "hatch" | "pipenv") && second == "run" =>
            {
                rest = tail;
            }
            _ => break,
        }
    }
    let [program, tail @ ..] = rest else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    if matches!(name, "pytest" | "py.test") && start.mode == Mode::Pytest {
        (start.program, start.script, start.args) = (program.clone(), true, tail.to_vec());
    } else if name.starts_with("python") || name.starts_with("pypy") {
        let Some(at) = tail.iter().position(|w| w == "-m") else { return false };
        let wanted: &[&str] = if start.mode == Mode::Pytest { &["pytest", "py.test"] } else { &["unittest"] };
        if !tail.get(at + 1).is_some_and(|module| wanted.contains(&module.as_str())) {
            return false;
        }
        (start.program, start.script, start.args) = (program.clone(), false, tail[at + 2..].to_vec());
    } else {
        return false;
    }
    start.env.extend(env);
    true
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let good = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    good.then(|| (name.to_owned(), value.to_owned()))
}

fn join(folder: &str, more: &str) -> String {
    if folder.is_empty() { more.to_owned() } else { format!("{folder}/{more}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<PythonStart> {
        python_start(&CommandLine::Shell(line.into()), Runner::Pytest)
    }

    #[test]
    fn the_usual_ways_to_start_pytest_are_understood() {
        let start = of("cd src && python3.11 -m pytest -q 'a b.py'").unwrap();
        assert_eq!((start.program.as_str(), start.script, start.cd.as_str()), ("python3.11", false, "src"));
        assert_eq!(start.args, ["-q", "a b.py"]);
        let start = of("A=1 PYTHONPATH=src env B=\"x y\" .venv/bin/pytest tests").unwrap();
        assert_eq!((start.program.as_str(), start.script), (".venv/bin/pytest", true));
        assert_eq!(start.env.len(), 3);
        assert_eq!(start.env[2], ("B".into(), "x y".into()));
        assert_eq!(of("pip install -e . && uv run pytest -x").unwrap().args, ["-x"]);
    }

    #[test]
    fn a_makefile_in_between_means_defaults_and_an_unreadable_pytest_line_means_none() {
        let start = of("make test").unwrap();
        assert_eq!((start.program.as_str(), start.args.len()), ("python", 0));
        assert_eq!(of("docker run image pytest"), None);
        assert_eq!(python_start(&CommandLine::Shell("go test ./...".into()), Runner::Go), None);
    }

    #[test]
    fn unittest_needs_its_module() {
        let command = CommandLine::Argv(
            ["python", "-W", "error", "-m", "unittest", "discover", "-s", "t"].map(String::from).to_vec(),
        );
        let start = python_start(&command, Runner::Unittest).unwrap();
        assert_eq!((start.mode, start.args.len()), (Mode::Unittest, 3));
    }
}
