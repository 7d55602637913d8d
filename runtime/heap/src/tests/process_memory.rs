//! What the system says about the process.

use crate::{ProcessMemory, SlabPool};

const MIB: usize = 1 << 20;

#[cfg(target_os = "linux")]
valk_harness::test! {
    fn touched_memory_shows_and_goes() {
        let before = ProcessMemory::now();
        assert!(before.resident_bytes > 0 && before.system_bytes > before.resident_bytes);
        assert!(before.virtual_bytes >= before.resident_bytes);
        assert!(before.shared_bytes > 0 && before.data_bytes > 0 && before.faults_minor > 0);
        let pool = SlabPool::new(1, 64 * MIB).expect("64 MiB of address space");
        let mapped = ProcessMemory::now();
        assert!(mapped.virtual_bytes >= before.virtual_bytes + 64 * MIB);
        let mut item = pool.acquire().expect("free");
        item.fill(1);
        let touched = ProcessMemory::now();
        assert!(touched.resident_bytes > mapped.resident_bytes + 60 * MIB, "{touched:?}");
        assert!(touched.faults_minor > before.faults_minor);
        assert!(touched.faults_major >= before.faults_major);
        drop((item, pool));
        let after = ProcessMemory::now();
        assert!(after.resident_bytes < touched.resident_bytes - 60 * MIB, "{after:?}");
    }

    fn numbers_are_read_in_their_order_and_nonsense_is_zero() {
        use crate::memory::process_memory::from_statm;
        let seen = from_statm("500 40 30 7 0 90 0\n", 4096);
        let expected = ProcessMemory {
            virtual_bytes: 500 * 4096,
            resident_bytes: 40 * 4096,
            shared_bytes: 30 * 4096,
            data_bytes: 90 * 4096,
            ..ProcessMemory::default()
        };
        assert_eq!(seen, expected);
        for text in ["", "a b c d e f", "-1 -1 -1 -1 -1 -1"] {
            assert_eq!(from_statm(text, 4096), ProcessMemory::default());
        }
        let huge = from_statm("18446744073709551615 1", 4096);
        assert_eq!((huge.virtual_bytes, huge.resident_bytes), (usize::MAX, 4096));
    }
}
