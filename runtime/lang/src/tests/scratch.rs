//! Files of one test, and what it tells.

use crate::{Language, Runtime};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use valk_diagnostics::render_plain;

/// A directory with files, removed when it is dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// A directory with these files.
    pub fn with(files: &[(&str, &str)]) -> Directory {
        static MADE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("valk-files-{}-{number}", std::process::id());
        let directory = Directory(std::env::temp_dir().join(name));
        for (name, text) in files {
            let path = directory.path(name);
            let parent = path.parent().expect("it is inside the directory");
            std::fs::create_dir_all(parent).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        directory
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It may not be there.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is told to the user while the program goes on, from now on.
pub fn told(runtime: &Runtime) -> Arc<Mutex<Vec<String>>> {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let reports = runtime.vm().extension::<Language>().reports.clone();
    let sink = Arc::clone(&told);
    reports.set_sink(move |diagnostic, sources| {
        sink.lock().expect("told").push(render_plain(diagnostic, sources));
    });
    told
}
