//! Servers that a command of ours starts, and that end with it.
use crate::sh::{self, Failure, failed};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Processes that end with their user.
#[derive(Default)]
pub(crate) struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended already needs nothing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Running {
    /// Starts a command that says on its first line where it listens, and gives the address.
    pub(crate) fn start(&mut self, mut command: Command) -> Result<String, Failure> {
        command.stdout(Stdio::piped());
        let mut child = kurier_kafka::spawn(command).map_err(failed("cannot start"))?;
        let stdout = child.stdout.take();
        self.0.push(child);
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).map_err(failed("cannot read"))?;
        }
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        if address.is_empty() { Err(Failure("it did not start".to_owned())) } else { Ok(address) }
    }

    /// Waits until the one that was started last ends.
    pub(crate) fn await_last(&mut self) -> Result<(), Failure> {
        self.0.last_mut().map_or(Ok(()), |last| last.wait().map(drop).map_err(failed("a server")))
    }
}

/// A command in the top folder that ends with us, however we do.
pub(crate) fn bound(program: &Path) -> Command {
    let mut command = kurier_kafka::command(program, false);
    command.current_dir(sh::top());
    command
}
