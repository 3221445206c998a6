//! `cargo xtask test`: every test that runs here, and a summary that also says what did not.
//!
//! Real Kafka is started once and handed to the test binaries; those that stop brokers start their own.
use crate::arguments::Arguments;
use crate::sh::{self, Failure};
use crate::{browser, firmware, setup};
use kurier_kafka::{Kafka, Options, Release};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// How to use it.
pub(crate) const USAGE: &str = "\
test [--quick] [--all-versions]         every test that runs here; --quick leaves out real Kafka,
                                        --all-versions takes every release of the matrix";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let (quick, all_versions) = (arguments.flag("--quick"), arguments.flag("--all-versions"));
    if let Err(code) = arguments.end() {
        return code;
    }
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    let mut tally = Tally::default();
    // Tests of the workspace use these, and pass without a word where they are missing.
    if let Err(failure) = setup::debian("kcat", "kcat") {
        tally.cannot("kcat against the model broker", &failure, in_ci);
    }
    if let Err(failure) = setup::node("wasm32-unknown-unknown") {
        tally.cannot("the core as WebAssembly, in Node", &failure, in_ci);
    }
    tally.suite("workspace", sh::cargo().args(["test", "--no-fail-fast", "--workspace"]));
    // Within the workspace the tests turn on a feature that a user's build does not have.
    tally.suite("core by itself", sh::cargo().args(["test", "--no-fail-fast", "--package", "kurier-core"]));
    on_32_bits(&mut tally, in_ci);
    match firmware::lean::images(firmware::lean::SMALLEST) {
        Ok(images) => lean_in_qemu(&mut tally, &images),
        Err(failure) => tally.cannot("the guide's lean devices in QEMU", &failure, in_ci),
    }
    // The one for the other suites comes last, in the place that all of them are built to.
    match firmware::logging_image().and_then(|logging| Ok((firmware::image()?, logging))) {
        Ok((image, logging)) => in_qemu(&mut tally, &image, &logging),
        Err(failure) => tally.cannot("firmware in QEMU", &failure, in_ci),
    }
    let pages = browser::ready();
    match &pages {
        Ok(()) => tally.suite("pages in Chromium and Node", &mut browser::tests_of_pages(false)),
        Err(failure) => tally.cannot("pages in Chromium and Node", failure, in_ci),
    }
    if quick {
        tally.skip("real Kafka", "--quick");
    } else if let Err(failure) = real_kafka(&mut tally, all_versions, pages.is_ok()) {
        tally.cannot("real Kafka", &failure, in_ci);
    }
    tally.report()
}

/// The core and the device's transports, their own tests and those against the model broker, where a `usize` has 32 bits.
fn on_32_bits(tally: &mut Tally, in_ci: bool) {
    const TRANSPORTS: [&str; 6] =
        ["--package", "kurier-core", "--package", "kurier-embedded-io", "--package", "kurier-smoltcp"];
    let features: [(&str, &[&str], &[&str]); 2] = [
        ("core and transports on 32 bits", &TRANSPORTS, &[]),
        ("core on 32 bits, without its features", &TRANSPORTS[..4], &["--no-default-features"]),
    ];
    for (name, packages, features) in features {
        let mut tests = sh::cargo();
        match setup::wasi(&mut tests) {
            Ok(()) => tally.suite(
                name,
                tests
                    .args(["test", "--no-fail-fast", "--lib", "--tests", "--target", setup::WASI])
                    .args(packages)
                    .args(features),
            ),
            Err(failure) => tally.cannot(name, &failure, in_ci),
        }
    }
}

/// The device's image against the model broker.
fn in_qemu(tally: &mut Tally, image: &Path, logging: &Path) {
    let mut tests = sh::cargo();
    tests.args(["test", "--no-fail-fast", "--package", "kurier-tests", "--features", "firmware"]);
    tests.args(["--test", "firmware*", "--", "--test-threads=2"]).env("KURIER_FIRMWARE", image);
    tests.env("KURIER_FIRMWARE_LOG", logging);
    tally.suite("firmware in QEMU", &mut tests);
}

/// The devices that follow the guide, against the model broker.
fn lean_in_qemu(tally: &mut Tally, images: &firmware::lean::Images) {
    let mut tests = sh::cargo();
    tests.args(["test", "--no-fail-fast", "--package", "kurier-tests", "--features", "firmware"]);
    tests.args(["--test", "lean_firmware"]);
    tests.env("KURIER_FIRMWARE_FEW", &images.few).env("KURIER_FIRMWARE_NONE", &images.none);
    tally.suite("the guide's lean devices in QEMU", &mut tests);
}

fn real_kafka(tally: &mut Tally, all_versions: bool, pages: bool) -> Result<(), Failure> {
    setup::kafka()?;
    let named = std::env::var("KURIER_KAFKA").is_ok_and(|named| !named.is_empty());
    let kafka = if named { None } else { Some(Kafka::start(Options::new())?) };
    let mut tests = sh::cargo();
    tests.args(["test", "--no-fail-fast", "--package", "kurier-tests", "--features", "real-kafka"]);
    // Two at a time: a cluster of three brokers fills two cores while it starts.
    tests.args(["--test", "real_*", "--test", "conformance", "--", "--test-threads=2"]);
    if let Some(kafka) = &kafka {
        tests.env("KURIER_KAFKA", kafka.bootstrap()).env("KURIER_KAFKA_LOGS", kafka.log_dir(1));
    }
    if all_versions {
        tests.env("KURIER_KAFKA_VERSIONS", Release::MATRIX.join(" "));
    }
    tally.suite("real Kafka", &mut tests);
    // Where Chromium cannot run that was said before.
    if pages {
        let mut tests = browser::tests_of_pages(true);
        if let Some(kafka) = &kafka {
            tests.env("KURIER_KAFKA", kafka.bootstrap());
        }
        tally.suite("pages and real Kafka", &mut tests);
    }
    // Where QEMU cannot run that was said before.
    if let Ok(image) = firmware::image() {
        let mut tests = sh::cargo();
        tests.args(["test", "--no-fail-fast", "--package", "kurier-tests"]);
        tests.args([
            "--features",
            "real-kafka,firmware",
            "--test",
            "real_firmware",
            "--",
            "--test-threads=2",
        ]);
        tests.env("KURIER_FIRMWARE", image);
        tally.suite("firmware and real Kafka", &mut tests);
    }
    Ok(())
}

/// What was run and what came out.
#[derive(Default)]
struct Tally {
    suites: Vec<Suite>,
    /// The closing line of each test binary that had tests.
    closing: Vec<String>,
    skipped: Vec<String>,
}

struct Suite {
    name: String,
    passed: u32,
    failed: u32,
    took: Duration,
}

impl Tally {
    fn suite(&mut self, name: &str, command: &mut Command) {
        let started = Instant::now();
        let mut suite = Suite { name: name.to_owned(), passed: 0, failed: 0, took: Duration::ZERO };
        let mut binary = String::new();
        let ended = sh::watch(command, |line| {
            if let Some(running) = running(line) {
                binary = running;
            } else if let Some((passed, failed)) = result(line) {
                suite.passed += passed;
                suite.failed += failed;
                if passed + failed > 0 {
                    self.closing.push(format!("{line} [{binary}]"));
                }
            }
        });
        let well = ended.unwrap_or_else(|failure| {
            eprintln!("error: {failure}");
            false
        });
        if !well && suite.failed == 0 {
            // It did not build, or a test binary ended before its closing line.
            suite.failed = 1;
            self.closing.push(format!("{name}: did not run to its end"));
        }
        suite.took = started.elapsed();
        self.suites.push(suite);
    }

    fn skip(&mut self, name: &str, why: &str) {
        self.skipped.push(format!("SKIPPED {name}: {why}"));
    }

    /// A suite that cannot run here: in CI that is a failure.
    fn cannot(&mut self, name: &str, why: &Failure, in_ci: bool) {
        if in_ci {
            self.closing.push(format!("{name}: must run in CI, but {why}"));
            self.suites.push(Suite { name: name.to_owned(), passed: 0, failed: 1, took: Duration::ZERO });
        } else {
            self.skip(name, &why.to_string());
        }
    }

    fn report(&self) -> ExitCode {
        println!();
        self.closing.iter().for_each(|line| println!("{line}"));
        println!();
        for suite in &self.suites {
            let seconds = suite.took.as_secs();
            println!("{}: {} passed, {} failed ({seconds} s)", suite.name, suite.passed, suite.failed);
        }
        self.skipped.iter().for_each(|line| println!("{line}"));
        let sum = |of: fn(&Suite) -> u32| self.suites.iter().map(of).sum::<u32>();
        let (passed, failed) = (sum(|suite| suite.passed), sum(|suite| suite.failed));
        println!("{passed} passed, {failed} failed");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The test binary that cargo announces: `unittests src/lib.rs (target/debug/deps/kurier_core-0123)` is
/// `kurier_core src/lib.rs`.
fn running(line: &str) -> Option<String> {
    let line = line.trim_start();
    if line.starts_with("Doc-tests ") {
        return Some(line.to_owned());
    }
    let (source, path) = line.strip_prefix("Running ")?.split_once(" (")?;
    let Some(source) = source.strip_prefix("unittests ") else { return Some(source.to_owned()) };
    let name = path.trim_end_matches(')').rsplit('/').next().unwrap_or(path);
    Some(format!("{} {source}", name.rsplit_once('-').map_or(name, |(name, _)| name)))
}

/// Passed and failed of a closing line.
fn result(line: &str) -> Option<(u32, u32)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let of = |what: &str| {
        let count = counts.split("; ").find_map(|count| count.strip_suffix(what))?;
        count.trim().parse().ok()
    };
    Some((of("passed")?, of("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(script: &str) -> Tally {
        let mut tally = Tally::default();
        tally.suite("suite", sh::command("sh").args(["-c", script]));
        tally
    }

    #[test]
    fn closing_lines_are_counted_with_their_binary() {
        let tally = suite(
            "echo '     Running unittests src/lib.rs (target/debug/deps/a_b-1)' >&2
             echo 'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s'
             echo '   Doc-tests b' >&2
             echo 'test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out'; exit 101",
        );
        assert_eq!((tally.suites[0].passed, tally.suites[0].failed), (4, 2));
        assert!(
            tally.closing[0].ends_with("[a_b src/lib.rs]") && tally.closing[1].ends_with("[Doc-tests b]")
        );
        assert_eq!(tally.report(), ExitCode::FAILURE);
    }

    #[test]
    fn what_cannot_run_is_a_failure_only_in_ci() {
        let why = Failure("no Java".to_owned());
        let mut tally = Tally::default();
        tally.cannot("real Kafka", &why, false);
        assert_eq!(
            (tally.skipped.as_slice(), tally.report()),
            (&["SKIPPED real Kafka: no Java".to_owned()][..], ExitCode::SUCCESS)
        );
        tally.cannot("real Kafka", &why, true);
        assert_eq!(tally.report(), ExitCode::FAILURE);
    }

    #[test]
    fn a_suite_that_breaks_off_has_failed() {
        assert_eq!(suite("exit 101").suites[0].failed, 1);
        assert_eq!(suite("exit 0").suites[0].failed, 0);
    }
}
