//! What travels between kaizen-ci and the supervisor of one process tree: a request, then one report.
//!
//! A request is bytes (paths, arguments and variables need not be UTF-8): a length, then length-prefixed fields. It goes
//! through a socket and not through arguments, so that it is neither limited in size nor seen in `ps`. The report is
//! one JSON document that ends with the connection.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{End, Silence, Spec};

/// The largest request that is accepted: Linux itself allows arguments and environment of a few MiB.
const REQUEST_MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What the supervisor answers when everything of the tree is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// How it ended, or what went wrong on our own side.
    pub outcome: Outcome,
    /// From the start of the command to its end, in microseconds.
    pub micros: u64,
    /// Bytes that came from standard output.
    pub stdout_bytes: u64,
    /// Bytes that came from standard error.
    pub stderr_bytes: u64,
    /// It was cut because it computed without a word.
    #[serde(default)]
    pub silent: bool,
}

/// The command's end, or trouble of our own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The command ended this way.
    Ended(End),
    /// Our side failed: what, and the system's error number where there is one.
    Trouble {
        /// In words.
        what: String,
        /// `errno`.
        errno: Option<i32>,
    },
}

impl Report {
    /// A report of nothing but trouble.
    pub fn trouble(what: impl Into<String>, error: &io::Error) -> Self {
        let outcome = Outcome::Trouble { what: what.into(), errno: error.raw_os_error() };
        Self { outcome, micros: 0, stdout_bytes: 0, stderr_bytes: 0, silent: false }
    }
}

/// Writes `spec` as a request.
pub(super) fn send(spec: &Spec, mut to: impl Write) -> io::Result<()> {
    let mut body = Vec::with_capacity(16 * 1024);
    for number in [
        millis(spec.time_limit),
        millis(spec.grace),
        spec.log_cap_bytes,
        u64::from(spec.background),
        spec.silence.as_ref().map_or(0, |silence| millis(silence.most).max(1)),
        spec.argv.len() as u64,
        spec.env.len() as u64,
    ] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    let mut field = |text: &OsStr| {
        body.extend_from_slice(&(text.len() as u64).to_le_bytes());
        body.extend_from_slice(text.as_bytes());
    };
    field(spec.cwd.as_os_str());
    field(spec.stdout.as_os_str());
    field(spec.stderr.as_os_str());
    field(spec.silence.as_ref().map_or(OsStr::new(""), |silence| silence.reports.as_os_str()));
    spec.argv.iter().for_each(|arg| field(arg));
    for (name, value) in &spec.env {
        field(name);
        field(value);
    }
    to.write_all(&(body.len() as u64).to_le_bytes())?;
    to.write_all(&body)
}

/// Reads a request.
pub(super) fn receive(mut from: impl Read) -> io::Result<Spec> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > REQUEST_MOST_BYTES {
        return Err(broken());
    }
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    if body.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    parse(&body).ok_or_else(broken)
}

fn parse(body: &[u8]) -> Option<Spec> {
    let mut fields = Fields(body);
    let time_limit = Duration::from_millis(fields.number()?);
    let grace = Duration::from_millis(fields.number()?);
    let log_cap_bytes = fields.number()?;
    let background = fields.number()? != 0;
    let silent_ms = fields.number()?;
    let (args, vars) = (fields.number()?, fields.number()?);
    let cwd = PathBuf::from(fields.text()?);
    let stdout = PathBuf::from(fields.text()?);
    let stderr = PathBuf::from(fields.text()?);
    let reports = PathBuf::from(fields.text()?);
    let silence = (silent_ms > 0).then(|| Silence { most: Duration::from_millis(silent_ms), reports });
    let argv = (0..args).map(|_| fields.text()).collect::<Option<Vec<_>>>()?;
    let env = (0..vars).map(|_| Some((fields.text()?, fields.text()?))).collect::<Option<_>>()?;
    let spec = Spec { argv, cwd, env, time_limit, grace, stdout, stderr, log_cap_bytes, background, silence };
    fields.0.is_empty().then_some(spec)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn number(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }
    fn text(&mut self) -> Option<OsString> {
        let length = usize::try_from(self.number()?).ok()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(OsString::from_vec(head.to_vec()))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the request to the process supervisor is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = OsString> {
        prop::collection::vec(any::<u8>(), 0..20).prop_map(OsString::from_vec)
    }

    proptest! {
        #[test]
        fn a_request_arrives_as_it_was_sent(
            argv in prop::collection::vec(bytes(), 0..5),
            env in prop::collection::btree_map(bytes(), bytes(), 0..5),
            cwd in bytes(), out in bytes(), err in bytes(), limit in 0..u64::MAX / 2, cap in any::<u64>(),
        ) {
            let spec = Spec {
                argv, env, cwd: cwd.into(), stdout: out.into(), stderr: err.into(),
                time_limit: Duration::from_millis(limit), grace: Duration::from_millis(7), log_cap_bytes: cap, background: cap % 2 == 1,
                silence: (limit % 3 > 0).then(|| Silence { most: Duration::from_millis(limit), reports: "/a b".into() }),
            };
            let mut sent = Vec::new();
            send(&spec, &mut sent).unwrap();
            prop_assert_eq!(format!("{:?}", receive(&sent[..]).unwrap()), format!("{spec:?}"));
            prop_assert!(receive(&sent[..sent.len() - 1]).is_err());
        }

        #[test]
        fn garbage_is_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
            prop_assert!(receive(&[&[0xff; 8][..], &body].concat()[..]).is_err());
        }
    }
}
