//! Where a server's signaling WebSocket is, and the way there: TCP, with TLS for `https`.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};

/// An address of a server.
#[derive(Clone)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    path: String,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error(
        "`{0}` is no server address: use https://HOST:PORT, or http://HOST:PORT within a network that you trust"
    )]
    Malformed(String),
    #[error("no certificate can be read from {0}: {1}")]
    CaFile(String, String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] TlsError),
}

/// Why there is no way to the server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error("no connection: {0}")]
    Io(#[from] std::io::Error),
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(&'static str),
    #[error("TLS failed: {0}. Is this the port for https?")]
    Tls(std::io::Error),
}

/// An open way to a server.
pub(crate) struct Route {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Endpoint {
    /// Reads a server's address; certificates in `ca_file` (PEM) are trusted beside those of the public authorities.
    pub(crate) fn new(server: &str, ca_file: Option<&Path>) -> Result<Self, EndpointError> {
        let malformed = || EndpointError::Malformed(server.to_owned());
        let uri: Uri = server.parse().map_err(|_| malformed())?;
        let is_secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(malformed()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(malformed)?;
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(malformed());
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = match is_secure {
            true => Some(Tls {
                connector: connector(ca_file)?,
                name: host.clone().try_into().map_err(|_| malformed())?,
            }),
            false => None,
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            path: format!("{}/ws", uri.path().trim_end_matches('/')),
            host,
            tls,
        })
    }

    /// Host and port as a `Host` header has them.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The WebSocket's address.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    pub(crate) async fn connect(&self) -> Result<Route, RouteError> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        let (local, remote) = (tcp.local_addr()?, tcp.peer_addr()?);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(Tls { connector, name }) => {
                Box::new(connector.connect(name.clone(), tcp).await.map_err(in_words)?)
            }
        };
        Ok(Route { stream, local, remote })
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(server: &str) -> Result<Self, EndpointError> {
        Self::new(server, None)
    }
}

/// This machine's address on the way to `remote` as the routes are now; none without one. Sends nothing.
pub(crate) fn local_ip_toward(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, EndpointError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let unreadable = |why: String| EndpointError::CaFile(path.display().to_string(), why);
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
        let mut count = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(unreadable("it holds none; it should be in PEM form".to_owned()));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// Says what is wrong with a certificate so that somebody can mend it.
fn in_words(error: std::io::Error) -> RouteError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let Some(TlsError::InvalidCertificate(why)) = tls else { return RouteError::Tls(error) };
    RouteError::Certificate(match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired. Renew it on the server, and check this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet. Check this machine's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name. Use the name that is in the certificate as --server"
        }
        CertificateError::UnknownIssuer => {
            "nobody known has issued it. Give its authority's certificate with --ca-file"
        }
        CertificateError::Revoked => "it was revoked. Get a new one on the server",
        _ => "it is damaged, or of a kind that may not be used for a server",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(server: &str, expected: Option<&str>) {
        let url = Endpoint::new(server, None).ok().map(|endpoint| endpoint.url());
        assert_eq!(url.as_deref(), expected, "{server}");
    }

    #[test]
    fn a_server_address_becomes_the_address_of_its_websocket() {
        check("http://127.0.0.1:8080", Some("ws://127.0.0.1:8080/ws"));
        check("http://lab.example", Some("ws://lab.example:80/ws"));
        check("ws://lab.example/curfew/", Some("ws://lab.example:80/curfew/ws"));
        check("http://[::1]:8080", Some("ws://[::1]:8080/ws"));
        check("https://lab.example", Some("wss://lab.example:443/ws"));
        check("wss://[::1]:8443/curfew", Some("wss://[::1]:8443/curfew/ws"));
        for malformed in [
            "",
            "lab.example:8080",
            "ftp://lab.example",
            "http://lab?token=x",
            "http://u:p@lab",
            "https://a..b",
        ] {
            check(malformed, None);
        }
    }

    #[test]
    fn an_authoritys_file_must_hold_a_certificate() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for content in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(file.path(), content).expect("written");
            let error = Endpoint::new("https://lab.example", Some(file.path())).err().expect("refused");
            assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
        }
        let missing = Endpoint::new("https://lab.example", Some(Path::new("/no/such/file")));
        assert!(matches!(missing, Err(EndpointError::CaFile(..))));
    }

    #[test]
    fn the_way_to_this_machine_is_loopback() {
        let toward = local_ip_toward(([127, 0, 0, 1], 9).into());
        assert_eq!(toward, Some([127, 0, 0, 1].into()));
    }
}
