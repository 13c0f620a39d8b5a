//! Quantiles of distributions, within the range where statrs computes them.

use statrs::distribution::{Beta, ContinuousCDF, Normal, StudentsT};

/// Further out, statrs may search for long.
const SMALLEST: f64 = 1e-9;

/// The standard normal distribution.
pub(super) fn normal(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(clamp(probability))
}

/// Student's t. Infinite without a degree of freedom.
pub(super) fn student(probability: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom >= 1.0 => student.inverse_cdf(clamp(probability)),
        _ => f64::INFINITY,
    }
}

/// The beta distribution; 0 or 1 where a shape is zero, as Clopper and Pearson have it.
pub(super) fn beta(probability: f64, a: f64, b: f64) -> f64 {
    match Beta::new(a, b) {
        Ok(beta) => beta.inverse_cdf(clamp(probability)),
        Err(_) if a > 0.0 => 1.0,
        Err(_) => 0.0,
    }
}

fn clamp(probability: f64) -> f64 {
    probability.clamp(SMALLEST, 1.0 - SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-5, "{left} is not {right}");
    }

    /// From the tables of Student's t and of the normal distribution in the NIST/SEMATECH e-Handbook, section 1.3.6.7.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        near(normal(0.975), 1.959_964);
        near(student(0.975, 6.0), 2.446_912);
        near(student(0.975, 63.0), 1.998_341);
        assert_eq!(student(0.975, 0.0), f64::INFINITY);
    }

    /// Clopper and Pearson's interval has a closed form where every value lies on one side.
    #[test]
    fn the_beta_quantile_has_its_closed_form() {
        near(beta(0.025, 72.0, 1.0), 0.025_f64.powf(1.0 / 72.0));
        assert_eq!(beta(0.975, 73.0, 0.0), 1.0);
        assert_eq!(beta(0.025, 0.0, 73.0), 0.0);
    }
}
