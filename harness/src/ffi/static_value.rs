//! A value of a static that is made once and, unlike other statics, dropped at the end.

use std::cell::UnsafeCell;
use std::sync::Once;

/// Room for a value in a static.
pub struct StaticValue<T> {
    made: Once,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written once, under `made`, and read-only afterwards until `drop_value`, whose
// caller promises that nothing uses it any more. As with `OnceLock`, it is shared between threads
// (`Sync`) and may be dropped by another thread than the one that made it (`Send`).
unsafe impl<T: Send + Sync> Sync for StaticValue<T> {}

impl<T> StaticValue<T> {
    /// Without a value.
    pub const fn new() -> Self {
        Self { made: Once::new(), value: UnsafeCell::new(None) }
    }

    /// The value, made here and now by `make` if there is none.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        self.made.call_once(|| {
            // SAFETY: `call_once` lets one thread in, and nothing reads before it has returned.
            unsafe { *self.value.get() = Some(make()) };
        });
        self.get().expect("made above, and not used after its end")
    }

    /// The value, if it has been made.
    pub fn get(&self) -> Option<&T> {
        if !self.made.is_completed() {
            return None;
        }
        // SAFETY: it is no longer written once `made` is completed.
        unsafe { (*self.value.get()).as_ref() }
    }

    /// Drops the value.
    ///
    /// # Safety
    /// No reference to it is used any more, in any thread.
    pub unsafe fn drop_value(&self) {
        if self.made.is_completed() {
            // SAFETY: the caller's promise.
            let value = unsafe { (*self.value.get()).take() };
            drop(value);
        }
    }
}
