//! A scripted OpenAI-compatible server on loopback that misbehaves on order, for tests that ask models.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kaizen_ci::model::client::Endpoint;
use kaizen_ci::model::{Models, Settings, providers};
use serde_json::{Value, json};

/// What the server does with one question.
#[derive(Debug, Clone)]
pub enum Step {
    Say(String),
    /// It calls these tools: name and arguments.
    Call(Vec<(&'static str, String)>),
    /// Another model answers.
    SayAs(&'static str, &'static str),
    Status(u16, Option<&'static str>),
    /// It refuses with these words.
    Refuse(u16, &'static str),
    Redirect(String),
    /// The first byte comes this late (ms).
    Late(u64),
    /// The same, with these words.
    Slow(u64, &'static str),
    StallInMidStream,
    EndInMidStream,
    ErrorInMidStream,
    /// Not a stream, and only half of it.
    HalfJson,
    WrongShape,
    Empty,
    CutOff,
    Reset,
    Huge,
    /// It stops for this reason, with something written.
    Finish(&'static str),
    /// A whole answer that is no stream, as it is.
    Json(String),
    /// A stream, as it is.
    Events(String),
    /// A stream, as it is; then nothing for a long time.
    EventsAndStall(String),
    /// So many parts of one token, each in an event of some 300 bytes.
    Tokens(usize),
    /// It says that these are the tokens of prompt and answer.
    Count(u64, u64),
}

type Rule = Arc<dyn Fn(usize, &Value) -> Step + Send + Sync>;

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub head: String,
    pub body: Value,
    pub at: Instant,
}

/// An OpenAI-compatible server on loopback. It lives as long as the test's process.
pub struct Server {
    pub url: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn new(steps: &[Step]) -> Self {
        Self::of("scripted-7b", steps)
    }

    /// Answers questions with `steps`, the last one for ever.
    pub fn of(model: &'static str, steps: &[Step]) -> Self {
        let steps = steps.to_vec();
        Self::by(model, move |n, _| steps[n.min(steps.len() - 1)].clone())
    }

    /// Answers the nth question (from 0) as `rule` says.
    pub fn by(model: &'static str, rule: impl Fn(usize, &Value) -> Step + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), model, rule)
    }

    /// The same, where the test wants it to listen.
    pub fn on(
        listener: TcpListener,
        model: &'static str,
        rule: impl Fn(usize, &Value) -> Step + Send + Sync + 'static,
    ) -> Self {
        let rule: Rule = Arc::new(rule);
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        let turn = Arc::new(Mutex::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (rule, log, turn) = (Arc::clone(&rule), Arc::clone(&log), Arc::clone(&turn));
                std::thread::spawn(move || serve(stream, model, &rule, &log, &turn));
            }
        });
        Self { url, asked }
    }

    pub fn questions(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|a| a.path.ends_with("/chat/completions") || a.path.ends_with("/messages"))
            .cloned()
            .collect()
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint { provider: *providers::find("llama.cpp").unwrap(), base: self.url.clone(), key: None }
    }

    pub fn models(&self, change: impl FnOnce(&mut Settings)) -> Arc<Models> {
        let mut settings = Settings { own: Some(self.url.clone()), cents: 100, requests: 100, ..Settings::default() };
        change(&mut settings);
        Models::new(settings)
    }
}

fn serve(mut stream: TcpStream, model: &str, rule: &Rule, log: &Mutex<Vec<Asked>>, turn: &Mutex<usize>) {
    let Some((path, head, body)) = request(&mut stream) else { return };
    let head_is_get = head.starts_with("GET ");
    log.lock().unwrap().push(Asked { path: path.clone(), head, body: body.clone(), at: Instant::now() });
    if path.ends_with("/models") {
        return reply(&mut stream, &json!({"data": [{"id": model}]}).to_string());
    }
    if path.ends_with("/props") {
        // a large model has room for more
        let context = if model.contains("70b") { 65_536 } else { 8192 };
        let props = json!({"total_slots": 2, "default_generation_settings": {"n_ctx": context}});
        return reply(&mut stream, &props.to_string());
    }
    // it is no gateway, and no Ollama
    if head_is_get {
        let _ = stream.write_all(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    if path.ends_with("/embeddings") {
        // the same direction for every text that ends alike
        let text = body["input"].as_str().unwrap_or_default();
        let last = text.trim_end_matches('?').rsplit(' ').next().unwrap_or_default().len();
        let vector: Vec<f64> = (0..8).map(|n| f64::from(u8::from(n == last % 8))).collect();
        return reply(&mut stream, &json!({"data": [{"embedding": vector}]}).to_string());
    }
    let step = {
        let mut turn = turn.lock().unwrap();
        let step = rule(*turn, &body);
        *turn += 1;
        step
    };
    let chunk =
        |text: &str| format!("data: {}\n\n", json!({"model": model, "choices": [{"delta": {"content": text}}]}));
    let end = |model: &str, finish: &str| {
        let last = json!({"model": model, "choices": [{"delta": {}, "finish_reason": finish}], "usage": {"prompt_tokens": 11, "completion_tokens": 7}});
        format!("data: {last}\n\ndata: [DONE]\n\n")
    };
    match step {
        Step::Say(text) => {
            let parts: String = text.split_inclusive('\n').map(chunk).collect();
            events(&mut stream, &(parts + &end(model, "stop")));
        }
        Step::Call(calls) => {
            let call = |(n, (name, arguments)): (usize, &(&str, String))| {
                let function = json!({"name": name, "arguments": arguments});
                json!({"index": n, "id": format!("call-{n}"), "type": "function", "function": function})
            };
            let calls: Vec<Value> = calls.iter().enumerate().map(call).collect();
            let part = json!({"model": model, "choices": [{"delta": {"tool_calls": calls}}]});
            events(&mut stream, &(format!("data: {part}\n\n") + &end(model, "tool_calls")));
        }
        Step::SayAs(other, text) => events(&mut stream, &(chunk(text) + &end(other, "stop"))),
        Step::Status(status, after) => {
            let after = after.map(|a| format!("retry-after: {a}\r\n")).unwrap_or_default();
            let body = "{\"error\":{\"message\":\"no, planted-key-0123456789\"}}";
            let head =
                format!("HTTP/1.1 {status} X\r\n{after}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes());
        }
        Step::Refuse(status, words) => {
            let body = json!({"error": {"message": words}}).to_string();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
        Step::Finish(reason) => events(&mut stream, &(chunk("half") + &end(model, reason))),
        Step::Json(body) => reply(&mut stream, &body),
        Step::Events(body) => events(&mut stream, &body),
        Step::EventsAndStall(body) => {
            events(&mut stream, &body);
            std::thread::sleep(Duration::from_secs(20));
        }
        Step::Tokens(n) => {
            let noise = "x".repeat(200);
            let delta = json!({"content": "ab"});
            let part = json!({"model": model, "system_fingerprint": noise, "choices": [{"delta": delta}]});
            events(&mut stream, &(format!("data: {part}\n\n").repeat(n) + &end(model, "stop")));
        }
        Step::Count(prompt, answer) => {
            let usage = json!({"prompt_tokens": prompt, "completion_tokens": answer});
            let last = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage});
            events(&mut stream, &(chunk("counted") + &format!("data: {last}\n\ndata: [DONE]\n\n")));
        }
        Step::Redirect(to) => {
            let head = format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
        }
        Step::Late(ms) => {
            std::thread::sleep(Duration::from_millis(ms));
            events(&mut stream, &(chunk("late") + &end(model, "stop")));
        }
        Step::Slow(ms, text) => {
            std::thread::sleep(Duration::from_millis(ms));
            events(&mut stream, &(chunk(text) + &end(model, "stop")));
        }
        Step::StallInMidStream => {
            events(&mut stream, &chunk("half"));
            std::thread::sleep(Duration::from_secs(20));
        }
        Step::EndInMidStream => events(&mut stream, &chunk("half")),
        Step::ErrorInMidStream => {
            events(&mut stream, &(chunk("half") + "data: {\"error\":{\"code\":502,\"message\":\"upstream\"}}\n\n"));
        }
        Step::HalfJson => reply(&mut stream, "{\"choices\":[{\"message\":{\"content\":\"half"),
        Step::WrongShape => reply(&mut stream, "{\"result\":\"done\"}"),
        Step::Empty => events(&mut stream, &end(model, "stop")),
        Step::CutOff => events(&mut stream, &(chunk("half") + &end(model, "length"))),
        Step::Reset => {}
        Step::Huge => {
            events(&mut stream, "");
            let part = chunk(&"x".repeat(64 * 1024));
            for _ in 0..160 {
                if stream.write_all(part.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<(String, String, Value)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let n = stream.read(&mut buffer).ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some((path, head.to_owned(), serde_json::from_str(body).unwrap_or_default()));
        }
    }
}

fn reply(stream: &mut TcpStream, body: &str) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

fn events(stream: &mut TcpStream, body: &str) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
