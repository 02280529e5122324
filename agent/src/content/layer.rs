//! Which codings lay over a value, in the order in which they were taken off.

/// One coding, or one container, that was taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layer {
    /// `%41` (RFC 3986 §2.1).
    Percent = 1,
    /// `+` for a space in a query or form.
    Plus,
    /// `%u0041`, as old browsers and IIS write it.
    PercentUnicode,
    /// UTF-8 longer than it need be.
    Overlong,
    /// `&lt;`, `&#60;`, `&#x3c;`.
    Entity,
    /// `\n`, `\x41`, `\u0041` of JSON and JavaScript.
    Escape,
    /// Base64 of either alphabet.
    Base64,
    /// A JSON Web Token (RFC 7519).
    Jwt,
    /// JSON within a value.
    Json,
    /// XML within a value.
    Xml,
    /// Multipart within a value.
    Multipart,
    /// `a=b&c=d` within a value.
    Form,
    /// Query or fragment of a URL within a value.
    Url,
    /// A GraphQL document within a value.
    GraphQl,
}

impl Layer {
    /// Its name in events (`decoded_by`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Plus => "plus",
            Self::PercentUnicode => "percent_u",
            Self::Overlong => "overlong",
            Self::Entity => "entity",
            Self::Escape => "escape",
            Self::Base64 => "base64",
            Self::Jwt => "jwt",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Multipart => "multipart",
            Self::Form => "form",
            Self::Url => "url",
            Self::GraphQl => "graphql",
        }
    }

    const ALL: [Self; 14] = [
        Self::Percent,
        Self::Plus,
        Self::PercentUnicode,
        Self::Overlong,
        Self::Entity,
        Self::Escape,
        Self::Base64,
        Self::Jwt,
        Self::Json,
        Self::Xml,
        Self::Multipart,
        Self::Form,
        Self::Url,
        Self::GraphQl,
    ];
}

/// Bits of one layer in a chain.
const BITS: u32 = 4;

/// A chain of layers, the outermost first; the first sixteen are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    chain: u64,
}

impl Layers {
    /// None: the value stood there as it is.
    pub const NONE: Self = Self { chain: 0 };

    /// The chain with `layer` below it.
    #[inline]
    #[must_use]
    pub const fn with(self, layer: Layer) -> Self {
        let used = u64::BITS - self.chain.leading_zeros();
        let shift = used.div_ceil(BITS) * BITS;
        if shift >= u64::BITS {
            return self;
        }
        Self {
            chain: self.chain | (layer as u64) << shift,
        }
    }

    /// The chain with `below` behind it.
    #[must_use]
    pub fn and(self, below: Self) -> Self {
        below.iter().fold(self, Self::with)
    }

    /// Whether nothing was taken off.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.chain == 0
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        (u64::BITS - self.chain.leading_zeros()).div_ceil(BITS) as usize
    }

    /// Whether `layer` is among them.
    #[must_use]
    pub fn contains(self, layer: Layer) -> bool {
        self.iter().any(|have| have == layer)
    }

    /// The layers, the outermost first.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        (0..self.len() as u32).filter_map(move |at| {
            let code = (self.chain >> (at * BITS)) & ((1 << BITS) - 1);
            Layer::ALL.get((code as usize).checked_sub(1)?).copied()
        })
    }
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.iter().map(Layer::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Layer, Layers};

    #[test]
    fn a_chain_keeps_its_order_and_its_first_sixteen() {
        let chain = |layers: &[Layer]| layers.iter().copied().fold(Layers::NONE, Layers::with);
        for layers in [&[][..], &Layer::ALL, &[Layer::Percent, Layer::Percent]] {
            assert_eq!(chain(layers).iter().collect::<Vec<_>>(), layers);
            assert_eq!(chain(layers).len(), layers.len());
        }
        let full = chain(&[Layer::GraphQl; 20]);
        assert_eq!(full.iter().collect::<Vec<_>>(), [Layer::GraphQl; 16]);
        let both = chain(&[Layer::Form]).and(chain(&[Layer::Base64, Layer::Json]));
        assert_eq!(format!("{both:?}"), r#"["form", "base64", "json"]"#);
    }
}
