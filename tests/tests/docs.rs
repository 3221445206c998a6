//! The documents name commands that exist: a promise whose check was renamed is a promise nobody checks.
#![allow(clippy::expect_used, reason = "tests and their helpers")]
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].iter().map(|name| root().join(name)).collect();
    let docs = fs::read_dir(root().join("docs")).expect("docs/ is there");
    paths.extend(docs.map(|entry| entry.expect("readable").path()));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("readable"))).collect()
}

/// Every Rust file below `folder`, build output left out.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, into);
            }
        } else if name.ends_with(".rs") {
            into.push_str(&fs::read_to_string(&path).expect("readable"));
        }
    }
}

/// The commands in `text` that begin with `start`, whether in backticks or on a line of an example.
fn commands<'t>(text: &'t str, start: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(start).map(|(at, _)| {
        let rest = &text[at..];
        rest[..rest.find(['`', '\n', '#', ';']).unwrap_or(rest.len())].trim()
    })
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut code = String::new();
    for folder in ["core", "adapters", "tests", "xtask"] {
        sources(&root().join(folder), &mut code);
    }
    let mut seen = 0;
    for (path, text) in documents() {
        for command in commands(&text, "cargo test ") {
            let words: Vec<&str> = command.split_whitespace().collect();
            for pair in words.windows(2) {
                let exists = match pair {
                    ["-p", package] => code_names_package(package),
                    ["--test", target] => code_names_target(target),
                    _ => true,
                };
                assert!(exists, "{}: `{command}` names what is not there: {}", path.display(), pair[1]);
            }
            let last = words.last().copied().unwrap_or_default();
            if last.matches('_').count() >= 2
                && !words.iter().rev().nth(1).is_some_and(|w| w.starts_with("--"))
            {
                seen += 1;
                assert!(code.contains(&format!("fn {last}()")), "{}: no test {last}", path.display());
            }
        }
    }
    assert!(seen >= 5, "{seen} tests are named: are the documents still read?");
}

/// A package of the workspace: in the lock file without a registry that it came from.
fn code_names_package(package: &str) -> bool {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("readable");
    let line = format!("name = \"{package}\"\n");
    lock.split("[[package]]").any(|block| block.contains(&line) && !block.contains("source = "))
}

fn code_names_target(target: &str) -> bool {
    let adapters =
        fs::read_dir(root().join("adapters")).expect("readable").flatten().map(|entry| entry.path());
    adapters.chain([root().join("tests")]).any(|folder| {
        let tests = folder.join("tests");
        tests.join(format!("{target}.rs")).exists() || tests.join(target).join("main.rs").exists()
    })
}

#[test]
fn every_command_of_ours_that_a_document_names_is_listed_by_it() {
    let listed = fs::read_to_string(root().join("xtask/src/main.rs")).expect("readable");
    let mut seen = 0;
    for (path, text) in documents() {
        for command in commands(&text, "cargo xtask ") {
            let name =
                command.split_whitespace().nth(2).unwrap_or_default().trim_end_matches([',', '.', ')']);
            if name.is_empty() || name.starts_with(['-', '<']) {
                continue;
            }
            seen += 1;
            let known = listed.contains(&format!("\"{name}\""));
            assert!(known, "{}: `{command}`: no such command", path.display());
        }
    }
    assert!(seen >= 10, "{seen} commands are named: are the documents still read?");
}

#[test]
fn every_link_between_documents_leads_to_a_file() {
    let mut seen = 0;
    for (path, text) in documents() {
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let target = &rest[..rest.find([')', ' ', '\n']).unwrap_or(rest.len())];
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let there = path.parent().is_some_and(|folder| folder.join(file).exists());
            assert!(there, "{}: no file for the link `{target}`", path.display());
        }
    }
    assert!(seen >= 10, "{seen} links: are the documents still read?");
}

#[test]
fn the_readme_leads_to_every_document() {
    let readme = fs::read_to_string(root().join("README.md")).expect("readable");
    for entry in fs::read_dir(root().join("docs")).expect("docs/ is there") {
        let name = entry.expect("readable").file_name();
        let name = name.to_str().expect("a name in UTF-8");
        if name.ends_with(".md") {
            assert!(readme.contains(&format!("](docs/{name})")), "docs/{name} is not linked from README.md");
        }
    }
}
