//! What is sensitive in the forms that a value has once it is decoded again, and what patterns find.

use std::collections::HashMap;

use super::Work;
use crate::content::{Kind, Layers, Part, Signs};
use crate::exchange::Secret;
use crate::redact::rules::Rule;
use crate::redact::shape::{self, Hit, Text};

impl Work<'_> {
    /// What the patterns of the configuration find. Where that is in a form that the value has once it is
    /// decoded again, all of the value is taken.
    pub(super) fn custom(&mut self, part: Part<'_, '_>) {
        let (value, rules) = (part.value(), self.rules);
        for (number, pattern) in rules.patterns() {
            for range in pattern.find_all(value) {
                self.add_part(part, range, Secret::Custom(number), Rule::Pattern);
            }
        }
        if part.kind() == Kind::Text
            && part.signs().may_have(Signs::CODING)
            && let Some(secret) = self.custom_in_further_forms(value, part.layers())
        {
            self.add_part(part, 0..value.len(), secret, Rule::Pattern);
        }
    }

    /// What the patterns find in the forms that a value has once it is decoded again, and not in itself.
    pub(super) fn custom_in_further_forms(
        &mut self,
        value: &[u8],
        layers: Layers,
    ) -> Option<Secret> {
        let rules = self.rules;
        rules.patterns().next()?;
        let mut secret = None;
        self.decoder.forms(value, layers, |form, _| {
            for (number, pattern) in rules.patterns() {
                let mut found = pattern.find_all(form).peekable();
                if secret.is_some() || found.peek().is_none() {
                    continue;
                }
                // How often each stands in the value itself, where it is found as it is.
                let mut had = HashMap::<_, usize>::new();
                for range in pattern.find_all(value) {
                    *had.entry(value.get(range)).or_default() += 1;
                }
                let is_new = |range| match had.get_mut(&form.get(range)) {
                    Some(left) if *left > 0 => {
                        *left -= 1;
                        false
                    }
                    _ => true,
                };
                if found.any(is_new) {
                    secret = Some(Secret::Custom(number));
                }
            }
        });
        secret
    }

    /// Looks at the forms that a value has once it is decoded again; what is found there takes all
    /// of the value.
    pub(super) fn further(&mut self, part: Part<'_, '_>) {
        if let Some(secret) = self.in_further_forms(part.value(), part.layers()) {
            self.hits.clear();
            self.hits.push(Hit {
                range: 0..part.value().len(),
                secret,
            });
        }
    }

    /// What the forms hold that a value has once it is decoded again.
    pub(super) fn in_further_forms(&mut self, value: &[u8], layers: Layers) -> Option<Secret> {
        let mut secret = None;
        let mut hits = Vec::new();
        let addresses = self.redactor.masks_addresses();
        self.decoder.forms(value, layers, |form, _| {
            hits.clear();
            let text = Text {
                bytes: form,
                is_cut: false,
                addresses,
            };
            shape::scan(text, &mut hits);
            shape::pairs(text, self.meanings, &mut hits);
            let found = hits.iter().find(|hit| self.redactor.masks(hit.secret));
            secret = secret.or(found.map(|hit| hit.secret));
        });
        secret
    }
}
