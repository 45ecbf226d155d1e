//! The table of processes, read from `/proc`: who is whose child, and when a process began.

use std::collections::HashSet;

/// One process as its `stat` file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub pid: i32,
    /// One letter: `Z` is dead and waits for its parent.
    pub state: char,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Its terminal; 0 when it has none.
    pub terminal: i32,
    /// When it began, in clock ticks since boot: with the id, a name that is not used again.
    pub started: u64,
}

/// Reads the text of `/proc/PID/stat`. The program's name in it may hold anything, brackets and spaces included.
pub fn parse_stat(text: &[u8]) -> Option<Row> {
    let open = text.iter().position(|b| *b == b'(')?;
    let close = text.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(text.get(..open)?).ok()?.trim().parse().ok()?;
    let mut rest = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    let mut number = || rest.next()?.parse::<i32>().ok();
    let (parent, group, session, terminal) = (number()?, number()?, number()?, number()?);
    // fields 8 to 21 are of no interest here; 22 is the start
    let started = rest.nth(14)?.parse().ok()?;
    Some(Row { pid, state, parent, group, session, terminal, started })
}

/// What the kernel tells of the process `pid` in its file `name`; nothing where there is no `/proc`.
fn read(pid: i32, name: &str) -> Option<Vec<u8>> {
    // a folder of that name on a disk of Windows would be anybody's
    if cfg!(windows) { None } else { std::fs::read(format!("/proc/{pid}/{name}")).ok() }
}

/// Processor time that the process `pid` has spent, in its own code and in the kernel's for it.
#[cfg(unix)]
pub fn spent(pid: i32) -> Option<std::time::Duration> {
    let text = read(pid, "stat")?;
    ticks(&text).map(|ticks| std::time::Duration::from_secs_f64(ticks as f64 / ticks_per_second()))
}

/// Fields 14 and 15 of `/proc/PID/stat`.
#[cfg(unix)]
fn ticks(text: &[u8]) -> Option<u64> {
    let close = text.iter().rposition(|b| *b == b')')?;
    let mut rest = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace().skip(11);
    let mut number = || rest.next()?.parse::<u64>().ok();
    number()?.checked_add(number()?)
}

#[cfg(unix)]
fn ticks_per_second() -> f64 {
    let known = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    known.filter(|n| *n > 0).map_or(100.0, |n| n as f64)
}

/// Kills it.
pub fn kill(row: &Row) {
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, kill};
        let _ = kill(nix::unistd::Pid::from_raw(row.pid), Signal::SIGKILL);
    }
    // there is no table there, and so nobody in it: whoever we start goes with us
    #[cfg(windows)]
    let _ = row;
}

/// The process `pid`, when it exists.
pub fn of(pid: i32) -> Option<Row> {
    parse_stat(&read(pid, "stat")?)
}

/// All processes that we can see; empty where there is no `/proc`.
pub fn all() -> Vec<Row> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Everything under `roots` in `rows`, the roots not included: children, their children, and so on.
pub fn descendants<'a>(rows: &'a [Row], roots: &[i32]) -> Vec<&'a Row> {
    let mut family: HashSet<i32> = roots.iter().copied().collect();
    let mut found: Vec<&Row> = Vec::new();
    // parents may stand after their children in the table (ids wrap around): repeat until nobody is new
    loop {
        let before = found.len();
        for row in rows {
            if family.contains(&row.parent) && family.insert(row.pid) {
                found.push(row);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(pid: i32, parent: i32) -> Row {
        Row { pid, state: 'S', parent, group: pid, session: pid, terminal: 0, started: 0 }
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let tail = "S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 100";
        let text = format!("42 (a) (b c) R 1 2) {tail}");
        let expected = Row { pid: 42, state: 'S', parent: 7, group: 8, session: 9, terminal: 0, started: 123_456 };
        assert_eq!(parse_stat(text.as_bytes()), Some(expected));
    }

    #[test]
    fn processor_time_is_that_of_user_and_kernel_together() {
        let text = "42 (a) b) R 1 42 42 0 -1 4194560 1 2 3 4 250 30 7 8 20 0 1 0 123456 99 100";
        assert_eq!(ticks(text.as_bytes()), Some(280));
        assert_eq!(ticks(b"42 (a) R 1"), None);
    }

    #[test]
    fn descendants_are_found_whatever_the_order() {
        let rows = [row(5, 4), row(4, 3), row(3, 1), row(9, 1), row(6, 3)];
        let mut found: Vec<i32> = descendants(&rows, &[3]).iter().map(|r| r.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [4, 5, 6]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn we_find_ourselves() {
        let me = of(std::process::id().cast_signed()).unwrap();
        assert!(me.started > 0 && me.parent > 0);
        assert!(all().contains(&Row { state: all().iter().find(|r| r.pid == me.pid).unwrap().state, ..me }));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_stat(&text);
        }
    }
}
