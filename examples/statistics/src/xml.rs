//! Text inside SVG and HTML.

/// Makes any text safe between tags and inside quoted attributes. Characters that XML forbids become `U+FFFD`.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            _ if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

/// At most so many characters of a text.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some(_) => text.chars().take(characters.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Whether a text is one well-formed element: every tag closed in order, every attribute quoted, no stray `<` or `&`.
#[cfg(test)]
pub(crate) fn is_well_formed(mut text: &str) -> bool {
    let mut open = Vec::new();
    let mut elements = 0;
    while let Some(start) = text.find('<') {
        if text[..start].contains('>') || (open.is_empty() && !text[..start].trim().is_empty()) {
            return false;
        }
        let Some(end) = text.find('>') else { return false };
        let tag = &text[start + 1..end];
        text = &text[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
            continue;
        }
        let body = tag.strip_suffix('/').unwrap_or(tag);
        if body.contains('<') || !body.matches('"').count().is_multiple_of(2) {
            return false;
        }
        elements += usize::from(open.is_empty());
        if body.len() == tag.len() {
            open.push(body.split_whitespace().next().unwrap_or_default());
        }
    }
    open.is_empty() && elements == 1 && text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_harmless() {
        assert_eq!(escape("a<b>&\"'\u{1}\n"), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd} ");
        assert_eq!(escape("são paulo"), "são paulo");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!([cut("são paulo", 9), cut("são paulo", 4), cut("", 0)], ["são paulo", "são…", ""]);
    }

    #[test]
    fn the_check_sees_broken_elements() {
        for text in ["<a><b/></a>", "<a x=\"1\">t</a>\n"] {
            assert!(is_well_formed(text), "{text}");
        }
        for text in ["", "t", "<a>", "<a></b>", "<a/><a/>", "<a x=\"1></a>", "<a>b > c</a>", "<a><b</a>"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
