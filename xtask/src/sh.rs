//! Other programs, run from the top folder with errors that name them.
use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What did not work, in words.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<kurier_kafka::Failure> for Failure {
    fn from(failure: kurier_kafka::Failure) -> Self {
        Self(failure.to_string())
    }
}

/// Says what was tried when something fails.
pub(crate) fn failed<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure(format!("{what}: {error}"))
}

/// The exit status of a command that has nothing else to say, its failure said.
pub(crate) fn ended(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    // A relative one is relative to where cargo runs.
    let named = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    top().join(named)
}

/// The top folder of the project.
pub(crate) fn top() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// A command in the top folder.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(top());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command with our streams.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command.status().map_err(failed(format!("cannot run `{shown}`")))?;
    if status.success() { Ok(()) } else { Err(Failure(format!("`{shown}` failed: {status}"))) }
}

/// Runs a command quietly and gives what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).output().map_err(failed(format!("cannot run `{shown}`")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("`{shown}` failed: {}\n{said}", output.status)))
}

/// Runs a command and shows each line of its stdout and stderr, in their order, also to `see`. Answers
/// whether it ended well.
pub(crate) fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool, Failure> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let trouble = |error: std::io::Error| Failure(format!("cannot run `{shown}`: {error}"));
    let (reader, writer) = std::io::pipe().map_err(trouble)?;
    command.stdout(writer.try_clone().map_err(trouble)?).stderr(writer);
    let mut child = command.spawn().map_err(trouble)?;
    // The command holds the other ends of the pipe; reading would not end while it lives.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(trouble)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        see(text.trim_end());
        line.clear();
    }
    Ok(child.wait().map_err(trouble)?.success())
}

/// Whether `program` can be started.
pub(crate) fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_lines_come_in_order_from_both_streams() {
        let mut seen = Vec::new();
        let script = "echo one; echo two >&2; echo three; exit 3";
        let well = watch(command("sh").args(["-c", script]), |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two", "three"]);
        assert!(!well);
    }

    #[test]
    fn a_failure_names_the_command() {
        let failure = output(command("sh").args(["-c", "echo why >&2; exit 1"])).unwrap_err();
        assert!(failure.to_string().contains("sh -c") && failure.to_string().contains("why"));
        let failure = run(&mut command("no-such-program-here")).unwrap_err();
        assert!(failure.to_string().contains("no-such-program-here"));
    }
}
