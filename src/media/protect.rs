//! SRTP for what one viewer is sent (RFC 3711, RFC 7714), written where it is sent from.
//!
//! The library would do it too, behind a dozen handlers that each move every packet on; see
//! `docs/adr/0013-media-is-protected-here.md`. RTCP, which is little, stays with it: SRTCP has keys and numbers of its own.

use rtc::crypto::{
    AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CryptoError, HmacAlgorithm, Mac, RTCCrypto,
    StreamCipher, StreamCipherAlgorithm,
};

use super::extensions::{self, Negotiated, Values};
use super::keys::{MasterKey, Profile};

/// Bytes of a tag: RFC 7714 (14.2) and RFC 5764 (4.1.2).
const GCM_TAG: usize = 16;
const CM_TAG: usize = 10;
const SHA1: usize = 20;
/// Packets that one key may protect (RFC 3711, 9.2).
const MAX_INDEX: u64 = 1 << 48;

/// What is about a packet (RFC 3550, 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) ssrc: u32,
    /// The sequence number, and above it how often that began anew (RFC 3711, 3.3.1). With one SSRC it must not be used for two
    /// different packets: that would give AES-GCM's key away.
    pub(super) index: u64,
    pub(super) payload_type: u8,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
}

impl Header {
    fn write(&self, out: &mut Vec<u8>, values: Option<&Values>, negotiated: &[Negotiated]) {
        let start = out.len();
        let [_, _, _, _, _, _, high, low] = self.index.to_be_bytes();
        let second = self.payload_type & 0x7f | u8::from(self.marker) << 7;
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.to_be_bytes();
        out.extend_from_slice(&[VERSION_2, second, high, low, t0, t1, t2, t3, s0, s1, s2, s3]);
        if values.is_some_and(|values| extensions::write(out, values, negotiated))
            && let Some(first) = out.get_mut(start)
        {
            *first |= EXTENDED;
        }
    }
}

const VERSION_2: u8 = 0x80;
const EXTENDED: u8 = 0x10;

/// What is in a packet.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) extensions: Option<&'a Values>,
    pub(super) negotiated: &'a [Negotiated],
    /// The sequence number that a retransmission carries before its payload (RFC 4588, 4).
    pub(super) original: Option<u16>,
    pub(super) payload: &'a [u8],
}

pub(super) struct Protector {
    cipher: Cipher,
    salt: [u8; 14],
}

enum Cipher {
    Gcm(Box<dyn AeadCipher>),
    Cm(Box<dyn StreamCipher>, Box<dyn Mac>),
}

impl Protector {
    pub(super) fn new(crypto: &dyn RTCCrypto, master: &MasterKey) -> Result<Self, CryptoError> {
        let cipher = match master.profile {
            Profile::Gcm => {
                let key: [u8; 16] = derive(crypto, master, 0)?;
                Cipher::Gcm(crypto.new_aead(AeadAlgorithm::Aes128Gcm, &key)?)
            }
            Profile::Cm => {
                let (key, auth): ([u8; 16], [u8; SHA1]) =
                    (derive(crypto, master, 0)?, derive(crypto, master, 1)?);
                let cipher = crypto.new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, &key)?;
                Cipher::Cm(cipher, crypto.new_hmac(HmacAlgorithm::Sha1, &auth)?)
            }
        };
        Ok(Self { cipher, salt: derive(crypto, master, 2)? })
    }

    /// Writes the packet as it is sent behind what is in `out`. `None`, and nothing written, where the cipher refuses.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, header: &Header, content: Content<'_>) -> Option<()> {
        if header.index >= MAX_INDEX {
            return None;
        }
        let start = out.len();
        header.write(out, content.extensions, content.negotiated);
        let payload = out.len();
        if let Some(original) = content.original {
            out.extend_from_slice(&original.to_be_bytes());
        }
        out.extend_from_slice(content.payload);
        let sealed = self.seal(out, start, payload, header);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed.ok()
    }

    /// Protects what stands in `out`: a header from `start` on, and a payload behind it.
    fn seal(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        payload: usize,
        header: &Header,
    ) -> Result<(), CryptoError> {
        match &mut self.cipher {
            Cipher::Gcm(cipher) => {
                // RFC 7714, 8.1: two zero bytes, the SSRC, the index, and the salt over them.
                let nonce: [u8; 12] = over(&self.salt, 2, header.ssrc, header.index);
                let mut tag = [0; GCM_TAG];
                let (before, payload) = out.split_at_mut(payload);
                cipher.seal_in_place(&nonce, &before[start..], payload, &mut tag)?;
                out.extend_from_slice(&tag);
            }
            Cipher::Cm(cipher, mac) => {
                // RFC 3711, 4.1.1: the same two bytes further, and two more that count the blocks; then 4.2.
                let counter: [u8; 16] = over(&self.salt, 4, header.ssrc, header.index);
                cipher.apply_keystream(&counter, &mut out[payload..])?;
                let mut tag = [0; SHA1];
                let rollovers = (header.index >> 16) as u32;
                mac.sign(&[&out[start..], &rollovers.to_be_bytes()], &mut tag)?;
                out.extend_from_slice(&tag[..CM_TAG]);
            }
        }
        Ok(())
    }
}

/// The SSRC from byte `at` on, the index behind it, and the salt over all.
fn over<const N: usize>(salt: &[u8; 14], at: usize, ssrc: u32, index: u64) -> [u8; N] {
    let mut block = [0; N];
    let [_, _, index @ ..] = index.to_be_bytes();
    for (to, from) in block.iter_mut().skip(at).zip(ssrc.to_be_bytes().into_iter().chain(index)) {
        *to = from;
    }
    for (to, from) in block.iter_mut().zip(salt) {
        *to ^= from;
    }
    block
}

/// A session key (RFC 3711, 4.3): the key stream of the master key, from the salt and the label on.
fn derive<const N: usize>(
    crypto: &dyn RTCCrypto,
    master: &MasterKey,
    label: u8,
) -> Result<[u8; N], CryptoError> {
    let mut key = [0; N];
    for (number, part) in (0u16..).zip(key.chunks_mut(16)) {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&master.salt);
        block[7] ^= label;
        block[14..].copy_from_slice(&number.to_be_bytes());
        crypto.block_encrypt(BlockCipherAlgorithm::Aes128, &master.key, &mut block)?;
        part.copy_from_slice(&block[..part.len()]);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtc::rtp;
    use rtc::rtp::header::{EXTENSION_PROFILE_ONE_BYTE, Extension};
    use rtc::shared::marshal::Marshal as _;
    use rtc::srtp::context::Context;
    use rtc::srtp::protection_profile::ProtectionProfile;

    use super::*;

    fn master(profile: Profile) -> MasterKey {
        let mut salt = [7; 14];
        if profile == Profile::Gcm {
            salt[12..].fill(0);
        }
        MasterKey { profile, key: [5; 16], salt }
    }

    fn packet(ssrc: u32, sequence_number: u16) -> rtp::Packet {
        let extension = Extension { id: 3, payload: Bytes::from_static(b"abc") };
        let extended = sequence_number.is_multiple_of(2);
        let header = rtp::Header {
            version: 2,
            sequence_number,
            ssrc,
            payload_type: 96,
            extension: extended,
            extension_profile: if extended { EXTENSION_PROFILE_ONE_BYTE } else { 0 },
            extensions: if extended { vec![extension] } else { Vec::new() },
            ..Default::default()
        };
        rtp::Packet { header, payload: Bytes::from(vec![sequence_number as u8; 1_000]) }
    }

    /// Protects the packet with that index.
    fn protect(protector: &mut Protector, packet: &rtp::Packet, index: u64) -> Vec<u8> {
        let rtp::Header { ssrc, payload_type, timestamp, marker, .. } = packet.header;
        let header = Header { ssrc, index, payload_type, timestamp, marker };
        let values: Vec<_> =
            packet.header.extensions.iter().map(|extension| ("uri", extension.payload.clone())).collect();
        let values = (!values.is_empty()).then(|| values.into());
        let (extensions, negotiated, payload) = (values.as_ref(), &[(3, "uri")][..], &packet.payload[..]);
        let mut out = b"before".to_vec();
        protector
            .write(&mut out, &header, Content { extensions, negotiated, original: None, payload })
            .expect("protected");
        out.split_off(6)
    }

    fn both() -> [(Profile, ProtectionProfile, usize); 2] {
        [
            (Profile::Gcm, ProtectionProfile::AeadAes128Gcm, 12),
            (Profile::Cm, ProtectionProfile::Aes128CmHmacSha1_80, 14),
        ]
    }

    fn protector(profile: Profile) -> Protector {
        let provider = rtc::crypto::default_provider().expect("a provider");
        Protector::new(provider.crypto(), &master(profile)).expect("keys")
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        let provider = rtc::crypto::default_provider().expect("a provider");
        let key = 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139u128.to_be_bytes();
        let [_, _, salt @ ..] = 0x0EC6_75AD_498A_FEEB_B696_0B3A_ABE6u128.to_be_bytes();
        let master = MasterKey { profile: Profile::Cm, key, salt };
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        let key: [u8; 16] = derive(provider.crypto(), &master, 0).expect("a key");
        let auth: [u8; 20] = derive(provider.crypto(), &master, 1).expect("a key");
        let salt: [u8; 14] = derive(provider.crypto(), &master, 2).expect("a salt");
        assert_eq!(hex(&key), "C61E7A93744F39EE10734AFE3FF7A087");
        assert_eq!(hex(&auth), "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        assert_eq!(hex(&salt), "30CBBC08863D8C85D49DB34A9AE1");
    }

    #[test]
    fn a_receiver_reads_every_stream_through_gaps_reordering_and_rollovers() {
        let provider = rtc::crypto::default_provider().expect("a provider");
        for (profile, library, salt_len) in both() {
            let mut protector = protector(profile);
            let MasterKey { key, salt, .. } = master(profile);
            let mut receiver = Context::new(&key, &salt[..salt_len], library, None, None, provider.crypto())
                .expect("a context");
            let mut read = |ssrc, number: u32| {
                let mut sent = packet(ssrc, number as u16);
                sent.header.marker = number.is_multiple_of(3);
                sent.header.timestamp = number;
                let protected = protect(&mut protector, &sent, number.into());
                assert!(!protected.windows(16).any(|bytes| bytes == [number as u8; 16]), "it can be read");
                let plain = receiver.decrypt_rtp(&protected).expect("it is authentic");
                assert_eq!(plain[..], sent.marshal().expect("bytes")[..], "{profile:?} {number}");
            };
            for number in (65_000..66_000).chain((66_000..200_000).step_by(1_000)) {
                read(1, number);
                read(2, number ^ 1);
            }
            for number in [201_000, 200_999, 201_003, 201_001] {
                read(1, number);
            }
        }
    }

    #[test]
    fn a_retransmission_carries_the_original_sequence_number() {
        let provider = rtc::crypto::default_provider().expect("a provider");
        let (mut protector, mut out) = (protector(Profile::Gcm), Vec::new());
        let header = Header { ssrc: 2, index: 9, payload_type: 97, timestamp: 7, marker: true };
        let content = Content { extensions: None, negotiated: &[], original: Some(500), payload: b"x" };
        protector.write(&mut out, &header, content).expect("protected");
        let mut receiver =
            Context::new(&[5; 16], &[7; 12], ProtectionProfile::AeadAes128Gcm, None, None, provider.crypto())
                .expect("a context");
        let plain = receiver.decrypt_rtp(&out).expect("it is authentic");
        assert_eq!(plain[12..], [&500u16.to_be_bytes()[..], b"x"].concat());
    }

    #[test]
    fn the_same_packet_sent_again_is_the_same_bytes() {
        for (profile, ..) in both() {
            let mut protector = protector(profile);
            let first = protect(&mut protector, &packet(1, 9), 9);
            protect(&mut protector, &packet(1, 10), 10);
            assert_eq!(protect(&mut protector, &packet(1, 9), 9), first);
        }
    }

    #[test]
    fn no_key_protects_more_packets_than_it_may() {
        let (mut protector, mut out) = (protector(Profile::Gcm), Vec::new());
        let header = |index| Header { ssrc: 2, index, payload_type: 97, timestamp: 7, marker: true };
        let content = Content { extensions: None, negotiated: &[], original: None, payload: b"x" };
        assert!(protector.write(&mut out, &header(MAX_INDEX - 1), content).is_some());
        out.clear();
        assert!(protector.write(&mut out, &header(MAX_INDEX), content).is_none() && out.is_empty());
    }
}
