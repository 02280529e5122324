//! What a misspelt word was meant to be: for messages about foreign text.

/// "; did you mean" the one of `known` that is nearest to `word`, if any is near.
#[must_use]
pub fn meant(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|other| (distance(word, other), *other))
        .min()
        .filter(|(distance, other)| *distance <= 1 + other.chars().count() / 4);
    match near {
        Some((_, other)) => format!("; did you mean `{other}`?"),
        None => String::new(),
    }
}

/// How many characters must be added, left out, changed or swapped with the next to make `b` of
/// `a`: optimal string alignment, without case.
fn distance(a: &str, b: &str) -> usize {
    let lower = |text: &str| -> Vec<char> {
        // Long texts are far from every key; the work stays bounded.
        text.chars().take(64).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (lower(a), lower(b));
    let mut rows: [Vec<usize>; 3] = [vec![], vec![], (0..=b.len()).collect()];
    for (i, ca) in a.iter().enumerate() {
        rows.rotate_left(1);
        let [two_up, up, row] = &mut rows;
        *row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(up, j) + usize::from(ca != cb))
                .min(at(up, j + 1) + 1)
                .min(at(row, j) + 1);
            let before =
                |text: &[char], at: usize| at.checked_sub(1).and_then(|at| text.get(at).copied());
            if before(&a, i) == Some(*cb) && before(&b, j) == Some(*ca) {
                best = best.min(at(two_up, j - 1) + 1);
            }
            row.push(best);
        }
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, meant};

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("mode", "mode", 0),
            ("Mode", "mode", 0),
            ("mod", "mode", 1),
            ("mdoe", "mode", 1),
            ("", "mode", 4),
            ("moves", "mode", 2),
            ("ports", "prots", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_what_is_near_is_meant() {
        let known = ["mode", "roles", "exclude"];
        assert_eq!(meant("excludes", &known), "; did you mean `exclude`?");
        assert_eq!(meant("role", &known), "; did you mean `roles`?");
        assert_eq!(meant("colour", &known), "");
    }
}
