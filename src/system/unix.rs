//! Unix: what the standard library and the kernel have already.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use std::os::unix::ffi::{OsStrExt, OsStringExt};
pub use std::os::unix::fs::{
    DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink,
};

/// What stands between the entries of `PATH` and its like.
pub const PATH_SEPARATOR: u8 = b':';

/// Where the interpreter is in a virtual environment of Python.
pub const VENV_PYTHON: &str = "bin/python";

/// Equal stat data means an unchanged file: no program can set the change time.
pub const STAT_TELLS: bool = true;

/// A link of the tree is a link on disk.
pub const LINKS_ARE_LINKS: bool = true;

/// A read-only file can't be removed.
pub const READ_ONLY_STAYS: bool = false;

/// A folder can get another name while files in it are open.
pub const FOLDERS_AT_WORK_MOVE: bool = true;

/// Configuration that git needs here on top of ours.
pub const GIT_PINS: &[&str] = &[];

/// The name of a variable as we look for it.
pub fn variable(name: OsString) -> OsString {
    name
}

/// The home folder.
pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}

/// The program `name` as the system starts it, looked for in `path` (the value of `PATH`).
pub fn program(name: &OsStr, _path: Option<&OsStr>) -> OsString {
    name.to_owned()
}

/// Where the program `name` is on `path`.
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|place| place.is_file())
}

/// The place without links in it, as programs write it.
///
/// # Errors
/// When it does not exist.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Can the system name a file like this path of a tree? Bytes are all that Unix asks for.
pub fn can_name(_path: &[u8]) -> bool {
    true
}

/// The ways in which files of text write this path.
pub fn spellings(path: &Path) -> Vec<Vec<u8>> {
    vec![path.as_os_str().as_bytes().to_vec()]
}

/// A path of the tree as git and people write it.
pub fn slashed(path: &Path) -> PathBuf {
    path.to_path_buf()
}

/// The file as what JavaScript imports.
pub fn as_module(path: &Path) -> PathBuf {
    path.to_path_buf()
}

/// The path in a `file://` address, or a path as it is.
pub fn path_of_url(path: &str) -> &Path {
    Path::new(path)
}

/// A path that git named, as the system writes it.
pub fn native(path: PathBuf) -> PathBuf {
    path
}

/// The path as git writes it into its own files.
pub fn git_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Sets the permissions of what is at `path`; links are followed.
///
/// # Errors
/// When the system says no.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The same for an open file.
///
/// # Errors
/// When the system says no.
pub fn set_file_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Lets a temporary file get this mode.
pub fn with_mode<'a, 'b, 'c>(
    builder: &'a mut tempfile::Builder<'b, 'c>,
    mode: u32,
) -> &'a mut tempfile::Builder<'b, 'c> {
    builder.permissions(Permissions::from_mode(mode))
}

/// Opens a file for reading; a link is not followed, and nobody is waited for at a pipe.
///
/// # Errors
/// When it can't be opened, or is a link.
pub fn open_itself(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Gives the file or folder at `path` this modification time.
///
/// # Errors
/// When the system says no.
pub fn set_modified(path: &Path, time: SystemTime) -> io::Result<()> {
    File::open(path)?.set_times(FileTimes::new().set_modified(time))
}

/// Gives the link at `path` the modification time in `meta`.
///
/// # Errors
/// When the system says no.
pub fn set_link_time(path: &Path, meta: &Metadata) -> io::Result<()> {
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;
    let time = TimeSpec::new(meta.mtime(), meta.mtime_nsec());
    utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).map_err(io::Error::from)
}

/// Free space, in bytes, where `path` is.
///
/// # Errors
/// When the file system can't be asked.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Is a file that nobody may write safe from this user's programs? Root writes all the same.
pub fn read_only_holds() -> bool {
    !nix::unistd::geteuid().is_root()
}

/// Does it belong to the user that we run as?
pub fn is_mine(meta: &Metadata) -> bool {
    meta.uid() == nix::unistd::geteuid().as_raw()
}

/// Ends this process at once, as a kill from outside does.
pub fn die() -> ! {
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    loop {
        std::thread::park();
    }
}

/// Makes the terminal the standard input, when there is one.
pub fn read_from_terminal() -> Option<()> {
    let tty = File::open("/dev/tty").ok()?;
    nix::unistd::dup2_stdin(&tty).ok()
}

/// Requests to stop: Ctrl-C and TERM.
pub struct StopRequests {
    interrupt: Signal,
    terminate: Signal,
}

impl StopRequests {
    /// From here on they come to us.
    ///
    /// # Errors
    /// When the system says no.
    pub fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
