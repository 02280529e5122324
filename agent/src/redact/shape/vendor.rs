//! Keys of clouds and other vendors, known by how they begin. A table to be kept up: a line for each
//! form that a vendor documents.

/// What may follow a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chars {
    /// Letters and digits.
    Alphanumeric,
    /// Great letters and digits.
    Upper,
    /// Hexadecimal digits.
    Hex,
    /// Letters, digits, `-`, `_`, `.`, `/`, `+`, `=`.
    Wide,
}

impl Chars {
    pub(super) const fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Wide => {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+' | b'=')
            }
        }
    }
}

/// A form of key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) prefix: &'static [u8],
    pub(super) chars: Chars,
    /// Fewest characters behind the prefix.
    pub(super) least: usize,
}

const fn form(prefix: &'static [u8], chars: Chars, least: usize) -> Form {
    Form {
        prefix,
        chars,
        least,
    }
}

use Chars::{Alphanumeric, Hex, Upper, Wide};

/// All forms, by first letter.
const FORMS: [Form; 77] = [
    // Amazon: IAM identifiers.
    form(b"AKIA", Upper, 16),
    form(b"ASIA", Upper, 16),
    form(b"ABIA", Upper, 16),
    form(b"ACCA", Upper, 16),
    // age.
    form(b"AGE-SECRET-KEY-1", Upper, 40),
    // Google: API keys; OAuth.
    form(b"AIza", Wide, 30),
    // X, once Twitter: an application's bearer token.
    form(b"AAAAAAAAAAAAAAAAAAAAA", Wide, 60),
    // Alibaba Cloud.
    form(b"LTAI", Alphanumeric, 12),
    form(b"EAACEdEose0cBA", Alphanumeric, 8),
    form(b"EAA", Alphanumeric, 60),
    form(b"FLWSECK-", Wide, 16),
    form(b"FLWSECK_", Wide, 16),
    form(b"GOCSPX-", Wide, 20),
    form(b"NRAK-", Upper, 20),
    form(b"NRJS-", Hex, 16),
    form(b"PMAK-", Wide, 30),
    form(b"SG.", Wide, 40),
    form(b"SK", Hex, 32),
    form(b"AC", Hex, 32),
    form(b"ATATT3", Wide, 60),
    form(b"ATBB", Alphanumeric, 24),
    form(b"CFPAT-", Wide, 30),
    // Kubernetes: how a browser sends a token with a WebSocket.
    form(b"base64url.bearer.authorization.k8s.io.", Wide, 8),
    // Addresses at which whoever knows them may post.
    form(b"hooks.slack.com/services/", Wide, 30),
    form(b"discord.com/api/webhooks/", Wide, 40),
    form(b"discordapp.com/api/webhooks/", Wide, 40),
    form(b"dapi", Hex, 32),
    form(b"dckr_pat_", Wide, 20),
    form(b"dop_v1_", Hex, 40),
    form(b"doo_v1_", Hex, 40),
    form(b"dor_v1_", Hex, 40),
    form(b"dp.pt.", Alphanumeric, 30),
    form(b"duffel_test_", Wide, 30),
    form(b"duffel_live_", Wide, 30),
    form(b"ghp_", Alphanumeric, 30),
    form(b"gho_", Alphanumeric, 30),
    form(b"ghu_", Alphanumeric, 30),
    form(b"ghs_", Alphanumeric, 30),
    form(b"ghr_", Alphanumeric, 30),
    form(b"github_pat_", Wide, 30),
    form(b"glpat-", Wide, 18),
    form(b"gldt-", Wide, 18),
    form(b"glrt-", Wide, 18),
    form(b"glptt-", Wide, 18),
    form(b"glsa_", Wide, 30),
    form(b"hf_", Alphanumeric, 30),
    form(b"hvs.", Wide, 20),
    form(b"hvb.", Wide, 20),
    form(b"key-", Hex, 32),
    form(b"lin_api_", Alphanumeric, 30),
    form(b"lsv2_", Wide, 30),
    form(b"mfa.", Wide, 60),
    form(b"npm_", Alphanumeric, 30),
    form(b"pat-na1-", Wide, 30),
    form(b"pk_live_", Alphanumeric, 16),
    form(b"pplx-", Alphanumeric, 30),
    form(b"pscale_tkn_", Wide, 30),
    form(b"pscale_pw_", Wide, 30),
    form(b"pypi-AgEI", Wide, 40),
    form(b"r8_", Alphanumeric, 30),
    form(b"rk_live_", Alphanumeric, 16),
    form(b"rk_test_", Alphanumeric, 16),
    form(b"rubygems_", Hex, 40),
    form(b"shpat_", Hex, 30),
    form(b"shpca_", Hex, 30),
    form(b"shppa_", Hex, 30),
    form(b"shpss_", Hex, 30),
    form(b"sk-ant-", Wide, 30),
    form(b"sk-proj-", Wide, 30),
    form(b"sk-", Alphanumeric, 30),
    form(b"sk_live_", Alphanumeric, 16),
    form(b"sk_test_", Alphanumeric, 16),
    form(b"sq0atp-", Wide, 20),
    form(b"sq0csp-", Wide, 30),
    form(b"xkeysib-", Wide, 40),
    form(b"xox", Wide, 20),
    form(b"ya29.", Wide, 20),
];

/// What stands behind the last form of a chain.
const NONE: u8 = u8::MAX;

const _: () = assert!(FORMS.len() < NONE as usize, "a number stands for no form");

/// The forms that begin with a byte, in their order: its first, and the next of each.
struct Chains {
    first: [u8; 256],
    next: [u8; FORMS.len()],
}

#[expect(
    clippy::indexing_slicing,
    reason = "a constant, whose bounds the compiler proves"
)]
static CHAINS: Chains = {
    let mut chains = Chains {
        first: [NONE; 256],
        next: [NONE; FORMS.len()],
    };
    let mut at = FORMS.len();
    while at > 0 {
        at -= 1;
        let begin = FORMS[at].prefix[0] as usize;
        chains.next[at] = chains.first[begin];
        chains.first[begin] = at as u8;
    }
    chains
};

/// For each byte the bytes at `place` of the forms that begin with it, a bit for each by its lowest
/// five bits; all, if one has none there.
#[expect(
    clippy::indexing_slicing,
    reason = "a constant, whose bounds the compiler proves"
)]
pub(super) const fn bytes_at(place: usize) -> [u32; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < FORMS.len() {
        let prefix = FORMS[at].prefix;
        bytes[prefix[0] as usize] |= if place < prefix.len() {
            1 << (prefix[place] & 31)
        } else {
            u32::MAX
        };
        at += 1;
    }
    bytes
}

/// The forms whose prefix `bytes` begin with. Most words have none of their first letter.
pub(super) fn forms(bytes: &[u8]) -> impl Iterator<Item = &'static Form> {
    let first = bytes.first().map_or(NONE, |first| {
        let begun = CHAINS.first.get(usize::from(*first));
        begun.copied().unwrap_or(NONE)
    });
    let second = bytes.get(1).copied();
    let chain = std::iter::successors(Some(first), |at| CHAINS.next.get(usize::from(*at)).copied());
    chain
        .map_while(|at| FORMS.get(usize::from(at)))
        .filter(move |form| form.prefix.get(1).copied() == second)
        .filter(move |form| bytes.starts_with(form.prefix))
}

/// What the forms begin with, for the test that there is a line for each.
#[cfg(test)]
pub(in crate::redact) fn prefixes() -> impl Iterator<Item = &'static [u8]> {
    FORMS.iter().map(|form| form.prefix)
}
