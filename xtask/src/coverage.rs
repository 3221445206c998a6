//! `coverage`: which lines the tests that need no broker reach, by the compiler's own instrumentation.
use crate::arguments::Arguments;
use crate::sh::{self, Failure};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const USAGE: &str = "coverage\n    lines of the crates that the tests reach, those on real Kafka left out, as a table per file";

/// Crates whose tests are run, and whose lines are shown.
const PACKAGES: &[&str] =
    &["kurier-core", "kurier", "kurier-cli", "kurier-broker", "kurier-smoltcp", "kurier-tests"];

pub(crate) fn run(given: &[String]) -> ExitCode {
    let arguments = Arguments::new(USAGE, given);
    if let Err(code) = arguments.end() {
        return code;
    }
    sh::ended(coverage())
}

fn coverage() -> Result<(), Failure> {
    sh::run(sh::command("rustup").args(["component", "add", "llvm-tools"]))?;
    let tools = tools()?;
    let target = sh::top().join("target/coverage");
    let profiles = target.join("profiles");
    // Those of an earlier run are of other binaries.
    let _ = std::fs::remove_dir_all(&profiles);
    let test = |also: &[&str]| {
        let mut command = sh::cargo();
        command.arg("test").args(also).env("RUSTFLAGS", "-C instrument-coverage");
        command.env("CARGO_TARGET_DIR", &target).env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"));
        for package in PACKAGES {
            command.args(["--package", package]);
        }
        command
    };
    sh::run(&mut test(&["--no-fail-fast"]))?;
    let binaries = sh::output(&mut test(&["--no-run", "--message-format=json"]))?;
    let merged = target.join("merged.profdata");
    let mut merge = sh::command(tools.join("llvm-profdata"));
    merge.args(["merge", "-sparse", "-o"]).arg(&merged);
    for profile in files(&profiles)? {
        merge.arg(profile);
    }
    sh::run(&mut merge)?;
    let mut report = sh::command(tools.join("llvm-cov"));
    report.arg("report").arg(format!("--instr-profile={}", merged.display()));
    report.arg("--ignore-filename-regex=(registry|rustc|/tests/|target)");
    for binary in binaries.lines().filter_map(executable) {
        report.arg("--object").arg(binary);
    }
    sh::run(&mut report)
}

/// The program that a line of cargo's messages names.
fn executable(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("\"executable\":\"")?;
    Some(rest.split_once('"')?.0)
}

/// Where rustup keeps LLVM's tools.
fn tools() -> Result<PathBuf, Failure> {
    let library = sh::output(sh::command("rustc").args(["--print", "target-libdir"]))?;
    let folder = Path::new(library.trim()).parent().map(|folder| folder.join("bin"));
    folder.ok_or_else(|| Failure("rustc names no folder for its libraries".to_owned()))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries =
        std::fs::read_dir(folder).map_err(sh::failed(format!("cannot read {}", folder.display())))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn cargo_names_the_programs_it_built() {
        let message = r#"{"reason":"compiler-artifact","executable":"/t/debug/deps/a-1","fresh":true}"#;
        assert_eq!(executable(message), Some("/t/debug/deps/a-1"));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
    }
}
