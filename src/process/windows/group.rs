//! A job object of Windows: everybody whom a command starts belongs to it, and it ends them all, at the latest with us.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};
use std::os::windows::process::CommandExt as _;
use std::process::{Child, Command};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicAccountingInformation,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    BELOW_NORMAL_PRIORITY_CLASS, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED, OpenProcess, OpenThread,
    PROCESS_SET_INFORMATION, ResumeThread, SetPriorityClass, THREAD_SUSPEND_RESUME,
};

/// The exit code of those who are ended: nobody reads it.
const ENDED: u32 = 1;

/// One tree of processes.
pub(super) struct Group(OwnedHandle);

impl Group {
    /// An empty one, which ends everybody in it when it is dropped, or when we die.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no attributes and no name; what comes back is checked and owned.
        let group = Self(unsafe { owned(CreateJobObjectW(std::ptr::null(), std::ptr::null())) }?);
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = size_of_val(&limits) as u32;
        // SAFETY: the structure is the one that this class of information asks for, and outlives the call.
        let done = unsafe {
            SetInformationJobObject(group.raw(), JobObjectExtendedLimitInformation, (&raw const limits).cast(), size)
        };
        checked(done)?;
        Ok(group)
    }

    /// Starts the command in it. It begins to run only when it belongs to the job: nobody whom it starts gets away.
    pub fn spawn(&self, command: &mut Command, background: bool) -> io::Result<Child> {
        // no window, and Ctrl-C in the terminal is for us
        let how = CREATE_SUSPENDED | CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;
        command.creation_flags(if background { how | BELOW_NORMAL_PRIORITY_CLASS } else { how });
        let mut child = command.spawn()?;
        // SAFETY: both handles are open.
        let done = unsafe { AssignProcessToJobObject(self.raw(), child.as_raw_handle()) };
        if let Err(error) = checked(done).and_then(|()| resume(child.id())) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        Ok(child)
    }

    /// How many processes are alive in it.
    pub fn count(&self) -> u32 {
        let mut now = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        let (size, none) = (size_of_val(&now) as u32, std::ptr::null_mut());
        // SAFETY: the structure is the one that this class of information fills, and outlives the call.
        let done = unsafe {
            QueryInformationJobObject(
                self.raw(),
                JobObjectBasicAccountingInformation,
                (&raw mut now).cast(),
                size,
                none,
            )
        };
        if done == 0 { 0 } else { now.ActiveProcesses }
    }

    /// Ends everybody in it.
    pub fn kill(&self) {
        // SAFETY: the handle is open.
        unsafe { TerminateJobObject(self.raw(), ENDED) };
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

/// Lets others have the cores before the process `pid`. That it fails is no harm.
pub(super) fn stand_back(pid: u32) {
    // SAFETY: what comes back is checked and owned, and open while it is used.
    unsafe {
        if let Ok(process) = owned(OpenProcess(PROCESS_SET_INFORMATION, 0, pid)) {
            SetPriorityClass(process.as_raw_handle(), BELOW_NORMAL_PRIORITY_CLASS);
        }
    }
}

/// Lets the threads of a process that was started asleep run: it has one, which the standard library does not hand out.
fn resume(pid: u32) -> io::Result<()> {
    // SAFETY: what comes back is checked and owned; the entry says how large it is and outlives the calls.
    unsafe {
        let all = owned(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0))?;
        let mut entry = THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..Default::default() };
        let mut found = Thread32First(all.as_raw_handle(), &raw mut entry) != 0;
        let mut woken = false;
        while found {
            if entry.th32OwnerProcessID == pid {
                let thread = owned(OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID))?;
                woken |= ResumeThread(thread.as_raw_handle()) != u32::MAX;
            }
            found = Thread32Next(all.as_raw_handle(), &raw mut entry) != 0;
        }
        if woken { Ok(()) } else { Err(io::Error::other("a command that was started asleep can't be woken")) }
    }
}

/// # Safety
/// The handle must be ours, or one of the two that say that there is none.
unsafe fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle as RawHandle) })
}

fn checked(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
