//! Names of imports without the hashes that wasm-bindgen ends them with: a page fetches each of them twice, in the module and in the
//! glue, and nothing compresses them. The hashes keep apart what several crates import, which numbers do as well.

use std::collections::HashMap;

/// Digits of a hash.
const HASH: usize = 16;

/// Shortens names in place, and gives what each was and is now. Those without a hash stay.
pub fn without_hashes<'a>(names: impl Iterator<Item = &'a mut String>) -> Vec<(String, String)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut renamed = Vec::new();
    for name in names {
        let Some(short) = without_hash(name) else { continue };
        let before = seen.entry(short.to_owned()).or_default();
        // Two underscores: no name that ends with a number of its own looks like it.
        let unique = if *before == 0 { short.to_owned() } else { format!("{short}__{before}") };
        *before += 1;
        renamed.push((std::mem::replace(name, unique.clone()), unique));
    }
    renamed
}

/// The glue with the names as they are now.
pub fn replaced(glue: String, renamed: &[(String, String)]) -> String {
    renamed.iter().fold(glue, |glue, (before, now)| glue.replace(before, now))
}

fn without_hash(name: &str) -> Option<&str> {
    let (short, hash) = name.rsplit_once('_')?;
    let is_hash = hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_go_and_names_stay_apart() {
        let mut names =
            ["__wbg_new_0123456789abcdef", "__wbg_new_fedcba9876543210", "__wbindgen_cast_1", "memory"]
                .map(str::to_owned);
        let renamed = without_hashes(names.iter_mut());
        assert_eq!(names, ["__wbg_new", "__wbg_new__1", "__wbindgen_cast_1", "memory"]);
        let glue =
            "{__wbg_new_0123456789abcdef: a, __wbg_new_fedcba9876543210: b, __wbindgen_cast_1: c}".to_owned();
        assert_eq!(replaced(glue, &renamed), "{__wbg_new: a, __wbg_new__1: b, __wbindgen_cast_1: c}");
    }
}
