//! `cargo xtask bench`: builds the clients and the runner, then runs it. The runner's own text says how it measures.
//!
//! A peer that cannot be built here is left out, and that is said; kurier is always measured.
use crate::arguments::Arguments;
use crate::sh::{self, Failure};
use crate::{browser, setup};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
bench [--json] [--quick] [--no-kafka] [--no-peers] [--only WORD]
                                        what producing costs, beside librdkafka and franz-go in the same run;
                                        --only takes the workloads whose name has WORD, or `instructions`
bench --web [--json]                    what it costs a page in Chromium, through the bridge and through websockify";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    if arguments.flag("--web") {
        let json = arguments.flag("--json");
        return arguments.end().map_or_else(|code| code, |()| sh::ended(web(json)));
    }
    let mut flags: Vec<String> = ["--json", "--quick", "--no-kafka"]
        .iter()
        .filter(|name| arguments.flag(name))
        .map(|&name| name.into())
        .collect();
    let peers = !arguments.flag("--no-peers");
    match arguments.value::<String>("--only") {
        Ok(Some(word)) => flags.extend(["--only".to_owned(), word]),
        Ok(None) => {}
        Err(code) => return code,
    }
    if let Err(code) = arguments.end() {
        return code;
    }
    sh::ended(bench(&flags, peers))
}

fn bench(flags: &[String], peers: bool) -> Result<(), Failure> {
    sh::run(sh::cargo().args(["build", "--profile", "dist", "--package", "kurier-bench"]))?;
    let encode = ["--package", "kurier-tests", "--bin", "encode_ir"];
    sh::run(sh::cargo().args(["build", "--profile", "dist"]).args(encode))?;
    let ours = sh::target().join("dist");
    let mut programs = vec![
        ("sink", ours.join("bench-sink")),
        ("kurier", ours.join("bench-kurier")),
        ("encode-ir", ours.join("encode_ir")),
        ("produce-ir", ours.join("produce-ir")),
    ];
    if peers {
        let built = kurier_kafka::cache()?.join("peers");
        for (name, build) in [("librdkafka", librdkafka as fn(&Path) -> _), ("franz-go", franz_go)] {
            match build(&built) {
                Ok(program) => programs.push((name, program)),
                Err(failure) => eprintln!("{name} is left out: {failure}"),
            }
        }
    }
    let mut runner = sh::command(ours.join("kurier-bench"));
    runner.args(flags);
    runner.args(programs.iter().map(|(name, path)| format!("{name}={}", path.display())));
    sh::run(&mut runner)
}

/// The page's figures, by a script in the tests of pages.
fn web(json: bool) -> Result<(), Failure> {
    setup::debian("chromium", "chromium")?;
    setup::debian("websockify", "websockify")?;
    browser::build()?;
    sh::run(sh::cargo().args(["build", "--quiet", "--profile", "dist", "--package", "kurier-cli"]))?;
    let mut script = sh::command("node");
    script.arg("tests/browser/bench.mjs").env("KURIER", sh::target().join("dist").join("kurier"));
    sh::run(if json { script.arg("--json") } else { &mut script })
}

/// Its bundled C sources are compiled, which takes minutes the first time.
fn librdkafka(built: &Path) -> Result<PathBuf, Failure> {
    let folder = built.join("librdkafka");
    let mut cargo = sh::cargo();
    cargo.args([
        "build",
        "--release",
        "--manifest-path",
        "tests/peers/librdkafka/Cargo.toml",
        "--target-dir",
    ]);
    sh::run(cargo.arg(&folder))?;
    Ok(folder.join("release").join("peer-librdkafka"))
}

fn franz_go(built: &Path) -> Result<PathBuf, Failure> {
    let program = built.join("peer-franz-go");
    let mut go = sh::command("go");
    sh::run(go.args(["build", "-C", "tests/peers/franz-go", "-o"]).arg(&program).arg("."))?;
    Ok(program)
}
