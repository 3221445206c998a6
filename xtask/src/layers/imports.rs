//! Which top modules of its crate a source file uses, by `crate::` and `super::` paths wherever they stand.
//!
//! Not a compiler: paths behind a macro's `$name` are not seen. What is only built for tests is left out.
use super::tokens::{Token, tokens};
use std::path::Path;

/// A use of a top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The first name behind `crate::`.
    pub(super) name: String,
    /// Where, from 1.
    pub(super) line: usize,
}

/// The module a file holds: `sender/drain.rs` is `[sender, drain]`. Empty for `lib.rs` and for test modules,
/// which are not checked.
pub(super) fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if let Some(last) = path.last_mut() {
        *last = last.trim_end_matches(".rs").to_owned();
    }
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    if path.iter().any(|part| part == "tests" || part.ends_with("_tests")) { Vec::new() } else { path }
}

/// All uses of top modules in the text of the module `path`.
pub(super) fn imports(source: &str, path: &[String]) -> Vec<Import> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    // Names of inline modules; `None` for any other brace.
    let mut braces: Vec<Option<&str>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let text = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text);
        match token.text {
            "#" if is_test_only(&tokens, at) => at = end_of_item(&tokens, at),
            "mod" if text(2) == "{" => {
                braces.push(Some(text(1)));
                at += 3;
            }
            "{" => {
                braces.push(None);
                at += 1;
            }
            "}" => {
                braces.pop();
                at += 1;
            }
            "crate" | "super" if text(1) == "::" && !is_inside(&tokens, at) => {
                let depth = path.len() + braces.iter().flatten().count();
                at = tree(&tokens, at, depth, &mut found);
            }
            // A renamed root would hide every path behind it.
            "crate" if text(1) == "as" => {
                found.push(Import { name: "crate".to_owned(), line: token.line });
                at += 1;
            }
            _ => at += 1,
        }
    }
    found
}

/// Lines of `extern crate alloc` and `extern crate std`, and of paths into them.
pub(super) fn foreign_roots(source: &str) -> impl Iterator<Item = usize> {
    let tokens = tokens(source);
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.text == "#" && is_test_only(&tokens, at) {
            at = end_of_item(&tokens, at);
            continue;
        }
        let near = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |token| token.text);
        let (before, after) = (near(at.checked_sub(1)), near(Some(at + 1)));
        // `x::std::y` is someone else's module.
        let is_root = before == "crate" || (after == "::" && before != "::");
        if matches!(token.text, "alloc" | "std") && is_root {
            lines.push(token.line);
        }
        at += 1;
    }
    lines.into_iter()
}

/// Whether the word at `at` goes on with a path, as `self` in `x::self::y`, or is a visibility.
fn is_inside(tokens: &[Token<'_>], at: usize) -> bool {
    let before =
        |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at)).map_or("", |token| token.text);
    // `::crate` cannot be written; `pub(in crate::x)` imports nothing.
    before(1) == "in" && before(2) == "("
}

/// Reads a path or a tree of paths that starts `depth` modules below the root, notes which top modules it
/// names, and gives the place behind it.
fn tree(tokens: &[Token<'_>], mut at: usize, mut depth: usize, found: &mut Vec<Import>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "crate" => depth = 0,
            "super" => depth = depth.saturating_sub(1),
            "self" => {}
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = match tokens.get(at).map_or("", |token| token.text) {
                        "," => at + 1,
                        _ => tree(tokens, at, depth, found),
                    };
                }
                return at + 1;
            }
            name => {
                if depth == 0 && name != "}" {
                    found.push(Import { name: name.to_owned(), line: token.line });
                }
                return end_of_path(tokens, at);
            }
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            return at;
        }
        at += 1;
    }
    at
}

/// The place behind the rest of a path, up to the `,`, `;` or `}` of its level. Generic arguments may hold
/// further paths, so outside of braces it is only the name.
fn end_of_path(tokens: &[Token<'_>], at: usize) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut at = at + 1;
    while text(at) == "::" {
        at += 1;
        match text(at) {
            "{" => return behind(tokens, at, "{", "}"),
            "<" => return at,
            _ => at += 1,
        }
    }
    // `name as other` in a tree.
    if text(at) == "as" { at + 2 } else { at }
}

/// Whether an attribute at `at` keeps its item for tests: `#[cfg(test)]`, alone or within `all(...)`.
fn is_test_only(tokens: &[Token<'_>], at: usize) -> bool {
    let texts: Vec<&str> = tokens.iter().skip(at).take(6).map(|token| token.text).collect();
    matches!(texts.as_slice(), ["#", "[", "cfg", "(", "test", ")"] | ["#", "[", "cfg", "(", "all", "("])
        && tokens.get(at..behind(tokens, at + 1, "[", "]")).is_some_and(|attribute| {
            attribute.iter().any(|token| token.text == "test")
                && !attribute.iter().any(|token| token.text == "not")
        })
}

/// The place behind the item whose attribute is at `at`: its `;`, or its closing brace.
fn end_of_item(tokens: &[Token<'_>], at: usize) -> usize {
    let mut at = behind(tokens, at + 1, "[", "]");
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" => {
                let end = behind(tokens, at, "{", "}");
                // The braces of `use a::{b};` are followed by its end.
                return if tokens.get(end).is_some_and(|token| token.text == ";") { end + 1 } else { end };
            }
            "[" => at = behind(tokens, at, "[", "]"),
            "(" => at = behind(tokens, at, "(", ")"),
            _ => at += 1,
        }
    }
    at
}

/// The place behind the bracket that closes the one at `at`.
fn behind(tokens: &[Token<'_>], at: usize, open: &str, close: &str) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        if token.text == open {
            depth += 1;
        } else if token.text == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return place + 1;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str, path: &[&str]) -> Vec<String> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        imports(source, &path).into_iter().map(|import| import.name).collect()
    }

    #[test]
    fn a_file_knows_its_module() {
        let of = |file: &str| module_path(Path::new(file)).join("::");
        assert_eq!(of("sender/drain.rs"), "sender::drain");
        assert_eq!(of("sender/mod.rs"), "sender");
        assert_eq!((of("lib.rs"), of("sender/tests.rs"), of("batch/seal_tests.rs")), Default::default());
    }

    #[test]
    fn nested_trees_and_inline_paths_are_all_seen() {
        assert_eq!(
            names("use crate::{time::{Instant, self}, wire, batch::Meta as M};", &["x"]),
            ["time", "wire", "batch"]
        );
        assert_eq!(
            names("fn f(x: crate::time::Vec<crate::wire::W>) -> crate::pool::P {}", &["x"]),
            ["time", "wire", "pool"]
        );
        assert_eq!(names("fn f() { crate::a::Vec::<crate::b::C>::new() }", &["x"]), ["a", "b"]);
        assert_eq!(
            names("pub(crate) struct S; pub(in crate::y) struct T; use crate as k;", &["x"]),
            ["crate"]
        );
    }

    #[test]
    fn super_counts_from_where_it_stands() {
        assert_eq!(
            names("use super::queue::Queue; use super::super::cluster;", &["accumulator", "append"]),
            ["cluster"]
        );
        assert_eq!(names("use super::{super::wire, queue};", &["accumulator", "append"]), ["wire"]);
        assert_eq!(names("mod inner { use super::super::wire; use super::own; }", &["batch"]), ["wire"]);
        assert_eq!(names("use super::*;", &["batch", "seal"]), Vec::<String>::new());
        assert_eq!(names("use super::*;", &["batch"]), ["*"]);
    }

    #[test]
    fn heap_and_std_are_found_where_they_are_named() {
        let lines: Vec<_> =
            foreign_roots("use core::fmt;\nuse std::io;\nfn f() -> alloc::V {}\nuse x::std::y;").collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn what_is_only_for_tests_is_left_out() {
        let source = "use crate::a; #[cfg(test)] use crate::{b, c}; #[cfg(test)] #[allow(x)] mod tests { use crate::d; \
            fn f() {} } use crate::e; #[cfg(not(test))] use crate::f; #[cfg(all(test, unix))] fn g() { crate::h::i() }";
        assert_eq!(names(source, &["x"]), ["a", "e", "f"]);
    }
}
