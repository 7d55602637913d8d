//! Report files: opened before the run begins, written after it.
//!
//! 1. Opening changes nothing in a file that exists; one that was made for a run that did not happen
//!    is removed again.
//! 2. `-` is standard output, for one report only.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};

use crate::error::LoadError;

/// A place for a report.
#[derive(Debug)]
pub struct ReportFile {
    path: String,
    /// Nothing for standard output.
    file: Option<File>,
    /// Whether it did not exist before.
    is_new: bool,
}

impl ReportFile {
    /// Opens `path`, or standard output for `-`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(path: &str) -> Result<ReportFile, LoadError> {
        if path == "-" {
            return Ok(ReportFile { path: path.to_string(), file: None, is_new: false });
        }
        let is_new = !std::path::Path::new(path).exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|cause| write_error(path, cause))?;
        Ok(ReportFile { path: path.to_string(), file: Some(file), is_new })
    }

    /// Whether it is standard output.
    pub fn is_standard_output(&self) -> bool {
        self.file.is_none()
    }

    /// Writes the report; what was in the file before is gone.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(mut self, bytes: &[u8], out: &mut dyn Write) -> Result<(), LoadError> {
        let path = std::mem::take(&mut self.path);
        self.is_new = false;
        let written = match &mut self.file {
            None => out.write_all(bytes),
            // A device or a pipe has no length.
            Some(file) => {
                let _ = file.set_len(0);
                let _ = file.rewind();
                file.write_all(bytes).and_then(|()| file.flush())
            }
        };
        written.map_err(|cause| write_error(&path, cause))
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn write_error(path: &str, cause: std::io::Error) -> LoadError {
    LoadError::File { path: path.to_string(), action: "write", cause }
}
