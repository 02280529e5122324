//! What is spoken inside an exchange, looked at when it is reported: content codings taken off its
//! bodies, and what a call of gRPC comes to.

use super::body::{Arrival, Progress};
use super::known::{Grpc, GrpcMessages};
use super::pair::Open;
use super::{Exchange, Half, Options, Reason, Seen};
use crate::protocol::coding::{self, Ended};
use crate::protocol::{Anomaly, grpc};
use crate::stream::Direction;

/// Messages of gRPC, to the server and to the client.
#[derive(Debug)]
pub(super) struct Calls {
    form: grpc::Form,
    request: grpc::Messages,
    response: grpc::Messages,
}

impl Calls {
    const fn side(&mut self, direction: Direction) -> &mut grpc::Messages {
        match direction {
            Direction::ToServer => &mut self.request,
            Direction::ToClient => &mut self.response,
        }
    }
}

impl Open {
    /// A head has come: looks whether it is one of gRPC.
    pub(super) fn look_inside(&mut self) {
        if self.calls.is_some() {
            return;
        }
        let halves = [&self.exchange.request, &self.exchange.response];
        let mut types = halves.into_iter().flatten().rev();
        let form = types.find_map(|half| grpc::form(half.head.field("content-type")?));
        // The head that would have said it first may not have been readable: messages passed by then.
        let messages = |arrival: &Arrival, form| {
            if arrival.is_bare() || arrival.progress == Progress::Waiting {
                grpc::Messages::new(form)
            } else {
                grpc::Messages::late(form)
            }
        };
        self.calls = form.map(|form| {
            Box::new(Calls {
                form,
                request: messages(&self.request, form),
                response: messages(&self.response, form),
            })
        });
    }

    /// Bytes of a body came.
    pub(super) fn inside(&mut self, direction: Direction, bytes: &[u8]) {
        if let Some(calls) = &mut self.calls {
            calls.side(direction).push(bytes);
        }
    }

    /// Bytes of a body never came.
    pub(super) fn inside_missing(&mut self, direction: Direction, n: u64) {
        if let Some(calls) = &mut self.calls {
            calls.side(direction).gap(n);
        }
    }
}

/// Fills in what `exchange` is to say of what was spoken inside it.
pub(super) fn fill(
    exchange: &mut Exchange,
    calls: Option<&Calls>,
    arrivals: [&mut Arrival; 2],
    options: &Options,
) {
    exchange.known.spoken.grpc = calls.map(|calls| Box::new(call(exchange, calls, options)));
    let [request, response] = arrivals;
    if let Some(half) = &mut exchange.request {
        let most = options.request_body_bytes;
        decode(half, request, most);
    }
    if let Some(half) = &mut exchange.response {
        let most = options.response_body_bytes;
        decode(half, response, most);
    }
}

/// Takes content codings off a body, if there are any that can be.
fn decode(half: &mut Half, arrival: &mut Arrival, most: usize) {
    if half.body.content.is_empty() {
        return;
    }
    let Some(field) = half.head.field("content-encoding") else {
        return;
    };
    let Some(decoded) = coding::decode(field, &half.body.content, most) else {
        return;
    };
    if decoded.swells {
        arrival.anomalies.add(Anomaly::CodingSwells);
    }
    match decoded.ended {
        Ended::Limit => arrival.degrade(Seen::Truncated, Some(Reason::BodyLimit)),
        Ended::Broken => arrival.anomalies.add(Anomaly::InvalidCoding),
        // Of a body that is whole nothing can be missing.
        Ended::Short if arrival.seen == Seen::Whole => {
            arrival.anomalies.add(Anomaly::InvalidCoding);
        }
        Ended::Short | Ended::Whole => {}
    }
    if decoded.content.is_empty() && decoded.ended != Ended::Whole {
        return;
    }
    half.body.content = decoded.content;
    half.body.is_decoded = true;
}

/// The fields of the messages of a body, of those that are kept.
fn fields(
    form: grpc::Form,
    half: &Half,
    most: usize,
    mut fields: grpc::Fields<'_>,
) -> Vec<grpc::Field> {
    let coded_as = half.head.field("grpc-encoding");
    grpc::kept_messages(form, &half.body.content, |is_coded, message| {
        if !is_coded {
            fields.message(message);
        } else {
            fields.coded(|| Some(coding::decode(coded_as?, message, most)?.content));
        }
    });
    fields.take()
}

fn call(exchange: &Exchange, calls: &Calls, options: &Options) -> Grpc {
    let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
    let path = request.map(|half| half.head.get(half.head.target));
    let (service, method) = path.and_then(grpc::called).unwrap_or_default();
    let said = |name: &str| {
        let trailers = response.and_then(|half| half.trailers.as_ref()?.field(name));
        let head = || response.and_then(|half| half.head.field(name));
        trailers
            .or_else(head)
            .or_else(|| calls.response.trailer(name))
    };
    let count = |messages: &grpc::Messages, half: Option<&Half>| {
        let counted = half.is_some_and(|half| half.body.total_bytes.is_some());
        GrpcMessages {
            count: messages.count().filter(|_| counted),
            bytes: messages.bytes().filter(|_| counted),
        }
    };
    let told = |half: Option<&Half>, most, of| {
        let names = grpc::Fields::new(&options.schema, of);
        half.map_or_else(Vec::new, |half| fields(calls.form, half, most, names))
    };
    let [asked, answered] = options.schema.method(service, method);
    Grpc {
        service: service.to_vec(),
        method: method.to_vec(),
        status: said("grpc-status").and_then(grpc::status),
        message: said("grpc-message")
            .filter(|text| !text.is_empty())
            .map(<[u8]>::to_vec),
        timeout_ns: request.and_then(|half| grpc::timeout_ns(&half.head)),
        request: count(&calls.request, request),
        response: count(&calls.response, response),
        request_fields: told(request, options.request_body_bytes, asked),
        response_fields: told(response, options.response_body_bytes, answered),
    }
}
