//! Whether a certificate is valid at a time, so that a server may warn of what its clients will refuse. Not here: any
//! other check of a certificate, which is the clients' affair.
//!
//! rustls' own check looks at the times before it looks for the issuer, of which it is given none.
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};

/// What clients would say of its times at `now`. Of what cannot be read nothing is said.
pub(crate) fn trouble(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<&'static str> {
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO));
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let verdict = verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, &[]);
    match verdict.err()? {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Some("has expired")
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => Some("is not valid yet"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    fn certificate(end: (i32, u8, u8), is_ca: IsCa) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(end.0, end.1, end.2);
        params.is_ca = is_ca;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn clients_refuse_it_before_its_first_second_and_after_its_last() {
        // From `date -u -d 2000-02-29 +%s`; the last has the form for years from 2050.
        for (end, seconds) in
            [((2000, 2, 29), 951_782_400), ((2026, 11, 21), 1_795_219_200), ((2051, 3, 1), 2_561_241_600)]
        {
            // One that signs itself may well call itself an authority.
            for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
                let certificate = certificate(end, is_ca);
                let trouble = |seconds| trouble(&certificate, at(seconds));
                assert_eq!(trouble(915_148_799), Some("is not valid yet"), "{end:?}");
                assert_eq!(trouble(915_148_800), None, "{end:?}");
                assert_eq!(trouble(seconds), None, "{end:?}");
                assert_eq!(trouble(seconds + 1), Some("has expired"), "{end:?}");
            }
        }
    }

    #[test]
    fn of_what_is_no_certificate_nothing_is_said() {
        let (whole, later) = (certificate((2001, 1, 1), IsCa::NoCa), at(1_795_219_200));
        assert_eq!(trouble(&whole, later), Some("has expired"));
        for len in 0..whole.len() {
            assert_eq!(trouble(&whole[..len].into(), later), None, "{len}");
        }
    }
}
