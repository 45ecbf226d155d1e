//! The paired test: are differences of pairs above zero more often than chance would have it?

/// The exact one-sided sign test: the probability of at least as many positive differences when either sign is as likely.
/// Zeros say nothing and are left out; 1 when nothing is left.
pub fn sign_test(differences: &[f64]) -> f64 {
    let positive = differences.iter().filter(|d| **d > 0.0).count();
    let n = positive + differences.iter().filter(|d| **d < 0.0).count();
    if n == 0 {
        return 1.0;
    }
    // in logarithms: binomials of a thousand runs do not fit a float
    #[allow(clippy::cast_precision_loss, reason = "a number of runs")]
    let ln_factorial = |k: usize| (1..=k).map(|i| (i as f64).ln()).sum::<f64>();
    #[allow(clippy::cast_precision_loss, reason = "a number of runs")]
    let half = (n as f64) * 0.5_f64.ln();
    let whole = ln_factorial(n);
    let tail = |k: usize| (whole - ln_factorial(k) - ln_factorial(n - k) + half).exp();
    (positive..=n).map(tail).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_values_of_small_samples_come_out() {
        for (positive, negative, p) in
            [(5, 0, 0.031_25), (4, 0, 0.0625), (9, 1, 11.0 / 1024.0), (1, 1, 0.75), (0, 3, 1.0)]
        {
            let all: Vec<f64> =
                std::iter::repeat_n(2.0, positive).chain(std::iter::repeat_n(-1.0, negative)).chain([0.0]).collect();
            assert!((sign_test(&all) - p).abs() < 1e-9, "{positive} {negative}: {}", sign_test(&all));
        }
        assert_eq!(sign_test(&[]), 1.0);
        assert!(sign_test(&vec![1.0; 2000]) < 1e-9);
    }
}
