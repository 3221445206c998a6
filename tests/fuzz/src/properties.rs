//! Any text as a properties file: a configuration, or an error that says what is wrong.

/// Reads `data`.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut config = kurier::config::Config::new();
    let told = |error: &dyn std::fmt::Display| assert!(!error.to_string().is_empty());
    match config.set_properties(text) {
        Ok(()) => match config.check() {
            Ok(_) => {}
            Err(error) => told(&error),
        },
        Err(error) => told(&error),
    }
}
