//! What SQLite may do with an open file.
//!
//! Every method is called by SQLite with a file that [`super::open`] opened, and with buffers as long
//! as it says; that is what the unsafe blocks stand on.

use std::ffi::{c_int, c_void};
use std::slice;

use rusqlite::ffi;

use super::{OpenFile, ShimFile, code};
use crate::disk::unsynced::{RawFile, SECTOR_BYTES};

/// Version 2: shared memory for write-ahead logs, but no mapping of files, which would be written
/// past us.
pub(super) static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

type SqliteFile = *mut ffi::sqlite3_file;

/// The system's file under ours.
///
/// # Safety
///
/// `file` is of our VFS.
pub(super) unsafe fn real(file: SqliteFile) -> SqliteFile {
    // SAFETY: our VFS asks for room for both, one after the other.
    unsafe { file.cast::<ShimFile>().add(1).cast() }
}

unsafe fn open_file<'a>(file: SqliteFile) -> &'a OpenFile {
    // SAFETY: set when the file was opened, and freed when it is closed.
    unsafe { &*(*file.cast::<ShimFile>()).open }
}

/// Calls a method of the system's file itself.
macro_rules! own {
    ($real:expr, $method:ident $(, $argument:expr)*) => {{
        let real = $real;
        match (*(*real).pMethods).$method {
            Some(method) => method(real $(, $argument)*),
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// Calls the same method of the system's file under ours.
macro_rules! forward {
    ($file:expr, $method:ident $(, $argument:expr)*) => {
        own!(real($file), $method $(, $argument)*)
    };
}

/// The system's file as a real one under a simulated one. Not opened by another way: to close that
/// would end SQLite's locks.
struct Real(SqliteFile);

impl RawFile for Real {
    type Error = c_int;

    fn length(&mut self) -> Result<u64, c_int> {
        let mut length = 0;
        // SAFETY: see the module.
        let done = unsafe { own!(self.0, xFileSize, &raw mut length) };
        ok(done)?;
        u64::try_from(length).map_err(|_| ffi::SQLITE_IOERR_FSTAT)
    }

    fn read(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), c_int> {
        let amount = amount(bytes)?;
        let buffer = bytes.as_mut_ptr().cast();
        // SAFETY: see the module.
        ok(unsafe { own!(self.0, xRead, buffer, amount, position(offset)?) })
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), c_int> {
        let amount = amount(bytes)?;
        let buffer = bytes.as_ptr().cast();
        // SAFETY: see the module.
        ok(unsafe { own!(self.0, xWrite, buffer, amount, position(offset)?) })
    }

    fn set_length(&mut self, length: u64) -> Result<(), c_int> {
        // SAFETY: see the module.
        ok(unsafe { own!(self.0, xTruncate, position(length)?) })
    }
}

fn ok(code: c_int) -> Result<(), c_int> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(code),
    }
}

fn amount(bytes: &[u8]) -> Result<c_int, c_int> {
    c_int::try_from(bytes.len()).map_err(|_| ffi::SQLITE_TOOBIG)
}

fn position(offset: u64) -> Result<i64, c_int> {
    i64::try_from(offset).map_err(|_| ffi::SQLITE_TOOBIG)
}

unsafe extern "C" fn close(file: SqliteFile) -> c_int {
    // SAFETY: see the module. SQLite does not use the file again.
    unsafe {
        let open = Box::from_raw((*file.cast::<ShimFile>()).open);
        let closed = forward!(file, xClose);
        open.disk.close(&open.file);
        (*file).pMethods = std::ptr::null();
        closed
    }
}

unsafe extern "C" fn read(
    file: SqliteFile,
    buffer: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: see the module.
    unsafe {
        match open_file(file).disk.may_read() {
            true => forward!(file, xRead, buffer, amount, offset),
            false => ffi::SQLITE_IOERR_READ,
        }
    }
}

unsafe extern "C" fn write(
    file: SqliteFile,
    buffer: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(offset)) = (usize::try_from(amount), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: see the module.
    unsafe {
        let OpenFile { disk, file: at } = open_file(file);
        let bytes = slice::from_raw_parts(buffer.cast(), amount);
        let written = disk.write(at, &mut Real(real(file)), bytes, offset);
        code(written, ffi::SQLITE_IOERR_WRITE)
    }
}

unsafe extern "C" fn truncate(file: SqliteFile, length: ffi::sqlite3_int64) -> c_int {
    let Ok(length) = u64::try_from(length) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: see the module.
    unsafe {
        let OpenFile { disk, file: at } = open_file(file);
        let truncated = disk.truncate(at, &mut Real(real(file)), length);
        code(truncated, ffi::SQLITE_IOERR_TRUNCATE)
    }
}

/// Not for real: what is under a simulated disk outlives the process, and that is enough.
unsafe extern "C" fn sync(file: SqliteFile, _: c_int) -> c_int {
    // SAFETY: see the module.
    let OpenFile { disk, file: at } = unsafe { open_file(file) };
    code(disk.sync(at), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: SqliteFile, size: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xFileSize, size) }
}

unsafe extern "C" fn lock(file: SqliteFile, level: c_int) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xLock, level) }
}

unsafe extern "C" fn unlock(file: SqliteFile, level: c_int) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xUnlock, level) }
}

unsafe extern "C" fn check_reserved_lock(file: SqliteFile, result: *mut c_int) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xCheckReservedLock, result) }
}

unsafe extern "C" fn file_control(file: SqliteFile, op: c_int, argument: *mut c_void) -> c_int {
    match op {
        // By these the system's file would change its length, or be mapped, past us.
        ffi::SQLITE_FCNTL_SIZE_HINT
        | ffi::SQLITE_FCNTL_CHUNK_SIZE
        | ffi::SQLITE_FCNTL_MMAP_SIZE => ffi::SQLITE_NOTFOUND,
        // SAFETY: see the module.
        _ => unsafe { forward!(file, xFileControl, op, argument) },
    }
}

unsafe extern "C" fn sector_size(_: SqliteFile) -> c_int {
    c_int::try_from(SECTOR_BYTES).expect("a sector is small")
}

/// What SQLite takes for granted of every disk unless it is told otherwise, and this one keeps: a write
/// changes no byte beside it, whenever the power goes. Without it SQLite ends a transaction in the log
/// with a copy of its last page, of which it leaves a part unsynced: that part goes with another
/// process's failed sync, and with it all that follows. What ships never writes such a log.
unsafe extern "C" fn device_characteristics(_: SqliteFile) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: SqliteFile,
    page: c_int,
    page_bytes: c_int,
    extend: c_int,
    mapped: *mut *mut c_void,
) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xShmMap, page, page_bytes, extend, mapped) }
}

unsafe extern "C" fn shm_lock(file: SqliteFile, offset: c_int, n: c_int, flags: c_int) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xShmLock, offset, n, flags) }
}

unsafe extern "C" fn shm_barrier(file: SqliteFile) {
    // SAFETY: see the module.
    unsafe {
        let real = real(file);
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: SqliteFile, delete: c_int) -> c_int {
    // SAFETY: see the module.
    unsafe { forward!(file, xShmUnmap, delete) }
}
