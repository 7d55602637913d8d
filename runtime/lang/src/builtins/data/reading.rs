//! Files and source texts as values, within the heap's limit.
//!
//! 1. A regular file is asked for as a whole, and read into its string.
//! 2. What has no size (a device, a pipe, a file of `/proc`) is read piece by piece; each is asked
//!    for. It cannot be read again from the start, so what does not fit is an error at once.
//! 3. Source is counted before it is parsed.

use super::room::Tally;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use valk_heap::Value;
use valk_vm::{Outcome, Vm};

/// Bytes that are read at a time from what has no size.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that a piece takes while it is read: in a buffer that doubles, and in the string.
const PIECE_FACTOR: usize = 3;

/// A request that never has room.
const TOO_MUCH: Outcome = Outcome::NeedsRoom(usize::MAX);

/// Bytes that a token of source takes at most, as a node of a tree and as a value.
const TOKEN_BYTES: usize = 128;

/// Reads a file into a string.
///
/// # Errors
/// Those of the system.
pub fn read_file(vm: &mut Vm, path: &Path) -> io::Result<Outcome> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let size = metadata.len();
    if !metadata.is_file() || size == 0 {
        return read_pieces(vm, &mut file);
    }
    let Ok(size) = usize::try_from(size) else { return Ok(TOO_MUCH) };
    if size > super::strings::STRING_BYTES_MAX {
        return Ok(super::strings::too_long(vm));
    }
    if vm.heap.room(size).is_err() {
        return Ok(Outcome::NeedsRoom(size));
    }
    let mut read = Ok(0);
    let string = vm.heap.string_from(size, |bytes| read = fill(&mut file, bytes));
    // A file that has become shorter meanwhile ends early.
    Ok(vm.heap.slice(string, 0..read?).into())
}

/// Reads until the bytes are full or the file ends; how many came.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read(&mut bytes[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn read_pieces(vm: &mut Vm, file: &mut impl Read) -> io::Result<Outcome> {
    let (mut bytes, mut tally) = (Vec::new(), Tally::default());
    loop {
        if !tally.add(&vm.heap, PIECE_FACTOR * PIECE_BYTES) {
            return Ok(TOO_MUCH);
        }
        let before = bytes.len();
        bytes.resize(before + PIECE_BYTES, 0);
        let count = fill(file, &mut bytes[before..])?;
        bytes.truncate(before + count);
        if count < PIECE_BYTES {
            return Ok(super::strings::new_string(vm, &bytes));
        }
    }
}

/// Bytes that parsing a source text and making values of it takes at most.
pub fn source_bytes(text: Value, vm: &Vm) -> usize {
    let text = text.as_bytes(&vm.heap).unwrap_or_default();
    let mut tokens = 0;
    let mut is_inside = false;
    for byte in text {
        let is_bracket =
            matches!(byte, b'(' | b')' | b'{' | b'}' | b'\'' | b'`' | b',' | b'"' | b';');
        let is_space = byte.is_ascii_whitespace();
        tokens += usize::from(is_bracket || !is_space && !is_inside);
        is_inside = !is_bracket && !is_space;
    }
    tokens * TOKEN_BYTES + 2 * text.len()
}
