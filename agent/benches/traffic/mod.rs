//! Small exchanges as they are usual, and the records they come in.

use std::net::Ipv4Addr;

use eaves::base64;
use eaves::capture::ConnBuilder;
use eaves_common::Flow;

/// Conns that are open at the same time.
const CONNS: u64 = 64;

/// Time between two exchanges: 50 000 a second.
const APART_NS: u64 = 20_000;

/// A kind of exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A GET with ten fields, 350 bytes of JSON back.
    Get,
    /// JSON with a token, JSON back.
    Post,
    /// A browser's page, with its cookies.
    Page,
    /// Something that detectors see.
    Attack,
}

impl Kind {
    /// Request and response of the `n`th exchange.
    pub(crate) fn messages(self, n: u64) -> (Vec<u8>, Vec<u8>) {
        let (id, user) = (n * 7919 % 100_000, n * 31 % 500);
        match self {
            Self::Get => (get(id, user), answer(JSON, &users(id, 340))),
            Self::Post => (post(id, user), answer(JSON, &order(id))),
            Self::Page => (page(id, user), answer("text/html; charset=utf-8", HTML)),
            Self::Attack => (attack(n), answer(JSON, &users(id, 340))),
        }
    }
}

const JSON: &str = "application/json; charset=utf-8";

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/142.0.0.0 Safari/537.36";

const HTML: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Boots, brown - Shop</title>\
<link rel=\"stylesheet\" href=\"/static/shop.4f2a.css\"></head><body class=\"product\"><header><a href=\"/\">Shop</a>\
<nav><a href=\"/c/shoes\">Shoes</a><a href=\"/c/coats\">Coats</a></nav></header><main><h1>Boots, brown</h1><p>Made of \
leather, with a sole that can be sewn on again. Sizes 36 to 47.</p><p class=\"price\">EUR 129.00</p><form action=\
\"/cart\" method=\"post\"><input type=\"hidden\" name=\"product\" value=\"4711\"><button>Add to cart</button></form>\
</main><script src=\"/static/shop.91bc.js\" defer></script></body></html>";

fn get(id: u64, user: u64) -> Vec<u8> {
    format!(
        "GET /api/v1/users/{id}?verbose=1 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: okhttp/4.12.0\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.7\r\n\
         Authorization: Bearer k{user:04}abcdefghijklmnopqrstuvwxyz0123456789\r\nCache-Control: no-cache\r\n\
         X-Request-Id: 7b1f0d3e-5a0e-4a55-9d0b-0f4c{id:08x}\r\nReferer: https://app.example.com/users\r\n\
         Connection: keep-alive\r\n\r\n"
    )
    .into_bytes()
}

/// A token whose claims name the user, and that no detector minds: it ends an hour after it began.
fn token(user: u64) -> String {
    let claims = format!("{{\"sub\":\"user-{user:04}\",\"iat\":1795240000,\"exp\":1795243600}}");
    let claims = base64::encode(claims.as_bytes());
    let claims = claims.trim_end_matches('=');
    format!(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"
    )
}

fn post(id: u64, user: u64) -> Vec<u8> {
    let token = token(user);
    let body = format!(
        "{{\"customer\":{{\"id\":{user},\"name\":\"Ada Lovelace\",\"email\":\"ada{user}@example.com\"}},\"items\":[\
         {{\"sku\":\"BOOT-{id}\",\"quantity\":2,\"price\":129.00}},{{\"sku\":\"LACE-7\",\"quantity\":1,\"price\":4.50}}],\
         \"note\":\"Please ring twice, the bell is quiet.\",\"gift\":false}}"
    );
    let length = body.len();
    format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: ShopApp/5.1.2 CFNetwork/1490.0.4 \
         Darwin/23.2.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAuthorization: Bearer \
         {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: keep-alive\r\n\r\n{body}"
    )
    .into_bytes()
}

fn page(id: u64, user: u64) -> Vec<u8> {
    let product = id % 300;
    format!(
        "GET /shop/products/{product}?color=brown&size=42&utm_source=newsletter HTTP/1.1\r\nHost: www.example.com\r\n\
         Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
         sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Windows\"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: {CHROME}\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n\
         Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
         Referer: https://www.example.com/shop/products?category=shoes&page=2\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\nCookie: session=5f2c0a7be51d4c5d{user:016x}; \
         _ga=GA1.2.1209384756.1795000{user:03}; theme=dark; consent=analytics%3Dtrue%26ads%3Dfalse; cart=3\r\n\r\n"
    )
    .into_bytes()
}

fn attack(n: u64) -> Vec<u8> {
    let target = match n % 5 {
        0 => "/api/v1/users?name=%27%20OR%20%271%27%3D%271%27%20--%20",
        1 => "/search?q=%3Cscript%3Ealert(document.cookie)%3C%2Fscript%3E",
        2 => "/static/..%2f..%2f..%2fetc/passwd",
        3 => "/fetch?url=http://169.254.169.254/latest/meta-data/iam/",
        _ => "/ping?host=127.0.0.1%3Bcat%20%2Fetc%2Fpasswd",
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: python-requests/2.31.0\r\n\
         Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\r\n"
    )
    .into_bytes()
}

/// A list of users, about `bytes` long.
pub(crate) fn users(id: u64, bytes: usize) -> String {
    let mut json = String::from("{\"users\":[");
    let mut at = id;
    while json.len() + 60 < bytes {
        json.push_str(&format!(
            "{{\"id\":{at},\"name\":\"Ada Lovelace\",\"active\":true,\"team\":\"engines\"}},"
        ));
        at += 1;
    }
    json.pop();
    json.push_str("]}");
    json
}

fn order(id: u64) -> String {
    format!(
        "{{\"id\":{id},\"state\":\"accepted\",\"total\":262.50,\"currency\":\"EUR\",\"created\":\"2026-11-21T06:02:11Z\",\
         \"items\":[{{\"sku\":\"BOOT-{id}\",\"quantity\":2}},{{\"sku\":\"LACE-7\",\"quantity\":1}}],\"delivery\":\
         {{\"carrier\":\"post\",\"days\":3}}}}"
    )
}

/// A response with this body.
pub(crate) fn answer(media_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 06:02:11 GMT\r\nContent-Type: {media_type}\r\n\
         Content-Length: {length}\r\nConnection: keep-alive\r\nETag: \"6740a5d3-15e\"\r\nCache-Control: private, max-age=0\r\n\
         Vary: Accept-Encoding\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A server's records, one exchange after the other, on conns from clients in turn.
pub(crate) struct Traffic {
    builders: Vec<ConnBuilder>,
    opened: bool,
    exchanges: u64,
}

impl Traffic {
    /// None yet.
    pub(crate) fn new() -> Self {
        let builder = |at: u64| {
            let mut builder = ConnBuilder::tcp(4096 + at * 1088);
            builder.local = (Ipv4Addr::new(10, 0, 0, 5), 8080);
            builder.remote = (
                Ipv4Addr::new(203, 0, 113, (at % 40) as u8),
                40_000 + at as u16,
            );
            builder
        };
        Self {
            builders: (0..CONNS).map(builder).collect(),
            opened: false,
            exchanges: 0,
        }
    }

    /// Records of one exchange.
    pub(crate) fn of(&mut self, request: &[u8], response: &[u8]) -> Vec<Vec<u8>> {
        let mut records = self.records(0, usual);
        if let Some(builder) = self.builders.first_mut() {
            records.push(builder.data(Flow::Received, request));
            let pieces = response.chunks(4096);
            records.extend(pieces.map(|piece| builder.data(Flow::Sent, piece)));
        }
        records
    }

    /// Records of `count` more exchanges, of a kind that `kind` says by number.
    pub(crate) fn records(&mut self, count: u64, kind: impl Fn(u64) -> Kind) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        if !std::mem::replace(&mut self.opened, true) {
            records.extend(self.builders.iter_mut().map(ConnBuilder::open));
        }
        for n in self.exchanges..self.exchanges + count {
            let (request, response) = kind(n).messages(n);
            let at = (n % CONNS) as usize;
            if let Some(builder) = self.builders.get_mut(at) {
                builder.time_ns = 1_000_000_000 + n * APART_NS;
                records.push(builder.data(Flow::Received, &request));
                builder.time_ns += 200_000;
                records.push(builder.data(Flow::Sent, &response));
            }
        }
        self.exchanges += count;
        records
    }
}

/// Of usual traffic: half GETs, a quarter each of the others.
pub(crate) const fn usual(n: u64) -> Kind {
    match n % 4 {
        0 | 1 => Kind::Get,
        2 => Kind::Post,
        _ => Kind::Page,
    }
}

/// The same, of which one in twenty is an attack.
pub(crate) const fn attacked(n: u64) -> Kind {
    if n % 20 == 19 { Kind::Attack } else { usual(n) }
}
