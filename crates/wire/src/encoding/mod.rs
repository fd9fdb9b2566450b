//! `Content-Encoding` (RFC 9110, section 8.4): bodies decoded within a limit and encoded again.
//!
//! Seen with Codex 0.169.0: `zstd` request bodies with a `ChatGPT` login, plain ones otherwise.

mod decode;
mod encode;
mod output;

use bytes::Bytes;

/// Codings one body may carry; more than a few is an attack, not a client.
const MAX_CODINGS: usize = 4;

/// Longest unknown coding name that is repeated in an error.
const MAX_NAME: usize = 32;

/// One content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The body as it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// The zlib format (RFC 1950); some senders mean raw deflate, which is read too.
    Deflate,
    /// Brotli, RFC 7932.
    Br,
    /// Zstandard, RFC 8878, with the window limit of RFC 9659.
    Zstd,
}

impl Coding {
    /// The name in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        // RFC 9110 asks recipients to read "x-gzip" as "gzip".
        if is("gzip") || is("x-gzip") {
            return Some(Self::Gzip);
        }
        [Self::Identity, Self::Deflate, Self::Br, Self::Zstd]
            .into_iter()
            .find(|coding| is(coding.as_str()))
    }
}

impl std::fmt::Display for Coding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why a body could not be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The header names a coding this crate does not know.
    #[error("content-encoding {coding:?} is not supported; use gzip, deflate, br or zstd")]
    Unsupported {
        /// The name, cut short and without control characters.
        coding: String,
    },
    /// The body, or a stage of its decoding, is larger than the limit.
    #[error("the decoded body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not what the header says: damaged, cut short, or with bytes behind its end.
    #[error("the body is not valid {coding}: {reason}")]
    Corrupt {
        /// The coding that could not be undone.
        coding: Coding,
        /// What was wrong.
        reason: &'static str,
    },
    /// The header names more codings than are undone.
    #[error("more than {MAX_CODINGS} content-encodings on one body")]
    TooMany,
}

impl EncodingError {
    fn corrupt(coding: Coding, reason: &'static str) -> Self {
        Self::Corrupt { coding, reason }
    }
}

/// The codings of a body, in the order they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentEncoding {
    /// Without `identity`, which changes nothing.
    codings: Vec<Coding>,
}

impl ContentEncoding {
    /// Reads the values of all `Content-Encoding` headers of a message, in order.
    ///
    /// # Errors
    /// [`EncodingError::Unsupported`] and [`EncodingError::TooMany`].
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, EncodingError> {
        let mut codings = Vec::new();
        for name in values
            .into_iter()
            .flat_map(|value| value.split(|byte| *byte == b','))
        {
            let name = name.trim_ascii();
            if name.is_empty() {
                continue;
            }
            match Coding::from_name(name) {
                Some(Coding::Identity) => {}
                Some(_) if codings.len() == MAX_CODINGS => return Err(EncodingError::TooMany),
                Some(coding) => codings.push(coding),
                None => {
                    return Err(EncodingError::Unsupported {
                        coding: printable(name),
                    });
                }
            }
        }
        Ok(Self { codings })
    }

    /// True when the body is sent as it is.
    pub fn is_identity(&self) -> bool {
        self.codings.is_empty()
    }

    /// The codings in the order they were applied, `identity` left out.
    pub fn codings(&self) -> &[Coding] {
        &self.codings
    }

    /// Undoes the codings, last one first. Identity returns the same buffer.
    ///
    /// Neither the result nor any stage on the way is ever larger than `limit` bytes, and memory
    /// grows with what was really decoded, so a decompression bomb costs at most the limit.
    ///
    /// # Errors
    /// [`EncodingError::TooLarge`] over the limit, [`EncodingError::Corrupt`] for a body that is
    /// damaged, cut short or followed by other bytes.
    pub fn decode(&self, body: &Bytes, limit: usize) -> Result<Bytes, EncodingError> {
        if self.is_identity() && body.len() > limit {
            return Err(EncodingError::TooLarge { limit });
        }
        let mut body = body.clone();
        for coding in self.codings.iter().rev() {
            body = Bytes::from(decode::decode(*coding, &body, limit)?);
        }
        Ok(body)
    }

    /// Applies the codings at fast levels.
    ///
    /// # Errors
    /// [`EncodingError::Corrupt`] when a compressor fails, which none does on memory buffers.
    pub fn encode(&self, body: &[u8]) -> Result<Vec<u8>, EncodingError> {
        let Some((first, rest)) = self.codings.split_first() else {
            return Ok(body.to_vec());
        };
        let mut encoded = encode::encode(*first, body)?;
        for coding in rest {
            encoded = encode::encode(*coding, &encoded)?;
        }
        Ok(encoded)
    }
}

fn printable(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.chars()
        .filter(|c| !c.is_control())
        .take(MAX_NAME)
        .collect()
}
