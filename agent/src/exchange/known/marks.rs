//! What of an exchange is sensitive: where it lies, of what type it is, and what stands for it.

use std::ops::Range;

use crate::content::{Container, Side};
use crate::keyed::KeyedHash;

/// Types of what must not leave the host as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secret {
    /// A password or passphrase.
    Password,
    /// Something called secret.
    Secret,
    /// A token of some kind.
    Token,
    /// A key to an API.
    ApiKey,
    /// What a session goes by.
    Session,
    /// The value of a cookie.
    Cookie,
    /// A code that is good once or for a short time.
    Code,
    /// The check number on a payment card.
    CardCode,
    /// Credentials of another scheme.
    Credential,
    /// A bearer token (RFC 6750).
    Bearer,
    /// User and password of Basic (RFC 7617).
    Basic,
    /// A JSON Web Token (RFC 7519).
    Jwt,
    /// A private key in PEM.
    PrivateKey,
    /// A key of a cloud or another vendor, known by its form.
    CloudKey,
    /// The number of a payment card.
    PaymentCard,
    /// An International Bank Account Number (ISO 13616).
    Iban,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A number that a state gives to a person.
    NationalId,
    /// An IP address.
    IpAddress,
    /// Who a user is, where users are pseudonymised.
    User,
    /// Bytes that cannot be scanned. They are left out, not masked, and not told of.
    Binary,
    /// What a pattern of the configuration found: its number.
    Custom(u16),
}

impl Secret {
    /// Its name in events and configuration; that of a custom one is the configuration's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Secret => "secret",
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Session => "session",
            Self::Cookie => "cookie",
            Self::Code => "code",
            Self::CardCode => "card_code",
            Self::Credential => "credential",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::CloudKey => "cloud_key",
            Self::PaymentCard => "payment_card",
            Self::Iban => "iban",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::NationalId => "national_id",
            Self::IpAddress => "ip_address",
            Self::User => "user",
            Self::Binary => "binary",
            Self::Custom(_) => "custom",
        }
    }

    /// Whether it opens a door, and is not only about a person.
    #[must_use]
    pub const fn is_credential(self) -> bool {
        !matches!(
            self,
            Self::PaymentCard
                | Self::Iban
                | Self::Email
                | Self::Phone
                | Self::NationalId
                | Self::IpAddress
                | Self::User
                | Self::Binary
                | Self::Custom(_)
        )
    }
}

/// One stretch of bytes that is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which message it is in.
    pub side: Side,
    /// Which bytes of it `start` and `end` count in.
    pub container: Container,
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last.
    pub end: u32,
    /// Of what type it is.
    pub secret: Secret,
    /// The hash of its value.
    pub hash: KeyedHash,
    /// Whether it is a bare number of JSON, whose mask needs quotes.
    pub is_bare: bool,
}

/// All that is sensitive in an exchange, in the order in which it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The stretches, none overlapping another.
    pub list: Vec<Mark>,
    /// What of it is told (`sensitive`): `PART:TYPE`, a line each, each once.
    pub told: String,
    /// Whether the request's body could not be scanned.
    pub request_is_binary: bool,
    /// Whether the response's body could not be scanned.
    pub response_is_binary: bool,
    /// Whether something in the name of the host that was asked must not be told.
    pub in_host: bool,
}

impl Marks {
    /// Memory they hold beyond their own size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Mark>() + self.told.capacity()
    }

    /// Whether the body of `side` could not be scanned.
    #[must_use]
    pub const fn is_binary(&self, side: Side) -> bool {
        match side {
            Side::Request => self.request_is_binary,
            Side::Response => self.response_is_binary,
        }
    }

    /// Those in `container` of `side`, in order.
    pub fn within(&self, side: Side, container: Container) -> impl Iterator<Item = &Mark> {
        self.list
            .iter()
            .filter(move |mark| mark.side == side && mark.container == container)
    }

    /// Asks whether something is masked in a range of `container` of `side`. It is asked of one range
    /// behind the other: the marks are gone through once.
    pub fn touched(&self, side: Side, container: Container) -> impl FnMut(&Range<usize>) -> bool {
        let marks = self.within(side, container);
        let mut marks = marks
            .map(|mark| mark.start as usize..mark.end as usize)
            .peekable();
        move |range| {
            while marks.next_if(|mark| mark.end <= range.start).is_some() {}
            marks.peek().is_some_and(|mark| mark.start < range.end)
        }
    }
}
