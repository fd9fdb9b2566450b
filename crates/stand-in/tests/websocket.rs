//! The same answers over WebSocket.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use codex_plus_stand_in::{Answer, Config, Outcome, StandIn, Transport, WebSocketMode};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{stand_in, until};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(stand_in: &StandIn) -> Result<Client, Error> {
    let url = stand_in.base_url().replace("http", "ws") + "/responses";
    let limits = WebSocketConfig::default()
        .max_frame_size(None)
        .max_message_size(None);
    Ok(connect_async_with_config(url, Some(limits), true).await?.0)
}

async fn create(client: &mut Client, mut fields: Value) {
    fields["type"] = "response.create".into();
    client
        .send(Message::text(fields.to_string()))
        .await
        .unwrap();
}

async fn events(client: &mut Client) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let text = client.next().await.unwrap().unwrap().into_text().unwrap();
        events.push(serde_json::from_str::<Value>(&text).unwrap());
        if events.last().unwrap()["type"] == "response.completed" {
            return events;
        }
    }
}

#[tokio::test]
async fn a_conversation_remembers_the_tools_of_its_first_turn() {
    let stand_in = stand_in().await;
    let mut client = connect(&stand_in).await.unwrap();
    create(
        &mut client,
        json!({"generate": false, "input": [{"type": "additional_tools"}]}),
    )
    .await;
    let prewarm = events(&mut client).await;
    assert_eq!(prewarm.len(), 2);
    let prompt = json!([{"role": "user", "content": "run: ls"}]);
    create(&mut client, json!({"input": prompt})).await;
    let call = events(&mut client).await;
    assert_eq!(call[4]["item"]["type"], "custom_tool_call");
    let got = stand_in.received();
    let kinds: Vec<_> = got
        .iter()
        .map(|one| (one.transport, one.method.as_str()))
        .collect();
    let message = (Transport::WebSocket, "GET");
    assert_eq!(kinds, [(Transport::Http, "GET"), message, message]);
    assert_eq!(got[2].json.as_ref().unwrap()["input"], prompt);
}

#[tokio::test]
async fn messages_beyond_64_mib_and_binary_ones_are_taken() {
    let stand_in = stand_in().await;
    let mut client = connect(&stand_in).await.unwrap();
    let big = "x".repeat(65 << 20);
    create(&mut client, json!({"input": big})).await;
    assert_eq!(
        events(&mut client).await.last().unwrap()["type"],
        "response.completed"
    );
    client.send(Message::binary(vec![0, 255, 7])).await.unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::binary(vec![0, 255, 7])
    );
    let got = stand_in.received();
    assert!(got[1].body_len > 65 << 20 && got[2].binary);
}

#[tokio::test]
async fn pings_are_answered_in_the_middle_of_a_silent_answer() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("x").hang_after(1));
    let mut client = connect(&stand_in).await.unwrap();
    create(&mut client, json!({})).await;
    assert!(client.next().await.unwrap().unwrap().is_text());
    client.send(Message::Ping("here?".into())).await.unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::Pong("here?".into())
    );
    assert_eq!(stand_in.pings(), 1);

    let frame = CloseFrame {
        code: 4001.into(),
        reason: "bye".into(),
    };
    client.close(Some(frame)).await.unwrap();
    until(|| stand_in.cancelled() == 1 && stand_in.open_connections() == 0).await;
    assert_eq!(stand_in.closes(), [4001]);
    assert_eq!(stand_in.received()[1].outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn errors_closes_and_cuts_arrive_as_scripted() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::error(429, "usage_limit_reached", "wait"));
    stand_in.push(Answer::close(4008, "enough"));
    stand_in.push(Answer::text("x").cut_after(2));
    let mut client = connect(&stand_in).await.unwrap();
    create(&mut client, json!({})).await;
    let text = client.next().await.unwrap().unwrap().into_text().unwrap();
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&error["type"], &error["status"]),
        (&json!("error"), &json!(429))
    );
    assert_eq!(error["error"]["code"], "usage_limit_reached");

    create(&mut client, json!({})).await;
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
        panic!("a close frame was scripted")
    };
    assert_eq!(
        (u16::from(frame.code), frame.reason.as_str()),
        (4008, "enough")
    );

    drop(client);
    let mut client = connect(&stand_in).await.unwrap();
    create(&mut client, json!({})).await;
    assert!(client.next().await.unwrap().unwrap().is_text());
    assert!(client.next().await.unwrap().unwrap().is_text());
    assert!(client.next().await.unwrap().is_err());
    until(|| stand_in.open_connections() == 0).await;
}

#[tokio::test]
async fn a_refused_upgrade_has_the_status_asked_for_and_is_recorded() {
    let config = Config {
        websocket: WebSocketMode::Refuse(426),
        ..Config::default()
    };
    let stand_in = StandIn::start(config).await.unwrap();
    let Err(Error::Http(response)) = connect(&stand_in).await else {
        panic!("it must be refused")
    };
    assert_eq!(response.status(), 426);
    assert_eq!(stand_in.received()[0].header("upgrade"), Some("websocket"));
}
