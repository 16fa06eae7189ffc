//! Pictures on the host: a network's output to RGBA8, and PNG.

use crate::error::{Error, Result};
use crate::weights::{Alpha, Channels, ImageFormat};

/// A picture: `[height, width, 4]` bytes, red, green, blue and straight (not premultiplied) opacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub rgba: Vec<u8>,
}

impl Image {
    /// From one picture of a decoder's output, `[height, width, 3 | 4]` in `[-1, 1]`; values outside are
    /// clipped. With 3 channels the picture is opaque.
    ///
    /// Errors with [`Error::NotFinite`] of `stage` rather than make a picture of NaN or infinity.
    ///
    /// # Panics
    ///
    /// If there are more or fewer values than the size says.
    pub fn from_decoded(
        values: &[f32],
        width: usize,
        height: usize,
        format: ImageFormat,
        stage: &'static str,
    ) -> Result<Self> {
        assert_eq!(values.len(), width * height * format.channels.count(), "as many values as the size says");
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite { stage });
        }
        let unit = |value: f32| (0.5 * value + 0.5).clamp(0.0, 1.0);
        let byte = |value: f32| (255.0 * value).round_ties_even() as u8;
        let rgba = match format.channels {
            Channels::Rgb => {
                let opaque = |pixel: &[f32]| {
                    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(|value| byte(unit(value)));
                    [red, green, blue, u8::MAX]
                };
                values.chunks_exact(3).flat_map(opaque).collect()
            }
            Channels::Rgba => {
                let straight = |pixel: &[f32]| {
                    let opacity = unit(pixel[3]);
                    // A colour cannot exceed its opacity; where there is none, any colour is as good.
                    let colour = |value: f32| match format.alpha {
                        Alpha::Straight => byte(unit(value)),
                        Alpha::Premultiplied if opacity == 0.0 => 0,
                        Alpha::Premultiplied => byte((unit(value) / opacity).min(1.0)),
                    };
                    [colour(pixel[0]), colour(pixel[1]), colour(pixel[2]), byte(opacity)]
                };
                values.chunks_exact(4).flat_map(straight).collect()
            }
        };
        Ok(Self { width, height, rgba })
    }

    /// A PNG file. `parameters` are keyword and text pairs kept inside it (`iTXt`): how the picture was made.
    #[cfg(feature = "native")]
    pub fn to_png(&self, parameters: &[(&str, &str)]) -> Result<Vec<u8>> {
        let invalid = |error: png::EncodingError| Error::InvalidImage { message: error.to_string() };
        let side = |pixels: usize| {
            u32::try_from(pixels).map_err(|_| Error::InvalidImage { message: format!("{pixels} pixels") })
        };
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side(self.width)?, side(self.height)?);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        for &(keyword, text) in parameters {
            encoder.add_itxt_chunk(keyword.to_owned(), text.to_owned()).map_err(invalid)?;
        }
        let mut writer = encoder.write_header().map_err(invalid)?;
        writer.write_image_data(&self.rgba).map_err(invalid)?;
        writer.finish().map_err(invalid)?;
        Ok(file)
    }
}
