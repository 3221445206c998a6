//! The long-lived Java process: a command a line, its answer in lines until `ok` or an error.
use crate::{Failure, process};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// More than the program's own timeout of 30 s for each of the two steps a command may have.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts the program, which takes commands on its input.
    pub(super) fn start(mut java: Command) -> Result<Self, Failure> {
        java.stdin(Stdio::piped()).stdout(Stdio::piped());
        let gone = || Failure::new("the admin client has no streams");
        let mut child = process::spawn(java).map_err(Failure::of("cannot start the admin client"))?;
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, lines })
    }

    /// Hands a command in, its words separated by tabs, and answers the lines that come back.
    pub(super) fn run(&mut self, command: &str) -> Result<Vec<String>, Failure> {
        let broken = |what: &str| Failure::new(format!("admin `{}`: {what}", command.replace('\t', " ")));
        writeln!(self.input, "{command}").map_err(|error| broken(&error.to_string()))?;
        let mut said = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                // A late answer would be taken for the next command's.
                let _gone = self.child.kill();
                return Err(broken("no answer"));
            };
            match line.strip_prefix('\t') {
                Some(line) => said.push(line.to_owned()),
                None if line == "ok" => return Ok(said),
                None => return Err(broken(line.trim_start_matches("error "))),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
