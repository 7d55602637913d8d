//! Every value survives its encoding, and no two kinds are mistaken for each other.

use super::{Random, panic_message, small_heap};
use crate::{ERROR_FIELDS, ERROR_MESSAGE, Heap, HostObject, Kind, SymbolId, Tracer, Value};

struct Plain;
impl HostObject for Plain {
    fn trace(&mut self, _tracer: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "plain"
    }
}

/// One value of every kind and its kind.
fn samples(heap: &mut Heap) -> Vec<(Value, Kind)> {
    let text = heap.string(b"text");
    let mut samples = vec![
        (Value::ZERO, Kind::Integer),
        (Value::fixnum(-1), Kind::Integer),
        (heap.integer(i64::MAX), Kind::Integer),
        (heap.intern(b"name"), Kind::Symbol),
        (heap.intern(b":name"), Kind::Symbol),
        (Value::NIL, Kind::Nil),
        (Value::UNDEFINED, Kind::Undefined),
        (Value::builtin(7), Kind::Builtin),
        (heap.cons(Value::NIL, Value::NIL, false), Kind::Pair),
        (heap.cons(Value::NIL, Value::NIL, true), Kind::Pair),
        (heap.old_cons(Value::NIL, Value::NIL, true), Kind::Pair),
        (text, Kind::String),
        (heap.error(text), Kind::Error),
        (heap.closure(text, &[]), Kind::Closure),
        (heap.host(Box::new(Plain)), Kind::Host),
        (heap.decimal(i128::MIN), Kind::Decimal),
    ];
    for kind in [Kind::Cell, Kind::Partial, Kind::Environment, Kind::Record] {
        samples.push((heap.fields(kind, &[text]), kind));
    }
    samples
}

valk_harness::test! {
    fn kinds_and_predicates_agree() {
        let mut heap = small_heap();
        for (value, kind) in samples(&mut heap) {
            assert_eq!(value.kind(), kind, "{value:?}");
            assert_eq!(value.is_nil(), kind == Kind::Nil);
            assert_eq!(value.is_undefined(), kind == Kind::Undefined);
            assert_eq!(value.is_pair(), kind == Kind::Pair);
            assert_eq!(value.is_list(), matches!(kind, Kind::Pair | Kind::Nil));
            assert_eq!(value.is_symbol(), kind == Kind::Symbol);
            assert_eq!(value.as_symbol().is_some(), kind == Kind::Symbol);
            assert_eq!(value.as_builtin().is_some(), kind == Kind::Builtin);
            assert_eq!(value.as_integer().is_some(), kind == Kind::Integer);
            assert_eq!(value.as_decimal_units().is_some(), kind == Kind::Decimal);
            assert_eq!(value.is_false(), value == Value::ZERO || value.is_nil());
            assert_eq!(value.is_closure(), kind == Kind::Closure);
            assert_eq!(value.is_error(), kind == Kind::Error);
            assert_eq!(value.is_string(), kind == Kind::String);
            assert_eq!(value.as_bytes(&heap).is_some(), kind == Kind::String);
            assert_eq!(value.host_object(&heap).is_some(), kind == Kind::Host);
            assert_eq!(value.host::<Plain>(&heap).is_some(), kind == Kind::Host);
            // SAFETY: the word was just taken and nothing was collected.
            assert_eq!(unsafe { Value::from_bits(value.bits()) }, value);
            if value.is_object() {
                let fields = if kind.has_fields() { value.field_count() } else { 0 };
                assert_eq!(value.field_count(), fields);
            }
        }
    }
}

valk_harness::test! {
    fn integers_round_trip() {
        let mut heap = small_heap();
        let mut random = Random::new(1);
        let edges = [0, 1, -1, Value::FIXNUM_MAX, Value::FIXNUM_MIN, i64::MAX, i64::MIN];
        let near = edges.iter().flat_map(|&edge| [edge.wrapping_sub(1), edge.wrapping_add(1)]);
        let shifted = (0..64).map(|bit| 1i64 << bit);
        let drawn = (0..1000).map(|_| random.next() as i64 >> random.below(64));
        for number in edges.into_iter().chain(near).chain(shifted).chain(drawn) {
            let value = heap.integer(number);
            assert_eq!(value.as_integer(), Some(number));
            assert_eq!(value.is_fixnum(), (-(1 << 61)..1 << 61).contains(&number), "{number}");
            assert_eq!(value.kind(), Kind::Integer);
        }
    }
}

valk_harness::test! {
    fn decimals_round_trip() {
        let mut heap = small_heap();
        let mut random = Random::new(1);
        let drawn = (0..1000).map(|_| {
            let wide = i128::from(random.next() as i64) << 64 | i128::from(random.next());
            wide >> random.below(127)
        });
        for units in [0, 1, -1, i128::MAX, i128::MIN].into_iter().chain(drawn) {
            let value = heap.decimal(units);
            assert_eq!(value.as_decimal_units(), Some(units));
            assert_eq!(value.as_integer(), None);
            assert_eq!(value.is_false(), units == 0);
        }
    }
}

valk_harness::test! {
    fn both_fixnum_needs_both() {
        let pair = small_heap().cons(Value::NIL, Value::NIL, false);
        for other in [Value::NIL, pair, Value::builtin(0)] {
            assert!(!Value::both_fixnum(Value::ONE, other));
            assert!(!Value::both_fixnum(other, Value::ONE));
            assert!(!Value::both_fixnum(other, other));
        }
        assert!(Value::both_fixnum(Value::ONE, Value::fixnum(-5)));
    }
}

valk_harness::test! {
    fn immediates_keep_their_payload() {
        for payload in [0, 1, 0x8000_0000, u32::MAX] {
            assert_eq!(Value::symbol(SymbolId(payload)).as_symbol(), Some(SymbolId(payload)));
            assert_eq!(Value::keyword(SymbolId(payload)).as_symbol(), Some(SymbolId(payload)));
            assert_eq!(Value::builtin(payload).as_builtin(), Some(payload));
            assert!(Value::keyword(SymbolId(payload)).is_keyword());
            assert!(!Value::symbol(SymbolId(payload)).is_keyword());
            assert!(!Value::builtin(payload).is_keyword());
        }
    }
}

valk_harness::test! {
    fn quotedness_belongs_to_the_reference() {
        let mut heap = small_heap();
        let plain = heap.cons(Value::ONE, Value::NIL, false);
        let quoted = plain.with_quoted(true);
        assert!(!plain.is_quoted() && quoted.is_quoted());
        assert_eq!(quoted.address(), plain.address());
        assert_eq!(quoted.head(), Value::ONE);
        assert_eq!(quoted.tail(), Value::NIL);
        assert_eq!(quoted.with_quoted(false), plain);
        for (value, kind) in samples(&mut heap) {
            if kind != Kind::Pair {
                assert!(!value.is_quoted(), "{value:?}");
                assert_eq!(value.with_quoted(true), value);
            }
        }
    }
}

valk_harness::test! {
    fn objects_hold_what_they_were_given() {
        let mut heap = small_heap();
        let message = heap.string(b"broken \0 bytes");
        assert_eq!(message.bytes(&heap), b"broken \0 bytes");
        let error = heap.error(message);
        assert_eq!(error.field_count(), ERROR_FIELDS);
        for index in 0..ERROR_FIELDS {
            let expected = if index == ERROR_MESSAGE { message } else { Value::NIL };
            assert_eq!(error.field(index), expected);
        }
        let closure = heap.closure(message, &[Value::ONE, Value::NIL]);
        assert_eq!(closure.field_count(), 3);
        assert_eq!(closure.field(0), message);
        assert_eq!(closure.field(1), Value::ONE);
        heap.set_aux(closure, 0xABCD);
        assert_eq!(closure.aux(), 0xABCD);
        assert_eq!(closure.field_count(), 3);
        let filled = heap.string_from(3, |bytes| {
            assert_eq!(bytes, [0; 3]);
            bytes.copy_from_slice(b"abc");
        });
        assert_eq!(filled.bytes(&heap), b"abc");
        assert_eq!(heap.fields(Kind::Record, &[]).field_count(), 0);
        assert_eq!(heap.string(b"").bytes(&heap), b"");
    }
}

valk_harness::test! {
    fn write_assigns_fields_and_both_halves_of_pairs() {
        let mut heap = small_heap();
        let cell = heap.fields(Kind::Cell, &[Value::NIL]);
        heap.write(cell, 0, Value::ONE);
        assert_eq!(cell.field(0), Value::ONE);
        let pair = heap.cons(Value::NIL, Value::NIL, false);
        heap.write(pair, 0, Value::ONE);
        heap.write(pair, 1, cell);
        assert_eq!((pair.head(), pair.tail()), (Value::ONE, cell));
    }
}

valk_harness::test! {
    fn misuse_is_refused_with_a_reason() {
        let mut heap = small_heap();
        let text = heap.string(b"four");
        let pair = heap.cons(Value::NIL, Value::NIL, false);
        let vector = heap.fields(Kind::Record, &[Value::NIL]);
        for (object, index) in [(text, 0), (vector, 1), (pair, 2), (Value::NIL, 0)] {
            let message = panic_message(|| heap.write(object, index, Value::ONE));
            assert!(message.contains("no field"), "{message}");
        }
        let message = panic_message(|| heap.fields(Kind::String, &[]));
        assert!(message.contains("String is not made of fields"), "{message}");
        let message = panic_message(|| vector.bytes(&heap).len());
        assert!(message.contains("not a String"), "{message}");
        let message = panic_message(|| heap.string_from(1 << 32, |_| ()));
        assert!(message.contains("4294967296 bytes"), "{message}");
    }
}

valk_harness::test! {
    fn debug_form_follows_nothing() {
        let mut heap = small_heap();
        let pair = heap.cons(Value::NIL, Value::NIL, false);
        let object = heap.string(b"");
        let shown = [
            (Value::fixnum(-3), "Fixnum(-3)".to_owned()),
            (Value::NIL, "Nil".to_owned()),
            (Value::UNDEFINED, "Undefined".to_owned()),
            (Value::symbol(SymbolId(4)), "Symbol(4)".to_owned()),
            (Value::keyword(SymbolId(4)), "Keyword(4)".to_owned()),
            (Value::builtin(9), "Builtin(9)".to_owned()),
            (Value::FORWARD, "Forward".to_owned()),
            (pair, format!("Pair({:#x})", pair.address())),
            (pair.with_quoted(true), format!("QuotedPair({:#x})", pair.address())),
            (object, format!("Object({:#x})", object.address())),
            // SAFETY: no reference; the debug form does not follow it anyway.
            (unsafe { Value::from_bits(0xFF) }, "Invalid(0xff)".to_owned()),
        ];
        for (value, expected) in shown {
            assert_eq!(format!("{value:?}"), expected);
        }
    }
}
