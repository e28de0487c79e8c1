//! Round trips, and bytes that nobody meant.

use super::super::{decode, decode_connect, encode};
use super::{BOTH, any, read, written};
use crate::packet::{Packet, Version};
use bytes::BytesMut;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_written_is_read(packet in any::packet()) {
        prop_assert_eq!(read(Version::V5, &written(Version::V5, &packet)), Ok(Some(packet.clone())));
        if let Some(plain) = any::in_v4(packet.clone()) {
            let bytes = written(Version::V4, &packet);
            prop_assert_eq!(&bytes, &written(Version::V4, &plain), "what 3.1.1 does not have is left out");
            prop_assert_eq!(read(Version::V4, &bytes), Ok(Some(plain)));
        }
    }

    #[test]
    fn a_stream_of_packets_is_the_same_however_it_is_cut(
        packets in prop::collection::vec(any::packet(), 1..6),
        cuts in prop::collection::vec(1_usize..40, 1..50),
    ) {
        for version in BOTH {
            let packets: Vec<_> = packets.iter().filter_map(|packet| match version {
                Version::V4 => any::in_v4(packet.clone()),
                Version::V5 => Some(packet.clone()),
            }).collect();
            let stream = packets.iter().flat_map(|packet| written(version, packet)).collect::<Vec<_>>();
            let (mut rest, mut buffer, mut seen) = (&stream[..], BytesMut::new(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                buffer.extend_from_slice(now);
                rest = later;
                while let Some(packet) = decode(version, &mut buffer, usize::MAX).unwrap() {
                    seen.push(packet);
                }
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(seen, packets);
            prop_assert!(buffer.is_empty());
        }
    }

    #[test]
    fn mutated_packets_never_panic_and_what_is_read_can_be_written(
        packet in any::packet(),
        v4 in any::<bool>(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let from = if v4 && !matches!(packet, Packet::Auth(_)) { Version::V4 } else { Version::V5 };
        let mut bytes = written(from, &packet);
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        never_panics(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), first in any::<u8>(), len in 0_u8..60) {
        never_panics(&bytes);
        never_panics(&[&[first, len], &bytes[..]].concat());
    }
}

fn never_panics(bytes: &[u8]) {
    let _ = decode_connect(&mut BytesMut::from(bytes), usize::MAX);
    for version in BOTH {
        let mut buffer = BytesMut::from(bytes);
        while let Ok(Some(packet)) = decode(version, &mut buffer, usize::MAX) {
            let mut again = BytesMut::new();
            match encode(version, &packet, &mut again) {
                Ok(()) => {
                    // A return code that 3.1.1 does not have is written as its nearest.
                    let packet = if version == Version::V4 { any::in_v4(packet) } else { Some(packet) };
                    assert_eq!(decode(version, &mut again, usize::MAX), Ok(packet));
                }
                // Filters are judged by whoever answers the SUBSCRIBE, not here.
                Err(error) => {
                    assert!(matches!(packet, Packet::Subscribe(_) | Packet::Unsubscribe(_)), "{error}: {packet:?}");
                }
            }
        }
    }
}
