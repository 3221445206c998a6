//! Images that are run in QEMU for what linking does not tell: instructions, stack, throughput, bytes on the wire.
use crate::firmware;
use crate::running::{Running, bound};
use crate::setup;
use crate::sh::{self, Failure};
use std::path::Path;

/// The Cortex-M3 board, and what the counted image is built for.
const MACHINE: &str = "mps2-an385";
const TARGET: &str = "thumbv7m-none-eabi";
/// Records that the firmware sends.
const RECORDS: u64 = 5000;

/// What the counted image says, by name: instructions for a record, and bytes of stack.
pub(crate) fn counted(profile: &str) -> Result<Vec<(String, u64)>, Failure> {
    setup::target(TARGET)?;
    setup::debian("qemu-system-arm", "qemu-system-arm")?;
    let mut cargo = sh::cargo();
    cargo.args(["build", "--quiet", "--profile", profile, "--target", TARGET]);
    sh::run(cargo.args(["--package", "kurier-size", "--bin", "counted"]))?;
    let image = sh::target().join(TARGET).join(profile).join("counted");
    // An instruction is a nanosecond of the machine's clock, so its timer counts instructions.
    let said = sh::output(qemu("").args(["-icount", "shift=0", "-kernel"]).arg(image))?;
    figures(&said)
}

/// What the device's own image says after so many records to an embedded broker on this machine.
pub(crate) fn firmware(command: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let image = firmware::image()?;
    let (mut running, mut broker) = (Running::default(), bound(command));
    broker.args(["broker", "--listen", "127.0.0.1:0", "--advertise", "10.0.2.2", "--topic", "t"]);
    let address = running.start(broker)?;
    let port = address.rsplit(':').next().unwrap_or_default();
    let words = format!(",arg=kurier-firmware,arg=bootstrap=10.0.2.2:{port},arg=topic=t");
    let mut qemu = qemu(&format!("{words},arg=records={RECORDS}"));
    let said = sh::output(qemu.args(["-nic", "user,model=lan9118", "-kernel"]).arg(image))?;
    let mut found = figures(&said)?;
    let of = |name: &str| found.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value);
    let (acknowledged, ms, stack) = (of("acknowledged"), of("ms").max(1), of("stack"));
    let (wire, batches) = (of("wire_bytes") / RECORDS, of("batch_bytes") / RECORDS);
    if acknowledged != RECORDS {
        return Err(Failure(format!(
            "the firmware had {acknowledged} of {RECORDS} records acknowledged: {said}"
        )));
    }
    found.clear();
    found.push(("records_per_second".to_owned(), RECORDS * 1000 / ms));
    found.push(("wire_bytes_per_record".to_owned(), wire));
    found.push(("batch_bytes_per_record".to_owned(), batches));
    found.push(("stack".to_owned(), stack));
    Ok(found)
}

fn qemu(words: &str) -> std::process::Command {
    let mut command = sh::command("qemu-system-arm");
    command.args(["-M", MACHINE, "-display", "none", "-monitor", "none", "-serial", "none"]);
    command.arg("-semihosting-config").arg(format!("enable=on,target=native{words}"));
    command
}

/// The numbers of the last line that is a JSON object.
fn figures(said: &str) -> Result<Vec<(String, u64)>, Failure> {
    let object = said.lines().rev().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let fields = object.as_ref().and_then(serde_json::Value::as_object);
    let fields = fields.ok_or_else(|| Failure(format!("the image said no figures: {said}")))?;
    Ok(fields.iter().filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect())
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn the_last_object_has_the_figures() {
        let said = "network: up\n{\"each\":1}\n{\"each\":4274,\"stack\":5832}\n";
        let found = figures(said).unwrap();
        assert_eq!(found, [("each".to_owned(), 4274), ("stack".to_owned(), 5832)]);
        assert!(figures("panic: here").is_err());
    }
}
