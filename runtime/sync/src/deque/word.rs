//! Items that fit one word.

use std::ptr;
use std::sync::Arc;

/// A value that can be turned into one word and back, once.
///
/// The word is a pointer so that provenance survives the trip. Between the two calls the word is
/// the owner of the value; it may be copied, but only one copy may be turned back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit the one-word slots of a work-stealing deque",
    label = "not a `Word`",
    note = "put it into a `Box`: `Worker<Box<{Self}>>` takes items of any size"
)]
pub trait Word: Send + Sized {
    /// Turns the value into a word. The word owns the value from here on.
    fn into_word(self) -> *mut ();

    /// Turns a word back into the value.
    ///
    /// # Safety
    ///
    /// `word` must come from `into_word` of the same type, and no copy of it may have been turned
    /// back before.
    unsafe fn from_word(word: *mut ()) -> Self;
}

impl<T: Send> Word for Box<T> {
    fn into_word(self) -> *mut () {
        Box::into_raw(self).cast()
    }

    unsafe fn from_word(word: *mut ()) -> Self {
        // SAFETY: the caller guarantees that `into_raw` made this pointer and that this is its
        // only way back.
        unsafe { Box::from_raw(word.cast()) }
    }
}

impl<T: Send + Sync> Word for Arc<T> {
    fn into_word(self) -> *mut () {
        Arc::into_raw(self).cast_mut().cast()
    }

    unsafe fn from_word(word: *mut ()) -> Self {
        // SAFETY: the caller guarantees that `into_raw` made this pointer and that the reference
        // it stands for is claimed once.
        unsafe { Arc::from_raw(word.cast_const().cast()) }
    }
}

impl Word for usize {
    fn into_word(self) -> *mut () {
        ptr::without_provenance_mut(self)
    }

    unsafe fn from_word(word: *mut ()) -> Self {
        word.addr()
    }
}
