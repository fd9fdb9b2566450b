//! A reader of HTTP/1.1 requests that forgives nothing: what it takes, every server reads the same.

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names (lower case) and values.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// The first request and its length; none while it is not whole; why it is none.
pub(crate) fn request(bytes: &[u8]) -> Result<Option<(Seen, usize)>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.contains(&0) || bare(bytes) {
            Err("control bytes in a head".to_owned())
        } else {
            Ok(None)
        };
    };
    let head = &bytes[..end];
    if bare(head) {
        return Err("a bare CR or LF in a head".to_owned());
    }
    let head = std::str::from_utf8(head).map_err(|_| "a head that is no text".to_owned())?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return Err(format!("a request line {line:?}"));
    };
    if !token(method) || !target.starts_with('/') || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("a request line {line:?}"));
    }
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let mut seen = Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
    };
    if seen.all("host").len() != 1 {
        return Err(format!("hosts {:?}", seen.all("host")));
    }
    let rest = &bytes[end + 4..];
    let framing = (seen.all("content-length"), seen.all("transfer-encoding"));
    let taken = match (&framing.0[..], &framing.1[..]) {
        ([], []) => 0,
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            let length: usize = length.parse().map_err(|_| "a huge length".to_owned())?;
            if rest.len() < length {
                return Ok(None);
            }
            seen.body = rest[..length].to_vec();
            length
        }
        ([], ["chunked"]) => match chunks(rest)? {
            Some((body, trailers, taken)) => {
                (seen.body, seen.trailers) = (body, trailers);
                taken
            }
            None => return Ok(None),
        },
        doubtful => return Err(format!("framing {doubtful:?}")),
    };
    Ok(Some((seen, end + 4 + taken)))
}

type Chunked = (Vec<u8>, Vec<(String, String)>, usize);

fn chunks(bytes: &[u8]) -> Result<Option<Chunked>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        if line.is_empty() || line.len() > 8 || !line.iter().all(u8::is_ascii_hexdigit) {
            return Err(format!("a chunk size {:?}", String::from_utf8_lossy(line)));
        }
        let size = std::str::from_utf8(line).ok();
        let size = size.and_then(|line| usize::from_str_radix(line, 16).ok());
        let size = size.ok_or("a chunk size")?;
        at += end + 2;
        if size == 0 {
            break;
        }
        if bytes.len() < at + size + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&bytes[at..at + size]);
        at += size;
        if &bytes[at..at + 2] != b"\r\n" {
            return Err("a chunk without an end".to_owned());
        }
        at += 2;
    }
    let mut trailers = Vec::new();
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        at += end + 2;
        if line.is_empty() {
            return Ok(Some((body, trailers, at)));
        }
        let line = std::str::from_utf8(line).map_err(|_| "a trailer".to_owned())?;
        trailers.push(field(line)?);
    }
}

fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').unwrap_or_default();
    let plain = value.chars().all(|c| c == '\t' || !c.is_control());
    if token(name) && plain {
        return Ok((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Err(format!("a field {line:?}"))
}

fn token(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(plain)
}

/// A CR or LF that stands alone.
fn bare(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\r' if rest.peek() == Some(&&b'\n') => {
                rest.next();
            }
            b'\r' if rest.peek().is_none() => {}
            b'\r' | b'\n' => return true,
            _ => {}
        }
    }
    false
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}
