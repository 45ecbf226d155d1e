//! One builder for the git program: pinned configuration, no prompts, no pager, no hooks, C locale, null stdin.

use std::ffi::OsStr;
use std::path::Path;

use crate::error::Result;

/// A git command about to be run.
#[derive(Debug)]
pub struct Git(std::process::Command);

impl Git {
    /// Git in the folder `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        let _ = dir;
        unimplemented!()
    }
    /// Adds an argument.
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        let _ = arg;
        self
    }
    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self = self.arg(arg);
        }
        self
    }
    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }
    /// Standard output of a git that must succeed, trailing newline cut.
    ///
    /// # Errors
    /// With git's own words when it fails.
    pub fn text(self) -> Result<String> {
        unimplemented!()
    }
    /// Standard output as bytes.
    ///
    /// # Errors
    /// With git's own words when it fails.
    pub fn bytes(self) -> Result<Vec<u8>> {
        unimplemented!()
    }
    /// Exit code, standard output, standard error; only a git that can't be started is an error.
    ///
    /// # Errors
    /// When git can't be started.
    pub fn try_run(self, stdin: Option<&[u8]>) -> Result<(i32, Vec<u8>, Vec<u8>)> {
        let _ = stdin;
        unimplemented!()
    }
}
