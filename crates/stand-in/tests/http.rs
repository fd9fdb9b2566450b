//! Scripted and suited answers over POST.

mod support;

use std::io::Read;

use bytes::Bytes;
use codex_plus_stand_in::{Answer, Encoding, Outcome, Usage};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use support::{ask, stand_in, turn, types};

#[tokio::test]
async fn a_text_comes_as_numbered_deltas_and_ends_with_the_usage() {
    let stand_in = stand_in().await;
    let usage = Usage {
        input: 100,
        cached: 90,
        output: 7,
    };
    stand_in.push(Answer::text("grüß dich").deltas(3).usage(usage));
    let reply = turn(stand_in.addr(), &json!({"model": "m", "input": "hello"})).await;

    let events = reply.events();
    assert_eq!(
        types(&events),
        [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..10).map(Some).collect::<Vec<_>>());
    let deltas: String = events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(deltas, "grüß dich");
    let done = &events[9]["response"];
    assert_eq!(done["id"], events[0]["response"]["id"]);
    assert_eq!(done["model"], "m");
    assert_eq!(done["usage"]["input_tokens_details"]["cached_tokens"], 90);
    assert_eq!(done["usage"]["total_tokens"], 107);
    assert_eq!(done["output"][0]["content"][0]["text"], "grüß dich");
    assert!(reply.complete());
    assert_eq!(stand_in.received()[0].outcome, Outcome::Finished);
}

#[tokio::test]
async fn without_stream_the_answer_is_one_json_object() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("hello"));
    let reply = turn(stand_in.addr(), &json!({"input": "x", "stream": false})).await;
    assert!(
        reply.head.contains("content-type: application/json"),
        "{}",
        reply.head
    );
    assert_eq!(reply.json()["output"][0]["content"][0]["text"], "hello");
    assert_eq!(reply.json()["status"], "completed");
}

#[tokio::test]
async fn the_script_is_first_in_first_out_and_not_for_prewarm_or_titles() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("one"));
    stand_in.push(Answer::text("two"));
    let addr = stand_in.addr();
    let said = async |body: Value| {
        let events = turn(addr, &body).await.events();
        events[events.len() - 1]["response"]["output"][0]["content"][0]["text"].clone()
    };
    assert_eq!(
        said(json!({"generate": false, "input": []})).await,
        Value::Null
    );
    let meta = json!({"thread_source": "thread_title"}).to_string();
    let schema = json!({"format": {"schema": {"properties": {"title": {"type": "string"}}}}});
    let title = json!({"input": "t", "text": schema,
        "client_metadata": {"x-codex-turn-metadata": meta}});
    let title: Value = serde_json::from_str(said(title).await.as_str().unwrap()).unwrap();
    assert!(title["title"].is_string());
    assert_eq!(said(json!({"input": "a"})).await, "one");
    assert_eq!(said(json!({"input": "b"})).await, "two");
    let suited = said(json!({"input": "sesame"})).await;
    assert!(!suited.as_str().unwrap().is_empty() && !suited.to_string().contains("sesame"));
}

#[tokio::test]
async fn a_prompt_to_run_a_command_gets_the_tool_call_the_client_offers() {
    let stand_in = stand_in().await;
    let prompt =
        json!({"role": "user", "content": [{"type": "input_text", "text": "run: echo \"a b\""}]});
    let context = json!({"role": "user", "content": [
        {"type": "input_text", "text": "<environment_context>run: rm</environment_context>"}]});
    let call = async |request: Value| {
        let events = turn(stand_in.addr(), &request).await.events();
        events[events.len() - 2]["item"].clone()
    };
    for (name, arguments) in [
        ("shell", json!({"command": ["bash", "-lc", "echo \"a b\""]})),
        ("shell_command", json!({"command": "echo \"a b\""})),
        ("exec_command", json!({"cmd": "echo \"a b\""})),
    ] {
        let item = call(
            json!({"tools": [{"type": "web_search"}, {"type": "function", "name": name}],
            "input": [prompt, context]}),
        )
        .await;
        assert_eq!(
            (item["type"].as_str(), item["name"].as_str()),
            (Some("function_call"), Some(name))
        );
        let sent: Value = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(sent, arguments);
    }
    let code = json!({"input": [{"type": "additional_tools"}, prompt, context]});
    let item = call(code.clone()).await;
    assert_eq!(item["type"], "custom_tool_call");
    let script = item["input"].as_str().unwrap();
    assert!(
        script.contains(r#"tools.exec_command({cmd: "echo \"a b\""})"#),
        "{script}"
    );

    let mut answered = code;
    answered["input"]
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "custom_tool_call_output"}));
    assert_eq!(call(answered).await["type"], "message");
}

#[tokio::test]
async fn compressed_requests_are_understood_and_kept_as_they_came() {
    let stand_in = stand_in().await;
    let plain = json!({"input": "run: ls", "tools": [{"name": "shell"}]}).to_string();
    let packed = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    let head = "POST /backend-api/codex/responses?a=1 HTTP/1.1\r\ncontent-encoding: zstd\r\nx-b: 1\r\nx-a: 2\r\nx-b: 3";
    let events = ask(stand_in.addr(), head, &packed).await.events();
    assert_eq!(events[events.len() - 2]["item"]["name"], "shell");
    let got = &stand_in.received()[0];
    assert_eq!(got.path_and_query, "/backend-api/codex/responses?a=1");
    assert_eq!(
        (got.raw_body.as_ref(), got.body_len),
        (packed.as_slice(), packed.len())
    );
    assert_eq!(got.json.as_ref().unwrap()["input"], "run: ls");
    assert_eq!(got.header_all("X-B"), [b"1", b"3"]);
}

#[tokio::test]
async fn answers_can_be_compressed_event_by_event() {
    let stand_in = stand_in().await;
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        stand_in.push(Answer::text("squeeze me").deltas(4).encoding(encoding));
        let reply = turn(stand_in.addr(), &json!({})).await;
        let mut plain = String::new();
        let packed = reply.body();
        match encoding {
            Encoding::Gzip => flate2::read::GzDecoder::new(&packed[..])
                .read_to_string(&mut plain)
                .unwrap(),
            Encoding::Zstd => zstd::Decoder::new(&packed[..])
                .unwrap()
                .read_to_string(&mut plain)
                .unwrap(),
        };
        assert!(plain.ends_with("\n\n") && plain.contains("response.completed"));
        // The first chunk alone is enough to read the first event.
        let mut first = [0; 24];
        match encoding {
            Encoding::Gzip => {
                flate2::read::GzDecoder::new(&reply.chunks[0][..]).read_exact(&mut first)
            }
            Encoding::Zstd => zstd::Decoder::new(&reply.chunks[0][..])
                .unwrap()
                .read_exact(&mut first),
        }
        .unwrap();
        assert_eq!(&first, b"event: response.created\n");
    }
}

#[tokio::test]
async fn chunks_statuses_and_trailers_go_out_as_given() {
    let stand_in = stand_in().await;
    let chunks = [&b"da"[..], b"ta: {}\r\n", b"\r\n: \xff\n\n"].map(Bytes::from_static);
    stand_in.push(Answer::chunks(chunks.to_vec()).trailer("x-sum", "7"));
    let head = "POST /responses HTTP/1.1\r\nte: trailers";
    let reply = ask(stand_in.addr(), head, b"not json").await;
    assert_eq!(reply.chunks, chunks);
    assert_eq!(reply.tail, "0\r\nx-sum: 7\r\n\r\n");

    stand_in.push(Answer::status(429).header("retry-after", "3"));
    stand_in.push(Answer::status(400).body("plain words"));
    let limited = turn(stand_in.addr(), &json!({})).await;
    assert!(limited.head.starts_with("HTTP/1.1 429 ") && limited.head.contains("retry-after: 3"));
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    let refused = turn(stand_in.addr(), &json!({})).await;
    assert!(refused.head.starts_with("HTTP/1.1 400 "));
    assert_eq!(refused.body(), b"plain words");
}

#[tokio::test]
async fn failed_incomplete_and_raw_events_end_as_scripted() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::failed("invalid_prompt", "no"));
    stand_in.push(Answer::incomplete("max_output_tokens"));
    stand_in.push(Answer::events(vec![json!({"type": "x.y", "n": 1})]));
    let failed = turn(stand_in.addr(), &json!({})).await.events();
    assert_eq!(
        failed[1]["response"]["error"],
        json!({"code": "invalid_prompt", "message": "no"})
    );
    let incomplete = turn(stand_in.addr(), &json!({})).await.events();
    let details = &incomplete.last().unwrap()["response"]["incomplete_details"];
    assert_eq!(details["reason"], "max_output_tokens");
    let raw = turn(stand_in.addr(), &json!({})).await.events();
    assert_eq!(raw, [json!({"type": "x.y", "n": 1})]);
}

#[tokio::test]
async fn http2_without_tls_is_spoken_too_and_bodies_come_back_whole() {
    let stand_in = stand_in().await;
    let tcp = tokio::net::TcpStream::connect(stand_in.addr())
        .await
        .unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
            .await
            .unwrap();
    tokio::spawn(connection);
    let body = Bytes::from(
        (0..20_u32 << 18)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>(),
    );
    let request = http::Request::post(format!("http://{}/echo-body", stand_in.addr()))
        .header("content-type", "application/x-numbers")
        .body(Full::new(body.clone()))
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-numbers");
    assert!(response.into_body().collect().await.unwrap().to_bytes() == body);
    let got = &stand_in.received()[0];
    assert_eq!((got.version.as_str(), got.body_len), ("HTTP/2.0", 20 << 20));
}
