//! The keys of a viewer's SRTP, overheard: the library hands out none. What it does let a caller have is its cryptography, and
//! there the derivation of SRTP's session keys (RFC 3711, 4.3.1) is the only use of a bare block cipher. It begins with
//! what this end sends, and that with label 0: the key of the first block is the master key, and the block is the salt.
//!
//! Everything is passed on to the library's own provider; nothing is computed here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey,
    RTCCrypto, RTCCryptoProvider, RTCRandom, SignatureScheme, SigningKey, StreamCipher,
    StreamCipherAlgorithm,
};

/// How packets are protected: the profiles that `build.rs` offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// SRTP_AEAD_AES_128_GCM (RFC 7714, 14.2).
    Gcm,
    /// SRTP_AES128_CM_HMAC_SHA1_80 (RFC 5764, 4.1.2).
    Cm,
}

/// The master key and salt of what this end sends. Not to be printed.
#[derive(Clone, Copy)]
pub(super) struct MasterKey {
    pub(super) profile: Profile,
    pub(super) key: [u8; 16],
    /// GCM's is two bytes shorter: they are zero.
    pub(super) salt: [u8; 14],
}

#[derive(Default)]
struct Heard {
    master: Option<([u8; 16], [u8; 14])>,
    profile: Option<Profile>,
}

/// What was overheard of one connection.
#[derive(Clone, Default)]
pub(super) struct Keys(Arc<Mutex<Heard>>);

impl Keys {
    /// A provider that leaves the keys here.
    pub(super) fn listen_to(&self, inner: Arc<dyn RTCCryptoProvider>) -> Arc<dyn RTCCryptoProvider> {
        let crypto = Listening { inner: Arc::clone(&inner), keys: self.clone() };
        Arc::new(Provider { inner, crypto })
    }

    /// The keys, once DTLS is done; they are not kept.
    pub(super) fn take(&self) -> Option<MasterKey> {
        let Heard { master, profile } = std::mem::take(&mut *self.heard());
        let (key, salt) = master?;
        Some(MasterKey { profile: profile?, key, salt })
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear_block(&self, key: &[u8], block: &[u8]) {
        let salt = block.get(..14).and_then(|salt| salt.try_into().ok());
        let mut heard = self.heard();
        if heard.master.is_none() {
            heard.master = key.try_into().ok().zip(salt);
        }
    }

    /// The first cipher that is made after the first block is the one it was derived for; those of DTLS were made before.
    fn hear_cipher(&self, profile: Profile) {
        let mut heard = self.heard();
        if heard.master.is_some() {
            heard.profile.get_or_insert(profile);
        }
    }
}

struct Provider {
    inner: Arc<dyn RTCCryptoProvider>,
    crypto: Listening,
}

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        &self.crypto
    }

    fn random(&self) -> &dyn RTCRandom {
        self.inner.random()
    }
}

struct Listening {
    inner: Arc<dyn RTCCryptoProvider>,
    keys: Keys,
}

impl RTCCrypto for Listening {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.inner.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.keys.hear_block(key, block);
        self.inner.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.inner.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.keys.hear_cipher(Profile::Cm);
        self.inner.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        self.keys.hear_cipher(Profile::Gcm);
        self.inner.crypto().new_aead(algorithm, key)
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.inner.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.inner.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        pkcs8_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().import_signing_key(scheme, pkcs8_der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.crypto().verify_signature(scheme, public_key, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use rtc::srtp::context::Context;
    use rtc::srtp::protection_profile::ProtectionProfile;

    use super::*;

    #[test]
    fn what_this_end_sends_with_is_overheard_and_given_away_once() {
        for (library, profile, salt) in [
            (ProtectionProfile::AeadAes128Gcm, Profile::Gcm, &[2; 12][..]),
            (ProtectionProfile::Aes128CmHmacSha1_80, Profile::Cm, &[2; 14][..]),
        ] {
            let keys = Keys::default();
            let provider = keys.listen_to(rtc::crypto::default_provider().expect("a provider"));
            let dtls = provider.crypto().new_aead(AeadAlgorithm::Aes128Gcm, &[9; 16]);
            assert!(dtls.is_ok() && keys.take().is_none(), "that is no key of SRTP");
            for (key, salt) in [([1; 16], salt), ([3; 16], salt)] {
                let context = Context::new(&key, salt, library, None, None, provider.crypto());
                assert!(context.is_ok());
            }
            let heard = keys.take().expect("overheard");
            assert_eq!((heard.profile, heard.key), (profile, [1; 16]));
            assert_eq!(heard.salt[..12], [2; 12]);
            assert_eq!(heard.salt[12..], if profile == Profile::Gcm { [0; 2] } else { [2; 2] });
            assert!(keys.take().is_none());
        }
    }
}
