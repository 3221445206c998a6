//! SIGINT and SIGTERM, told to whoever waits for events. The first asks to end in good order, the second to end
//! at once.
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `told` for each SIGINT and SIGTERM from now on, on a thread of its own.
///
/// # Errors
/// The system refuses the handlers or the thread.
pub(crate) fn watch(told: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("kurier-signals".to_owned()).spawn(move || {
        for _signal in signals.forever() {
            told();
        }
    })?;
    Ok(())
}
