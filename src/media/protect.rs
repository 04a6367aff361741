//! SRTP for what one viewer is sent (RFC 3711, RFC 7714), written where it is sent from.
//!
//! The library would do it too, behind a dozen handlers that each move every packet on; see
//! `docs/adr/0013-media-is-protected-here.md`. RTCP, which is little, stays with it: SRTCP has keys and numbers of its own.

use bytes::BytesMut;
use rtc::crypto::{
    AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CryptoError, HmacAlgorithm, Mac, RTCCrypto,
    StreamCipher, StreamCipherAlgorithm,
};
use rtc::rtp;
use rtc::shared::marshal::{Marshal as _, MarshalSize as _};

use super::keys::{MasterKey, Profile};

/// Bytes of a tag: RFC 7714 (14.2) and RFC 5764 (4.1.2).
const GCM_TAG: usize = 16;
const CM_TAG: usize = 10;
const SHA1: usize = 20;
/// Packets that one key may protect (RFC 3711, 9.2).
const MAX_INDEX: u64 = 1 << 48;

pub(super) struct Protector {
    cipher: Cipher,
    salt: [u8; 14],
    streams: Vec<Stream>,
}

enum Cipher {
    Gcm(Box<dyn AeadCipher>),
    Cm(Box<dyn StreamCipher>, Box<dyn Mac>),
}

/// The highest packet index of one SSRC: its sequence number, and how often that began anew.
struct Stream {
    ssrc: u32,
    highest: u64,
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
        Ok(Self { cipher, salt: derive(crypto, master, 2)?, streams: Vec::new() })
    }

    /// The packet as it is sent, written into `room`, which is used again once all that was written there is gone. `None`
    /// of a packet that comes from before its stream's beginning: its number would be another's.
    pub(super) fn protect(&mut self, room: &mut BytesMut, packet: &rtp::Packet) -> Option<BytesMut> {
        let header = &packet.header;
        let header_len = header.marshal_size();
        let index = self.index(header.ssrc, header.sequence_number)?;
        room.clear();
        room.reserve(header_len + packet.payload.len() + GCM_TAG);
        room.resize(header_len, 0);
        header.marshal_to(room).ok()?;
        room.extend_from_slice(&packet.payload);
        self.seal(room, header_len, header.ssrc, index).ok()?;
        Some(room.split())
    }

    fn seal(&mut self, room: &mut BytesMut, header: usize, ssrc: u32, index: u64) -> Result<(), CryptoError> {
        match &mut self.cipher {
            Cipher::Gcm(cipher) => {
                // RFC 7714, 8.1: two zero bytes, the SSRC, the index, and the salt over them.
                let nonce: [u8; 12] = over(&self.salt, 2, ssrc, index);
                let mut tag = [0; GCM_TAG];
                let (header, payload) = room.split_at_mut(header);
                cipher.seal_in_place(&nonce, header, payload, &mut tag)?;
                room.extend_from_slice(&tag);
            }
            Cipher::Cm(cipher, mac) => {
                // RFC 3711, 4.1.1: the same two bytes further, and two more that count the blocks; then 4.2.
                let counter: [u8; 16] = over(&self.salt, 4, ssrc, index);
                cipher.apply_keystream(&counter, &mut room[header..])?;
                let mut tag = [0; SHA1];
                let rollovers = (index >> 16) as u32;
                mac.sign(&[room, &rollovers.to_be_bytes()], &mut tag)?;
                room.extend_from_slice(&tag[..CM_TAG]);
            }
        }
        Ok(())
    }

    /// The index of a packet: of those with its sequence number the one nearest to what was sent (RFC 3711, 3.3.1).
    fn index(&mut self, ssrc: u32, sequence_number: u16) -> Option<u64> {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) else {
            let highest = u64::from(sequence_number);
            self.streams.push(Stream { ssrc, highest });
            return Some(highest);
        };
        let ahead = sequence_number.wrapping_sub(stream.highest as u16) as i16;
        let index = stream.highest.checked_add_signed(ahead.into()).filter(|index| *index < MAX_INDEX)?;
        stream.highest = stream.highest.max(index);
        Some(index)
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
    use rtc::rtp::header::{EXTENSION_PROFILE_ONE_BYTE, Extension};
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
            let (mut protector, mut room) = (protector(profile), BytesMut::new());
            let MasterKey { key, salt, .. } = master(profile);
            let mut receiver = Context::new(&key, &salt[..salt_len], library, None, None, provider.crypto())
                .expect("a context");
            let mut read = |ssrc, number: u32| {
                let sent = packet(ssrc, number as u16);
                let protected = protector.protect(&mut room, &sent).expect("protected");
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
    fn a_packet_from_before_the_beginning_is_not_sent_under_anothers_number() {
        let (mut protector, mut room) = (protector(Profile::Gcm), BytesMut::new());
        assert!(protector.protect(&mut room, &packet(1, 3)).is_some());
        assert!(protector.protect(&mut room, &packet(1, 1)).is_some(), "late");
        assert!(protector.protect(&mut room, &packet(1, 65_530)).is_none());
        let later: Vec<u16> = (1u16..=7).map(|step| step.wrapping_mul(10_000)).collect();
        assert!(later.iter().all(|number| protector.protect(&mut room, &packet(1, *number)).is_some()));
        assert!(protector.protect(&mut room, &packet(1, 65_530)).is_some(), "now that number is its own");
    }

    #[test]
    fn the_same_packet_sent_again_is_the_same_bytes() {
        for (profile, ..) in both() {
            let (mut protector, mut room) = (protector(profile), BytesMut::new());
            let first = protector.protect(&mut room, &packet(1, 9));
            protector.protect(&mut room, &packet(1, 10)).expect("protected");
            assert_eq!(protector.protect(&mut room, &packet(1, 9)), first);
        }
    }
}
