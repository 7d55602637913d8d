//! Files of programs: where they are looked for, how they are read.
//!
//! 1. A path is relative to the file that names it, then to the working directory; `import` goes on to
//!    the directories of `VALK_PATH`. What the language brings along comes last, by its own names.
//! 2. A text is read whole before any of it runs. A reader error ends it; the forms before it stay.

use crate::library::{self, needed_by};
use crate::runtime::Language;
use crate::source;
use std::path::{Path, PathBuf};
use valk_diagnostics::{Code, Diagnostic, FileId, Span};
use valk_heap::{Root, Value};
use valk_syntax::{check_utf8, read_all};
use valk_vm::{Position, Vm};

/// Directories that `import` looks in, as the system separates them.
const PATH_VARIABLE: &str = "VALK_PATH";
/// What names of modules and paths of imports may leave out.
const EXTENSION: &str = "valk";

/// The forms of a text, in the order in which they stand there.
pub struct Forms {
    /// A list of them, whose root is never released: the positions of lists go by address.
    root: Root,
}

impl Forms {
    /// The list. Each of its cells has the place of the form in it.
    pub fn list(&self, vm: &Vm) -> Value {
        vm.heap.resolve(&self.root)
    }
}

/// Reads a text into forms. A reader error is the last of them, as an error value whose diagnostic is
/// kept with the texts.
pub fn read(vm: &mut Vm, name: &str, text: &[u8]) -> Forms {
    let shared = vm.extension::<Language>().sources.clone();
    let mut sources = shared.write();
    let file = sources.map.add(name, text);
    let (mut forms, problem) = match check_utf8(text) {
        Err(problem) => (Vec::new(), Some(not_utf8(name, file, problem.offset))),
        Ok(_) => {
            let reading = read_all(file, text);
            let values = source::forms(vm, &reading.tree, Some(&mut sources));
            let spans = reading.tree.roots().map(|root| reading.tree.node(root).span);
            let forms: Vec<(Value, Span)> = values.into_iter().zip(spans).collect();
            let problem = reading.error.map(|e| (e.span, e.legacy.clone(), e.diagnostic()));
            (forms, problem)
        }
    };
    if let Some((span, message, diagnostic)) = problem {
        let error = vm.error(&message);
        source::set_location(vm, error, source::position_of(span));
        sources.note_problem(span, diagnostic);
        forms.push((error, span));
    }
    let list = sources.spine(vm, &forms);
    Forms { root: vm.heap.root(list) }
}

/// The forms of a text, behind those that run the library modules whose names it mentions. It may be
/// such a module itself.
pub fn read_behind_needed(
    vm: &mut Vm,
    name: &str,
    text: &[u8],
    itself: Option<valk_stdlib::Module>,
) -> Value {
    let list = read(vm, name, text).list(vm);
    behind_needed(vm, text, itself, list)
}

fn behind_needed(
    vm: &mut Vm,
    text: &[u8],
    itself: Option<valk_stdlib::Module>,
    mut list: Value,
) -> Value {
    let needed = needed_by(vm, text);
    for module in needed.into_iter().rev().filter(|module| Some(**module) != itself) {
        let forms = library::forms(vm, module, false);
        list = before(vm, forms, list);
    }
    list
}

fn before(vm: &mut Vm, forms: Vec<Value>, list: Value) -> Value {
    forms.into_iter().rev().fold(list, |rest, form| vm.heap.cons(form, rest, true))
}

fn not_utf8(name: &str, file: FileId, offset: usize) -> (Span, String, Diagnostic) {
    let at = Span { file, start: offset as u32, end: offset as u32 + 1 };
    let diagnostic =
        Diagnostic::error(Code::NotUtf8, format!("{name} is not UTF-8 text at byte {offset}"))
            .primary(at, "this byte is not part of a UTF-8 character")
            .help("save the file as UTF-8");
    (at, format!("[offset: {offset}] source is not UTF-8"), diagnostic)
}

/// A file that cannot be read.
pub struct Unreadable {
    /// The message of the error value.
    pub message: String,
    /// What to tell the user.
    pub diagnostic: Box<Diagnostic>,
}

/// The bytes of a file.
///
/// # Errors
/// Why there are none.
pub fn open(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let shown = path.display();
    let problem = |code, text: String, help: &str| Unreadable {
        message: format!("Could not open file ({shown})"),
        diagnostic: Box::new(Diagnostic::error(code, text).help(help)),
    };
    if path.is_dir() {
        let text = format!("{shown} is a directory, not a program");
        return Err(problem(Code::FileUnreadable, text, "name a file inside it"));
    }
    std::fs::read(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let text = format!("there is no file {shown}");
            problem(Code::FileNotFound, text, "paths are relative to the working directory")
        } else {
            let text = format!("{shown} cannot be read: {error}");
            problem(Code::FileUnreadable, text, "check the file's permissions")
        }
    })
}

/// The file that a form was written in; empty for what is no file.
fn file_of(vm: &mut Vm, written: Option<Position>) -> PathBuf {
    let Some(position) = written else { return PathBuf::new() };
    let sources = vm.extension::<Language>().sources.read();
    let file = sources.map.file(FileId(position.file));
    file.map(|file| PathBuf::from(file.name())).unwrap_or_default()
}

/// The directory of the file that a form was written in; empty for what is no file.
fn directory(vm: &mut Vm, written: Option<Position>) -> PathBuf {
    file_of(vm, written).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where `load` finds the path: beside the form that names it, or from the working directory.
fn find_loaded(vm: &mut Vm, path: &Path, written: Option<Position>) -> Option<PathBuf> {
    let beside = directory(vm, written).join(path);
    [beside, path.to_path_buf()].into_iter().find(|path| path.exists())
}

/// What an `import` means that names no module which is known already.
pub enum Found {
    /// A file.
    File(PathBuf),
    /// A module that the language brings along.
    Embedded(valk_stdlib::Module),
}

/// Where `import` finds the module or path. The file with the `import` itself is what is meant only if
/// there is no other, so that the tests of a module may have its name.
///
/// # Errors
/// The places that were looked at.
pub fn find_imported(
    vm: &mut Vm,
    path: &str,
    written: Option<Position>,
) -> Result<Found, Vec<PathBuf>> {
    let (itself, beside) = (file_of(vm, written), directory(vm, written));
    let mut is_itself = false;
    let listed = std::env::var_os(PATH_VARIABLE).unwrap_or_default();
    let directories = [beside, PathBuf::new()].into_iter().chain(std::env::split_paths(&listed));
    let mut seen: Vec<PathBuf> = Vec::new();
    for directory in directories {
        let mut plain = directory.join(path);
        let mut extended = plain.clone().into_os_string();
        extended.push(".");
        extended.push(EXTENSION);
        if plain.extension().is_none_or(|extension| extension != EXTENSION) {
            plain = PathBuf::from(extended);
        }
        if plain == itself {
            is_itself = true;
        } else if plain.is_file() {
            return Ok(Found::File(plain));
        }
        if !seen.contains(&plain) {
            seen.push(plain);
        }
    }
    match valk_stdlib::find(path) {
        Some(module) => Ok(Found::Embedded(module)),
        None if is_itself => Ok(Found::File(itself)),
        None => Err(seen),
    }
}

/// What `load` evaluates.
pub enum Loaded {
    /// The forms.
    Forms(Value),
    /// A module that is always there.
    Present,
}

/// The forms of a file for `load`.
///
/// # Errors
/// When there is no such file.
pub fn load(vm: &mut Vm, path: &Path, written: Option<Position>) -> Result<Loaded, String> {
    let found = find_loaded(vm, path, written);
    let embedded = path.to_str().and_then(valk_stdlib::find);
    let (name, text) = match (found, embedded) {
        (None, Some(module)) if module.preloaded => return Ok(Loaded::Present),
        (None, Some(module)) => {
            let forms = library::forms(vm, &module, true);
            let list = before(vm, forms, Value::NIL);
            let text = module.text.as_bytes();
            return Ok(Loaded::Forms(behind_needed(vm, text, Some(module), list)));
        }
        (found, _) => {
            let found = found.unwrap_or_else(|| path.into());
            // The message has the path as the program wrote it.
            let failed = |_| format!("Could not open file ({})", path.display());
            let text = open(&found).map_err(failed)?;
            (found.to_string_lossy().into_owned(), text)
        }
    };
    Ok(Loaded::Forms(read_behind_needed(vm, &name, &text, None)))
}
