//! A GitHub of our own: real HTTP, state that lasts, repositories on disk behind `git http-backend`, faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::openapi;

pub const TOKEN: &str = "ghs_fakefakefakefakefakefakefakefakefake";

/// Something that goes wrong once, with a request of this method whose path ends like this.
#[derive(Debug, Clone)]
pub struct Fault {
    pub method: &'static str,
    pub ends: &'static str,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is carried out, and the answer is a 502.
    DoneAnd502,
    /// It is carried out, and the answer is cut off.
    DoneAndCut,
    /// 429 with `retry-after: 0`.
    Limited,
    /// 403 without a time.
    Secondary,
    /// It is carried out, and the answer takes so many seconds.
    Slow(u64),
    /// This status and message.
    Status(u16, &'static str),
}

#[derive(Default)]
pub struct State {
    pub issues: Vec<Value>,
    pub pulls: Vec<Value>,
    pub comments: Vec<Value>,
    pub reactions: Vec<(u64, String)>,
    /// Those of them that are somebody else's, and whose.
    pub reactions_of: BTreeMap<(u64, String), &'static str>,
    pub roles: BTreeMap<String, &'static str>,
    pub faults: VecDeque<Fault>,
    pub requests: Vec<String>,
    /// What was wrong with requests, by GitHub's description.
    pub wrong: Vec<String>,
    pub may_make_pulls: bool,
    pub may_make_checks: bool,
    pub checks: Vec<Value>,
    pub reviews: Vec<Value>,
    /// What pull requests show: `filename`, `patch`.
    pub files: Vec<Value>,
    /// Workflow runs and their jobs.
    pub runs: Vec<Value>,
    pub jobs: Vec<Value>,
    /// Logs of jobs by id; of a whole run as a zip under the run's id.
    pub logs: BTreeMap<u64, Vec<u8>>,
    /// Pull requests by the commit that is their tip.
    pub pulls_of: BTreeMap<String, Vec<Value>>,
    /// Whose workflows of forks wait for an approval; empty: nobody may ask.
    pub approval: &'static str,
    /// It is an Enterprise server: its interface is below `/api/v3`.
    pub enterprise: bool,
    next: u64,
}

impl State {
    /// The first fault that is meant for this request; it is used up.
    fn fault(&mut self, request: &Request) -> Option<What> {
        let hit = self.faults.iter().position(|f| f.method == request.method && request.path.ends_with(f.ends));
        hit.and_then(|at| self.faults.remove(at)).map(|fault| fault.what)
    }
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

pub struct Fake {
    pub url: String,
    pub dir: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    heads: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Fake {
    /// With the empty repository `octo/shop`.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("octo/shop.git");
        std::fs::create_dir_all(&repo).unwrap();
        let git =
            |args: &[&str]| assert!(Command::new("git").args(args).current_dir(&repo).status().unwrap().success());
        git(&["init", "--quiet", "--bare", "-b", "main"]);
        git(&["config", "http.receivepack", "true"]);
        git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { may_make_pulls: true, may_make_checks: true, ..State::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, ended, base, root) = (state.clone(), stop.clone(), url.clone(), dir.path().to_path_buf());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared, base, root) = (stream, shared.clone(), base.clone(), root.clone()) else {
                    return;
                };
                std::thread::spawn(move || serve(stream, &shared, &base, &root));
            }
        });
        Self { url, dir, state, stop }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The address of its interface.
    pub fn api(&self) -> String {
        if self.state().enterprise { format!("{}/api/v3", self.url) } else { self.url.clone() }
    }

    pub fn repo(&self) -> PathBuf {
        self.dir.path().join("octo/shop.git")
    }

    /// Git in the repository of the fake.
    pub fn git(&self, args: &[&str]) -> String {
        let out = Command::new("git").args(args).current_dir(self.repo()).output().unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Somebody writes a comment.
    pub fn says(&self, number: u64, login: &str, body: &str) -> u64 {
        let mut state = self.state();
        let id = state.id();
        state
            .comments
            .push(json!({"id": id, "number": number, "body": body, "user": {"login": login, "type": "User"}}));
        id
    }

    /// Somebody opens a pull request from `branch` (of the fork `mallory/shop` with `fork`), whose tip is `head`.
    pub fn opens(&self, branch: &str, head: &str, fork: bool) -> u64 {
        let base = self.git(&["rev-parse", "main"]);
        let mut state = self.state();
        let number = state.id();
        let repo = if fork { "mallory/shop" } else { "octo/shop" };
        let pull = json!({
            "number": number, "state": "open", "title": "A change", "body": "", "html_url": "",
            "head": {"ref": branch, "sha": head, "repo": {"full_name": repo}},
            "base": {"ref": "main", "sha": base, "repo": {"full_name": "octo/shop"}},
        });
        state.pulls_of.entry(head.to_owned()).or_default().push(pull.clone());
        state.pulls.push(pull);
        number
    }

    /// Every request was as GitHub describes it.
    pub fn assert_as_described(&self) {
        let state = self.state();
        assert!(state.wrong.is_empty(), "{:#?}", state.wrong);
        assert!(!state.requests.is_empty());
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // every request of every test, also where nobody asks
        if !std::thread::panicking() {
            let wrong = std::mem::take(&mut self.state().wrong);
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
        // Wakes the thread that waits for somebody.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut heads = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        heads.insert(name.to_lowercase(), value.trim().to_owned());
    }
    if heads.contains_key("expect") {
        let _ = (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = Vec::new();
    if heads.get("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let length = u64::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = Vec::new();
            (&mut reader).take(length + 2).read_to_end(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..length as usize]);
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = heads.get("content-length").and_then(|v| v.parse::<u64>().ok()) {
        reader.take(length).read_to_end(&mut body).ok()?;
    }
    let (path, query) = target.split_once('?').map_or((target.as_str(), ""), |(p, q)| (p, q));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), heads, body })
}

fn serve(stream: TcpStream, state: &Mutex<State>, base: &str, root: &std::path::Path) {
    let Some(mut request) = read(&stream) else { return };
    if request.path.contains(".git/") {
        let fault = state.lock().unwrap().fault(&request);
        return git_backend(&stream, &request, root, fault);
    }
    if let Some(id) = request.path.strip_prefix("/download/") {
        return download(&stream, &request, state, id);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let mut state = state.lock().unwrap();
    if state.enterprise {
        match request.path.strip_prefix("/api/v3") {
            Some(rest) => request.path = rest.to_owned(),
            None => state.wrong.push(format!("not below /api/v3: {}", request.path)),
        }
    }
    state.requests.push(format!("{} {}", request.method, request.path));
    if let Some(wrong) = openapi::wrong(&request.method, &request.path, &request.query, &body) {
        state.wrong.push(wrong);
    }
    if request.heads.get("authorization").map(String::as_str) != Some(&format!("Bearer {TOKEN}")) {
        return answer(&stream, 401, "", &json!({"message": "Bad credentials"}), false);
    }
    let fault = state.fault(&request);
    match fault {
        Some(What::Limited) => {
            return answer(&stream, 429, "retry-after: 0\r\n", &json!({"message": "slow down"}), false);
        }
        Some(What::Secondary) => {
            return answer(&stream, 403, "", &json!({"message": "You have exceeded a secondary rate limit"}), false);
        }
        Some(What::Status(status, message)) => {
            return answer(&stream, status, "", &json!({ "message": message }), false);
        }
        Some(What::DoneAnd502 | What::DoneAndCut | What::Slow(_)) | None => {}
    }
    if let Some(log) = request.path.strip_suffix("/logs").filter(|_| request.method == "GET") {
        return redirect(&stream, &state, log, base);
    }
    let (status, value) = match contents(&request, root) {
        Some(answer) => answer,
        None => act(&mut state, &request, &body, base),
    };
    drop(state);
    if let Some(What::Slow(seconds)) = fault {
        std::thread::sleep(std::time::Duration::from_secs(seconds));
    }
    match fault {
        Some(What::DoneAnd502) => answer(&stream, 502, "", &json!({"message": "Bad gateway"}), false),
        Some(What::DoneAndCut) => answer(&stream, status, "", &value, true),
        _ => answer(&stream, status, "", &value, false),
    }
}

fn answer(mut stream: &TcpStream, status: u16, heads: &str, value: &Value, cut: bool) {
    let body = value.to_string();
    let shown = if cut { &body[..body.len() / 2] } else { &body };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{heads}content-length: {}\r\nconnection: close\r\n\r\n{shown}",
        body.len()
    );
}

/// Logs are somewhere else, as GitHub's are: on another host, which must not get the token.
fn redirect(mut stream: &TcpStream, state: &State, log: &str, base: &str) {
    let id: u64 = log.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
    if !state.logs.contains_key(&id) {
        return answer(stream, 404, "", &json!({"message": "Not Found"}), false);
    }
    let elsewhere = base.replace("127.0.0.1", "localhost");
    let head = format!("location: {elsewhere}/download/{id}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(format!("HTTP/1.1 302 Found\r\n{head}").as_bytes());
}

fn download(mut stream: &TcpStream, request: &Request, state: &Mutex<State>, id: &str) {
    let mut state = state.lock().unwrap();
    if request.heads.contains_key("authorization") {
        state.wrong.push("the token went along to another host".into());
    }
    let log = state.logs.get(&id.parse().unwrap_or(0)).cloned().unwrap_or_default();
    drop(state);
    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", log.len());
    let _ = stream.write_all(&log);
}

/// A file of the repository, from the repository.
fn contents(request: &Request, root: &std::path::Path) -> Option<(u16, Value)> {
    let path = request.path.strip_prefix("/repos/octo/shop/contents/")?;
    let at = request.query.strip_prefix("ref=").unwrap_or("main").replace("%23", "#");
    let git =
        Command::new("git").current_dir(root.join("octo/shop.git")).args(["show", &format!("{at}:{path}")]).output();
    let out = git.unwrap();
    if !out.status.success() {
        return Some((404, json!({"message": "Not Found"})));
    }
    // what leads out of the repository, and folders, come without contents
    let mut tree = Command::new("git");
    tree.current_dir(root.join("octo/shop.git")).args(["ls-tree", &at, "--", path]);
    let row = String::from_utf8_lossy(&tree.output().unwrap().stdout).into_owned();
    if row.starts_with("120000") {
        return Some((200, json!({"type": "symlink", "path": path, "target": String::from_utf8_lossy(&out.stdout)})));
    }
    if row.starts_with("040000") {
        return Some((200, json!([])));
    }
    let text = kaizen_ci::github::base64::encode(&out.stdout);
    let lines: Vec<String> = text.as_bytes().chunks(60).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    Some((200, json!({"type": "file", "encoding": "base64", "path": path, "content": lines.join("\n")})))
}

/// One page of a list.
fn page(all: Vec<Value>, query: &str) -> (u16, Value) {
    let number = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<usize>().ok());
    let (size, page) = (number("per_page=").unwrap_or(30), number("page=").unwrap_or(1));
    (200, all.into_iter().skip(size * (page - 1)).take(size).collect())
}

fn act(state: &mut State, request: &Request, body: &Value, base: &str) -> (u16, Value) {
    let Some(rest) = request.path.strip_prefix("/repos/octo/shop") else {
        return (404, json!({"message": "Not Found"}));
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<u64>().ok()).unwrap_or(0);
    let missing = (404, json!({"message": "Not Found"}));
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", []) => (200, json!({"full_name": "octo/shop", "default_branch": "main", "private": false})),
        ("GET", ["collaborators", login, "permission"]) => match state.roles.get(*login) {
            Some(role) => (200, json!({"permission": "read", "role_name": role, "user": {"login": login}})),
            None => missing,
        },
        ("GET", ["issues"]) => {
            let label = request.query.split('&').find_map(|pair| pair.strip_prefix("labels=")).unwrap_or_default();
            let wanted = request.query.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap_or("open");
            let has = |issue: &&Value| {
                let labelled = issue["labels"].as_array().unwrap().iter().any(|l| l == label);
                labelled && (wanted == "all" || issue["state"] == wanted)
            };
            page(state.issues.iter().filter(has).cloned().collect(), &request.query)
        }
        ("POST", ["issues"]) => {
            let id = state.id();
            let mut issue = body.clone();
            issue["number"] = id.into();
            issue["state"] = "open".into();
            issue["user"] = json!({"login": "github-actions[bot]", "type": "Bot"});
            issue["updated_at"] = jiff::Timestamp::now().to_string().into();
            issue["html_url"] = format!("{base}/octo/shop/issues/{id}").into();
            state.issues.push(issue.clone());
            (201, issue)
        }
        ("GET", ["issues", _]) => {
            let mut all = state.issues.iter().chain(&state.pulls);
            all.find(|one| one["number"] == number(1)).map_or(missing, |one| (200, one.clone()))
        }
        ("PATCH", ["issues", _]) => change(&mut state.issues, "number", number(1), body),
        ("GET", ["issues", "comments", _]) | ("GET", ["pulls", "comments", _]) => {
            state.comments.iter().find(|c| c["id"] == number(2)).map_or(missing, |c| (200, c.clone()))
        }
        ("PATCH", ["issues", "comments", _]) => change(&mut state.comments, "id", number(2), body),
        ("POST", ["issues" | "pulls", "comments", _, "reactions"]) => {
            let (id, what) = (number(2), body["content"].as_str().unwrap_or_default().to_owned());
            if !state.reactions.contains(&(id, what.clone())) {
                state.reactions.push((id, what));
            }
            (201, json!({"id": 1, "content": body["content"]}))
        }
        ("GET", ["issues", "comments", _, "reactions"]) => {
            let of = state.reactions.iter().filter(|(id, _)| *id == number(2));
            let user = |one: &(u64, String)| match state.reactions_of.get(one) {
                Some(login) => json!({"login": login, "type": "User"}),
                None => json!({"login": "github-actions[bot]", "type": "Bot"}),
            };
            let wanted = request.query.split('&').find_map(|pair| pair.strip_prefix("content=")).unwrap_or("");
            let all = of.filter(|(_, what)| what == wanted).map(|one| json!({"content": one.1, "user": user(one)}));
            page(all.collect(), &request.query)
        }
        ("GET", ["commits", sha, "check-runs"]) => {
            let all: Vec<&Value> = state.checks.iter().filter(|check| check["head_sha"] == *sha).collect();
            (200, json!({"total_count": all.len(), "check_runs": all}))
        }
        ("POST", ["check-runs"]) if !state.may_make_checks => {
            (403, json!({"message": "Resource not accessible by personal access token"}))
        }
        ("POST", ["check-runs"]) => {
            let id = state.id();
            let mut check = body.clone();
            check["id"] = id.into();
            state.checks.push(check.clone());
            (201, check)
        }
        ("PATCH", ["check-runs", _]) => change(&mut state.checks, "id", number(1), body),
        ("GET", ["commits", sha, "pulls"]) => {
            page(state.pulls_of.get(*sha).cloned().unwrap_or_default(), &request.query)
        }
        ("GET", ["pulls", _, "files"]) => page(state.files.clone(), &request.query),
        ("GET", ["pulls", _, "reviews"]) => page(state.reviews.clone(), &request.query),
        ("POST", ["pulls", _, "reviews"]) => {
            let id = state.id();
            let mut review = body.clone();
            review["id"] = id.into();
            review["user"] = json!({"login": "github-actions[bot]", "type": "Bot"});
            state.reviews.push(review.clone());
            (200, review)
        }
        ("GET", ["actions", "runs"]) => {
            let sha = request.query.split('&').find_map(|pair| pair.strip_prefix("head_sha=")).unwrap_or("");
            let all: Vec<&Value> = state.runs.iter().filter(|run| run["head_sha"] == sha).collect();
            (200, json!({"total_count": all.len(), "workflow_runs": all}))
        }
        ("GET", ["actions", "runs", _, "jobs"]) => (200, json!({"total_count": state.jobs.len(), "jobs": state.jobs})),
        ("GET", ["actions", "permissions", "fork-pr-contributor-approval"]) => match state.approval {
            "" => (403, json!({"message": "Resource not accessible by integration"})),
            policy => (200, json!({ "approval_policy": policy })),
        },
        ("GET", ["actions", "permissions", "workflow"]) => {
            let may = state.may_make_pulls;
            (200, json!({"default_workflow_permissions": "read", "can_approve_pull_request_reviews": may}))
        }
        ("GET", ["issues", _, "comments"]) => {
            let since = request.query.split('&').find_map(|pair| pair.strip_prefix("since="));
            // texts of one form: in their order they are in that of time
            let is_later = |c: &Value| match (since, c["updated_at"].as_str()) {
                (Some(since), Some(updated)) => updated >= since,
                _ => true,
            };
            let of = |c: &&Value| c["number"] == number(1) && is_later(c);
            page(state.comments.iter().filter(of).cloned().collect(), &request.query)
        }
        ("POST", ["issues", _, "comments"]) => {
            let id = state.id();
            let user = json!({"login": "github-actions[bot]", "type": "Bot"});
            let comment = json!({"id": id, "number": number(1), "body": body["body"], "user": user});
            state.comments.push(comment.clone());
            (201, comment)
        }
        ("GET", ["pulls"]) => {
            let value = |name: &str| request.query.split('&').find_map(|pair| pair.strip_prefix(name));
            let (head, wanted) = (value("head=octo:").unwrap_or_default(), value("state=").unwrap_or("open"));
            let is_wanted = |p: &Value| wanted == "all" || p["state"] == wanted;
            let fits = |p: &&Value| is_wanted(p) && (head.is_empty() || p["head"]["ref"] == head);
            page(state.pulls.iter().filter(fits).cloned().collect(), &request.query)
        }
        ("GET", ["pulls", _]) => {
            state.pulls.iter().find(|p| p["number"] == number(1)).map_or(missing, |p| (200, p.clone()))
        }
        ("POST", ["pulls"]) if !state.may_make_pulls => {
            (403, json!({"message": "GitHub Actions is not permitted to create or approve pull requests."}))
        }
        ("POST", ["pulls"]) if state.pulls.iter().any(|p| p["state"] == "open" && p["head"]["ref"] == body["head"]) => {
            (422, json!({"message": "Validation Failed", "errors": [{"message": "A pull request already exists"}]}))
        }
        ("POST", ["pulls"]) => {
            let id = state.id();
            let mut pull = body.clone();
            pull["number"] = id.into();
            pull["state"] = "open".into();
            pull["html_url"] = format!("{base}/octo/shop/pull/{id}").into();
            pull["head"] = json!({"ref": body["head"], "repo": {"full_name": "octo/shop"}});
            pull["base"] = json!({"ref": body["base"]});
            state.pulls.push(pull.clone());
            (201, pull)
        }
        ("PATCH", ["pulls", _]) => change(&mut state.pulls, "number", number(1), body),
        _ => missing,
    }
}

fn change(all: &mut [Value], name: &str, id: u64, body: &Value) -> (u16, Value) {
    let Some(one) = all.iter_mut().find(|one| one[name] == id) else { return (404, json!({"message": "Not Found"})) };
    for (field, value) in body.as_object().unwrap() {
        one[field] = value.clone();
    }
    (200, one.clone())
}

fn git_backend(mut stream: &TcpStream, request: &Request, root: &std::path::Path, fault: Option<What>) {
    if let Some(What::Status(status, message)) = fault {
        return answer(stream, status, "", &json!({ "message": message }), false);
    }
    let login = kaizen_ci::github::base64::encode(format!("x-access-token:{TOKEN}").as_bytes());
    if request.heads.get("authorization") != Some(&format!("Basic {login}")) {
        let _ = stream.write_all(
            b"HTTP/1.1 401 X\r\nwww-authenticate: Basic realm=x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        return;
    }
    let mut command = Command::new("git");
    command
        .args(["-c", "safe.directory=*", "http-backend"])
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REMOTE_USER", "octo")
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", request.heads.get("content-type").map_or("", String::as_str))
        .env("CONTENT_LENGTH", request.body.len().to_string());
    if let Some(encoding) = request.heads.get("content-encoding") {
        command.env("HTTP_CONTENT_ENCODING", encoding);
    }
    if let Some(protocol) = request.heads.get("git-protocol") {
        command.env("GIT_PROTOCOL", protocol);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, body) = (child.stdin.take().unwrap(), request.body.clone());
    let feed = std::thread::spawn(move || drop(input.write_all(&body)));
    let out = child.wait_with_output().unwrap().stdout;
    let _ = feed.join();
    if fault == Some(What::DoneAnd502) {
        return answer(stream, 502, "", &json!({"message": "Bad gateway"}), false);
    }
    let at = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0);
    let heads = String::from_utf8_lossy(&out[..at]).into_owned();
    let status = heads.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let rest: String = heads.lines().filter(|l| !l.starts_with("Status:")).map(|l| format!("{l}\r\n")).collect();
    let body = &out[(at + 4).min(out.len())..];
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{rest}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(body);
}
