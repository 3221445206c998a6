//! What `docs/microcontroller.md` says a storage takes, held against the image that has them.
use crate::sh::{self, Failure, failed};

const DOCUMENT: &str = "docs/microcontroller.md";

/// What the document says of `storages`, by name, that is not so, or says of none of them.
pub(crate) fn differences(storages: &[(String, u64)]) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(sh::top().join(DOCUMENT)).map_err(failed(DOCUMENT))?;
    Ok(compare(&text, storages))
}

fn compare(text: &str, storages: &[(String, u64)]) -> Vec<String> {
    let said: Vec<_> = text.lines().filter_map(row).collect();
    let wrong = |(name, bytes): &(String, u64)| match said.iter().find(|(known, _)| known == name) {
        Some((_, said)) if said == bytes => None,
        Some((_, said)) => Some(format!("{DOCUMENT} says {said} bytes of {name}: it takes {bytes}")),
        None => Some(format!("{DOCUMENT} does not say that {name} takes {bytes} bytes")),
    };
    storages.iter().filter_map(wrong).collect()
}

/// The name and the bytes of a row: either `| 1, 1, 2, 128, 1 | 1 432 |`, or `| ... | 360 | `storage::LINK_BYTES` |`.
fn row(line: &str) -> Option<(String, u64)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let (name, bytes) = match *cells {
        [sizes, bytes] if sizes.contains(", ") => (sizes.replace(", ", "_"), bytes),
        [_, bytes, constant] => {
            (constant.strip_prefix("`storage::")?.strip_suffix('`')?.to_owned(), bytes.split(',').next()?)
        }
        _ => return None,
    };
    Some((format!("storage.{name}"), bytes.replace(' ', "").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn a_number_that_is_not_so_is_named() {
        let text = "| links | bytes |\n|---|---|\n| 1, 1, 2, 128, 1 | 1 432 |\n\
                    | for each link | 360, of which | `storage::LINK_BYTES` |";
        let storages = |sizes: u64, link: u64| {
            [("storage.1_1_2_128_1".to_owned(), sizes), ("storage.LINK_BYTES".to_owned(), link)]
        };
        assert!(compare(text, &storages(1432, 360)).is_empty());
        assert_eq!(compare(text, &storages(1432, 364)).len(), 1);
        assert_eq!(compare(text, &storages(1428, 364)).len(), 2);
        assert_eq!(compare("", &storages(1432, 360)).len(), 2, "a table that is gone");
    }
}
