//! The table of configuration keys: everything that is said of a key (type, default, meaning, variable, option) is here.

use super::records::{self, FieldKind, FieldShape, Shape};

/// What a key's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The version of the file's format.
    Version,
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number in a range, ends included.
    Count(u64, u64),
    /// A duration such as `10m`, in a range of seconds.
    Duration(u64, u64),
    /// A size such as `16 MiB`.
    Size,
    /// A list of texts.
    List,
    /// The list of suites.
    Suites,
    /// A list or a map of records.
    Records(&'static Shape),
}

impl Kind {
    /// What to write, for error messages and the reference.
    pub fn expected(self) -> String {
        match self {
            Kind::Version => "the number 1".into(),
            Kind::Text => "text".into(),
            Kind::Flag => "`true` or `false`".into(),
            Kind::Count(low, high) => format!("a whole number from {low} to {high}"),
            Kind::Duration(..) => "a duration such as `90s`, `10m` or `1h30m`".into(),
            Kind::Size => "a size such as `512 KiB` or `16 MiB`".into(),
            Kind::List => "a list of texts".into(),
            Kind::Suites => "a list of suites, each with `name`, `cmd`, and if needed `dir` and `runner`".into(),
            Kind::Records(shape) => records::expected(shape),
        }
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the file; a dot for nested ones.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The default as one would write it; `None`: see `default_words`.
    pub default: Option<&'static str>,
    /// The default in words, where there is no fixed one.
    pub default_words: &'static str,
    /// The option of `heal` that overrides it.
    pub option: Option<&'static str>,
    /// What it means, one or two sentences.
    pub about: &'static str,
    /// An example for the commented file of `init`.
    pub example: &'static str,
}

impl Key {
    /// The environment variable that overrides it; none for what can't be said in one line.
    pub fn variable(&self) -> Option<String> {
        match self.kind {
            Kind::Version | Kind::Suites | Kind::Records(_) => None,
            _ => Some(format!("KAIZEN_{}", self.name.replace('.', "_").to_uppercase())),
        }
    }
}

const DAY_S: u64 = 24 * 60 * 60;

const fn key(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default: Some(default), default_words: default, option: None, about, example: default }
}

const fn open(name: &'static str, kind: Kind, default_words: &'static str, about: &'static str) -> Key {
    Key { name, kind, default: None, default_words, option: None, about, example: "" }
}

impl Key {
    const fn option(mut self, option: &'static str) -> Self {
        self.option = Some(option);
        self
    }
    const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }
}

const fn field(name: &'static str, kind: FieldKind) -> FieldShape {
    FieldShape { name, kind, required: false }
}

const fn required(name: &'static str, kind: FieldKind) -> FieldShape {
    FieldShape { name, kind, required: true }
}

const STRATEGIES: Shape = Shape {
    by_name: Some("fixers that ask models"),
    fields: &[
        field("models", FieldKind::List),
        field("temperature", FieldKind::Thousandths(2000)),
        field("attempts", FieldKind::Count(1, 1000)),
    ],
};

const CATALOG: Shape = Shape {
    by_name: None,
    fields: &[
        required("provider", FieldKind::Text),
        required("id", FieldKind::Text),
        field("prompt", FieldKind::Dollars),
        field("answer", FieldKind::Dollars),
        field("family", FieldKind::Text),
        field("context", FieldKind::Count(512, 100_000_000)),
        field("strength", FieldKind::Count(1, 10)),
        field("reasoning", FieldKind::YesNo),
    ],
};

const MODEL_BUDGETS: Shape = Shape {
    by_name: Some("models (`provider/model`)"),
    fields: &[field("cents", FieldKind::Count(0, 1_000_000)), field("requests", FieldKind::Count(0, 1_000_000))],
};

const AGENTS: Shape = Shape {
    by_name: None,
    fields: &[
        required("name", FieldKind::Text),
        field("cmd", FieldKind::Text),
        field("env", FieldKind::List),
        field("time_limit", FieldKind::Duration),
    ],
};

/// Every key there is, in the order of the reference.
pub const KEYS: &[Key] = &[
    key("version", Kind::Version, "1", "Version of this file's format."),
    open("cmd", Kind::Text, "found by itself", "The test command, run through `sh -c` at the top of the repository.")
        .option("--cmd")
        .example("pytest -q"),
    open(
        "suites",
        Kind::Suites,
        "found by itself",
        "Several test commands instead of `cmd`: each with `name` (for `--suite`), `cmd`, the folder `dir` that it runs \
         in, and the `runner` when it can't be told from the command.",
    )
    .example("\n  - name: api\n    dir: services/api\n    cmd: pytest -q"),
    open(
        "base",
        Kind::Text,
        "the remote's HEAD, else `main` or `master`",
        "The branch that your change is compared with.",
    )
    .option("--base")
    .example("main"),
    open("fixers", Kind::List, "all of them", "The fixers that race at tier 1.")
        .option("--fixers")
        .example("[suggest, undo, mutate]"),
    key(
        "max_tier",
        Kind::Count(1, 3),
        "3",
        "How far to go: 1 fixers only, 2 also revert the culprit and try again, 3 also write a report for a person.",
    )
    .option("--max-tier"),
    key("time_limit", Kind::Duration(1, 7 * DAY_S), "10m", "Wall time for one `heal`.").option("--time-limit"),
    open(
        "run_time_limit",
        Kind::Duration(1, 7 * DAY_S),
        "10 × the red run, at least 60s, at most `time_limit`",
        "Wall time for one run of the test command; after it the whole process tree is stopped. Without it, tests that \
         compute for long and say nothing (10 s of processor time under node, 30 s under cargo and go; pytest: 10 s in \
         one test) count as hanging, too.",
    )
    .example("5m"),
    key(
        "repeat",
        Kind::Count(1, 100),
        "2",
        "How often the judge runs the whole suite with a patch before it believes it.",
    )
    .option("--repeat"),
    key("reruns", Kind::Count(1, 100), "2", "How often red tests are run again to find flaky ones."),
    key("protected", Kind::List, "[]", "Further globs of files that no patch may touch, on top of the built-in ones.")
        .example("[\"db/migrations/**\"]"),
    key(
        "allow_test_changes",
        Kind::Flag,
        "false",
        "Let patches change tests. The report then says so in its first line.",
    )
    .option("--allow-test-changes"),
    key("carry.add", Kind::List, "[]", "Ignored folders to carry into workspaces on top of those found by itself.")
        .example("[third_party/cache]"),
    key("carry.skip", Kind::List, "[]", "Ignored folders to leave out, although they were found by themselves.")
        .example("[target]"),
    key(
        "env.allow",
        Kind::List,
        "[]",
        "Variables that the tests may see although their names look like secrets or, in GitHub Actions, nobody knows them; `*` at the end stands for any rest.",
    )
    .example("[TEST_DATABASE_KEY]"),
    key(
        "pause",
        Kind::Duration(0, 365 * DAY_S),
        "6h",
        "How long a failure that did not heal is left alone (`--force` tries at once).",
    ),
    key(
        "models",
        Kind::List,
        "[local]",
        "The language models that may be asked, in order of preference: `local` (servers on this machine), `free`, \
         `paid` (from the catalog, where a key is in the environment), `own` (`KAIZEN_MODEL_URL`), `provider/model`, or \
         `off`.",
    )
    .option("--models")
    .example("[local, free]"),
    key("free", Kind::Flag, "false", "Only local and free models, enforced where requests leave (`COST_FREE_ONLY=1` too).")
        .option("--free"),
    key("cache", Kind::Flag, "true", "Answers of models are kept, and an equal question is served the kept one (`kaizen-ci cache`)."),
    key(
        "tools",
        Kind::Flag,
        "false",
        "Models that can call tools (large ones with 24,000 tokens of context) may read files, search, list symbols and try \
         edits: at most 8 calls for an attempt.",
    ),
    key(
        "embedder",
        Kind::Text,
        "built-in",
        "Who makes vectors of questions for the cache: `built-in` (no network), or `provider/model` of a server with \
         `/v1/embeddings` that costs nothing.",
    )
    .example("ollama/nomic-embed-text"),
    open("roles.fix", Kind::List, "the profile's", "Who proposes edits: `local`, `free`, `paid`, `provider/model`. The profile is that of the largest tier in `models`.")
        .example("[local]"),
    open("roles.seats", Kind::List, "the profile's", "Who sits in the council.").example("[local]"),
    open("roles.critic", Kind::List, "the profile's", "Who finds what is wrong with an answer; never of the family that gave it.")
        .example("[local]"),
    open("roles.reviewer", Kind::List, "the profile's", "Who gives points to a document.").example("[local]"),
    open("roles.writer", Kind::List, "the profile's", "Who rewrites a document.").example("[local]"),
    open("roles.supervisor", Kind::List, "the profile's", "Who says first what goes wrong in a run.").example("[local]"),
    open("roles.supervisor_last", Kind::List, "the profile's", "Who says it when the first one's advice did not help.")
        .example("[paid]"),
    key(
        "strategies",
        Kind::Records(&STRATEGIES),
        "{}",
        "How single fixers that ask models are tuned: their `models`, the `temperature` of the first attempt, the number of \
         `attempts`.",
    )
    .example("{minimal: {models: [local], temperature: 0.2, attempts: 6}}"),
    key(
        "catalog",
        Kind::Records(&CATALOG),
        "[]",
        "Further models with a price (dollars per million tokens of `prompt` and `answer`); `reasoning: true` for one that \
         thinks before it answers. Without a price: the `context`, `strength` or `family` of a model on this machine. What is \
         given away is known to kaizen-ci alone: a file can't make a model free.",
    )
    .example("[{provider: openrouter, id: some/model, prompt: 0.10, answer: 0.40, context: 131072, strength: 6}]"),
    key(
        "agents",
        Kind::Records(&AGENTS),
        "[]",
        "Coding agents that race as the fixer `command`: `aider`, `claude`, `codex`, `gemini`, `goose`, `qwen` are \
         ready-made; another name needs `cmd` (run through `sh -c`, the question in the file `$KAIZEN_PROMPT_FILE`). `env` \
         names secrets that it may see. None runs in free mode: what an agent costs is not known.",
    )
    .example("[{name: claude, time_limit: 5m}]"),
    key("budget.cents", Kind::Count(0, 1_000_000), "100", "What models may cost in one run, in US cents."),
    key("budget.requests", Kind::Count(0, 1_000_000), "400", "How many requests to models one run may send."),
    open("budget.day_cents", Kind::Count(0, 100_000_000), "no limit", "What models may cost on one day (UTC), in US cents, for everybody who shares the cache.")
        .example("500"),
    open("budget.day_requests", Kind::Count(0, 100_000_000), "no limit", "How many requests to models one day may see, for everybody who shares the cache.")
        .example("1000"),
    key("budget.models", Kind::Records(&MODEL_BUDGETS), "{}", "What single models may cost in one run: `cents`, `requests`.")
        .example("{openai/gpt-5: {cents: 20, requests: 10}}"),
    key(
        "github.roles",
        Kind::List,
        "[]",
        "Who may give which `/kaizen` command, as `command=role` (`read`, `triage`, `write`, `maintain`, `admin`). Without \
         it: `help` and `status` from `read`, everything else from `write`.",
    )
    .example("[heal=maintain, status=triage]"),
    key("github.bots", Kind::List, "[]", "Bots whose `/kaizen` commands are obeyed, by login; others are refused.")
        .example("[\"renovate[bot]\"]"),
    open(
        "sandbox",
        Kind::Flag,
        "on in GitHub Actions where the kernel can (Landlock), else off",
        "A fence around the tests: they write only in their workspace, temporary folders and caches, and read no logins. \
         With `true` it has to be there.",
    )
    .example("true"),
    open(
        "network",
        Kind::Flag,
        "off in GitHub Actions where the kernel can (namespaces), else on",
        "Whether the tests have a network. Without it they have a loopback of their own (Linux). With `false` it has to be \
         possible.",
    )
    .example("false"),
    open("parallel", Kind::Count(1, 1024), "the number of cores", "How many test runs at the same time.").example("2"),
    key("log_cap", Kind::Size, "16 MiB", "How much of each output stream of a run is kept: the head and the tail."),
];

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Variables that are read elsewhere in the program; not configuration, but not typing errors either.
pub const OTHER_VARIABLES: &[(&str, &str)] = &[
    ("KAIZEN_TMP", "folder for workspaces, instead of the system's temporary folder"),
    (
        "KAIZEN_LOCAL_PORTS",
        "where model servers of this machine listen instead of their usual ports, such as `ollama=11500,llama.cpp=18080`; `none`: they are not looked for",
    ),
    (
        "KAIZEN_MODEL_URL",
        "a model server of your own that speaks the OpenAI API, such as `http://127.0.0.1:9000/v1`; several with commas",
    ),
    ("KAIZEN_MODEL_KEY", "its key, when it wants one"),
    (
        "KAIZEN_CACHE_URL",
        "a PostgreSQL server on which a team shares the answers of models, `postgres://user:password@host/database`",
    ),
    ("KAIZEN_SKIP", "`1`: the pre-push hook lets this push go without running the tests"),
    (
        "KAIZEN_LOG",
        "what to trace to standard error, for looking into kaizen-ci itself (`debug`, `kaizen_ci::repo=trace`)",
    ),
];

/// The runners that `suites[].runner` may name.
pub const RUNNERS: &[&str] = &[
    "cargo-test",
    "nextest",
    "pytest",
    "unittest",
    "jest",
    "vitest",
    "mocha",
    "node-test",
    "go",
    "maven",
    "gradle",
    "rspec",
    "tap",
    "command",
];
