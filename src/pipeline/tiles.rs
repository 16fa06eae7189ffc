//! A picture in tiles that overlap: where they lie, and how they are blended. As `AutoencoderKL.tiled_decode` of
//! diffusers does it, for every kind of autoencoder.
//!
//! A tile begins three quarters of a tile after the one before, and ends with the picture if not before. Where it
//! overlaps the one above, it fades in from that, line by line; then in the same way from the one to the left.

/// Latents along a side of the smallest tile: 64 pixels of Stable Diffusion. What a network makes of less has little
/// to do with the picture around.
const MIN_TILE: usize = 8;
/// Tiles are multiples of this, so that quarters of them are whole.
const MULTIPLE: usize = 4;

/// The next smaller tile that is worth a try, latents along a side.
pub(super) fn smaller(tile: usize) -> Option<usize> {
    let half = (tile / 2).next_multiple_of(MULTIPLE);
    (half >= MIN_TILE && half < tile).then_some(half)
}

/// Where tiles begin and how long they are, along one axis of `extent` latents.
pub(super) fn places(extent: usize, tile: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..extent).step_by(tile - tile / MULTIPLE).map(move |start| (start, tile.min(extent - start)))
}

/// Values `[height, width, channels]` of a picture or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub values: Vec<f32>,
}

impl Piece {
    pub fn zeros(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, values: vec![0.0; height * width * channels] }
    }

    /// The part `[height, width]` from row `top` and column `left` on.
    pub fn part(&self, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Self {
        let mut part = Self::zeros(height, width, self.channels);
        part.copy([0, 0], self, [top, left], [height, width]);
        part
    }

    /// Puts the first `[height, width]` of `tile` at row `top` and column `left`.
    pub fn place(&mut self, tile: &Self, [top, left]: [usize; 2], size: [usize; 2]) {
        self.copy([top, left], tile, [0, 0], size);
    }

    fn copy(&mut self, to: [usize; 2], other: &Self, from: [usize; 2], [height, width]: [usize; 2]) {
        for row in 0..height {
            let values = &other.values[other.at(from[0] + row, from[1])..][..width * other.channels];
            let start = self.at(to[0] + row, to[1]);
            self.values[start..][..values.len()].copy_from_slice(values);
        }
    }

    /// Fades in from the tile above, over at most `extent` rows.
    pub fn fade_from_above(&mut self, above: &Self, extent: usize) {
        let extent = extent.min(above.height).min(self.height);
        self.fade(above, [above.height - extent, 0], [extent, self.width], |row, _| row);
    }

    /// Fades in from the tile to the left, over at most `extent` columns.
    pub fn fade_from_left(&mut self, left: &Self, extent: usize) {
        let extent = extent.min(left.width).min(self.width);
        self.fade(left, [0, left.width - extent], [self.height, extent], |_, column| column);
    }

    /// The first `[height, width]` from `other`'s at `from`, by the share `index / extent` that is this tile's own.
    fn fade(
        &mut self,
        other: &Self,
        from: [usize; 2],
        [height, width]: [usize; 2],
        index: fn(usize, usize) -> usize,
    ) {
        let extent = index(height, width) as f32;
        for row in 0..height {
            for column in 0..width {
                let share = index(row, column) as f32 / extent;
                let (own, theirs) = (self.at(row, column), other.at(from[0] + row, from[1] + column));
                for channel in 0..self.channels {
                    let value = &mut self.values[own + channel];
                    *value = other.values[theirs + channel] * (1.0 - share) + *value * share;
                }
            }
        }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        (row * self.width + column) * self.channels
    }
}
