//! The robot's side over TLS: whom it trusts, and what it says when it does not.

use curfew::agent::{self, Health};
use curfew::clock::SystemClock;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::{RobotLink, RobotServer, fact};

/// A server with a certificate, and the file of the authority that issued it.
struct TlsServer {
    server: RobotServer,
    acceptor: TlsAcceptor,
    folder: TempDir,
}

impl TlsServer {
    async fn start(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"));
        let authority = authority.expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        change(&mut params);
        let certificate = params.signed_by(&key, &authority).expect("signed");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a configuration");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        Self { server: RobotServer::start().await, acceptor: Arc::new(config).into(), folder }
    }

    /// Starts an agent that dials here over https and trusts this server's authority, or only the public ones.
    fn agent(&self, trusts: bool) -> (Health, JoinHandle<()>) {
        let mut config = self.server.agent(&["test"]);
        config.server = config.server.replace("http://", "https://");
        config.ca_file = trusts.then(|| self.folder.path().join("ca.pem"));
        let health = config.health.clone();
        let running = tokio::spawn(async move {
            agent::run(config, SystemClock::shared(), std::future::pending()).await.expect("runs");
        });
        (health, running)
    }

    /// Takes one connection, which is refused, and gives the failure that the agent tells.
    async fn refused(&self, trusts: bool) -> String {
        let (health, running) = self.agent(trusts);
        let (tcp, _) = fact("connection", self.server.listener.accept()).await.expect("accepts");
        assert!(fact("handshake", self.acceptor.accept(tcp)).await.is_err(), "trusted");
        // The next attempt follows what was told about this one.
        let _next = fact("next attempt", self.server.listener.accept()).await.expect("accepts");
        running.abort();
        health.status().failures.pop().expect("a failure").what
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_registers_over_tls_with_an_authority_of_the_labs_own() {
    let tls = TlsServer::start(|_| ()).await;
    let (_, running) = tls.agent(true);
    let (tcp, _) = fact("connection", tls.server.listener.accept()).await.expect("accepts");
    let stream = fact("handshake", tls.acceptor.accept(tcp)).await.expect("trusted");
    let mut link = RobotLink::register(stream).await;
    link.publish(None, 60_000).await;
    assert!(link.offer().await.contains("m=video"));
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_refused_in_words_that_help() {
    let check = async |trusts, change: fn(&mut CertificateParams), expected: &str| {
        let told = TlsServer::start(change).await.refused(trusts).await;
        assert!(told.contains(expected), "{told}");
    };
    check(false, |_| (), "--ca-file").await;
    check(true, |params| params.not_after = date_time_ymd(2020, 1, 1), "expired").await;
    check(true, |params| params.not_before = date_time_ymd(4000, 1, 1), "clock").await;
    let another_name = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("other.example".try_into().expect("a name"))];
    };
    check(true, another_name, "another name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_told_apart() {
    let server = RobotServer::start().await;
    let mut config = server.agent(&["test"]);
    config.server = config.server.replace("http://", "https://");
    let health = config.health.clone();
    let running = tokio::spawn(async move {
        agent::run(config, SystemClock::shared(), std::future::pending()).await.expect("runs");
    });
    for _ in 0..2 {
        let (mut tcp, _) = fact("connection", server.listener.accept()).await.expect("accepts");
        tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("written");
    }
    running.abort();
    let told = health.status().failures.pop().expect("a failure").what;
    assert!(told.contains("Is this the port for https?"), "{told}");
}
