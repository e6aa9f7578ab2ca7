//! The VFS by which SQLite reaches simulated disks: the system's own, with what changes and reads
//! files led past the disk first.
#![expect(unsafe_code, reason = "SQLite's VFS is an interface of C")]

mod methods;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Once};

use rusqlite::ffi;

use super::Disk;
use super::edge::FileKind;
use super::fault::Failure;
use super::operation::DiskFile;
use super::registry;

/// By this name SQLite knows it.
pub(super) const NAME: &str = "share-chaos";
const NAME_C: &CStr = c"share-chaos";
/// The system's.
const SYSTEM: &CStr = c"unix";

/// A file on a disk, in memory of SQLite's. The system's own follows it.
#[repr(C)]
struct ShimFile {
    base: ffi::sqlite3_file,
    /// From a [`Box`].
    open: *mut OpenFile,
}

/// What is known of an open file.
struct OpenFile {
    disk: Arc<Disk>,
    file: DiskFile,
}

/// Makes SQLite's own randomness that of a seed: salts of write-ahead logs and names of temporary
/// files, for the whole process. `random()` and `randomblob()` of SQL likewise.
pub fn seed_sqlite(seed: u32) {
    register();
    // 0 means: not seeded.
    let seed = (seed | 1).cast_signed();
    let no_connection: *mut ffi::sqlite3 = ptr::null_mut();
    // SAFETY: this control takes an int and a connection, which may be null.
    unsafe { ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, no_connection) };
}

/// Makes the VFS known to SQLite, once.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the name ends with zero; what is found lives as long as the process.
        let system = unsafe { ffi::sqlite3_vfs_find(SYSTEM.as_ptr()) };
        assert!(!system.is_null(), "SQLite knows the files of this system");
        // SAFETY: just found. The functions that are taken over don't look at the VFS they are
        // called with; those that do are replaced.
        let mut vfs = unsafe { ptr::read(system) };
        let shim = c_int::try_from(size_of::<ShimFile>()).expect("a file's size is small");
        vfs.szOsFile += shim;
        vfs.pNext = ptr::null_mut();
        vfs.zName = NAME_C.as_ptr();
        vfs.pAppData = system.cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        let vfs = Box::into_raw(Box::new(vfs));
        // SAFETY: never freed, as SQLite wants it.
        let registered = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes another VFS");
    });
}

/// The system's VFS under ours.
///
/// # Safety
///
/// `vfs` is the one that [`register`] made.
unsafe fn system(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: by the caller's word.
    unsafe { (*vfs).pAppData.cast() }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls it with our VFS, a name that ends with zero or none, and room for a file.
    unsafe {
        let system = system(vfs);
        let Some(system_open) = (*system).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let disk = path(name).and_then(registry::find);
        let Some((disk, path)) = disk.zip(path(name)) else {
            // The methods that it gets are the system's.
            return system_open(system, name, file, flags, flags_out);
        };
        (*file).pMethods = ptr::null();
        let real = methods::real(file);
        let open_real = || match system_open(system, name, real, flags, flags_out) {
            ffi::SQLITE_OK => Ok(()),
            code => Err(code),
        };
        match disk.open(path, kind_by_flags(flags), open_real) {
            Ok(on_disk) => {
                let open = OpenFile {
                    disk,
                    file: on_disk,
                };
                (*file.cast::<ShimFile>()).open = Box::into_raw(Box::new(open));
                (*file).pMethods = &raw const methods::METHODS;
                ffi::SQLITE_OK
            }
            Err(Failure::Real(code)) => code,
            Err(_) => ffi::SQLITE_CANTOPEN,
        }
    }
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: SQLite calls it with our VFS and a name that ends with zero.
    unsafe {
        let system = system(vfs);
        let Some(system_delete) = (*system).xDelete else {
            return ffi::SQLITE_IOERR_DELETE;
        };
        let disk = path(name).and_then(registry::find);
        let Some((disk, path)) = disk.zip(path(name)) else {
            return system_delete(system, name, sync_folder);
        };
        let remove = || match system_delete(system, name, sync_folder) {
            ffi::SQLITE_OK => Ok(()),
            code => Err(code),
        };
        let removed = disk.remove(path, kind_by_name(path), sync_folder != 0, remove);
        code(removed, ffi::SQLITE_IOERR_DELETE)
    }
}

/// # Safety
///
/// The name is null, or ends with zero and lives as long as the caller says.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: by the caller's word.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

fn kind_by_flags(flags: c_int) -> FileKind {
    match flags {
        flags if flags & ffi::SQLITE_OPEN_WAL != 0 => FileKind::Wal,
        flags if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 => FileKind::Db,
        _ => FileKind::Rollback,
    }
}

/// SQLite removes no databases.
fn kind_by_name(path: &Path) -> FileKind {
    match path.as_os_str().as_bytes().ends_with(b"-wal") {
        true => FileKind::Wal,
        false => FileKind::Rollback,
    }
}

/// SQLite's word for an outcome; `device`: for an error of the device.
fn code(result: Result<(), Failure<c_int>>, device: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(Failure::NoSpace) => ffi::SQLITE_FULL,
        Err(Failure::Device | Failure::Frozen | Failure::Crashed(_)) => device,
        Err(Failure::Real(code)) => code,
    }
}
