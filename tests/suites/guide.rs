//! The programs of docs/language.md do what the text beside them says.
//!
//! In a block marked `lisp` each form is on lines of its own. A comment at the end of a form's last
//! line is the display form of its value; lines `;=> text` after it are what it prints. Forms
//! without either are only run. Each block is a program of its own, unless its first line is
//! `; continued`.

use valk_aio::Executor;
use valk_heap::Config;
use valk_lang::{Output, Ran, Runtime, display};
use valk_syntax::{Balance, balance};
use valk_tests::program::root;

/// A form of the guide with what is expected of it.
struct Step {
    line: usize,
    code: String,
    value: Option<String>,
    output: String,
}

/// A block: a line of the guide and its steps.
struct Block {
    line: usize,
    continued: bool,
    steps: Vec<Step>,
}

/// The code of a line and the comment after it; a `;` in a string does not count.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    let mut in_string = false;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' if !escaped => in_string = !in_string,
            ';' if !in_string => return (&line[..at], Some(line[at + 1..].trim())),
            _ => {}
        }
        escaped = character == '\\' && in_string && !escaped;
    }
    (line, None)
}

fn block(first: usize, lines: &[&str]) -> Block {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = String::new();
    for (offset, line) in lines.iter().enumerate() {
        if let Some(text) = line.trim_start().strip_prefix(";=>") {
            let step = steps.last_mut().expect("output follows a form");
            step.output.push_str(text.strip_prefix(' ').unwrap_or(text));
            step.output.push('\n');
            continue;
        }
        let (code, comment) = split_comment(line);
        open.push_str(code);
        open.push('\n');
        if open.trim().is_empty() {
            open.clear();
        } else if balance(open.as_bytes()) == Balance::Complete {
            let code = std::mem::take(&mut open);
            let value = comment.map(str::to_string);
            steps.push(Step { line: first + offset, code, value, output: String::new() });
        }
    }
    assert!(open.is_empty(), "docs/language.md:{first}: an open bracket: {open}");
    Block { line: first, continued: lines.first() == Some(&"; continued"), steps }
}

fn blocks() -> Vec<Block> {
    let text = std::fs::read_to_string(root().join("docs/language.md")).expect("the guide");
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() == "```lisp" {
            let rest = &lines[at + 1..];
            let length = rest.iter().position(|line| line.trim() == "```").expect("a closed block");
            found.push(block(at + 2, &rest[..length]));
            at += length;
        }
        at += 1;
    }
    found
}

/// A runtime with threads for functions, and what waits for them.
fn runtime() -> (Runtime, Executor) {
    let config = Config { mutators_max: 3, ..Config::default() };
    let runtime = Runtime::new(config, Output::memory()).expect("a heap");
    valk_aio::register(&runtime.vm);
    let executor = Executor::new(&runtime.vm).expect("an event loop");
    (runtime, executor)
}

/// What is wrong with a step.
fn difference((runtime, executor): &mut (Runtime, Executor), step: &Step) -> Option<String> {
    let ran = runtime.run_text("guide", step.code.as_bytes(), executor);
    let (Ran::Value(value) | Ran::Failed(value, _)) = ran;
    let shown = String::from_utf8_lossy(&display(&runtime.vm().heap, value)).into_owned();
    let output = String::from_utf8_lossy(&runtime.take_output()).into_owned();
    let place = format!("docs/language.md:{}: {}", step.line, step.code.trim());
    if step.value.as_ref().is_some_and(|expected| *expected != shown) {
        return Some(format!("{place}\n  says  {}\n  gives {shown}", step.value.as_ref()?));
    }
    if step.value.is_none() && value.is_error() {
        return Some(format!("{place}\n  gives {shown}"));
    }
    (step.output != output)
        .then(|| format!("{place}\n  says it prints {:?}\n  prints {output:?}", step.output))
}

valk_harness::test! {
    fn every_example_gives_what_the_guide_says() {
        let mut wrong = Vec::new();
        let mut machine = runtime();
        let mut checked = 0;
        for block in blocks() {
            if !block.continued {
                machine = runtime();
            }
            assert!(!block.steps.is_empty(), "docs/language.md:{}: no form", block.line);
            for step in &block.steps {
                checked += usize::from(step.value.is_some() || !step.output.is_empty());
                wrong.extend(difference(&mut machine, step));
            }
        }
        assert!(checked > 80, "the guide has examples with values: {checked}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

valk_harness::test! {
    fn a_wrong_value_is_noticed() {
        let program = block(1, &["(+ 1 2) ; 4", "(print \";\")", ";=> ;", "(+ 1", "   2) ; 3"]);
        let mut machine = runtime();
        let found: Vec<bool> =
            program.steps.iter().map(|step| difference(&mut machine, step).is_some()).collect();
        assert_eq!(found, [true, false, false]);
    }
}
