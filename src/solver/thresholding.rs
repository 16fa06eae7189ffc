//! Dynamic thresholding: an estimate of a clean picture is brought back to the range of pixels, where strong guidance
//! leaves it.
//!
//! Saharia et al. 2022 (Imagen), <https://arxiv.org/abs/2205.11487>, section 2.3, with diffusers' upper end:
//!
//! ```text
//! s    = the quantile `ratio` of |x_0| over all elements of the picture, at least 1 and at most `sample_max_value`
//! x_0 <- clip(x_0, −s, s) / s
//! ```
//!
//! It is for networks of pixels, whose clean pictures lie in `[-1, 1]`. Latents have no such range.

use serde::Serialize;

/// See the module. With `sample_max_value` 1 every estimate is clipped to `[-1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholding {
    /// `0..=1`.
    pub ratio: f64,
    /// At least 1.
    pub sample_max_value: f64,
}

impl Thresholding {
    /// Where the quantile lies among `len` values in rising order: after the value of this rank, by this part of the way
    /// to the next. `len` is not 0.
    pub fn rank(self, len: usize) -> (usize, f64) {
        let place = self.ratio * (len - 1) as f64;
        (place as usize, place.fract())
    }

    /// Thresholds `estimate`, all elements of one picture.
    pub fn apply(self, estimate: &mut [f64]) {
        if estimate.is_empty() {
            return;
        }
        let (rank, part) = self.rank(estimate.len());
        let mut sizes: Vec<f64> = estimate.iter().map(|value| value.abs()).collect();
        let (_, &mut low, above) = sizes.select_nth_unstable_by(rank, f64::total_cmp);
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        let s = (low + part * (high - low)).max(1.0).min(self.sample_max_value);
        for value in estimate {
            *value = value.clamp(-s, s) / s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five sizes: their quantile 0.6 is 0.4 of the way from the third to the fourth.
    #[test]
    fn a_quantile_between_two_values_is_interpolated() {
        let thresholding = Thresholding { ratio: 0.6, sample_max_value: 10.0 };
        assert_eq!(Thresholding { ratio: 1.0, ..thresholding }.rank(5), (4, 0.0));
        let mut estimate = [4.0, -0.5, 2.0, -8.0, 1.0];
        thresholding.apply(&mut estimate);
        let expected = [1.0, -0.5 / 2.8, 2.0 / 2.8, -1.0, 1.0 / 2.8];
        for (ours, expected) in estimate.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-15, "{estimate:?}");
        }
    }

    #[test]
    fn the_threshold_is_at_least_one_and_at_most_what_is_asked() {
        let mut small = [0.5, -0.25];
        Thresholding { ratio: 0.995, sample_max_value: 3.0 }.apply(&mut small);
        assert_eq!(small, [0.5, -0.25]);
        let mut large = [8.0, -2.0];
        Thresholding { ratio: 1.0, sample_max_value: 1.0 }.apply(&mut large);
        assert_eq!(large, [1.0, -1.0]);
        Thresholding { ratio: 1.0, sample_max_value: 1.0 }.apply(&mut []);
    }
}
