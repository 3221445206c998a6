//! The firmware's image in QEMU: started with its words, listened to, cut off from the network, reset.
//!
//! Invariant: QEMU ends with its [`Device`], whatever the test does.
use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Error, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The Cortex-M3.
pub const M3: &str = "mps2-an385";
/// The Cortex-M4 and M7 that run the same image.
pub const SISTERS: [&str; 2] = ["mps2-an386", "mps2-an500"];
/// This machine's loopback, as the guest sees it.
pub const HOST: &str = "10.0.2.2";

/// A running image.
#[derive(Debug)]
pub struct Device {
    qemu: Child,
    lines: Receiver<String>,
    monitor: PathBuf,
    /// The stream to the monitor, once something was said to it: it serves one at a time.
    talk: RefCell<Option<UnixStream>>,
    /// What it has said so far.
    pub said: Vec<String>,
}

impl Device {
    /// Starts the image that `KURIER_FIRMWARE` names on a machine; `words` are the image's arguments.
    ///
    /// # Errors
    /// The variable is not set, or QEMU does not start.
    pub fn start(machine: &str, words: &[&str]) -> io::Result<Self> {
        Self::start_on("user", machine, words)
    }

    /// As [`Self::start`], on a network that `nic` describes as QEMU's option `-nic` does: its kind and its settings.
    ///
    /// # Errors
    /// As there.
    pub fn start_on(nic: &str, machine: &str, words: &[&str]) -> io::Result<Self> {
        Self::start_image("KURIER_FIRMWARE", nic, machine, words, &[])
    }

    /// As [`Self::start`], on a machine whose clock counts instructions, a nanosecond each.
    ///
    /// # Errors
    /// As there.
    pub fn start_counted(machine: &str, words: &[&str]) -> io::Result<Self> {
        Self::start_image("KURIER_FIRMWARE", "user", machine, words, &["-icount", "shift=0"])
    }

    /// As [`Self::start`], of the image with the feature `log`, which `KURIER_FIRMWARE_LOG` names.
    ///
    /// # Errors
    /// As there.
    pub fn start_logging(machine: &str, words: &[&str]) -> io::Result<Self> {
        Self::start_image("KURIER_FIRMWARE_LOG", "user", machine, words, &[])
    }

    /// As [`Self::start`], of a device that left features out: `KURIER_FIRMWARE_FEW` or `KURIER_FIRMWARE_NONE` names its image.
    ///
    /// # Errors
    /// As there.
    pub fn start_lean(variable: &str, words: &[&str]) -> io::Result<Self> {
        Self::start_image(variable, "user", M3, words, &[])
    }

    fn start_image(
        variable: &str,
        nic: &str,
        machine: &str,
        words: &[&str],
        more: &[&str],
    ) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let image = std::env::var_os(variable)
            .ok_or_else(|| Error::other(format!("{variable} names no image: run `cargo xtask test`")))?;
        let name = format!("kurier-device-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let monitor = std::env::temp_dir().join(name);
        let said: String = words.iter().map(|word| format!(",arg={word}")).collect();
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", machine, "-display", "none", "-serial", "none"]).args(more);
        qemu.arg("-nic").arg(format!("{nic},model=lan9118,id=net0"));
        qemu.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        qemu.arg("-semihosting-config").arg(format!("enable=on,target=native,arg=kurier-firmware{said}"));
        qemu.arg("-kernel").arg(image).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut qemu = qemu.spawn()?;
        let (sender, lines) = channel();
        if let Some(out) = qemu.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(out).lines().map_while(Result::ok);
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
        Ok(Self { qemu, lines, monitor, talk: RefCell::new(None), said: Vec::new() })
    }

    /// Waits for a line that contains `part`, and gives it.
    ///
    /// # Errors
    /// It ends, or the time runs out, before it says so; the error has all that it said.
    pub fn wait_for(&mut self, part: &str, patience: Duration) -> io::Result<String> {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(part) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(Error::other(format!("no `{part}` in {:#?}", self.said)));
                }
            }
        }
    }

    /// Takes what it has said by now, so that [`Self::wait_for`] waits for what comes later.
    pub fn hear(&mut self) {
        self.said.extend(self.lines.try_iter());
    }

    /// Waits for its end; its exit status and its last figures.
    ///
    /// # Errors
    /// It does not end in time, or says no figures.
    pub fn end(mut self, patience: Duration) -> io::Result<(Option<i32>, Figures)> {
        let until = Instant::now() + patience;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.said.push(line);
        }
        let said = format!("{:#?}", self.said);
        let status = loop {
            match self.qemu.try_wait()? {
                Some(status) => break status.code(),
                None if Instant::now() > until => return Err(Error::other(format!("it goes on: {said}"))),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let figures = self.said.iter().rev().find_map(|line| serde_json::from_str(line).ok());
        Ok((status, Figures(figures.ok_or_else(|| Error::other(format!("no figures: {said}")))?)))
    }

    /// Takes the network's cable out, or puts it in again.
    ///
    /// # Errors
    /// QEMU's monitor does not answer.
    pub fn set_link(&self, on: bool) -> io::Result<()> {
        self.command(if on { "set_link net0 on" } else { "set_link net0 off" }).map(drop)
    }

    /// Which of the board's two lamps are on, a bit each.
    ///
    /// # Errors
    /// QEMU's monitor does not answer.
    pub fn lamps(&self) -> io::Result<u32> {
        self.word(0x4002_8000)
    }

    /// Where the stack begins, as the image's first word says.
    ///
    /// # Errors
    /// QEMU's monitor does not answer.
    pub fn stack_start(&self) -> io::Result<u32> {
        self.word(0)
    }

    fn word(&self, address: u32) -> io::Result<u32> {
        // `40028000: 0x00000001`, among what it echoes.
        let said = self.command(&format!("xp /wx {address:#x}"))?;
        let value =
            said.lines().rev().find_map(|line| line.split_once(": 0x")?.1.get(..8).map(str::to_owned));
        value.and_then(|value| u32::from_str_radix(&value, 16).ok()).ok_or_else(|| Error::other(said))
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// QEMU's monitor does not answer.
    pub fn reset(&self) -> io::Result<()> {
        self.command("system_reset").map(drop)
    }

    /// Stops the machine for so long, while its clock goes on: whatever it waits for comes late.
    ///
    /// # Errors
    /// QEMU cannot be stopped.
    pub fn stall(&self, time: Duration) -> io::Result<()> {
        let signal = |name: &str| Command::new("kill").args([name, &self.qemu.id().to_string()]).status();
        signal("-STOP")?;
        std::thread::sleep(time);
        signal("-CONT").map(drop)
    }

    /// Lets the program go on with another value in a register of the core: 13 is the stack pointer, 15 the program counter.
    ///
    /// # Errors
    /// QEMU's monitor or its debugger's stub does not answer.
    pub fn corrupt(&self, register: u8, value: u32) -> io::Result<()> {
        self.debugged(&format!("P{register:x}={:08x}", value.swap_bytes()))
    }

    /// Lets the program go on with another word in its memory.
    ///
    /// # Errors
    /// As [`Self::corrupt`].
    pub fn overwrite(&self, address: u32, word: u32) -> io::Result<()> {
        self.debugged(&format!("M{address:x},4:{:08x}", word.swap_bytes()))
    }

    /// Has the debugger's stub do something in the middle of the program.
    fn debugged(&self, packet: &str) -> io::Result<()> {
        let place = self.monitor.with_extension("gdb");
        self.command(&format!("gdbserver unix:{},server=on,wait=off", place.display()))?;
        let stub = UnixStream::connect(&place);
        // The name is not needed any more.
        let _ = std::fs::remove_file(&place);
        let mut stub = stub?;
        stub.set_read_timeout(Some(Duration::from_secs(5)))?;
        // The stub stops the core for a debugger that comes, and lets it go with one that leaves.
        // It takes one that knows the registers' description only.
        debug(&mut stub, "qXfer:features:read:target.xml:0,100")?;
        debug(&mut stub, packet)?;
        debug(&mut stub, "D")?;
        // The next one is another: there can be one stub.
        self.command("gdbserver none").map(drop)
    }

    /// What the monitor says to a command.
    fn command(&self, line: &str) -> io::Result<String> {
        let mut talk = self.talk.borrow_mut();
        if talk.is_none() {
            let mut monitor = self.reach()?;
            prompt(&mut monitor)?;
            *talk = Some(monitor);
        }
        let monitor = talk.as_mut().ok_or_else(|| Error::other("no monitor"))?;
        monitor.write_all(format!("{line}\n").as_bytes())?;
        prompt(monitor)
    }

    /// QEMU makes its socket a moment after its start.
    fn reach(&self) -> io::Result<UnixStream> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            match UnixStream::connect(&self.monitor) {
                Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                answer => {
                    let monitor = answer?;
                    monitor.set_read_timeout(Some(Duration::from_secs(5)))?;
                    return Ok(monitor);
                }
            }
        }
    }
}

/// One packet to a debugger's stub, and its answer.
fn debug(stub: &mut UnixStream, packet: &str) -> io::Result<()> {
    let sum = packet.bytes().fold(0, u8::wrapping_add);
    write!(stub, "${packet}#{sum:02x}")?;
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !matches!(said[..], [.., b'#', _, _]) {
        stub.read_exact(&mut byte)?;
        said.push(byte[0]);
    }
    let refused = said.windows(2).any(|pair| pair == b"$E" || pair == b"$#");
    stub.write_all(b"+")?;
    if refused { Err(Error::other(String::from_utf8_lossy(&said).into_owned())) } else { Ok(()) }
}

/// What the monitor says until it is ready for a command.
fn prompt(monitor: &mut UnixStream) -> io::Result<String> {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"(qemu) ") {
        monitor.read_exact(&mut byte)?;
        said.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

impl Drop for Device {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = std::fs::remove_file(&self.monitor);
    }
}

/// What an image counted.
#[derive(Debug)]
pub struct Figures(serde_json::Value);

impl Figures {
    /// One of them; those it has not said are `u64::MAX`.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX)
    }
}

/// The number of a sample that the image took, by its record's value.
pub fn number(value: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(value).ok()?.get("n")?.as_u64()
}
