//! Runs attacks one after the other and judges each.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::catalog::{Attack, Expect, most_sent};
use super::driver::{self, Seen};
use super::witness::{self, Testimony};
use crate::connections::dialer::Dialer;
use crate::quantity::{show_us, whole_us};
use crate::requests::template::Template;

/// Growth of the server's memory that any attack may cause, and that for each byte sent.
const GROWTH_BASE: u64 = 8 << 20;
const GROWTH_PER_BYTE: u64 = 4;
/// Growth that none may cause.
const GROWTH_MAX: u64 = 64 << 20;
/// Time between two looks at the server's memory.
const MEMORY_LOOK: Duration = Duration::from_millis(50);
/// Time before and after an attack in which the witness asks.
const CALM: Duration = Duration::from_millis(200);

/// What attacks have in common.
#[derive(Clone)]
pub struct Conditions {
    /// Opens connections.
    pub dialer: Dialer,
    /// What the witness asks for.
    pub template: Arc<Template>,
    /// Longest p99 of the witness.
    pub witness_p99: Duration,
    /// The server's process, if its memory is to be watched.
    pub pid: Option<u32>,
}

/// A judged attack.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// What the server did, in words.
    pub reaction: String,
    /// Why it fails; empty: it passes.
    pub reasons: Vec<String>,
    /// Bytes of the attack that the system took.
    pub sent: u64,
    /// p99 of the witness.
    pub witness_p99: Option<Duration>,
    /// Growth of the server's memory, in bytes.
    pub growth: Option<u64>,
}

impl Verdict {
    /// Whether the server did what a good one does.
    pub fn passed(&self) -> bool {
        self.reasons.is_empty()
    }

    /// One line for the screen.
    pub fn line(&self) -> String {
        let word = if self.passed() { "pass" } else { "FAIL" };
        let p99 = self.witness_p99.map_or_else(|| "-".to_string(), |p99| show_us(whole_us(p99)));
        let growth =
            self.growth.map_or_else(String::new, |bytes| format!(", memory +{} KiB", bytes >> 10));
        let mut line = format!(
            "{word}  {:<32} {}; {} KiB sent, witness p99 {p99}{growth}",
            self.name,
            self.reaction,
            self.sent.div_ceil(1024)
        );
        for reason in &self.reasons {
            line += "\n      ";
            line += reason;
        }
        line
    }

    /// For the JSON report.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "source": self.source,
            "passed": self.passed(),
            "reaction": self.reaction,
            "reasons": self.reasons,
            "sent_bytes": self.sent,
            "witness_p99_us": self.witness_p99.map(whole_us),
            "memory_growth_bytes": self.growth,
        })
    }
}

/// Runs one attack and judges it.
pub async fn judge(attack: &'static Attack, conditions: &Conditions) -> Verdict {
    let (stop, stopped) = watch::channel(false);
    let witness = tokio::spawn(witness::watch(
        conditions.dialer.clone(),
        Arc::clone(&conditions.template),
        stopped.clone(),
    ));
    let memory = tokio::spawn(growth(conditions.pid, stopped));
    tokio::time::sleep(CALM).await;
    let mut connections = JoinSet::new();
    for _ in 0..attack.connections {
        let dialer = conditions.dialer.clone();
        connections.spawn(async move { driver::run(attack, &dialer).await });
    }
    let mut sum: Option<Seen> = None;
    while let Some(seen) = connections.join_next().await {
        let seen = seen.unwrap_or_default();
        match &mut sum {
            None => sum = Some(seen),
            Some(sum) => sum.add(&seen),
        }
    }
    let seen = sum.unwrap_or_default();
    tokio::time::sleep(CALM).await;
    let fresh = witness::fresh(conditions.dialer.clone(), &conditions.template).await;
    stop.send_replace(true);
    let testimony = witness.await.ok();
    let growth = memory.await.ok().flatten();
    let mut verdict = Verdict {
        name: attack.name,
        source: attack.source,
        reaction: reaction(&seen),
        reasons: Vec::new(),
        sent: seen.sent,
        witness_p99: testimony.as_ref().and_then(Testimony::p99),
        growth,
    };
    let evidence = Evidence { seen: &seen, testimony: testimony.as_ref(), growth };
    verdict.reasons = evidence.against(attack.expect, conditions.witness_p99);
    if let Err(kind) = fresh {
        verdict.reasons.push(format!("a new connection is not served afterwards: {kind}"));
    }
    verdict
}

/// What is known about an attack when it is over.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What came back.
    pub seen: &'a Seen,
    /// What the witness saw, unless it broke down.
    pub testimony: Option<&'a Testimony>,
    /// Growth of the server's memory, if it was watched.
    pub growth: Option<u64>,
}

impl Evidence<'_> {
    /// Why the server fails; empty if it does not.
    pub fn against(&self, expect: Expect, witness_p99: Duration) -> Vec<String> {
        let mut reasons: Vec<String> = wrong_reaction(expect, self.seen).into_iter().collect();
        reasons.extend(harm(self.seen, self.testimony, witness_p99, self.growth));
        reasons
    }
}

fn reaction(seen: &Seen) -> String {
    let name = |code: u32| format!("{:?}", h2::Reason::from(code));
    match (&seen.failure, seen.goaway, seen.ended) {
        (Some(why), ..) => format!("no connection: {why}"),
        (_, Some(code), _) => format!("ended with {}", name(code)),
        (_, None, true) => "closed".to_string(),
        _ if seen.refused > 0 => "refused by status".to_string(),
        _ => match seen.reset_code {
            Some(code) => format!("{} streams reset, {}", seen.resets, name(code)),
            None => "borne".to_string(),
        },
    }
}

/// What the server should have done about the attack, if it did not.
fn wrong_reaction(expect: Expect, seen: &Seen) -> Option<String> {
    match expect {
        _ if seen.failure.is_some() => Some("the attack did not begin".to_string()),
        Expect::Ends { within } if !seen.ended => Some(format!(
            "the connection goes on; a good server ends it within {} KiB",
            within >> 10
        )),
        Expect::Ends { within } if seen.sent > most_sent(within) => Some(format!(
            "ended too late: a good server does it within {} KiB, and buffers hold no more than the \
             rest of {} KiB",
            within >> 10,
            most_sent(within) >> 10
        )),
        Expect::Refuses if !(seen.ended || seen.resets > 0 || seen.refused > 0) => {
            let what = if seen.answered > 0 { "it is answered" } else { "nothing happens" };
            Some(format!("{what}; a good server refuses it"))
        }
        Expect::GivesUp if !seen.ended => {
            Some("the connection stays open; a good server gives it up".to_string())
        }
        _ => None,
    }
}

/// What the attack did to others.
fn harm(
    seen: &Seen,
    testimony: Option<&Testimony>,
    most: Duration,
    growth: Option<u64>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    match testimony {
        None => reasons.push("the witness broke down".to_string()),
        Some(Testimony { errors: 1.., error, .. }) => reasons
            .push(format!("requests of others failed: {}", error.as_deref().unwrap_or_default())),
        Some(testimony) => match testimony.p99() {
            Some(p99) if p99 <= most => {}
            Some(p99) => reasons.push(format!(
                "others wait: p99 {} is over {}",
                show_us(whole_us(p99)),
                show_us(whole_us(most))
            )),
            None => reasons.push("others are not served".to_string()),
        },
    }
    let allowed = (GROWTH_BASE + GROWTH_PER_BYTE * seen.sent).min(GROWTH_MAX);
    if let Some(growth) = growth.filter(|growth| *growth > allowed) {
        reasons.push(format!("memory grew by {} KiB; at most {}", growth >> 10, allowed >> 10));
    }
    reasons
}

/// How far the resident memory of a process rose above its value at the begin.
async fn growth(pid: Option<u32>, mut stop: watch::Receiver<bool>) -> Option<u64> {
    let pid = pid?;
    let first = resident_bytes(pid)?;
    let mut most = first;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(MEMORY_LOOK) => {}
        }
        most = most.max(resident_bytes(pid)?);
    }
    Some(most.max(resident_bytes(pid)?) - first)
}

/// Resident memory of a process from the proc filesystem; nothing if there is no such process.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}
