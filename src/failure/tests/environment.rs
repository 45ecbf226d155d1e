//! Real messages of machines that lack something, and of bugs that look like it.

use super::*;
use crate::failure::scene::tests::suite;

fn ask(text: &str) -> Option<Lack> {
    let paths = ["requirements.txt", "package.json", "package-lock.json", "src/shop/cart.py", "tools/convert"]
        .map(String::from);
    let read = |path: &str| {
        Some(match path {
            "requirements.txt" => b"requests\nPyYAML\n".to_vec(),
            "package.json" => br#"{"dependencies": {"lodash": "4", "@acme/ui": "1"}, "devDependencies": {"jest": "29", "typescript": "5"}}"#.to_vec(),
            _ => return None,
        })
    };
    lack(text, &suite(Runner::Command), &Project { paths: &paths, read: &read })
}

#[test]
fn what_machines_lack_is_recognised_with_what_to_do() {
    let table = [
        ("E   ModuleNotFoundError: No module named 'requests'", "`requests`", "pip install -r requirements.txt"),
        ("ImportError: No module named yaml", "`pyyaml`", "requirements.txt"),
        ("/usr/bin/python3: No module named pytest", "`pytest`", "pip install"),
        ("ModuleNotFoundError: No module named 'numpy'", "`numpy`", "pip install"),
        ("Error: Cannot find module 'lodash'\nRequire stack:\n- /w/src/a.js", "`lodash`", "npm ci"),
        ("Error: Cannot find module 'lodash/fp'", "`lodash`", "npm ci"),
        ("Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@acme/ui' imported from /w/a.mjs", "`@acme/ui`", "npm ci"),
        ("sh: 1: jest: not found", "`jest`", "npm ci"),
        ("sh: 1: tsc: not found", "`tsc`", "npm ci"),
        ("bash: line 1: cargo: command not found", "`cargo`", "rustup"),
        ("/usr/bin/env: ‘node’: No such file or directory", "`node`", "install node"),
        ("make: g++: No such file or directory", "`g++`", "install g++"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "`ffmpeg`", "install ffmpeg"),
        ("Error: spawn git ENOENT", "`git`", "install git"),
        ("exec: \"docker\": executable file not found in $PATH", "`docker`", "install docker"),
        ("java.io.IOException: Cannot run program \"psql\"", "`psql`", "install psql"),
        ("OSError: [Errno 28] No space left on device", "disk space", "df -h"),
        ("Error: ENOSPC: no space left on device, write", "disk space", "df -h"),
        (
            "called `Result::unwrap()` on an `Err` value: Os { code: 28, kind: StorageFull, message: \"No space\" }",
            "disk space",
            "df",
        ),
        ("Error: ENOSPC: System limit for number of file watchers reached, watch '/w'", "file watchers", "sysctl"),
        ("collect2: fatal error: ld terminated with signal 9 [Killed]", "memory", "memory"),
        (
            "error: could not compile `a` (lib)\nCaused by: process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)",
            "memory",
            "fewer jobs",
        ),
        (
            "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com",
            "github.com",
            "network",
        ),
        ("Error: getaddrinfo ENOTFOUND registry.npmjs.org", "registry.npmjs.org", "network"),
        ("Error: getaddrinfo EAI_AGAIN api.example.com", "api.example.com", "network"),
        ("dial tcp: lookup proxy.golang.org on 127.0.0.53:53: server misbehaving", "proxy.golang.org", "network"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "name resolution", "network"),
        ("java.net.UnknownHostException: repo.maven.apache.org", "name resolution", "network"),
        ("warning: spurious network error (3 tries remaining)", "registry", "cargo vendor"),
        ("npm ERR! code ENOTFOUND", "npm", "registry"),
        ("[ERROR] Could not transfer artifact org.junit:junit:pom:5 from/to central", "Maven", "network"),
        ("Error: connect ECONNREFUSED 10.1.2.3:443", "10.1.2.3", "network"),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "Docker",
            "start Docker",
        ),
        (
            "psycopg2.OperationalError: connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection refused",
            "PostgreSQL",
            "docker run",
        ),
        ("Error: connect ECONNREFUSED 127.0.0.1:5432", "PostgreSQL", "docker run"),
        (
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
            "Redis",
            "docker run",
        ),
        ("dial tcp 127.0.0.1:27017: connect: connection refused", "MongoDB", "docker run"),
        ("(2002, \"Can't connect to MySQL server on 'localhost' (115)\")", "MySQL", "docker run"),
        ("Error: listen EADDRINUSE: address already in use :::3000", "port", "ss -ltnp"),
        ("error: toolchain '1.70.0-x86_64-unknown-linux-gnu' is not installed", "1.70.0", "rustup toolchain install"),
        (
            "error: package `a v1.0.0` cannot be built because it requires rustc 1.85 or newer",
            "newer Rust",
            "rustup update",
        ),
        ("error: linker `cc` not found", "linker cc", "build-essential"),
        ("note: module requires Go 1.22", "newer Go", "go.mod"),
        ("java.lang.UnsupportedClassVersionError: A has been compiled by a more recent version", "newer Java", "JDK"),
        (
            "[ERROR] No compiler is provided in this environment. Perhaps you are running on a JRE rather than a JDK?",
            "JDK",
            "JAVA_HOME",
        ),
        ("npm ERR! code EBADENGINE", "version of node", "nvm"),
        ("ERROR: Package 'shop' requires a different Python: 3.8.10 not in '>=3.11'", "version of Python", "Python"),
        (
            "./a.out: error while loading shared libraries: libpq.so.5: cannot open shared object file",
            "libpq.so.5",
            "libpq.so.5",
        ),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "libGL.so.1", "install"),
        ("/usr/bin/ld: cannot find -lssl: No such file or directory", "ssl", "libssl-dev"),
        ("The system library `alsa` required by crate `alsa-sys` was not found.", "alsa", "dev"),
        (
            "browserType.launch: Executable doesn't exist at /root/.cache/ms-playwright/chromium-1/chrome",
            "Playwright",
            "playwright install",
        ),
        ("Could not find gem 'rails' in locally installed gems.", "gems", "bundle install"),
        ("PermissionError: [Errno 13] Permission denied: '/var/run/app.pid'", "/var/run/app.pid", "chown"),
    ];
    for (text, what, hint) in table {
        let found = ask(text).unwrap_or_else(|| panic!("not recognised: {text}"));
        assert!(found.what.contains(what), "{text}: {}", found.what);
        assert!(found.hint.contains(hint), "{text}: {}", found.hint);
    }
}

#[test]
fn bugs_that_look_like_a_poor_machine_are_left_to_the_fixers() {
    let table = [
        // the project's own module, moved or misspelt
        "ModuleNotFoundError: No module named 'shop.basket'",
        "ModuleNotFoundError: No module named 'shop'",
        "ModuleNotFoundError: No module named 'reqeusts'",
        "ModuleNotFoundError: No module named 'carts'",
        "ImportError: cannot import name 'total' from 'shop.cart'",
        "Error: Cannot find module './cart'",
        "Error: Cannot find module '../src/cart.js'",
        "Error: Cannot find module 'left-pad'",
        "Error: Cannot find module '/w/dist/index.js'",
        "sh: 1: ./scripts/test.sh: not found",
        "sh: 1: runtests: not found",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data.json'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'convert'",
        "Error: ENOENT: no such file or directory, open 'config.json'",
        "bash: ./gradlew: Permission denied",
        "PermissionError: [Errno 13] Permission denied: 'out.txt'",
        // the code's own server
        "Error: connect ECONNREFUSED 127.0.0.1:43127",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        // tests about such errors
        "E   AssertionError: assert 'No space left on device' in 'all fine'",
        "E   assert 'Could not resolve host: a.b' == ''",
        "assertion `left == right` failed\n  left: \"Address already in use\"\n right: \"ok\"",
        "Expected: \"ENOSPC\"\nReceived: \"EIO\"",
        // ordinary bugs
        "error[E0432]: unresolved import `crate::cart`",
        "./cart.go:3:7: undefined: Total",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "java.lang.OutOfMemoryError: Java heap space",
        "RecursionError: maximum recursion depth exceeded",
        "TimeoutError: timed out",
        "go: updates to go.mod needed",
        "TypeError: total is not a function",
        "",
    ];
    for text in table {
        assert_eq!(ask(text), None, "{text}");
    }
}

#[test]
fn the_way_a_command_ended_can_be_enough() {
    let mut pytest = suite(Runner::Pytest);
    pytest.command = CommandLine::Shell("CI=1 pytest -q".into());
    assert_eq!(lack_by_end(End::NotFound, &pytest).unwrap().hint, "python -m pip install pytest");
    assert!(lack_by_end(End::Signaled(9), &pytest).unwrap().what.contains("memory"));
    for end in [End::Exited(1), End::Exited(127), End::Signaled(11), End::TimedOut, End::Cancelled] {
        assert_eq!(lack_by_end(end, &pytest), None, "{end:?}");
    }
}
