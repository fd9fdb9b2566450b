//! The payload of close frames (RFC 6455, section 7.4).

use super::FrameError;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes down or away.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Data that does not fit its kind, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// Refused by a rule.
    pub const POLICY: Self = Self(1008);
    /// A message too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// The server cannot go on.
    pub const INTERNAL: Self = Self(1011);
    /// The service restarts.
    pub const RESTART: Self = Self(1012);
    /// Try again later.
    pub const TRY_AGAIN: Self = Self(1013);

    /// True for codes that may stand in a close frame; others only exist inside an endpoint.
    pub fn is_allowed(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// The payload of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub code: CloseCode,
    /// The same for people; may be empty.
    pub reason: String,
}

/// Longest reason in bytes: a control payload less the code.
const MAX_REASON: usize = 123;

impl Close {
    /// Reads the payload of a close frame; `None` when it is empty.
    ///
    /// # Errors
    /// [`FrameError::Close`].
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, FrameError> {
        if payload.is_empty() {
            return Ok(None);
        }
        let (code, reason) = payload.split_first_chunk::<2>().ok_or(FrameError::Close)?;
        let code = CloseCode(u16::from_be_bytes(*code));
        let reason = std::str::from_utf8(reason).map_err(|_| FrameError::Close)?;
        if !code.is_allowed() || reason.len() > MAX_REASON {
            return Err(FrameError::Close);
        }
        Ok(Some(Self {
            code,
            reason: reason.to_owned(),
        }))
    }

    /// The payload; a reason that is too long is cut between characters.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = self.code.0.to_be_bytes().to_vec();
        let end = self.reason.floor_char_boundary(MAX_REASON);
        payload.extend_from_slice(self.reason.get(..end).unwrap_or_default().as_bytes());
        payload
    }
}
