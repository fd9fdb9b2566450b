//! The framer: bytes in, whole frames out, however the bytes were split.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::SseFrame;

/// Where the scan stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the start of a line: another line end here ends the frame.
    LineStart,
    /// Inside a line.
    Line,
    /// Behind a CR that ended a line; an LF would belong to it.
    AfterCr,
    /// Behind a CR that ended the frame; an LF would belong to it.
    AfterLastCr,
}

/// Cuts a byte stream into frames: the bytes up to and including a blank line.
///
/// The raw bytes of all frames and [`SseFramer::finish`] together are the input, always. A frame
/// that lies in one chunk is a slice of it; each byte is looked at once and copied at most once.
/// A frame longer than the limit is handed out in opaque pieces as they come.
///
/// A blank line that ends with CR is complete only when the next byte is known (an LF would be
/// part of it), or after [`SseFramer::end`].
#[derive(Debug)]
pub struct SseFramer {
    max_frame: usize,
    /// Pushed and not yet looked at.
    input: VecDeque<Bytes>,
    /// The beginning of a frame, looked at.
    partial: BytesMut,
    place: Place,
    /// True inside a frame that is over the limit.
    over: bool,
    /// True until the first frame, which may begin with a byte order mark.
    first: bool,
    ended: bool,
}

impl SseFramer {
    /// A framer whose frames have at most `max_frame` bytes; longer ones come in opaque pieces.
    pub fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            input: VecDeque::new(),
            partial: BytesMut::new(),
            place: Place::LineStart,
            over: false,
            first: true,
            ended: false,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.input.push_back(chunk);
        }
    }

    /// Says that no more bytes come, so that a frame ended by a lone CR is complete.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next frame, or piece of an over-long one; `None` until more bytes are pushed.
    pub fn next_frame(&mut self) -> Option<SseFrame> {
        while let Some(chunk) = self.input.front_mut() {
            let end = scan(&mut self.place, chunk);
            let taken = match end {
                Some(end) => chunk.split_to(end),
                None => std::mem::take(chunk),
            };
            if chunk.is_empty() {
                self.input.pop_front();
            }
            let len = self.partial.len() + taken.len();
            self.over = self.over || len > self.max_frame;
            if end.is_none() && !self.over {
                self.partial.extend_from_slice(&taken);
                continue;
            }
            if let Some(frame) = self.cut(taken, end.is_some()) {
                return Some(frame);
            }
        }
        if self.ended && self.place == Place::AfterLastCr {
            self.place = Place::LineStart;
            return self.cut(Bytes::new(), true);
        }
        None
    }

    /// Makes a frame of the bytes kept and `taken`; `complete` when they end it.
    fn cut(&mut self, taken: Bytes, complete: bool) -> Option<SseFrame> {
        let opaque = self.over;
        let raw = if self.partial.is_empty() {
            taken
        } else {
            self.partial.extend_from_slice(&taken);
            self.partial.split().freeze()
        };
        if complete {
            self.over = false;
        }
        (!raw.is_empty()).then(|| self.frame(raw, opaque))
    }

    fn frame(&mut self, raw: Bytes, opaque: bool) -> SseFrame {
        SseFrame::new(raw, opaque, std::mem::take(&mut self.first))
    }

    /// What is left: the beginning of a frame that never ended, and input not yet asked for.
    pub fn finish(&mut self) -> Option<Bytes> {
        let mut rest = self.partial.split();
        for chunk in self.input.drain(..) {
            rest.extend_from_slice(&chunk);
        }
        self.place = Place::LineStart;
        self.over = false;
        (!rest.is_empty()).then(|| rest.freeze())
    }
}

/// Looks for the end of the frame; returns the index behind it.
fn scan(place: &mut Place, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let byte = *bytes.get(at)?;
        match (*place, byte) {
            (Place::LineStart, b'\n') => return Some(at + 1),
            (Place::LineStart, b'\r') => {
                *place = Place::AfterLastCr;
                at += 1;
            }
            (Place::LineStart, _) => *place = Place::Line,
            (Place::Line, _) => {
                let line_end = at + memchr::memchr2(b'\n', b'\r', bytes.get(at..)?)?;
                let cr = bytes.get(line_end) == Some(&b'\r');
                *place = if cr { Place::AfterCr } else { Place::LineStart };
                at = line_end + 1;
            }
            (Place::AfterCr, byte) => {
                *place = Place::LineStart;
                at += usize::from(byte == b'\n');
            }
            (Place::AfterLastCr, byte) => {
                *place = Place::LineStart;
                return Some(at + usize::from(byte == b'\n'));
            }
        }
    }
}
