//! Where frames end, in bytes that are passed on as they come.

use bytes::{Bytes, BytesMut};
use codex_plus_wire::frame::{FrameHeader, Opcode, apply_mask};

/// The next bytes to pass on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Any number of data frames, or parts of them.
    Data(Bytes),
    /// One whole control frame.
    Control {
        opcode: Opcode,
        payload: Bytes,
        raw: Bytes,
    },
}

/// Cuts control frames out of a stream; data frames run through without being collected.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// Payload of the current data frame that is still to come.
    remaining: u64,
    /// What came was no frame: from here on everything is passed on unread.
    lost: bool,
}

impl Splitter {
    /// Whether the last piece ended with a frame, so that another may be put behind it.
    pub(super) fn at_boundary(&self) -> bool {
        self.remaining == 0 && !self.lost
    }

    /// Takes the next piece out of `buffer`; none when it holds only the beginning of a frame.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Option<Piece> {
        let mut at = 0;
        while at < buffer.len() {
            if self.lost {
                at = buffer.len();
                break;
            }
            if self.remaining > 0 {
                let here =
                    (buffer.len() - at).min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
                self.remaining -= here as u64;
                at += here;
                continue;
            }
            let rest = buffer.get(at..).unwrap_or_default();
            let (header, length) = match FrameHeader::parse(rest) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break,
                Err(_) => {
                    self.lost = true;
                    continue;
                }
            };
            if !header.opcode.is_control() {
                self.remaining = header.payload_len;
                at += length;
                continue;
            }
            let whole = length + usize::try_from(header.payload_len).unwrap_or(usize::MAX);
            if rest.len() < whole {
                break;
            }
            if at == 0 {
                return Some(control(&header, length, buffer.split_to(whole).freeze()));
            }
            break;
        }
        (at > 0).then(|| Piece::Data(buffer.split_to(at).freeze()))
    }
}

fn control(header: &FrameHeader, length: usize, raw: Bytes) -> Piece {
    let mut payload = BytesMut::from(raw.get(length..).unwrap_or_default());
    if let Some(key) = header.mask {
        apply_mask(&mut payload, key, 0);
    }
    Piece::Control {
        opcode: header.opcode,
        payload: payload.freeze(),
        raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_plus_wire::frame::encode_frame;
    use proptest::prelude::*;

    fn frames(kinds: &[(u8, usize)]) -> (Vec<u8>, usize) {
        let mut stream = Vec::new();
        let mut controls = 0;
        for (kind, len) in kinds {
            let (opcode, len) = match kind % 4 {
                0 => (Opcode::Text, *len),
                1 => (Opcode::Binary, *len),
                2 => (Opcode::Ping, len % 126),
                _ => (Opcode::Pong, len % 126),
            };
            controls += usize::from(opcode.is_control());
            let mask = (kind % 2 == 0).then_some([1, 2, 3, *kind]);
            stream.extend_from_slice(&encode_frame(opcode, &vec![*kind; len], mask));
        }
        (stream, controls)
    }

    proptest! {
        #[test]
        fn any_split_gives_back_the_stream(
            kinds in prop::collection::vec((any::<u8>(), 0_usize..400), 0..12),
            cuts in prop::collection::vec(1_usize..200, 1..40),
        ) {
            let (stream, controls) = frames(&kinds);
            let mut splitter = Splitter::default();
            let mut buffer = BytesMut::new();
            let (mut passed, mut seen) = (Vec::new(), 0);
            let mut rest = stream.as_slice();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                rest = later;
                buffer.extend_from_slice(now);
                while let Some(piece) = splitter.next(&mut buffer) {
                    match piece {
                        Piece::Data(data) => passed.extend_from_slice(&data),
                        Piece::Control { raw, .. } => {
                            seen += 1;
                            passed.extend_from_slice(&raw);
                        }
                    }
                }
            }
            prop_assert_eq!(passed, stream);
            prop_assert_eq!(seen, controls);
            prop_assert!(splitter.at_boundary() && buffer.is_empty());
        }
    }

    #[test]
    fn what_is_no_frame_passes_unread() {
        let mut splitter = Splitter::default();
        let mut buffer = BytesMut::from(&b"\x83\x00 not websocket"[..]);
        assert_eq!(
            splitter.next(&mut buffer),
            Some(Piece::Data(Bytes::from_static(b"\x83\x00 not websocket")))
        );
        assert!(!splitter.at_boundary());
    }
}
