//! Who asked, and for what: [`Enrich`] writes it into [`Exchange::known`].
//!
//! In: exchanges in the one order of the host. Out: on each, the client behind the proxies that are
//! believed, the user and the credential, the program, the endpoint's template, and what kind of event
//! it is. It looks at nothing outside the exchange but what it learnt from those before; its tables
//! are bounded, its time is that of the exchanges. Templates are kept through a restart
//! ([`Enrich::templates`]), sessions are not.

mod actor;
mod client;
mod device;
mod endpoint;
mod generations;
#[cfg(test)]
mod kinds;
mod login;
mod options;
mod place;
mod signal;
#[cfg(test)]
mod testing;
mod token;
mod words;

pub use endpoint::{Joined, Templates};
pub use options::{Forwarded, Identity, Nothing, SensitiveWords, UserSource};
pub use place::{locate, place, process_key};

use crate::clock::BootTime;
use crate::exchange::{Exchange, Signal, Signals};
use crate::keyed::HashKey;
use actor::Actors;
use device::Devices;
use endpoint::Endpoints;
use signal::{Logins, Outcome};

/// Finds who asked and for what.
pub struct Enrich {
    identity: Identity,
    actors: Actors,
    devices: Devices,
    endpoints: Endpoints,
    logins: Logins,
}

impl Enrich {
    /// As `identity` says; credentials are hashed with `key`.
    #[must_use]
    pub fn new(identity: Identity, key: HashKey) -> Self {
        Self {
            actors: Actors::new(&identity, key),
            devices: Devices::new(),
            endpoints: Endpoints::new(&identity),
            logins: Logins::new(),
            identity,
        }
    }

    /// Goes on as `identity` says: sessions stay whose they are, and templates that were learnt stay.
    pub fn set(&mut self, identity: Identity) {
        if identity == self.identity {
            return;
        }
        self.actors.set(&identity);
        let names_paths = |of: &Identity| {
            let Identity {
                login_routes,
                routes,
                sensitive,
                ..
            } = of;
            (login_routes.clone(), routes.clone(), sensitive.clone())
        };
        if names_paths(&identity) != names_paths(&self.identity) {
            // What words say stands beside each template: they are all asked again.
            let learnt = self.endpoints.templates();
            self.endpoints = Endpoints::new(&identity);
            self.endpoints.recall(&learnt);
        }
        self.identity = identity;
    }

    /// Writes down what is known of `exchange`, heard on a host that booted at `boot`.
    pub fn exchange(&mut self, exchange: &mut Exchange, boot: BootTime) {
        exchange.known.client = client::client(exchange, &self.identity);
        let Some(request) = &exchange.request else {
            return;
        };
        let agent = request.head.field("user-agent");
        exchange.known.device = agent.map(|text| self.devices.read(text));
        let found = self.endpoints.find(exchange);
        let (route, facts) = found.unzip();
        exchange.known.route = route;
        let sensitive = facts.map_or(Signals::NONE, |facts| facts.sensitive);
        let now = boot.date(request.began);
        let method = request.head.get(request.head.word);
        let signs_in = sensitive.has(Signal::SensitiveLogin) && matches!(method, b"POST" | b"PUT");
        let who = signs_in.then(|| self.actors.signs_in(request)).flatten();
        let user = self.actors.find(request, who.as_ref(), now);
        let basic = user.as_ref().is_some_and(|user| &*user.source == "basic");
        let shown = user.as_ref().is_some_and(|user| user.credential.is_some());
        exchange.known.user = user;
        let outcome = self.outcome(exchange, signs_in, basic);
        exchange.known.signals = signal::signals(exchange, sensitive, shown, outcome);
        let who = who.map(|(_, id)| id);
        // Who asks for a password to be sent, or for an account, names one without being its user.
        let nobody = exchange.known.user.is_none() && matches!(method, b"POST" | b"PUT");
        let named = (nobody && !signs_in && sensitive.has(Signal::SensitiveAccount))
            .then(|| self.actors.signs_in(request))
            .flatten();
        match outcome {
            Some(Outcome::Failure) => {}
            Some(_) => self.actors.answered(exchange, who.as_ref()),
            None if !signs_in => self.actors.answered(exchange, None),
            None => {}
        }
        exchange.known.login = who.or(named.map(|(_, id)| id));
        self.sign_out(exchange);
    }

    /// How signing in went, if that was what was done.
    fn outcome(&mut self, exchange: &Exchange, signs_in: bool, basic: bool) -> Option<Outcome> {
        let response = exchange.response.as_ref()?;
        if signs_in {
            let endpoint = exchange
                .known
                .route
                .as_ref()
                .map_or(0, |route| route.endpoint);
            let gives = self.actors.gives(response);
            return Some(self.logins.outcome(endpoint, response, gives));
        }
        // The password comes with each request, and each answer says whether it was right.
        (basic && (200..400).contains(&response.status)).then_some(Outcome::Success)
    }

    /// Forgets whose credential it was, if a user signed out.
    fn sign_out(&mut self, exchange: &Exchange) {
        let known = &exchange.known;
        let (Some(user), Some(route)) = (&known.user, &known.route) else {
            return;
        };
        let done = exchange
            .response
            .as_ref()
            .is_some_and(|half| half.status < 400);
        if done
            && words::is_logout(&route.template)
            && let Some(credential) = user.credential
        {
            self.actors.signed_out(credential);
        }
    }

    /// Templates that became others since the last time: their parent has too many words.
    pub fn take_joined(&mut self) -> Vec<Joined> {
        self.endpoints.take_joined()
    }

    /// The templates that were learnt.
    #[must_use]
    pub fn templates(&self) -> Templates {
        self.endpoints.templates()
    }

    /// Takes in templates that were learnt before.
    pub fn recall(&mut self, templates: &Templates) {
        self.endpoints.recall(templates);
    }
}
