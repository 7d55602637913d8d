//! The `std` side of the shim: what a model sees as tracked is a plain cell here.

use crate::shim::{AccessProbe, ReachedFlag, UnsafeCell, reached_if};

valk_harness::test! {
    fn a_cell_gives_out_its_content() {
        let cell = UnsafeCell::new(1);
        // SAFETY: the cell is local and no other pointer into it is in use.
        cell.with_mut(|value| unsafe { *value += 1 });
        // SAFETY: as above.
        assert_eq!(cell.with(|value| unsafe { *value }), 2);
        assert!(!UnsafeCell::<u8>::default().with(<*const u8>::is_null));
    }
}

valk_harness::test! {
    fn probes_vanish_outside_models() {
        let mark = ReachedFlag::default();
        mark.set();
        assert!(!mark.is_set());
        let probe = AccessProbe::default();
        probe.read();
        probe.write();
        assert_eq!((size_of::<ReachedFlag>(), size_of::<AccessProbe>()), (0, 0));
        reached_if(true, "nothing is recorded");
    }
}
