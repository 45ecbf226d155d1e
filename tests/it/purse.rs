//! What may be asked and what it costs: gateways on this machine, servers elsewhere, models with a price, endings by name.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaizen_ci::cache::{Source, thresholds};
use kaizen_ci::model::router::Evidence;
use kaizen_ci::model::{Asker, CachePlace, Job, Message, Models, Role, Settings, Turn, Wish};
use kaizen_ci::trajectory::Recorder;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::project::{Project, files_below};
use crate::scripted::{Server, Step};

/// What a web server says: headers beside the usual ones, and the body; none is 404.
type Said = Option<(&'static str, String)>;

/// A web server that answers by path; it lives as long as the test's process.
struct Web {
    port: u16,
    /// Method and path of everything that came in.
    came: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn on(address: &str, answer: impl Fn(&str, &Value) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let came: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, answer) = (Arc::clone(&came), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &log, answer.as_ref()));
            }
        });
        Self { port, came }
    }

    /// Lists `ids`, and answers what `more` says; a question with words of its own.
    fn listing(ids: &[&str], more: impl Fn(&str, &Value) -> Said + Send + Sync + 'static) -> Self {
        let list = json!({"data": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()}).to_string();
        Self::on("127.0.0.1", move |path, body| match more(path, body) {
            None if path == "/v1/models" => Some(("", list.clone())),
            None if path == "/v1/chat/completions" => Some(("", chat("hello", json!({})))),
            said => said,
        })
    }

    fn posts(&self) -> usize {
        self.came.lock().unwrap().iter().filter(|line| line.starts_with("POST ")).count()
    }
}

fn chat(words: &str, usage: Value) -> String {
    json!({"choices": [{"message": {"content": words}, "finish_reason": "stop"}], "usage": usage}).to_string()
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, answer: &(dyn Fn(&str, &Value) -> Said + Send + Sync)) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    let (line, body) = loop {
        let Ok(n @ 1..) = stream.read(&mut buffer) else { return };
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.lines().next().unwrap_or_default().to_owned(), serde_json::from_str(body).unwrap_or_default());
        }
    };
    log.lock().unwrap().push(line.clone());
    let path = line.split(' ').nth(1).unwrap_or_default();
    let (status, header, body) = match answer(path, &body) {
        Some((header, body)) => ("200 OK", header, body),
        None => ("404 Not Found", "", "{\"detail\":\"Not Found\"}".to_owned()),
    };
    let status = if header.starts_with("location:") { "307 Temporary Redirect" } else { status };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{header}connection: close\r\n");
    let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

/// Runs the program with these variables.
fn program(project: &Project, variables: &[(&str, &str)], args: &[&str]) -> std::process::Output {
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.envs(variables.iter().copied()).args(args).output().unwrap()
}

fn document(out: &std::process::Output) -> Value {
    let error = String::from_utf8_lossy(&out.stderr);
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {error}"))
}

fn text(out: &std::process::Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn events(project: &Project) -> String {
    let runs = std::fs::read_dir(project.root().join(".git/kaizen/runs")).unwrap().flatten();
    runs.map(|run| std::fs::read_to_string(run.path().join("events.jsonl")).unwrap_or_default()).collect()
}

const GATEWAY_IDS: &[&str] = &[
    "deepseek-chat",
    "mistral-large-latest",
    "codestral-latest",
    "qwen-max",
    "azure-prod",
    "command-r-plus",
    "sonar-pro",
    "nova-lite",
    "kimi-latest",
    "llama-3.3-70b-versatile",
    "openrouter/qwen/qwen3-8b",
    "bedrock/meta.llama3-8b",
];

#[test]
fn in_free_mode_no_gateway_on_this_machine_gets_anything_to_answer() {
    let by_name = Web::listing(GATEWAY_IDS, |_, _| None);
    // names that say nothing: copies of cloud models, aliases
    let tags = json!({"models": [{"name": "mine:latest", "model": "mine:latest", "remote_model": "gpt-oss:120b",
        "remote_host": "https://ollama.com:443", "digest": "1"}]});
    let by_tag = Web::listing(&["mine:latest"], move |path, _| (path == "/api/tags").then(|| ("", tags.to_string())));
    let by_words = Web::listing(&["our-model"], |path, _| {
        (path == "/health/liveliness").then(|| ("", "\"I'm alive!\"".to_owned()))
    });
    let by_header = Web::listing(&[], |path, _| {
        let list = json!({"data": [{"id": "our-model"}]}).to_string();
        (path == "/v1/models").then_some(("x-litellm-version: 1.70.0\r\n", list))
    });
    let all = [("vllm", &by_name), ("ollama", &by_tag), ("lmstudio", &by_words), ("llama.cpp", &by_header)];
    let ports: Vec<String> = all.iter().map(|(name, web)| format!("{name}={}", web.port)).collect();
    let ports = ports.join(",");
    let project = Project::without_history("tap-bounds-regressed");
    let variables = [("KAIZEN_MODELS", "local"), ("KAIZEN_LOCAL_PORTS", ports.as_str()), ("COST_FREE_ONLY", "1")];
    let list = document(&program(&project, &variables, &["models", "--free", "--json"]));
    assert_eq!(list["models"], json!([]), "{list:#}");
    assert!(list["roles"].as_object().unwrap().values().all(|who| who == &json!([])), "{list:#}");
    let args = ["heal", "--json", "--fixers", "minimal", "--max-tier", "1", "--dry-run", "--force"];
    program(&project, &variables, &args);
    // not in free mode they are listed, with a price that nobody knows, and not asked either
    let list = document(&program(&project, &variables[..2], &["models", "--json"]));
    let models = list["models"].as_array().unwrap();
    assert_eq!(models.len(), GATEWAY_IDS.len() + 3, "{list:#}");
    assert!(models.iter().all(|m| m["tier"] == "paid"), "{list:#}");
    program(&project, &variables[..2], &args);
    for (name, web) in all {
        assert_eq!(web.posts(), 0, "{name}: {:?}", web.came.lock().unwrap());
        assert!(!web.came.lock().unwrap().is_empty(), "{name} was looked at");
    }
}

fn turn() -> Turn {
    Turn { answer_tokens: 50, deadline: Duration::from_secs(5), ..Turn::new(Role::Fix, vec![Message::user("why?")]) }
}

/// How asking `models` ends.
async fn outcome(models: &Models, turn: &Turn) -> &'static str {
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let asker = Asker { name: "test", recorder: &recorder, cancel: &cancel };
    models
        .ask(turn, &Wish::default(), asker)
        .await
        .as_ref()
        .map_or_else(kaizen_ci::model::Trouble::name, |_| "answered")
}

/// What a server on this machine is in one of many configurations.
#[derive(Debug, Clone, Default)]
struct Fuzzed {
    id: String,
    /// Ollama's word that the model runs elsewhere.
    remote: bool,
    gateway: bool,
    redirects: bool,
    answers_as: Option<String>,
    bills: bool,
}

/// What is free, said once more and in another way: the test's own list.
fn names_a_price(model: &str) -> bool {
    const PRICED: &[&str] = &[
        "gpt-4",
        "gpt-5",
        "gpt-6",
        "claude",
        "gemini",
        "-cloud",
        "deepseek-chat",
        "deepseek-flash",
        "deepseek-v4",
        "-latest",
        "-versatile",
        "qwen-max",
        "coder-plus",
        "command-r",
        "sonar",
        "nova-",
        "azure",
        "bedrock/",
        "groq/",
        "openrouter/",
    ];
    let model = model.to_ascii_lowercase();
    PRICED.iter().any(|priced| model.contains(priced))
}

fn fuzzed(random: &mut fastrand::Rng) -> Fuzzed {
    const NAMES: &[&str] = &[
        "coder-7b",
        "qwen2.5-coder:7b",
        "qwen2.5-coder:latest",
        "llama3.2",
        "deepseek-r1",
        "openai/gpt-oss-20b",
        "mine",
        "gpt-4o",
        "openai/gpt-5",
        "gpt-6.1-sol",
        "claude-sonnet-4-5",
        "us.anthropic.claude-x",
        "gemini-2.5-pro",
        "gpt-oss:120b-cloud",
        "deepseek-chat",
        "deepseek-flash",
        "deepseek-v4-pro",
        "mistral-large-latest",
        "llama-3.3-70b-versatile",
        "qwen-max",
        "qwen3-coder-plus",
        "command-r-plus",
        "sonar-pro",
        "nova-lite",
        "azure-prod",
        "bedrock/meta.llama3-8b",
        "groq/openai/gpt-oss-20b",
        "openrouter/qwen/qwen3-8b",
    ];
    let mut name = || {
        let noise: String = (0..random.usize(0..3)).map(|_| *random.choice(&['x', '2', '-', '.']).unwrap()).collect();
        let name = format!("{}{noise}", random.choice(NAMES).unwrap());
        if random.u8(0..8) == 0 { name.to_uppercase() } else { name }
    };
    let (id, other) = (name(), name());
    Fuzzed {
        id,
        remote: random.u8(0..6) == 0,
        gateway: random.u8(0..6) == 0,
        redirects: random.u8(0..6) == 0,
        answers_as: (random.u8(0..3) == 0).then_some(other),
        bills: random.u8(0..6) == 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_free_mode_no_configuration_sends_a_request_that_names_a_model_with_a_price() {
    let (now, posted): (Arc<Mutex<Fuzzed>>, Arc<Mutex<Vec<String>>>) = Default::default();
    let (case, log) = (Arc::clone(&now), Arc::clone(&posted));
    let web = Web::on("127.0.0.1", move |path, body| {
        let case = case.lock().unwrap().clone();
        match path {
            "/v1/models" => Some(("", json!({"data": [{"id": case.id}]}).to_string())),
            "/health/liveliness" if case.gateway => Some(("", "\"I'm alive!\"".to_owned())),
            "/api/tags" if case.remote => {
                let tag =
                    json!({"name": case.id, "model": case.id, "remote_host": "https://ollama.com:443", "digest": "1"});
                Some(("", json!({"models": [tag]}).to_string()))
            }
            "/v1/chat/completions" => {
                log.lock().unwrap().push(body["model"].as_str().unwrap_or_default().to_owned());
                if case.redirects {
                    return Some(("location: https://api.openai.com/v1/chat/completions\r\n", String::new()));
                }
                let usage =
                    json!({"prompt_tokens": 1, "completion_tokens": 1, "cost": if case.bills { 0.002 } else { 0.0 }});
                let mut said: Value = serde_json::from_str(&chat("hello", usage)).unwrap();
                said["model"] = json!(case.answers_as.as_ref().unwrap_or(&case.id));
                Some(("", said.to_string()))
            }
            _ => None,
        }
    });
    let mut random = fastrand::Rng::with_seed(16);
    let (mut sent, mut held) = (0, 0);
    for n in 0..150 {
        let case = fuzzed(&mut random);
        *now.lock().unwrap() = case.clone();
        posted.lock().unwrap().clear();
        let host = *random.choice(&["127.0.0.1", "localhost", "user:pw@127.0.0.1"]).unwrap();
        let server = *random.choice(&["ollama", "llama.cpp", "lmstudio", "vllm", "own"]).unwrap();
        let own = (server == "own").then(|| format!("http://{host}:{}/v1", web.port));
        let ports = Some(if own.is_some() { Vec::new() } else { vec![(server.to_owned(), web.port)] });
        let words = [vec!["local"], vec!["local", "free", "paid"], vec!["own", "local"]];
        let named = vec![format!("{server}/{}", case.id)];
        let models = match random.usize(0..4) {
            3 => named,
            n => words[n].iter().map(|w| (*w).to_owned()).collect(),
        };
        let (free_only, own_costs_nothing) = (true, random.bool());
        let settings = Settings {
            models,
            free_only,
            own,
            own_costs_nothing,
            ports,
            cents: 100,
            requests: 9,
            ..Settings::default()
        };
        let models = Models::new(settings);
        // what was a mistake once is not made again
        for sample in 0..2 {
            outcome(&models, &Turn { sample, ..turn() }).await;
        }
        let posted = posted.lock().unwrap().clone();
        let has_price = |model: &String| names_a_price(model) || case.remote || case.gateway;
        assert!(!posted.iter().any(has_price), "{n}: {case:?} at {server}: {posted:?}");
        let is_elsewhere =
            case.redirects || case.bills || case.answers_as.as_ref().is_some_and(|other| names_a_price(other));
        assert!(posted.len() <= if is_elsewhere { 1 } else { 2 }, "{n}: {case:?} at {server}: {posted:?}");
        if posted.is_empty() { held += 1 } else { sent += 1 }
    }
    assert!(sent >= 15 && held >= 60, "{sent} asked, {held} not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_refused_for_every_model_of_the_server() {
    let web = Web::listing(&["a-7b", "b-7b", "c-7b"], |path, _| {
        (path == "/v1/chat/completions").then(|| ("", json!({"error": {"code": 401, "message": "no"}}).to_string()))
    });
    let ports = Some(vec![("vllm".to_owned(), web.port)]);
    let settings = Settings { models: vec!["local".into()], ports, cents: 100, requests: 9, ..Settings::default() };
    assert_eq!(outcome(&Models::new(settings), &turn()).await, "unauthorised");
    assert_eq!(web.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_free_mode_a_model_that_was_billed_for_is_not_asked_again() {
    let web = Web::listing(&["coder-7b"], |path, _| {
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.002});
        (path == "/v1/chat/completions").then(|| ("", chat("that was not for nothing", usage)))
    });
    let own = Some(format!("http://localhost:{}/v1", web.port));
    let models = Models::new(Settings { own, cents: 100, requests: 100, free_only: true, ..Settings::default() });
    assert_eq!(outcome(&models, &turn()).await, "answered");
    let again = Turn { sample: 1, ..turn() };
    assert_eq!(outcome(&models, &again).await, "not-free");
    assert_eq!(outcome(&models, &again).await, "no-model");
    assert_eq!(web.posts(), 1);
}

const RIGHT: &str =
    "search.py\n<<<<<<< SEARCH\n    while low < high:\n=======\n    while low <= high:\n>>>>>>> REPLACE\n";

/// A heal by *minimal* alone.
fn heal(project: &Project, servers: &[&Server], config: &str) -> Value {
    project.write(".kaizen.yml", config);
    let urls: Vec<&str> = servers.iter().map(|s| s.url.as_str()).collect();
    let urls = urls.join(",");
    let args = ["heal", "--json", "--fixers", "minimal", "--max-tier", "1", "--dry-run", "--force"];
    document(&program(project, &[("KAIZEN_MODELS", "own"), ("KAIZEN_MODEL_URL", &urls)], &args))
}

#[test]
fn a_model_with_a_price_is_reached_although_one_without_is_listed_and_the_evidence_is_said() {
    const PRICED: &str = "catalog: [{provider: own, id: big-70b, prompt: 1, answer: 1}]\n";
    for (roles, small) in [
        ("roles: {fix: [own/big-70b]}\n", Step::Say("I am not asked.".into())),
        ("roles: {fix: [own/small-7b, own/big-70b]}\n", Step::Status(402, None)),
    ] {
        let small = Server::of("small-7b", &[small]);
        let big = Server::of("big-70b", &[Step::Say(RIGHT.into())]);
        let project = Project::without_history("tap-bounds-regressed");
        let document = heal(&project, &[&small, &big], &format!("{PRICED}{roles}"));
        assert_eq!(document["outcome"], "healed_not_applied", "{roles}: {document:#}");
        assert!(!big.questions().is_empty(), "{roles}");
        assert_eq!(small.questions().len(), usize::from(roles.contains("small")), "{roles}");
        assert!(events(&project).contains("fixers without a model are done"), "{roles}");
    }
}

#[test]
fn a_search_that_the_budget_ends_says_so_and_one_without_a_model_too() {
    let talks = Server::of("scripted-70b", &[Step::Say("I would look at the loop.".into())]);
    let found = heal(&Project::without_history("tap-bounds-regressed"), &[&talks], "budget: {requests: 1}\n");
    assert_eq!(found["fixers"][0]["ended"], "out_of_budget", "{:#}", found["fixers"]);
    assert!(found["fixers"][0]["why"].as_str().unwrap().contains("1 requests are spent"), "{:#}", found["fixers"]);
    let broke = Server::of("scripted-70b", &[Step::Status(402, None)]);
    let project = Project::without_history("tap-bounds-regressed");
    let found = heal(&project, &[&broke], "");
    assert_eq!(found["fixers"][0]["ended"], "no_model_now", "{:#}", found["fixers"]);
    assert!(found["fixers"][0]["why"].as_str().unwrap().contains("out of credit"), "{:#}", found["fixers"]);
    let schema = document(&program(&project, &[], &["schema", "heal"]));
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&found));
}

/// An address of this machine that is none of the loopback net.
fn outside() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()) {
        Ok(at) if !at.ip().is_loopback() => at.ip().to_string(),
        _ => "0.0.0.0".to_owned(),
    }
}

#[test]
fn a_server_elsewhere_is_used_when_the_environment_says_that_it_costs_nothing_and_never_in_free_mode() {
    let list = json!({"data": [{"id": "coder-7b"}]}).to_string();
    let web = Web::on("0.0.0.0", move |path, _| match path {
        "/v1/models" => Some(("", list.clone())),
        "/v1/chat/completions" => Some(("", chat(RIGHT, json!({})))),
        _ => None,
    });
    let url = format!("http://{}:{}/v1", outside(), web.port);
    let project = Project::without_history("tap-bounds-regressed");
    let url = ("KAIZEN_MODEL_URL", url.as_str());
    let (free, models) = (("KAIZEN_MODEL_COST", "0"), ("KAIZEN_MODELS", "local"));
    let unsaid = text(&program(&project, &[url, models], &["models"]));
    for words in
        ["paid", "price not known", "own/coder-7b is never asked", "KAIZEN_MODEL_COST=0", "catalog: [{provider: own"]
    {
        assert!(unsaid.contains(words), "{words}: {unsaid}");
    }
    let said = document(&program(&project, &[url, free, models], &["models", "--json"]));
    assert_eq!(said["models"][0]["tier"], "free", "{said:#}");
    assert_eq!(said["roles"]["fix"], json!(["own/coder-7b"]), "{said:#}");
    let strict = document(&program(&project, &[url, free, models], &["models", "--json", "--free"]));
    assert_eq!(strict["models"], json!([]), "{strict:#}");
    let own = ("KAIZEN_MODELS", "own");
    let args = ["heal", "--json", "--fixers", "minimal", "--max-tier", "1", "--dry-run", "--force"];
    for (variables, asked) in
        [(vec![url, own], false), (vec![url, own, free, ("COST_FREE_ONLY", "1")], false), (vec![url, own, free], true)]
    {
        program(&project, &variables, &args);
        assert_eq!(web.posts() > 0, asked, "{variables:?}");
    }
}

#[test]
fn a_login_in_the_address_of_a_local_server_is_named_as_the_reason_and_not_shown() {
    let web = Web::listing(&["coder-7b"], |_, _| None);
    let url = format!("http://user:hunter2pw@127.0.0.1:{}/v1", web.port);
    let out = program(&Project::empty(), &[("KAIZEN_MODEL_URL", &url), ("KAIZEN_MODELS", "own")], &["models"]);
    let said = text(&out);
    assert!(said.contains("its address holds a user's name") && said.contains("KAIZEN_MODEL_KEY"), "{said}");
    assert!(!said.contains("hunter2pw") && !String::from_utf8_lossy(&out.stderr).contains("hunter2pw"), "{said}");
}

#[test]
fn models_and_doctor_say_who_is_of_which_family_and_who_is_not_there() {
    let server = Server::of("scripted-7b", &[Step::Empty]);
    let project = Project::empty();
    let variables = [("KAIZEN_MODEL_URL", server.url.as_str()), ("KAIZEN_ROLES_CRITIC", "groq/openai/gpt-oss-20b")];
    let said =
        text(&program(&project, &[("KAIZEN_MODELS", "own,openai/gpt-5"), variables[0], variables[1]], &["models"]));
    for words in [
        "own/scripted-7b  scripted-7b ",
        "not there  openai/gpt-5: no key: set OPENAI_API_KEY",
        "not there  groq/openai/gpt-oss-20b: no key: set GROQ_API_KEY",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // a port where nobody listens any more
    let dead = {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://127.0.0.1:{}/v1", gone.local_addr().unwrap().port())
    };
    let variables = [("KAIZEN_MODELS", "local"), ("KAIZEN_LOCAL_PORTS", "none"), ("KAIZEN_MODEL_URL", dead.as_str())];
    let said = text(&program(&project, &variables, &["models"]));
    assert!(said.contains(&format!("not there  own: nobody answers at {dead}")), "{said}");
    let said = text(&program(&project, &variables, &["doctor"]));
    let line = said.lines().find(|line| line.contains("own: nobody answers at")).unwrap_or_else(|| panic!("{said}"));
    assert!(!line.contains('✓') && said.contains("start the server that KAIZEN_MODEL_URL names"), "{said}");
}

/// The vector of a text: questions with `can` stand at an angle to those without.
fn angled(_: &str, body: &Value) -> Said {
    let asked = body["input"].as_str()?;
    let vector = if asked.contains(" can ") { [0.7, 0.714] } else { [1.0, 0.0] };
    Some(("", json!({"data": [{"embedding": vector}]}).to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn calibrate_fits_the_embedder_that_is_configured_and_the_cache_uses_what_it_found() {
    let web =
        Web::listing(&["coder-7b"], |path, body| if path == "/v1/embeddings" { angled(path, body) } else { None });
    let url = format!("http://127.0.0.1:{}/v1", web.port);
    let project = Project::empty();
    let pairs: String = (0..24)
        .flat_map(|n| {
            let pair = |id: String, a: String, b: String, same: bool| {
                json!({"id": id, "a": a, "b": b, "same_answer": same}).to_string() + "\n"
            };
            [
                pair(format!("same-{n}"), format!("How do I run test_{n}?"), format!("How can I run test_{n}?"), true),
                pair(
                    format!("trap-{n}"),
                    format!("How do I run test_{n}?"),
                    format!("How can I skip test_{n}?"),
                    false,
                ),
            ]
        })
        .collect();
    project.write("pairs.jsonl", &pairs);
    let state = project.root().join(".git/kaizen");
    let served = |state: &Path| {
        let place = CachePlace { state_dir: state.to_owned(), url: None };
        Models::new(Settings {
            own: Some(url.clone()),
            cents: 100,
            requests: 100,
            cache: Some(place),
            embedder: "own/vectors".into(),
            ..Settings::default()
        })
    };
    let source = async |models: &Models, question: &str| {
        let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
        let asker = Asker { name: "test", recorder: &recorder, cancel: &cancel };
        let turn = Turn { question: Some(question.into()), ..Turn::new(Role::Answer, vec![Message::user(question)]) };
        models.ask(&turn, &Wish::default(), asker).await.unwrap().source
    };
    let models = served(&state);
    source(&models, "How do I run one test?").await;
    assert_eq!(source(&models, "How can I run one test?").await, Source::Asked, "0.7 is less than the usual bound");
    let variables = [("KAIZEN_MODEL_URL", url.as_str()), ("KAIZEN_EMBEDDER", "own/vectors")];
    let found = document(&program(&project, &variables, &["cache", "calibrate", "pairs.jsonl", "--json"]));
    assert_eq!((&found["embedder"], &found["in_use"]), (&json!("own/vectors"), &json!(0.92)), "{found:#}");
    assert!(found["threshold"].as_f64().unwrap() <= 0.7, "{found:#}");
    assert!(thresholds::of(&state, "own/vectors").is_some());
    let models = served(&state);
    source(&models, "How do I list all files?").await;
    let similar = source(&models, "How can I list all files?").await;
    assert!(matches!(similar, Source::Semantic { .. }), "{similar:?}");
    // with a server that is not there nothing is fitted
    let variables = [("KAIZEN_MODEL_URL", "http://127.0.0.1:1/v1"), ("KAIZEN_EMBEDDER", "own/vectors")];
    let out = program(&project, &variables, &["cache", "calibrate", "pairs.jsonl"]);
    assert_eq!(out.status.code(), Some(22), "{}", text(&out));
    assert!(String::from_utf8_lossy(&out.stderr).contains("own/vectors makes no vectors"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_servers_models_the_small_one_is_asked_first_and_the_large_one_after_a_stall_or_progress() {
    let web = Web::listing(&["big-70b", "coder-1.5b"], |path, body| {
        (path == "/v1/chat/completions").then(|| ("", chat(body["model"].as_str().unwrap_or_default(), json!({}))))
    });
    let url = format!("http://127.0.0.1:{}/v1", web.port);
    let settings = |roles: &[&str]| {
        let roles = roles.iter().map(|name| (*name).to_owned()).collect();
        Settings { own: Some(url.clone()), requests: 9, roles: [("fix", roles)].into(), ..Settings::default() }
    };
    let stall = Evidence::Stall { models: vec!["own/coder-1.5b".into()] };
    for (roles, evidence, who) in [
        (&[][..], None, "coder-1.5b"),
        (&[], Some(stall), "big-70b"),
        (&[], Some(Evidence::Progress { green: 1 }), "big-70b"),
        (&["own"], None, "coder-1.5b"),
        (&["own/big-70b", "own/coder-1.5b"], None, "big-70b"),
    ] {
        let models = Models::new(settings(roles));
        let wish = Wish { evidence, models: models.named(Job::Fix).await, ..Wish::default() };
        let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
        let asker = Asker { name: "test", recorder: &recorder, cancel: &cancel };
        let answered = models.ask(&Turn::new(Role::Fix, vec![Message::user("why?")]), &wish, asker).await.unwrap();
        assert_eq!(answered.reply.content, who, "{roles:?} {:?}", wish.evidence);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_free_mode_a_council_is_held_on_this_machine_although_models_with_a_price_are_let_in() {
    let server = Server::of("here-7b", &[Step::Say("fine".into())]);
    let port = server.url.rsplit(':').next().unwrap().trim_end_matches("/v1").parse().unwrap();
    let models = Models::new(Settings {
        models: ["local", "free", "paid"].map(str::to_owned).to_vec(),
        free_only: true,
        ports: Some(vec![("llama.cpp".into(), port)]),
        requests: 9,
        ..Settings::default()
    });
    for job in Job::ALL {
        assert_eq!(models.named(job).await, ["llama.cpp/here-7b"], "{job:?}");
    }
}

#[test]
fn where_asking_costs_nothing_a_search_goes_on_as_long_as_every_answer_turns_one_more_test_green() {
    // a free model is asked seven times; here the tenth answer is the right one
    const FUNCTIONS: usize = 10;
    let function = |n: usize, value: usize| format!("def f{n}():\n    return {value}\n\n\n");
    let wrong: String = (0..FUNCTIONS).map(|n| function(n, 900 + n)).collect();
    let tests: String =
        (0..FUNCTIONS).map(|n| format!("def test_f{n}():\n    assert code.f{n}() == {n}\n\n\n")).collect();
    let project = Project::empty();
    project.write("code.py", &wrong);
    project.write("test_code.py", &format!("import code\n\n\n{tests}"));
    project.write("conftest.py", "import sys\nsys.path.insert(0, '.')\nsys.modules.pop('code', None)\n");
    project.commit("Functions");
    let list = json!({"data": [{"id": "scripted-70b", "max_model_len": 65536}]}).to_string();
    let asked = Mutex::new(0);
    let web = Web::on("0.0.0.0", move |path, _| match path {
        "/v1/models" => Some(("", list.clone())),
        "/v1/chat/completions" => {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            let edit = |n: usize| {
                format!("code.py\n<<<<<<< SEARCH\n    return {}\n=======\n    return {n}\n>>>>>>> REPLACE\n", 900 + n)
            };
            Some(("", chat(&(0..(*asked).min(FUNCTIONS)).map(edit).collect::<String>(), json!({}))))
        }
        _ => None,
    });
    let url = format!("http://{}:{}/v1", outside(), web.port);
    let variables = [("KAIZEN_MODELS", "own"), ("KAIZEN_MODEL_URL", url.as_str()), ("KAIZEN_MODEL_COST", "0")];
    let args = ["heal", "--json", "--fixers", "minimal", "--max-tier", "1", "--dry-run"];
    let found = document(&program(&project, &variables, &args));
    assert_eq!(found["outcome"], "healed_not_applied", "{found:#}");
    assert_eq!(web.posts(), FUNCTIONS, "{:#}", found["fixers"]);
}

/// What a coding agent is told that changes nothing of worth, round by round: it copies its prompt and its own command line.
fn told_to_an_agent(project: &Project) -> Vec<(String, String)> {
    let copies = tempfile::tempdir().unwrap();
    let folder = copies.path().display();
    let agent = format!("cat \"$KAIZEN_PROMPT_FILE\" > {folder}/$$.md; echo '# seen' >> search.py");
    project.write(".kaizen.yml", &format!("agents:\n  - name: mine\n    cmd: {agent:?}\n"));
    let args = ["heal", "--json", "--fixers", "command", "--max-tier", "1", "--dry-run", "--force"];
    let found = document(&program(project, &[("KAIZEN_MODELS", "off")], &args));
    let told = files_below(copies.path()).into_iter().map(|(_, text)| ("an agent's prompt".to_owned(), text));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 2, "{found:#}");
    assert!(told.iter().any(|(_, text)| text.contains("Your edits so far leave")), "{told:?}");
    assert!(told.iter().all(|(_, text)| text.contains("***")), "{told:?}");
    told
}

#[test]
fn a_hundred_keys_that_a_failing_test_prints_stand_nowhere_afterwards() {
    const SHAPES: [(&str, usize); 10] = [
        ("sk-", 48),
        ("sk-or-v1-", 64),
        ("sk-ant-api03-", 60),
        ("gsk_", 52),
        ("AIza", 35),
        ("xai-", 80),
        ("nvapi-", 64),
        ("pplx-", 48),
        ("r8_", 37),
        ("hf_", 34),
    ];
    let shapes: Vec<String> = SHAPES.iter().map(|(begin, length)| format!("({begin:?}, {length})")).collect();
    let project = Project::without_history("tap-bounds-regressed");
    // made when the test runs: nothing in the repository is a key
    let test = format!(
        "from search import find\n\nSHAPES = [{}]\n\n\ndef key(n):\n    begin, length = SHAPES[n % 10]\n    \
         return begin + (str(n).zfill(3) + 'aB3dE6gH9') [:length] + ('xY7zW4' * 20)[:max(0, length - 12)]\n\n\n\
         def test_find_prints():\n    keys = [key(n) for n in range(100)]\n    for one in keys:\n        print('key =', one)\n    \
         assert find([1, 2, 3], 3) == 2, ' '.join(keys[:50])\n",
        shapes.join(", ")
    );
    project.write("test_keys.py", &test);
    project.commit("Prints keys");
    let server = Server::of("scripted-70b", &[Step::Say("I would look at the loop.".into()), Step::Say(RIGHT.into())]);
    let found = heal(&project, &[&server], "");
    assert!(found["outcome"].is_string(), "{found:#}");
    let key = |n: usize| {
        let (begin, length) = SHAPES[n % 10];
        let body: String = format!("{n:03}aB3dE6gH9").chars().take(length).collect();
        format!("{begin}{body}{}", &"xY7zW4".repeat(20)[..length.saturating_sub(12)])
    };
    let mut places = vec![("document".to_owned(), found.to_string())];
    for asked in server.asked.lock().unwrap().iter() {
        places.push(("prompt".to_owned(), asked.body.to_string()));
    }
    places.extend(told_to_an_agent(&project));
    let kept = files_below(&project.root().join(".git/kaizen"));
    places.extend(kept.into_iter().map(|(path, text)| (path.display().to_string(), text)));
    assert!(places.iter().any(|(_, text)| text.contains("key = ***")), "what the test printed is in no place");
    for n in 0..100 {
        let key = key(n);
        // whole, and what would be left of it when only its beginning were covered
        for (place, text) in &places {
            assert!(!text.contains(&key) && !text.contains(&key[key.len() - 16..]), "{key} stands in {place}");
        }
    }
}
