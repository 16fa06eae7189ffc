//! WGSL without what only readers need: comments, indentation and empty lines stay out of the module that pages fetch.

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

/// Bytes of `text` without comments, indentation and empty lines.
pub const fn length(text: &[u8]) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < text.len() {
        let [start, end, next] = line(text, at);
        if start < end {
            length += end - start + 1;
        }
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
            bare[written] = text[from];
            written += 1;
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

#[cfg(test)]
mod tests {
    #[test]
    fn comments_indentation_and_empty_lines_are_gone() {
        let text = b"// \xce\xa3 of all\n\nfn f() {  // why\n    a = b / c;\n  //\n#if X\n    }\n#endif";
        const LENGTH: usize = 35;
        assert_eq!(super::length(text), LENGTH);
        let bare = super::bytes::<LENGTH>(text);
        assert_eq!(bare.escape_ascii().to_string(), "fn f() {\\na = b / c;\\n#if X\\n}\\n#endif\\n");
    }
}
