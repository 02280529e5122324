//! Who asked, and for what: [`Enrich`] writes it into [`Exchange::known`].
//!
//! In: exchanges in the one order of the host. Out: on each, the client behind the proxies that are
//! believed. It looks at nothing outside the exchange but what it learnt from those before, and
//! decides nothing.

mod client;
mod options;
mod place;
#[cfg(test)]
mod testing;

pub use options::{Forwarded, Identity};
pub use place::{place, process_key};

use crate::exchange::Exchange;

/// Finds who asked and for what.
pub struct Enrich {
    identity: Identity,
}

impl Enrich {
    /// As `identity` says.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }

    /// Writes down what is known of `exchange`.
    pub fn exchange(&mut self, exchange: &mut Exchange) {
        exchange.known.client = client::client(exchange, &self.identity);
    }
}
