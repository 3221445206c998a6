//! The text of a Java `.properties` file: `key=value`, `key: value` or `key value`, comments after `#` or
//! `!`, a line that ends in a backslash continues, and backslash escapes. Not here: what the keys mean.
//!
//! Source: the documentation of `java.util.Properties.load`. Unlike Java, the file is UTF-8, as every tool
//! writes it today, and spaces after a value are dropped.
use super::ConfigError;

/// Every pair of `text`, in order, with the number of its first line.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = Result<(usize, String, String), ConfigError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (at, first) = lines.next()?;
            let first = first.trim_start();
            if first.is_empty() || first.starts_with(['#', '!']) {
                continue;
            }
            let mut line = first.to_owned();
            while continues(&line) {
                line.pop();
                let Some((_, next)) = lines.next() else { break };
                line.push_str(next.trim_start());
            }
            let number = at.saturating_add(1);
            let (key, value) = split(&line);
            return Some(unescape(key, number).and_then(|key| Ok((number, key, unescape(value, number)?))));
        }
    })
}

/// Whether an odd number of backslashes ends the line.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// At the first `=`, `:` or white space that is not escaped; white space around it and at the end goes.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = !escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim())
}

fn unescape(text: &str, line: usize) -> Result<String, ConfigError> {
    let bad = |reason| ConfigError::Line { line, reason };
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    loop {
        let next = chars.next();
        let escape = if next == Some('\\') { chars.next() } else { None };
        if escape == Some('u') {
            let digits: String = chars.by_ref().take(4).collect();
            let hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| hex);
            units.push(unit.ok_or(bad("\\u needs four hex digits"))?);
            continue;
        }
        // Characters beyond 16 bits are written as two \u in a row.
        out.push_str(&String::from_utf16(&units).map_err(|_| bad("\\u with half a character"))?);
        units.clear();
        match (next, escape) {
            (None, _) => return Ok(out),
            (Some('\\'), Some('n')) => out.push('\n'),
            (Some('\\'), Some('t')) => out.push('\t'),
            (Some('\\'), Some('r')) => out.push('\r'),
            (Some('\\'), Some('f')) => out.push('\u{c}'),
            (Some('\\'), Some(other)) => out.push(other),
            (Some('\\'), None) => {}
            (Some(plain), _) => out.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        pairs(text).map(|pair| pair.map(|(_, key, value)| (key, value)).unwrap()).collect()
    }

    #[test]
    fn keys_and_values_are_read_as_java_reads_them() {
        let text = "\u{feff}# comment\n! comment\n\n  acks = all  \nlinger.ms:5\nretries 7\nclient.id=\nlone\n\
                    a\\:b=c=d\nlong=one,\\\n   two\\\\\nx=\\u00e9\\uD83D\\uDE00\\t|\\q\r\n";
        let expected = [
            ("acks", "all"),
            ("linger.ms", "5"),
            ("retries", "7"),
            ("client.id", ""),
            ("lone", ""),
            ("a:b", "c=d"),
            ("long", "one,two\\"),
            ("x", "é😀\t|q"),
        ];
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(read(text), expected);
    }

    #[test]
    fn a_bad_escape_names_its_line() {
        for text in ["ok=1\nx=\\u12g4", "ok=1\nx=\\u12", "ok=1\nx=\\ud800", "ok=1\nx=\\u+123"] {
            let error = pairs(text).find_map(Result::err);
            assert!(matches!(error, Some(ConfigError::Line { line: 2, .. })), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_file_that_ends_in_a_backslash_ends() {
        assert_eq!(read("a=b\\"), [("a".to_owned(), "b".to_owned())]);
    }
}
