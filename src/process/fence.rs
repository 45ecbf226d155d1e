//! Putting up a fence: what a process does that was started with the hidden argument, before it becomes the command.

use std::io;
use std::path::{Path, PathBuf};

use super::sandbox::Fence;

/// The exit code when the fence can't be put up, as shells have it for what they can't start.
const NO_FENCE: u8 = 126;
/// The exit code when the command is not there, as shells have it.
const NOT_FOUND: u8 = 127;

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
        Some(write) => linux::restrict(write, &fence.hide, &fence.keep),
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

/// Where those listen who start programs for others, also where they are of another network.
const OF_MACHINES: [&str; 5] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
];

/// The sockets that have a place in the file system, by the kernel's table (`/proc/net/unix`, see proc(5): seven columns,
/// then the path).
fn named_sockets(table: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let mut rest = line;
        for _ in 0..7 {
            rest = rest.trim_start().split_once(' ').map(|(_, rest)| rest)?;
        }
        let path = rest.trim_start();
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    let mut all: Vec<PathBuf> = table.lines().filter_map(path).chain(OF_MACHINES.map(PathBuf::from)).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(target_os = "linux")]
pub(super) mod linux {
    use std::io;
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
        path_beneath_rules,
    };
    use nix::errno::Errno;
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::{but, children, named_sockets};

    /// The version of Landlock that the kernel offers.
    pub fn abi() -> Option<i64> {
        const VERSION: libc::c_uint = 1;
        let none = std::ptr::null::<libc::c_void>();
        // SAFETY: with a null pointer, size 0 and this flag the call only returns a number.
        let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
        (abi > 0).then_some(abi)
    }

    /// Lets this process and its children write below `write` only, there not below `keep` unless it is named, and read
    /// everything but `hide`. Older kernels lack some of the rights; what they have is used.
    pub fn restrict(write: &[PathBuf], hide: &[PathBuf], keep: &[PathBuf]) -> io::Result<()> {
        let known = ABI::V5;
        let wrong = |error: landlock::RulesetError| io::Error::other(error.to_string());
        // what is not there need not be hidden, and hiding costs: the folders above it are allowed piece by piece
        let there = |places: &[PathBuf]| -> Vec<PathBuf> {
            places.iter().filter_map(|path| path.canonicalize().ok()).collect()
        };
        let hide = there(hide);
        let readable = but(Path::new("/"), &hide, &children);
        let closed = [hide, there(keep)].concat();
        let write: Vec<PathBuf> = there(write).iter().flat_map(|place| but(place, &closed, &children)).collect();
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

    /// Moves this process into a network of its own, with nothing in it but the loopback, where the sockets of others can't
    /// be reached by their names either. As the same user: files still belong to whom they belonged.
    pub fn go_offline() -> io::Result<()> {
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        // of the network that is left
        let sockets = named_sockets(&std::fs::read_to_string("/proc/net/unix").unwrap_or_default());
        let apart = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
        match unshare(apart) {
            Ok(()) => {}
            Err(_) => {
                unshare(CloneFlags::CLONE_NEWUSER | apart)?;
                std::fs::write("/proc/self/setgroups", "deny")?;
                std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
                std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            }
        }
        close(&sockets)?;
        loopback_up()
    }

    /// Puts something that nobody listens at over each socket, for this process and its children alone.
    fn close(sockets: &[PathBuf]) -> io::Result<()> {
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        for socket in sockets {
            match mount(Some("/dev/null"), socket, none, MsFlags::MS_BIND, none) {
                // what is not there, or where nobody gets to, needs no cover
                Ok(()) | Err(Errno::ENOENT | Errno::EACCES | Errno::ENOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
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
    fn sockets_with_a_place_in_the_file_system_are_found_whatever_their_name() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 19040 /run/a b.sock\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03  1141\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 19041 @/abstract\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 19042 /tmp/x\n";
        let found = named_sockets(table);
        let all = OF_MACHINES.iter().map(PathBuf::from).chain(["/run/a b.sock".into(), "/tmp/x".into()]);
        assert_eq!(found.iter().cloned().collect::<std::collections::BTreeSet<_>>(), all.collect());
    }

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
}
