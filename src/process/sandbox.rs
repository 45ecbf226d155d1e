//! A fence around code under test: which files it may write and read, and whether it has a network. Put up by this same
//! program, started again with a hidden argument in front of the command: what is fenced in is the command alone.
//!
//! Files: Landlock, where the kernel has it. Network: namespaces of Linux, where unprivileged processes may make them; the
//! loopback stays, so that tests can talk to their own servers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::supervisor;

/// The hidden argument.
pub(super) const ARGUMENT: &str = "__fenced";

/// The exit code when the fence can't be put up, as shells have it for what they can't start.
const NO_FENCE: u8 = 126;
/// The exit code when the command is not there, as shells have it.
const NOT_FOUND: u8 = 127;

/// A fence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The only places that may be written; none: no fence around files.
    pub write: Option<Vec<PathBuf>>,
    /// Places that may not be read, nor written where they are inside of those.
    pub hide: Vec<PathBuf>,
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
    ".config/git/credentials",
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
    let home = env.get(OsStr::new("HOME")).map(PathBuf::from).filter(|path| path.is_absolute());
    home.map(|home| LOGINS.iter().map(|name| home.join(name)).collect()).unwrap_or_default()
}

/// The fewest places that together are everything but `hide`: a rule of Landlock can only allow.
fn but(top: &Path, hide: &[PathBuf], list: &dyn Fn(&Path) -> Vec<PathBuf>) -> Vec<PathBuf> {
    if hide.iter().any(|hidden| hidden == top) {
        return Vec::new();
    }
    if !hide.iter().any(|hidden| hidden.starts_with(top)) {
        return vec![top.to_owned()];
    }
    list(top).iter().flat_map(|child| but(child, hide, list)).collect()
}

/// What is in a folder. Links are left out: whoever follows one arrives at a place that is allowed by its own name or is
/// not, and a rule for a link would be one for whatever somebody let it point to.
fn children(folder: &Path) -> Vec<PathBuf> {
    let is_link = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.filter(|entry| !is_link(entry)).map(|entry| entry.path()).collect()
}

/// The whole life of a process that was started with the hidden argument: the fence, then the command in its place. Only
/// comes back when that fails.
pub(super) fn main() -> u8 {
    let mut args = std::env::args_os().skip(2);
    let fence = args.next().and_then(|text| serde_json::from_str::<Fence>(text.to_str()?).ok());
    let (Some(fence), Some(program)) = (fence, args.next()) else { return NO_FENCE };
    if let Err(error) = put_up(&fence) {
        complain(&format!("kaizen-ci: the fence around the tests can't be put up: {error}\n"));
        return NO_FENCE;
    }
    let error = std::os::unix::process::CommandExt::exec(std::process::Command::new(&program).args(args));
    complain(&format!("kaizen-ci: {}: {error}\n", Path::new(&program).display()));
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NO_FENCE }
}

/// To the log of the tests.
fn complain(text: &str) {
    let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
}

#[cfg(target_os = "linux")]
fn put_up(fence: &Fence) -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    keep_out();
    if fence.offline {
        linux::go_offline()?;
    }
    match &fence.write {
        Some(write) => linux::restrict(write, &fence.hide),
        None => Ok(()),
    }
}

/// Takes the capabilities from the command, and from everything that it starts, with which root reads and changes other
/// processes and the kernel. For others than root there is nothing to take.
#[cfg(target_os = "linux")]
fn keep_out() {
    /// SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN and PERFMON (either opens the memory of others for reading), BPF
    const INTO_OTHERS: [libc::c_ulong; 6] = [16, 17, 19, 21, 38, 39];
    for capability in INTO_OTHERS {
        // SAFETY: takes one bit out of the bounding set of this process, and touches nothing else.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
}

#[cfg(not(target_os = "linux"))]
fn put_up(_: &Fence) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// What this kernel can do. Asks it, and tries a namespace in a child.
pub fn can() -> Can {
    #[cfg(target_os = "linux")]
    return Can { landlock: linux::abi(), offline: linux::may_go_offline() };
    #[cfg(not(target_os = "linux"))]
    Can { landlock: None, offline: false }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
        path_beneath_rules,
    };
    use nix::sched::{CloneFlags, unshare};

    use super::{but, children};

    /// The version of Landlock that the kernel offers.
    pub fn abi() -> Option<i64> {
        const VERSION: libc::c_uint = 1;
        let none = std::ptr::null::<libc::c_void>();
        // SAFETY: with a null pointer, size 0 and this flag the call only returns a number.
        let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
        (abi > 0).then_some(abi)
    }

    /// Lets this process and its children write below `write` only, and read everything but `hide`. Older kernels lack
    /// some of the rights; what they have is used.
    pub fn restrict(write: &[PathBuf], hide: &[PathBuf]) -> io::Result<()> {
        let known = ABI::V5;
        let wrong = |error: landlock::RulesetError| io::Error::other(error.to_string());
        // what is not there need not be hidden, and hiding costs: the folders above it are allowed piece by piece
        let hide: Vec<PathBuf> = hide.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let readable = but(Path::new("/"), &hide, &children);
        let whole = write.iter().filter_map(|path| path.canonicalize().ok());
        let write: Vec<PathBuf> = whole.flat_map(|place| but(&place, &hide, &children)).collect();
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(known))
            .and_then(|ruleset| ruleset.create())
            // names may be listed everywhere: programs look through the folders above them
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(["/"], AccessFs::ReadDir)))
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(readable, AccessFs::from_read(known))))
            .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(write, AccessFs::from_all(known))))
            .and_then(|ruleset| ruleset.restrict_self())
            .map_err(wrong)?;
        match status.ruleset {
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
            RulesetStatus::NotEnforced => Err(io::Error::other("this kernel has no Landlock")),
        }
    }

    /// Moves this process into a network of its own, with nothing in it but the loopback. As the same user: files still
    /// belong to whom they belonged.
    pub fn go_offline() -> io::Result<()> {
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => {}
            Err(_) => {
                unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
                std::fs::write("/proc/self/setgroups", "deny")?;
                std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
                std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            }
        }
        loopback_up()
    }

    /// A new network begins with its loopback switched off.
    fn loopback_up() -> io::Result<()> {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        // SAFETY: all zeros is a valid ifreq; the name is shorter than its field.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        // SAFETY: the socket is open, and the request lives longer than the call.
        let done = unsafe {
            libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SIOCSIFFLAGS as _, &raw const request)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Tries it in a child.
    pub fn may_go_offline() -> bool {
        let fence = super::Fence { offline: true, ..super::Fence::default() };
        let Some((program, args)) =
            fence.around(vec!["true".into()]).split_first().map(|(p, a)| (p.clone(), a.to_vec()))
        else {
            return false;
        };
        program != "true"
            && std::process::Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_what_is_hidden_is_told_in_the_fewest_places() {
        let list = |folder: &Path| -> Vec<PathBuf> {
            let names: &[&str] = match folder.to_str().unwrap() {
                "/" => &["/usr", "/home"],
                "/home" => &["/home/ada", "/home/bob"],
                "/home/ada" => &["/home/ada/.ssh", "/home/ada/work"],
                other => panic!("{other} was listed"),
            };
            names.iter().map(PathBuf::from).collect()
        };
        let told = |hide: &[&str]| {
            let hide: Vec<PathBuf> = hide.iter().map(PathBuf::from).collect();
            but(Path::new("/"), &hide, &list).into_iter().map(|p| p.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), ["/"]);
        assert_eq!(told(&["/home/ada/.ssh"]), ["/usr", "/home/ada/work", "/home/bob"]);
        assert_eq!(told(&["/home"]), ["/usr"]);
    }

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
        assert!(logins(&env).contains(&PathBuf::from("/home/ada/.ssh")));
    }

    #[test]
    fn without_a_supervisor_or_a_fence_the_command_stays_as_it_is() {
        let argv = vec![OsString::from("true")];
        assert_eq!(Fence::default().around(argv.clone()), argv);
    }
}
