//! The table: of each line both sides' figures, their ratio, the target, and whether it is met.

use std::fmt;

/// One line.
pub(super) struct Line {
    /// What is measured, with its unit.
    pub(super) what: String,
    /// Of the figures.
    pub(super) decimals: usize,
    /// Of this build.
    pub(super) this: Figure,
    /// Of the other one.
    pub(super) other: Figure,
    pub(super) target: Target,
}

/// What was measured in all rounds: the one in the middle counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) median: f64,
    /// Lowest and highest; none: there is but one, or it is the quotient of two medians.
    pub(super) range: Option<(f64, f64)>,
}

/// What the project asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// Nothing: it is said for the sake of other lines.
    Known,
    /// This build's figure is at least so many times the other one's.
    RatioAtLeast(f64),
    RatioAtMost(f64),
    /// This build's figure, whatever the other one's is.
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    /// Not measured, when there is no sample.
    pub(super) fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let median = match (sorted.len(), sorted.len() / 2) {
            (0, _) => f64::NAN,
            (count, middle) if count % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let range = if let [lowest, .., highest] = sorted[..] { Some((lowest, highest)) } else { None };
        Self { median, range }
    }

    /// How many times the other it is.
    pub(super) fn over(self, other: Self) -> Self {
        Self { median: self.median / other.median, range: None }
    }

    fn text(self, decimals: usize) -> String {
        match (self.median.is_finite(), self.range) {
            (false, _) => "not measured".to_owned(),
            (true, None) => format!("{:.decimals$}", self.median),
            (true, Some((low, high))) => {
                format!("{:.decimals$} ({low:.decimals$} to {high:.decimals$})", self.median)
            }
        }
    }
}

impl Target {
    /// None: there is nothing to meet. What was not measured is not met.
    fn is_met(self, this: f64, ratio: f64) -> Option<bool> {
        match self {
            Self::Known => None,
            Self::RatioAtLeast(least) => Some(ratio >= least),
            Self::RatioAtMost(most) => Some(ratio <= most),
            Self::AtLeast(least) => Some(this >= least),
            Self::AtMost(most) => Some(this <= most),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => write!(to, "known"),
            Self::RatioAtLeast(least) => write!(to, "ratio at least {least}"),
            Self::RatioAtMost(most) => write!(to, "ratio at most {most}"),
            Self::AtLeast(least) => write!(to, "at least {least}"),
            Self::AtMost(most) => write!(to, "at most {most}"),
        }
    }
}

impl Line {
    pub(super) const HEAD: &str =
        "| | this build | the other | ratio | target | |\n|---|---:|---:|---:|---|---|\n";
}

impl fmt::Display for Line {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, decimals, this, other, target } = self;
        let ratio = this.over(*other);
        let verdict = match target.is_met(this.median, ratio.median) {
            None => "",
            Some(true) => "met",
            Some(false) => "**MISSED**",
        };
        let ratio = if ratio.median.is_finite() { ratio.text(2) } else { "-".to_owned() };
        let (this, other) = (this.text(*decimals), other.text(*decimals));
        writeln!(to, "| {what} | {this} | {other} | {ratio} | {target} | {verdict} |")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_in_the_middle_counts() {
        for (samples, median, range) in [
            (&[3.0, 1.0, 2.0][..], 2.0, Some((1.0, 3.0))),
            (&[4.0, 1.0, 2.0, 8.0], 3.0, Some((1.0, 8.0))),
            (&[5.0], 5.0, None),
        ] {
            assert_eq!(Figure::of(samples.iter().copied()), Figure { median, range }, "{samples:?}");
        }
        assert!(Figure::of([]).median.is_nan());
    }

    #[test]
    fn a_ratio_is_of_the_medians() {
        let (this, other) = (Figure::of([10.0, 30.0, 20.0]), Figure::of([5.0, 1.0, 100.0]));
        assert_eq!(this.over(other), Figure { median: 4.0, range: None });
    }

    #[test]
    fn a_target_is_met_or_missed_in_so_many_words() {
        let line = |this: &[f64], other: &[f64], target| {
            let figure = |samples: &[f64]| Figure::of(samples.iter().copied());
            let (this, other) = (figure(this), figure(other));
            Line { what: "x, ms".to_owned(), decimals: 1, this, other, target }.to_string()
        };
        for (found, expected) in [
            (
                line(&[5.0], &[2.0], Target::RatioAtLeast(2.5)),
                "5.0 | 2.0 | 2.50 | ratio at least 2.5 | met |",
            ),
            (
                line(&[4.9], &[2.0], Target::RatioAtLeast(2.5)),
                "4.9 | 2.0 | 2.45 | ratio at least 2.5 | **MISSED** |",
            ),
            (line(&[1.0], &[2.0], Target::RatioAtMost(0.5)), "1.0 | 2.0 | 0.50 | ratio at most 0.5 | met |"),
            (
                line(&[1.5, 0.5, 1.0], &[1.0], Target::RatioAtMost(0.5)),
                "1.0 (0.5 to 1.5) | 1.0 | 1.00 | ratio at most 0.5 | **MISSED** |",
            ),
            (line(&[0.8], &[0.5], Target::AtLeast(0.8)), "0.8 | 0.5 | 1.60 | at least 0.8 | met |"),
            (line(&[9.0], &[18.0], Target::AtMost(8.0)), "9.0 | 18.0 | 0.50 | at most 8 | **MISSED** |"),
            (line(&[0.0], &[0.0], Target::AtMost(16.0)), "0.0 | 0.0 | - | at most 16 | met |"),
            (line(&[7.0], &[2.0], Target::Known), "7.0 | 2.0 | 3.50 | known |  |"),
            (line(&[], &[2.0], Target::AtMost(8.0)), "not measured | 2.0 | - | at most 8 | **MISSED** |"),
            (
                line(&[1.0], &[], Target::RatioAtMost(0.5)),
                "1.0 | not measured | - | ratio at most 0.5 | **MISSED** |",
            ),
        ] {
            assert_eq!(found, format!("| x, ms | {expected}\n"));
        }
    }
}
