//! Slices, strings that grow, and what is known of their encoding.

use super::{Random, collect, panic_message, small_heap};
use crate::values::object::STRING_SLICE;
use crate::{Collection, Heap, Kind, Value};

fn is_slice(value: Value) -> bool {
    value.object_kind() == STRING_SLICE
}

/// Bytes that `make` allocates.
fn allocated(heap: &mut Heap, make: impl FnOnce(&mut Heap)) -> u64 {
    let before = heap.statistics().allocated_bytes;
    make(heap);
    heap.statistics().allocated_bytes - before
}

valk_harness::test! {
    fn a_slice_shares_when_it_has_a_quarter_of_its_whole() {
        let mut heap = small_heap();
        let text: Vec<u8> = (0..4000).map(|at| b'a' + (at % 26) as u8).collect();
        let string = heap.string(&text);
        for (range, shares) in [(0..1000, true), (3000..4000, true), (0..999, false), (7..8, false)] {
            let slice = heap.slice(string, range.clone());
            assert_eq!(slice.bytes(&heap), &text[range.clone()]);
            assert_eq!(is_slice(slice), shares, "{range:?}");
            assert_eq!(slice.kind(), Kind::String);
            assert_eq!(slice.field_count(), 0);
        }
        assert_eq!(heap.slice(string, 0..4000), string);
        let short = heap.string(&text[..100]);
        let slice = heap.slice(short, 0..47);
        assert!(!is_slice(slice), "a copy is no larger");
        let of_slice = heap.slice(string, 1000..4000);
        let inner = heap.slice(of_slice, 500..2500);
        assert!(is_slice(inner));
        assert_eq!(inner.field_count(), 0);
        assert_eq!(inner.bytes(&heap), &text[1500..3500]);
        let message = panic_message(|| heap.slice(of_slice, 0..3001));
        assert!(message.contains("of a string of 3000"), "{message}");
    }

    fn a_walk_through_a_string_copies_it_less_than_once() {
        let mut heap = small_heap();
        let mut rest = heap.string(&vec![b'x'; 40_000]);
        let bytes = allocated(&mut heap, |heap| {
            for length in (1..40_000).rev() {
                rest = heap.slice(rest, 1..length + 1);
            }
        });
        assert_eq!(rest.bytes(&heap), b"x");
        assert!(bytes < 40_000 * 34, "{bytes} bytes for 40 000 slices of 32");
    }

    fn slices_survive_collections_with_what_they_refer_to() {
        let mut heap = small_heap();
        let text: Vec<u8> = (0..200).map(|at| at as u8).collect();
        let mut roots = [heap.string(&text), Value::NIL, Value::NIL];
        roots[1] = heap.slice(roots[0], 10..110);
        roots[2] = heap.append(roots[1], &[b'z'; 400]);
        roots[0] = Value::NIL;
        for kind in [Collection::Minor, Collection::Full, Collection::Full] {
            collect(&mut heap, kind, &mut roots);
            heap.verify(&mut roots);
            assert_eq!(roots[1].bytes(&heap), &text[10..110]);
            assert!(roots[2].bytes(&heap).starts_with(&text[10..110]));
        }
        roots = [Value::NIL; 3];
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(heap.statistics().old_bytes, 0);
    }

    fn a_string_that_grows_is_copied_a_bounded_number_of_times() {
        let mut heap = small_heap();
        let mut text = Vec::new();
        let mut string = heap.string(b"");
        let bytes = allocated(&mut heap, |heap| {
            for number in 0..4_000_u64 {
                let more = number.to_le_bytes();
                string = heap.append(string, &more);
                text.extend(more);
            }
        });
        assert_eq!(string.bytes(&heap), text);
        assert!(bytes < 10 * 32_000, "{bytes} bytes to make 32 000");
    }

    fn versions_of_a_string_that_grows_stay_what_they_are() {
        let mut heap = small_heap();
        let mut random = Random::new(5);
        let mut roots = vec![heap.string(&[b'-'; 300])];
        let mut expected = vec![vec![b'-'; 300]];
        for step in 0..400_u32 {
            let from = if random.below(3) == 0 { random.below(roots.len()) } else { roots.len() - 1 };
            let more = step.to_string().into_bytes();
            let bytes = heap.append_bytes(roots[from], more.len());
            let before = heap.statistics().allocated_bytes;
            let longer = heap.append(roots[from], &more);
            let taken = heap.statistics().allocated_bytes - before;
            assert!(taken <= bytes as u64, "{taken} bytes, {bytes} announced");
            roots.push(longer);
            expected.push([expected[from].as_slice(), &more].concat());
            if step % 50 == 0 {
                let kind = if step % 100 == 0 { Collection::Full } else { Collection::Minor };
                collect(&mut heap, kind, &mut roots);
                heap.verify(&mut roots);
            }
        }
        for (string, expected) in roots.iter().zip(&expected) {
            assert_eq!(string.bytes(&heap), expected);
        }
    }

    fn two_mutators_append_to_one_string() {
        let mut heap = crate::Heap::new(crate::Config { mutators_max: 2, ..super::small_config() })
            .expect("two mutators");
        let start = heap.string(&[b'=' ; 1000]);
        let start = heap.append(start, b"!");
        let root = heap.root(start);
        let ticket = heap.mutator_ticket();
        let grow = |heap: &mut Heap, string: Value, letter: u8| {
            let mut longest = string;
            for _ in 0..200 {
                longest = heap.append(longest, &[letter]);
            }
            assert!(longest.bytes(heap)[1001..].iter().all(|byte| *byte == letter));
            assert_eq!(longest.bytes(heap).len(), 1201);
        };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut other = ticket.register().expect("room for it");
                let string = other.resolve(&root);
                grow(&mut other, string, b'b');
            });
            grow(&mut heap, start, b'a');
        });
        assert!(start.bytes(&heap).ends_with(b"=!"));
    }

    fn the_encoding_of_a_string_is_found_once_and_inherited() {
        let mut heap = small_heap();
        let ascii = heap.string(&[b'a'; 100]);
        assert!(ascii.is_ascii(&heap));
        let text = "größe ".repeat(40);
        let utf8 = heap.string(text.as_bytes());
        assert!(!utf8.is_ascii(&heap));
        assert_eq!(utf8.as_text(&heap), Some(Ok(text.as_str())));
        let other = heap.string(&[b'a', b'b', 0xFF, b'c']);
        assert_eq!(other.as_text(&heap), Some(Err(2)));
        assert!(!other.is_ascii(&heap) && !Value::ONE.is_ascii(&heap));
        assert_eq!(Value::ONE.as_text(&heap), None);

        // At the boundaries of characters, and between.
        let whole = heap.slice(utf8, 0..100);
        assert_eq!(whole.as_text(&heap), Some(Ok(&text[..100])));
        let half = heap.slice(utf8, 3..103);
        assert_eq!(half.as_text(&heap), Some(Err(0)));
        let longer = heap.append(ascii, "ü".as_bytes());
        assert!(!longer.is_ascii(&heap) && longer.as_text(&heap).is_some_and(|text| text.is_ok()));
        let joined = heap.append(longer, &[0xC3]);
        assert_eq!(joined.as_text(&heap), Some(Err(102)));
        let mended = heap.append(joined, &[0xBC]);
        assert!(mended.as_text(&heap).is_some_and(|text| text.is_ok_and(|t| t.ends_with("üü"))));
        let plain = heap.append(ascii, b"b");
        assert!(plain.is_ascii(&heap));
    }

    fn tables_of_the_runtime_are_no_slices() {
        let mut heap = small_heap();
        let string = heap.string(&[0; 100]);
        let slice = heap.slice(string, 0..90);
        heap.bytes_mut(string)[0] = 1;
        let message = panic_message(|| heap.bytes_mut(slice).len());
        assert!(message.contains("that is no slice"), "{message}");
    }
}
