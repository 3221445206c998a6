//! Child processes that do not survive their owner, and signals by their own process id.
//!
//! A test binary may be killed without running destructors, and a `static` is never dropped. So children
//! are started through `setpriv --pdeathsig`: the kernel ends them with the thread that started them. That
//! thread must therefore last as long as the process, and is a thread of its own.
use crate::Failure;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

/// A command for `program`, ended by the kernel together with this process unless it `outlives` it.
pub fn command(program: impl AsRef<OsStr>, outlives: bool) -> Command {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    let bound = *AVAILABLE.get_or_init(|| {
        let tried =
            Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    });
    if outlives || !bound {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// A command for Java, see [`command`].
pub(crate) fn java(outlives: bool) -> Command {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => command(Path::new(&home).join("bin/java"), outlives),
        None => command("java", outlives),
    }
}

/// Starts `command` from the thread that lasts.
///
/// # Errors
/// It cannot be started.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                // An asker that is gone drops the child, which ends with this process.
                let _gone = answer.send(command.spawn());
            }
        });
        sender
    });
    let (sender, answer) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    orders.send((command, sender)).map_err(|_| io::Error::other("cannot start processes any more"))?;
    answer.recv().map_err(gone)?
}

/// Sends a signal such as `TERM`. A process that is gone already is no error.
pub(crate) fn signal(pid: u32, name: &str) {
    // The shell's own `kill`: the program of that name is missing on small images.
    let _status =
        Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).stderr(Stdio::null()).status();
}

/// Waits until `child` has ended, at most `patience`; answers whether it has.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> io::Result<bool> {
    let end = Instant::now() + patience;
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs `command` with `input` and gives what it wrote to stdout; its stderr is part of the failure.
///
/// Output goes through files, so that a tool with much to say on both streams cannot block.
pub(crate) fn output(mut command: Command, input: &[u8], patience: Duration) -> Result<Vec<u8>, Failure> {
    let shown = shown(&command);
    let trouble = |error: io::Error| Failure::new(format!("{shown}: {error}"));
    let (mut out, mut err) = (scratch().map_err(trouble)?, scratch().map_err(trouble)?);
    let mut given = scratch().map_err(trouble)?;
    given.write_all(input).and_then(|()| given.rewind()).map_err(trouble)?;
    command.stdin(given).stdout(out.try_clone().map_err(trouble)?).stderr(err.try_clone().map_err(trouble)?);
    let mut child = spawn(command).map_err(trouble)?;
    if !wait(&mut child, patience).map_err(trouble)? {
        let _gone = child.kill();
        let _reaped = child.wait();
        return Err(Failure::new(format!("{shown}: no end after {patience:?}\n{}", text(&mut err))));
    }
    let status = child.wait().map_err(trouble)?;
    if !status.success() {
        return Err(Failure::new(format!("{shown}: {status}\n{}{}", text(&mut out), text(&mut err))));
    }
    let mut bytes = Vec::new();
    out.rewind().and_then(|()| out.read_to_end(&mut bytes)).map_err(trouble)?;
    Ok(bytes)
}

/// The command as a person would type it, without the parts that are ours.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ").replacen("setpriv --pdeathsig KILL ", "", 1)
}

/// A file without a name.
fn scratch() -> io::Result<File> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("kurier-scratch-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    match file.rewind().and_then(|()| file.read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = command("sh", false);
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_command_says_is_kept_or_told() {
        let patience = Duration::from_secs(10);
        assert_eq!(output(shell("cat; echo aside >&2"), b"in\n", patience).unwrap(), b"in\n");
        let failure = output(shell("echo why >&2; exit 3"), b"", patience).unwrap_err();
        assert!(failure.to_string().contains("why"), "{failure}");
        let failure = output(shell("sleep 60"), b"", Duration::from_millis(50)).unwrap_err();
        assert!(failure.to_string().contains("no end"), "{failure}");
    }

    #[test]
    fn a_child_outlasts_the_thread_that_asked_for_it() {
        let asked = std::thread::spawn(|| spawn(shell("sleep 60")).unwrap());
        let mut child = asked.join().unwrap();
        assert!(!wait(&mut child, Duration::from_millis(100)).unwrap());
        signal(child.id(), "TERM");
        assert!(wait(&mut child, Duration::from_secs(5)).unwrap());
    }
}
