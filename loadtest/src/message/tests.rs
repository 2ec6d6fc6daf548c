//! Tests of the requests of whole plans.

use inrush_transport::{Body, Error};
use proptest::prelude::*;
use prost_reflect::DynamicMessage;

use super::*;
use crate::target::{Source, Target};

/// A plan for a method of the service of ghz's documentation.
fn plan(method: &str, data: Data) -> RequestPlan {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protos/greeter.proto");
    let source = Source::Proto { file: root.into(), imports: Vec::new() };
    let target = Target::find(&format!("helloworld.Greeter/{method}"), &source).unwrap();
    RequestPlan {
        descriptors: target.method.parent_pool().encode_to_vec(),
        service: target.method.parent_service().full_name().to_owned(),
        method: target.method.name().to_owned(),
        data,
        metadata: None,
        templates: Templates::Evaluated,
        stream_count: None,
        dynamic_messages: false,
        compressed: false,
        max_size: 1_000,
        name: None,
        connections: 1,
    }
}

fn json(text: &str) -> Data {
    Data::Json(Given { source: "--data".to_owned(), content: text.to_owned() })
}

/// The names in the messages of a call.
fn names(plan: &RequestPlan, number: u64) -> Result<Vec<String>, Error> {
    let frames = match plan.source()?.request(number, 0)?.body {
        Body::One(frame) => vec![frame],
        Body::Many(frames) => frames.collect::<Result<_, _>>()?,
    };
    let pool = prost_reflect::DescriptorPool::decode(plan.descriptors.as_slice()).unwrap();
    let descriptor = pool.get_message_by_name("helloworld.HelloRequest").unwrap();
    Ok(frames
        .into_iter()
        .map(|frame| {
            let message = DynamicMessage::decode(descriptor.clone(), frame.slice(5..)).unwrap();
            message.get_field_by_name("name").unwrap().as_str().unwrap().to_owned()
        })
        .collect())
}

#[test]
fn a_template_may_yield_json_from_text_that_is_not_json() {
    let plan =
        plan("SayHello", json(r#"{"name": {{ if eq .RequestNumber 0 }}"first"{{ else }}"other"{{ end }} }"#));
    assert_eq!(names(&plan, 0).unwrap(), ["first"]);
    assert_eq!(names(&plan, 1).unwrap(), ["other"]);
}

#[test]
fn a_template_may_yield_a_list() {
    let text = r#"[{{ range $i, $n := list 7 8 }}{{ if $i }},{{ end }}{"name":"{{ $n }}"}{{ end }}]"#;
    assert_eq!(names(&plan("SayHelloCS", json(text)), 0).unwrap(), ["7", "8"]);
    let unary = plan("SayHello", json(text));
    assert_eq!([names(&unary, 0).unwrap(), names(&unary, 1).unwrap()], [["7"], ["8"]]);
}

#[test]
fn empty_data_is_an_empty_message() {
    for text in ["", " ", "{}", "null"] {
        assert_eq!(names(&plan("SayHello", json(text)), 0).unwrap(), [""], "{text:?}");
    }
}

#[test]
fn a_deserialized_plan_makes_the_same_requests() {
    let data = Data::Binary(Given { source: "--binary-file x".to_owned(), content: b"\x0a\x03Bob".to_vec() });
    for data in [data, json(r#"{"name":"Bob"}"#)] {
        let plan = plan("SayHello", data);
        let sent: RequestPlan = serde_json::from_slice(&serde_json::to_vec(&plan).unwrap()).unwrap();
        assert_eq!(sent, plan);
        assert_eq!(names(&sent, 0).unwrap(), ["Bob"]);
    }
}

#[test]
fn dynamic_messages_differ_within_a_call() {
    let mut plan = plan("SayHelloBidi", json(r#"{"name":"{{.UUID}} {{.RequestNumber}}"}"#));
    plan.stream_count = Some(3);
    let same = names(&plan, 5).unwrap();
    assert!(same.len() == 3 && same[0] == same[2] && same[0].ends_with(" 5"), "{same:?}");
    plan.dynamic_messages = true;
    let different = names(&plan, 5).unwrap();
    assert!(different.len() == 3 && different[0] != different[2], "{different:?}");
}

proptest! {
    /// Any input is a message or an error.
    #[test]
    fn no_data_and_no_metadata_makes_it_panic(
        data in r#"([{}\[\]",:.| a-z0-9$-]|\{\{|\}\}|name|range|end|index|printf|\PC){0,60}"#,
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        metadata in r#"([{}\[\]",: a-z0-9-]|-bin|\{\{|\}\}|\PC){0,40}"#,
    ) {
        for method in ["SayHello", "SayHelloBidi"] {
            let mut plan = plan(method, json(&data));
            plan.metadata = Some(Given { source: "--metadata".to_owned(), content: metadata.clone() });
            let _ = plan.check();
            plan.metadata = None;
            let _ = plan.check();
            plan.data = Data::Binary(Given { source: "--binary".to_owned(), content: bytes.clone() });
            let _ = plan.check();
        }
    }
}
