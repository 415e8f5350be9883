//! A card's life as JSON, for other programs.

use keystorm_model::secure::Direction;
use keystorm_model::{SimTime, Span};
use serde_json::{Map, Value, json};

use super::diagram::Chosen;
use super::steps::{Action, Mark, Step, Tone};
use super::{Fact, Life};

/// One object: the card, what it is part of, every step, how it ended. Times are seconds from the start of the run.
pub fn value(life: &Life, chosen: &Chosen) -> Value {
    let named = |facts: &[Fact]| {
        let entry = |(name, value): &Fact| (name.to_lowercase().replace(' ', "_"), value.as_str().into());
        Value::Object(facts.iter().map(entry).collect::<Map<_, _>>())
    };
    let (kind, number) = life.subject.parts();
    json!({
        kind: number,
        "facts": named(&life.facts),
        "steps": life.steps.iter().map(|one| step(one, life.timed)).collect::<Vec<_>>(),
        "diagram_connections": chosen.connections,
        "end": named(&life.end),
    })
}

fn seconds(span: Span) -> Value {
    (span.as_ns() as f64 / 1e9).into()
}

fn step(step: &Step, timed: bool) -> Value {
    let remark = |remark: &super::steps::Remark| json!({ "kind": tone(remark.kind), "text": remark.text });
    let mut fields = Map::new();
    fields.insert("step".into(), step.number.into());
    fields
        .insert("connection".into(), if step.connection == 0 { Value::Null } else { step.connection.into() });
    fields.insert("epilogue".into(), step.epilogue.into());
    let time = |span: Option<Span>| span.filter(|_| timed).map_or(Value::Null, seconds);
    fields.insert("at_s".into(), time(Some(step.at.since(SimTime::ZERO))));
    fields.insert("took_s".into(), time(step.took));
    fields.insert("arrived".into(), step.took.is_some().into());
    let words = |fields: &mut Map<String, Value>, words: &super::words::Words| {
        fields.insert("name".into(), words.name.as_str().into());
        fields.insert("content".into(), words.content.as_str().into());
        fields.insert("keys".into(), words.keys.as_str().into());
    };
    match &step.action {
        Action::Mark(mark, text) => {
            let kind = match mark {
                Mark::Visit => "visit",
                Mark::Connection => "connection",
                Mark::End => "end",
                Mark::Cut => "cut",
                Mark::Other => "event",
            };
            fields.insert("kind".into(), kind.into());
            fields.insert("text".into(), text.as_str().into());
        }
        Action::Message { direction, words: said } => {
            let [from, to] = match direction {
                Direction::Up => ["client", "server"],
                Direction::Down => ["server", "client"],
            };
            fields.insert("kind".into(), "message".into());
            fields.insert("from".into(), from.into());
            fields.insert("to".into(), to.into());
            words(&mut fields, said);
        }
        Action::Command { words: said, answer, writes, pulled } => {
            fields.insert("kind".into(), "command".into());
            fields.insert("from".into(), "client".into());
            fields.insert("to".into(), "card".into());
            words(&mut fields, said);
            let status = answer.as_ref().map(|answer| format!("{:04X}", answer.status));
            fields.insert("status_word".into(), status.into());
            fields.insert("answer".into(), answer.as_ref().map(|answer| answer.content.clone()).into());
            fields.insert("nvm_writes".into(), (*writes).into());
            fields.insert("pulled".into(), pulled.is_some().into());
        }
    }
    fields.insert("remarks".into(), step.remarks.iter().map(remark).collect());
    Value::Object(fields)
}

const fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Renewal => "renewal",
        Tone::Fault => "fault",
        Tone::Harm => "harm",
    }
}
