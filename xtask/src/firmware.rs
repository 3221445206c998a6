//! `cargo xtask firmware`: the real image, built for a Cortex-M3 and run by QEMU.
pub(crate) mod lean;

use crate::arguments::Arguments;
use crate::setup;
use crate::sh::{self, Failure};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
firmware --bootstrap HOST:PORT --topic T [--records N] [--every MS] [--full refuse|drop] [--linger MS] [--delivery MS] [--naps N]
         [--seed N] [--address A.B.C.D[/LEN] [--router A.B.C.D] [--dns A.B.C.D]] [--machine M] [--log LEVEL]
                                        the device's image in QEMU, as the machine mps2-an385 (Cortex-M3),
                                        mps2-an386 (M4) or mps2-an500 (M7); sends N records (1000; 0 is without end)
                                        and prints what was acknowledged. HOST is seen from the guest: 10.0.2.2 is
                                        this machine's loopback. --log debug or trace builds it with smoltcp's log";

/// This machine's loopback, as the guest sees it.
pub(crate) const HOST: &str = "10.0.2.2";

pub(crate) const TARGET: &str = "thumbv7m-none-eabi";
/// The image's file.
const NAME: &str = "kurier-firmware";
const MACHINES: &[&str] = &["mps2-an385", "mps2-an386", "mps2-an500"];

/// What `log` knows.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    match read(given) {
        Ok((machine, words)) => {
            let logs = words.iter().any(|word| word.starts_with("log="));
            let image = build(if logs { &["--features", "log"] } else { &[] });
            sh::ended(image.and_then(|image| qemu(&machine, &words, &image)))
        }
        Err(code) => code,
    }
}

/// The machine, and the words for the image.
fn read(given: &[String]) -> Result<(String, Vec<String>), ExitCode> {
    let mut arguments = Arguments::new(USAGE, given);
    let machine = arguments.value::<String>("--machine")?.unwrap_or_else(|| MACHINES[0].to_owned());
    let mut words = Vec::new();
    for name in ["bootstrap", "topic"] {
        match arguments.value::<String>(&format!("--{name}"))? {
            Some(value) if !value.is_empty() && !value.contains(|c: char| c == ',' || c.is_whitespace()) => {
                words.push(format!("{name}={value}"));
            }
            Some(value) => return Err(arguments.wrong(&format!("`{value}` is no value for --{name}"))),
            None => return Err(arguments.wrong(&format!("--{name} is missing"))),
        }
    }
    words.push(format!("records={}", arguments.value::<u32>("--records")?.unwrap_or(1000)));
    for name in ["every", "linger", "delivery", "naps", "seed"] {
        if let Some(value) = arguments.value::<u32>(&format!("--{name}"))? {
            words.push(format!("{name}={value}"));
        }
    }
    let address = arguments.value::<String>("--address")?;
    if let Some(word) = &address {
        let (host, length) = word.split_once('/').unwrap_or((word, "24"));
        if host.parse::<Ipv4Addr>().is_err() || !length.parse::<u8>().is_ok_and(|length| length <= 32) {
            return Err(arguments.wrong("--address is A.B.C.D or A.B.C.D/LEN"));
        }
        words.push(format!("address={word}"));
    }
    for name in ["router", "dns"] {
        if let Some(other) = arguments.value::<Ipv4Addr>(&format!("--{name}"))? {
            if address.is_none() {
                return Err(arguments.wrong(&format!("--{name} goes with --address: a lease brings its own")));
            }
            words.push(format!("{name}={other}"));
        }
    }
    if let Some(full) = arguments.value::<String>("--full")? {
        if !["refuse", "drop"].contains(&full.as_str()) {
            return Err(
                arguments.wrong("--full is refuse (the newest sample) or drop (the oldest batch never sent)")
            );
        }
        words.push(format!("full={full}"));
    }
    if let Some(level) = arguments.value::<String>("--log")? {
        if !LEVELS.contains(&level.as_str()) {
            return Err(arguments.wrong(&format!("levels are {}", LEVELS.join(", "))));
        }
        words.push(format!("log={level}"));
    }
    if !MACHINES.contains(&machine.as_str()) {
        return Err(arguments.wrong(&format!("machines are {}", MACHINES.join(", "))));
    }
    arguments.end()?;
    Ok((machine, words))
}

/// Builds the image, and says where it is; installs what that and running it needs.
pub(crate) fn image() -> Result<PathBuf, Failure> {
    build(&[])
}

/// As [`image`], the one with the feature `log`.
pub(crate) fn logging_image() -> Result<PathBuf, Failure> {
    let image = build(&["--features", "log"])?;
    // The next build puts its own in that place.
    let kept = image.with_extension("log");
    std::fs::copy(&image, &kept).map_err(|error| Failure(format!("{}: {error}", kept.display())))?;
    Ok(kept)
}

/// As [`image`], with more options for cargo.
fn build(more: &[&str]) -> Result<PathBuf, Failure> {
    setup::target(TARGET)?;
    setup::debian("qemu-system-arm", "qemu-system-arm")?;
    let folder = sh::target().join("firmware-image");
    let mut cargo = sh::cargo();
    cargo.args(["rustc", "--quiet", "--locked", "--release", "--target", TARGET]);
    cargo.args(["--manifest-path", "adapters/smoltcp/firmware/Cargo.toml", "--target-dir"]).arg(&folder);
    // `cargo xtask size` asks who calls what can panic, which only relocations tell. None of them is loaded.
    sh::run(cargo.args(more).args(["--", "-C", "link-arg=--emit-relocs"]))?;
    Ok(folder.join(TARGET).join("release").join(NAME))
}

fn qemu(machine: &str, words: &[String], image: &std::path::Path) -> Result<(), Failure> {
    let said: String = words.iter().map(|word| format!(",arg={word}")).collect();
    let mut command = sh::command("qemu-system-arm");
    command.args(["-M", machine, "-display", "none", "-monitor", "none", "-serial", "none"]);
    command.args(["-nic", "user,model=lan9118", "-semihosting-config"]);
    command.arg(format!("enable=on,target=native,arg=kurier-firmware{said}")).arg("-kernel").arg(image);
    sh::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::read;

    fn given(line: &str) -> Option<(String, Vec<String>)> {
        read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).ok()
    }

    #[test]
    fn options_become_the_words_of_the_image() {
        let (machine, words) = given("--bootstrap 10.0.2.2:9092 --topic=t --records 7 --every 5").unwrap();
        assert_eq!(machine, "mps2-an385");
        assert_eq!(words, ["bootstrap=10.0.2.2:9092", "topic=t", "records=7", "every=5"]);
    }

    #[test]
    fn an_own_address_has_its_network_its_router_and_its_name_server() {
        let line = "--bootstrap a:1 --topic t --dns 10.0.2.3 --address 10.0.2.44/16 --router 10.0.2.2";
        let words = given(line).unwrap().1;
        assert_eq!(words[3..], ["address=10.0.2.44/16", "router=10.0.2.2", "dns=10.0.2.3"]);
    }

    #[test]
    fn what_the_image_could_not_read_is_refused() {
        for line in [
            "--topic t",
            "--bootstrap 10.0.2.2:9092",
            "--bootstrap a:1 --topic a,arg=b",
            "--bootstrap a:1 --topic t --machine z80",
            "--bootstrap a:1 --topic t --records many",
            "--bootstrap a:1 --topic t --log loud",
            "--bootstrap a:1 --topic t --address ::1",
            "--bootstrap a:1 --topic t --address 10.0.2.44/33",
            "--bootstrap a:1 --topic t --router 10.0.2.2",
            "--bootstrap a:1 --topic t --address 10.0.2.44 --dns broker",
            "--bootstrap a:1 --topic t more",
        ] {
            assert!(given(line).is_none(), "{line}");
        }
    }
}
