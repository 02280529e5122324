//! Whether a share has risen.

/// Whether `hits` of `n` is more than a share of `usual` explains, with a chance of less than
/// `chance` of being wrong: the one-sided binomial test, its tail bounded by Chernoff
/// (exp(−n · KL)), which never says less than the exact one, so an alarm is never too early.
pub(in super::super) fn rose(hits: u64, n: u64, usual: f64, chance: f64) -> bool {
    if n == 0 || hits == 0 {
        return false;
    }
    let share = hits as f64 / n as f64;
    let usual = usual.clamp(1e-6, 1.0 - 1e-6);
    if share <= usual {
        return false;
    }
    let mut divergence = share * (share / usual).ln();
    if share < 1.0 {
        divergence += (1.0 - share) * ((1.0 - share) / (1.0 - usual)).ln();
    }
    -(n as f64) * divergence < chance.ln()
}

#[cfg(test)]
mod tests {
    use super::rose;

    /// The exact tail of the binomial distribution.
    fn tail(hits: u64, n: u64, p: f64) -> f64 {
        let mut sum = 0.0;
        for k in hits..=n {
            let mut term = p.powi(k as i32) * (1.0 - p).powi((n - k) as i32);
            for i in 0..k {
                term *= (n - i) as f64 / (k - i) as f64;
            }
            sum += term;
        }
        sum
    }

    #[test]
    fn it_never_says_so_where_the_exact_test_does_not() {
        let mut agreed = 0;
        for n in [10, 50, 60] {
            for hits in 0..=n {
                for p in [0.001, 0.02, 0.1, 0.4] {
                    if rose(hits, n, p, 1e-6) {
                        agreed += 1;
                        assert!(tail(hits, n, p) < 1e-6, "{hits}/{n} {p}");
                    }
                }
            }
        }
        assert!(agreed > 100);
        assert!(rose(50, 60, 0.01, 1e-6) && !rose(2, 60, 0.01, 1e-6));
        assert!(!rose(0, 0, 0.0, 1e-6));
    }
}
