//! `cargo xtask size`: what the producer costs a microcontroller in flash and RAM, and how large the command is,
//! and the package for pages.
//!
//! The images of `tests/size` are linked as firmware is (profile `firmware`); one of them and the example device are also
//! run in QEMU. What smoltcp brings along is measured by an image without a producer; the difference is ours.
mod document;
mod image;
mod page;
mod peers;
mod run;
mod source;

use crate::arguments::Arguments;
use crate::firmware;
use crate::sh::{self, Failure, failed};
use image::Image;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
size [--check | --page] [--json] [--target TRIPLE]   flash and RAM of the firmware images, whose code it is, what can panic,
                                        stack and instructions in QEMU, peers, bytes of typical storages, and the
                                        size of the command; --check builds less, and only fails if an allocator,
                                        a panic of ours or initial values are linked, or it has grown too much;
                                        --page: only what a page loads, beside clients of other brokers";

const TARGET: &str = "thumbv7em-none-eabihf";
/// Targets for which core and smoltcp adapter must build.
const SMALL: [&str; 4] =
    ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"];
/// Bytes of the batch buffers, and of the sockets' buffers, in the images (`tests/size/src`).
const BATCH_BUFFERS: u64 = 8 * 1024;

/// What the producer may add to smoltcp on [`TARGET`]: flash, and RAM beside the batch buffers. More than the budgets of
/// `docs/footprint.md`; it only keeps what was reached from growing unseen.
const CEILING: [u64; 2] = [33_000, 3_072];
/// Devices that leave out features of the core: what they are called, what they have, and what the producer may add for each,
/// flash and RAM. None is above the budget's flash.
const LEAN: [(&str, &str, [u64; 2]); 4] = [
    ("lean", "", [23_300, 2_850]),
    ("lean.keys", "keys", [23_500, 2_850]),
    ("lean.headers", "keys,headers", [23_600, 2_850]),
    ("lean.guide", "keys,headers,trouble,stats", [24_000, 2_950]),
];

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let json = arguments.flag("--json");
    let extent = match (arguments.flag("--check"), arguments.flag("--page")) {
        (true, _) => Extent::Check,
        (_, true) => Extent::Page,
        _ => Extent::All,
    };
    let target = match arguments.value::<String>("--target") {
        Ok(target) => target.unwrap_or_else(|| TARGET.to_owned()),
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    match measure(&target, extent) {
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

    /// What no image may have.
    fn forbid(&mut self, name: &str, image: &Image) {
        if image.data > 0 {
            let data = image.data;
            self.wrong.push(format!("{name}: {data} bytes in .data, so in flash too; nothing belongs there"));
        }
        if !image.allocators.is_empty() {
            self.wrong.push(format!("{name}: an allocator is linked: {}", image.allocators.join(", ")));
        }
        self.put(format!("{name}.allocators"), image.allocators.len() as u64);
    }

    /// Whose code an image is, by room.
    fn rooms(&mut self, name: &str, image: &Image) {
        let mut rooms: BTreeMap<String, u64> = BTreeMap::new();
        for (module, bytes) in &image.modules {
            // `kurier_core::sender::receive` counts for its room, `kurier_core::sender`.
            let room = module.splitn(3, "::").take(2).collect::<Vec<_>>().join("::");
            *rooms.entry(room).or_default() += bytes;
        }
        for (room, bytes) in rooms {
            self.put(format!("{name}.{}", room.replace([' ', '\''], "_")), bytes);
        }
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

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Only what must not be: an allocator, initial values in RAM, a panic of ours.
    Check,
    /// Only the package for pages.
    Page,
    All,
}

fn measure(target: &str, extent: Extent) -> Result<Report, Failure> {
    let mut report = Report::default();
    if extent != Extent::Check {
        page::measure(&mut report)?;
    }
    if extent == Extent::Page {
        return Ok(report);
    }
    if extent == Extent::All {
        for small in SMALL {
            let packages = ["--package", "kurier-core", "--package", "kurier-smoltcp"];
            build(small, "firmware", &packages)
                .map_err(failed(format!("not every small target builds: {small}")))?;
        }
    }
    images(&mut report, target)?;
    device(&mut report)?;
    if extent == Extent::All {
        lean_devices(&mut report)?;
        fast(&mut report, target)?;
        for (name, profile) in [("z", "firmware"), ("3", "firmware-fast")] {
            for (what, value) in run::counted(profile)? {
                let what = if what == "stack" { "stack".to_owned() } else { format!("instructions.{what}") };
                report.put(format!("counted.{name}.{what}"), value);
            }
        }
        let cli = command(&mut report)?;
        for (what, value) in run::firmware(&cli)? {
            report.put(format!("device.{what}"), value);
        }
        match peers::measure(target) {
            Ok(found) => found.into_iter().for_each(|(name, value)| report.put(name, value)),
            Err(failure) => report.notes.push(format!("peers are not measured: {failure}")),
        }
    }
    Ok(report)
}

/// The images of `tests/size`, and what the producer adds to the others.
fn images(report: &mut Report, target: &str) -> Result<(), Failure> {
    // First, since the others replace their file.
    let lean: Vec<Image> =
        LEAN.iter().map(|(_, features, _)| lean(target, features)).collect::<Result<_, _>>()?;
    build(target, "firmware", &["--package", "kurier-size"])?;
    let folder = sh::target().join(target).join("firmware");
    let read = |name: &str| Image::read_with_modules(&folder.join(name));
    let (baseline, plain, producer) = (read("baseline")?, read("plain")?, read("producer")?);
    let (network, firmware) = (read("network")?, read("firmware")?);
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
        report.forbid(name, image);
    }
    report.put("core.flash.increment", producer.flash.saturating_sub(baseline.flash));
    report.put("core.flash.without.idempotence", plain.flash.saturating_sub(baseline.flash));
    report.put("firmware.flash.increment", firmware.flash.saturating_sub(network.flash));
    let ram = firmware.ram.saturating_sub(network.ram);
    report.put("firmware.ram.increment", ram.saturating_sub(BATCH_BUFFERS));
    report.put("firmware.ram.batches", BATCH_BUFFERS);
    for ((name, features, ceiling), image) in LEAN.iter().zip(&lean) {
        let added = [
            image.flash.saturating_sub(network.flash),
            image.ram.saturating_sub(network.ram).saturating_sub(BATCH_BUFFERS),
        ];
        report.put(format!("{name}.flash.increment"), added[0]);
        report.put(format!("{name}.ram.increment"), added[1]);
        report.forbid(name, image);
        if target == TARGET && added.iter().zip(ceiling).any(|(added, ceiling)| added > ceiling) {
            let wrong =
                format!("with features `{features}` alone the producer adds {added:?}, above {ceiling:?}");
            report.wrong.push(wrong);
        }
        if image.panic_paths() > network.panic_paths() {
            report.wrong.push(format!("calls of ours can panic: {}", caller_note(name, image)));
        }
    }
    let added = [firmware.flash.saturating_sub(network.flash), ram.saturating_sub(BATCH_BUFFERS)];
    if target == TARGET && added.iter().zip(CEILING).any(|(added, ceiling)| *added > ceiling) {
        report.wrong.push(format!("the producer adds {added:?} bytes of flash and RAM, above {CEILING:?}"));
    }
    report.put("firmware.panics.increment", firmware.panic_paths().saturating_sub(network.panic_paths()));
    if producer.panic_paths() > 0 {
        report.wrong.push(format!("calls of ours can panic: {}", caller_note("the producer", &producer)));
    }
    report.notes.push(caller_note("the producer", &producer));
    report.notes.push(caller_note("smoltcp", &network));
    report.rooms("firmware.code", &firmware);
    report.notes.push(largest(&firmware));
    let storages = storages(&folder.join("storages"))?;
    if target == TARGET {
        report.wrong.extend(document::differences(&storages)?);
    }
    for (name, bytes) in storages {
        report.put(name, bytes);
    }
    Ok(())
}

/// The image of a device that has only these features of the core.
fn lean(target: &str, features: &str) -> Result<Image, Failure> {
    let only =
        ["--package", "kurier-size", "--bin", "firmware", "--no-default-features", "--features", features];
    build(target, "firmware", &only)?;
    Image::read(&sh::target().join(target).join("firmware").join("firmware"))
}

/// The example device: what its image weighs.
fn device(report: &mut Report) -> Result<(), Failure> {
    let image = Image::read_with_modules(&firmware::image()?)?;
    report.put("device.flash", image.flash);
    report.put("device.ram", image.ram);
    report.put("device.panics", image.panic_paths());
    report.notes.push(caller_note("the example device", &image));
    report.forbid("device", &image);
    Ok(())
}

/// The example device as the guide makes it leaner, step by step.
fn lean_devices(report: &mut Report) -> Result<(), Failure> {
    let images = firmware::lean::images(firmware::TARGET)?;
    for (name, path) in [("few", images.few), ("none", images.none)] {
        let image = Image::read(&path)?;
        report.put(format!("device.{name}.flash"), image.flash);
        report.put(format!("device.{name}.ram"), image.ram);
        report.forbid(&format!("device.{name}"), &image);
    }
    Ok(())
}

/// The same images, fast instead of small.
fn fast(report: &mut Report, target: &str) -> Result<(), Failure> {
    build(target, "firmware-fast", &["--package", "kurier-size"])?;
    let folder = sh::target().join(target).join("firmware-fast");
    let read = |name: &str| Image::read(&folder.join(name));
    let (network, producer) = (read("network")?, read("producer")?);
    let firmware = Image::read_with_modules(&folder.join("firmware"))?;
    report.rooms("firmware.fast.code", &firmware);
    report.put("producer.fast.panics", producer.panic_paths());
    report.notes.push(caller_note("the producer at opt-level 3", &producer));
    report.put("firmware.fast.flash.increment", firmware.flash.saturating_sub(network.flash));
    report.put("firmware.fast.panics", firmware.panic_paths());
    report.put("network.fast.flash", network.flash);
    report.put("network.fast.panics", network.panic_paths());
    report.forbid("firmware.fast", &firmware);
    Ok(())
}

/// The source files of ours that most code comes from.
fn largest(image: &Image) -> String {
    let mut ours: Vec<_> = image.modules.iter().filter(|(name, _)| name.starts_with("kurier_")).collect();
    ours.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
    let lines: Vec<_> = ours.iter().take(30).map(|(name, bytes)| format!("{bytes:>9}  {name}")).collect();
    format!("largest sources of the producer, in bytes of code:\n{}", lines.join("\n"))
}

fn caller_note(whose: &str, image: &Image) -> String {
    if image.panics.is_empty() {
        return format!("{whose}: nothing that can panic is linked");
    }
    let callers = image.panics.iter().map(|(name, count)| format!("  {count} in {name}"));
    format!("{whose} can panic in:\n{}", callers.collect::<Vec<_>>().join("\n"))
}

fn build(target: &str, profile: &str, packages: &[&str]) -> Result<(), Failure> {
    let mut cargo = sh::cargo();
    cargo.args(["build", "--quiet", "--profile", profile, "--target", target]).args(packages);
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

/// The `kurier` command as it is shipped, and where it is.
fn command(report: &mut Report) -> Result<PathBuf, Failure> {
    let mut cargo = sh::cargo();
    sh::run(cargo.args(["build", "--quiet", "--profile", "dist", "--package", "kurier-cli"]))?;
    let path = sh::target().join("dist").join("kurier");
    let whole = std::fs::metadata(&path).map_err(failed(path.display()))?.len();
    report.put("cli", whole);
    // Without the line tables and symbols that the file carries.
    let image = Image::read(&path)?;
    report.put("cli.loaded", image.flash);
    Ok(path)
}
