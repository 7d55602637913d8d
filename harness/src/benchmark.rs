//! Benchmarks: subjects measured in rounds, each right before what it is compared with.
//!
//! 1. A round measures every subject once and, directly after it, what stands beside it, so that a
//!    busy moment hits both.
//! 2. Figures are medians over the rounds. That of the differences is of those within a round.
//!
//! Does not know what a figure means, and runs without the runner: a benchmark is no test.

/// Rounds unless the command line says otherwise.
const ROUNDS_DEFAULT: usize = 9;

/// Measures something once.
pub type Measure = fn() -> f64;

/// What the rounds gave for one subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Medians {
    /// Of the subject.
    pub subject: f64,
    /// Of what stands beside it.
    pub beside: Option<f64>,
    /// Of how much more the subject was in a round.
    pub difference: Option<f64>,
}

/// Measures subjects, each with what stands beside it, in as many rounds as the words after the
/// program's name say.
///
/// # Errors
/// When they say something else; with what they may say.
pub fn run(
    words: impl IntoIterator<Item = String>,
    subjects: impl IntoIterator<Item = (Measure, Option<Measure>)>,
) -> Result<Vec<Medians>, String> {
    let rounds = asked_for(words)?;
    let mut seen: Vec<_> =
        subjects.into_iter().map(|measures| (measures, Vec::new(), Vec::new())).collect();
    for _ in 0..rounds {
        for ((subject, beside), taken, others) in &mut seen {
            taken.push(subject());
            others.extend(beside.map(|measure| measure()));
        }
    }
    let medians = seen.into_iter().map(|(_, taken, others)| {
        let differences = taken.iter().zip(&others).map(|(taken, other)| taken - other).collect();
        Medians {
            subject: median(taken).expect("there is a round"),
            difference: median(differences),
            beside: median(others),
        }
    });
    Ok(medians.collect())
}

/// The number of rounds, above 0.
fn asked_for(words: impl IntoIterator<Item = String>) -> Result<usize, String> {
    // Cargo passes `--bench` to a benchmark that it runs.
    let words: Vec<String> = words.into_iter().filter(|word| word != "--bench").collect();
    let rounds = match &words[..] {
        [] => Some(ROUNDS_DEFAULT),
        [flag, rounds] if flag == "--rounds" => rounds.parse().ok().filter(|rounds| *rounds > 0),
        _ => None,
    };
    rounds.ok_or_else(|| format!("got `{}`; usage: [--rounds N], N above 0", words.join(" ")))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
