//! Looks at the page once a second and keeps the chosen series.

use std::sync::{Arc, Mutex, PoisonError};

use super::page::Page;
use super::text::{Sample, samples};
use crate::error::LoadError;
use crate::journeys::spelling::suggestion;
use crate::limits::{MAX_SERIES, SCRAPE_INTERVAL};
use crate::options::Scrape;
use crate::recording::clock::Clock;

/// A series over the run.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSeries {
    /// Name and labels.
    pub series: String,
    /// Whether it only grows.
    pub is_counter: bool,
    /// Seconds since the origin, and the value then.
    pub samples: Vec<(f64, f64)>,
}

/// What was kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scraped {
    /// The URL of the page; empty if none was looked at.
    pub url: String,
    /// The series, in the order of the page.
    pub series: Vec<ServerSeries>,
    /// Looks that failed or had no time.
    pub failed: u64,
}

/// A page that has been looked at, and the series to keep.
pub struct Scraper {
    page: Page,
    scraped: Arc<Mutex<Scraped>>,
}

impl Scraper {
    /// Looks at the page for the first time and finds the series.
    ///
    /// # Errors
    /// Unreachable; usage errors about names, with those that there are.
    pub async fn new(scrape: &Scrape) -> Result<Scraper, LoadError> {
        let mut page = Page::new(&scrape.url, &scrape.allowed, scrape.trust.as_ref())?;
        let text = page.first().await?;
        let series = choose(&samples(&text), &scrape.series)?;
        let scraped = Scraped { url: page.url.clone(), series, failed: 0 };
        Ok(Scraper { page, scraped: Arc::new(Mutex::new(scraped)) })
    }

    /// Where samples are kept.
    pub fn scraped(&self) -> Arc<Mutex<Scraped>> {
        Arc::clone(&self.scraped)
    }

    /// Looks once a second until it is dropped.
    pub async fn run(self, clock: Clock) {
        clock.started().await;
        let mut ticks = tokio::time::interval(SCRAPE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let text = tokio::time::timeout(SCRAPE_INTERVAL, self.page.fetch()).await;
            let mut scraped = self.scraped.lock().unwrap_or_else(PoisonError::into_inner);
            match text {
                Ok(Ok(text)) => keep(&mut scraped, &samples(&text), clock.now_ns() as f64 / 1e9),
                _ => scraped.failed += 1,
            }
        }
    }
}

/// The series with these names, or with these names and labels.
fn choose(page: &[Sample<'_>], wanted: &[String]) -> Result<Vec<ServerSeries>, LoadError> {
    let mut names: Vec<&str> = page.iter().map(|sample| sample.name).collect();
    names.sort_unstable();
    names.dedup();
    if let Some(unknown) = wanted.iter().find(|w| !page.iter().any(|sample| is_meant(sample, w))) {
        let hint = suggestion(unknown, names.iter().copied());
        let names = names.join(", ");
        return Err(LoadError::usage(format!("no series `{unknown}`{hint}; there are {names}")));
    }
    let chosen = page.iter().filter(|sample| wanted.iter().any(|w| is_meant(sample, w)));
    let series: Vec<ServerSeries> = chosen
        .map(|sample| ServerSeries {
            series: sample.series.to_string(),
            is_counter: sample.is_counter,
            samples: Vec::new(),
        })
        .collect();
    if series.len() > MAX_SERIES {
        let count = series.len();
        return Err(LoadError::usage(format!(
            "{count} series; at most {MAX_SERIES}: name them with their labels"
        )));
    }
    Ok(series)
}

fn is_meant(sample: &Sample<'_>, wanted: &str) -> bool {
    sample.name == wanted || sample.series == wanted
}

fn keep(scraped: &mut Scraped, page: &[Sample<'_>], at_seconds: f64) {
    for series in &mut scraped.series {
        if let Some(sample) = page.iter().find(|sample| sample.series == series.series) {
            series.samples.push((at_seconds, sample.value));
        }
    }
}

impl ServerSeries {
    /// What a chart shows: the growth of a counter for each second, other values as they are.
    pub fn points(&self) -> Vec<(f64, f64)> {
        if !self.is_counter {
            return self.samples.clone();
        }
        let growth = |pair: &[(f64, f64)]| {
            let (from, to) = (pair[0], pair[1]);
            (to.0, ((to.1 - from.1) / (to.0 - from.0)).max(0.0))
        };
        self.samples.windows(2).map(growth).collect()
    }
}
