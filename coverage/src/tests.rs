//! Tests of the gate over synthetic exports; [`Tree`] is a scratch repository on disk.

mod cli;
mod date;
mod gate;
mod llvm;
mod model;
mod sources;
mod waivers;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory with files, removed when dropped.
struct Tree(PathBuf);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("valk-coverage-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&root).unwrap();
        let tree = Self(std::fs::canonicalize(root).unwrap());
        for (path, text) in files {
            tree.add(path, text.as_bytes());
        }
        tree
    }

    fn add(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn root(&self) -> &Path {
        &self.0
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An export with the given members of `files` and `functions`.
fn export(files: &str, functions: &str) -> String {
    format!(
        r#"{{"data":[{{"files":[{files}],"functions":[{functions}],"totals":{{}}}}],
        "type":"llvm.coverage.json.export","version":"3.0.1"}}"#
    )
}

/// One file of an export: segments and branches as JSON rows.
fn file(path: &str, segments: &str, branches: &str) -> String {
    format!(
        r#"{{"filename":"{path}","segments":[{segments}],"branches":[{branches}],
        "expansions":[],"summary":{{}}}}"#
    )
}
