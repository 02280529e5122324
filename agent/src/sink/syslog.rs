//! Syslog: RFC 5424 over TCP (octet counting, RFC 6587 §3.4.1), TLS (RFC 5425), UDP (RFC 5426) or a
//! Unix socket. With `format: cef` the message is a line of CEF, which SIEMs take over syslog.
//!
//! ```text
//! <PRI>1 TIME HOST eaves - KIND [eaves@32473 id="…"] MESSAGE
//! ```
//!
//! Syslog acknowledges nothing. Over a stream what the kernel has taken counts as arrived; before each
//! batch the connection is looked at, and when it breaks under a batch the whole batch is sent again.
//! What the kernel had taken and not sent when the far end died is lost: where that must not be, take a
//! sink that acknowledges. A datagram that is lost is lost.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::time::timeout;

use super::batch::{Item, Kind, Part};
use super::deliver::{Deliver, Delivering, Fate, Outcome, Problem};
use super::http::{
    HttpOptions, SetupError, Stream, UrlError, secured, server_name, tcp, tls_config,
};
use crate::clock::WallTime;
use crate::event::{Severity, stamp};
use crate::lookup::addresses;

/// The number of our own in structured data is the one RFC 5612 keeps for documentation: Eaves has no
/// enterprise number.
const SD_ID: &str = "eaves@32473";

/// Most that one UDP datagram carries over IPv4, bytes.
const UDP_MAX_BYTES: usize = 65_507;

/// Sends events to a syslog server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyslogOptions {
    /// Where it is: `tls://host:6514`, `tcp://host:514`, `udp://host:514`, `unix:/dev/log`.
    #[schemars(extend("x-check" = "syslog_address"))]
    pub address: String,
    /// Facility.
    #[serde(default)]
    pub facility: Facility,
}

/// What part of a system a message comes from (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Facility {
    /// User-level messages
    User = 1,
    /// System daemons
    Daemon = 3,
    /// Security messages
    Auth = 4,
    /// Security messages that are private
    Authpriv = 10,
    /// Log audit
    Audit = 13,
    /// Local use 0
    #[default]
    Local0 = 16,
    /// Local use 1
    Local1 = 17,
    /// Local use 2
    Local2 = 18,
    /// Local use 3
    Local3 = 19,
    /// Local use 4
    Local4 = 20,
    /// Local use 5
    Local5 = 21,
    /// Local use 6
    Local6 = 22,
    /// Local use 7
    Local7 = 23,
}

/// Where a syslog server is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Tcp(String, u16),
    Tls(String, u16),
    Udp(String, u16),
    Unix(String),
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(path.to_owned()));
        }
        let (scheme, place) = text.split_once("://")?;
        let (host, port) = place.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = port.parse().ok().filter(|port| *port > 0)?;
        if host.is_empty() || host.contains('/') {
            return None;
        }
        match scheme {
            "tcp" => Some(Self::Tcp(host, port)),
            "tls" => Some(Self::Tls(host, port)),
            "udp" => Some(Self::Udp(host, port)),
            _ => None,
        }
    }
}

/// A syslog server.
pub struct Syslog {
    address: Address,
    facility: Facility,
    host: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    within: std::time::Duration,
    open: Option<Open>,
}

/// A connection that stands.
enum Open {
    Stream(Stream),
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Syslog {
    /// A sink by `options`, whose messages say that they come from `host`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(
        options: &SyslogOptions,
        http: &HttpOptions,
        host: &str,
    ) -> Result<Self, SetupError> {
        let address = Address::parse(&options.address)
            .ok_or_else(|| UrlError::Form(options.address.clone()))?;
        let tls = match &address {
            Address::Tls(place, _) => {
                let name = http.tls.server_name.as_ref().unwrap_or(place);
                Some((tls_config(&http.tls)?, server_name(name)?))
            }
            _ => None,
        };
        Ok(Self {
            address,
            facility: options.facility,
            host: field(host, 255),
            tls,
            within: http.timeout,
            open: None,
        })
    }

    async fn connect(&self) -> Result<Open, String> {
        let told = |error: io::Error| error.to_string();
        match &self.address {
            Address::Tcp(host, port) => {
                let stream = tcp(host, *port).await.map_err(|error| error.to_string())?;
                Ok(Open::Stream(Stream::Clear(stream)))
            }
            Address::Tls(host, port) => {
                let (config, name) = self.tls.clone().ok_or("no TLS")?;
                let stream = tcp(host, *port).await.map_err(|error| error.to_string())?;
                let stream = secured(stream, config, name, host).await;
                Ok(Open::Stream(stream.map_err(|error| error.to_string())?))
            }
            Address::Udp(host, port) => {
                let any = if host.contains(':') {
                    "[::]:0"
                } else {
                    "0.0.0.0:0"
                };
                let socket = UdpSocket::bind(any).await.map_err(told)?;
                let addresses = addresses(host, *port).await.map_err(told)?;
                socket.connect(&*addresses).await.map_err(told)?;
                Ok(Open::Udp(socket))
            }
            Address::Unix(path) => {
                let socket = UnixDatagram::unbound().map_err(told)?;
                socket.connect(path).map_err(told)?;
                Ok(Open::Unix(socket))
            }
        }
    }

    async fn send(&mut self, part: Part<'_>) -> Outcome {
        // A far end that has gone has most likely closed, which shows before anything is written.
        let stands = match &mut self.open {
            Some(Open::Stream(stream)) => stream.stands().await,
            other => other.is_some(),
        };
        if !stands {
            match timeout(self.within, self.connect()).await {
                Ok(Ok(open)) => self.open = Some(open),
                Ok(Err(what)) => return Outcome::Retry(Problem::new(what)),
                Err(_) => return Outcome::Retry(Problem::new("no connection in time")),
            }
        }
        let sent = timeout(self.within, self.write(part)).await;
        match sent {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => self.broken(&error.to_string()),
            Err(_) => self.broken("the far end takes nothing any more"),
        }
    }

    fn broken(&mut self, what: &str) -> Outcome {
        self.open = None;
        Outcome::Retry(Problem::new(format!("the connection broke: {what}")))
    }

    async fn write(&mut self, part: Part<'_>) -> io::Result<Outcome> {
        let messages = part
            .items()
            .map(|item| message(&item, self.facility, &self.host));
        match &mut self.open {
            Some(Open::Stream(stream)) => {
                let mut bytes = Vec::new();
                for message in messages {
                    bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
                    bytes.extend_from_slice(&message);
                }
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                if !stream.stands().await {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Ok(Outcome::Accepted)
            }
            Some(Open::Udp(socket)) => {
                let mut fates = Vec::new();
                for message in messages {
                    let sent = if message.len() > UDP_MAX_BYTES {
                        Err(io::ErrorKind::InvalidInput.into())
                    } else {
                        socket.send(&message).await.map(|_| ())
                    };
                    fates.push(datagram(sent, message.len())?);
                }
                Ok(Outcome::Each(fates, None))
            }
            Some(Open::Unix(socket)) => {
                let mut fates = Vec::new();
                for message in messages {
                    let sent = socket.send(&message).await.map(|_| ());
                    fates.push(datagram(sent, message.len())?);
                }
                Ok(Outcome::Each(fates, None))
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// What became of one datagram: one that is too long never fits.
fn datagram(sent: io::Result<()>, bytes: usize) -> io::Result<Fate> {
    let too_long = |error: &io::Error| {
        error.kind() == io::ErrorKind::InvalidInput
            || error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
    };
    match sent {
        Ok(()) => Ok(Fate::Accepted),
        Err(error) if too_long(&error) => {
            let what = format!("{bytes} bytes are too many for one datagram");
            Ok(Fate::Refused(what))
        }
        Err(error) => Err(error),
    }
}

impl Deliver for Syslog {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(self.send(part))
    }
}

/// One message (RFC 5424 §6).
fn message(item: &Item<'_>, facility: Facility, host: &str) -> Vec<u8> {
    let (name, severity) = match item.kind {
        Kind::Exchange => ("exchange", 6),
        Kind::Finding => ("finding", severity(item.line)),
        Kind::Notice => ("notice", severity(item.line)),
    };
    let priority = facility as u32 * 8 + severity;
    let time = stamp(WallTime(item.time_ns));
    // TIME-SECFRAC has at most six digits.
    let time = String::from_utf8_lossy(time.get(..26).unwrap_or_default());
    let id = quoted(item.id);
    let mut out = format!("<{priority}>1 {time}Z {host} eaves - {name} [{SD_ID} id=\"{id}\"] ");
    if item.record.iter().any(|byte| *byte >= 0x80) {
        // A message in UTF-8 begins with a byte order mark (§6.4).
        out.push('\u{feff}');
    }
    let mut out = out.into_bytes();
    out.extend_from_slice(item.record);
    out
}

/// The event's severity as syslog's.
fn severity(line: &[u8]) -> u32 {
    let head = super::batch::Head::of(line);
    match head.and_then(|head| head.severity) {
        Some(Severity::Critical) => 2,
        Some(Severity::High) => 3,
        Some(Severity::Medium) => 4,
        Some(Severity::Low) => 5,
        _ => 6,
    }
}

/// A field of the header: printable ASCII without spaces, `-` if nothing is left.
fn field(text: &str, most: usize) -> String {
    let graphic = text.chars().filter(char::is_ascii_graphic);
    let field: String = graphic.take(most).collect();
    if field.is_empty() {
        "-".to_owned()
    } else {
        field
    }
}

/// A value of structured data (§6.3.3).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Address, Facility, datagram, field, message};
    use crate::sink::batch::batch;
    use crate::sink::deliver::Fate;
    use crate::sink::format::Format;
    use std::io;

    #[track_caller]
    fn check(format: Format, line: &str, expected: &str) {
        let batch = batch(format, &[line]);
        let message = message(&batch.get(0).unwrap(), Facility::Local0, "web-3");
        assert_eq!(String::from_utf8(message).unwrap(), expected);
    }

    #[test]
    fn a_message_is_that_of_the_rfc() {
        let exchange = r#"{"kind":"exchange","schema":1,"id":"a\"]\\","time":"2026-11-21T06:02:11.123456789Z"}"#;
        check(
            Format::Eaves,
            exchange,
            &format!(
                r#"<134>1 2026-11-21T06:02:11.123456Z web-3 eaves - exchange [eaves@32473 id="a\"\]\\"] {exchange}"#
            ),
        );
        let finding = r#"{"kind":"finding","id":"f","time":"","severity":"critical","title":"é"}"#;
        check(
            Format::Eaves,
            finding,
            &format!(
                "<130>1 1970-01-01T00:00:00.000000Z web-3 eaves - finding [eaves@32473 id=\"f\"] \u{feff}{finding}"
            ),
        );
    }

    #[test]
    fn addresses_are_read() {
        let check = |text: &str, expected: Option<Address>| {
            assert_eq!(Address::parse(text), expected, "{text}");
        };
        check("tcp://logs:514", Some(Address::Tcp("logs".into(), 514)));
        check("tls://[::1]:6514", Some(Address::Tls("::1".into(), 6514)));
        check(
            "udp://10.0.0.1:514",
            Some(Address::Udp("10.0.0.1".into(), 514)),
        );
        check("unix:/dev/log", Some(Address::Unix("/dev/log".into())));
        for none in [
            "",
            "logs:514",
            "tcp://logs",
            "tcp://:1",
            "tcp://a:0",
            "unix:log",
            "ftp://a:1",
        ] {
            check(none, None);
        }
    }

    #[test]
    fn a_datagram_that_never_fits_is_refused() {
        let long = io::Error::from(rustix::io::Errno::MSGSIZE);
        assert!(matches!(datagram(Err(long), 9), Ok(Fate::Refused(_))));
        let gone = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(datagram(Err(gone), 9).is_err());
        assert_eq!(datagram(Ok(()), 9).unwrap(), Fate::Accepted);
    }

    #[test]
    fn header_fields_hold_nothing_that_ends_them() {
        assert_eq!(field("web 3\n\u{e9}", 255), "web3");
        assert_eq!(field("", 255), "-");
        assert_eq!(field("abc", 2), "ab");
    }
}
