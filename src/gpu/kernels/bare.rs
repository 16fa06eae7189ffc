//! WGSL without what only readers need: comments, blanks between what is apart anyway, and empty lines stay out of the module that
//! pages fetch.

/// The WGSL file of that name, bare.
macro_rules! bare {
    ($file:literal) => {{
        const TEXT: &[u8] = include_str!($file).as_bytes();
        const BYTES: [u8; $crate::gpu::kernels::bare::length(TEXT)] = $crate::gpu::kernels::bare::bytes(TEXT);
        const BARE: &str = match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("a comment ends where a character does"),
        };
        BARE
    }};
}
pub(super) use bare;

/// Bytes of what is left of `text`.
pub const fn length(text: &[u8]) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < text.len() {
        let [start, end, next] = line(text, at);
        let mut from = start;
        while from < end {
            length += !is_needless(text, from) as usize;
            from += 1;
        }
        length += (start < end) as usize;
        at = next;
    }
    length
}

/// They themselves.
pub const fn bytes<const LENGTH: usize>(text: &[u8]) -> [u8; LENGTH] {
    let (mut at, mut written, mut bare) = (0, 0, [b'\n'; LENGTH]);
    while at < text.len() {
        let [start, end, next] = line(text, at);
        let mut from = start;
        while from < end {
            if !is_needless(text, from) {
                bare[written] = text[from];
                written += 1;
            }
            from += 1;
        }
        if start < end {
            written += 1;
        }
        at = next;
    }
    bare
}

/// Where what matters of the line at `at` starts and ends, and where the next line is.
const fn line(text: &[u8], at: usize) -> [usize; 3] {
    let mut start = at;
    while start < text.len() && text[start] == b' ' {
        start += 1;
    }
    let mut next = start;
    let mut end = start;
    let mut in_comment = false;
    while next < text.len() && text[next] != b'\n' {
        in_comment = in_comment || text[next] == b'/' && next + 1 < text.len() && text[next + 1] == b'/';
        next += 1;
        if !in_comment && text[next - 1] != b' ' {
            end = next;
        }
    }
    [start, end, next + 1]
}

/// Whether there is a single blank within a line, where what is before and after it stays apart without.
const fn is_needless(text: &[u8], at: usize) -> bool {
    if text[at] != b' ' {
        return false;
    }
    let [before, after] = [text[at - 1], text[at + 1]];
    let is_word = [is_of_word(before), is_of_word(after)];
    !(matches!(is_word, [true, true])
        || matches!([before, after], [b'-', b'-'] | [b'>', b'='] | [b' ', _] | [_, b' ']))
}

const fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'#' || byte == b'@'
}

#[cfg(test)]
mod tests {
    #[test]
    fn comments_needless_blanks_and_empty_lines_are_gone() {
        let text = b"// \xce\xa3 of all\n\nfn f() {  // why\n    let a = b - -c;\n  //\n#if X\n    }\n#endif";
        const LENGTH: usize = 36;
        assert_eq!(super::length(text), LENGTH);
        let bare = super::bytes::<LENGTH>(text);
        assert_eq!(bare.escape_ascii().to_string(), "fn f(){\\nlet a=b- -c;\\n#if X\\n}\\n#endif\\n");
    }
}
