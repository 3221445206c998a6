//! The input of `produce`: files or stdin, cut into records, each with its place so that an error can name it.
//! Memory is bounded by the longest record there may be, not by the input.
use crate::args::{Format, Separator};
use crate::exit::Error;
use split::{Piece, Splitter};
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

mod base64;
mod json;
mod split;
mod strict;

/// A record as the input describes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft<'a> {
    /// Where to, if the record names it.
    pub topic: Option<Cow<'a, str>>,
    /// The key, or null.
    pub key: Option<Cow<'a, [u8]>>,
    /// The value, or null.
    pub value: Option<Cow<'a, [u8]>>,
    /// Its own headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// From 0.
    pub partition: Option<i32>,
    /// Unix ms, from 0.
    pub timestamp: Option<i64>,
}

/// What comes next in the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A record.
    Record(Draft<'a>),
    /// A record that is longer than any may be: its bytes.
    TooLarge(u64),
    /// A line that describes no record, and why.
    Bad(String),
}

/// How the input is cut.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// Lines or JSON.
    pub format: Format,
    /// Between records.
    pub delimiter: Separator,
    /// Between key and value, for lines.
    pub key_delimiter: Option<Separator>,
    /// An empty value is null.
    pub null: bool,
    /// The largest record there may be, bytes.
    pub max_record: usize,
}

impl Form {
    /// Bytes of a line that are kept. JSON may write a byte with six characters, and has names.
    fn limit(&self) -> usize {
        match self.format {
            Format::Lines => self.max_record,
            Format::Json => self.max_record.saturating_mul(6).saturating_add(65_536),
        }
    }

    fn read<'a>(&self, line: &'a [u8]) -> Result<Draft<'a>, String> {
        let mut draft = match self.format {
            Format::Lines => self.plain(line)?,
            Format::Json => json::record(line)?,
        };
        if self.null && draft.value.as_ref().is_some_and(|value| value.is_empty()) {
            draft.value = None;
        }
        Ok(draft)
    }

    fn plain<'a>(&self, line: &'a [u8]) -> Result<Draft<'a>, String> {
        let Some(Separator(delimiter)) = &self.key_delimiter else {
            return Ok(Draft { value: Some(line.into()), ..Draft::default() });
        };
        let at = memchr::memmem::find(line, delimiter).ok_or("it has no key delimiter (-K)")?;
        let (key, rest) = line.split_at(at);
        let value = rest.get(delimiter.len()..).unwrap_or_default();
        Ok(Draft { key: Some(key.into()), value: Some(value.into()), ..Draft::default() })
    }
}

/// All input, file after file.
pub(crate) struct Input {
    form: Form,
    files: Vec<PathBuf>,
    /// How many of the files were opened.
    opened: usize,
    current: Option<Splitter<Box<dyn Read + Send>>>,
    line: u64,
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which of the files, from 0.
    pub file: usize,
    /// Its line, from 1.
    pub line: u64,
}

impl Input {
    /// Input from these files; none, or `-`, is stdin.
    ///
    /// # Errors
    /// A file that is not there or cannot be read, before anything is.
    pub(crate) fn new(mut files: Vec<PathBuf>, form: Form) -> Result<Self, Error> {
        if files.is_empty() {
            files.push(PathBuf::from("-"));
        }
        for file in files.iter().filter(|file| !is_stdin(file)) {
            let unreadable = |error| Error::usage(format!("{}: {error}", file.display()));
            let metadata = file.metadata().map_err(unreadable)?;
            if metadata.is_dir() {
                return Err(Error::usage(format!("{}: it is a directory", file.display())));
            }
            // A pipe is opened once only, when its turn comes.
            if metadata.is_file() {
                File::open(file).map_err(unreadable)?;
            }
        }
        Ok(Self { form, files, opened: 0, current: None, line: 0 })
    }

    /// What the files are called in messages.
    pub(crate) fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| name(file)).collect()
    }

    /// The next record, or what stands in its place; `None` at the end.
    ///
    /// # Errors
    /// The input cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<(Found, Next<'_>)>, String> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some(current) = &self.current else { return Ok(None) };
        let next = match (current.piece(), self.form.format) {
            (Piece::Whole(line), _) => self.form.read(line).map_or_else(Next::Bad, Next::Record),
            (Piece::TooLong(len), Format::Lines) => Next::TooLarge(len),
            (Piece::TooLong(len), Format::Json) => {
                Next::Bad(format!("{len} bytes are too long for a record"))
            }
        };
        Ok(Some((Found { file: self.opened.saturating_sub(1), line: self.line }, next)))
    }

    fn advance(&mut self) -> Result<bool, String> {
        loop {
            if let Some(current) = &mut self.current {
                let named = |error| {
                    let file = self.opened.checked_sub(1).and_then(|at| self.files.get(at));
                    format!("cannot read {}: {error}", file.map_or_else(String::new, |file| name(file)))
                };
                while current.advance().map_err(named)? {
                    self.line += 1;
                    // JSON Lines has no use for a blank line; a plain one is a record.
                    let blank = matches!(current.piece(), Piece::Whole(line) if line.trim_ascii().is_empty());
                    if self.form.format == Format::Lines || !blank {
                        return Ok(true);
                    }
                }
            }
            let Some(file) = self.files.get(self.opened) else { return Ok(false) };
            let source: Box<dyn Read + Send> = if is_stdin(file) {
                Box::new(std::io::stdin())
            } else {
                Box::new(File::open(file).map_err(|error| format!("cannot open {}: {error}", name(file)))?)
            };
            self.opened += 1;
            self.line = 0;
            self.current = Some(Splitter::new(source, &self.form.delimiter.0, self.form.limit()));
        }
    }
}

fn name(file: &Path) -> String {
    if is_stdin(file) { "stdin".to_owned() } else { file.display().to_string() }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(format: Format) -> Form {
        let newline = Separator(b"\n".to_vec());
        Form { format, delimiter: newline, key_delimiter: None, null: false, max_record: 1000 }
    }

    fn file(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("kurier-input-{}-{name}", std::process::id()));
        std::fs::write(&path, content).expect("a temporary file");
        path
    }

    #[test]
    fn a_line_is_split_at_the_first_key_delimiter() {
        let form = Form { key_delimiter: Some(Separator(b"::".to_vec())), null: true, ..form(Format::Lines) };
        let draft = form.read(b"k::v::w").unwrap();
        assert_eq!((draft.key.as_deref(), draft.value.as_deref()), (Some(&b"k"[..]), Some(&b"v::w"[..])));
        let draft = form.read(b"::").unwrap();
        assert_eq!((draft.key.as_deref(), draft.value), (Some(&b""[..]), None));
        assert!(form.read(b"k:v").unwrap_err().contains("key delimiter"));
    }

    #[test]
    fn files_follow_one_another_and_every_record_knows_its_place() {
        let (a, b) = (file("a", b"1\n2"), file("b", b"\n3\n"));
        let mut input = Input::new(vec![a.clone(), b.clone()], form(Format::Lines)).unwrap();
        let mut found = Vec::new();
        while let Some((at, next)) = input.next().unwrap() {
            let Next::Record(draft) = next else { panic!("{next:?}") };
            let value = String::from_utf8(draft.value.unwrap().into_owned()).unwrap();
            found.push((value, at.file, at.line));
        }
        let expected = [("1", 0, 1), ("2", 0, 2), ("", 1, 1), ("3", 1, 2)];
        assert_eq!(found, expected.map(|(value, file, line)| (value.to_owned(), file, line)));
        std::fs::remove_file(a).unwrap();
        std::fs::remove_file(b).unwrap();
    }

    #[test]
    fn bad_lines_and_records_too_large_do_not_end_the_input() {
        let long = "x".repeat(1001);
        let lines = file("lines", format!("{long}\nok\n").as_bytes());
        let mut input = Input::new(vec![lines.clone()], form(Format::Lines)).unwrap();
        assert_eq!(input.next().unwrap().unwrap().1, Next::TooLarge(1001));
        assert!(matches!(input.next().unwrap(), Some((_, Next::Record(_)))));
        std::fs::remove_file(lines).unwrap();
        let long = "x".repeat(80_000);
        let json = file("json", format!("{{\n\n  \n{long}\n{{\"value\":\"v\"}}").as_bytes());
        let mut input = Input::new(vec![json.clone()], form(Format::Json)).unwrap();
        assert!(matches!(input.next().unwrap(), Some((_, Next::Bad(reason))) if reason.contains("not JSON")));
        assert!(
            matches!(input.next().unwrap(), Some((_, Next::Bad(reason))) if reason.contains("80000 bytes"))
        );
        assert_eq!(input.line, 4);
        assert!(matches!(input.next().unwrap(), Some((_, Next::Record(_)))));
        assert_eq!(input.next().unwrap(), None);
        std::fs::remove_file(json).unwrap();
    }

    #[test]
    fn bad_input_files_that_cannot_be_read_are_named_before_anything_is_sent() {
        for path in [PathBuf::from("no/such/file"), std::env::temp_dir()] {
            let error = Input::new(vec![path.clone()], form(Format::Lines)).err().expect("an error");
            assert!(error.message.contains(&path.display().to_string()), "{error}");
            assert_eq!(error.status, crate::exit::Status::Usage);
        }
    }
}
