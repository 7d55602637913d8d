//! Benchmarks: subjects measured in rounds, each right before its peer.
//!
//! 1. A round measures every subject once and directly after it its peer, so that load of the
//!    computer affects both.
//! 2. The results are medians over the rounds; the median difference is that of the differences
//!    within a round.
//!
//! Does not know the unit of a measurement. A benchmark is not a test and runs without the runner.

/// Rounds unless the command line says otherwise.
const ROUNDS_DEFAULT: usize = 9;

/// Measures something once.
pub type Measure = fn() -> f64;

/// Medians of one subject over the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Medians {
    /// Median of the subject.
    pub subject: f64,
    /// Median of its peer.
    pub peer: Option<f64>,
    /// Median of subject less peer within a round.
    pub difference: Option<f64>,
}

/// Measures subjects and their peers, in as many rounds as the arguments after the program's name
/// say.
///
/// # Errors
/// Arguments other than `--rounds N`.
pub fn run(
    words: impl IntoIterator<Item = String>,
    subjects: impl IntoIterator<Item = (Measure, Option<Measure>)>,
) -> Result<Vec<Medians>, String> {
    let rounds = parse_rounds(words)?;
    let mut seen: Vec<_> =
        subjects.into_iter().map(|measures| (measures, Vec::new(), Vec::new())).collect();
    for _ in 0..rounds {
        for ((subject, peer), taken, others) in &mut seen {
            taken.push(subject());
            others.extend(peer.map(|measure| measure()));
        }
    }
    let medians = seen.into_iter().map(|(_, taken, others)| {
        let differences = taken.iter().zip(&others).map(|(taken, other)| taken - other).collect();
        Medians {
            subject: median(taken).expect("there is a round"),
            difference: median(differences),
            peer: median(others),
        }
    });
    Ok(medians.collect())
}

/// Parses the number of rounds, at least 1.
fn parse_rounds(words: impl IntoIterator<Item = String>) -> Result<usize, String> {
    // Cargo passes `--bench` to a benchmark.
    let words: Vec<String> = words.into_iter().filter(|word| word != "--bench").collect();
    let rounds = match &words[..] {
        [] => Some(ROUNDS_DEFAULT),
        [flag, rounds] if flag == "--rounds" => rounds.parse().ok().filter(|rounds| *rounds > 0),
        _ => None,
    };
    rounds.ok_or_else(|| {
        format!("expected `--rounds N` with N of at least 1, found `{}`", words.join(" "))
    })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
