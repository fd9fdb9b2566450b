//! Where the body of an HTTP/1.1 message ends (RFC 9112, 6 and 7): after a length, after its last
//! chunk, or with the connection.

mod chunks;
mod fields;

use chunks::Chunks;
pub use fields::{content_length, has_option, is_chunked};

/// Why a body cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The connection ended first.
    #[error("end of file before message length reached")]
    Incomplete,
    /// A line that should have told a chunk's size.
    #[error("invalid chunk size")]
    Size,
    /// More of it than a number holds.
    #[error("invalid chunk size: overflow")]
    Overflow,
    /// Something else where a line had to end.
    #[error("invalid end of a chunk")]
    LineEnd,
    /// `Content-Length` says several things, or none that is a length.
    #[error("invalid content-length parsed")]
    Length,
    /// A bound on what is no data.
    #[error("chunk {0} over limit")]
    Limit(&'static str),
}

/// Tells a body from what frames it, however the bytes were split.
///
/// The bytes are asked for in turn: [`skip`](Self::skip) says how many at the front are framing,
/// [`take`](Self::take) how many then are the body's.
#[derive(Debug)]
pub struct BodyReader(Kind);

#[derive(Debug)]
enum Kind {
    /// So much is left.
    Length(u64),
    Chunked(Chunks),
    UntilClose {
        closed: bool,
    },
}

impl BodyReader {
    /// A body of this length.
    pub fn length(length: u64) -> Self {
        Self(Kind::Length(length))
    }

    /// A body in chunks.
    pub fn chunked() -> Self {
        Self(Kind::Chunked(Chunks::default()))
    }

    /// A body that ends with its connection.
    pub fn until_close() -> Self {
        Self(Kind::UntilClose { closed: false })
    }

    /// How many bytes at the front are framing. What follows them is data, or nothing of this
    /// body; none follow when more is needed to tell.
    ///
    /// # Errors
    /// When they are no framing: nothing can be read from then on.
    pub fn skip(&mut self, bytes: &[u8]) -> Result<usize, FramingError> {
        match &mut self.0 {
            Kind::Chunked(chunks) => chunks.skip(bytes),
            Kind::Length(_) | Kind::UntilClose { .. } => Ok(0),
        }
    }

    /// How many of the bytes that come next, as far as there are, are one piece of the body; they
    /// count as read.
    pub fn take(&mut self, available: usize) -> usize {
        let left = match &mut self.0 {
            Kind::Length(left) => left,
            Kind::Chunked(chunks) => return chunks.take(available),
            Kind::UntilClose { closed: false } => return available,
            Kind::UntilClose { closed: true } => return 0,
        };
        take(left, available)
    }

    /// No more bytes will come.
    ///
    /// # Errors
    /// When the body is not whole.
    pub fn close(&mut self) -> Result<(), FramingError> {
        if let Kind::UntilClose { closed } = &mut self.0 {
            *closed = true;
        }
        if self.is_ended() {
            Ok(())
        } else {
            Err(FramingError::Incomplete)
        }
    }

    /// Whether the whole of the body was read.
    pub fn is_ended(&self) -> bool {
        match &self.0 {
            Kind::Length(left) => *left == 0,
            Kind::Chunked(chunks) => chunks.is_ended(),
            Kind::UntilClose { closed } => *closed,
        }
    }

    /// How much is left of a body whose length is known.
    pub fn left(&self) -> Option<u64> {
        match &self.0 {
            Kind::Length(left) => Some(*left),
            Kind::Chunked(_) | Kind::UntilClose { .. } => None,
        }
    }

    /// The field lines behind the last chunk, with the empty line that ends them, if there are any.
    pub fn take_trailers(&mut self) -> Option<Vec<u8>> {
        match &mut self.0 {
            Kind::Chunked(chunks) => chunks.take_trailers(),
            Kind::Length(_) | Kind::UntilClose { .. } => None,
        }
    }
}

/// Takes from what is left as much as is there.
fn take(left: &mut u64, available: usize) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
    *left -= taken as u64;
    taken
}
