//! The bridge with a certificate: wss passes, what is not encrypted does not, and files may change while it runs.
use crate::page::{API_VERSIONS, METADATA, PATIENCE, PRODUCE, Page, Stage, eventually, metadata, produce};
use kurier_bridge::{Kind, Options, Server, StartError, TlsFiles, Topics};
use kurier_broker::codec::object;
use rcgen::{CertificateParams, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A folder of one test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kurier-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A new certificate for `localhost` and its key.
    fn certify(&self) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let files = TlsFiles { cert: self.0.join("cert.pem"), key: self.0.join("key.pem") };
        std::fs::write(&files.cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A TLS connection that trusts the certificate in this file and no other.
fn tls(bridge: &Server, cert: &Path, protocols: &[&[u8]]) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(bridge.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(client, stream)
}

fn page(stage: &Stage, cert: &Path) -> Result<Page<StreamOwned<ClientConnection, TcpStream>>, String> {
    let url = format!("wss://localhost{}", stage.path());
    Page::over(tls(&stage.bridge, cert, &[b"http/1.1"]), url.into_client_request().unwrap())
}

fn secured(files: TlsFiles) -> Stage {
    Stage::new(|options| {
        options.tls = Some(files);
        options.patience = Duration::from_millis(500);
    })
}

#[test]
fn a_page_produces_through_wss() {
    let folder = Folder::new();
    let files = folder.certify();
    let stage = secured(files.clone());
    let mut page = page(&stage, &files.cert).unwrap();
    let id = page.ask(METADATA, 12, &metadata(&["clicks"])).list("topics")[0].uuid("topicId");
    for version in [9, 12, 13] {
        let answer = page.ask(PRODUCE, version, &produce("clicks", id));
        assert_eq!(answer.list("responses")[0].list("partitionResponses")[0].int("errorCode"), 0);
    }
    assert_eq!(stage.logged("clicks"), 3);
    page.send(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(page.refusal(), 4413, "reasons come through it, too");
}

#[test]
fn what_is_not_encrypted_is_told_so_and_goes_no_further() {
    let folder = Folder::new();
    let stage = secured(folder.certify());
    let mut plain = stage.page();
    plain.send(&crate::page::request(API_VERSIONS, 0, 1, &object([])));
    let (code, reason) = plain.answer().unwrap_err();
    assert_eq!(code, 4403);
    assert!(reason.contains("wss://"), "{reason}");
    assert_eq!((stage.heard(), stage.bridge.refusals(Kind::Forbidden)), (vec![], 1));
}

#[test]
fn a_certificate_that_is_not_trusted_is_the_clients_refusal() {
    let (folder, other) = (Folder::new(), Folder::new());
    let stage = secured(folder.certify());
    assert!(page(&stage, &other.certify().cert).is_err_and(|error| error.contains("certificate")));
    eventually("it is counted", || stage.bridge.refusals(Kind::Malformed) == 1);
}

#[test]
fn another_protocol_with_the_same_certificate_is_refused() {
    let folder = Folder::new();
    let files = folder.certify();
    let stage = secured(files.clone());
    let shake = |protocols: &[&[u8]]| {
        let mut stream = tls(&stage.bridge, &files.cert, protocols);
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())
    };
    assert!(shake(&[]).is_ok() && shake(&[b"h2", b"http/1.1"]).is_ok());
    let error = shake(&[b"h2", b"smtp"]).unwrap_err();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn tls_1_2_is_refused() {
    let folder = Folder::new();
    let stage = secured(folder.certify());
    let mut raw = TcpStream::connect(stage.bridge.address()).unwrap();
    raw.set_read_timeout(Some(PATIENCE)).unwrap();
    // A ClientHello of TLS 1.2 with all that the certificate needs (RFC 5246, section 7.4.1.2): version, random, no session,
    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression; then secp256r1, its points as they are, and ECDSA with SHA-256.
    let extensions = b"\0\x0a\0\x04\0\x02\0\x17\0\x0b\0\x02\x01\0\0\x0d\0\x04\0\x02\x04\x03";
    let hello = [&b"\x03\x03"[..], &[7; 32], b"\0\0\x02\xc0\x2b\x01\0\0\x16", extensions].concat();
    let length = u8::try_from(hello.len()).unwrap();
    raw.write_all(&[&[22, 3, 1, 0, length + 4, 1, 0, 0, length], hello.as_slice()].concat()).unwrap();
    let mut alert = Vec::new();
    let _end = raw.read_to_end(&mut alert);
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70], "fatal: protocol_version");
    eventually("it is counted", || stage.bridge.refusals(Kind::Malformed) == 1);
}

#[test]
fn who_is_slow_before_or_amid_the_handshake_is_ended() {
    let folder = Folder::new();
    let stage = secured(folder.certify());
    let beginnings: [&[u8]; 3] = [b"", &[22], &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]];
    for beginning in beginnings {
        let mut raw = TcpStream::connect(stage.bridge.address()).unwrap();
        raw.set_read_timeout(Some(PATIENCE)).unwrap();
        raw.write_all(beginning).unwrap();
        assert_eq!(raw.read(&mut [0; 64]).unwrap_or(0), 0, "{beginning:?}");
    }
    eventually("their places are free", || stage.bridge.open() == 0);
    assert_eq!(stage.bridge.refusals(Kind::Timeout), 3);
}

#[test]
fn a_certificate_is_read_anew_for_connections_to_come() {
    let folder = Folder::new();
    let files = folder.certify();
    let stage = secured(files.clone());
    let mut early = page(&stage, &files.cert).unwrap();
    folder.certify();
    assert!(page(&stage, &files.cert).is_err(), "still the first one");
    stage.bridge.reload_certificate().unwrap();
    let mut late = page(&stage, &files.cert).unwrap();
    std::fs::write(&files.key, "nonsense").unwrap();
    stage.bridge.reload_certificate().unwrap_err();
    for page in [&mut early, &mut late, &mut page(&stage, &files.cert).unwrap()] {
        assert_eq!(page.ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0);
    }
}

#[test]
fn files_of_no_use_are_named_with_what_is_wrong_about_them() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (files, others) = (folder.certify(), other.certify());
    let none = folder.0.join("none.pem");
    let damaged = folder.0.join("damaged.pem");
    let pem = std::fs::read_to_string(&files.cert).unwrap();
    std::fs::write(&damaged, pem.replace('M', "!")).unwrap();
    let encrypted = folder.0.join("encrypted.pem");
    std::fs::write(
        &encrypted,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let cases = [
        (&none, &files.key, "--tls-cert", "No such file"),
        (&files.cert, &none, "--tls-key", "No such file"),
        (&damaged, &files.key, "--tls-cert", "damaged"),
        (&files.key, &files.key, "--tls-cert", "no CERTIFICATE"),
        (&files.cert, &files.cert, "--tls-key", "no PRIVATE KEY"),
        (&files.cert, &encrypted, "--tls-key", "not encrypted"),
        (&files.cert, &others.key, "--tls-key", "is not the key of the first certificate"),
    ];
    for (cert, key, option, words) in cases {
        let mut topics = Topics::new();
        topics.allow("*").unwrap();
        let tls = Some(TlsFiles { cert: cert.clone(), key: key.clone() });
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            bootstrap: vec![("127.0.0.1".into(), 9)],
            topics,
            tls,
            ..Options::default()
        };
        let error = Server::start(options).unwrap_err();
        assert!(matches!(error, StartError::Tls(_)));
        let said = error.to_string();
        assert!(said.contains(option) && said.contains(words), "{said}");
    }
}

#[test]
fn a_bridge_that_stops_says_so_through_tls() {
    let folder = Folder::new();
    let files = folder.certify();
    let stage = secured(files.clone());
    let mut page = page(&stage, &files.cert).unwrap();
    page.ask(API_VERSIONS, 0, &object([]));
    let Stage { bridge, broker: _broker, .. } = stage;
    let ends = std::thread::spawn(move || drop(bridge));
    assert_eq!(page.refusal(), 1001);
    drop(page);
    ends.join().unwrap();
}

#[test]
fn damaged_tls_is_a_refusal_and_no_accident() {
    let folder = Folder::new();
    let files = folder.certify();
    let stage = secured(files.clone());
    let mut page = page(&stage, &files.cert).unwrap();
    page.ask(API_VERSIONS, 0, &object([]));
    // A record of encrypted data that no key fits.
    let record = [&[23, 3, 3, 0, 40][..], &[9; 40]].concat();
    page.0.get_mut().sock.write_all(&record).unwrap();
    eventually("it is counted", || stage.bridge.refusals(Kind::Malformed) == 1);
    assert_eq!(stage.bridge.vanished(), 0);
}
