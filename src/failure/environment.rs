//! The environment: messages that mean the suite can't run on this machine, and what to do about each.
//!
//! A false alarm ends a heal before it began, so every rule is narrow: it names what only a machine can lack, and a text
//! with a failed assertion in it is never the environment's fault.

use std::sync::LazyLock;

use regex::Regex;

use crate::failure::project::Project;
use crate::failure::text::{pattern, plain};
use crate::suite::{CommandLine, Runner, Suite};
use crate::words::End;

/// What is missing, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What is missing.
    pub what: String,
    /// What to do.
    pub hint: String,
    /// It is something that is reached through a network.
    pub remote: bool,
}

impl Lack {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), remote: false }
    }

    /// The same where the tests were given no network: that is what to do something about.
    pub fn offline(self) -> Self {
        if !self.remote {
            return self;
        }
        let what = format!("{} (the tests are run without a network here)", self.what);
        let hint = format!("where they may have one: `network: true` in {} of the base branch", crate::config::FILE);
        Self { what, hint, ..self }
    }
}

/// Pattern, what is missing, what to do; `$1` is the first group.
type Row = (&'static str, &'static str, &'static str);

/// What no change to the project's code can bring about or mend.
const MACHINE: &[Row] = &[
    (
        r"System limit for number of file watchers reached",
        "file watchers (inotify)",
        "sudo sysctl fs.inotify.max_user_watches=524288",
    ),
    (
        r"No space left on device|\bENOSPC\b|StorageFull",
        "disk space",
        "free some disk space (df -h), or set TMPDIR to a larger disk",
    ),
    (r"Disk quota exceeded|\bEDQUOT\b", "disk quota", "free some disk space (quota -s)"),
    (r"Read-only file system|\bEROFS\b", "a writable file system", "run on a file system that can be written"),
    (
        r"Out of memory: Killed process|terminated with signal 9 \[Killed\]|\(signal: 9, SIGKILL: kill\)|Cannot allocate memory|\bENOMEM\b",
        "memory",
        "give the machine more memory, or run fewer jobs at once",
    ),
    (
        r"(?:cannot|unable to) fork: Resource temporarily unavailable",
        "processes",
        "raise the limit of processes (ulimit -u)",
    ),
];

/// The network, and what tests reach through it: theirs may be switched off.
const REMOTE: &[Row] = &[
    (r"Could not resolve host:? ([\w.-]+)", "network: $1 can't be resolved", "check the network, or allow it to $1"),
    (
        r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)",
        "network: $1 can't be resolved",
        "check the network, or allow it to $1",
    ),
    (
        r"dial tcp: lookup ([\w.-]+).*(?:no such host|server misbehaving|i/o timeout)",
        "network: $1 can't be resolved",
        "check the network, or allow it to $1",
    ),
    (
        r"Temporary failure in name resolution|Name or service not known|UnknownHostException|nodename nor servname",
        "network: no name resolution",
        "check the network",
    ),
    (r"Network is unreachable|\bENETUNREACH\b|No route to host|\bEHOSTUNREACH\b", "network", "check the network"),
    (
        r"spurious network error|failed to download from `?https?://|failed to query replaced source registry|Unable to update registry",
        "network: cargo can't reach its registry",
        "check the network, or vendor the crates (cargo vendor)",
    ),
    (
        r"attempting to make an HTTP request, but --offline was specified|no matching package named `([^`]+)` found[\s\S]*offline",
        "crates that are not downloaded",
        "cargo fetch",
    ),
    (
        r"npm (?:ERR!|error) (?:network|code (?:ENOTFOUND|EAI_AGAIN|ETIMEDOUT))",
        "network: npm can't reach its registry",
        "check the network, or set a registry (npm config set registry …)",
    ),
    (
        r"Could not transfer artifact (\S+)",
        "network: Maven can't download $1",
        "check the network, then: mvn dependency:go-offline",
    ),
    (
        r"Temporary failure resolving|Failed to establish a new connection: \[Errno -[23]\]|ProxyError|Tunnel connection failed",
        "network",
        "check the network and the proxy settings",
    ),
    // services
    (
        r"Cannot connect to the Docker daemon|docker\.sock: connect: (?:no such file|permission denied)",
        "the Docker daemon",
        "start Docker, and let this user use it",
    ),
    (
        r"(?:ECONNREFUSED|[Cc]onnection (?:to server )?.*refused|connect: connection refused)\D.*\b5432\b|\b5432\b.*(?:ECONNREFUSED|[Cc]onnection refused)",
        "a running PostgreSQL on port 5432",
        "start it: docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=postgres postgres",
    ),
    (
        r"Can't connect to (?:local )?MySQL server|(?:ECONNREFUSED|refused).*\b3306\b|\b3306\b.*(?:ECONNREFUSED|refused)",
        "a running MySQL on port 3306",
        "start it: docker run -d -p 3306:3306 -e MYSQL_ALLOW_EMPTY_PASSWORD=1 mysql",
    ),
    (
        r"Error 111 connecting to [\w.]+:6379|(?:ECONNREFUSED|refused).*\b6379\b|\b6379\b.*(?:ECONNREFUSED|refused)",
        "a running Redis on port 6379",
        "start it: docker run -d -p 6379:6379 redis",
    ),
    (
        r"(?:ECONNREFUSED|refused|ServerSelectionTimeoutError).*\b27017\b|\b27017\b.*(?:ECONNREFUSED|refused)",
        "a running MongoDB on port 27017",
        "start it: docker run -d -p 27017:27017 mongo",
    ),
    (
        r"(?:ECONNREFUSED|refused).*\b(5672|9092|9200|11211)\b|\b(5672|9092|9200|11211)\b.*(?:ECONNREFUSED|refused)",
        "a service that the tests talk to",
        "start the services of the tests (docker compose up -d)",
    ),
];

/// Tools and libraries.
const TOOLS: &[Row] = &[
    (
        r"\bEADDRINUSE\b|Address already in use|bind: address already in use",
        "a free port: it is in use",
        "find who holds it: ss -ltnp",
    ),
    // toolchains
    (r"toolchain '([^']+)' is not installed", "the Rust toolchain $1", "rustup toolchain install $1"),
    (
        r"requires rustc ([\d.]+)|rustc [\d.]+ is not supported by the following packages?",
        "a newer Rust",
        "rustup update",
    ),
    (r"the `([\w-]+)` target may not be (?:installed|supported)", "the Rust target $1", "rustup target add $1"),
    (
        r"feature `edition20\d\d` is required|lock file version `?\d`? (?:was found, but|requires)",
        "a newer cargo",
        "rustup update",
    ),
    (r"linker `([^`]+)` not found", "the linker $1", "install a C toolchain: sudo apt-get install build-essential"),
    (
        r"go: (?:errors parsing )?go\.mod.*requires go >= ([\d.]+)|note: module requires Go ([\d.]+)",
        "a newer Go",
        "install the Go that go.mod asks for",
    ),
    (
        r"UnsupportedClassVersionError|Unsupported class file major version (\d+)|(?:invalid target release|release version): ?(\d+)|error: release version \d+ not supported",
        "a newer Java",
        "install the JDK that the build asks for, and set JAVA_HOME",
    ),
    (
        r"No compiler is provided in this environment|JAVA_HOME (?:is not set|environment variable is not defined)",
        "a JDK",
        "install a JDK and set JAVA_HOME",
    ),
    (
        r#"The engine "node" is incompatible|npm (?:ERR!|error) code EBADENGINE|Unsupported engine"#,
        "another version of node",
        "install the node that package.json asks for (nvm install)",
    ),
    (
        r"requires a different Python: |Package '?[\w.-]+'? requires a different Python",
        "another version of Python",
        "install the Python that the project asks for",
    ),
    (
        r"No interpreter found for|pyenv: version `([^`']+)' is not installed",
        "the Python interpreter",
        "pyenv install, or uv python install",
    ),
    // libraries and programs of the system
    (
        r"error while loading shared libraries: ([\w.+-]+)",
        "the shared library $1",
        "install the package that has $1 (apt-file search $1)",
    ),
    (
        r"(?:ImportError|OSError): (lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
        "the shared library $1",
        "install the package that has $1 (apt-file search $1)",
    ),
    (
        r"ld: cannot find -l([\w+-]+)|unable to find library -l([\w+-]+)",
        "the library $1 for linking",
        "install its development package (lib$1-dev)",
    ),
    (
        r"The system library `([^`]+)` required by crate",
        "the system library $1",
        "install its development package (lib$1-dev)",
    ),
    (
        r"Could not find directory of OpenSSL installation",
        "the OpenSSL headers",
        "sudo apt-get install libssl-dev pkg-config",
    ),
    (
        r"[Ii]s `?(cmake|protoc|clang|perl|nasm|make|pkg-config)`? (?:not )?installed\?|Could not find `(protoc)`",
        "the program $1",
        "sudo apt-get install $1",
    ),
    (
        r"Executable doesn't exist at .*(?:chromium|firefox|webkit)|npx playwright install",
        "the browsers of Playwright",
        "npx playwright install --with-deps",
    ),
    (r"Could not find (?:Chrome|Chromium|expected browser)", "a browser", "npx puppeteer browsers install chrome"),
    (
        r"Could not find gem '([^']+)'|Could not find ([\w-]+-[\d.]+) in (?:any of the sources|locally installed gems)|Run `bundle install` to install missing gems|bundler: command not found",
        "gems",
        "bundle install",
    ),
    (
        r"(?:git-lfs|git lfs).*(?:not found|was not found|is not installed)",
        "git-lfs",
        "sudo apt-get install git-lfs && git lfs pull",
    ),
];

/// A row that is compiled.
struct Rule {
    pattern: Regex,
    what: &'static str,
    hint: &'static str,
    remote: bool,
}

impl Rule {
    /// What it says is missing, with what the first group found.
    fn lack(&self, name: &str) -> Lack {
        let lack = Lack::new(self.what.replace("$1", name), self.hint.replace("$1", name));
        Lack { remote: self.remote, ..lack }
    }
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let tables = [(MACHINE, false), (REMOTE, true), (TOOLS, false)];
    let rows = tables.iter().flat_map(|(rows, remote)| rows.iter().map(|row| (*row, *remote)));
    rows.map(|((from, what, hint), remote)| Rule { pattern: pattern(from), what, hint, remote }).collect()
});

/// Programs of the system that tests start. Anything else that is missing may be the project's own.
const PROGRAMS: [&str; 44] = [
    "bash",
    "cargo",
    "cc",
    "chromium",
    "clang",
    "cmake",
    "convert",
    "curl",
    "deno",
    "docker",
    "ffmpeg",
    "ffprobe",
    "g++",
    "gcc",
    "git",
    "go",
    "google-chrome",
    "gradle",
    "java",
    "javac",
    "jq",
    "make",
    "mvn",
    "mysql",
    "node",
    "npm",
    "npx",
    "openssl",
    "pandoc",
    "perl",
    "php",
    "pnpm",
    "poetry",
    "protoc",
    "psql",
    "python",
    "python3",
    "redis-server",
    "rsync",
    "ruby",
    "sqlite3",
    "ssh",
    "uv",
    "yarn",
];

/// A failed assertion: whatever else the text says, the code ran and answered.
static ASSERTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)AssertionError|AssertionFailedError|ComparisonFailure|^assertion |assertion `|assertion failed|^E\s+assert |ERR_ASSERTION|\bexpect\(|^\s*(?:Expected|expected):? |^\s*\w+_test\.go:\d+: (?:got|want|expected)",
    )
});

/// Does the message of a red test say that it did not reach somebody? Asked where tests have no network: a refusal is then
/// none of the code's own server, which it reaches.
pub fn wants_a_network(message: &str) -> bool {
    static REFUSED: LazyLock<Regex> = LazyLock::new(|| pattern(r"ECONNREFUSED|[Cc]onnection refused"));
    let text = plain(message);
    if ASSERTED.is_match(&text) {
        return false;
    }
    REFUSED.is_match(&text) || RULES.iter().any(|rule| rule.remote && rule.pattern.is_match(&text))
}

/// What the machine lacks, if `text`, the words of one red result, says so beyond doubt.
pub fn lack(text: &str, suite: &Suite, project: &Project<'_>) -> Option<Lack> {
    let text = plain(text);
    if ASSERTED.is_match(&text) {
        return None;
    }
    missing_module(&text, project)
        .or_else(|| missing_program(&text, suite, project))
        .or_else(|| permission(&text))
        .or_else(|| refused_outside(&text))
        .or_else(|| {
            RULES.iter().find_map(|rule| {
                let found = rule.pattern.captures(&text)?;
                Some(rule.lack(found.iter().skip(1).flatten().next().map_or("", |m| m.as_str())))
            })
        })
}

/// What the machine lacks by a whole log of which nothing else is known (no suite, no project), with the line that says so.
/// `red`: it names red tests; then a failed assertion clears the machine.
pub fn in_log(log: &str, red: bool) -> Option<(Lack, String)> {
    static PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
        pattern(concat!(
            r"(?m)(?:^|[:\s])([\w+.-]+): command not found\s*$",
            r"|command not found: ([\w+.-]+)\s*$",
            r"|^(?:/bin/)?(?:ba|da)?sh: (?:line )?\d+: ([\w+.-]+): not found\s*$",
            r"|spawn ([\w+.-]+) ENOENT",
            r#"|exec: "([\w+.-]+)": executable file not found in \$PATH"#,
        ))
    });
    let log = plain(log);
    if red && ASSERTED.is_match(&log) {
        return None;
    }
    let name =
        |found: &regex::Captures<'_>| found.iter().skip(1).flatten().next().map_or("", |m| m.as_str()).to_owned();
    let program = PROGRAM.captures(&log).map(|found| {
        let (at, name) = (found.get(0).map_or(0, |m| m.end()), name(&found));
        (at, Lack::new(format!("the program `{name}`"), format!("install {name} in the job")))
    });
    let ruled = RULES.iter().filter_map(|rule| {
        let found = rule.pattern.captures(&log)?;
        Some((found.get(0)?.end(), rule.lack(&name(&found))))
    });
    // the first reason has the others as its consequence
    let (at, lack) = program.into_iter().chain(ruled).min_by_key(|(at, _)| *at)?;
    let end = log[at..].find('\n').map_or(log.len(), |n| at + n);
    let line = log[..end].trim_end().rsplit('\n').next().unwrap_or_default().trim().to_owned();
    Some((lack, line))
}

/// What the way in which the command ended says, whatever it printed.
pub fn lack_by_end(end: End, suite: &Suite) -> Option<Lack> {
    match end {
        End::NotFound => Some(program(&first_word(suite), suite)),
        End::NotStarted => Some(Lack::new(
            format!("`{}` could not be started", first_word(suite)),
            "check that it is executable and made for this machine",
        )),
        End::Signaled(9) | End::Exited(137) => {
            Some(Lack::new("memory: the command was killed", "give the machine more memory, or run fewer jobs at once"))
        }
        End::Exited(_) | End::Signaled(_) | End::TimedOut | End::Cancelled => None,
    }
}

fn first_word(suite: &Suite) -> String {
    let word = match &suite.command {
        CommandLine::Shell(line) => line.split_whitespace().find(|w| !w.contains('=')).map(str::to_owned),
        CommandLine::Argv(argv) => argv.first().cloned(),
    };
    word.unwrap_or_default()
}

fn program(name: &str, suite: &Suite) -> Lack {
    let base = name.rsplit('/').next().unwrap_or(name);
    let hint = match (base, suite.runner) {
        ("pytest", _) => "python -m pip install pytest".to_owned(),
        ("jest" | "vitest" | "mocha" | "tsc", _) => "npm ci".to_owned(),
        ("cargo-nextest", _) => "cargo install cargo-nextest --locked".to_owned(),
        ("cargo", _) | (_, Runner::CargoTest | Runner::Nextest) => "install Rust: https://rustup.rs".to_owned(),
        _ => format!("install {base}, or give another test command with --cmd"),
    };
    Lack::new(format!("the program `{base}`"), hint)
}

/// Modules: only third-party ones that the project asks for (or everybody knows) are the machine's to bring.
fn missing_module(text: &str, project: &Project<'_>) -> Option<Lack> {
    static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?:ModuleNotFoundError: |ImportError: |python[\d.]*: )No module named '?([\w.]+)'?")
    });
    static NODE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"(?:Cannot find (?:module|package)|Failed to resolve import|Could not resolve) ['"]([^'"]+)['"]"#)
    });
    static NPM_BIN: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?m)^(?:sh|bash|/bin/sh)(?:: (?:line )?\d+)?: ([\w-]+): (?:command )?not found"));
    if let Some(found) = PYTHON.captures(text) {
        // the first missing module is the reason; one of the project is a bug whatever comes after
        let name = project.missing_python_package(&found[1])?;
        return Some(Lack::new(format!("the Python package `{name}`"), project.python_install(&name)));
    }
    if let Some(found) = NODE.captures(text) {
        let name = &found[1];
        let package = match name.strip_prefix('@') {
            Some(_) => name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"),
            None => name.split('/').next().unwrap_or(name).to_owned(),
        };
        let asked = project.node_dependencies().contains(&package);
        return asked.then(|| Lack::new(format!("the npm package `{package}`"), project.node_install()));
    }
    let bin = NPM_BIN.captures(text)?;
    let asked = project.node_dependencies();
    let known = asked.contains(&bin[1]) || &bin[1] == "tsc" && asked.contains("typescript");
    known.then(|| Lack::new(format!("the npm package `{}`", &bin[1]), project.node_install()))
}

fn missing_program(text: &str, suite: &Suite, project: &Project<'_>) -> Option<Lack> {
    static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
        pattern(concat!(
            r"(?m)^(?:sh|bash|zsh|/bin/(?:ba)?sh|make|env|/usr/bin/env)(?:\[\d+\])?(?:: (?:line )?\d+)?: [‘']?([\w+.-]+)['’]?: (?:command not found|not found|No such file or directory)",
            r"|command not found: ([\w+.-]+)",
            r"|spawn ([\w+.-]+) ENOENT",
            r#"|exec: "([\w+.-]+)": executable file not found in \$PATH"#,
            r"|FileNotFoundError: \[Errno 2\] No such file or directory: '([\w+.-]+)'",
            r"|make(?:\[\d+\])?: ([\w+.-]+): (?:Command not found|No such file or directory)",
            r#"|Cannot run program "([\w+.-]+)""#,
        ))
    });
    let found = SHAPES.captures(text)?;
    let name = found.iter().skip(1).flatten().next()?.as_str();
    let own = project.paths.iter().any(|p| p.rsplit('/').next() == Some(name));
    (PROGRAMS.contains(&name) || name == first_word(suite)).then_some(())?;
    (!own).then(|| program(name, suite))
}

/// Only places outside the project: a file of the project without permission is the project's to mend.
fn permission(text: &str) -> Option<Lack> {
    static DENIED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"(?:EACCES: permission denied, \w+ '?|PermissionError: \[Errno 13\] Permission denied: '|Permission denied \(os error 13\).*|open )(/(?:etc|root|usr|var|opt|dev|proc|sys|run)/[^'"\s:]*)(?:: permission denied)?"#,
        )
    });
    let found = DENIED.captures(text)?;
    Some(Lack::new(
        format!("the permission to use {}", &found[1]),
        format!("run as a user who may, or: sudo chown $USER {}", &found[1]),
    ))
}

/// Refused by another machine: the network or a service; by this one it is as likely the code's own server.
fn refused_outside(text: &str) -> Option<Lack> {
    static REFUSED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:connect ECONNREFUSED|dial tcp) (\d+\.\d+\.\d+\.\d+):(\d+)"));
    let found =
        REFUSED.captures(text).filter(|f| text.contains("ECONNREFUSED") || text.contains("refused") || f.len() < 2)?;
    let host = &found[1];
    let local = host.starts_with("127.") || host == "0.0.0.0";
    (!local).then(|| {
        let lack =
            Lack::new(format!("network: {host} refuses port {}", &found[2]), format!("check the network to {host}"));
        Lack { remote: true, ..lack }
    })
}

#[cfg(test)]
#[path = "tests/environment.rs"]
mod tests;
