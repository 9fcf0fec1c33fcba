//! System calls made directly, past the functions that this library puts in place of the C library's.
//!
//! They set `errno` as the C library does, so their results can be passed on as they are.

use std::ffi::CStr;

use libc::{c_int, c_long, c_void, off_t, size_t};

/// Sets what the caller of a failed call looks at.
pub(crate) fn set_errno(errno: i32) {
    // SAFETY: the C library gives each thread a place for its errno that lives as long as the thread.
    unsafe { *libc::__errno_location() = errno };
}

pub(crate) fn openat(dir: c_int, path: &CStr, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the path ends with a zero byte and is only read during the call.
    unsafe { libc::syscall(libc::SYS_openat, dir, path.as_ptr(), flags, mode) as c_int }
}

pub(crate) fn close(fd: c_int) -> c_int {
    // SAFETY: closing touches no memory. That nobody else uses the descriptor is the caller's matter, as always.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// Writes at the file's position.
///
/// # Safety
/// `len` bytes from `bytes` on must be readable.
pub(crate) unsafe fn write(fd: c_int, bytes: *const c_void, len: size_t) -> isize {
    // SAFETY: the caller vouches for the bytes.
    unsafe { libc::syscall(libc::SYS_write, fd, bytes, len) as isize }
}

/// Writes at an offset.
///
/// # Safety
/// `len` bytes from `bytes` on must be readable.
pub(crate) unsafe fn pwrite(fd: c_int, bytes: *const c_void, len: size_t, offset: off_t) -> isize {
    // SAFETY: the caller vouches for the bytes.
    unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, len, offset) as isize }
}

/// Reads at the file's position, or at an offset.
///
/// # Safety
/// `len` bytes from `bytes` on must be writable.
pub(crate) unsafe fn read(fd: c_int, bytes: *mut c_void, len: size_t, offset: Option<off_t>) -> isize {
    // SAFETY: the caller vouches for the bytes.
    unsafe {
        match offset {
            None => libc::syscall(libc::SYS_read, fd, bytes, len) as isize,
            Some(offset) => libc::syscall(libc::SYS_pread64, fd, bytes, len, offset) as isize,
        }
    }
}

/// A call with numbers only.
pub(crate) fn numbers(call: c_long, fd: c_int, rest: [c_long; 3]) -> c_int {
    // SAFETY: used for calls whose arguments are all numbers, so they touch no memory of the process.
    unsafe { libc::syscall(call, fd, rest[0], rest[1], rest[2]) as c_int }
}

pub(crate) fn position(fd: c_int) -> u64 {
    // SAFETY: all arguments are numbers.
    let at = unsafe { libc::syscall(libc::SYS_lseek, fd, 0 as off_t, libc::SEEK_CUR) };
    u64::try_from(at).unwrap_or(0)
}

pub(crate) fn unlinkat(dir: c_int, path: &CStr, flags: c_int) -> c_int {
    // SAFETY: the path ends with a zero byte and is only read during the call.
    unsafe { libc::syscall(libc::SYS_unlinkat, dir, path.as_ptr(), flags) as c_int }
}

pub(crate) fn renameat(from_dir: c_int, from: &CStr, to_dir: c_int, to: &CStr) -> c_int {
    // SAFETY: both paths end with a zero byte and are only read during the call.
    unsafe { libc::syscall(libc::SYS_renameat2, from_dir, from.as_ptr(), to_dir, to.as_ptr(), 0) as c_int }
}

pub(crate) fn mkdirat(dir: c_int, path: &CStr, mode: libc::mode_t) -> c_int {
    // SAFETY: the path ends with a zero byte and is only read during the call.
    unsafe { libc::syscall(libc::SYS_mkdirat, dir, path.as_ptr(), mode) as c_int }
}

pub(crate) fn exists(dir: c_int, path: &CStr) -> bool {
    // SAFETY: the path ends with a zero byte and is only read during the call.
    unsafe { libc::syscall(libc::SYS_faccessat, dir, path.as_ptr(), libc::F_OK) == 0 }
}

/// The path that a descriptor was opened with, as the system knows it. Empty if it cannot be learnt.
pub(crate) fn path_of(fd: c_int) -> Vec<u8> {
    let mut link = format!("/proc/self/fd/{fd}").into_bytes();
    link.push(0);
    let mut path = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: the link ends with a zero byte, and no more bytes are written than the buffer has.
    let len = unsafe {
        libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, link.as_ptr(), path.as_mut_ptr(), path.len() as size_t)
    };
    path.truncate(usize::try_from(len).unwrap_or(0));
    path
}
