//! A verifier of attestation documents from the registry as a command, for the tests. What the document says goes
//! to stdout as JSON; the exit code is 0 only when it is accepted.
//!
//!     attestation-oracle DOCUMENT ROOT TIME      (files; seconds since 1970)
use aws_nitro_enclaves_attestation::NitroAdDoc;
use std::{env, fs, process::ExitCode};

fn verify(arguments: &[String]) -> Result<String, String> {
    let [document, root, time] = arguments else {
        return Err("usage: attestation-oracle DOCUMENT ROOT TIME".to_string());
    };
    let read = |path: &String| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let time = time.parse().map_err(|_| "TIME: no number".to_string())?;
    NitroAdDoc::from_bytes(&read(document)?, &read(root)?, time)
        .and_then(|verified| verified.to_json())
        .map_err(|error| format!("{error:?}"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match verify(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("refused: {reason}");
            ExitCode::FAILURE
        }
    }
}
