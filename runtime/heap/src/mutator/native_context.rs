//! Lending the nursery to native code.
//!
//! Native code allocates by moving a copy of the nursery's cursor, which the heap takes back
//! afterwards.

use crate::mutator::heap::Heap;
use crate::values::layout::NativeContext;

impl Heap {
    /// The state for native code of this mutator.
    #[inline]
    pub fn native_context(&self) -> NativeContext {
        NativeContext {
            cursor: self.young.cursor,
            limit: self.young.limit,
            poll_flag: self.poll_flag.as_ptr(),
            globals: self.globals.as_ptr(),
        }
    }

    /// Sets the cursor behind the cells that native code has allocated.
    ///
    /// # Safety
    /// `cursor` is that of the last [`Heap::native_context`], moved past initialised cells
    /// and not beyond its limit.
    #[inline]
    pub unsafe fn set_cursor(&mut self, cursor: usize) {
        debug_assert!(cursor >= self.young.cursor && cursor <= self.young.limit, "moved on");
        self.young.cursor = cursor;
    }
}
