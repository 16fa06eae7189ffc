//! A decoder's output becomes bytes, or an error.

use tenstep::image::Image;
use tenstep::weights::{Alpha, Channels, ImageFormat};

const RGB: ImageFormat = ImageFormat { channels: Channels::Rgb, alpha: Alpha::Straight };
const STRAIGHT: ImageFormat = ImageFormat { channels: Channels::Rgba, alpha: Alpha::Straight };
const PREMULTIPLIED: ImageFormat = ImageFormat { channels: Channels::Rgba, alpha: Alpha::Premultiplied };

fn bytes(output: &[f32], width: usize, format: ImageFormat) -> Vec<u8> {
    Image::from_decoded(output, width, 1, format, "decoder").expect("finite").rgba
}

#[test]
fn rgb_is_scaled_rounded_and_clipped() {
    let output = [-1.0, 0.0, 1.0, -7.0, 0.5, 7.0];
    assert_eq!(bytes(&output, 2, RGB), [0, 128, 255, 255, 0, 191, 255, 255]);
}

#[test]
fn straight_alpha_is_kept() {
    assert_eq!(bytes(&[-1.0, 0.2, 1.0, 0.2], 1, STRAIGHT), [0, 153, 255, 153]);
}

#[test]
fn premultiplied_colours_are_divided_by_opacity() {
    // Opacity 0.8: 0.4 of it is half, and no colour exceeds it. No opacity: no colour.
    let output = [-0.2, 0.6, 1.0, 0.6, 1.0, 1.0, 1.0, -1.0];
    assert_eq!(bytes(&output, 2, PREMULTIPLIED), [128, 255, 255, 204, 0, 0, 0, 0]);
}

#[test]
fn values_that_are_not_finite_are_an_error() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = Image::from_decoded(&[0.0, value, 0.0], 1, 1, RGB, "decoder").expect_err("not finite");
        assert_eq!(error.to_string(), "decoder produced values that are not finite");
        assert_eq!(error.code(), "not-finite");
    }
}

#[cfg(feature = "native")]
#[test]
fn png_holds_the_picture_and_its_parameters() {
    let rgba: Vec<u8> = (0..3 * 2 * 4).map(|index| (index * 10) as u8).collect();
    let picture = Image { width: 3, height: 2, rgba };
    let parameters = [("prompt", "ein roter Fuchs \u{1f98a}"), ("seed", "7")];
    let file = picture.to_png(&parameters).expect("a PNG");

    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
    let mut back = vec![0; reader.output_buffer_size().expect("a small picture")];
    let frame = reader.next_frame(&mut back).expect("a frame");
    assert_eq!((frame.width, frame.height), (3, 2));
    assert_eq!(back, picture.rgba);
    let texts: Vec<(String, String)> = reader
        .info()
        .utf8_text
        .iter()
        .map(|chunk| (chunk.keyword.clone(), chunk.get_text().expect("text")))
        .collect();
    let expected = parameters.map(|(keyword, text)| (keyword.to_owned(), text.to_owned()));
    assert_eq!(texts, expected);
}
