use super::read_document;
use crate::detect::{Answer, Form, Operation, Specification};

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(read_document(text).unwrap().routes(), expected);
}

#[test]
fn paths_stand_behind_their_servers() {
    check(
        "openapi: 3.1.0\nservers: [{url: 'https://api.example.com/v1/'}, {url: /v2}]\npaths:\n  /users/{id}: {get: {}}\n  x-other: 1\n",
        &["/v1/users/{id}", "/v2/users/{id}"],
    );
    check(
        r#"{"openapi":"3.0.0","paths":{"/a":{},"/b":{}}}"#,
        &["/a", "/b"],
    );
    check(
        r#"{"swagger":"2.0","basePath":"/api","paths":{"/a":{}}}"#,
        &["/api/a"],
    );
    check(
        r#"{"servers":[{"url":"https://h"}],"paths":{"/a":{}}}"#,
        &["/a"],
    );
}

#[test]
fn what_is_no_document_is_said() {
    for text in ["", "[]", "{}", "a: 1", "{", "paths: 7"] {
        assert!(read_document(text).is_err(), "{text}");
    }
}

/// A document of the third version, with what the others have in another place.
const SHOP: &str = r##"
openapi: 3.1.0
servers: [{url: /api}]
paths:
  /orders:
    get:
      parameters:
        - {in: query, name: page, schema: {type: integer}}
      responses:
        "200": {content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Order"}}}}}
    post:
      requestBody: {$ref: "#/components/requestBodies/Order"}
      responses:
        2XX: {description: any answer}
  /orders/{orderId}:
    parameters: [{in: path, name: orderId, schema: {type: integer}}]
    get:
      deprecated: true
      responses:
        default: {content: {"application/*": {schema: {$ref: "#/components/schemas/Order"}}}}
  /notes:
    get:
      responses: {"200": {content: {application/json: {schema: {type: object}}}}}
components:
  requestBodies:
    Order: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
  schemas:
    Order:
      allOf:
        - {type: object, properties: {id: {type: integer}, lines: {type: array, items: {$ref: "#/components/schemas/Line"}}}}
        - {type: object, properties: {note: {type: string}}}
    Line: {type: object, properties: {sku: {type: string}, part: {$ref: "#/components/schemas/Line"}}}
"##;

#[test]
fn what_is_said_of_operations_is_taken() {
    let order = || Some(["id", "lines", "note", "sku", "part"].into_iter().collect());
    let answer = |statuses, media: &[&str], fields| Answer {
        statuses,
        media: media.iter().map(|one| (*one).to_owned()).collect(),
        fields,
    };
    let none = || Some([].into_iter().collect());
    let mut expected = Specification::default();
    let list = Operation {
        query: vec![("page".to_owned(), Form::Integer)],
        body: none(),
        answers: vec![answer((200, 200), &["application/json"], order())],
        ..Operation::default()
    };
    expected.add("/api", "/api/orders", "GET", list);
    let add = Operation {
        body: order(),
        answers: vec![answer((200, 299), &[], None)],
        ..Operation::default()
    };
    expected.add("/api", "/api/orders", "POST", add);
    let one = Operation {
        deprecated: true,
        path: vec![Form::Integer],
        body: none(),
        answers: vec![answer((0, u16::MAX), &["application/*"], order())],
        ..Operation::default()
    };
    expected.add("/api", "/api/orders/{orderId}", "GET", one);
    let notes = Operation {
        body: none(),
        answers: vec![answer((200, 200), &["application/json"], None)],
        ..Operation::default()
    };
    expected.add("/api", "/api/notes", "GET", notes);
    let read = |text| read_document(text).unwrap().specification();
    assert_eq!(read(SHOP), expected);
    let old = r##"{"swagger":"2.0","basePath":"/v2","produces":["application/json"],
        "securityDefinitions":{"key":{"type":"apiKey","in":"query","name":"api_key"}},
        "paths":{"/a/{id}":{"put":{"parameters":[{"in":"path","name":"id","type":"string","format":"uuid"},
            {"in":"body","name":"body","schema":{"$ref":"#/definitions/A"}}],
            "responses":{"200":{"schema":{"$ref":"#/definitions/A"}}}}}},
        "definitions":{"A":{"type":"object","properties":{"a":{"type":"string"}}}}}"##;
    let names = || Some(["a"].into_iter().collect());
    let put = Operation {
        path: vec![Form::Uuid],
        query: vec![("api_key".to_owned(), Form::Any)],
        body: names(),
        answers: vec![answer((200, 200), &["application/json"], names())],
        ..Operation::default()
    };
    let mut expected = Specification::default();
    expected.add("/v2", "/v2/a/{id}", "PUT", put);
    assert_eq!(read(old), expected);
}

#[test]
fn what_schemas_leave_open_is_open() {
    let closed = |schema: &str| {
        let text = format!(
            r##"{{"paths":{{"/a":{{"post":{{"requestBody":{{"content":{{"application/json":{{"schema":{schema}}}}}}}}}}}}},"x":{{"y":{{"properties":{{"z":{{"$ref":"#/x/y"}}}}}}}}}}"##
        );
        let found = read_document(&text).unwrap().specification();
        let mut expected = Specification::default();
        expected.add("", "/a", "POST", Operation::default());
        found != expected
    };
    for schema in [
        r##"{"$ref":"#/x/y"}"##,
        r#"{"properties":{"a":{"type":["string","null"]}}}"#,
        r#"{"type":"object","properties":{"a":{"enum":[1]}},"additionalProperties":false}"#,
        r#"{"type":"array","items":{"type":"string"}}"#,
    ] {
        assert!(closed(schema), "{schema}");
    }
    let deep = r#"{"items":"#.repeat(40) + "true" + &"}".repeat(40);
    for schema in [
        "true",
        "{}",
        r#"{"description":"any"}"#,
        r#"{"type":"object"}"#,
        r#"{"type":"array"}"#,
        r##"{"$ref":"#/x/missing"}"##,
        r#"{"$ref":"other.yaml"}"#,
        r#"{"properties":{"a":{"type":"object"}}}"#,
        r#"{"properties":{"a":{"type":"string"}},"additionalProperties":true}"#,
        r#"{"type":"object","patternProperties":{"^x":{"type":"string"}}}"#,
        &deep,
    ] {
        assert!(!closed(schema), "{schema}");
    }
}
