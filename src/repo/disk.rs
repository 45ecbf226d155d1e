//! Files on disk for workspaces: exact stat data, copies that keep time stamps, removal that never follows a link.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::repo::index::Stat;
use crate::system::{self, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

/// The kernel stamps files with a clock that ticks every 1 to 10 ms: within one tick a second change can't be seen.
pub(crate) const TICK_NS: i128 = 20_000_000;

/// Files up to this size are copied by one read and one write, larger ones by the kernel (which shares blocks on
/// file systems that can).
const SMALL_BYTES: u64 = 256 * 1024;

/// What `lstat` says of a file, exact. The change time can't be set by a program, so equal stat data means an
/// unchanged file (but for changes within one tick of the clock).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Exact {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i128,
    pub(crate) ctime_ns: i128,
    uid: u32,
    gid: u32,
}

impl Exact {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let ns = |sec: i64, nsec: i64| i128::from(sec) * 1_000_000_000 + i128::from(nsec);
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            mode: meta.mode(),
            size: meta.size(),
            mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
            uid: meta.uid(),
            gid: meta.gid(),
        }
    }

    /// When it last changed.
    pub(crate) fn changed_ns(&self) -> i128 {
        if system::STAT_TELLS { self.ctime_ns } else { self.ctime_ns.max(self.mtime_ns) }
    }

    /// Is this the file that git's index entry `stat` was made from?
    pub(crate) fn matches(&self, stat: &Stat) -> bool {
        let time = |ns: i128, stat: (u32, u32)| {
            let (sec, nsec) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
            // some writers of indexes know no nanoseconds
            sec as u32 == stat.0 && (stat.1 == 0 || nsec as u32 == stat.1)
        };
        // git cuts inode and size to 32 bits, and so do we
        time(self.mtime_ns, stat.mtime)
            && time(self.ctime_ns, stat.ctime)
            && self.ino as u32 == stat.ino
            && self.size as u32 == stat.size
    }

    /// As git's index wants it.
    pub(crate) fn to_git2(self, path: &[u8], mode: u32, oid: git2::Oid) -> git2::IndexEntry {
        let time = |ns: i128| {
            let (sec, nsec) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
            git2::IndexTime::new(sec as i32, nsec as u32)
        };
        git2::IndexEntry {
            ctime: time(self.ctime_ns),
            mtime: time(self.mtime_ns),
            dev: self.dev as u32,
            ino: self.ino as u32,
            mode,
            uid: self.uid,
            gid: self.gid,
            file_size: self.size as u32,
            id: oid,
            flags: 0,
            flags_extended: 0,
            path: path.to_vec(),
        }
    }
}

/// Copies the regular file `from` to the new file `to`: content, permissions, modification time. Returns the source's
/// stat data from before and after, and the copy's.
pub(crate) fn copy_file(from: &Path, to: &Path, buffer: &mut Vec<u8>) -> io::Result<(Exact, Exact, Exact)> {
    let mut source = system::open_itself(from)?;
    let meta = source.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut target = create_new(to)?;
    buffer.clear();
    if meta.len() <= SMALL_BYTES {
        source.read_to_end(buffer)?;
        target.write_all(buffer)?;
    } else {
        io::copy(&mut source, &mut target)?;
    }
    let mode = meta.permissions().mode() & 0o777;
    system::set_file_mode(&target, mode)?;
    target.set_times(FileTimes::new().set_modified(meta.modified()?))?;
    Ok((Exact::of(&meta), Exact::of(&source.metadata()?), Exact::of(&target.metadata()?)))
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Copies the symbolic link `from` to the new link `to`, with its modification time.
pub(crate) fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    let meta = std::fs::symlink_metadata(from)?;
    system::symlink(std::fs::read_link(from)?, to)?;
    system::set_link_time(to, &meta)
}

/// Removes whatever is at `path`, also folders without permissions. Links are removed, never followed. Nothing there
/// is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let meta = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !meta.is_dir() {
        return std::fs::remove_file(path);
    }
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            std::fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Gives us the right to change every folder under `path`, and to remove every file.
fn open_up(path: &Path) -> io::Result<()> {
    let meta = std::fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Ok(());
    }
    system::set_mode(path, meta.permissions().mode() | 0o700)?;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_up(&entry.path())?;
        } else if kind.is_file() && system::READ_ONLY_STAYS {
            system::set_mode(&entry.path(), 0o600)?;
        }
    }
    Ok(())
}
