//! Services whose standard error or standard output cannot be written.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use valk_tests::client::{Client, block_on};
use valk_tests::program::{file, stderr, stdout, valk};

/// Answers errors on `/throw`, values of futures elsewhere; prints before each answer.
const PROGRAM: &str = "(def {sys} (aio/await (aio/start)))
    (def {text} (make-string 4000 \"x\"))
    (fun {handler r} {do (print \"request\") (select
        {(== (req/path r) \"/throw\") (error text)}
        {(== (req/path r) \"/failed-future\") (list :body (error/message (aio/await (future (\\ {} {error \"gone\"})))))}
        {otherwise (list :body (aio/await (future (\\ {} {+ 1 1}))))})})
    (def {server} (aio/await (http2/server-listen sys 0 handler {:host \"127.0.0.1\" :tls 0})))
    (println \"port:%d\" (http2/server-port server))
    (aio/run sys)";

/// Requests whose errors fill a pipe and the queue of log lines several times.
const ERRORS: usize = 600;

/// How long a service may take to end.
const END: Duration = Duration::from_secs(20);

/// A running service; killed when dropped.
struct Running {
    child: Child,
    port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts the service with this standard error. Nobody reads its output after the first line.
    fn start(name: &str, error: impl Into<Stdio>) -> Running {
        let mut command: Command = valk(&[&file(name, PROGRAM)]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(error).spawn().expect("the program starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped above"));
        output.read_line(&mut line).expect("a line");
        let port = line.trim_end().rsplit(':').next().unwrap_or_default();
        let port = port.parse().unwrap_or_else(|_| panic!("a port, got {line:?}"));
        Running { child, port }
    }

    /// Asks for errors and futures in turn.
    fn use_it(&self) {
        block_on(async {
            let mut client = Client::connect(self.port).await;
            for n in 0..ERRORS {
                let answer = client.get("/throw").await;
                assert_eq!(answer.status, 500, "request {n}");
            }
            assert_eq!(client.get("/failed-future").await.body, "gone");
            assert_eq!(client.get("/").await.body, "2");
            assert_eq!(Client::connect(self.port).await.get("/").await.body, "2");
        });
    }

    /// Stops the service.
    fn stop(&mut self) -> ExitStatus {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &process]).status();
        assert!(sent.expect("kill runs").success(), "the signal is sent");
        let until = Instant::now() + END;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < until, "it ends");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

valk_harness::test! {
    fn an_error_log_on_a_full_disk_disturbs_no_request() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let mut service = Running::start("full.valk", full);
        service.use_it();
        assert!(service.stop().success());
    }

    fn an_error_log_that_cannot_be_written_disturbs_no_request() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut service = Running::start("gone.valk", writer);
        service.use_it();
        assert!(service.stop().success());
    }

    fn an_error_log_that_nobody_reads_disturbs_no_request() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut service = Running::start("unread.valk", writer);
        service.use_it();
        assert!(service.stop().success());
        drop(reader);
    }

    fn a_service_whose_output_nobody_reads_says_so_once_and_goes_on() {
        let log = file("unread.log", "");
        let target = std::fs::File::create(&log).expect("made above");
        let mut service = Running::start("output.valk", target);
        service.use_it();
        assert!(service.stop().success());
        let text = std::fs::read_to_string(&log).expect("made above");
        let errors = text.lines().filter(|line| line.starts_with("[ERROR] "));
        let errors: Vec<&str> = errors.collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(" | standard output cannot be written: "), "{errors:?}");
        let warned = text.lines().filter(|line| line.contains(": GET /throw returned an error: "));
        assert_eq!(warned.count(), ERRORS, "and nothing else is lost");
    }
}

valk_harness::test! {
    fn output_that_cannot_be_stored_gives_a_status_and_a_line() {
        for (program, status) in
            [("(print 1) (print 2)", 1), ("(print 1) (exit 5)", 5), ("(+ 1 2)", 0)]
        {
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
            let mut command = valk(&[&file("lost.valk", program)]);
            let output = command.stdout(full).stderr(Stdio::piped()).output().expect("it runs");
            assert_eq!(output.status.code(), Some(status), "{program}");
            let log = stderr(&output);
            let lines = log.matches(" | standard output cannot be written: ").count();
            assert_eq!((lines, log.lines().count()), (usize::from(status != 0), lines), "{log}");
        }
    }

    fn what_the_command_says_of_itself_is_not_lost_without_a_word() {
        for arguments in [&["--help"][..], &["--version"], &["--limits"], &["--dump-fsm"], &["help", "test"],
            &["completions", "bash"]] {
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
            let mut command = valk(arguments);
            let output = command.stdout(full).stderr(Stdio::piped()).output().expect("it runs");
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let log = stderr(&output);
            assert!(log.contains(" | standard output cannot be written: "), "{arguments:?}: {log}");
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let output = valk(arguments).stdout(writer).output().expect("it runs");
            assert_eq!(output.status.code(), Some(141), "{arguments:?}");
            let output = valk(arguments).output().expect("it runs");
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
            assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
        }
    }

    fn log_lines_and_diagnostics_keep_their_order() {
        let program = file("order.valk", "(sys/log/set-level \"debug\") (mem/gc/stats) (aio/start {:prot 1}) (nosuch)");
        let mut command = valk(&["-e", "(+ 1 1)", &program]);
        let output = command.env("VALK_LOG", "debug").output().expect("it runs");
        let log = stderr(&output);
        let marks = [" | running ", "Collections: ", "unknown key :prot", "error[", "the program has ended"];
        let places: Vec<_> = marks.map(|mark| log.find(mark).unwrap_or_else(|| panic!("{mark}: {log}"))).into();
        assert!(places.is_sorted(), "{places:?}: {log}");
        assert_eq!((stdout(&output).lines().next(), output.status.code()), (Some("2"), Some(1)));
    }
}
