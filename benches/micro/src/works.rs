//! The parts of the line that are counted, each as a step that can be taken again and again.
#![allow(
    clippy::unnecessary_wraps,
    reason = "all works are prepared by functions of one type"
)]

use std::hint::black_box;
use std::ops::Range;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use codex_plus_bench::conversation::{METADATA, conversation};
use codex_plus_bench::event;
use codex_plus_hooks::python::frame::{self, Kind};
use codex_plus_wire::event::EventKind;
use codex_plus_wire::frame::{MessageAssembler, Opcode, encode_frame};
use codex_plus_wire::patch::{self, Patch, PathPart};
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::sse::{SseFrame, SseFramer};
use codex_plus_wire::turn::Turn;

/// What is prepared once, and then done again and again.
pub(crate) type Step = Box<dyn FnMut() -> anyhow::Result<()>>;

/// Prepares a work.
type Prepare = fn(usize) -> anyhow::Result<Step>;

/// A work: its name in the baseline, what makes it, and how much it is given.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    prepare: Prepare,
    amount: usize,
}

impl Work {
    pub(crate) fn prepare(&self) -> anyhow::Result<Step> {
        (self.prepare)(self.amount)
    }
}

const fn work(name: &'static str, prepare: Prepare, amount: usize) -> Work {
    Work {
        name,
        prepare,
        amount,
    }
}

/// All of them, in the order they are told.
pub(crate) const WORKS: &[Work] = &[
    work("scan, 1 kB body", scan, 1_000),
    work("scan, 100 kB body", scan, 100_000),
    work("scan, 1 MB body", scan, 1_000_000),
    work("splice a prompt, 1 kB body", splice, 1_000),
    work("splice a prompt, 1 MB body", splice, 1_000_000),
    work("edit a prompt and read on, 1 kB body", edit, 1_000),
    work("edit a prompt and read on, 1 MB body", edit, 1_000_000),
    work("patch by path, 100 kB document", patch_by_path, 100_000),
    work("turn, 1 kB body", turn, 1_000),
    work("turn, 100 kB body", turn, 100_000),
    work("server-sent events, 100 in one piece", server_sent, 1 << 20),
    work(
        "server-sent events, 100 in pieces of 64 bytes",
        server_sent,
        64,
    ),
    work("kinds of 100 events", kinds, 100),
    work("WebSocket messages, 100", messages, 100),
    work(
        "hook frames, 1 kB there and a patch back",
        hook_frames,
        1_000,
    ),
    work(
        "hook frames, 100 kB there and a patch back",
        hook_frames,
        100_000,
    ),
];

const LIMIT: usize = 1 << 24;

fn scan(size: usize) -> anyhow::Result<Step> {
    let body = Bytes::from(conversation(size, "Say hello.", "/work"));
    Ok(Box::new(move || {
        black_box(RequestBody::parse(black_box(body.clone()))?);
        Ok(())
    }))
}

/// A conversation that was read, and where its newest prompt stands.
fn with_prompt(size: usize) -> anyhow::Result<(RequestBody, Range<usize>)> {
    let read = RequestBody::parse(conversation(size, "Say hello.", "/work").into())?;
    let items = read.items();
    let prompt = items.last().and_then(|item| item.text_parts().pop());
    let span = prompt.map(|part| part.span);
    Ok((read, span.context("the conversation has no prompt")?))
}

/// An edit of the newest prompt, from a body that was read to the pieces that go on.
fn splice(size: usize) -> anyhow::Result<Step> {
    let (read, span) = with_prompt(size)?;
    Ok(Box::new(move || {
        let mut body = read.clone();
        body.set_text(span.clone(), black_box("Say hello, and \"goodbye\"."))?;
        black_box(body.into_chunks());
        Ok(())
    }))
}

/// The same edit, when another filter reads the body after it.
fn edit(size: usize) -> anyhow::Result<Step> {
    let (read, span) = with_prompt(size)?;
    Ok(Box::new(move || {
        let mut body = read.clone();
        body.set_text(span.clone(), black_box("Say hello, and \"goodbye\"."))?;
        body.commit()?;
        black_box(body.items());
        Ok(())
    }))
}

/// The same edit as a Python hook's worker sends it: a path and a value.
fn patch_by_path(size: usize) -> anyhow::Result<Step> {
    let document = Bytes::from(conversation(size, "Say hello.", "/work"));
    let count = RequestBody::parse(document.clone())?.items().len();
    let path: Vec<PathPart> = vec![
        "input".into(),
        PathPart::Index(count - 1),
        "content".into(),
        PathPart::Index(0),
        "text".into(),
    ];
    Ok(Box::new(move || {
        let edit = Patch::set_text(path.clone(), black_box("Say goodbye."));
        black_box(patch::apply(&document, &[edit])?);
        Ok(())
    }))
}

fn turn(size: usize) -> anyhow::Result<Step> {
    let body = RequestBody::parse(conversation(size, "Say hello.", "/work").into())?;
    Ok(Box::new(move || {
        black_box(Turn::read(black_box(&body), Some(METADATA), None, &|_| {
            false
        }));
        Ok(())
    }))
}

fn server_sent(piece: usize) -> anyhow::Result<Step> {
    let mut text = String::new();
    for number in 0..100 {
        text.push_str("event: response.output_text.delta\ndata: ");
        text.push_str(&event::delta_at(number, number));
        text.push_str("\n\n");
    }
    let stream = Bytes::from(text);
    Ok(Box::new(move || {
        let mut framer = SseFramer::new(LIMIT);
        let mut heard = 0;
        let mut rest = stream.clone();
        while !rest.is_empty() {
            framer.push(rest.split_to(piece.min(rest.len())));
            while let Some(frame) = framer.next_frame() {
                heard += usize::from(black_box(SseFrame::data(&frame)).is_some());
            }
        }
        anyhow::ensure!(heard == 100, "{heard} of 100 events");
        Ok(())
    }))
}

fn kinds(count: usize) -> anyhow::Result<Step> {
    let events: Vec<String> = (0..count as u64)
        .map(|number| event::delta_at(number, number))
        .collect();
    Ok(Box::new(move || {
        for event in &events {
            black_box(EventKind::peek(black_box(event.as_bytes())));
        }
        Ok(())
    }))
}

fn messages(count: usize) -> anyhow::Result<Step> {
    let mut stream = BytesMut::new();
    for number in 0..count as u64 {
        let text = event::delta_at(number, number);
        stream.extend_from_slice(&encode_frame(
            Opcode::Text,
            text.as_bytes(),
            Some([7, 1, 9, 4]),
        ));
    }
    let stream = stream.freeze();
    Ok(Box::new(move || {
        let mut assembler = MessageAssembler::new(LIMIT);
        assembler.push(stream.clone());
        let mut heard = 0;
        while let Some(message) = assembler.next_message()? {
            black_box(message);
            heard += 1;
        }
        anyhow::ensure!(heard == count, "{heard} of {count} messages");
        Ok(())
    }))
}

/// A call to a Python worker as it is written, and its answer as it is read.
fn hook_frames(size: usize) -> anyhow::Result<Step> {
    let body = conversation(size, "Say hello.", "/work");
    let head = br#"{"hook":"tag","method":"pre_input","request":{"path":"/responses"}}"#;
    let edits = br#"[{"op":"set","path":["prompt"],"value":"Say goodbye."}]"#;
    let answer = frame::encode(Kind::Patch, 7, edits);
    Ok(Box::new(move || {
        let begin = frame::encode_split(Kind::Call, 7, head, black_box(&body).len());
        black_box((begin, body.as_bytes()));
        let mut read = BytesMut::from(&answer[..]);
        let Some(frame) = frame::decode(&mut read, LIMIT)? else {
            anyhow::bail!("the frame was not whole");
        };
        let edits: Vec<codex_plus_hooks::python::Edit> = serde_json::from_slice(&frame.payload)?;
        black_box(edits);
        Ok(())
    }))
}
