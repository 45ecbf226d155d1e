//! A long-lived helper process that answers JSON lines, one at a time; when its input ends it cleans up and goes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::{Context as _, Error, Result};
use crate::repo::Workspace;
use crate::{process, system};

/// How long a server may take to clean up after its input has ended, before it gets KILL.
const FAREWELL: Duration = Duration::from_millis(400);

/// A running server. Dropping it ends it, and everything that it started.
#[derive(Debug)]
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What is still to be sent: a request that was given up may have been cut within its line.
    outgoing: Vec<u8>,
    /// The beginning of an answer whose end was not waited for.
    incoming: Vec<u8>,
    /// Requests without an answer.
    pending: usize,
}

impl Server {
    /// Starts `argv` in `cwd` with exactly the environment `env`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(argv: &[OsString], cwd: &Path, env: &BTreeMap<OsString, OsString>) -> Result<Self> {
        let mut command = Command::new(system::program(&argv[0], env.get(OsStr::new("PATH")).map(OsString::as_os_str)));
        command
            .args(&argv[1..])
            .current_dir(cwd)
            .env_clear()
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // SAFETY: what runs between fork and exec are system calls without allocation.
        #[cfg(unix)]
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                process::stand_back();
                Ok(())
            });
        }
        let what = || format!("can't start {}", PathBuf::from(&argv[0]).display());
        let mut child = command.spawn().context(what)?;
        if let Some(pid) = child.id() {
            process::stand_back_as_session(pid);
        }
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = BufReader::new(output.ok_or_else(|| Error::internal("the server has no output"))?);
        Ok(Self { child, input, output, outgoing: Vec::new(), incoming: Vec::new(), pending: 0 })
    }

    /// Sends a request and waits for its answer. One that is given up, here or by dropping the future, is answered all the
    /// same: what it left in the pipes is dealt with before the next one.
    ///
    /// # Errors
    /// When the server is gone, does not answer within `limit`, or answers nonsense.
    pub async fn ask(&mut self, request: &Value, limit: Duration) -> Result<Value> {
        self.settle(limit).await?;
        let exchange = async {
            let mut line = serde_json::to_vec(request).context(|| "can't write a request".into())?;
            line.push(b'\n');
            self.outgoing.extend(line);
            self.pending += 1;
            self.send().await?;
            self.hear().await
        };
        within(limit, exchange).await
    }

    /// Waits for the answers to requests that were given up; true: after one of them the workspace is not as it was.
    ///
    /// # Errors
    /// As [`Server::ask`].
    pub async fn settle(&mut self, limit: Duration) -> Result<bool> {
        let exchange = async {
            let mut is_lost = false;
            while self.pending > 0 {
                self.send().await?;
                is_lost |= self.hear().await?["lost"] == true;
            }
            Ok(is_lost)
        };
        within(limit, exchange).await
    }

    /// Sends what is left of requests; may be dropped at any time.
    async fn send(&mut self) -> Result<()> {
        let Some(input) = &mut self.input else { return Err(Error::internal("the warm runner was stopped")) };
        while !self.outgoing.is_empty() {
            let sent = input.write(&self.outgoing).await.context(|| "the warm runner is gone".into())?;
            if sent == 0 {
                return Err(Error::internal("the warm runner is gone"));
            }
            self.outgoing.drain(..sent);
        }
        input.flush().await.context(|| "the warm runner is gone".into())
    }

    /// The next answer; may be dropped at any time.
    async fn hear(&mut self) -> Result<Value> {
        let read = self.output.read_until(b'\n', &mut self.incoming).await;
        read.context(|| "the warm runner is gone".into())?;
        let line = std::mem::take(&mut self.incoming);
        if !line.ends_with(b"\n") {
            return Err(Error::internal("the warm runner is gone"));
        }
        self.pending = self.pending.saturating_sub(1);
        serde_json::from_slice(&line).context(|| "the warm runner answered nonsense".into())
    }

    /// Ends it and waits until it is gone.
    pub async fn stop(&mut self) {
        self.input = None;
        if tokio::time::timeout(FAREWELL, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

async fn within<T>(limit: Duration, exchange: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::internal(format!("the warm runner did not answer within {:.1} s", limit.as_secs_f64()))),
    }
}

/// One server and its workspace.
#[derive(Debug)]
pub(super) struct Slot {
    /// Which runs the tests.
    pub server: Server,
    /// Where it does.
    pub workspace: Workspace,
}

impl Slot {
    /// Asks in a workspace as it should be; the server says when it could not put that back as it was.
    ///
    /// # Errors
    /// As [`Server::ask`].
    pub async fn ask(&mut self, request: &Value, limit: Duration) -> Result<Value> {
        if self.server.settle(limit).await? {
            self.workspace.reset()?;
        }
        let answer = self.server.ask(request, limit).await?;
        if answer["lost"] == true {
            self.workspace.reset()?;
        }
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let since = Instant::now();
        // it kills what it started, which a KILL from here would leave behind
        while since.elapsed() < FAREWELL && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.start_kill();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use serde_json::json;

    /// Answers each line with itself after a fifth of a second.
    fn echo() -> Server {
        let script = "while IFS= read -r line; do sleep 0.2; printf '%s\\n' \"$line\"; done";
        let argv = ["/bin/sh", "-c", script].map(OsString::from);
        let env = BTreeMap::from([("PATH".into(), std::env::var_os("PATH").unwrap_or_default())]);
        Server::start(&argv, &std::env::temp_dir(), &env).unwrap()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_answer_to_a_request_that_was_given_up_is_not_taken_for_that_to_the_next() {
        let mut server = echo();
        let ask = |n: usize| json!({ "n": n, "lost": n == 2 });
        assert!(server.ask(&ask(1), Duration::from_millis(30)).await.is_err());
        assert_eq!(server.ask(&ask(2), LONG).await.unwrap(), ask(2));
        for n in [3, 4] {
            // dropped while it waits
            let _ = tokio::time::timeout(Duration::from_millis(30), server.ask(&ask(n), LONG)).await;
        }
        assert_eq!(server.ask(&ask(5), LONG).await.unwrap(), ask(5));
        assert!(server.ask(&ask(2), Duration::from_millis(30)).await.is_err());
        assert!(server.settle(LONG).await.unwrap(), "what it said of the workspace is not lost");
        assert!(!server.settle(LONG).await.unwrap());
        server.stop().await;
        assert!(server.ask(&ask(6), LONG).await.is_err());
    }

    #[tokio::test]
    async fn a_request_that_was_given_up_within_its_line_is_sent_to_its_end_first() {
        let mut server = echo();
        let long = json!({ "text": "x".repeat(1 << 18) });
        for _ in 0..2 {
            let _ = tokio::time::timeout(Duration::from_millis(2), server.ask(&long, LONG)).await;
        }
        assert!(server.pending > 0);
        assert_eq!(server.ask(&json!({ "n": 1 }), LONG).await.unwrap(), json!({ "n": 1 }));
    }
}
