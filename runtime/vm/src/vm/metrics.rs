//! What a VM reports to those who read metrics: its heap's numbers and the group `interpreter`.

use super::instance::Vm;
use valk_metrics::{Kind, Report, Reporter, Sample};

impl Reporter for Vm {
    fn report(&self, report: &mut Report) {
        self.heap.report(report);
        let seen = self.all_counters();
        let mut add = |name, count, family, kind, help, compact: Option<&'static str>| {
            let sample = Sample::count("interpreter", name, count).exposed(family, kind, help);
            report.add(match compact {
                Some(name) => sample.compact("interp", name),
                None => sample,
            });
        };
        let counter = Kind::Counter;
        let text = "Forms compiled to be run.";
        add("evals_total", seen.evaluations, "valk_eval_total", counter, text, Some("evals"));
        let (family, text) = ("valk_function_calls_total", "Calls of functions.");
        add("function_calls", seen.function_calls, family, counter, text, Some("calls"));
        let (family, text) = ("valk_builtin_calls_total", "Calls of builtins.");
        add("builtin_calls", seen.builtin_calls, family, counter, text, Some("builtins"));
        let (family, text) = ("valk_stack_depth_max", "The most calls in progress.");
        add("stack_depth_max", seen.depth_peak, family, Kind::Gauge, text, None);
        let (family, text) = ("valk_closures_created_total", "Functions made.");
        add("closures_created", seen.closures_created, family, counter, text, None);
        let (family, text) = ("valk_functions_compiled_total", "Functions that got native code.");
        add("functions_compiled", seen.functions_compiled, family, counter, text, None);
        let (family, text) = ("valk_env_lookups_total", "Variables looked up by name.");
        add("env_lookups", seen.lookups, family, counter, text, None);
    }
}
