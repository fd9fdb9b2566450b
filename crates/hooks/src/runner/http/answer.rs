//! A server's answer as it comes: its head, and a body within a limit.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use codex_plus_wire::framing::{BodyReader, content_length, has_option, is_chunked};
use httparse::{Header, ParserConfig, Response, Status};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{BROKE, NOT_HTTP, broke_off};
use crate::output::HookFailure;

/// Bounds on a head: its bytes, those of hints before it included, and its fields.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_FIELDS: usize = 100;
/// Room that most answers fit in.
const ROOM: usize = 4 << 10;

/// An answer as far as it came.
pub(super) struct Answer {
    limit: usize,
    came: BytesMut,
    head: Option<Head>,
    body: Vec<u8>,
}

struct Head {
    body: BodyReader,
    /// Whether the connection may serve another request.
    keeps: bool,
}

impl Answer {
    /// With a body of at most so many bytes.
    pub(super) fn within(limit: usize) -> Self {
        Self {
            limit,
            came: BytesMut::with_capacity(ROOM),
            head: None,
            body: Vec::new(),
        }
    }

    /// Reads on to the end. What was read stays when the future is dropped.
    pub(super) async fn read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<(), HookFailure> {
        while !self.is_whole()? {
            match stream.read_buf(&mut self.came).await {
                Ok(0) => return self.end(),
                Ok(_) => {}
                Err(_) => return Err(self.broken()),
            }
        }
        Ok(())
    }

    /// The body, and whether the connection may serve another request.
    pub(super) fn into_parts(self) -> (Vec<u8>, bool) {
        let keeps = self.head.is_some_and(|head| head.keeps);
        (self.body, keeps && self.came.is_empty())
    }

    fn is_whole(&mut self) -> Result<bool, HookFailure> {
        if self.head.is_none() && !self.came.is_empty() {
            self.head = head(&mut self.came)?;
        }
        let Some(Head { body, .. }) = &mut self.head else {
            return Ok(false);
        };
        loop {
            let framing = body.skip(&self.came).map_err(|_| broke_off())?;
            self.came.advance(framing);
            let piece = body.take(self.came.len());
            if piece > self.limit - self.body.len() {
                return Err(HookFailure::TooLarge);
            }
            self.body.extend_from_slice(&self.came[..piece]);
            self.came.advance(piece);
            if piece == 0 {
                return Ok(body.is_ended());
            }
        }
    }

    /// The server closed the connection.
    fn end(&mut self) -> Result<(), HookFailure> {
        let broken = self.broken();
        let head = self.head.as_mut().ok_or_else(|| broken.clone())?;
        head.keeps = false;
        head.body.close().map_err(|_| broken)
    }

    fn broken(&self) -> HookFailure {
        if self.head.is_some() {
            broke_off()
        } else {
            HookFailure::Unreachable(BROKE)
        }
    }
}

/// Takes the head off the bytes that came, when it is whole; hints (1xx) before it are passed over.
fn head(came: &mut BytesMut) -> Result<Option<Head>, HookFailure> {
    let not_http = || HookFailure::Unreachable(NOT_HTTP);
    loop {
        let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
        let mut parsed = Response::new(&mut []);
        let whole = ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, came, &mut room)
            .map_err(|_| not_http())?;
        let Status::Complete(length) = whole else {
            let fits = came.len() < LONGEST_HEAD;
            return if fits { Ok(None) } else { Err(not_http()) };
        };
        let status = parsed.code.unwrap_or_default();
        if (100..200).contains(&status) && status != 101 {
            came.advance(length);
            continue;
        }
        if !(200..300).contains(&status) {
            return Err(HookFailure::Status(status));
        }
        let is_new = parsed.version == Some(1);
        let body = body(status, is_new, parsed.headers).ok_or_else(not_http)?;
        // A kept connection of HTTP/1.0 would have to be spoken to in HTTP/1.0.
        let keeps = is_new && !has_option(values(parsed.headers, "connection"), "close");
        came.advance(length);
        return Ok(Some(Head { body, keeps }));
    }
}

/// Where the body ends (RFC 9112, 6.3); none when the head contradicts itself.
fn body(status: u16, is_new: bool, fields: &[Header<'_>]) -> Option<BodyReader> {
    if status == 204 {
        return Some(BodyReader::length(0));
    }
    let mut codings = values(fields, "transfer-encoding").peekable();
    if codings.peek().is_some() {
        let chunked = is_chunked(codings);
        return is_new.then(|| {
            if chunked {
                BodyReader::chunked()
            } else {
                BodyReader::until_close()
            }
        });
    }
    let length = content_length(values(fields, "content-length")).ok()?;
    Some(length.map_or_else(BodyReader::until_close, BodyReader::length))
}

fn values<'a>(fields: &'a [Header<'_>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let named = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
    fields.iter().filter(named).map(|field| field.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of an answer that comes in pieces of this size, before the connection closes.
    async fn read(bytes: &str, piece: usize) -> Result<(String, bool), HookFailure> {
        let (mut ours, mut theirs) = tokio::io::duplex(piece);
        let bytes = bytes.to_owned();
        let said = tokio::spawn(async move {
            // The reader may have had enough.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut theirs, bytes.as_bytes()).await;
        });
        let mut answer = Answer::within(8);
        let read = answer.read(&mut ours).await;
        drop(ours);
        said.await.unwrap();
        read?;
        let (body, keeps) = answer.into_parts();
        Ok((String::from_utf8(body).unwrap(), keeps))
    }

    #[tokio::test]
    async fn an_answer_is_the_same_however_it_comes() {
        const OLD: &str = "HTTP/1.0 200 OK\r\n";
        const NEW: &str = "HTTP/1.1 200 OK\r\n";
        let whole = |text: &str, keeps| Ok((text.to_owned(), keeps));
        let unusable = |why| Err(HookFailure::Unreachable(why));
        for (start, rest, wanted) in [
            (NEW, "Content-Length: 4\r\n\r\nfour", whole("four", true)),
            (NEW, "content-length: 0\r\n\r\n", whole("", true)),
            (
                NEW,
                "transfer-encoding: chunked\r\n\r\n1;x\r\nf\r\n3\r\nour\r\n0\r\nsum: 9\r\n\r\n",
                whole("four", true),
            ),
            (NEW, "\r\nfour", whole("four", false)),
            (
                NEW,
                "connection: x, Close\r\ncontent-length: 4\r\n\r\nfour",
                whole("four", false),
            ),
            (OLD, "content-length: 4\r\n\r\nfour", whole("four", false)),
            (
                "HTTP/1.1 204 No\r\n",
                "content-length: 4\r\n\r\n",
                whole("", true),
            ),
            (
                "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 So\r\na: b\r\n\r\nHTTP/1.1 201 Yes\r\n",
                "content-length: 4\r\n\r\nfour",
                whole("four", true),
            ),
            (
                NEW,
                "content-length: 9\r\n\r\n",
                unusable("the answer broke off"),
            ),
            (
                NEW,
                "content-length: 9\r\n\r\nninebytes",
                Err(HookFailure::TooLarge),
            ),
            (NEW, "\r\nninebytes", Err(HookFailure::TooLarge)),
            (
                NEW,
                "transfer-encoding: chunked\r\n\r\n4\r\nfour\r\n",
                unusable("the answer broke off"),
            ),
            (
                NEW,
                "transfer-encoding: chunked\r\n\r\nfour\r\n",
                unusable("the answer broke off"),
            ),
            (
                "HTTP/1.1 307 No\r\n",
                "location: /\r\n\r\n",
                Err(HookFailure::Status(307)),
            ),
            ("HTTP/1.1 101 Go\r\n", "\r\n", Err(HookFailure::Status(101))),
            (NEW, "content-length: 4\r\n", unusable(BROKE)),
            ("", "", unusable(BROKE)),
            ("SSH-2.0\r\n", "", unusable(NOT_HTTP)),
            (
                NEW,
                "content-length: 4\r\ncontent-length: 5\r\n\r\nfour",
                unusable(NOT_HTTP),
            ),
            (
                OLD,
                "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                unusable(NOT_HTTP),
            ),
            (NEW, &"x: y\r\n".repeat(101), unusable(NOT_HTTP)),
            (
                NEW,
                &format!("x: {}", "y".repeat(LONGEST_HEAD)),
                unusable(NOT_HTTP),
            ),
        ] {
            let answer = format!("{start}{rest}");
            for piece in [1, 7, 200_000] {
                if piece == 1 && answer.len() > LONGEST_HEAD {
                    continue;
                }
                assert_eq!(read(&answer, piece).await, wanted, "{answer:.80}");
            }
        }
    }

    #[tokio::test]
    async fn a_connection_with_more_to_say_is_not_kept() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour more";
        assert_eq!(read(answer, 100).await, Ok(("four".to_owned(), false)));
    }
}
