//! `valk-test-report`: merges the ledgers of all test binaries; the logic is in the library.

use std::process::ExitCode;

use valk_harness::merge::{HELP, Merge};

fn main() -> ExitCode {
    match Merge::parse(std::env::args().skip(1)) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(merge)) => match merge.run() {
            Ok((text, green)) => {
                print!("{text}");
                ExitCode::from(u8::from(!green))
            }
            Err(error) => {
                eprintln!("valk-test-report: {error}");
                ExitCode::from(1)
            }
        },
        Err(error) => {
            eprintln!("valk-test-report: {error}");
            ExitCode::from(2)
        }
    }
}
