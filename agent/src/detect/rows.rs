//! The catalogue: every row, in its order.

use std::sync::LazyLock;

use super::row::{Id, Row};
use super::{abuse, access, auth, baseline, data, injection, inventory, place, probing, token};

/// Every row.
pub static ROWS: LazyLock<Vec<&'static Row>> = LazyLock::new(|| {
    let mut rows: Vec<&'static Row> = Vec::new();
    rows.extend(auth::ROWS);
    rows.extend(token::ROWS);
    rows.extend(access::ROWS);
    rows.extend(data::ROWS);
    rows.extend(abuse::ROWS);
    rows.extend(baseline::ROWS);
    rows.extend(probing::ROWS);
    rows.extend(injection::ROWS);
    rows.extend(inventory::ROWS);
    rows.extend(place::ROWS);
    rows.sort_by_key(|row| row.id);
    rows
});

/// The row of `id`.
#[must_use]
pub fn row(id: Id) -> Option<&'static Row> {
    let at = ROWS.binary_search_by_key(&id, |row| row.id).ok()?;
    ROWS.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::{ROWS, row};
    use crate::detect::row::Id;

    #[test]
    fn every_detector_has_its_row_and_every_row_is_told_in_full() {
        assert_eq!(ROWS.len(), Id::ALL.len());
        for id in Id::ALL {
            let row = row(*id).unwrap();
            assert_eq!(id.name().parse(), Ok(*id));
            let texts = [row.name, row.means, row.decides, row.fools, row.advice];
            assert!(
                texts
                    .iter()
                    .all(|text| !text.is_empty() && !text.contains("  ")),
                "{id:?}"
            );
            let mapped = !row.owasp.is_empty() && !row.cwe.is_empty();
            assert!(mapped || *id == Id::Anom01, "{id:?}");
        }
    }

    #[test]
    fn the_documents_say_why_each_default_is_what_it_is() {
        let text = include_str!("../../../docs/detectors.md");
        for id in Id::ALL {
            let name = id.name();
            let content = name.starts_with("inj-") && text.contains(&format!("### {name} "));
            assert!(content || text.contains(&format!("| {name} | ")), "{name}");
        }
    }
}
