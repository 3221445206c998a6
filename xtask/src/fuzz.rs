//! `fuzz`: every fuzz target for a while; first the inputs kept in the repository, then those of earlier runs, then new
//! ones. A finding is kept in `tests/fuzz/artifacts`, and the command that replays it is told.
//!
//! The targets are libFuzzer's, instrumented by flags that the pinned compiler has: no other toolchain is needed. They
//! have no memory checker, because what they test has no unsafe code.
use crate::arguments::Arguments;
use crate::setup;
use crate::sh::{self, Failure};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub(crate) const USAGE: &str = "\
fuzz [--seconds N] [--target T]         every fuzz target, N seconds each (default 60; 0: the inputs that are kept
                                        in tests/fuzz/corpus only)
fuzz --target T --replay FILE           one input, as a finding's message says
fuzz --target T --shrink FILE           the smallest input that fails too, made within a minute
fuzz --keep [--target T]                chooses tests/fuzz/corpus anew from the vectors and all inputs known here";

/// Coverage instrumentation as libFuzzer wants it.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
const TARGETS: &[&str] = &[
    "client",
    "produce",
    "metadata",
    "api_versions",
    "init_producer_id",
    "messages",
    "batch",
    "builder",
    "broker",
    "bridge",
    "properties",
    "json",
    "lines",
];
/// Bytes of an input at most, and of one that is kept in the repository.
const MOST: u32 = 4096;
const MOST_KEPT: u32 = 1024;

pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let keep = arguments.flag("--keep");
    let read = (|| {
        let seconds = arguments.value::<u32>("--seconds")?.unwrap_or(60);
        let target = arguments.value::<String>("--target")?;
        Ok((
            seconds,
            target,
            arguments.value::<PathBuf>("--replay")?,
            arguments.value::<PathBuf>("--shrink")?,
        ))
    })();
    let (seconds, only, replayed, shrunk) = match read {
        Ok(read) => read,
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    let chosen: Vec<_> =
        TARGETS.iter().copied().filter(|name| only.as_ref().is_none_or(|only| only == name)).collect();
    let result = match (chosen.as_slice(), replayed, shrunk) {
        ([], ..) => return arguments.wrong(&format!("targets are {}", TARGETS.join(", "))),
        (_, None, None) if keep => keep_all(&chosen),
        (_, None, None) => fuzz(&chosen, seconds),
        ([target], Some(file), None) => one(target, &file, &["-timeout=10"]),
        ([target], None, Some(file)) => shrink(target, &file),
        _ => return arguments.wrong("one target and one file"),
    };
    sh::ended(result)
}

/// Runs the targets one after the other. One with a finding does not keep the others from running.
fn fuzz(targets: &[&str], seconds: u32) -> Result<(), Failure> {
    let built = build(targets)?;
    let mut failed = Vec::new();
    for target in targets {
        let (own, kept, found) = (cached(target)?, kept(target), artifacts(target));
        make(&own)?;
        make(&found)?;
        let mut command = sh::command(built.join(target));
        if seconds == 0 {
            command.arg("-runs=0");
        } else {
            command.arg(&own).arg(format!("-max_total_time={seconds}"));
        }
        if kept.is_dir() {
            command.arg(&kept);
        }
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.arg(format!("-max_len={MOST}"));
        command.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"]);
        let before = files(&found)?;
        if let Err(failure) = sh::run(&mut command) {
            eprintln!("error: {failure}");
            for file in files(&found)?.into_iter().filter(|file| !before.contains(file)) {
                let file = file.strip_prefix(sh::top()).unwrap_or(&file).display().to_string();
                eprintln!(
                    "{target}: a finding. To replay it: cargo xtask fuzz --target {target} --replay {file}"
                );
            }
            failed.push(*target);
        }
    }
    if failed.is_empty() {
        println!("fuzz: {} targets, {seconds} s each, no finding", targets.len());
        return Ok(());
    }
    Err(Failure(format!("findings in {}", failed.join(", "))))
}

/// Chooses a small set of inputs for the repository that reaches what all known ones reach.
fn keep_all(targets: &[&str]) -> Result<(), Failure> {
    let seeds = sh::top().join("target/fuzz/seeds");
    let _ = std::fs::remove_dir_all(&seeds);
    let mut command = sh::cargo();
    manifest(command.args(["run", "--release"])).args(["--bin", "seeds", "--"]);
    sh::run(command.arg("tests/vectors").arg(&seeds))?;
    let built = build(targets)?;
    for target in targets {
        let chosen = sh::top().join("target/fuzz/chosen").join(target);
        let _ = std::fs::remove_dir_all(&chosen);
        make(&chosen)?;
        let mut merge = sh::command(built.join(target));
        // Which lines are reached counts, not how often: the rest is for the corpus of the cache.
        merge
            .args(["-set_cover_merge=1", "-use_counters=0", "-verbosity=0"])
            .arg(format!("-max_len={MOST_KEPT}"));
        merge.arg(&chosen);
        for from in [kept(target), seeds.join(target), cached(target)?].iter().filter(|from| from.is_dir()) {
            merge.arg(from);
        }
        sh::run(&mut merge)?;
        let kept = kept(target);
        // Findings of the past stay, whatever they reach today.
        for old in files(&kept)?.iter().filter(|old| !is_finding(old)) {
            std::fs::remove_file(old).map_err(sh::failed(format!("cannot remove {}", old.display())))?;
        }
        make(&kept)?;
        for file in files(&chosen)? {
            let to = kept.join(file.file_name().unwrap_or_default());
            std::fs::copy(&file, &to).map_err(sh::failed(format!("cannot write {}", to.display())))?;
        }
    }
    Ok(())
}

/// Inputs that once were findings are named by what they showed, others by their hash.
fn is_finding(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "finding")
}

fn one(target: &str, file: &Path, options: &[&str]) -> Result<(), Failure> {
    let built = build(&[target])?;
    sh::run(sh::command(built.join(target)).args(options).arg(absolute(file)?))
}

fn shrink(target: &str, file: &Path) -> Result<(), Failure> {
    let found = artifacts(target);
    make(&found)?;
    let prefix = format!("-artifact_prefix={}/small-", found.display());
    one(target, file, &["-minimize_crash=1", "-max_total_time=60", "-timeout=10", &prefix])
}

/// Builds targets; answers the folder of their programs.
fn build(targets: &[&str]) -> Result<PathBuf, Failure> {
    // libFuzzer itself is C++, and compiled with the first target.
    setup::debian("c++", "g++")?;
    let host = host()?;
    let mut command = sh::cargo();
    manifest(command.args(["build", "--release", "--quiet", "--target", &host]));
    for target in targets {
        command.args(["--bin", target]);
    }
    sh::run(command.env(flags_of(&host), FLAGS))?;
    Ok(sh::top().join("target/fuzz").join(host).join("release"))
}

/// The target that this machine is.
pub(crate) fn host() -> Result<String, Failure> {
    let version = sh::output(sh::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure("rustc names no host".to_owned()))
}

/// The variable with which cargo is given flags for one target, and for no other that is built on the way.
pub(crate) fn flags_of(target: &str) -> String {
    format!("CARGO_TARGET_{}_RUSTFLAGS", target.to_uppercase().replace('-', "_"))
}

fn manifest(command: &mut Command) -> &mut Command {
    command.args(["--locked", "--manifest-path", "tests/fuzz/Cargo.toml", "--target-dir", "target/fuzz"])
}

/// The inputs that are kept in the repository.
fn kept(target: &str) -> PathBuf {
    sh::top().join("tests/fuzz/corpus").join(target)
}

fn artifacts(target: &str) -> PathBuf {
    sh::top().join("tests/fuzz/artifacts").join(target)
}

/// The inputs that earlier runs found.
fn cached(target: &str) -> Result<PathBuf, Failure> {
    Ok(kurier_kafka::cache()?.join("fuzz").join(target).join("corpus"))
}

fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    file.canonicalize().map_err(sh::failed(file.display()))
}

fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(sh::failed(format!("cannot make {}", folder.display())))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries =
        std::fs::read_dir(folder).map_err(sh::failed(format!("cannot read {}", folder.display())))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}
