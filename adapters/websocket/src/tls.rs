//! TLS in front of the WebSocket, for `wss:`: a certificate and its key from files, TLS 1.3 only.
//!
//! What every browser that runs WebAssembly speaks is enough. Client certificates are not asked for: a page cannot
//! show any of its own, the token is for that.
use crate::expiry;
use crate::progress::Moved;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig, version};
use tokio_rustls::server::TlsStream;

/// First byte of what a TLS client sends: a record with a handshake message.
const HANDSHAKE: u8 = 22;

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate first, and behind it those that lead to its authority.
    pub cert: PathBuf,
    /// PEM: the key of the first certificate, not encrypted.
    pub key: PathBuf,
}

/// Why files make no TLS server. Names the option, so that a user knows what to look at.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable(&'static str, PathBuf, io::Error),
    /// A file is damaged, or not PEM.
    Damaged(&'static str, PathBuf),
    /// No certificate is in the file.
    NoCertificate(PathBuf),
    /// No key is in the file, or it is encrypted.
    NoKey(PathBuf),
    /// The key is that of another certificate.
    WrongKey(TlsFiles),
    /// The certificate or its key are of a kind that cannot be used.
    Unusable(TlsFiles, rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(option, file, error) => write!(f, "{option} {}: {error}", file.display()),
            Self::Damaged(option, file) => write!(
                f,
                "{option} {}: the file is damaged; between its BEGIN and END lines must be base64",
                file.display()
            ),
            Self::NoCertificate(file) => {
                write!(f, "--tls-cert {}: no CERTIFICATE is in the file; it must be PEM", file.display())
            }
            Self::NoKey(file) => write!(
                f,
                "--tls-key {}: no PRIVATE KEY is in the file; it must be PEM, and not encrypted",
                file.display()
            ),
            Self::WrongKey(TlsFiles { cert, key }) => write!(
                f,
                "--tls-key {} is not the key of the first certificate in --tls-cert {}",
                key.display(),
                cert.display()
            ),
            Self::Unusable(TlsFiles { cert, key }, error) => {
                write!(f, "--tls-cert {}, --tls-key {}: {error}", cert.display(), key.display())
            }
        }
    }
}

impl std::error::Error for TlsError {}

/// The certificate that is shown, which may change while connections are open.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, current })
    }

    /// Reads the files again, for connections to come. After an error all is as it was.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let cert = contents("--tls-cert", &files.cert)?;
    let key = contents("--tls-key", &files.key)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Damaged("--tls-cert", files.cert.clone()))?;
    let first = chain.first().ok_or_else(|| TlsError::NoCertificate(files.cert.clone()))?;
    if let Some(trouble) = expiry::trouble(first, std::time::SystemTime::now()) {
        log::warn!("--tls-cert {}: the certificate {trouble}; browsers refuse it", files.cert.display());
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(files.key.clone()),
        _ => TlsError::Damaged("--tls-key", files.key.clone()),
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::WrongKey(files.clone())
            }
            error => TlsError::Unusable(files.clone(), error),
        })?;
    // What was meant for a server of another protocol with the same certificate is refused here.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn contents(option: &'static str, file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::Unreadable(option, file.to_owned(), error))
}

/// A client's bytes, encrypted on the way or not, and counted.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    moved: Arc<Moved>,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Shakes hands if the bridge has a certificate and the client begins so. One that does not stays as it is: it
    /// must be told.
    pub(crate) async fn accept(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Wire::Plain(stream).into()) };
        let mut first = [0];
        match stream.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if first != [HANDSHAKE] => Ok(Wire::Plain(stream).into()),
            _ => Ok(Wire::Tls(Box::new(tls.acceptor().accept(stream).await?)).into()),
        }
    }

    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self.wire, Wire::Plain(_))
    }

    /// What goes through from now on.
    pub(crate) fn moved(&self) -> Arc<Moved> {
        Arc::clone(&self.moved)
    }
}

impl From<Wire> for Stream {
    fn from(wire: Wire) -> Self {
        Self { wire, moved: Arc::default() }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { wire, moved } = self.get_mut();
        let before = buf.filled().len();
        let poll = match wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        moved.received.add(buf.filled().len().saturating_sub(before));
        poll
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { wire, moved } = self.get_mut();
        let poll = match wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        if let Poll::Ready(Ok(count)) = poll {
            moved.sent.add(count);
        }
        poll
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
