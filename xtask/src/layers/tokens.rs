//! Rust text as the few tokens that paths are made of. Comments, strings and characters are left out.

/// A token and its line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// All tokens: words, `::`, and single other characters.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if let Some(text) = rest.get(..length).filter(|_| !first.is_whitespace()) {
                found.push(Token { text, line });
            }
            length
        });
        let (gone, after) = rest.split_at(length);
        line += gone.matches('\n').count();
        rest = after;
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment, string or character at the start of `rest`.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).map(|after| after.trim_start_matches('#'));
        after.is_some_and(|after| after.starts_with('"'))
    });
    if let Some(prefix) = prefix {
        let body = rest.get(prefix.len()..).unwrap_or_default();
        let hashes = body.len() - body.trim_start_matches('#').len();
        if hashes > 0 || prefix.ends_with('r') {
            let end = format!("\"{}", "#".repeat(hashes));
            let from = prefix.len() + hashes + 1;
            let inside = rest.get(from..).unwrap_or_default();
            return Some(inside.find(&end).map_or(rest.len(), |at| from + at + end.len()));
        }
        return Some(prefix.len() + quoted(body, '"'));
    }
    // A lifetime has no closing quote behind its first character.
    let after = rest.strip_prefix('\'')?;
    let mut characters = after.chars();
    let (first, second) = (characters.next()?, characters.next());
    (first == '\\' || second == Some('\'')).then(|| quoted(rest, '\''))
}

/// The length of a text in quotes with escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth.saturating_sub(1), at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn what_is_quoted_or_commented_is_no_code() {
        assert_eq!(words("a // crate::x\nb /* c /* d */ e */ f"), ["a", "b", "f"]);
        assert_eq!(
            words(r###"g("crate::x \" y", r#"crate::"z"#, b"\\", 'q', '\'', '"')"###).join(""),
            "g(,,,,,)"
        );
        assert_eq!(words("fn f<'a>(x: &'a str)").join(" "), "fn f < ' a > ( x : & ' a str )");
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let found = tokens("/* 1\n2 */ \"3\n\" x\n\ny::z");
        let lines: Vec<_> = found.iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(lines, [("x", 3), ("y", 5), ("::", 5), ("z", 5)]);
    }
}
