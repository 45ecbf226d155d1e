//! The output of a command on Windows: one pipe and one thread for each stream, into a capped log; and the command itself.

use std::io::{self, PipeReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Context as _, Result};
use crate::process::Spec;
use crate::process::capture::Capture;
use crate::system;

/// How long is waited for the end of an output whose writers are all dead: somebody may have got the pipe by other ways.
const DRAIN_MOST: Duration = Duration::from_secs(2);

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// The command, with the program as Windows starts it and the folder for temporary files by all its names.
pub(super) fn command(spec: &Spec) -> Command {
    let path = spec.env.get(std::ffi::OsStr::new("PATH")).map(std::ffi::OsString::as_os_str);
    let name = spec.argv.first().cloned().unwrap_or_default();
    let mut command = Command::new(system::program(&name, path));
    command.args(spec.argv.iter().skip(1)).env_clear().envs(&spec.env).current_dir(&spec.cwd).stdin(Stdio::null());
    if let Some(folder) = spec.env.get(std::ffi::OsStr::new("TMPDIR")) {
        command.env("TEMP", folder).env("TMP", folder);
    }
    command
}

/// Both output streams, on their way to disk.
pub(super) struct Streams(Vec<Stream>);

struct Stream {
    place: String,
    /// Taken out when the log is finished: whatever comes later is dropped.
    log: Arc<Mutex<Log>>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    capture: Option<Capture>,
    trouble: Option<io::Error>,
}

impl Streams {
    /// Makes the logs of `spec` and connects the command with them. One file for both: one pipe, so that the order of the
    /// lines is kept.
    pub fn connect(spec: &Spec, command: &mut Command) -> Result<Self> {
        let no_pipe = || "can't make a pipe".to_owned();
        let (first, out) = Stream::new(&spec.stdout, spec.log_cap_bytes)?;
        let mut all = vec![first];
        if spec.stdout == spec.stderr {
            command.stderr(out.try_clone().context(no_pipe)?);
        } else {
            let (second, err) = Stream::new(&spec.stderr, spec.log_cap_bytes)?;
            all.push(second);
            command.stderr(err);
        }
        command.stdout(out);
        Ok(Self(all))
    }

    /// Can one of the logs not be written?
    pub fn trouble(&self) -> bool {
        self.0.iter().any(|stream| lock(&stream.log).trouble.is_some())
    }

    /// Waits for the end of the output, a bounded time, and finishes the logs. The bytes that came of each.
    pub fn finish(self) -> Result<(u64, u64)> {
        let since = Instant::now();
        let mut totals = [0; 2];
        for (total, stream) in totals.iter_mut().zip(self.0) {
            while !stream.reader.is_finished() && since.elapsed() < DRAIN_MOST {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut log = lock(&stream.log);
            let failed = || format!("can't write the log {}", stream.place);
            if let Some(error) = log.trouble.take() {
                return Err(error).context(failed);
            }
            if let Some(capture) = log.capture.take() {
                *total = capture.finish().context(failed)?;
            }
        }
        Ok((totals[0], totals[1]))
    }
}

impl Stream {
    fn new(path: &Path, cap: u64) -> Result<(Self, io::PipeWriter)> {
        let place = path.display().to_string();
        let capture = Capture::create(path, cap).context(|| format!("can't write the log {place}"))?;
        let (pipe, end) = io::pipe().context(|| "can't make a pipe".into())?;
        let log = Arc::new(Mutex::new(Log { capture: Some(capture), trouble: None }));
        let shared = Arc::clone(&log);
        let reader = std::thread::Builder::new()
            .name("output".into())
            .spawn(move || read(pipe, &shared))
            .context(|| "can't start a thread".into())?;
        Ok((Self { place, log, reader }, end))
    }
}

fn read(mut pipe: PipeReader, log: &Mutex<Log>) {
    let mut buffer = vec![0; READ_BYTES];
    // a pipe whose last writer is gone is broken here: its end
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        let mut log = lock(log);
        let Some(capture) = &mut log.capture else { return };
        if let Err(error) = capture.write(&buffer[..length]) {
            log.trouble = Some(error);
            return;
        }
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
