//! A fence around code under test: which files it may write and read, and whether it has a network. Put up by this same
//! program, started again with a hidden argument in front of the command: what is fenced in is the command alone.
//!
//! Files: Landlock, where the kernel has it. Network: namespaces of Linux, where unprivileged processes may make them; the
//! loopback stays, so that tests can talk to their own servers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
use super::fence;
use super::supervisor;

/// The hidden argument.
pub(super) const ARGUMENT: &str = "__fenced";

/// A fence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The only places that may be written; none: no fence around files.
    pub write: Option<Vec<PathBuf>>,
    /// Places that may not be read, nor written where they are inside of those.
    pub hide: Vec<PathBuf>,
    /// Places that may be read, and not written where they are inside of those; what is named for writing inside of them is.
    #[serde(default)]
    pub keep: Vec<PathBuf>,
    /// No network but the loopback.
    pub offline: bool,
    /// No new privileges, and no way into other processes, for root neither: also where nothing else is fenced.
    pub guarded: bool,
}

impl Fence {
    /// Does it fence anything?
    pub fn is_open(&self) -> bool {
        self.write.is_none() && !self.offline && !self.guarded
    }

    /// The command behind this fence. Without a supervisor program (unit tests) there is nobody to put it up.
    pub fn around(&self, argv: Vec<OsString>) -> Vec<OsString> {
        let (Some(program), Ok(text), false) = (supervisor::program(), serde_json::to_string(self), self.is_open())
        else {
            return argv;
        };
        let front = [program.as_os_str().to_owned(), ARGUMENT.into(), text.into()];
        front.into_iter().chain(argv).collect()
    }
}

/// What of a fence this kernel can put up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Can {
    /// The version of Landlock; none when there is none.
    pub landlock: Option<i64>,
    /// The network can be switched off.
    pub offline: bool,
}

/// Caches that build tools write in the home folder; without them they don't start, or fetch everything again. No folder
/// is among them that programs are started from.
const CACHES: &[&str] = &[
    ".cache",
    ".npm",
    ".m2",
    ".gradle",
    ".ivy2",
    ".sbt",
    ".yarn",
    ".pnpm-store",
    ".bun/install/cache",
    ".nuget",
    ".bundle",
    ".cargo/registry",
    ".cargo/git",
    ".cargo/.package-cache",
    ".cargo/.package-cache-mutate",
    ".cargo/.global-cache",
    "go/pkg",
    "Library/Caches",
];

/// Variables that say where such a cache is.
const CACHE_VARIABLES: &[&str] = &[
    "XDG_CACHE_HOME",
    "GOCACHE",
    "GOMODCACHE",
    "PIP_CACHE_DIR",
    "UV_CACHE_DIR",
    "npm_config_cache",
    "GRADLE_USER_HOME",
];

/// Files and folders of the home folder that hold logins.
const LOGINS: &[&str] = &[
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".pypirc",
    ".config/gh",
    ".config/gcloud",
    // addresses with tokens in them, helpers that have some
    ".gitconfig",
    ".config/git",
    ".cargo/credentials.toml",
    ".cargo/credentials",
    ".password-store",
];

/// Where code under test may write besides its own folders: devices, temporary folders, caches.
pub fn shared_places(env: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/dev"), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    let value = |name: &str| env.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute());
    all.extend(value("TMPDIR"));
    all.extend(CACHE_VARIABLES.iter().filter_map(|name| value(name)));
    if let Some(home) = value("HOME") {
        all.extend(CACHES.iter().map(|name| home.join(name)));
    }
    if let Some(cargo) = value("CARGO_HOME") {
        let below = CACHES.iter().filter_map(|name| name.strip_prefix(".cargo/"));
        all.extend(below.map(|name| cargo.join(name)));
    }
    all
}

/// Where logins are.
pub fn logins(env: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let place = |name: &str| env.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_home = place("HOME").into_iter().flat_map(|home| LOGINS.iter().map(move |name| home.join(name)));
    of_home.chain(place("XDG_CONFIG_HOME").map(|config| config.join("git"))).collect()
}

/// What this kernel can do. Asks it, and tries a namespace in a child.
pub fn can() -> Can {
    #[cfg(target_os = "linux")]
    return Can { landlock: fence::linux::abi(), offline: fence::linux::may_go_offline() };
    #[cfg(not(target_os = "linux"))]
    Can { landlock: None, offline: false }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn places_of_caches_and_logins_follow_the_environment() {
        let env = |vars: &[(&str, &str)]| -> BTreeMap<OsString, OsString> {
            vars.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let env =
            env(&[("HOME", "/home/ada"), ("CARGO_HOME", "/opt/cargo"), ("TMPDIR", "relative"), ("GOCACHE", "/go")]);
        let places = shared_places(&env);
        for place in ["/tmp", "/home/ada/.cache", "/opt/cargo/registry", "/go"] {
            assert!(places.contains(&PathBuf::from(place)), "{place}");
        }
        // nothing that programs are started from, and no home as a whole
        for place in ["relative", "/home/ada", "/opt/cargo", "/opt/cargo/bin"] {
            assert!(!places.contains(&PathBuf::from(place)), "{place}");
        }
        for name in [".ssh", ".gitconfig", ".config/git"] {
            assert!(logins(&env).contains(&Path::new("/home/ada").join(name)), "{name}");
        }
    }

    #[test]
    fn without_a_supervisor_or_a_fence_the_command_stays_as_it_is() {
        let argv = vec![OsString::from("true")];
        assert_eq!(Fence::default().around(argv.clone()), argv);
    }
}
