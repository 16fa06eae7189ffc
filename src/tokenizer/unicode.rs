//! What Unicode says of a text. A browser knows that itself, which spares a page the tables.
//!
//! Characters that are newer than the browser's (or the tables') Unicode are neither letters nor numbers.

#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
pub(super) use tables::{is_letter, is_number, nfc};

#[cfg(all(target_arch = "wasm32", feature = "web"))]
pub(super) use browser::{is_letter, is_number, nfc};

#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
mod tables {
    use unicode_general_category::{GeneralCategory as G, get_general_category};
    use unicode_normalization::UnicodeNormalization;

    /// Normalisation form C.
    pub fn nfc(text: &str) -> String {
        text.nfc().collect()
    }

    /// `\p{L}`
    pub fn is_letter(character: char) -> bool {
        matches!(
            get_general_category(character),
            G::UppercaseLetter | G::LowercaseLetter | G::TitlecaseLetter | G::ModifierLetter | G::OtherLetter
        )
    }

    /// `\p{N}`
    pub fn is_number(character: char) -> bool {
        matches!(get_general_category(character), G::DecimalNumber | G::LetterNumber | G::OtherNumber)
    }
}

#[cfg(all(target_arch = "wasm32", feature = "web"))]
mod browser {
    use js_sys::{JsString, RegExp};

    /// Normalisation form C.
    pub fn nfc(text: &str) -> String {
        JsString::from(text).normalize("NFC").into()
    }

    /// `\p{L}`
    pub fn is_letter(character: char) -> bool {
        is(r"\p{L}", character)
    }

    /// `\p{N}`
    pub fn is_number(character: char) -> bool {
        is(r"\p{N}", character)
    }

    fn is(class: &str, character: char) -> bool {
        RegExp::new(class, "u").test(character.encode_utf8(&mut [0; 4]))
    }
}
