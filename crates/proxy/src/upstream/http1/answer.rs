//! An answer's bytes as they come, told apart: its head, the pieces of its body, its trailers.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use codex_plus_wire::framing::{BodyReader, FramingError};
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};

use super::error::{AnswerFault, BadHead, Broken};
use super::head;
use super::reading::Came;

/// An answer as far as it came.
pub(super) struct Answer {
    to_head: bool,
    /// What came and was not yet handed on.
    came: Bytes,
    body: BodyReader,
    trailers: Option<HeaderMap>,
    /// What is behind the piece that was handed on last is broken.
    fault: Option<AnswerFault>,
    /// Whether the connection may serve another request.
    keeps: bool,
}

impl Answer {
    pub(super) fn new(to_head: bool) -> Self {
        Self {
            to_head,
            came: Bytes::new(),
            body: BodyReader::length(0),
            trailers: None,
            fault: None,
            keeps: false,
        }
    }

    /// Reads on at the head; the head when it is whole.
    pub(super) fn head(&mut self, came: &Came<'_>) -> Result<Option<Response<()>>, Broken> {
        let fresh = match came {
            Came::Lent(bytes) => bytes,
            Came::Own(bytes) => &bytes[..],
            Came::End => return Err(Broken::Closed),
        };
        if self.came.is_empty() {
            let (used, head) = head::read(fresh, self.to_head)?;
            return Ok(self.begin(head, Bytes::copy_from_slice(&fresh[used..])));
        }
        let looked = self.came.len();
        let mut bytes = BytesMut::from(std::mem::take(&mut self.came));
        bytes.extend_from_slice(fresh);
        if !head::may_end(&bytes, looked) {
            if bytes.len() >= head::LONGEST {
                return Err(BadHead::TooLarge.into());
            }
            self.came = bytes.freeze();
            return Ok(None);
        }
        let (used, head) = head::read(&bytes, self.to_head)?;
        bytes.advance(used);
        Ok(self.begin(head, bytes.freeze()))
    }

    fn begin(&mut self, head: Option<head::Head>, rest: Bytes) -> Option<Response<()>> {
        let Some(head) = head else {
            self.came = rest;
            return None;
        };
        self.body = head.body;
        self.keeps = head.keeps;
        if !rest.is_empty() {
            if self.body.is_ended() {
                self.keeps = false;
            } else {
                self.came = rest;
            }
        }
        Some(head.response)
    }

    /// What can be handed on without reading more; `None` when there is nothing.
    pub(super) fn next(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        let piece = match &self.came {
            came if came.is_empty() => None,
            _ => {
                let came = std::mem::take(&mut self.came);
                self.body_of(Came::Own(came))
            }
        };
        if let Some(piece) = piece {
            return Some(Ok(Frame::data(piece)));
        }
        if let Some(fault) = self.fault.take() {
            return Some(Err(Broken::Answer(fault)));
        }
        self.trailers
            .take()
            .map(|trailers| Ok(Frame::trailers(trailers)))
    }

    /// Whether all of it was handed on.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_ended() && self.trailers.is_none() && self.fault.is_none()
    }

    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body
            .left()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The first piece of the body in what came; the rest of it waits.
    pub(super) fn body_of(&mut self, came: Came<'_>) -> Option<Bytes> {
        match came {
            Came::Lent(bytes) => {
                let (piece, rest) = self.cut(bytes);
                self.came = Bytes::copy_from_slice(&bytes[rest..]);
                (!piece.is_empty()).then(|| Bytes::copy_from_slice(&bytes[piece]))
            }
            Came::Own(bytes) => {
                let (piece, rest) = self.cut(&bytes);
                self.came = bytes.slice(rest..);
                (!piece.is_empty()).then(|| bytes.slice(piece))
            }
            Came::End => {
                self.keeps = false;
                self.fault = self.body.close().err().map(AnswerFault::from);
                None
            }
        }
    }

    /// Reading failed.
    pub(super) fn fail(&mut self, error: std::io::Error) {
        self.fault = Some(error.into());
    }

    /// Where the next piece of the body lies, and from where on bytes are to be looked at again.
    /// Framing behind the piece is read with it: what comes in one packet is kept by nobody.
    fn cut(&mut self, bytes: &[u8]) -> (Range<usize>, usize) {
        match self.try_cut(bytes) {
            Ok(found) => found,
            Err((piece, error)) => {
                self.fault = Some(error.into());
                (piece, bytes.len())
            }
        }
    }

    fn try_cut(
        &mut self,
        bytes: &[u8],
    ) -> Result<(Range<usize>, usize), (Range<usize>, FramingError)> {
        let start = self.body.skip(bytes).map_err(|error| (0..0, error))?;
        let end = start + self.body.take(bytes.len() - start);
        let behind = self.body.skip(&bytes[end..]);
        let mut rest = end + behind.map_err(|error| (start..end, error))?;
        if self.body.is_ended() {
            // More than an answer is no other's either.
            self.keeps &= rest == bytes.len();
            rest = bytes.len();
            match self
                .body
                .take_trailers()
                .map(|lines| head::trailers(&lines))
            {
                Some(Ok(trailers)) => self.trailers = Some(trailers),
                Some(Err(_)) => self.fault = Some(AnswerFault::Trailers),
                None => {}
            }
        }
        Ok((start..end, rest))
    }
}
