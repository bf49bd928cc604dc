//! Unpacks seeds and kept inputs for libFuzzer, and packs the archive of kept inputs anew.

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "a program for the terminal")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["unpack", folder] => fratmae_fuzz::unpack(Path::new(folder)),
        ["pack", folder] => fratmae_fuzz::pack(Path::new(folder)),
        _ => {
            eprintln!("usage: corpus unpack|pack FOLDER");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}
