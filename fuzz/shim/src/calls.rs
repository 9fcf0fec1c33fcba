//! The functions that take the place of the C library's.
//!
//! Each has the name, the arguments and the results of the function it stands for; the 64-bit names of the C library
//! are the same functions on a 64-bit system. `open` is variadic in C. Here it has its third argument always, which on the
//! systems this is built for is passed in the same register, and only looked at where the flags say that it is there.

use std::ffi::CStr;

use libc::{c_char, c_int, c_long, c_uint, c_void, iovec, mode_t, off_t, size_t, ssize_t};

use crate::event::Kind;
use crate::fault::Call;
use crate::raw;
use crate::recorder::{Recorder, recorder, watching};

fn open_recorded(dir: c_int, path: &CStr, flags: c_int, mode: mode_t) -> c_int {
    let makes = flags & (libc::O_CREAT | libc::O_TMPFILE) != 0;
    let mode = if makes { mode } else { 0 };
    let Some(recorder) = recorder().filter(|recorder| recorder.may_concern(path)) else {
        return raw::openat(dir, path, flags, mode);
    };
    let mut state = recorder.lock();
    let made = makes && !raw::exists(dir, path);
    if recorder.is_inside(path.to_bytes()) && state.fails_at(Call::Open, path) {
        return -1;
    }
    let fd = raw::openat(dir, path, flags, mode);
    if fd >= 0 {
        let path = raw::path_of(fd);
        if recorder.is_inside(&path) && state.watch(fd, &path) {
            let cut = flags & libc::O_TRUNC != 0;
            state.note(Kind::Open, fd, [u64::from(made) | u64::from(cut) << 1, 0], &path);
        }
    }
    fd
}

/// # Safety
/// As `open` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    open_recorded(libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// # Safety
/// As `open64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    open_recorded(libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// # Safety
/// As `openat` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    open_recorded(dir, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// # Safety
/// As `openat64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    open_recorded(dir, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// # Safety
/// As `creat` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    // SAFETY: the caller gives a path that ends with a zero byte.
    open_recorded(libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// # Safety
/// As `close` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    let Some(recorder) = watching(fd) else {
        let owned = recorder().is_some_and(|recorder| recorder.owns(fd));
        return if owned { 0 } else { raw::close(fd) };
    };
    let mut state = recorder.lock();
    state.forget(fd);
    state.note(Kind::Close, fd, [0, 0], &[]);
    raw::close(fd)
}

/// Notes what was written.
///
/// # Safety
/// As many bytes as `written` says must be readable.
unsafe fn write_recorded(
    recorder: &Recorder,
    fd: c_int,
    bytes: *const c_void,
    len: size_t,
    offset: Option<off_t>,
) -> ssize_t {
    let mut state = recorder.lock();
    if state.fails(Call::Write, fd) {
        return -1;
    }
    // SAFETY: the caller vouches for the bytes.
    let written = unsafe {
        match offset {
            Some(offset) => raw::pwrite(fd, bytes, len, offset),
            None => raw::write(fd, bytes, len),
        }
    };
    if let Ok(count @ 1..) = usize::try_from(written) {
        let at = offset.map_or_else(|| raw::position(fd) - count as u64, |offset| offset as u64);
        // SAFETY: the system has just read these bytes.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count) };
        state.note(Kind::Write, fd, [at, 0], bytes);
    }
    written
}

/// # Safety
/// As `write` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller gives bytes that can be read.
    unsafe {
        match watching(fd) {
            Some(recorder) => write_recorded(recorder, fd, bytes, len, None),
            None => raw::write(fd, bytes, len),
        }
    }
}

/// # Safety
/// As `pwrite` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, len: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller gives bytes that can be read.
    unsafe {
        match watching(fd) {
            Some(recorder) => write_recorded(recorder, fd, bytes, len, Some(offset)),
            None => raw::pwrite(fd, bytes, len, offset),
        }
    }
}

/// # Safety
/// As `pwrite64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, len: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the same promises.
    unsafe { pwrite(fd, bytes, len, offset) }
}

/// Writes one piece after the other, as far as it goes.
///
/// # Safety
/// The pieces and their bytes must be readable.
unsafe fn write_pieces(fd: c_int, pieces: *const iovec, count: c_int, offset: Option<off_t>) -> ssize_t {
    let mut done = 0;
    for at in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller gives as many pieces.
        let piece = unsafe { &*pieces.add(at) };
        if piece.iov_len == 0 {
            continue;
        }
        // SAFETY: the caller gives bytes that can be read.
        let written = unsafe {
            match offset {
                Some(offset) => pwrite(fd, piece.iov_base, piece.iov_len, offset + done as off_t),
                None => write(fd, piece.iov_base, piece.iov_len),
            }
        };
        if written < 0 {
            return if done > 0 { done } else { -1 };
        }
        done += written;
        if written as usize != piece.iov_len {
            break;
        }
    }
    done
}

/// # Safety
/// As `writev` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    if watching(fd).is_none() {
        // SAFETY: the caller gives pieces that can be read.
        return unsafe { libc::syscall(libc::SYS_writev, fd, pieces, count) as ssize_t };
    }
    // SAFETY: the same promises.
    unsafe { write_pieces(fd, pieces, count, None) }
}

/// # Safety
/// As `pwritev` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(fd: c_int, pieces: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the same promises.
    unsafe { write_pieces(fd, pieces, count, Some(offset)) }
}

/// # Safety
/// As `pwritev64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(fd: c_int, pieces: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the same promises.
    unsafe { write_pieces(fd, pieces, count, Some(offset)) }
}

/// Whether a read is to fail.
fn read_fails(fd: c_int, offset: Option<off_t>, len: size_t) -> bool {
    let Some(recorder) = watching(fd).filter(|recorder| recorder.counts_reads()) else { return false };
    let at = offset.map_or_else(|| raw::position(fd), |offset| offset as u64);
    recorder.lock().read_fails(fd, at, len)
}

/// # Safety
/// As `read` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(fd: c_int, bytes: *mut c_void, len: size_t) -> ssize_t {
    if read_fails(fd, None, len) {
        return -1;
    }
    // SAFETY: the caller gives bytes that can be written.
    unsafe { raw::read(fd, bytes, len, None) }
}

/// # Safety
/// As `pread` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread(fd: c_int, bytes: *mut c_void, len: size_t, offset: off_t) -> ssize_t {
    if read_fails(fd, Some(offset), len) {
        return -1;
    }
    // SAFETY: the caller gives bytes that can be written.
    unsafe { raw::read(fd, bytes, len, Some(offset)) }
}

/// # Safety
/// As `pread64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread64(fd: c_int, bytes: *mut c_void, len: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the same promises.
    unsafe { pread(fd, bytes, len, offset) }
}

fn length_recorded(fd: c_int, call: c_long, rest: [c_long; 3], kind: Kind, numbers: [u64; 2]) -> c_int {
    let Some(recorder) = watching(fd) else { return raw::numbers(call, fd, rest) };
    let mut state = recorder.lock();
    if state.fails(Call::Length, fd) {
        return -1;
    }
    let outcome = raw::numbers(call, fd, rest);
    if outcome == 0 {
        state.note(kind, fd, numbers, &[]);
    }
    outcome
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    length_recorded(fd, libc::SYS_ftruncate, [length, 0, 0], Kind::Length, [length as u64, 0])
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    ftruncate(fd, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    let rest = [c_long::from(mode), offset, length];
    if mode != 0 && watching(fd).is_some() {
        // Holes and shifted ranges have no event.
        raw::set_errno(libc::EOPNOTSUPP);
        return -1;
    }
    length_recorded(fd, libc::SYS_fallocate, rest, Kind::Allocate, [offset as u64, length as u64])
}

#[unsafe(no_mangle)]
pub extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    fallocate(fd, mode, offset, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn posix_fallocate(fd: c_int, offset: off_t, length: off_t) -> c_int {
    // SAFETY: the C library gives each thread a place for its errno that lives as long as the thread.
    if fallocate(fd, 0, offset, length) == 0 { 0 } else { unsafe { *libc::__errno_location() } }
}

#[unsafe(no_mangle)]
pub extern "C" fn posix_fallocate64(fd: c_int, offset: off_t, length: off_t) -> c_int {
    posix_fallocate(fd, offset, length)
}

fn sync_recorded(fd: c_int, call: c_long) -> c_int {
    let Some(recorder) = watching(fd) else { return raw::numbers(call, fd, [0; 3]) };
    let token = recorder.new_sync();
    let fails = {
        let mut state = recorder.lock();
        state.note(Kind::SyncBegin, fd, [token, 0], &[]);
        state.fails(Call::Sync, fd).then(|| std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    };
    std::thread::sleep(recorder.sync_delay);
    let outcome = if fails.is_some() { -1 } else { raw::numbers(call, fd, [0; 3]) };
    recorder.lock().note(Kind::SyncEnd, fd, [token, u64::from(outcome == 0)], &[]);
    if let Some(errno) = fails {
        raw::set_errno(errno);
    }
    outcome
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    sync_recorded(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync_recorded(fd, libc::SYS_fdatasync)
}

#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(fd: c_int, offset: off_t, length: off_t, flags: c_uint) -> c_int {
    if let Some(recorder) = watching(fd) {
        let mut state = recorder.lock();
        if state.fails(Call::Sync, fd) {
            return -1;
        }
        state.note(Kind::RangeSync, fd, [offset as u64, length as u64], &[]);
    }
    raw::numbers(libc::SYS_sync_file_range, fd, [offset, length, c_long::from(flags)])
}

/// Copies inside the kernel would pass by the recorder. Callers go on with reads and writes when told that they cannot
/// be had.
///
/// # Safety
/// As `copy_file_range` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off_t,
    to: c_int,
    to_at: *mut off_t,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    if watching(to).is_some() {
        raw::set_errno(libc::ENOSYS);
        return -1;
    }
    // SAFETY: the caller gives places that can be written, or none.
    unsafe { libc::syscall(libc::SYS_copy_file_range, from, from_at, to, to_at, len, flags) as ssize_t }
}

/// # Safety
/// As `sendfile` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile(to: c_int, from: c_int, at: *mut off_t, len: size_t) -> ssize_t {
    if watching(to).is_some() {
        raw::set_errno(libc::ENOSYS);
        return -1;
    }
    // SAFETY: the caller gives a place that can be written, or none.
    unsafe { libc::syscall(libc::SYS_sendfile, to, from, at, len) as ssize_t }
}

/// # Safety
/// As `sendfile64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(to: c_int, from: c_int, at: *mut off_t, len: size_t) -> ssize_t {
    // SAFETY: the same promises.
    unsafe { sendfile(to, from, at, len) }
}

/// # Safety
/// As `rename` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller gives paths that end with a zero byte.
    let (from, to) = unsafe { (CStr::from_ptr(from), CStr::from_ptr(to)) };
    let inside = |recorder: &&Recorder| recorder.is_inside(to.to_bytes()) || recorder.is_inside(from.to_bytes());
    let Some(recorder) = recorder().filter(inside) else {
        return raw::renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to);
    };
    let mut state = recorder.lock();
    if state.fails_at(Call::Rename, to) {
        return -1;
    }
    let outcome = raw::renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to);
    if outcome == 0 {
        state.note(Kind::Rename, -1, [0, 0], &[from.to_bytes(), b"\0", to.to_bytes()].concat());
    }
    outcome
}

fn unlink_recorded(dir: c_int, path: &CStr, flags: c_int) -> c_int {
    let Some(recorder) = recorder().filter(|recorder| recorder.is_inside(path.to_bytes())) else {
        return raw::unlinkat(dir, path, flags);
    };
    let mut state = recorder.lock();
    let outcome = raw::unlinkat(dir, path, flags);
    if outcome == 0 {
        state.note(Kind::Unlink, -1, [0, 0], path.to_bytes());
    }
    outcome
}

/// # Safety
/// As `unlink` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    unlink_recorded(libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, 0)
}

/// # Safety
/// As `rmdir` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    unlink_recorded(libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, libc::AT_REMOVEDIR)
}

/// # Safety
/// As `mkdir` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with a zero byte.
    let path = unsafe { CStr::from_ptr(path) };
    let Some(recorder) = recorder().filter(|recorder| recorder.is_inside(path.to_bytes())) else {
        return raw::mkdirat(libc::AT_FDCWD, path, mode);
    };
    let mut state = recorder.lock();
    let outcome = raw::mkdirat(libc::AT_FDCWD, path, mode);
    if outcome == 0 {
        state.note(Kind::MakeDir, -1, [0, 0], path.to_bytes());
    }
    outcome
}
