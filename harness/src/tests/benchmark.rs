//! Rounds of benchmarks.

use crate as valk_harness;
use crate::benchmark::{Measure, Medians, run};
use std::sync::Mutex;

/// What has been measured: which subject, and the figure.
type Log = Mutex<Vec<(char, f64)>>;

/// A figure of `subject` that grows from round to round.
fn growing(log: &Log, subject: char, begin: f64, step: f64) -> f64 {
    let mut log = log.lock().expect("no panic");
    let round = log.iter().filter(|(seen, _)| *seen == subject).count();
    let figure = begin + step * round as f64;
    log.push((subject, figure));
    figure
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(ToString::to_string).collect()
}

valk_harness::test! {
    fn each_round_measures_a_subject_right_before_its_peer() {
        static LOG: Log = Mutex::new(Vec::new());
        let peer: Measure = || growing(&LOG, 'b', 100.0, 1.0);
        let subjects: [(Measure, Option<Measure>); 2] = [
            (|| growing(&LOG, 'a', 200.0, 10.0), Some(peer)),
            (|| growing(&LOG, 'c', 5.0, 0.0), None),
        ];
        let medians = run(words("--rounds 3 --bench"), subjects).expect("a good command line");
        let compared = Medians { subject: 210.0, peer: Some(101.0), difference: Some(109.0) };
        assert_eq!(medians, [compared, Medians { subject: 5.0, peer: None, difference: None }]);
        let order: String = LOG.lock().expect("no panic").iter().map(|(subject, _)| subject).collect();
        assert_eq!(order, "abcabcabc");
    }

    fn nine_rounds_unless_told_otherwise() {
        static LOG: Log = Mutex::new(Vec::new());
        let subject: Measure = || growing(&LOG, 'a', 0.0, 1.0);
        run(words("--bench"), [(subject, None)]).expect("a good command line");
        assert_eq!(LOG.lock().expect("no panic").len(), 9);
    }

    fn other_command_lines_are_refused() {
        for line in ["--rounds", "--rounds 0", "--rounds x", "--rounds 1 2", "--times 3", "3"] {
            let refusal = run(words(line), []).expect_err("that is no number of rounds");
            assert_eq!(refusal, format!("expected `--rounds N` with N of at least 1, found `{line}`"));
        }
    }
}
