//! A connection to one broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::sasl::{self, Mechanism, Scram};
use super::wire::{self, Api, Reader, Writer};
use crate::base64;
use crate::sink::http::{Stream, secured, server_name, tcp};

/// Longest answer, bytes: metadata of a cluster of some thousand partitions.
const ANSWER_MAX_BYTES: usize = 4 << 20;

/// How long a connection may lie idle: brokers close them after ten minutes (`connections.max.idle.ms`).
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How brokers are spoken to.
pub(super) struct Manner {
    /// Certificates, if by TLS, and the name that theirs must have, if not their host's.
    pub(super) tls: Option<(Arc<ClientConfig>, Option<String>)>,
    /// Who we are: mechanism, user, password.
    pub(super) sasl: Option<(Mechanism, String, crate::sink::secret::Secret)>,
    /// How long one request may take.
    pub(super) within: Duration,
}

/// A connection over which nothing is under way.
pub(super) struct Broker {
    stream: Stream,
    place: String,
    within: Duration,
    correlation: i32,
    used: Instant,
}

impl Broker {
    /// Connects, says who we are, and asks whether the broker understands us.
    ///
    /// # Errors
    /// Why not, for a person.
    pub(super) async fn connect(host: &str, port: u16, manner: &Manner) -> Result<Self, String> {
        let place = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let late = || format!("{place} does not answer in time");
        let connected = timeout(manner.within, Self::stand(host, port, &place, manner));
        connected.await.map_err(|_| late())?
    }

    async fn stand(host: &str, port: u16, place: &str, manner: &Manner) -> Result<Self, String> {
        let stream = tcp(host, port).await.map_err(|error| error.to_string())?;
        let stream = match &manner.tls {
            None => Stream::Clear(stream),
            Some((config, name)) => {
                let name = server_name(name.as_deref().unwrap_or(host));
                let name = name.map_err(|_| format!("{host} is no name of a certificate"))?;
                let secured = secured(stream, Arc::clone(config), name, place).await;
                secured.map_err(|error| error.to_string())?
            }
        };
        let mut broker = Self {
            stream,
            place: place.to_owned(),
            within: manner.within,
            correlation: 0,
            used: Instant::now(),
        };
        let request = broker.request(wire::API_VERSIONS).finish();
        let answer = broker.ask(request).await?;
        let known = wire::versions(&answer).map_err(|error| format!("{place}: {error}"))?;
        for api in wire::NEEDED {
            let fits = |(key, oldest, newest): &(i16, i16, i16)| {
                *key == api.key && (*oldest..=*newest).contains(&api.version)
            };
            if !known.iter().any(fits) {
                let Api { name, version, .. } = api;
                return Err(format!(
                    "{place} does not understand {name} of version {version}, as brokers do from 2.1 on"
                ));
            }
        }
        if let Some((mechanism, user, password)) = &manner.sasl {
            let told = broker.authenticate(*mechanism, user, password.expose());
            told.await.map_err(|what| format!("{place}: {what}"))?;
        }
        Ok(broker)
    }

    /// Says who we are.
    async fn authenticate(
        &mut self,
        mechanism: Mechanism,
        user: &str,
        password: &str,
    ) -> Result<(), String> {
        let mut request = self.request(wire::SASL_HANDSHAKE);
        request.string(mechanism.name());
        let answer = self.ask(request.finish()).await?;
        let mut answer = Reader(&answer);
        let refused = answer.i16().map_err(|error| error.to_string())? != 0;
        if refused {
            let known = answer.array(|answer| Ok(answer.string()?.unwrap_or_default()));
            let known = known.unwrap_or_default().join(", ");
            let asked = mechanism.name();
            return Err(format!("the broker takes no {asked}; it takes: {known}"));
        }
        if mechanism == Mechanism::Plain {
            return self.token(&sasl::plain(user, password)).await.map(|_| ());
        }
        let scram = Scram::new(mechanism, user, &nonce()?);
        let first = self.token(&scram.first()).await?;
        let second = scram.second(password, &first);
        let (second, expected) = second.map_err(|error| error.to_string())?;
        let last = self.token(&second).await?;
        sasl::proved(&last, &expected).map_err(|error| error.to_string())
    }

    /// Sends one message of SASL: the broker's.
    async fn token(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut request = self.request(wire::SASL_AUTHENTICATE);
        request.bytes(message);
        let answer = self.ask(request.finish()).await?;
        let mut answer = Reader(&answer);
        let wrong = |error: wire::WireError| error.to_string();
        if answer.i16().map_err(wrong)? != 0 {
            let why = answer.string().map_err(wrong)?.unwrap_or_default();
            let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(format!("the broker does not take user and password: {why}"));
        }
        let _nothing = answer.string().map_err(wrong)?;
        Ok(answer.bytes().map_err(wrong)?.to_vec())
    }

    /// A request of `api`, with the number that the next answer must have.
    pub(super) fn request(&mut self, api: Api) -> Writer {
        Writer::new(api, self.next())
    }

    /// The number that the next request must have.
    pub(super) fn next(&mut self) -> i32 {
        self.correlation = self.correlation.wrapping_add(1);
        self.correlation
    }

    /// Whether it may still stand, as far as we know.
    pub(super) fn is_fresh(&self) -> bool {
        self.used.elapsed() < IDLE_MAX
    }

    /// Sends `request` and waits for the answer.
    ///
    /// # Errors
    /// Why there is none, for a person; the connection is then of no use any more.
    pub(super) async fn ask(&mut self, request: Vec<u8>) -> Result<Vec<u8>, String> {
        self.send(&request).await?;
        self.answer().await
    }

    /// Sends `request`; [`Self::answer`] must be called next.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.used = Instant::now();
        let place = &self.place;
        let stream = &mut self.stream;
        let written = timeout(self.within, async {
            stream.write_all(request).await?;
            stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("the connection to {place} broke: {error}")),
            Err(_) => Err(format!("{place} takes nothing any more")),
        }
    }

    /// The answer to the last request.
    pub(super) async fn answer(&mut self) -> Result<Vec<u8>, String> {
        let place = &self.place;
        let (stream, correlation) = (&mut self.stream, self.correlation);
        // A broker waits as long as we do for the replicas, then says that it waited.
        let read = timeout(self.within + Duration::from_secs(1), async {
            let size = stream.read_i32().await?;
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if !(4..=ANSWER_MAX_BYTES).contains(&size) {
                return Err(std::io::Error::other(
                    "the answer is none of Kafka, or too long",
                ));
            }
            let number = stream.read_i32().await?;
            if number != correlation {
                return Err(std::io::Error::other(
                    "the answer is one to another request",
                ));
            }
            let mut answer = vec![0; size - 4];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        });
        match read.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("the connection to {place} broke: {error}")),
            Err(_) => Err(format!("{place} does not answer in time")),
        }
    }
}

/// What was never used before.
fn nonce() -> Result<String, String> {
    let mut bytes = [0; 24];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(24) => Ok(base64::encode(&bytes)),
        _ => Err("the system gives no random bytes".to_owned()),
    }
}
