//! The file of a report: one that this run has for itself, or one that all binaries of a run share.
//!
//! 1. A file of its own must not exist: another run would lose its results.
//! 2. A shared file is added to if the same run began it, and replaced if another one did. It is
//!    locked meanwhile: binaries may run at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportFile {
    /// Rule 1.
    Own(PathBuf),
    /// Rule 2.
    Shared(PathBuf),
}

impl ReportFile {
    /// The path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(path) | Self::Shared(path) => path,
        }
    }

    /// Opens the file, makes its directory, and returns what is to be kept of its content: what
    /// `belongs` accepts. The file is locked until it is dropped.
    ///
    /// # Errors
    /// [`Error::File`], with `action` for its text.
    pub fn open(
        &self,
        action: &'static str,
        belongs: impl Fn(&str) -> bool,
    ) -> Result<(File, String), Error> {
        let path = self.path();
        self.try_open(belongs).map_err(|source| Error::File { action, path: path.into(), source })
    }

    fn try_open(&self, belongs: impl Fn(&str) -> bool) -> io::Result<(File, String)> {
        let path = self.path();
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut options = OpenOptions::new();
        options.append(true);
        if let Self::Own(_) = self {
            return Ok((options.create_new(true).open(path)?, String::new()));
        }
        let mut file = options.create(true).read(true).open(path)?;
        let mut text = String::new();
        if file.metadata()?.is_file() {
            file.lock()?;
            // A file that is no text is not ours.
            if file.read_to_string(&mut text).is_err() || !belongs(&text) {
                text.clear();
                file.set_len(0)?;
                file.rewind()?;
            }
        }
        Ok((file, text))
    }
}
