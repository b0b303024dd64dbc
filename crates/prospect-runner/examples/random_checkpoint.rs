//! Writes a checkpoint folder of a published size with random weights: `random_checkpoint 256m|500m|2.2b FOLDER`.

use std::path::Path;
use std::process::ExitCode;

use prospect_runner::published;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = arguments.first().and_then(|name| published::find(name));
    let outcome = match (size, arguments.get(1)) {
        (Some(size), Some(folder)) => size.write_random(Path::new(folder)).map_err(|error| error.to_string()),
        _ => Err("expected 256m, 500m or 2.2b and a folder".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            #[expect(clippy::print_stderr, reason = "an example's only output")]
            {
                eprintln!("error: {message}");
            }
            ExitCode::from(2)
        }
    }
}
