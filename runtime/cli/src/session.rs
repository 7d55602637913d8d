//! One runtime with its executor: runs programs, expressions and inputs of the prompt.

use crate::LOG_TARGET;
use crate::environment;
use crate::report::{Format, Reporter, write_error};
use std::path::{Path, PathBuf};
use valk_aio::{Executor, Interrupts};
use valk_diagnostics::Diagnostic;
use valk_heap::{Config, Stress, Value};
use valk_lang::{Language, Output, Ran, Runtime, collector_report};

/// A runtime ready to run programs.
pub struct Session {
    /// The runtime.
    pub runtime: Runtime,
    executor: Executor,
    interrupts: Option<Interrupts>,
}

impl Session {
    /// A session for this process.
    ///
    /// # Errors
    /// The text to show when memory or reactor cannot be had.
    pub fn new(reporter: Reporter) -> Result<Session, String> {
        let config = environment::config();
        // The library is loaded in peace.
        let calm = Config { stress: Stress::Off, refuse: None, ..config.clone() };
        let runtime = Runtime::new(calm, Output::default()).map_err(|error| error.to_string())?;
        environment::prepare(&mut runtime.vm(), &config);
        let reports = runtime.vm().extension::<Language>().reports.clone();
        reports.set_compatible(environment::is_compatible());
        reports.set_sink(move |diagnostic, sources| {
            write_error(&reporter.render(diagnostic, sources));
        });
        valk_aio::register(&runtime.vm);
        valk_web::register(&runtime.vm);
        let executor = Executor::new(&runtime.vm)
            .map_err(|error| format!("the event loop cannot be started: {error}"))?;
        Ok(Session { runtime, executor, interrupts: None })
    }

    /// Runs a file; true when it failed.
    pub fn run_file(&mut self, path: &Path, reporter: &Reporter) -> bool {
        tracing::debug!(target: LOG_TARGET, "running {}", path.display());
        let ran =
            self.interruptibly(|session| session.runtime.run_file(path, &mut session.executor));
        self.report(ran, reporter).is_none()
    }

    /// Evaluates an expression and prints its value; true when it failed.
    pub fn evaluate(&mut self, text: &str, reporter: &Reporter) -> bool {
        let ran = self.runtime.run_text("-e", text.as_bytes(), &mut self.executor);
        match self.report(ran, reporter) {
            Some(value) => {
                let shown = valk_lang::display(&self.runtime.vm().heap, value);
                self.print(&[&shown, &b"\n"[..]].concat());
                false
            }
            None => true,
        }
    }

    /// Makes SIGINT end evaluations; `patient` when the session goes on if none runs.
    ///
    /// # Errors
    /// The text to show when the signal cannot be watched.
    pub fn watch_interrupts(&mut self, patient: bool) -> Result<(), String> {
        let interrupts = self.executor.interruptible(&self.runtime.vm, patient);
        self.interrupts =
            Some(interrupts.map_err(|error| format!("SIGINT cannot be watched: {error}"))?);
        Ok(())
    }

    /// Does something that SIGINT may end.
    fn interruptibly<T>(&mut self, run: impl FnOnce(&mut Session) -> T) -> T {
        let interrupts = self.interrupts.clone();
        if let Some(interrupts) = &interrupts {
            interrupts.begin();
        }
        let result = run(self);
        if let Some(interrupts) = &interrupts {
            interrupts.end();
        }
        result
    }

    /// Evaluates an input of the prompt, prints its value and binds it to `it`.
    ///
    /// True when it failed; what is printed then is the error value, as any other.
    pub fn answer(&mut self, text: &str, reporter: &Reporter) -> bool {
        let ran = self.run_line(text);
        if let Ran::Failed(error, _) = &ran
            && !self.executor.has_ended_program()
            && !environment::is_compatible()
        {
            self.print(format!("{}\n", self.runtime.repr(*error)).as_bytes());
        }
        let Some(value) = self.report(ran, reporter) else { return true };
        self.runtime.bind("it", value);
        self.print(format!("{}\n", self.runtime.repr(value)).as_bytes());
        false
    }

    /// Runs an input of a program that comes line by line; true when it failed.
    pub fn run_input(&mut self, text: &str, reporter: &Reporter) -> bool {
        let ran = self.run_line(text);
        self.report(ran, reporter).is_none()
    }

    fn run_line(&mut self, text: &str) -> Ran {
        self.interruptibly(|session| {
            session.runtime.run_text("<line>", text.as_bytes(), &mut session.executor)
        })
    }

    /// Prints the bytecode of an expression.
    pub fn disasm_text(&mut self, text: &str, reporter: &Reporter) {
        match self.runtime.disasm_text("<line>", text.as_bytes()) {
            Ok(listing) => self.print(listing.as_bytes()),
            Err(diagnostic) => self.show(&diagnostic, reporter),
        }
    }

    /// Prints what went wrong; the value when nothing did. A program that was ended has failed
    /// at nothing.
    fn report(&mut self, ran: Ran, reporter: &Reporter) -> Option<Value> {
        match ran {
            Ran::Value(value) => Some(value),
            // Ended by `exit` or a signal: that is no error of the program.
            Ran::Failed(..) if self.executor.has_ended_program() => None,
            Ran::Failed(error, diagnostic) => {
                if environment::is_compatible() {
                    let line = format!("{}\n", self.runtime.repr(error));
                    self.print(line.as_bytes());
                }
                self.show(&diagnostic, reporter);
                None
            }
        }
    }

    fn show(&self, diagnostic: &Diagnostic, reporter: &Reporter) {
        let text = self.runtime.with_sources(|sources| reporter.render(diagnostic, sources));
        write_error(&text);
    }

    /// Writes to standard output, after what the program wrote.
    pub fn print(&self, bytes: &[u8]) {
        self.runtime.write(bytes);
        self.runtime.flush();
    }

    /// Reads and compiles files; the exit status.
    pub fn check(&mut self, files: &[PathBuf], reporter: &Reporter) -> u8 {
        let mut status = 0;
        for file in files {
            for diagnostic in self.runtime.check_file(file) {
                self.show(&diagnostic, reporter);
                status = 1;
            }
        }
        status
    }

    /// Prints the bytecode of files; the exit status.
    pub fn disasm(&mut self, files: &[PathBuf], reporter: &Reporter) -> u8 {
        let mut status = 0;
        for file in files {
            match self.runtime.disasm_file(file) {
                Ok(text) => self.print(text.as_bytes()),
                Err(diagnostic) => {
                    self.show(&diagnostic, reporter);
                    status = 1;
                }
            }
        }
        status
    }

    /// Prints what the reference says about names; the exit status.
    pub fn describe(&mut self, names: &[String], reporter: &Reporter) -> u8 {
        let mut status = 0;
        for (i, name) in names.iter().enumerate() {
            let before = if i > 0 { "\n" } else { "" };
            match self.runtime.describe(name) {
                Ok(text) => self.print(format!("{before}{text}\n").as_bytes()),
                Err(text) => {
                    reporter.failure(&text);
                    status = 1;
                }
            }
        }
        status
    }

    /// The exit status that the program asked for, or that of the signal that ended it.
    pub fn exit_code(&self) -> Option<u8> {
        self.runtime.exit_code().or_else(|| self.executor.signal_status())
    }

    /// Whether `exit` or a signal has ended a wait of the program: nothing more of it is to run.
    pub fn has_ended(&self) -> bool {
        self.executor.has_ended_program()
    }

    /// Stops what the program left running and passes on its output.
    pub fn finish(&mut self) {
        self.executor.finish(&self.runtime.vm);
        let statistics = self.runtime.vm().heap.statistics();
        let bytes = statistics.used_bytes_peak;
        tracing::info!(target: LOG_TARGET, bytes, "the program has ended; most bytes in use");
        self.runtime.flush();
    }

    /// Whether a failure was told that did not end the program.
    pub fn has_failed(&self) -> bool {
        self.runtime.vm().extension::<Language>().reports.has_failed()
    }

    /// A part of the program's output could not be written.
    pub fn has_lost_output(&self) -> bool {
        self.runtime.vm().extension::<Language>().output.has_lost_output()
    }

    /// Prints what was counted, to standard error.
    pub fn show_statistics(&self, format: Format) {
        let mut vm = self.runtime.vm();
        let metrics = valk_aio::metrics(&mut vm);
        let text = match format {
            Format::Json => format!("{metrics}\n"),
            Format::Text => {
                let mut text = collector_report(&vm);
                for group in ["interpreter", "event_loop", "workers"] {
                    text.extend(["--- ", group, " ---\n"]);
                    let numbers = metrics[group].as_object().into_iter().flatten();
                    text.extend(numbers.map(|(name, number)| format!("{name}: {number}\n")));
                }
                text
            }
        };
        write_error(&text);
    }
}
