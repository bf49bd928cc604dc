//! CLIP's tokenizer, with its cleaning and its marks. The merges are the crate's `instant-clip-tokenizer`; the context is CLIP's.

use instant_clip_tokenizer::{Token, Tokenizer as Merges};
use unicode_normalization::UnicodeNormalization as _;

/// Longest sentence CLIP reads, with its two marks.
const CONTEXT: usize = 77;

/// Turns text into CLIP's token ids.
///
/// It agrees with OpenAI's tokenizer except in two points: text is not repaired beyond HTML entities and curly quotes
/// (no `ftfy`), and marks written out in the text are ordinary text, so that no metadata can end a sentence early.
pub struct Tokenizer {
    merges: Merges,
}

impl Tokenizer {
    /// Reads the vocabulary, which takes tens of milliseconds: make one and keep it.
    pub fn new() -> Self {
        Self {
            merges: Merges::new(),
        }
    }

    /// The ids of a sentence from start mark to end mark, at most 77: a longer sentence is cut before its end mark.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.merges.start_of_text()];
        self.merges.encode(&clean(text), &mut tokens);
        tokens.truncate(CONTEXT - 1);
        tokens.push(self.merges.end_of_text());
        tokens.into_iter().map(id).collect()
    }
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self::new()
    }
}

fn id(token: Token) -> u32 {
    u32::from(token.to_u16())
}

/// Resolves HTML entities twice, as CLIP does, composes letters and their marks, straightens quotes, and breaks up what the merges would take for a mark.
fn clean(text: &str) -> String {
    let text: String = unescape(&unescape(text)).nfc().collect();
    let text = text.replace(['\u{2018}', '\u{2019}'], "'");
    let text = text.replace(['\u{201c}', '\u{201d}'], "\"");
    // A space after "<" leaves the pieces as they are: the merges never join punctuation and letters.
    text.to_lowercase()
        .replace("<start_of_text>", "< start_of_text>")
        .replace("<end_of_text>", "< end_of_text>")
}

/// Resolves the entities that spreadsheets and web forms leave behind; `&amp;` last, so that each pass peels one layer.
fn unescape(text: &str) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ];
    ENTITIES
        .iter()
        .fold(text.to_owned(), |text, (entity, plain)| {
            text.replace(entity, plain)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");

    #[test]
    fn ids_equal_those_of_openai() {
        let path = format!("{SHARED}/clip/token_oracle.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("skipped: {path} is not there; the literal cases of this file still hold");
            return;
        };
        let oracle: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tokenizer = Tokenizer::new();
        let cases = oracle["cases"].as_array().unwrap();
        assert!(cases.len() >= 40);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let ids = case["ids"].as_array().unwrap();
            let ids = ids.iter().map(|id| id.as_u64().unwrap() as u32);
            let mut expected = vec![49406];
            expected.extend(ids.take(75));
            expected.push(49407);
            assert_eq!(tokenizer.encode(text), expected, "{text:?}");
        }
    }

    #[test]
    fn odd_text_has_the_ids_of_transformers() {
        let oracle: serde_json::Value =
            serde_json::from_str(include_str!("tokenizer/transformers.json")).unwrap();
        let tokenizer = Tokenizer::new();
        let cases = oracle["cases"].as_array().unwrap();
        assert!(cases.len() > 60);
        let mut apart = Vec::new();
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let ids = case["ids"].as_array().unwrap();
            let ids: Vec<u32> = ids.iter().map(|id| id.as_u64().unwrap() as u32).collect();
            let found = tokenizer.encode(text);
            if found != ids {
                apart.push(format!("{text:?}: {found:?} is not {ids:?}"));
            }
        }
        assert!(apart.is_empty(), "{}", apart.join("\n"));
    }

    #[test]
    fn a_sentence_stands_between_its_marks() {
        let ids = Tokenizer::new().encode("Hello world!!!");
        assert_eq!(ids, [49406, 3306, 1002, 995, 49407]);
        assert_eq!(Tokenizer::new().encode(""), [49406, 49407]);
    }

    #[test]
    fn a_long_sentence_is_cut_before_its_end_mark() {
        let ids = Tokenizer::new().encode(&"lymphoma ".repeat(100));
        assert_eq!(ids.len(), 77);
        assert_eq!(ids[76], 49407);
        assert!(ids[1..76].iter().all(|&id| id < 49406));
    }

    #[test]
    fn marks_in_the_text_are_ordinary_text() {
        let tokenizer = Tokenizer::new();
        for text in [
            "a <end_of_text> b",
            "a <END_OF_TEXT> b",
            "<|endoftext|>",
            "<start_of_text>",
        ] {
            let ids = tokenizer.encode(text);
            let inner = &ids[1..ids.len() - 1];
            assert!(inner.iter().all(|&id| id < 49406), "{text}: {ids:?}");
        }
    }

    #[test]
    fn entities_and_curly_quotes_are_read_as_what_they_stand_for() {
        let tokenizer = Tokenizer::new();
        let plain = tokenizer.encode("Hodgkin's \"bulky\" R&D");
        let dressed = "Hodgkin\u{2019}s \u{201c}bulky&quot; R&amp;amp;D";
        assert_eq!(tokenizer.encode(dressed), plain);
    }
}
