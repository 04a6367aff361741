//! HTTPS and WSS on the same port, from certificate files that may change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::TestApp;

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Writes a new certificate for `localhost` and its key into the folder; the certificate, to be trusted.
fn new_pair(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(key(folder), made.signing_key.serialize_pem()).expect("written");
    std::fs::write(certificate(folder), made.cert.pem()).expect("written");
    made.cert.pem()
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("cert.pem")
}

fn key(folder: &Path) -> PathBuf {
    folder.join("key.pem")
}

async fn start(files: &Path) -> TestApp {
    TestApp::start_with(|config| {
        config.tls.certificate = Some(certificate(files));
        config.tls.key = Some(key(files));
        config.limits.header_timeout_ms = 1_000;
    })
    .await
}

/// Connects to the server, trusting this certificate alone.
async fn connect(
    app: &TestApp,
    trusted: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(app.app.http_addr).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn connect_any(app: &TestApp, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    connect(app, trusted, rustls::DEFAULT_VERSIONS).await
}

async fn exchange(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.expect("sent");
    let mut reply = Vec::new();
    // A reset, or an end without a word, is a way of closing, too.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).to_lowercase()
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_on_the_port() {
    let files = tempfile::tempdir().expect("a folder");
    let trusted = new_pair(files.path());
    let app = start(files.path()).await;
    assert!(app.app.base_url.starts_with("https://"), "{}", app.app.base_url);
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let stream = connect(&app, &trusted, &[version]).await.expect("connects");
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
        let reply = exchange(stream, HEALTH).await;
        assert!(reply.starts_with("http/1.1 200"), "{reply}");
        assert!(reply.contains("strict-transport-security: max-age="), "{reply}");
    }
    app.stop().await;
}

#[tokio::test]
async fn signaling_runs_within_tls() {
    let files = tempfile::tempdir().expect("a folder");
    let trusted = new_pair(files.path());
    let app = start(files.path()).await;
    let stream = connect_any(&app, &trusted).await.expect("connects");
    let (mut socket, _) =
        tokio_tungstenite::client_async("wss://localhost/ws", stream).await.expect("a WebSocket");
    let register = json!({"event": "register", "data": {"userId": "", "userType": "viewer", "token": "x"}});
    socket.send(register.to_string().into()).await.expect("sent");
    let mut heard = String::new();
    while !heard.contains("error") {
        let message = socket.next().await.expect("a message").expect("readable");
        heard = message.to_text().unwrap_or_default().to_owned();
    }
    assert!(heard.contains("bad_token"), "{heard}");
    app.stop().await;
}

#[tokio::test]
async fn plain_http_is_told_to_speak_https() {
    let files = tempfile::tempdir().expect("a folder");
    new_pair(files.path());
    let app = start(files.path()).await;
    let plain = TcpStream::connect(app.app.http_addr).await.expect("connects");
    let reply = exchange(plain, HEALTH).await;
    assert!(
        reply.starts_with("http/1.1 400") && reply.contains("begin the address with https://"),
        "{reply}"
    );
    app.stop().await;
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_does_not_hold_a_connection() {
    let files = tempfile::tempdir().expect("a folder");
    new_pair(files.path());
    let app = start(files.path()).await;
    for begin in [b"".as_slice(), b"\x16\x03\x01\x02\x00\x01"] {
        let stream = TcpStream::connect(app.app.http_addr).await.expect("connects");
        assert_eq!(exchange(stream, begin).await, "");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_handshake_on_and_a_broken_one_never() {
    let files = tempfile::tempdir().expect("a folder");
    let first = new_pair(files.path());
    let app = start(files.path()).await;
    let mut tls = app.app.tls.clone().expect("TLS is on");
    std::fs::write(certificate(files.path()), "broken").expect("written");
    connect_any(&app, &first).await.expect("the one before stays");
    let next = new_pair(files.path());
    tls.renewed().await;
    connect_any(&app, &next).await.expect("the new one is used");
    assert!(connect_any(&app, &first).await.is_err());
    app.stop().await;
}

#[tokio::test]
async fn a_server_does_not_start_with_a_certificate_that_cannot_be_used() {
    let files = tempfile::tempdir().expect("a folder");
    new_pair(files.path());
    std::fs::write(key(files.path()), "").expect("written");
    let mut config = curfew::config::Config { data: files.path().join("data"), ..Default::default() };
    config.listen = ([127, 0, 0, 1], 0).into();
    config.tls.certificate = Some(certificate(files.path()));
    config.tls.key = Some(key(files.path()));
    let started = curfew::app::App::start(config, curfew::clock::SystemClock::shared()).await;
    let error = format!("{:#}", started.err().expect("it does not start"));
    assert!(error.contains("`tls`") && error.contains("key.pem"), "{error}");
}
