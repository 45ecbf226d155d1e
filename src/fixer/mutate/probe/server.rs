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
use crate::{process, system};

/// How long a server may take to clean up after its input has ended, before it gets KILL.
const FAREWELL: Duration = Duration::from_millis(400);

/// A running server. Dropping it ends it, and everything that it started.
#[derive(Debug)]
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
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
        Ok(Self { child, input, output })
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// When the server is gone, does not answer within `limit`, or answers nonsense. It can't be used after that.
    pub async fn ask(&mut self, request: &Value, limit: Duration) -> Result<Value> {
        let exchange = async {
            self.say(request).await?;
            self.hear().await
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Error::internal(format!("the warm runner did not answer within {:.1} s", limit.as_secs_f64())))
            }
        }
    }

    async fn say(&mut self, request: &Value) -> Result<()> {
        let mut line = serde_json::to_vec(request).context(|| "can't write a request".into())?;
        line.push(b'\n');
        let Some(input) = &mut self.input else { return Err(Error::internal("the warm runner was stopped")) };
        input.write_all(&line).await.context(|| "the warm runner is gone".into())?;
        input.flush().await.context(|| "the warm runner is gone".into())
    }

    async fn hear(&mut self) -> Result<Value> {
        let mut line = Vec::new();
        let count = self.output.read_until(b'\n', &mut line).await.context(|| "the warm runner is gone".into())?;
        if count == 0 {
            return Err(Error::internal("the warm runner is gone"));
        }
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
