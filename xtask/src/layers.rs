//! `cargo xtask layers`: the module table in `docs/design.md`, checked against the imports of the core.
//!
//! Invariant of the table: a module may use only modules above its own row, so that no circle can be
//! written down. `lib.rs` stands above all and may use each of them. Nothing in the core may name `alloc` or
//! `std`, and `unsafe` stays forbidden.
use crate::arguments::Arguments;
use crate::sh::{self, Failure, failed};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod imports;
mod tokens;

/// How to use it.
pub(crate) const USAGE: &str = "\
layers                                  the core's imports against the module table of docs/design.md";

const DESIGN: &str = "docs/design.md";
const HEADING: &str = "## Layers";
const NO_HEAP: &str = "the core has no heap and no std";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    if let Err(code) = Arguments::new(USAGE, given).end() {
        return code;
    }
    match check(&sh::top()) {
        Ok(report) if report.wrong.is_empty() => {
            println!("layers: {} imports of {} modules obey {DESIGN}", report.imports, report.modules);
            ExitCode::SUCCESS
        }
        Ok(report) => {
            report.wrong.iter().for_each(|wrong| eprintln!("{wrong}"));
            eprintln!("error: {} import(s) against the table in {DESIGN}", report.wrong.len());
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// One row: a module, and what it may use.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    module: String,
    may_use: Vec<String>,
}

struct Report {
    modules: usize,
    imports: usize,
    wrong: Vec<String>,
}

fn check(top: &Path) -> Result<Report, Failure> {
    let design = fs::read_to_string(top.join(DESIGN)).map_err(failed(DESIGN))?;
    let table = table(&design)?;
    let source = top.join("core/src");
    let mut files = Vec::new();
    collect(&source, &mut files)?;
    files.sort();
    let mut report = Report { modules: 0, imports: 0, wrong: Vec::new() };
    let mut modules: Vec<String> = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap_or(&file);
        let path = imports::module_path(inside);
        let Some(module) = path.first() else { continue };
        if !modules.contains(module) {
            modules.push(module.clone());
        }
        let text = fs::read_to_string(&file).map_err(failed(file.display()))?;
        let shown = format!("core/src/{}", inside.display());
        report.wrong.extend(imports::foreign_roots(&text).map(|line| format!("{shown}:{line}: {NO_HEAP}")));
        for import in imports::imports(&text, &path) {
            report.imports += 1;
            report.wrong.extend(
                verdict(&table, module, &import).map(|why| format!("{shown}:{}: {why}", import.line)),
            );
        }
    }
    let root = fs::read_to_string(source.join("lib.rs")).map_err(failed("core/src/lib.rs"))?;
    report
        .wrong
        .extend(imports::foreign_roots(&root).map(|line| format!("core/src/lib.rs:{line}: {NO_HEAP}")));
    for promise in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        if !root.lines().any(|line| line == promise) {
            report.wrong.push(format!("core/src/lib.rs: `{promise}` is missing"));
        }
    }
    for module in &modules {
        if !table.iter().any(|row| row.module == *module) {
            report.wrong.push(format!("core/src/{module}: `{module}` is not in the table of {DESIGN}"));
        }
    }
    let gone = table.iter().filter(|row| !modules.contains(&row.module));
    report
        .wrong
        .extend(gone.map(|row| format!("{DESIGN}: `{}` is in the table, but not in core/src", row.module)));
    report.modules = modules.len();
    Ok(report)
}

/// Why `module` may not use what it imports.
fn verdict(table: &[Row], module: &str, import: &imports::Import) -> Option<String> {
    if import.name == module {
        return None;
    }
    let row = table.iter().find(|row| row.module == module)?;
    if row.may_use.contains(&import.name) {
        return None;
    }
    let rule = if row.may_use.is_empty() { "nothing".to_owned() } else { row.may_use.join(", ") };
    let known = table.iter().any(|row| row.module == import.name);
    let hint = if known { "" } else { "; import it from the module it is defined in" };
    Some(format!("`{module}` uses `{}`, but may use only: {rule}{hint}", import.name))
}

/// Reads the table below the heading: `| module | ... | may use |`.
fn table(design: &str) -> Result<Vec<Row>, Failure> {
    let wrong = |what: String| Failure(format!("{DESIGN}, `{HEADING}`: {what}"));
    let lines = design.lines().skip_while(|line| line.trim() != HEADING).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with('|'));
    let mut rows: Vec<Row> = Vec::new();
    for line in lines.skip(2) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let (Some(module), Some(may_use)) = (cells.first(), cells.last()) else { continue };
        let module = module.trim_matches('`').to_owned();
        let above: Vec<String> = rows.iter().map(|row| row.module.clone()).collect();
        let may_use = match *may_use {
            "-" => Vec::new(),
            "all above" => above,
            list => {
                let names: Vec<String> =
                    list.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect();
                if let Some(name) = names.iter().find(|name| !above.contains(name)) {
                    return Err(wrong(format!("`{module}` may not use `{name}`, which is not above it")));
                }
                names
            }
        };
        rows.push(Row { module, may_use });
    }
    if rows.is_empty() { Err(wrong("no table there".to_owned())) } else { Ok(rows) }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(failed(folder.display()))? {
        let path = entry.map_err(failed(folder.display()))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Design\n\n## Layers\nText.\n\n| module | what | may use |\n|---|---|---|\n\
        | `time` | clock | - |\n| `wire` | bytes | - |\n| `batch` | records | `time`, `wire` |\n\
        | `sender` | send half | all above |\n\n## Next\n| `other` | x | - |\n";

    fn wrongs(module: &str, source: &str) -> Vec<String> {
        let table = table(TABLE).unwrap();
        let imports = imports::imports(source, &[module.to_owned()]);
        imports.iter().filter_map(|import| verdict(&table, module, import)).collect()
    }

    #[test]
    fn a_forbidden_import_is_named_with_its_rule() {
        let wrong = wrongs("batch", "use crate::time::Instant;\nuse crate::{wire, sender::Sender};\n");
        assert_eq!(wrong, ["`batch` uses `sender`, but may use only: time, wire"]);
        assert!(wrongs("sender", "use crate::{batch, time};").is_empty());
        assert_eq!(wrongs("time", "fn f() { super::wire::parse() }").len(), 1);
    }

    #[test]
    fn a_name_that_is_no_module_is_refused() {
        let wrong = wrongs("batch", "use crate::Instant;");
        assert!(wrong[0].contains("import it from the module"), "{wrong:?}");
    }

    #[test]
    fn a_table_that_would_allow_a_circle_is_refused() {
        let circle = TABLE.replace("| `time` | clock | - |", "| `time` | clock | `batch` |");
        assert!(table(&circle).unwrap_err().to_string().contains("not above"));
        assert!(table("# Design\n").is_err());
    }

    #[test]
    fn the_projects_own_table_can_be_read() {
        let design = fs::read_to_string(sh::top().join(DESIGN)).unwrap();
        assert!(table(&design).unwrap().iter().any(|row| row.module == "sender"));
    }

    #[test]
    fn a_core_with_a_forbidden_import_fails_with_file_and_line() {
        let top = std::env::temp_dir().join(format!("kurier-layers-{}", std::process::id()));
        fs::create_dir_all(top.join("core/src/batch")).unwrap();
        fs::create_dir_all(top.join("docs")).unwrap();
        fs::write(top.join(DESIGN), TABLE).unwrap();
        fs::write(top.join("core/src/batch/seal.rs"), "//! Doc.\n\nuse crate::sender;\n").unwrap();
        fs::write(top.join("core/src/stray.rs"), "#[cfg(test)]\nextern crate std;\nextern crate alloc;")
            .unwrap();
        fs::write(top.join("core/src/lib.rs"), "#![no_std]\n").unwrap();
        for there in ["time", "wire"] {
            fs::write(top.join(format!("core/src/{there}.rs")), "//! Doc.\n").unwrap();
        }
        let report = check(&top).unwrap();
        fs::remove_dir_all(&top).unwrap();
        let expected = [
            "core/src/batch/seal.rs:3: `batch` uses `sender`, but may use only: time, wire".to_owned(),
            format!("core/src/stray.rs:3: {NO_HEAP}"),
            "core/src/lib.rs: `#![forbid(unsafe_code)]` is missing".to_owned(),
            format!("core/src/stray: `stray` is not in the table of {DESIGN}"),
            format!("{DESIGN}: `sender` is in the table, but not in core/src"),
        ];
        assert_eq!(report.wrong, expected);
    }
}
