//! `coverage`: which lines of the crates the simulation alone reaches, and which all tests that need no broker reach, by
//! the compiler's own instrumentation and the toolchain's own `llvm-cov`.
use crate::arguments::Arguments;
use crate::sh::{self, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub(crate) const USAGE: &str = "\
coverage [--histories N] [--html]       lines reached by N simulated histories (default 20000) and by all tests, real
                                        Kafka left out: a table per file; --html also shows them line by line";

/// Crates whose tests are run.
const PACKAGES: &[&str] =
    &["kurier-core", "kurier", "kurier-cli", "kurier-broker", "kurier-smoltcp", "kurier-tests"];
/// Code that is not what is tested.
const IGNORED: &str =
    "--ignore-filename-regex=(registry|rustc|rustlib|/tests/|target|_tests?\\.rs|/tests\\.rs|xtask)";

pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let html = arguments.flag("--html");
    let histories = match arguments.value::<u64>("--histories") {
        Ok(histories) => histories.unwrap_or(20_000),
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    sh::ended(coverage(histories, html))
}

fn coverage(histories: u64, html: bool) -> Result<(), Failure> {
    sh::run(sh::command("rustup").args(["component", "add", "llvm-tools"]))?;
    let work = Work { target: sh::top().join("target/coverage"), tools: tools()? };
    let simulated = work.simulation(histories)?;
    let tested = work.tests()?;
    println!("{:<48} {:>7} {:>11} {:>10}", "lines reached, in percent", "lines", "simulation", "all tests");
    let mut sums: BTreeMap<&str, [Lines; 2]> = BTreeMap::new();
    for (file, all) in &tested {
        let alone = simulated.get(file).copied().unwrap_or_default();
        println!("{file:<48} {:>7} {:>11} {:>10}", all.lines, alone.percent(), all.percent());
        let top = file.split("/src/").next().unwrap_or(file);
        let sum = sums.entry(top).or_default();
        sum[0].add(alone);
        sum[1].add(*all);
    }
    for (top, [alone, all]) in &sums {
        println!(
            "{:<48} {:>7} {:>11} {:>10}",
            format!("{top} in all"),
            all.lines,
            alone.percent(),
            all.percent()
        );
    }
    if html {
        let folder = work.target.join("html");
        let mut show = work.tool("llvm-cov", &["show", "--format=html"]);
        show.arg(format!("--output-dir={}", folder.display()));
        sh::run(work.of(&mut show, "tests", &work.programs("tests")?))?;
        println!("line by line: {}/index.html", folder.display());
    }
    Ok(())
}

/// Lines of a file, and those that were not reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lines {
    lines: u64,
    missed: u64,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.missed += other.missed;
    }

    fn percent(self) -> String {
        match self.lines {
            0 => "-".to_owned(),
            lines => format!("{:.1}", (lines - self.missed) as f64 * 100.0 / lines as f64),
        }
    }
}

struct Work {
    target: PathBuf,
    tools: PathBuf,
}

impl Work {
    /// The simulation, optimised: it is most of the work.
    fn simulation(&self, histories: u64) -> Result<BTreeMap<String, Lines>, Failure> {
        self.fresh("simulation")?;
        let mut run = self.cargo("simulation");
        run.args([
            "run",
            "--release",
            "--package",
            "kurier-tests",
            "--bin",
            "sim",
            "--",
            "--first-seed",
            "1",
        ]);
        sh::run(run.args(["--count", &histories.to_string()]))?;
        self.table("simulation", &[self.target.join("release/sim")])
    }

    fn tests(&self) -> Result<BTreeMap<String, Lines>, Failure> {
        self.fresh("tests")?;
        let mut run = self.cargo("tests");
        run.args(["test", "--no-fail-fast"]);
        for package in PACKAGES {
            run.args(["--package", package]);
        }
        sh::run(&mut run)?;
        self.table("tests", &self.programs("tests")?)
    }

    /// The test programs, and the command that tests of the command start.
    fn programs(&self, name: &str) -> Result<Vec<PathBuf>, Failure> {
        let mut list = self.cargo(name);
        list.args(["test", "--no-run", "--message-format=json"]);
        for package in PACKAGES {
            list.args(["--package", package]);
        }
        let messages = sh::output(&mut list)?;
        let mut programs: Vec<_> = messages.lines().filter_map(executable).map(PathBuf::from).collect();
        programs.sort();
        programs.dedup();
        Ok(programs)
    }

    /// Profiles of an earlier run are of other programs.
    fn fresh(&self, name: &str) -> Result<(), Failure> {
        let folder = self.profiles(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(sh::failed(format!("cannot make {}", folder.display())))
    }

    fn profiles(&self, name: &str) -> PathBuf {
        self.target.join("profiles").join(name)
    }

    fn cargo(&self, name: &str) -> Command {
        let mut command = sh::cargo();
        command.env("RUSTFLAGS", "-C instrument-coverage").env("CARGO_TARGET_DIR", &self.target);
        // One file for each program, into which its runs are merged.
        command.env("LLVM_PROFILE_FILE", self.profiles(name).join("%m.profraw"));
        command
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = sh::command(self.tools.join(name));
        command.args(arguments);
        command
    }

    fn table(&self, name: &str, programs: &[PathBuf]) -> Result<BTreeMap<String, Lines>, Failure> {
        let mut merge = self.tool("llvm-profdata", &["merge", "-sparse", "-o"]);
        merge.arg(self.merged(name));
        for profile in files(&self.profiles(name))? {
            merge.arg(profile);
        }
        sh::output(&mut merge)?;
        let report = sh::output(self.of(&mut self.tool("llvm-cov", &["report"]), name, programs))?;
        Ok(report.lines().filter_map(row).collect())
    }

    fn merged(&self, name: &str) -> PathBuf {
        self.target.join(format!("{name}.profdata"))
    }

    fn of<'c>(&self, command: &'c mut Command, name: &str, programs: &[PathBuf]) -> &'c mut Command {
        command.arg(format!("--instr-profile={}", self.merged(name).display())).arg(IGNORED);
        for program in programs {
            command.arg("--object").arg(program);
        }
        command
    }
}

/// A file of llvm-cov's report: name, then regions, functions, lines, each with those missed and the percentage.
fn row(line: &str) -> Option<(String, Lines)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let file = words.first().filter(|file| file.ends_with(".rs"))?;
    let number = |at: usize| words.get(at)?.parse().ok();
    Some(((*file).to_owned(), Lines { lines: number(7)?, missed: number(8)? }))
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
    use super::*;

    #[test]
    fn cargo_names_the_programs_it_built() {
        let message = r#"{"reason":"compiler-artifact","executable":"/t/debug/deps/a-1","fresh":true}"#;
        assert_eq!(executable(message), Some("/t/debug/deps/a-1"));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
    }

    #[test]
    fn lines_are_read_from_a_row_of_the_report() {
        let line = "core/src/a.rs    10   1   90.00%   3   0   100.00%   40   10   75.00%   0   0   -";
        let (file, lines) = row(line).unwrap();
        assert_eq!((file.as_str(), lines.percent().as_str()), ("core/src/a.rs", "75.0"));
        assert_eq!(row("TOTAL    10   1   90.00%   3   0   100.00%   40   10   75.00%"), None);
        assert_eq!(row("Filename   Regions"), None);
        assert_eq!(Lines::default().percent(), "-");
    }
}
