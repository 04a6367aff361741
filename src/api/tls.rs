//! TLS from certificate files, which are read again when they change.
//!
//! Handshakes that have begun keep the certificate they began with; a pair that cannot be used is told in the log, and the
//! one before it stays.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::config::CertificateFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} cannot be read as PEM: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} holds no certificate", path.display())]
    NoCertificate { path: PathBuf },
    #[error("the certificate and the key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What the next handshake is made with. Clones share it.
#[derive(Clone, Debug)]
pub struct Tls {
    config: watch::Receiver<Arc<ServerConfig>>,
}

/// Keeps [`Tls`] up to date with the files.
#[derive(Debug)]
pub struct Reloader {
    files: CertificateFiles,
    seen: Option<[Stamp; 2]>,
    config: watch::Sender<Arc<ServerConfig>>,
}

/// What tells a file from the one that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl CertificateFiles {
    fn read(&self) -> Result<ServerConfig, TlsError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |error: rustls::pki_types::pem::Error| TlsError::Unreadable {
                path,
                reason: error.to_string(),
            }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable(&self.certificate))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { path: self.certificate.clone() });
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(unreadable(&self.key))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// None where one of them is not there just now.
    fn stamps(&self) -> Option<[Stamp; 2]> {
        Some([stamp(&self.certificate)?, stamp(&self.key)?])
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp { inode: found.ino(), size: found.len(), changed: (found.mtime(), found.mtime_nsec()) })
}

impl Tls {
    /// Reads the files for the first time.
    pub fn load(files: CertificateFiles) -> Result<(Self, Reloader), TlsError> {
        let seen = files.stamps();
        let (sender, config) = watch::channel(Arc::new(files.read()?));
        Ok((Self { config }, Reloader { files, seen, config: sender }))
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.borrow())
    }

    /// Returns when a newer certificate is in use than when this was called last on this clone.
    pub async fn renewed(&mut self) {
        if self.config.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Reloader {
    /// Looks at the files every few seconds, until nobody uses what they give.
    pub async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = self.config.closed() => return,
            }
            // A disk that hangs must not hold up what else runs on this thread.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(reloader) => self = reloader,
                Err(error) => return tracing::error!(%error, "certificates are no longer looked after"),
            }
        }
    }

    /// Takes over what the files hold, if they changed and it can be used.
    fn look(&mut self) {
        let stamps = self.files.stamps();
        if stamps == self.seen {
            return;
        }
        self.seen = stamps;
        match self.files.read() {
            Ok(config) => {
                self.config.send_replace(Arc::new(config));
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
            }
            Err(error) => tracing::error!(%error, "the new certificate is not used; the one before it stays"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pair {
        certificate: String,
        key: String,
    }

    fn pair() -> Pair {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn files(folder: &Path) -> CertificateFiles {
        CertificateFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
    }

    fn write(files: &CertificateFiles, certificate: &str, key: &str) {
        std::fs::write(&files.certificate, certificate).expect("written");
        std::fs::write(&files.key, key).expect("written");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        let (one, other) = (pair(), pair());
        let cases = [
            ("", one.key.as_str(), "holds no certificate"),
            (one.certificate.as_str(), "", "key.pem cannot be read as PEM"),
            (one.certificate.as_str(), other.key.as_str(), "cannot be used together"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", one.key.as_str(), "cert.pem"),
        ];
        for (certificate, key, expected) in cases {
            write(&files, certificate, key);
            let error = Tls::load(files.clone()).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_new_pair_is_taken_over_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        let first = pair();
        write(&files, &first.certificate, &first.key);
        let (tls, mut reloader) = Tls::load(files.clone()).expect("loads");
        let before = tls.config();
        reloader.look();
        assert!(Arc::ptr_eq(&before, &tls.config()), "nothing changed");
        std::fs::write(&files.certificate, "no certificate at all").expect("written");
        reloader.look();
        assert!(Arc::ptr_eq(&before, &tls.config()), "the one before stays");
        let next = pair();
        write(&files, &next.certificate, &next.key);
        reloader.look();
        assert!(!Arc::ptr_eq(&before, &tls.config()));
    }
}
