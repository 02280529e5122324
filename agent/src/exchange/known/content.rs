//! What an exchange asks for and gives out: names and ids among its values, read once, for those who
//! hold exchanges against each other.

/// Names and values in the order in which they stood there, in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Words {
    /// Adds one.
    pub fn push(&mut self, word: &[u8]) {
        self.text.extend_from_slice(word);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.text.get(start as usize..*end as usize))
            .map(Option::unwrap_or_default)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    const fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// What the values of an exchange ask for and give out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Ids of objects in the request's body: a name, its value, the next name, and so on.
    pub ids: Words,
    /// Names of fields in the request's body, each once.
    pub fields: Words,
    /// Names of fields in the response's body, each once.
    pub reply_fields: Words,
    /// Hashes of ids that the response gave out.
    pub given: Vec<u64>,
    /// Elements of the response's outermost list.
    pub records: Option<u32>,
    /// Hash of a one-time code that was sent.
    pub code: Option<u64>,
    /// How deep a GraphQL request nests.
    pub depth: u32,
    /// Aliases in it.
    pub aliases: u32,
    /// Operations that came in one request.
    pub batch: u32,
}

impl Content {
    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.ids.bytes()
            + self.fields.bytes()
            + self.reply_fields.bytes()
            + self.given.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[track_caller]
    fn check(words: &[&str]) {
        let mut all = Words::default();
        for word in words {
            all.push(word.as_bytes());
        }
        assert_eq!(all.len(), words.len());
        assert_eq!(all.is_empty(), words.is_empty());
        assert!(all.iter().eq(words.iter().map(|word| word.as_bytes())));
    }

    #[test]
    fn words_come_back_as_they_went_in() {
        check(&[]);
        check(&["id", "", "a longer name", "id"]);
    }
}
