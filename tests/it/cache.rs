//! The cache from the command line, and on a real PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kaizen_ci::cache::{
    Answer, BuiltIn, Cache, Cost, DayAsk, Embedder as _, Keep, Key, Postgres, Source, Sqlite, Store, entry,
};

fn program(args: &[&str], dir: &Path, url: Option<&str>) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).env_remove("KAIZEN_CACHE_URL");
    if let Some(url) = url {
        command.env("KAIZEN_CACHE_URL", url);
    }
    command.output().unwrap()
}

fn repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("git").args(["init", "--quiet"]).current_dir(dir.path()).status().unwrap();
    assert!(made.success());
    dir
}

fn json(out: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e} {out:?}"))
}

fn answer(text: &str) -> Answer {
    Answer { text: text.into(), cost: Cost { tokens: 7, micro_dollars: 1_500_000 }, keep: Keep::Long }
}

fn fill(cache: &Cache) {
    let key = |question: &str| Key::new("m").part("role", "diagnose").question(question);
    cache.keep(&key("How do I run one test?"), answer("-k"));
    assert_eq!(cache.look_up(&key("How do I run one test?")).unwrap().source, Source::Exact);
    assert!(matches!(cache.look_up(&key("How can I run one test?")).unwrap().source, Source::Semantic { .. }));
    assert!(cache.look_up(&key("How do I run two tests?")).is_none());
}

#[test]
fn stats_export_gc_and_clear_tell_what_the_store_holds() {
    let dir = repository();
    let state = kaizen_ci::repo::Repository::discover(dir.path()).unwrap().state_dir().unwrap();
    let (cache, trouble) = Cache::open(&state, None);
    assert!(trouble.is_none());
    fill(&cache);
    told(dir.path(), None);
}

/// The same from the command line, whichever the store.
fn told(dir: &Path, url: Option<&str>) {
    let stats = json(&program(&["cache", "stats", "--json"], dir, url));
    for (name, value) in
        [("entries", 1), ("look_ups", 3), ("exact_hits", 1), ("semantic_hits", 1), ("refused_by_guard", 1)]
    {
        assert_eq!(stats[name], value, "{name} {stats}");
    }
    assert_eq!((&stats["tokens_saved"], &stats["micro_dollars_saved"]), (&14.into(), &3_000_000.into()));
    let text = String::from_utf8(program(&["cache", "stats"], dir, url).stdout).unwrap();
    assert!(text.contains("14 tokens, $3.0000") && text.contains("exact     1 (33.3 %)"), "{text}");
    let line = String::from_utf8(program(&["cache", "export"], dir, url).stdout).unwrap();
    let kept: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    assert_eq!((&kept["answer"], &kept["question"]), (&"-k".into(), &"How do I run one test?".into()));
    assert_eq!(json(&program(&["cache", "gc", "--json"], dir, url))["removed"], 0);
    assert_eq!(json(&program(&["cache", "clear", "--json"], dir, url))["removed"], 1);
    assert_eq!(json(&program(&["cache", "stats", "--json"], dir, url))["look_ups"], 0);
}

#[test]
fn a_damaged_cache_is_an_error_that_says_what_to_do_and_changes_nothing() {
    let dir = repository();
    let state = kaizen_ci::repo::Repository::discover(dir.path()).unwrap().state_dir().unwrap();
    std::fs::create_dir_all(&state).unwrap();
    let file = state.join("cache.sqlite");
    std::fs::write(&file, "no database".repeat(500)).unwrap();
    for what in ["stats", "clear", "gc", "export"] {
        let out = program(&["cache", what], dir.path(), None);
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(22), "{err}");
        assert!(err.contains("cache.sqlite") && err.contains("  do "), "{err}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), "no database".repeat(500).as_bytes());
}

#[test]
fn calibrate_prints_both_rates_with_their_bounds_and_names_a_bad_line() {
    let fixture = |name: &str| format!("{}/fixtures/cache/{name}", env!("CARGO_MANIFEST_DIR"));
    // outside of any repository: nothing is kept
    let elsewhere = tempfile::tempdir().unwrap();
    let root = elsewhere.path();
    let found = json(&program(&["cache", "calibrate", &fixture("pairs.dev.jsonl"), "--json"], root, None));
    assert!(found["held_out"]["wrong"]["rate"].as_f64().unwrap() <= 0.05, "{found}");
    assert!(found["now"]["hit"]["rate"].as_f64().unwrap() >= 0.5, "{found}");
    assert!(found["now"]["wrong"]["high"].as_f64().unwrap() > found["now"]["wrong"]["rate"].as_f64().unwrap());
    let ci = json(&program(&["cache", "calibrate", &fixture("ci-pairs.jsonl"), "--json"], root, None));
    assert!(ci["now"]["wrong"]["rate"].as_f64().unwrap() <= 0.05, "{ci}");
    assert!(ci["now"]["hit"]["rate"].as_f64().unwrap() >= 0.5, "{ci}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p"), "\n{\"id\": 1}\n").unwrap();
    let out = program(&["cache", "calibrate", "p"], dir.path(), None);
    assert_eq!(out.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&out.stderr).contains("line 2"));
}

/// A server of our own on a private socket; ended when dropped.
struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // a fast stop, so that no worker stays behind
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|v| v.path().join("bin")).filter(|b| b.join("initdb").is_file()).collect();
    found.sort();
    found.pop()
}

/// PostgreSQL refuses to run as root: then it runs as `nobody`.
fn unprivileged(program: &Path) -> Command {
    if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A PostgreSQL with the extension pgvector, where `.ci/run` could get one.
fn binaries_with_vectors() -> Option<PathBuf> {
    let bin = PathBuf::from(std::env::var_os("KAIZEN_TEST_PGVECTOR")?);
    bin.join("initdb").is_file().then_some(bin)
}

impl Server {
    fn start() -> Option<Self> {
        Some(Self::start_with(&binaries()?))
    }

    fn start_with(bin: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534)).unwrap();
        }
        let data = dir.path().join("data");
        let made = unprivileged(&bin.join("initdb"))
            .args(["-U", "team", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = unprivileged(&bin.join("postgres"))
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(dir.path())
            .arg("-D")
            .arg(&data)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, dir };
        let end = Instant::now() + Duration::from_secs(30);
        while Postgres::open(&server.url()).is_err() {
            assert!(Instant::now() < end, "the server did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn url(&self) -> String {
        format!("host={} user=team dbname=postgres", self.dir.path().display())
    }
}

/// Forty runners at once, each with a store of its own, take from one day's budget.
fn a_day_is_never_overspent(open: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let ask = DayAsk { day: "2026-11-25".into(), nanos: 30, most_nanos: Some(1000), most_requests: None };
    let granted: usize = std::thread::scope(|scope| {
        let one = || {
            let store = open();
            (0..2).filter(|_| store.reserve_day(&ask).unwrap().is_none()).count()
        };
        let all: Vec<_> = (0..40).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|runner| runner.join().unwrap()).sum()
    });
    assert_eq!(granted, 33);
    let store = open();
    assert!(store.reserve_day(&ask).unwrap().unwrap().contains("of 2026-11-25's"));
    store.settle_day(&ask.day, 25, 0).unwrap();
    assert_eq!(store.reserve_day(&ask).unwrap(), None, "what was not needed came back");
    let most = DayAsk { most_requests: Some(34), most_nanos: None, ..ask.clone() };
    assert!(store.reserve_day(&most).unwrap().unwrap().contains("34 requests"));
    // more was billed than reserved: the day is spent by so much more
    store.settle_day(&ask.day, -5, 0).unwrap();
    assert!(store.reserve_day(&ask).unwrap().is_some(), "five less are left");
    store.settle_day(&ask.day, 5, 0).unwrap();
    store.settle_day(&ask.day, 0, 1).unwrap();
    assert_eq!(store.reserve_day(&most).unwrap(), None, "a request that never left came back");
    assert_eq!(store.reserve_day(&DayAsk { day: "2026-11-26".into(), ..most }).unwrap(), None, "another day");
}

#[test]
fn a_days_budget_holds_for_all_runs_of_a_machine() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sqlite::open(dir.path()).unwrap());
    a_day_is_never_overspent(&|| Box::new(Sqlite::open(dir.path()).unwrap()));
}

#[test]
fn runners_share_one_cache_on_a_postgresql_server() {
    let Some(server) = Server::start() else {
        eprintln!("skipped: no PostgreSQL under /usr/lib/postgresql");
        return;
    };
    let url = server.url();
    let open = || Cache::new(Box::new(Postgres::open(&url).unwrap()), Box::new(BuiltIn));
    let (one, other) = (open(), open());
    fill(&one);
    let dir = tempfile::tempdir().unwrap();
    told(dir.path(), Some(&url));
    // what one runner writes, the other finds, and again after it was written anew
    let key = |question: &str| Key::new("m").part("role", "diagnose").question(question);
    for text in ["first", "sec\0ond"] {
        one.keep(&key("Why is the build slow?"), answer(text));
        let served = other.look_up(&key("What makes the build slow?")).unwrap();
        assert_eq!(served.text, text.replace('\0', "\u{fffd}"));
    }
    // 8 runners at once lose nothing
    std::thread::scope(|scope| {
        for n in 0..8 {
            let cache = open();
            scope.spawn(move || (0..10).for_each(|i| cache.keep(&Key::new("m").part("n", n * 100 + i), answer("x"))));
        }
    });
    let store = Postgres::open(&url).unwrap();
    let counters = store.counters(entry::now_ms()).unwrap();
    assert_eq!(counters.entries, 81);
    a_day_is_never_overspent(&|| Box::new(Postgres::open(&url).unwrap()));
    // from asynchronous code, and when the server goes away: no heal fails
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served =
        runtime.block_on(one.answer(&key("Why is the build slow?"), || async { Ok(answer("asked")) })).unwrap();
    assert_eq!(served.source, Source::Exact);
    drop(server);
    let served = runtime.block_on(one.answer(&key("Is it down?"), || async { Ok(answer("asked")) })).unwrap();
    assert_eq!((served.text.as_str(), one.is_on()), ("asked", false));
}

#[test]
fn a_server_with_pgvector_finds_the_nearest_questions_by_its_index_beside_those_of_other_scopes() {
    let Some(bin) = binaries_with_vectors() else {
        eprintln!("skipped: KAIZEN_TEST_PGVECTOR names no PostgreSQL with pgvector");
        return;
    };
    let server = Server::start_with(&bin);
    let url = server.url();
    let open = || Cache::new(Box::new(Postgres::open(&url).unwrap()), Box::new(BuiltIn));
    let one = open();
    fill(&one);
    told(tempfile::tempdir().unwrap().path(), Some(&url));
    // a large scope of others around a small one of ours
    let key = |model: &str, question: &str| Key::new(model).part("role", "diagnose").question(question);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let cache = open();
            scope.spawn(move || {
                for n in 0..250 {
                    let question = format!("How do I run test number {}?", part * 1000 + n);
                    cache.keep(&key("other", &question), answer("x"));
                }
            });
        }
    });
    one.keep(&key("m", "How do I run one test?"), answer("-k"));
    let store = Postgres::open(&url).unwrap();
    let vector = BuiltIn.embed("How can I run one test?").unwrap();
    let scope = key("m", "").scope(BuiltIn.id());
    let near = store.nearest(&scope, &vector, 16, entry::now_ms()).unwrap().expect("there is an index");
    assert_eq!(near.len(), 1, "{near:?}");
    assert!(near[0].question == "How do I run one test?" && (0.4..1.0).contains(&near[0].cosine), "{near:?}");
    assert!(store.questions(&scope, 0, entry::now_ms()).unwrap().0.is_empty(), "nothing is compared in the client");
    let served = open().look_up(&key("m", "How can I run one test?")).unwrap();
    assert!(matches!(served.source, Source::Semantic { .. }), "{served:?}");
    assert!(open().look_up(&key("m", "How can I run two tests?")).is_none());
    // vectors of another size are compared in the client
    assert_eq!(store.nearest(&scope, &[1.0, 0.0], 16, entry::now_ms()).unwrap(), None);
}

#[test]
fn a_server_that_is_to_be_reached_by_tls_alone_is_not_talked_to_in_clear_text() {
    let server = Server::start();
    let host = server.as_ref().map_or_else(|| "/nowhere".into(), |s| s.dir.path().display().to_string());
    for url in [
        format!("host={host} user=team dbname=postgres sslmode=require"),
        "postgres://team:hunter2secret@127.0.0.1:1/cache?sslmode=require".to_owned(),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = program(&["cache", "stats"], dir.path(), Some(&url));
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(22), "{err}");
        assert!(err.contains("asks for TLS") && err.contains("sslmode=disable") && !err.contains("hunter2"), "{err}");
    }
}

#[test]
fn an_unreachable_server_is_an_error_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let url = "postgres://team:hunter2secret@127.0.0.1:1/cache";
    let out = program(&["cache", "stats"], dir.path(), Some(url));
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(22), "{err}");
    assert!(err.contains("KAIZEN_CACHE_URL") && !err.contains("hunter2"), "{err}");
    let (cache, trouble) = Cache::open(dir.path(), Some(url));
    assert!(trouble.is_some() && !cache.is_on());
}
