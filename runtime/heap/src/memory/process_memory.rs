//! Memory of the whole process, as the operating system counts it.
//!
//! Linux reports it in `/proc/self/statm`, macOS by `proc_pidinfo`; both count faults in
//! `getrusage`. A number that the system does not report is 0.

/// Memory of the process at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Memory that is resident.
    pub resident_bytes: usize,
    /// Address space in use.
    pub virtual_bytes: usize,
    /// Part of the resident memory that other processes may share: files, code. Linux only.
    pub shared_bytes: usize,
    /// Address space of data and stacks. Linux only.
    pub data_bytes: usize,
    /// Physical memory of the computer.
    pub system_bytes: usize,
    /// Faults that needed no reading since the process began.
    pub faults_minor: u64,
    /// Faults that waited for a disk.
    pub faults_major: u64,
}

impl ProcessMemory {
    /// The numbers of the system now, 0 for those that it does not report.
    pub fn now() -> ProcessMemory {
        let page = system_number(libc::_SC_PAGESIZE);
        let sizes = sizes(page);
        let (faults_minor, faults_major) = faults();
        let system_bytes = page.saturating_mul(system_number(libc::_SC_PHYS_PAGES));
        ProcessMemory { system_bytes, faults_minor, faults_major, ..sizes }
    }
}

/// A number of the system that does not change; 0 when it has none.
fn system_number(name: libc::c_int) -> usize {
    // SAFETY: asks for a number by name; an unknown name gives -1.
    let number = unsafe { libc::sysconf(name) };
    usize::try_from(number).unwrap_or(0)
}

fn faults() -> (u64, u64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes a `rusage` there or fails and leaves zeros, which are one too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let count = |number| u64::try_from(number).unwrap_or(0);
    (count(usage.ru_minflt), count(usage.ru_majflt))
}

#[cfg(target_os = "linux")]
fn sizes(page_bytes: usize) -> ProcessMemory {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    from_statm(&text, page_bytes)
}

/// The text of `/proc/PID/statm`: pages of address space, resident, shared, code, libraries, data.
#[cfg(target_os = "linux")]
pub(crate) fn from_statm(text: &str, page_bytes: usize) -> ProcessMemory {
    let mut pages = text.split_ascii_whitespace().map(|pages| pages.parse::<usize>().unwrap_or(0));
    let mut next = || pages.next().unwrap_or(0).saturating_mul(page_bytes);
    let (virtual_bytes, resident_bytes, shared_bytes) = (next(), next(), next());
    let (_code, _libraries, data_bytes) = (next(), next(), next());
    ProcessMemory {
        resident_bytes,
        virtual_bytes,
        shared_bytes,
        data_bytes,
        ..ProcessMemory::default()
    }
}

#[cfg(target_os = "macos")]
fn sizes(_: usize) -> ProcessMemory {
    let mut info = std::mem::MaybeUninit::<libc::proc_taskinfo>::zeroed();
    let bytes = size_of::<libc::proc_taskinfo>() as libc::c_int;
    // SAFETY: the call writes at most that many bytes there; what it leaves is zero, and zeros are
    // a `proc_taskinfo` too.
    let info = unsafe {
        let own = libc::getpid();
        libc::proc_pidinfo(own, libc::PROC_PIDTASKINFO, 0, info.as_mut_ptr().cast(), bytes);
        info.assume_init()
    };
    ProcessMemory {
        resident_bytes: info.pti_resident_size as usize,
        virtual_bytes: info.pti_virtual_size as usize,
        ..ProcessMemory::default()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn sizes(_: usize) -> ProcessMemory {
    ProcessMemory::default()
}
