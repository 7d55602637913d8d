//! `valk-load attack`: one line for each attack, and 1 if the server failed one.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::attacks::catalog::{all, select};
use crate::attacks::verdict::{Conditions, judge, resident_bytes};
use crate::command_line::AttackArgs;
use crate::connections::dialer::Dialer;
use crate::connections::target::Target;
use crate::connections::tls::Trust;
use crate::error::LoadError;
use crate::interrupt::Interrupt;
use crate::requests::template::Template;

/// Runs the command.
///
/// # Errors
/// If the target is not ours or cannot be reached.
pub fn run(
    args: &AttackArgs,
    mut interrupt: Interrupt,
    out: &mut dyn Write,
) -> Result<u8, LoadError> {
    if args.attacks == "list" {
        for attack in all() {
            writeln!(out, "{:<34} {}", attack.name, attack.source)?;
        }
        return Ok(0);
    }
    let attacks = select(&args.attacks)?;
    let target = args
        .target
        .as_deref()
        .ok_or_else(|| LoadError::usage("attack whom? give --target http://127.0.0.1:PORT"))?;
    let conditions = conditions(args, target)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        conditions.dialer.probe().await.map_err(|error| error.into_load_error(target))?;
        let (mut verdicts, mut failed, mut interrupted) = (Vec::<Value>::new(), 0, false);
        for attack in &attacks {
            let verdict = tokio::select! {
                verdict = judge(attack, &conditions) => verdict,
                () = interrupt.next() => {
                    interrupted = true;
                    break;
                }
            };
            failed += u32::from(!verdict.passed());
            if args.json {
                verdicts.push(verdict.json());
            } else {
                writeln!(out, "{}", verdict.line())?;
            }
        }
        let result = if failed == 0 && !interrupted { "PASS" } else { "FAIL" };
        if args.json {
            let document = json!({
                "schema": "valk-load-attacks",
                "version": 1,
                "target": target,
                "result": result,
                "interrupted": interrupted,
                "attacks": verdicts,
            });
            writeln!(out, "{document:#}")?;
        } else {
            writeln!(out, "result: {result} ({failed} of {} attacks failed)", attacks.len())?;
        }
        Ok(if interrupted { 130 } else { u8::from(failed > 0) })
    })
}

fn conditions(args: &AttackArgs, target: &str) -> Result<Conditions, LoadError> {
    let target =
        Target::parse(target, &args.i_own).map_err(|error| match error {
            LoadError::Usage(text) => LoadError::Usage(text.replace(
                "if it is yours to load, add --allow-remote",
                "if you own it, add --i-own",
            )),
            other => other,
        })?;
    let trust = if args.insecure {
        Some(Trust::AnyCertificate)
    } else {
        args.ca.clone().map(Trust::Authority)
    };
    if let Some(pid) = args.pid
        && resident_bytes(pid).is_none()
    {
        return Err(LoadError::usage(format!("--pid {pid}: there is no such process to watch")));
    }
    Ok(Conditions {
        dialer: Dialer::new(&target, trust.as_ref())?,
        template: Arc::new(Template::get(vec![target.uri(&args.path, None)?])),
        witness_p99: args.witness_p99,
        pid: args.pid,
    })
}
