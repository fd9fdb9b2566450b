//! Several answers of the upstream made into one for the client.

use bytes::Bytes;
use serde_json::Value;

use crate::listeners::Again;

/// What the client has had of the answer so far, while a further one arrives.
#[derive(Debug, Default)]
pub(crate) struct Joint {
    follows: bool,
    output: Vec<Value>,
    sequence: u64,
}

/// What becomes of an event of a further answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It goes on as it is.
    Same,
    /// It goes on so.
    Changed(Bytes),
    /// The client has been told already.
    Dropped,
}

impl Joint {
    /// Another answer follows; `last` is the event that would have ended this one.
    pub(crate) fn follow(&mut self, again: &Again, last: &[u8]) {
        self.follows = true;
        let items = again.output.iter();
        let items = items.filter_map(|item| serde_json::from_slice(item).ok());
        self.output.extend(items);
        let last: Value = serde_json::from_slice(last).unwrap_or_default();
        self.sequence = last["sequence_number"].as_u64().unwrap_or(self.sequence);
    }

    /// Whether the answer at hand is a further one.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// How an event reads in the joint answer.
    pub(crate) fn join(&self, data: &[u8]) -> Joined {
        if !self.follows {
            return Joined::Same;
        }
        let Ok(mut event) = serde_json::from_slice::<Value>(data) else {
            return Joined::Same;
        };
        if let Some("response.created" | "response.in_progress" | "response.queued") =
            event["type"].as_str()
        {
            return Joined::Dropped;
        }
        for (field, more) in [
            ("output_index", self.output.len() as u64),
            ("sequence_number", self.sequence),
        ] {
            if let Some(number) = event.get_mut(field)
                && let Some(value) = number.as_u64()
            {
                *number = Value::from(value + more);
            }
        }
        if let Some(output) = event
            .pointer_mut("/response/output")
            .and_then(Value::as_array_mut)
        {
            output.splice(0..0, self.output.iter().cloned());
        }
        Joined::Changed(event.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_further_answer_goes_on_where_the_first_one_stood() {
        let mut joint = Joint::default();
        let event =
            json!({"type": "response.output_text.delta", "output_index": 0, "sequence_number": 3});
        assert_eq!(joint.join(event.to_string().as_bytes()), Joined::Same);
        let again = Again {
            output: vec![json!({"id": "msg_1"}).to_string().into()],
            input: Vec::new(),
        };
        joint.follow(&again, br#"{"sequence_number":9}"#);
        assert_eq!(
            joint.join(br#"{"type":"response.created"}"#),
            Joined::Dropped
        );
        let Joined::Changed(delta) = joint.join(event.to_string().as_bytes()) else {
            panic!("it must be changed")
        };
        let delta: Value = serde_json::from_slice(&delta).unwrap();
        assert_eq!(
            (&delta["output_index"], &delta["sequence_number"]),
            (&json!(1), &json!(12))
        );
        let last = json!({"type": "response.completed", "response": {"output": [{"id": "msg_2"}]}});
        let Joined::Changed(last) = joint.join(last.to_string().as_bytes()) else {
            panic!("it must be changed")
        };
        let last: Value = serde_json::from_slice(&last).unwrap();
        assert_eq!(
            last["response"]["output"],
            json!([{"id": "msg_1"}, {"id": "msg_2"}])
        );
    }
}
