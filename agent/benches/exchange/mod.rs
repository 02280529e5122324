//! One small exchange, and what no passive parser of it can do without.

use std::hint::black_box;

use crate::measure::{Bench, Cost, cost};

/// A GET with ten fields.
pub(crate) const REQUEST: &[u8] = b"GET /api/v1/users/42?verbose=1 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nAuthorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\nCache-Control: no-cache\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nReferer: https://app.example.com/users\r\nConnection: keep-alive\r\n\r\n";

/// 350 bytes of JSON back.
pub(crate) fn response() -> Vec<u8> {
    let body = vec![b'j'; 350];
    let mut response = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 350\r\nConnection: keep-alive\r\n\r\n".to_vec();
    response.extend(body);
    response
}

/// Steps on one small exchange, held against both heads by httparse alone and the bytes copied
/// once: what no passive parser can do without.
pub(crate) fn against_httparse(response: &[u8]) -> Bench {
    Bench::against("httparse and a copy", httparse(response))
}

fn httparse(response: &[u8]) -> Cost {
    let mut kept = Vec::with_capacity(4096);
    cost(1000, || {
        let mut fields = 0;
        for _ in 0..1000 {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            black_box(request.parse(black_box(REQUEST)).is_ok());
            fields += request.headers.len();
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut answer = httparse::Response::new(&mut headers);
            black_box(answer.parse(black_box(response)).is_ok());
            fields += answer.headers.len();
            kept.clear();
            kept.extend_from_slice(REQUEST);
            kept.extend_from_slice(response);
            black_box(&kept);
        }
        fields
    })
}
