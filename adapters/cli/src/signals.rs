//! SIGINT and SIGTERM, told to whoever waits for events. The first asks to end in good order, the second to end
//! at once. SIGHUP, for who reads its files anew.
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Who asks a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGINT: somebody at a terminal.
    Interrupt,
    /// SIGTERM: who manages services.
    Terminate,
}

/// Calls `told` for each SIGINT and SIGTERM from now on, on a thread of its own.
///
/// # Errors
/// The system refuses the handlers or the thread.
pub(crate) fn watch(told: impl Fn() + Send + 'static) -> std::io::Result<()> {
    watch_ends(move |_| told())
}

/// The same for who must know which of them it was.
///
/// # Errors
/// As above.
pub(crate) fn watch_ends(told: impl Fn(End) + Send + 'static) -> std::io::Result<()> {
    each(&[SIGINT, SIGTERM], move |signal| {
        told(if signal == SIGTERM { End::Terminate } else { End::Interrupt })
    })
}

/// Calls `told` for each SIGHUP from now on, which ends the process no more.
///
/// # Errors
/// As above.
pub(crate) fn watch_hangups(told: impl Fn() + Send + 'static) -> std::io::Result<()> {
    each(&[SIGHUP], move |_| told())
}

fn each(signals: &[i32], told: impl Fn(i32) + Send + 'static) -> std::io::Result<()> {
    let mut signals = Signals::new(signals)?;
    std::thread::Builder::new().name("kurier-signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            told(signal);
        }
    })?;
    Ok(())
}
