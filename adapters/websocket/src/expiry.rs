//! Until when a certificate is valid: the one field of X.509 (RFC 5280, section 4.1) that a server may look at to warn
//! of what its clients will refuse. Not here: any check of a certificate, which is the clients' affair.
use std::time::{Duration, SystemTime};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Whether it is over at `now`. What cannot be read has not expired.
pub(crate) fn has_expired(certificate: &[u8], now: SystemTime) -> bool {
    not_after(certificate).is_some_and(|end| now > end)
}

fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let (mut body, _) = inside(inside(certificate, SEQUENCE)?.0, SEQUENCE)?;
    if let Some((_, rest)) = inside(body, VERSION) {
        body = rest;
    }
    // The serial number, the algorithm, and the issuer come before.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        body = inside(body, tag)?.1;
    }
    let (validity, _) = inside(body, SEQUENCE)?;
    let (_begin, rest) = inside(validity, UTC_TIME).or_else(|| inside(validity, GENERALIZED_TIME))?;
    match inside(rest, UTC_TIME) {
        Some((text, _)) => {
            // Two digits of the year: from 1950 to 2049.
            let year = number(text.get(..2)?)?;
            time(if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        None => {
            let (text, _) = inside(rest, GENERALIZED_TIME)?;
            time(number(text.get(..4)?)?, text.get(4..)?)
        }
    }
}

/// Contents of the DER value with this tag that `bytes` begin with, and what is behind it.
fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = bytes else { return None };
    if *found != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    if digits.len() > 4 {
        return None;
    }
    rest.split_at_checked(digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
}

/// `MMDDHHMMSSZ` of a year.
fn time(year: u64, rest: &[u8]) -> Option<SystemTime> {
    let mut parts = rest.chunks(2).map(number);
    let mut next = || parts.next().flatten();
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    // Days since 1970, with years that begin in March, so that the leap day is their last.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = ((days.checked_sub(719_468)? * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn ends(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_as_it_was_written() {
        // From `date -u -d 2000-02-29 +%s`; the last has the form for years from 2050.
        for ((year, month, day), seconds) in
            [((2000, 2, 29), 951_782_400), ((2026, 11, 21), 1_795_219_200), ((2051, 3, 1), 2_561_241_600)]
        {
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(not_after(&ends(year, month, day)), Some(end), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn only_what_is_over_has_expired() {
        let certificate = ends(2026, 11, 21);
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200);
        assert!(!has_expired(&certificate, end - Duration::from_secs(1)));
        assert!(has_expired(&certificate, end + Duration::from_secs(1)));
    }

    #[test]
    fn what_is_no_certificate_has_not_expired() {
        let whole = ends(2001, 1, 1);
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200);
        assert!(has_expired(&whole, later));
        for len in 0..100 {
            assert!(!has_expired(&whole[..len], later), "{len}");
        }
        for at in 0..120 {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _either = has_expired(&damaged, later);
        }
    }
}
