//! SIGINT and SIGTERM, told to whoever waits for events. The first asks to end in good order, the second to end
//! at once. SIGHUP, for who reads its files anew.
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `told` for each SIGINT and SIGTERM from now on, on a thread of its own.
///
/// # Errors
/// The system refuses the handlers or the thread.
pub(crate) fn watch(told: impl Fn() + Send + 'static) -> std::io::Result<()> {
    each(&[SIGINT, SIGTERM], told)
}

/// Calls `told` for each SIGHUP from now on, which ends the process no more.
///
/// # Errors
/// As above.
pub(crate) fn watch_hangups(told: impl Fn() + Send + 'static) -> std::io::Result<()> {
    each(&[SIGHUP], told)
}

fn each(signals: &[i32], told: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let mut signals = Signals::new(signals)?;
    std::thread::Builder::new().name("kurier-signals".to_owned()).spawn(move || {
        for _signal in signals.forever() {
            told();
        }
    })?;
    Ok(())
}
