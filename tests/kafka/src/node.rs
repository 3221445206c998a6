//! One Java process of a cluster: started, awaited by a line of its log, stopped, killed, paused.
use crate::{Failure, process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A broker or a ZooKeeper.
#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    folder: PathBuf,
    starts: u32,
    child: Option<Child>,
}

impl Node {
    /// Not started yet; its log goes to `folder`.
    pub(crate) fn new(name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), folder: folder.into(), starts: 0, child: None }
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it; [`Self::await_line`] tells when it is ready.
    pub(crate) fn start(&mut self, mut command: Command) -> Result<(), Failure> {
        if self.child.is_some() {
            return Err(Failure::new(format!("{} runs already", self.name)));
        }
        self.starts += 1;
        let log = self.log();
        let out = File::create(&log).map_err(Failure::of(log.display()))?;
        let err = out.try_clone().map_err(Failure::of(log.display()))?;
        command.current_dir(&self.folder).stdin(std::process::Stdio::null()).stdout(out).stderr(err);
        self.child =
            Some(process::spawn(command).map_err(Failure::of(format!("cannot start {}", self.name)))?);
        Ok(())
    }

    /// Waits for a line of the log that `ready` accepts.
    pub(crate) fn await_line(&mut self, ready: fn(&str) -> bool, patience: Duration) -> Result<(), Failure> {
        let end = Instant::now() + patience;
        loop {
            let text = self.log_text();
            if text.lines().any(ready) {
                return Ok(());
            }
            let ended = match self.child.as_mut() {
                Some(child) => child.try_wait().map_err(Failure::of(&self.name))?,
                None => return Err(Failure::new(format!("{} does not run", self.name))),
            };
            if ended.is_some() || Instant::now() >= end {
                let how =
                    ended.map_or(format!("was not ready after {patience:?}"), |status| status.to_string());
                let tail: Vec<&str> = text.lines().rev().take(30).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                self.kill();
                return Err(Failure::new(format!("{} {how}; its log ends\n{}", self.name, tail.join("\n"))));
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// SIGTERM, and SIGKILL if that did not do within `patience`; answers whether it was enough.
    pub(crate) fn stop(&mut self, patience: Duration) -> Result<bool, Failure> {
        let Some(child) = self.child.as_mut() else {
            return Err(Failure::new(format!("{} does not run", self.name)));
        };
        process::signal(child.id(), "TERM");
        let ended = process::wait(child, patience).map_err(Failure::of(&self.name))?;
        self.kill();
        Ok(ended)
    }

    /// SIGKILL; nothing happens if it does not run.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failure> {
        let pid = self.pid().ok_or_else(|| Failure::new(format!("{} does not run", self.name)))?;
        process::signal(pid, name);
        Ok(())
    }

    /// Lets the process go on without an owner.
    pub(crate) fn leave(&mut self) {
        self.child = None;
    }

    /// The log of the latest start.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("log-{}.txt", self.starts))
    }

    fn log_text(&self) -> String {
        fs::read(self.log()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Removes folders of test runs that were killed: their names carry the process id of their owner.
pub(crate) fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            // Someone else may sweep at the same time.
            let _removed = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_dies_at_its_start_shows_the_end_of_its_log() {
        let folder = std::env::temp_dir().join(format!("kurier-node-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut node = Node::new("broker 7", &folder);
        let mut command = process::command("sh", false);
        command.args(["-c", "echo no room; exit 1"]);
        node.start(command).unwrap();
        let failure = node.await_line(|line| line.contains("started"), Duration::from_secs(5)).unwrap_err();
        assert!(
            failure.to_string().contains("broker 7") && failure.to_string().contains("no room"),
            "{failure}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
