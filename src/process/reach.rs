//! Reaching every process of a tree: signalling them all, collecting the dead, knowing when nobody is left.

use std::collections::HashMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::process::table::{self, Row};

/// How far our arm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    /// This process is a supervisor of its own and the reaper of every orphan below it: nobody can get away.
    #[cfg(target_os = "linux")]
    Reaper,
    /// Only the command's session, and whoever was seen below it: for systems without subreapers, and for a program
    /// that has no supervisor (unit tests).
    Session,
}

/// One tree of processes.
pub(super) struct Reach {
    arm: Arm,
    child: Option<Child>,
    status: Option<ExitStatus>,
    /// Who was seen below the command, with the time of their start; only kept without a reaper.
    seen: HashMap<i32, u64>,
    /// When that was last looked up.
    looked: Option<Instant>,
}

impl Reach {
    pub fn new(arm: Arm) -> Self {
        Self { arm, child: None, status: None, seen: HashMap::new(), looked: None }
    }

    /// Starts the command in a session of its own.
    pub fn spawn(&mut self, command: &mut Command, background: bool) -> std::io::Result<()> {
        let arm = self.arm;
        let parent = nix::unistd::getpid();
        // SAFETY: between fork and exec only system calls without allocation or locks are made: sigprocmask, setsid, prctl,
        // getppid.
        unsafe {
            command.pre_exec(move || {
                // the supervisor blocks the signals that it reads from a file
                nix::sys::signal::SigSet::empty().thread_set_mask()?;
                nix::unistd::setsid()?;
                #[cfg(target_os = "linux")]
                if arm == Arm::Reaper {
                    // should somebody kill the supervisor, the command goes with it
                    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                    if nix::unistd::getppid() != parent {
                        return Err(nix::Error::ESRCH.into());
                    }
                }
                let _ = (arm, parent);
                Ok(())
            });
        }
        let child = command.spawn()?;
        if background {
            super::stand_back_as_session(child.id());
        }
        self.child = Some(child);
        Ok(())
    }

    /// Collects the dead. The command's status, once it has ended.
    pub fn reap(&mut self) -> Option<ExitStatus> {
        match self.arm {
            #[cfg(target_os = "linux")]
            Arm::Reaper => while self.reap_one() == Reaped::One {},
            Arm::Session => {
                if self.status.is_none() {
                    self.status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
                }
            }
        }
        self.status
    }

    /// Is everybody of the tree dead and collected?
    pub fn is_empty(&mut self) -> bool {
        match self.arm {
            #[cfg(target_os = "linux")]
            Arm::Reaper => loop {
                match self.reap_one() {
                    Reaped::One => {}
                    Reaped::NoneNow => return false,
                    Reaped::NobodyLeft => return true,
                }
            },
            Arm::Session => self.status.is_some() && self.session_members().is_empty() && !self.has_group(),
        }
    }

    /// Sends `signal` to everybody of the tree. They may have children meanwhile: a tree is only dead when
    /// [`Reach::is_empty`] says so.
    pub fn signal(&mut self, signal: Signal) {
        let own_session = nix::unistd::getsid(None).map_or(0, Pid::as_raw);
        let members = self.members();
        if signal == Signal::SIGKILL {
            // groups first: that also reaches those who were forked since the table was read
            let mut groups: Vec<i32> = members.iter().filter(|r| r.session != own_session).map(|r| r.group).collect();
            groups.sort_unstable();
            groups.dedup();
            for group in groups.into_iter().filter(|group| *group > 1) {
                let _ = killpg(Pid::from_raw(group), signal);
            }
        }
        for row in &members {
            let _ = kill(Pid::from_raw(row.pid), signal);
            if signal == Signal::SIGTERM {
                // a stopped process does not see TERM
                let _ = kill(Pid::from_raw(row.pid), Signal::SIGCONT);
            }
        }
        #[cfg(not(target_os = "linux"))]
        if let Some(child) = &self.child {
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), signal);
        }
    }

    /// Where there is no table of processes: is somebody left in the command's group?
    fn has_group(&self) -> bool {
        let group = || Some(Pid::from_raw(self.child.as_ref()?.id().cast_signed()));
        cfg!(not(target_os = "linux")) && group().is_some_and(|group| killpg(group, None).is_ok())
    }

    pub fn members(&mut self) -> Vec<Row> {
        match self.arm {
            #[cfg(target_os = "linux")]
            Arm::Reaper => {
                let rows = table::all();
                let below = table::descendants(&rows, &[nix::unistd::getpid().as_raw()]);
                below.into_iter().filter(|row| row.state != 'Z').copied().collect()
            }
            Arm::Session => self.session_members(),
        }
    }

    /// Without a reaper: the session, whoever is below it, and whoever was seen there before and has moved away.
    fn session_members(&mut self) -> Vec<Row> {
        let Some(leader) = self.child.as_ref().map(|child| child.id().cast_signed()) else { return Vec::new() };
        let rows: Vec<Row> = table::all().into_iter().filter(|row| row.state != 'Z').collect();
        let is_known = |row: &Row| row.session == leader || self.seen.get(&row.pid) == Some(&row.started);
        let mut roots: Vec<i32> = rows.iter().filter(|row| is_known(row)).map(|row| row.pid).collect();
        if self.status.is_none() {
            roots.push(leader);
        }
        let below = table::descendants(&rows, &roots);
        let members: Vec<Row> =
            rows.iter().filter(|row| roots.contains(&row.pid)).chain(below).copied().collect::<Vec<_>>();
        self.seen.extend(members.iter().map(|row| (row.pid, row.started)));
        members
    }

    /// Without a reaper: looks who is there, so that they are known when they move away later.
    pub fn look_around(&mut self) {
        /// Reading the whole table costs about a millisecond.
        const OFTEN_ENOUGH: Duration = Duration::from_millis(50);
        if self.arm == Arm::Session && self.looked.is_none_or(|at| at.elapsed() > OFTEN_ENOUGH) {
            self.session_members();
            self.looked = Some(Instant::now());
        }
    }

    #[cfg(target_os = "linux")]
    fn reap_one(&mut self) -> Reaped {
        let mut raw = 0;
        // SAFETY: waitpid writes to the one integer that it is given. (nix's wrapper refuses real-time signals.)
        let pid = unsafe { libc::waitpid(-1, &raw mut raw, libc::WNOHANG) };
        if pid == 0 {
            return Reaped::NoneNow;
        }
        if pid < 0 {
            let interrupted = std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted;
            return if interrupted { Reaped::One } else { Reaped::NobodyLeft };
        }
        if self.child.as_ref().is_some_and(|child| child.id().cast_signed() == pid) {
            self.status = Some(ExitStatus::from_raw(raw));
        }
        Reaped::One
    }
}

#[cfg(target_os = "linux")]
#[derive(PartialEq, Eq)]
enum Reaped {
    One,
    NoneNow,
    NobodyLeft,
}
