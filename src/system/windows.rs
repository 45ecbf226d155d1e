//! Windows: the nearest that there is to what Unix has. A file is readable, perhaps writable, and never executable by mode.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, FileTimes, FileType, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf, Prefix};
use std::sync::OnceLock;
use std::time::SystemTime;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_WRITE_ATTRIBUTES, GetDiskFreeSpaceExW,
};

/// What stands between the entries of `PATH` and its like.
pub const PATH_SEPARATOR: u8 = b';';

/// Where the interpreter is in a virtual environment of Python.
pub const VENV_PYTHON: &str = "Scripts/python.exe";

/// Programs set every time stamp that we can see: only its bytes tell whether a file changed.
pub const STAT_TELLS: bool = false;

/// Without the right to make links git writes a file with the target in it.
pub const LINKS_ARE_LINKS: bool = false;

/// A read-only file can't be removed, not everywhere at least.
pub const READ_ONLY_STAYS: bool = true;

/// A folder keeps its name while files in it are open.
pub const FOLDERS_AT_WORK_MOVE: bool = false;

/// Configuration that git needs here on top of ours: workspaces lie deep.
pub const GIT_PINS: &[&str] = &["core.longpaths=true"];

/// What no file can be named: the system refuses it wherever it comes.
const NO_NAME: &str = "\0";

/// Endings of programs, in the order in which they are tried.
const PROGRAMS: [&str; 4] = ["exe", "com", "cmd", "bat"];

/// Bytes as names. Names are Unicode here: bytes that are not UTF-8 become a name that the system refuses.
pub trait OsStrExt {
    /// The name that these bytes stand for.
    fn from_bytes(bytes: &[u8]) -> &Self;
    /// The name as bytes: UTF-8 for everything that is Unicode.
    fn as_bytes(&self) -> &[u8];
}

impl OsStrExt for OsStr {
    fn from_bytes(bytes: &[u8]) -> &Self {
        OsStr::new(std::str::from_utf8(bytes).unwrap_or(NO_NAME))
    }
    fn as_bytes(&self) -> &[u8] {
        self.as_encoded_bytes()
    }
}

/// The same for names of their own.
pub trait OsStringExt {
    /// The name that these bytes stand for.
    fn from_vec(bytes: Vec<u8>) -> Self;
    /// The name as bytes.
    fn into_vec(self) -> Vec<u8>;
}

impl OsStringExt for OsString {
    fn from_vec(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).unwrap_or_else(|_| NO_NAME.to_owned()).into()
    }
    fn into_vec(self) -> Vec<u8> {
        self.into_encoded_bytes()
    }
}

/// Permissions as a mode.
pub trait PermissionsExt {
    /// 0644, or 0444 when it is read-only.
    fn mode(&self) -> u32;
}

impl PermissionsExt for Permissions {
    fn mode(&self) -> u32 {
        if self.readonly() { 0o444 } else { 0o644 }
    }
}

/// Stat data as git for Windows has it: no inode, owner or mode; the change time is that of the file's making.
#[allow(missing_docs)] // the names are those of `lstat`
pub trait MetadataExt {
    fn dev(&self) -> u64;
    fn ino(&self) -> u64;
    fn mode(&self) -> u32;
    fn uid(&self) -> u32;
    fn gid(&self) -> u32;
    fn nlink(&self) -> u64;
    fn size(&self) -> u64;
    fn blocks(&self) -> u64;
    fn mtime(&self) -> i64;
    fn mtime_nsec(&self) -> i64;
    fn ctime(&self) -> i64;
    fn ctime_nsec(&self) -> i64;
}

impl MetadataExt for Metadata {
    fn dev(&self) -> u64 {
        0
    }
    fn ino(&self) -> u64 {
        0
    }
    fn mode(&self) -> u32 {
        match (self.is_symlink(), self.is_dir()) {
            (true, _) => 0o120_777,
            (_, true) => 0o040_755,
            _ => 0o100_000 | self.permissions().mode(),
        }
    }
    fn uid(&self) -> u32 {
        0
    }
    fn gid(&self) -> u32 {
        0
    }
    fn nlink(&self) -> u64 {
        1
    }
    fn size(&self) -> u64 {
        self.len()
    }
    fn blocks(&self) -> u64 {
        self.len().div_ceil(512)
    }
    fn mtime(&self) -> i64 {
        since_1970(self.last_write_time()).0
    }
    fn mtime_nsec(&self) -> i64 {
        since_1970(self.last_write_time()).1
    }
    fn ctime(&self) -> i64 {
        since_1970(self.creation_time()).0
    }
    fn ctime_nsec(&self) -> i64 {
        since_1970(self.creation_time()).1
    }
}

/// Seconds and nanoseconds since 1970 of a time in steps of 100 ns since 1601.
fn since_1970(filetime: u64) -> (i64, i64) {
    /// From 1601 to 1970, in steps of 100 ns.
    const EPOCH: i64 = 116_444_736_000_000_000;
    const STEPS_PER_SECOND: i64 = 10_000_000;
    let steps = filetime.cast_signed() - EPOCH;
    (steps.div_euclid(STEPS_PER_SECOND), steps.rem_euclid(STEPS_PER_SECOND) * 100)
}

/// The mode of what is made. Files and folders in the user's own places are the user's alone here without one.
pub trait OpenOptionsExt {
    /// Says nothing here.
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, _mode: u32) -> &mut Self {
        self
    }
}

/// The same for folders.
pub trait DirBuilderExt {
    /// Says nothing here.
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, _mode: u32) -> &mut Self {
        self
    }
}

/// Kinds of files that only Unix has.
pub trait FileTypeExt {
    /// Never here.
    fn is_char_device(&self) -> bool;
}

impl FileTypeExt for FileType {
    fn is_char_device(&self) -> bool {
        false
    }
}

/// Reading and writing at a place. The position of the file moves with it.
pub trait FileExt {
    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// When the system says no.
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Fills `data` from `offset` on.
    ///
    /// # Errors
    /// When the system says no, or the file ends before.
    fn read_exact_at(&self, data: &mut [u8], offset: u64) -> io::Result<()>;
}

impl FileExt for File {
    fn write_all_at(&self, mut data: &[u8], mut offset: u64) -> io::Result<()> {
        while !data.is_empty() {
            let written = self.seek_write(data, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            (data, offset) = (&data[written..], offset + written as u64);
        }
        Ok(())
    }

    fn read_exact_at(&self, data: &mut [u8], offset: u64) -> io::Result<()> {
        let mut at = 0;
        while at < data.len() {
            match self.seek_read(&mut data[at..], offset + at as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => at += read,
            }
        }
        Ok(())
    }
}

/// Makes the link `link`, which leads to `target`. Needs developer mode, or the right to make links.
///
/// # Errors
/// When the system says no.
pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (target, link) = (target.as_ref(), link.as_ref());
    let from = link.parent().unwrap_or(Path::new(""));
    if from.join(target).is_dir() {
        std::os::windows::fs::symlink_dir(target, link)
    } else {
        std::os::windows::fs::symlink_file(target, link)
    }
}

/// The name of a variable as we look for it: Windows writes `Path`, and means the same.
pub fn variable(name: OsString) -> OsString {
    if name.eq_ignore_ascii_case("PATH") { "PATH".into() } else { name }
}

/// The home folder: what git's shell calls so, else the user's profile.
pub fn home() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from)
}

/// The program `name` as the system starts it, looked for in `path` (the value of `PATH`): with the ending that it has on
/// disk, for `npm` is `npm.cmd` here. What Unix always has, such as `sh`, git brings along. What is not found stays as it is.
pub fn program(name: &OsStr, path: Option<&OsStr>) -> OsString {
    let place = Path::new(name);
    if place.components().count() > 1 {
        return with_ending(place).map_or_else(|| name.to_owned(), PathBuf::into_os_string);
    }
    let found = name.to_str().and_then(|name| find_program(name, path?));
    found.or_else(|| gits_program(name.to_str()?)).map_or_else(|| name.to_owned(), PathBuf::into_os_string)
}

/// Where the program `name` is on `path`.
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).filter(|folder| folder.is_absolute()).find_map(|folder| with_ending(&folder.join(name)))
}

/// The file `place`, or the one with the ending of a program behind it.
fn with_ending(place: &Path) -> Option<PathBuf> {
    let has = |ending: &str| place.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending));
    if PROGRAMS.iter().any(|ending| has(ending)) {
        return place.is_file().then(|| place.to_owned());
    }
    let all = PROGRAMS.iter().map(|ending| {
        let mut name = place.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    });
    all.into_iter().find(|place| place.is_file())
}

/// Git for Windows lies in one folder with a shell and its tools: `…/mingw64/libexec/git-core` is where its own programs are.
fn gits_program(name: &str) -> Option<PathBuf> {
    static CORE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let ask = || {
        let out = std::process::Command::new("git").arg("--exec-path").output().ok()?;
        Some(PathBuf::from(String::from_utf8(out.stdout).ok()?.trim()))
    };
    let tops = CORE.get_or_init(ask).as_deref()?.ancestors();
    tops.map(|top| top.join("usr/bin").join(name)).find_map(|place| with_ending(&place))
}

/// The place without links in it, as programs write it: `C:\x`, not `\\?\C:\x`, which git and many others can't read.
///
/// # Errors
/// When it does not exist.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    let full = path.canonicalize()?;
    let mut parts = full.components();
    Ok(match parts.next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::VerbatimDisk(disk) => {
                let top = PathBuf::from(format!("{}:\\", char::from(disk)));
                top.join(parts.as_path().strip_prefix("\\").unwrap_or(parts.as_path()))
            }
            _ => full,
        },
        _ => full,
    })
}

/// Can the system name a file like this path of a tree? Not what is no Unicode, ends in a blank or a dot, or has a sign or a
/// name that means something else here.
pub fn can_name(path: &[u8]) -> bool {
    let Ok(path) = std::str::from_utf8(path) else { return false };
    path.split('/').all(|part| {
        let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
        let numbered =
            |name: &str| stem.strip_prefix(name).is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']));
        let is_device = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT");
        let odd = |sign: char| sign < ' ' || "<>:\"|?*\\".contains(sign);
        !is_device && !part.contains(odd) && !part.ends_with([' ', '.'])
    })
}

/// The ways in which files of text write this path: with `/`, with `\`, and with `\\` in strings of most languages.
pub fn spellings(path: &Path) -> Vec<Vec<u8>> {
    let text = path.as_os_str().to_string_lossy().replace('/', "\\");
    [text.replace('\\', "/"), text.replace('\\', "\\\\"), text].map(String::into_bytes).to_vec()
}

/// A path of the tree as git and people write it: with `/`.
pub fn slashed(path: &Path) -> PathBuf {
    PathBuf::from(OsString::from_vec(git_bytes(path)))
}

/// The file as what JavaScript imports: an address, for `C:` would be the scheme of one.
pub fn as_module(path: &Path) -> PathBuf {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:-_.~".contains(&byte);
    let signs =
        git_bytes(path).into_iter().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    PathBuf::from(format!("file:///{}", signs.collect::<String>()))
}

/// The path in a `file://` address, or a path as it is: the `/` before a drive is none of it.
pub fn path_of_url(path: &str) -> &Path {
    match path.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => Path::new(&path[1..]),
        _ => Path::new(path),
    }
}

/// A path that git named (`C:/x/y`), as the system writes it.
pub fn native(path: PathBuf) -> PathBuf {
    path.components().collect()
}

/// The path as git writes it into its own files.
pub fn git_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// Makes the file at `path` read-only or writable, as `mode` says; folders stay as they are.
///
/// # Errors
/// When the system says no.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let meta = std::fs::metadata(path)?;
    match with_write(&meta, mode) {
        Some(permissions) => std::fs::set_permissions(path, permissions),
        None => Ok(()),
    }
}

/// The same for an open file.
///
/// # Errors
/// When the system says no.
pub fn set_file_mode(file: &File, mode: u32) -> io::Result<()> {
    match with_write(&file.metadata()?, mode) {
        Some(permissions) => file.set_permissions(permissions),
        None => Ok(()),
    }
}

/// The permissions that `mode` asks for, where they are others.
fn with_write(meta: &Metadata, mode: u32) -> Option<Permissions> {
    let mut permissions = meta.permissions();
    let read_only = mode & 0o200 == 0;
    if meta.is_dir() || permissions.readonly() == read_only {
        return None;
    }
    permissions.set_readonly(read_only);
    Some(permissions)
}

/// Temporary files have no mode here.
pub fn with_mode<'a, 'b, 'c>(
    builder: &'a mut tempfile::Builder<'b, 'c>,
    _mode: u32,
) -> &'a mut tempfile::Builder<'b, 'c> {
    builder
}

/// Opens a file for reading; a link is opened itself, and is no file then.
///
/// # Errors
/// When it can't be opened.
pub fn open_itself(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
}

/// Gives the file or folder at `path` this modification time.
///
/// # Errors
/// When the system says no.
pub fn set_modified(path: &Path, time: SystemTime) -> io::Result<()> {
    open_attributes(path, FILE_FLAG_BACKUP_SEMANTICS)?.set_times(FileTimes::new().set_modified(time))
}

/// Gives the link at `path` the modification time in `meta`.
///
/// # Errors
/// When the system says no.
pub fn set_link_time(path: &Path, meta: &Metadata) -> io::Result<()> {
    let file = open_attributes(path, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)?;
    file.set_times(FileTimes::new().set_modified(meta.modified()?))
}

/// Opens what is at `path`, a folder or a read-only file too, to set its time stamps.
fn open_attributes(path: &Path, flags: u32) -> io::Result<File> {
    OpenOptions::new().access_mode(FILE_WRITE_ATTRIBUTES).custom_flags(flags).open(path)
}

/// Free space, in bytes, where `path` is.
///
/// # Errors
/// When the file system can't be asked.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let wide: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0;
    let none = std::ptr::null_mut();
    // SAFETY: the name ends with a zero and outlives the call, which writes to the one number.
    let done = unsafe { GetDiskFreeSpaceExW(wide.as_ptr(), &raw mut free, none, none) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(free) }
}

/// Is a file that nobody may write safe from this user's programs? They may take the mark away.
pub fn read_only_holds() -> bool {
    false
}

/// Does it belong to the user that we run as? The folders that we ask for are in the user's own.
pub fn is_mine(_meta: &Metadata) -> bool {
    true
}

/// Ends this process at once, as a kill from outside does.
pub fn die() -> ! {
    std::process::abort()
}

/// Makes the terminal the standard input, when there is one.
pub fn read_from_terminal() -> Option<()> {
    use std::os::windows::io::IntoRawHandle as _;
    use windows_sys::Win32::System::Console::{STD_INPUT_HANDLE, SetStdHandle};
    let terminal = OpenOptions::new().read(true).write(true).open("CONIN$").ok()?;
    // SAFETY: the handle is open, and given away for good.
    let done = unsafe { SetStdHandle(STD_INPUT_HANDLE, terminal.into_raw_handle()) };
    (done != 0).then_some(())
}

/// Requests to stop: Ctrl-C, Ctrl-Break, a closed window.
pub struct StopRequests {
    c: CtrlC,
    stop: CtrlBreak,
    close: CtrlClose,
}

impl StopRequests {
    /// From here on they come to us.
    ///
    /// # Errors
    /// When the system says no.
    pub fn new() -> io::Result<Self> {
        Ok(Self { c: ctrl_c()?, stop: ctrl_break()?, close: ctrl_close()? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.c.recv() => {}
            _ = self.stop.recv() => {}
            _ = self.close.recv() => {}
        }
    }
}
