//! `cargo xtask size`: what the producer costs a microcontroller in flash and RAM, and how large the command is.
//!
//! The images of `tests/size` are linked as firmware is (profile `firmware`) and never run. What smoltcp brings along
//! is measured by an image without a producer; the difference is ours.
mod image;

use crate::arguments::Arguments;
use crate::sh::{self, Failure, failed};
use image::Image;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
size [--json] [--target TRIPLE]         flash and RAM of the firmware images, whose code it is, what can panic,
                                        bytes of typical storages, and the size of the command";

const TARGET: &str = "thumbv7em-none-eabihf";
/// Targets for which core and smoltcp adapter must build.
const SMALL: [&str; 4] =
    ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"];
/// Bytes of the batch buffers, and of the sockets' buffers, in the images (`tests/size/src`).
const BATCH_BUFFERS: u64 = 8 * 1024;

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let json = arguments.flag("--json");
    let target = match arguments.value::<String>("--target") {
        Ok(target) => target.unwrap_or_else(|| TARGET.to_owned()),
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    match measure(&target) {
        Ok(report) => {
            print!("{}", if json { report.json() } else { report.text() });
            if report.wrong.is_empty() {
                return ExitCode::SUCCESS;
            }
            report.wrong.iter().for_each(|what| eprintln!("error: {what}"));
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Numbers by name, and what must not be.
#[derive(Default)]
struct Report {
    numbers: Vec<(String, u64)>,
    notes: Vec<String>,
    wrong: Vec<String>,
}

impl Report {
    fn put(&mut self, name: impl Into<String>, value: u64) {
        self.numbers.push((name.into(), value));
    }

    fn json(&self) -> String {
        let fields: Vec<_> =
            self.numbers.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
        format!("{{\n{}\n}}\n", fields.join(",\n"))
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.numbers {
            let _ = writeln!(text, "{value:>9}  {name}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }
}

fn measure(target: &str) -> Result<Report, Failure> {
    for small in SMALL {
        let packages = ["--package", "kurier-core", "--package", "kurier-smoltcp"];
        build(small, &packages).map_err(failed(format!("not every small target builds: {small}")))?;
    }
    build(target, &["--package", "kurier-size"])?;
    let folder = sh::target().join(target).join("firmware");
    let read = |name: &str| Image::read(&folder.join(name));
    let (baseline, plain, producer) = (read("baseline")?, read("plain")?, read("producer")?);
    let (network, firmware) = (read("network")?, read("firmware")?);
    let mut report = Report::default();
    for (name, image) in [
        ("baseline", &baseline),
        ("plain", &plain),
        ("producer", &producer),
        ("network", &network),
        ("firmware", &firmware),
    ] {
        report.put(format!("{name}.flash"), image.flash);
        report.put(format!("{name}.ram"), image.ram);
        report.put(format!("{name}.panics"), image.panic_paths());
        if image.data > 0 {
            report.wrong.push(format!(
                "{name}: {} bytes in .data, so in flash too; nothing belongs there",
                image.data
            ));
        }
    }
    report.put("core.flash.increment", producer.flash.saturating_sub(baseline.flash));
    report.put("core.flash.without.idempotence", plain.flash.saturating_sub(baseline.flash));
    report.put("firmware.flash.increment", firmware.flash.saturating_sub(network.flash));
    let ram = firmware.ram.saturating_sub(network.ram);
    report.put("firmware.ram.increment", ram.saturating_sub(BATCH_BUFFERS));
    report.put("firmware.ram.batches", BATCH_BUFFERS);
    report.notes.push(caller_note("the producer", &producer));
    report.notes.push(caller_note("smoltcp", &network));
    for (module, bytes) in &firmware.modules {
        report.put(format!("firmware.code.{}", module.replace([' ', ','], "_")), *bytes);
    }
    for (name, bytes) in storages(&folder.join("storages"))? {
        report.put(name, bytes);
    }
    command(&mut report)?;
    Ok(report)
}

fn caller_note(whose: &str, image: &Image) -> String {
    if image.panics.is_empty() {
        return format!("{whose}: nothing that can panic is linked");
    }
    let callers = image.panics.iter().map(|(name, count)| format!("  {count} in {name}"));
    format!("{whose} can panic in:\n{}", callers.collect::<Vec<_>>().join("\n"))
}

fn build(target: &str, packages: &[&str]) -> Result<(), Failure> {
    let mut cargo = sh::cargo();
    cargo.args(["build", "--quiet", "--profile", "firmware", "--target", target]).args(packages);
    sh::run(&mut cargo)
}

/// Bytes of each storage, by its sizes: links, partitions, batches, bytes of a batch, topics.
fn storages(path: &Path) -> Result<Vec<(String, u64)>, Failure> {
    use object::{Object, ObjectSymbol};
    let bytes = std::fs::read(path).map_err(failed(path.display()))?;
    let file = object::File::parse(&*bytes).map_err(failed(path.display()))?;
    let sized = |symbol: object::Symbol<'_, '_>| {
        let sizes = symbol.name().ok()?.strip_prefix("STORAGE_")?.to_owned();
        Some((sizes, symbol.size()))
    };
    let mut found: Vec<_> = file.symbols().filter_map(sized).collect();
    found.sort_by_key(|(_, bytes)| *bytes);
    Ok(found.into_iter().map(|(sizes, bytes)| (format!("storage.{sizes}"), bytes)).collect())
}

/// The `kurier` command as it is shipped.
fn command(report: &mut Report) -> Result<(), Failure> {
    let mut cargo = sh::cargo();
    sh::run(cargo.args(["build", "--quiet", "--profile", "dist", "--package", "kurier-cli"]))?;
    let path = sh::target().join("dist").join("kurier");
    let whole = std::fs::metadata(&path).map_err(failed(path.display()))?.len();
    report.put("cli", whole);
    // Without the line tables and symbols that the file carries.
    let image = Image::read(&path)?;
    report.put("cli.loaded", image.flash);
    Ok(())
}
