//! The data folder: where the files are, and the lock that lets one process at a time be active on them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

const LOG_FILE: &str = "curfew.db";

/// A data folder this process holds the lock of. The kernel releases the lock with the process, however that ends.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Folder {
    /// Creates the folder where it is missing (readable by its owner alone: it holds password hashes and keys) and locks it.
    pub(super) fn claim(path: &Path) -> Result<Self, StoreError> {
        let unavailable = |error: io::Error| StoreError::Unavailable(in_words(&error));
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unavailable)?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("curfew.lock"))
            .map_err(unavailable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Locked { by: holder(&mut file) }),
            Err(error) => return Err(unavailable(error.into())),
        }
        // Only for the message another process will give: a full disk must not keep the server from starting.
        if let Err(error) = sign(&mut file) {
            tracing::warn!(%error, "cannot write the process id into curfew.lock");
        }
        Ok(Self { path: path.to_owned(), lock: Mutex::new(Some(file)) })
    }

    /// Whether there is a log in this folder, claimed or not.
    pub(super) fn holds_log(path: &Path) -> bool {
        path.join(LOG_FILE).exists()
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.path.join(LOG_FILE)
    }

    pub(super) fn projections_file(&self) -> PathBuf {
        self.path.join("projections.db")
    }

    /// Lets another process have the folder. Idempotent.
    pub(super) fn release(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What is wrong with the folder, and what to do about it.
fn in_words(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "this user may not write there: make the folder this user's, or choose another"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "that is a file: name a folder, which is made where it is missing"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "its disk is full: make room there",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("process {text}")
        }
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_used_is_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for path in [file.path().to_owned(), file.path().join("below")] {
            let error = Folder::claim(&path).expect_err("no folder").to_string();
            assert!(error.contains("name a folder"), "{error}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let _held = Folder::claim(folder.path()).expect("claimed");
        let held = Folder::claim(folder.path()).expect_err("it is held");
        assert_eq!(held, StoreError::Locked { by: format!("process {}", std::process::id()) });
    }
}
