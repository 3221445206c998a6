//! The programs that are compared.
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A client's program.
#[derive(Debug)]
pub(crate) struct Client {
    /// As in the figures' names.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: &'static [&'static str],
    /// Only run at full speed.
    pub(crate) extra: bool,
}

/// Name, program, arguments, whether it is only run at full speed.
const ALL: &[(&str, &str, &[&str], bool)] = &[
    ("kurier", "kurier", &[], false),
    ("kurier_batch", "kurier", &["--report", "batch"], true),
    ("kurier_future", "kurier", &["--report", "future"], true),
    ("librdkafka", "librdkafka", &[], false),
    ("franz_go", "franz-go", &[], false),
];

/// The clients whose programs are there.
pub(crate) fn all(programs: &BTreeMap<String, PathBuf>) -> Vec<Client> {
    let there = |&(name, program, arguments, extra): &(_, &str, _, _)| {
        let program = programs.get(program)?.clone();
        Some(Client { name, program, arguments, extra })
    };
    ALL.iter().filter_map(there).collect()
}
