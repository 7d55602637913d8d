//! Depth and length: nothing recurses, nothing is quadratic.

use super::{FILE, read};
use crate::lexer::Lexer;
use crate::{Balance, NodeKind, balance, highlight, read_one};

/// Work per byte that reading may cost; a token of one byte costs the most.
const STEPS_PER_BYTE: u64 = 8;

fn assert_linear(source: &[u8]) {
    let reading = read(source);
    let bound = STEPS_PER_BYTE * source.len() as u64 + 16;
    assert!(reading.steps <= bound, "{} steps for {} bytes", reading.steps, source.len());
}

valk_harness::test! {
    fn a_million_lists_deep() {
        const DEPTH: usize = 1_000_000;
        let source = ["(".repeat(DEPTH), ")".repeat(DEPTH)].concat();
        let reading = read(source.as_bytes());
        assert!(reading.error.is_none());
        assert_eq!(reading.roots, [0]);
        assert_eq!(reading.tree.nodes.len(), DEPTH);
        assert!(reading.tree.nodes.iter().all(|node| node.end as usize == DEPTH));
        let innermost = reading.tree.nodes[DEPTH - 1];
        assert_eq!((innermost.span.start, innermost.span.end), (999_999, 1_000_001));
        assert_eq!(balance(source.as_bytes()), Balance::Complete);
        assert_linear(source.as_bytes());
    }
}

valk_harness::test! {
    fn a_million_open_lists_report_an_error() {
        let source = "({".repeat(500_000);
        let error = read_one(FILE, source.as_bytes()).unwrap_err();
        assert!(error.legacy.starts_with("[offset: 1000000] "), "{}", error.legacy);
        assert!(error.legacy.ends_with("looking for `}`"), "{}", error.legacy);
        assert_eq!(error.outermost.unwrap().start, 0);
        assert!(matches!(balance(source.as_bytes()), Balance::Open { depth: 1_000_000, .. }));
    }
}

valk_harness::test! {
    fn a_million_prefixes() {
        let source = ["'".repeat(500_000), "`".repeat(500_000), "x".into()].concat();
        let reading = read(source.as_bytes());
        assert_eq!(reading.roots, [0]);
        // A quote is one node, the others are a list and a name each.
        assert_eq!(reading.tree.nodes.len(), 1_500_001);
        assert_eq!(reading.tree.nodes[0].span.end, 1_000_001);
        assert_linear(source.as_bytes());
    }
}

valk_harness::test! {
    fn a_string_of_64_megabytes() {
        const LENGTH: usize = 64 << 20;
        let mut source = vec![b'a'; LENGTH + 2];
        source[0] = b'"';
        source[LENGTH + 1] = b'"';
        let reading = read(&source);
        assert_eq!(reading.tree.nodes[0].kind, NodeKind::String(0));
        assert_eq!(reading.tree.string(0).len(), LENGTH);
        assert!(reading.steps < 3 * LENGTH as u64);
    }
}

valk_harness::test! {
    fn work_is_linear_whatever_the_text() {
        for piece in ["(a ", "a ", "\"\\n\" ", "\\n", "'", ";\n", "1 ", "-", "\n\n", "\"a\" {b} ", ",@x", "é"] {
            assert_linear(piece.repeat(20_000).as_bytes());
            assert_linear(("\"".to_string() + &piece.repeat(20_000)).as_bytes());
            assert_linear(("(\"".to_string() + &piece.repeat(20_000) + "\"").as_bytes());
        }
    }
}

valk_harness::test! {
    fn strings_of_undecodable_bytes_are_searched_once() {
        let mut source = vec![0xff_u8; 100_000];
        source[0] = b'"';
        let mut lexer = Lexer::new(&source, false);
        let mut problems = 0;
        let mut result = lexer.next().unwrap().map(|_| ());
        while let Err(problem) = result {
            problems += 1;
            if problem.string_start.is_none() || lexer.offset() as usize == source.len() {
                break;
            }
            result = lexer.string_rest(0);
        }
        assert_eq!(problems, source.len() - 1);
        let bound = STEPS_PER_BYTE * source.len() as u64;
        assert!(lexer.steps <= bound, "{} steps", lexer.steps);
        assert_eq!(highlight(&source).len(), source.len());
    }
}
