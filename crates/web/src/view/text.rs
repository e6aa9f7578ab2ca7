//! Text as text, whatever it says: escaped, and with nothing in it that a reader can't see.

/// What a character is shown as.
enum Shown {
    /// Itself.
    Same,
    /// An entity.
    Entity(&'static str),
    /// Another character.
    Other(char),
    /// A line's end, unless one follows.
    Return,
    /// A name, since it would order the text around it otherwise than it was written.
    Order(&'static str),
}

fn shown(character: char) -> Shown {
    match character {
        '&' => Shown::Entity("&amp;"),
        '<' => Shown::Entity("&lt;"),
        '>' => Shown::Entity("&gt;"),
        '\r' => Shown::Return,
        '\n' | '\t' => Shown::Same,
        '\u{0}'..='\u{1f}' => Shown::Other(picture(character)),
        '\u{7f}' => Shown::Other('\u{2421}'),
        '\u{80}'..='\u{9f}' => Shown::Other(char::REPLACEMENT_CHARACTER),
        '\u{202a}' => Shown::Order("LRE"),
        '\u{202b}' => Shown::Order("RLE"),
        '\u{202c}' => Shown::Order("PDF"),
        '\u{202d}' => Shown::Order("LRO"),
        '\u{202e}' => Shown::Order("RLO"),
        '\u{2066}' => Shown::Order("LRI"),
        '\u{2067}' => Shown::Order("RLI"),
        '\u{2068}' => Shown::Order("FSI"),
        '\u{2069}' => Shown::Order("PDI"),
        _ => Shown::Same,
    }
}

/// The symbol that names a control character.
fn picture(control: char) -> char {
    char::from_u32(u32::from(control) + 0x2400).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Appends `text` as the content of an element. What would change the direction of the text stands in
/// an element of its own.
pub(super) fn push_text(html: &mut String, text: &str) {
    push(html, text, true);
}

/// Appends `text` as the content of an element that has nothing but text.
pub(super) fn push_plain(html: &mut String, text: &str) {
    push(html, text, false);
}

fn push(html: &mut String, text: &str, is_marked: bool) {
    html.reserve(text.len());
    // What comes before it is written.
    let mut written = 0;
    for (at, character) in text.char_indices() {
        let shown = shown(character);
        if matches!(shown, Shown::Same) {
            continue;
        }
        html.push_str(&text[written..at]);
        written = at + character.len_utf8();
        match shown {
            Shown::Same => {}
            Shown::Entity(entity) => html.push_str(entity),
            Shown::Other(other) => html.push(other),
            Shown::Return if text[written..].starts_with('\n') => {}
            Shown::Return => html.push('\n'),
            Shown::Order(name) if is_marked => {
                html.extend(["<span class=\"mark\">⟪", name, "⟫</span>"]);
            }
            Shown::Order(name) => html.extend(["⟪", name, "⟫"]),
        }
    }
    html.push_str(&text[written..]);
}

/// Appends `text` as an attribute's value, between double quotes.
pub(super) fn push_attribute(html: &mut String, text: &str) {
    for character in text.chars() {
        match (character, shown(character)) {
            ('"', _) => html.push_str("&quot;"),
            (_, Shown::Entity(entity)) => html.push_str(entity),
            (_, Shown::Same) => html.push(character),
            (_, Shown::Other(_) | Shown::Return | Shown::Order(_)) => {}
        }
    }
}

/// The front of `text` that has `bytes_max` bytes at most, and whether that is not all of it.
pub(super) fn cut(text: &str, bytes_max: usize) -> (&str, bool) {
    let end = text.floor_char_boundary(bytes_max);
    (&text[..end], end < text.len())
}

/// How much of two texts that [`push_plain`] wrote is the same: up to a whole character of what they
/// show.
pub(super) fn common(old: &str, new: &str) -> usize {
    let is_grown = new.starts_with(old);
    let same = match is_grown {
        true => old.len(),
        false => old
            .bytes()
            .zip(new.bytes())
            .take_while(|(old, new)| old == new)
            .count(),
    };
    let same = new.floor_char_boundary(same);
    let front = &new[..same];
    match front.rfind('&') {
        Some(entity) if !front[entity..].contains(';') => entity,
        _ => same,
    }
}

/// The UTF-16 units of what a text that [`push_plain`] wrote shows.
pub(super) fn utf16_units(html: &str) -> usize {
    let mut is_entity = false;
    let units = html.chars().map(|character| match character {
        '&' => {
            is_entity = true;
            1
        }
        ';' if is_entity => {
            is_entity = false;
            0
        }
        _ if is_entity => 0,
        other => other.len_utf16(),
    });
    units.sum()
}

/// The text that is shown by what [`push_plain`] wrote.
pub(super) fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
