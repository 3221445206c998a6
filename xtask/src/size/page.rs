//! What the package for pages costs: the module and its JavaScript as a bundler delivers them, beside clients of other
//! brokers. `tests/browser/size.mjs` measures.
use super::Report;
use crate::sh::{self, Failure, failed};
use crate::{browser, setup};

/// Puts its bytes by name.
pub(super) fn measure(report: &mut Report) -> Result<(), Failure> {
    browser::build()?;
    if let Err(failure) = setup::npm(&sh::top().join("tests").join("browser").join("peers")) {
        report.notes.push(format!("peers of the page are not measured: {failure}"));
    }
    let said = sh::output(sh::command("node").arg("tests/browser/size.mjs"))?;
    let found: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&said).map_err(failed("tests/browser/size.mjs"))?;
    for (name, value) in found {
        report.put(name, value.as_u64().unwrap_or(0));
    }
    Ok(())
}
