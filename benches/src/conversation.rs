//! A conversation as Codex sends it, in any size.

use std::fmt::Write as _;

/// Codex's own description of a request (seen with 0.169.0), with invented ids.
pub const METADATA: &str = r#"{"session_id":"019b0000-0000-7000-8000-000000000001","thread_id":"019b0000-0000-7000-8000-000000000001","turn_id":"019b0000-0000-7000-8000-000000000002","request_kind":"turn","thread_source":"user","model":"gpt-5.5","sandbox":"workspace-write"}"#;

/// The id of the newest prompt. A prompt is a new one when its id is, so whoever asks again puts
/// other digits in.
pub const PROMPT_ID: &str = "msg_prompt_000000000000";
/// How many digits the id ends with.
pub const PROMPT_DIGITS: usize = 12;

/// A conversation that grew to about `size` bytes: instructions, the folder the client works in,
/// then tool calls and their outputs, and the newest prompt last.
pub fn conversation(size: usize, prompt: &str, cwd: &str) -> String {
    let mut body = String::from(
        r#"{"model":"gpt-5.5","stream":true,"store":false,"tool_choice":"auto","parallel_tool_calls":true,"prompt_cache_key":"019b0000-0000-7000-8000-000000000001","input":["#,
    );
    // Ids that no answer of the upstream has. Writing to a String cannot fail, here and below.
    let _ = write!(
        body,
        r#"{{"type":"message","role":"developer","id":"ctx_0","content":[{{"type":"input_text","text":"You are a coding agent."}}]}},{{"type":"message","role":"user","id":"ctx_1","content":[{{"type":"input_text","text":"<environment_context>\n  <cwd>{cwd}</cwd>\n</environment_context>"}}]}},"#
    );
    let last = format!(
        r#"{{"type":"message","role":"user","id":"{PROMPT_ID}","content":[{{"type":"input_text","text":"{prompt}"}}]}}],"client_metadata":{{"x-codex-turn-metadata":{metadata}}}}}"#,
        metadata = serde_json::Value::from(METADATA),
    );
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut call = 0;
    while body.len() + last.len() + 400 < size {
        let room = size - body.len() - last.len() - 300;
        let output = output(room.min(4_000), &mut noise);
        let _ = write!(
            body,
            r#"{{"type":"function_call","id":"fc_{call}","call_id":"call_{call}","name":"shell","arguments":"{{\"command\":[\"cargo\",\"test\"]}}"}},{{"type":"function_call_output","call_id":"call_{call}","output":"{output}"}},"#
        );
        call += 1;
    }
    body + &last
}

/// What a tool prints, as JSON writes it: lines with names and numbers, quotes and colours. It
/// compresses to about a quarter, as logs and sources do.
fn output(size: usize, noise: &mut Noise) -> String {
    const WORDS: &[&str] = &[
        "carries", "bytes", "keeps", "order", "line", "parser", "returns", "error", "state",
        "reads", "value", "index", "folder", "prompt", "stream", "closes",
    ];
    let mut text = String::with_capacity(size + 128);
    while text.len() < size {
        let mut word = || WORDS[usize::from(noise.next().to_le_bytes()[7]) % WORDS.len()];
        let (one, two, three) = (word(), word(), word());
        let number = noise.next() >> 32;
        let _ = match number % 4 {
            0 => write!(
                text,
                r"test {one}::{two}_{three} ... \u001b[32mok\u001b[0m {number:08x}\n"
            ),
            1 => write!(text, r#"    let {one} = {two}(\"{three}\", {number});\n"#),
            2 => write!(
                text,
                r"src/{one}/{two}.rs:{}: the {three} of {one} and {two}\n",
                number % 999
            ),
            _ => write!(text, r"// {one} {two} {three}, so that {two} {one}\n"),
        };
    }
    text
}

/// Noise that is the same every time (xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_size_asked_for() {
        for size in [2_000_usize, 100_000, 1_000_000] {
            let body = conversation(size, "Say hello.", "/work");
            serde_json::from_str::<serde_json::Value>(&body).unwrap();
            assert!(
                body.len().abs_diff(size) < size / 4,
                "{} for {size}",
                body.len()
            );
            assert_eq!(body.matches(PROMPT_ID).count(), 1);
        }
    }

    #[test]
    fn bodies_compress_as_logs_do() {
        let body = conversation(1_000_000, "Say hello.", "/work");
        let packed = zstd::encode_all(body.as_bytes(), 3).unwrap();
        let ratio = body.len() / packed.len();
        assert!((3..=8).contains(&ratio), "{ratio}");
    }
}
