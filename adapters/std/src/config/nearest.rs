//! The known key that an unknown one was probably meant to be.

/// The one of `known` that `given` is nearest to, unless nothing is near: one edit, and one more for every
/// three characters. Case and `_` or `-` for `.` cost nothing.
pub(super) fn nearest<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |c: char| if matches!(c, '_' | '-') { '.' } else { c.to_ascii_lowercase() };
    // A key is never this long; what is, has no neighbour and is not worth the time.
    let given: Vec<char> = given.chars().map(plain).take(120).collect();
    let limit = given.len() / 3 + 1;
    known
        .map(|key| (distance(&given, &key.chars().collect::<Vec<_>>()), key))
        .filter(|(distance, key)| *distance <= limit && *distance < key.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Insertions, removals, changes, and swaps of neighbours that lead from `a` to `b` (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, from) in a.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(from != to))
                .min(at(&last, column + 1) + 1)
                .min(at(&line, column) + 1);
            let swapped = column > 0 && previous == Some(to) && b.get(column - 1) == Some(from);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut last, line);
        previous = Some(from);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["linger.ms", "acks", "batch.size", "retry.backoff.max.ms"];

    #[test]
    fn slips_find_their_key() {
        for (given, key) in [
            ("lingr.ms", "linger.ms"),
            ("linger_ms", "linger.ms"),
            ("LINGER.MS", "linger.ms"),
            ("ligner.ms", "linger.ms"),
            ("ack", "acks"),
            ("batchsize", "batch.size"),
            ("retry.backof.max", "retry.backoff.max.ms"),
        ] {
            assert_eq!(nearest(given, KNOWN.into_iter()), Some(key), "{given}");
        }
    }

    #[test]
    fn what_is_near_to_nothing_has_no_neighbour() {
        for given in ["", "x", "completely.different.thing", &"z".repeat(100_000)] {
            assert_eq!(nearest(given, KNOWN.into_iter()), None, "{given}");
        }
    }

    #[test]
    fn distances_count_swaps_once() {
        let d = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(d("abcd", "acbd"), 1);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("abc", ""), 3);
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("same", "same"), 0);
    }
}
