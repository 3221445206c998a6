//! `coverage`: which lines of the crates the core's unit tests alone reach, which the simulation alone, and which all
//! tests that need no broker with it, by the compiler's own instrumentation and the toolchain's own `llvm-cov`.
use crate::arguments::Arguments;
use crate::fuzz;
use crate::sh::{self, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub(crate) const USAGE: &str = "\
coverage [--histories N] [--files]      lines reached by the core's unit tests, by N simulated histories (default
         [--html]                       5000), and by these and all other tests without real Kafka: a table of modules,
                                        or of files; --html also shows what the simulation reaches line by line";

/// Crates whose tests are run.
const PACKAGES: &[&str] =
    &["kurier-core", "kurier", "kurier-cli", "kurier-broker", "kurier-smoltcp", "kurier-tests"];
/// Code that is not what is tested.
const IGNORED: &str =
    "--ignore-filename-regex=(registry|rustc|rustlib|/tests/|target|_tests?\\.rs|/tests\\.rs|xtask)";
/// Whose tests are counted alone.
const CORE: &str = "kurier-core";

pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let (files, html) = (arguments.flag("--files"), arguments.flag("--html"));
    let histories = match arguments.value::<u64>("--histories") {
        Ok(histories) => histories.unwrap_or(5_000),
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    sh::ended(coverage(histories, files, html))
}

fn coverage(histories: u64, files: bool, html: bool) -> Result<(), Failure> {
    sh::run(sh::command("rustup").args(["component", "add", "llvm-tools"]))?;
    let flags = fuzz::flags_of(&fuzz::host()?);
    let work = Work { target: sh::top().join("target/coverage"), tools: tools()?, flags };
    let unit = work.unit()?;
    let simulated = work.simulation(histories)?;
    let mut all = work.tests()?;
    all.join(&unit);
    all.join(&simulated);

    let (mut rows, mut core): (BTreeMap<String, [Reached; 3]>, _) =
        (BTreeMap::new(), [Reached::default(); 3]);
    for (file, lines) in &all.0 {
        let row = if files { file.clone() } else { module(file) };
        let sums = rows.entry(row).or_default();
        for (sum, by) in sums.iter_mut().zip([&unit, &simulated, &all]) {
            sum.add(by.of(file), lines);
        }
        if file.starts_with("core/") {
            for (sum, by) in core.iter_mut().zip([&unit, &simulated, &all]) {
                sum.add(by.of(file), lines);
            }
        }
    }
    rows.insert("core in all".to_owned(), core);
    println!("| lines reached, in percent | lines | unit tests of the core | simulation alone | all tests |");
    println!("|---|---:|---:|---:|---:|");
    for (row, [unit, simulated, all]) in &rows {
        println!("| {row} | {} | {unit} | {simulated} | {all} |", all.lines);
    }
    if html {
        let folder = work.target.join("html");
        let mut show = work.tool("llvm-cov", &["show", "--format=html"]);
        show.arg(format!("--output-dir={}", folder.display()));
        sh::run(work.of(&mut show, SIMULATION, &work.simulator()))?;
        println!("line by line, simulation alone: {}/index.html", folder.display());
    }
    Ok(())
}

/// The module that a file is part of, as far as it has a folder: `core/src/sender`.
fn module(file: &str) -> String {
    let Some((package, inside)) = file.split_once("/src/") else { return file.to_owned() };
    match inside.split_once('/') {
        Some((folder, _)) if package == "core" => format!("{package}/src/{folder}"),
        None if package == "core" => match inside.strip_suffix(".rs") {
            // What lies beside the folder of the same name.
            Some(name @ "config") => format!("{package}/src/{name}"),
            _ => format!("{package}/src/*.rs"),
        },
        _ => package.to_owned(),
    }
}

/// Lines of each file that could be reached, and whether they were.
#[derive(Debug, Default)]
struct Lines(BTreeMap<String, BTreeMap<u32, bool>>);

impl Lines {
    /// What `llvm-cov export --format=lcov` says. Tests beside the code are not counted; `tests_from` tells the line
    /// that they begin at.
    fn read(report: &str, mut tests_from: impl FnMut(&str) -> u32) -> Self {
        let (mut all, mut file, mut end) = (Self::default(), String::new(), u32::MAX);
        for line in report.lines() {
            if let Some(named) = line.strip_prefix("SF:") {
                let top = format!("{}/", sh::top().display());
                named.strip_prefix(&top).unwrap_or(named).clone_into(&mut file);
                end = tests_from(&file);
            } else if let Some((number, count)) =
                line.strip_prefix("DA:").and_then(|line| line.split_once(','))
                && let Ok(number) = number.parse::<u32>()
                && number < end
            {
                *all.0.entry(file.clone()).or_default().entry(number).or_default() |= count != "0";
            }
        }
        all
    }

    fn of(&self, file: &str) -> Option<&BTreeMap<u32, bool>> {
        self.0.get(file)
    }

    fn join(&mut self, other: &Self) {
        for (file, lines) in &other.0 {
            let own = self.0.entry(file.clone()).or_default();
            for (number, reached) in lines {
                *own.entry(*number).or_default() |= reached;
            }
        }
    }
}

/// How many lines there are, and how many of them were reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reached {
    lines: usize,
    reached: usize,
}

impl Reached {
    fn add(&mut self, by: Option<&BTreeMap<u32, bool>>, all: &BTreeMap<u32, bool>) {
        self.lines += all.len();
        self.reached += by.map_or(0, |by| by.values().filter(|reached| **reached).count());
    }
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.lines {
            0 => f.write_str("-"),
            lines => write!(f, "{:.1}", self.reached as f64 * 100.0 / lines as f64),
        }
    }
}

/// The line at which a file's own tests begin: they are its last part.
fn tests_from(file: &str) -> u32 {
    let source = std::fs::read_to_string(sh::top().join(file)).unwrap_or_default();
    let at = source.lines().position(|line| line == "#[cfg(test)]");
    at.and_then(|at| u32::try_from(at).ok()).map_or(u32::MAX, |at| at + 1)
}

const UNIT: &str = "unit";
const SIMULATION: &str = "simulation";
const TESTS: &str = "tests";

struct Work {
    target: PathBuf,
    tools: PathBuf,
    /// The variable that holds flags for this machine: a test that builds for another has no use for them.
    flags: String,
}

impl Work {
    /// The core's own unit tests.
    fn unit(&self) -> Result<Lines, Failure> {
        self.fresh(UNIT)?;
        sh::run(self.cargo(UNIT).args(["test", "--package", CORE, "--lib"]))?;
        let mut list = self.cargo(UNIT);
        list.args(["test", "--package", CORE, "--lib", "--no-run", "--message-format=json"]);
        self.lines(UNIT, &programs(&mut list)?)
    }

    /// The simulation, optimised: it is most of the work.
    fn simulation(&self, histories: u64) -> Result<Lines, Failure> {
        self.fresh(SIMULATION)?;
        let mut run = self.cargo(SIMULATION);
        // A crate that is compiled incrementally leaves its small functions to no other crate, where they would be
        // reached without being counted. The linker's optimiser does not go with it.
        run.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
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
        self.lines(SIMULATION, &self.simulator())
    }

    fn simulator(&self) -> Vec<PathBuf> {
        vec![self.target.join("release/sim")]
    }

    fn tests(&self) -> Result<Lines, Failure> {
        self.fresh(TESTS)?;
        let test = |more: &[&str]| {
            let mut cargo = self.cargo(TESTS);
            cargo.arg("test").args(more);
            for package in PACKAGES {
                cargo.args(["--package", package]);
            }
            cargo
        };
        sh::run(&mut test(&["--no-fail-fast"]))?;
        self.lines(TESTS, &programs(&mut test(&["--no-run", "--message-format=json"]))?)
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
        command.env(&self.flags, "-C instrument-coverage").env("CARGO_TARGET_DIR", &self.target);
        // One file for each program, into which its runs are merged.
        command.env("LLVM_PROFILE_FILE", self.profiles(name).join("%m.profraw"));
        command
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = sh::command(self.tools.join(name));
        command.args(arguments);
        command
    }

    fn lines(&self, name: &str, programs: &[PathBuf]) -> Result<Lines, Failure> {
        let mut merge = self.tool("llvm-profdata", &["merge", "-sparse", "-o"]);
        merge.arg(self.merged(name));
        for profile in files(&self.profiles(name))? {
            merge.arg(profile);
        }
        sh::output(&mut merge)?;
        let mut export = self.tool("llvm-cov", &["export", "--format=lcov", "--skip-functions"]);
        let report = sh::output(self.of(&mut export, name, programs))?;
        Ok(Lines::read(&report, tests_from))
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

/// The programs that this command of cargo builds: of tests, and of the command that some of them start.
fn programs(list: &mut Command) -> Result<Vec<PathBuf>, Failure> {
    let messages = sh::output(list)?;
    let mut programs: Vec<_> = messages.lines().filter_map(executable).map(PathBuf::from).collect();
    programs.sort();
    programs.dedup();
    Ok(programs)
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
    fn lines_are_joined_over_reports_and_tests_beside_the_code_are_left_out() {
        let read = |report| Lines::read(report, |file| if file == "core/src/a.rs" { 10 } else { u32::MAX });
        let mut all = read("SF:core/src/a.rs\nDA:1,0\nDA:2,7\nDA:10,3\nend_of_record\nSF:b.rs\nDA:9,1\n");
        let other = read("SF:core/src/a.rs\nDA:1,1\nDA:3,0\n");
        let mut reached = Reached::default();
        all.join(&other);
        let lines = all.of("core/src/a.rs").unwrap();
        reached.add(all.of("core/src/a.rs"), lines);
        assert_eq!((reached.lines, reached.to_string().as_str()), (3, "66.7"));
        let mut alone = Reached::default();
        alone.add(other.of("core/src/a.rs"), lines);
        assert_eq!(alone.to_string(), "33.3", "of all lines there are");
        assert_eq!(Reached::default().to_string(), "-");
    }

    #[test]
    fn files_of_the_core_are_summed_by_folder() {
        assert_eq!(module("core/src/sender/links.rs"), "core/src/sender");
        assert_eq!(module("core/src/config.rs"), "core/src/config");
        assert_eq!(module("core/src/time.rs"), "core/src/*.rs");
        assert_eq!(module("adapters/std/src/a/b.rs"), "adapters/std");
    }
}
